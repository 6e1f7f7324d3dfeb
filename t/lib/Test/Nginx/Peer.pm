package Test::Nginx::Peer;

# The small TCP and UDP servers that a block asks for with tcp_listen and
# udp_listen: upstreams that say exactly what the suite wants. Each is a child
# process for one run of the block and serves one connection or one datagram;
# what it received is left in a file for the tcp_query and udp_query checks.
#
# It is not an HTTP server: the reply is sent as written once tcp_query_len
# bytes (by default: anything) have come.
#
# How it fails: a port that is taken bails out with the address; a server
# nobody asks is killed at the end of the run, and its query check fails on
# the empty text.

use v5.36;

use Exporter qw(import);
use File::Temp ();
use IO::Select ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use POSIX ();
use Socket qw(SOCK_DGRAM SOCK_STREAM);
use Test::More ();
use Time::HiRes qw(sleep);

use Test::Nginx::Check qw(is_str);
use Test::Nginx::Util qw(
    bail_out expand_env_in_text kill_process parse_time read_file write_file
);

use constant {
    QUERY_MAX            => 1024 * 1024,
    QUERY_AUTO_TIMEOUT_S => 0.1,
};

our @EXPORT_OK = qw(start_peers finish_peers stop_peers);

my @peers;

# Starts the servers of the block; they listen when it returns.
sub start_peers ($block) {
    for my $kind (qw(tcp udp)) {
        my $listen = $kind . '_listen';
        my $target = expand_env_in_text(
            scalar $block->$listen, $block->name);
        start_peer($block, $kind, $target) if defined $target;
    }
    return;
}

sub start_peer ($block, $kind, $target) {
    my $reply = $kind . '_reply';
    bail_out($block->name . " - no --- $reply specified but "
        . "--- ${kind}_listen is specified")
        if !defined $block->$reply && !defined $block->tcp_shutdown;
    my $socket = listen_on($kind, $target)
        // bail_out($block->name . " - cannot listen on $kind $target: $!");
    my $query = File::Temp->new(TEMPLATE => 'test-nginx-XXXXXX', TMPDIR => 1);
    my $pid = fork // bail_out("fork failed: $!");
    if (!$pid) {
        $SIG{TERM} = 'DEFAULT';
        my $serve = $kind eq 'tcp' ? \&serve_tcp : \&serve_udp;
        eval { $serve->($block, $socket, "$query"); 1 }
            or print STDERR $block->name, " - $kind server: $@";
        POSIX::_exit(0);
    }
    push @peers, { kind => $kind, pid => $pid, query => $query,
        path => $target =~ /^\d+$/ ? undef : $target };
    return;
}

# A listening socket on a port of loopback or on a Unix path.
sub listen_on ($kind, $target) {
    my $type = $kind eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM;
    my @listen = $kind eq 'tcp' ? (Listen => 5) : ();
    if ($target !~ /^\d+$/) {
        unlink $target;
        return IO::Socket::UNIX->new(
            Local => $target, Type => $type, @listen);
    }
    push @listen, ReuseAddr => 1 if $kind eq 'tcp';
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $target, Proto => $kind, Type => $type, @listen);
}

sub serve_tcp ($block, $socket, $query_file) {
    my $client = $socket->accept or die "accept: $!\n";
    my $how = $block->tcp_shutdown;
    $client->shutdown($how) if defined $how;
    my $query = '';
    if (!defined $how || $how == 1) {
        $query = read_query($block, $client, $query_file);
    }
    delay(scalar $block->tcp_reply_delay);
    if (!defined $how || $how == 0) {
        syswrite $client, $_ for replies(scalar $block->tcp_reply, $query);
    }
    sleep 3600 if defined $block->tcp_no_close;
    close $client;
    return;
}

# Reads as much as the block says, and keeps it in the file as it comes.
sub read_query ($block, $client, $query_file) {
    my $wanted = $block->tcp_query_len // length($block->tcp_query // '');
    my $auto_s = $block->tcp_query_auto_timeout;
    $auto_s = QUERY_AUTO_TIMEOUT_S if defined $auto_s && $auto_s eq '';
    my $select = IO::Select->new($client);
    my $query = '';
    while (length $query < QUERY_MAX) {
        last if defined $auto_s && !$select->can_read($auto_s);
        sysread($client, $query, 65_536, length $query) or last;
        write_file("$query_file.new", $query);
        rename "$query_file.new", $query_file;
        last if !defined $auto_s && length $query >= $wanted;
    }
    return $query;
}

sub serve_udp ($block, $socket, $query_file) {
    my $peer = recv($socket, my $query, 65_536, 0) // die "recv: $!\n";
    write_file($query_file, $query);
    delay(scalar $block->udp_reply_delay);
    send $socket, $_, 0, $peer for replies(scalar $block->udp_reply, $query);
    return;
}

# The reply section as a list of packets: a text, several, or a function of
# the query that returns either.
sub replies ($reply, $query) {
    $reply = $reply->($query) if ref $reply eq 'CODE';
    return ref $reply eq 'ARRAY' ? @$reply : $reply // ();
}

sub delay ($time) {
    my $seconds = parse_time($time);
    sleep $seconds if $seconds;
    return;
}

# Checks what the servers were asked, and ends them.
sub finish_peers ($block) {
    for my $peer (@peers) {
        my $got = read_file("$peer->{query}") // '';
        my $query = "$peer->{kind}_query";
        is_str($got, scalar $block->$query, $block->name . " - $query ok")
            if defined $block->$query;
        Test::More::is(length $got, scalar $block->tcp_query_len,
            $block->name . ' - TCP query length ok')
            if $peer->{kind} eq 'tcp' && defined $block->tcp_query_len;
    }
    stop_peers();
    return;
}

sub stop_peers () {
    for my $peer (splice @peers) {
        kill_process($peer->{pid}, 'TERM', 1);
        unlink $peer->{path} if defined $peer->{path};
    }
    return;
}

1;
