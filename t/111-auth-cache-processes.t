# convo_auth_cache under several processes: each verifies nothing that another
# has verified, a reload keeps the zone, and what a process remembered by itself
# goes with it.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config id_token);
use HTTP::Tiny ();
use Time::HiRes qw(sleep time);

master_on();
workers(2);

our $Root = server_root();
our $Config = auth_config() . "convo_auth_cache zone=tokens:1m;\n";

sub ask {
    my ($path, $token) = @_;
    my $client = HTTP::Tiny->new(timeout => 5, keep_alive => 0);
    my $url = 'http://127.0.0.1:' . server_port_for_client() . $path;
    return $client->get($url,
        { headers => { $token ? (Authorization => "Bearer $token") : () } })
        ->{content};
}

sub children {
    my ($master) = @_;
    return grep { `ps -o args= -p $_` =~ /worker process\s*$/ }
        split ' ', `ps -o pid= --ppid $master`;
}

# Does something to the processes, and waits until there are two new ones only.
sub change {
    my ($how) = @_;
    open my $in, '<', "$Root/logs/nginx.pid" or die "no pid: $!\n";
    chomp(my $master = <$in>);
    my %old = map { $_ => 1 } children($master);
    $how->($master, keys %old);
    my $deadline = time + 10;
    my $done = sub {
        my @now = split ' ', `ps -o pid= --ppid $master`;
        return 2 == (grep { !$old{$_} } children($master))
            && !grep { $old{$_} } @now;
    };
    sleep 0.05 until time > $deadline || $done->();
    return;
}

# One token forty times, a change, forty times again: "ok" when one process
# verified it and no other did, each found it in the zone once at most before it
# kept it, and nothing else is counted.
our $Counted = sub {
    my ($how) = @_;
    return sub {
        my $token = id_token();
        my @answers = map { ask('/t', $token) } 1 .. 40;
        if ($how) {
            change($how);
            push @answers, map { ask('/t', $token) } 1 .. 40;
        }
        my %seen;
        $seen{$_}++ for map { /(\w+)$/ } @answers;
        my %told = ask('/metrics') =~ /^(convo_auth_[^ ]+) (\d+)$/mg;
        my ($front, $hit, $miss, $kept) = @told{
            (map {"convo_auth_cache_total{result=\"$_\"}"} qw(front hit miss)),
            'convo_auth_front_tokens'};
        my $most = $how ? 4 : 2;
        return "front $front of $seen{front}, hit $hit, miss $miss, "
            . "kept $kept\n"
            if $miss != 1 || $seen{miss} != 1 || $front != $seen{front}
            || $hit > $most || $hit != ($seen{hit} // 0)
            || $kept < 1 || $kept > 2 || $front + $hit + $miss != @answers
            || $told{convo_auth_front_bytes} < $kept * 1000
            || $told{convo_auth_front_bytes} > $kept * 8192 * 8;
        return "ok\n";
    };
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config);
    $block->set_value('config', <<'CONF');
    location = /t { convo_auth on; return 200 "$convo_auth_cache\n"; }
    location = /metrics { convo_metrics; }
CONF
    $block->set_value('request', 'GET /metrics');
    $block->set_value('response_body', "ok\n");
});

run_tests();

__DATA__

=== TEST 1: a token that one process has verified is known to the other
--- response_body_filters eval: $::Counted->()



=== TEST 2: a reload keeps the zone, and processes begin with nothing else
--- response_body_filters eval
$::Counted->(sub { kill 'HUP', $_[0] })



=== TEST 3: processes that are killed leave no memory counted
--- response_body_filters eval
$::Counted->(sub { kill 'KILL', @_[1, 2] })
--- error_log eval
[qr/\[alert\] .* exited on signal 9/, '[alert]']
