package Convo::Redis;

# A Redis of the suite's own: started by "use", empty, on a free port and a
# Unix socket, stopped when the suite ends.
#
#     use Test::Nginx::Socket 'no_plan';
#     use Convo::Test;
#     use Convo::Redis;
#
#     --- config
#         convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;
#     --- init
#     ::redis('FLUSHALL');
#     ::redis('SET', '{default}:ready', 1);
#
# $TEST_NGINX_REDIS_PORT and $TEST_NGINX_REDIS_SOCKET name it in sections;
# ::redis(COMMAND, ...) talks to it; ::redis_stop() and ::redis_start() take
# it away and bring it back, with its data, on the same port.
#
# How it fails: a redis-server that is missing or does not answer within
# START_S bails out with the end of its log; an error reply dies with its text.

use v5.36;

use File::Temp ();
use IO::Socket::UNIX ();
use POSIX qw(WNOHANG);
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(sleep time);

use Test::Nginx::Socket ();

use constant {
    START_S   => 10,
    STOP_S    => 5,
    REPLY_MAX => 16 * 1024 * 1024,
};

my ($dir, $pid, $connection);
my $owner_pid = $$;

sub import ($class) {
    my $caller = caller;
    no strict 'refs';
    *{"${caller}::$_"} = \&$_ for qw(redis redis_start redis_stop);
    return if $dir;
    $dir = File::Temp->newdir('convo-redis-XXXXXX', TMPDIR => 1);
    $ENV{TEST_NGINX_REDIS_PORT} = Test::Nginx::Util::gen_rand_port();
    $ENV{TEST_NGINX_REDIS_SOCKET} = "$dir/redis.sock";
    redis_start();
    Test::Nginx::Socket::add_cleanup_handler(\&redis_stop);
    return;
}

# Starts Redis and returns once it answers.
sub redis_start () {
    return if $pid;
    $pid = fork // bail("fork failed: $!");
    if (!$pid) {
        open STDOUT, '>>', "$dir/redis.log";
        open STDERR, '>&', \*STDOUT;
        no warnings;
        exec 'redis-server', '--dir', "$dir", '--bind', '127.0.0.1',
            '--port', $ENV{TEST_NGINX_REDIS_PORT},
            '--unixsocket', $ENV{TEST_NGINX_REDIS_SOCKET},
            '--save', '', '--appendonly', 'yes', '--appendfsync', 'always';
        print "cannot execute redis-server: $!\n";
        POSIX::_exit(127);
    }
    my $deadline = time + START_S;
    until (eval { redis('PING') eq 'PONG' }) {
        sleep 0.02;
        my $gone = waitpid($pid, WNOHANG) == $pid;
        bail('redis-server does not answer: ' . log_end())
            if $gone || time > $deadline;
    }
    return;
}

# Stops Redis, by SIGNAL, and returns when it is gone.
sub redis_stop ($signal = 'TERM') {
    return if !$pid || $$ != $owner_pid;
    undef $connection;
    kill $signal, $pid;
    my $deadline = time + STOP_S;
    while (waitpid($pid, WNOHANG) == 0) {
        kill 'KILL', $pid if time > $deadline;
        sleep 0.01;
    }
    undef $pid;
    return;
}

# Sends a command; returns its reply: a string, an integer, undef for nil, or
# a reference to a list of them. A connection is kept between calls.
sub redis (@command) {
    undef $connection if $connection && $connection->{pid} != $$;
    $connection //= connect_redis();
    my $bytes = '*' . @command . "\r\n";
    $bytes .= '$' . length($_) . "\r\n$_\r\n" for @command;
    my $reply = eval {
        print { $connection->{socket} } $bytes;
        $connection->{socket}->flush;
        read_reply($connection->{socket});
    };
    my $error = $@;
    undef $connection if $error && $error !~ /^redis: /;
    die $error if $error;
    return $reply;
}

sub connect_redis () {
    my $socket = IO::Socket::UNIX->new(
        Type => SOCK_STREAM,
        Peer => $ENV{TEST_NGINX_REDIS_SOCKET},
    ) or die "cannot connect to redis: $!\n";
    return { socket => $socket, pid => $$ };
}

sub read_reply ($socket) {
    my $line = readline($socket) // die "redis closed the connection\n";
    my ($type, $text) = $line =~ /\A(.)(.*)\r\n\z/s
        or die "not a reply: $line\n";
    return $text            if $type eq '+' || $type eq ':';
    die "redis: $text\n"    if $type eq '-';
    return undef            if $text < 0;
    return [map { read_reply($socket) } 1 .. $text] if $type eq '*';
    die "not a reply: $line\n" if $type ne '$' || $text > REPLY_MAX;
    read($socket, my $bytes, $text + 2) == $text + 2
        or die "redis closed the connection\n";
    return substr $bytes, 0, $text;
}

sub log_end () {
    open my $in, '<', "$dir/redis.log" or return 'no log';
    my @lines = <$in>;
    return join '', grep { defined } @lines[-5 .. -1];
}

sub bail ($why) {
    Test::Nginx::Socket::bail_out("$0 - $why");
}

# Also where the suite dies before its cleanup handlers run.
END {
    local $?;
    redis_stop();
}

1;
