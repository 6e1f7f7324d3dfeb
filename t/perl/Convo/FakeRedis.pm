package Convo::FakeRedis;

# A server that is not quite a Redis, for what a real one does not do when it
# is asked to: rubbish, silence, half a reply.
#
#     use Convo::FakeRedis;
#     fake_redis('HALF', sub ($peer, @command) { ... });
#
#     --- config
#         convo_redis redis://127.0.0.1:$TEST_NGINX_HALF_PORT;
#
# The sub is called in a process of its own with each command of a connection,
# once it is complete, and returns the bytes to send, or [SECONDS, BYTES] to
# send them later and everything after them later still, or undef for silence.
# $peer is a hash of the connection: $peer->{close} = 1 closes it when all is
# sent, $peer->{number} counts connections from 1, $peer->{count} its commands
# from 1; anything else is the sub's own.  The sub may read nothing of the
# suite's process that was set after fake_redis().
#
# greeting(@command) is the answer of a sound Redis to AUTH, SELECT and PING,
# undef to other commands; bulk($text) and list(@replies) write replies.

use v5.36;

use Exporter 'import';
use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes qw(time);

use Test::Nginx::Socket ();

our @EXPORT = qw(fake_redis greeting bulk list);

use constant { READ_SIZE => 65536, IDLE_S => 1 };

my @pids;
my $owner_pid = $$;

sub fake_redis ($name, $answer) {
    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 128, ReuseAddr => 1,
    ) or die "cannot listen: $!\n";
    $ENV{"TEST_NGINX_${name}_PORT"} = $listen->sockport;
    my $pid = fork // die "fork failed: $!\n";
    if (!$pid) {
        $SIG{PIPE} = 'IGNORE';
        eval { serve($listen, $answer) };
        print STDERR "fake redis $name: $@";
        POSIX::_exit(1);
    }
    push @pids, $pid;
    Test::Nginx::Socket::add_cleanup_handler(\&stop) if @pids == 1;
    return;
}

sub greeting (@command) {
    my $word = uc $command[0];
    return "+PONG\r\n" if $word eq 'PING';
    return "+OK\r\n"   if $word eq 'AUTH' || $word eq 'SELECT';
    return undef;
}

sub bulk ($text) {
    return '$' . length($text) . "\r\n$text\r\n";
}

sub list (@replies) {
    return '*' . @replies . "\r\n" . join '', @replies;
}

sub serve ($listen, $answer) {
    my ($select, %peers, $number) = IO::Select->new($listen);
    while (1) {
        for my $socket ($select->can_read(wait_s(values %peers))) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                $select->add($client);
                $peers{$client} = { socket => $client, in => '', out => [],
                                    number => ++$number, count => 0 };
                next;
            }
            my $peer = $peers{$socket};
            my $read = sysread $socket, $peer->{in}, READ_SIZE,
                length $peer->{in};
            $peer->{gone} = 1 if !$read;
            while (!$peer->{gone} && (my @command = take_command($peer))) {
                $peer->{count}++;
                say_later($peer, $answer->($peer, @command));
            }
        }
        for my $peer (values %peers) {
            say_now($peer);
            next if !$peer->{gone} && (!$peer->{close} || @{ $peer->{out} });
            $select->remove($peer->{socket});
            close $peer->{socket};
            delete $peers{ $peer->{socket} };
        }
    }
    return;
}

# One whole command off the input, or nothing.
sub take_command ($peer) {
    $peer->{in} =~ /\A\*(\d+)\r\n/ or return;
    my ($left, $at, @command) = ($1, $+[0]);
    while ($left-- > 0) {
        pos($peer->{in}) = $at;
        $peer->{in} =~ /\G\$(\d+)\r\n/g or return;
        $at = $+[0];
        return if length $peer->{in} < $at + $1 + 2;
        push @command, substr $peer->{in}, $at, $1;
        $at += $1 + 2;
    }
    substr $peer->{in}, 0, $at, '';
    return @command;
}

sub say_later ($peer, $reply) {
    return if !defined $reply;
    $reply = [0, $reply] if !ref $reply;
    push @{ $peer->{out} }, [time + $reply->[0], $reply->[1]];
    return;
}

sub say_now ($peer) {
    my $out = $peer->{out};
    while (@$out && $out->[0][0] <= time) {
        my $bytes = (shift @$out)->[1];
        while (length $bytes) {
            my $sent = syswrite $peer->{socket}, $bytes;
            if (!$sent) {
                $peer->{gone} = 1;
                return;
            }
            substr $bytes, 0, $sent, '';
        }
    }
    return;
}

sub wait_s (@peers) {
    my ($first) = sort { $a <=> $b }
        map { $_->{out}[0][0] } grep { @{ $_->{out} } } @peers;
    return IDLE_S if !defined $first;
    return $first > time ? $first - time : 0;
}

sub stop () {
    return if $$ != $owner_pid;
    kill 'KILL', @pids;
    waitpid $_, 0 for @pids;
    @pids = ();
    return;
}

# Also where the suite dies before its cleanup handlers run.
END {
    local $?;
    stop();
}

1;
