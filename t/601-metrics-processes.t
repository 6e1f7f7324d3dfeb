# Counters are those of all processes, and outlive each of them: a reload and
# a process that is killed.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use HTTP::Tiny ();
use Time::HiRes qw(sleep time);

master_on();
workers(2);

our $Root = server_root();

sub ask {
    my ($method, $path) = @_;
    my $client = HTTP::Tiny->new(timeout => 5, keep_alive => 0);
    my $url = 'http://127.0.0.1:' . server_port_for_client() . $path;
    return $client->request($method, $url,
        { headers => { 'Content-Type' => 'application/json' } })->{content};
}

sub children {
    my ($master) = @_;
    return grep { `ps -o args= -p $_` =~ /worker process\s*$/ }
        split ' ', `ps -o pid= --ppid $master`;
}

# Does something to the processes, by their ids, and waits for two new ones.
sub change {
    my ($how) = @_;
    open my $in, '<', "$Root/logs/nginx.pid" or die "no pid: $!\n";
    chomp(my $master = <$in>);
    my %old = map { $_ => 1 } children($master);
    $how->($master, keys %old);
    my $deadline = time + 5;
    sleep 0.05 until time > $deadline
        || 2 == grep { !$old{$_} } children($master);
    return;
}

# Four webhooks without a token, then the change, then what was counted.
our $Counted = sub {
    my ($how) = @_;
    return sub {
        ask('POST', '/w') for 1 .. 4;
        change($how) if $how;
        return join '', grep { /result="refused"/ }
            split /^/, ask('GET', '/metrics');
    };
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', <<'CONF');
    convo_livekit url=ws://b key=k secret_file=$TEST_NGINX_HTML_DIR/secrets;
    location = /w { convo_livekit_webhook; }
    location = /metrics { convo_metrics; }
CONF
    $block->set_value('user_files', ">>> secrets\n" . 'x' x 32 . "\n");
    $block->set_value('request', 'GET /metrics');
    $block->set_value('response_body',
        qq(convo_livekit_webhooks_total{result="refused"} 4\n));
});

run_tests();

__DATA__

=== TEST 1: two processes count together
--- response_body_filters eval: $::Counted->()



=== TEST 2: a reload keeps what was counted
--- response_body_filters eval
$::Counted->(sub { kill 'HUP', $_[0] })



=== TEST 3: a process that is killed leaves what it counted
--- response_body_filters eval
$::Counted->(sub { kill 'KILL', @_[1, 2] })
--- error_log eval
[qr/\[alert\] .* exited on signal 9/, '[alert]']
