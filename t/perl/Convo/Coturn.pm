package Convo::Coturn;

# A coturn of the suite's own, on loopback: started by "use", with
# use-auth-secret and the two secrets of @SECRETS, ended with the suite.
#
#     use Convo::Coturn;
#
#     allocates($username, $credential)     1 when coturn relays with these
#     allocates($username, $credential, 't')    the same over TCP
#
# $TEST_NGINX_TURN_PORT is its port.
#
# How it fails: a coturn that is missing or does not answer within START_S
# bails out with the end of its log.

use v5.36;

use File::Temp ();
use IO::Socket::INET ();
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use Test::Nginx::Socket ();

use constant {
    START_S  => 10,
    RELAYS   => 40,         # ports for relays, above the listening one
};

our @SECRETS = ('the-first-secret-of-coturn', 'the-second-secret-of-coturn');

my ($dir, $pid);
my $owner_pid = $$;

sub import ($class) {
    my $caller = caller;
    no strict 'refs';
    *{"${caller}::allocates"} = \&allocates;
    return if $dir;
    $dir = File::Temp->newdir('convo-coturn-XXXXXX', TMPDIR => 1);
    $ENV{TEST_NGINX_TURN_PORT} = Test::Nginx::Util::gen_rand_port();
    start();
    Test::Nginx::Socket::add_cleanup_handler(\&stop);
    return;
}

sub start () {
    my $port = $ENV{TEST_NGINX_TURN_PORT};
    $pid = fork // bail("fork failed: $!");
    if (!$pid) {
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        no warnings;
        exec 'turnserver', '-n', '--listening-ip', '127.0.0.1',
            '--listening-port', $port, '--relay-ip', '127.0.0.1',
            '--min-port', $port + 1, '--max-port', $port + RELAYS,
            '--use-auth-secret',
            (map { ('--static-auth-secret', $_) } @SECRETS),
            '--realm', 'convo', '--allow-loopback-peers', '--no-cli',
            '--no-tls', '--no-dtls', '--no-rfc5780',
            '--userdb', "$dir/db", '--pidfile', "$dir/pid",
            '--log-file', 'stdout';
        print "cannot execute turnserver: $!\n";
        POSIX::_exit(127);
    }
    my $deadline = time + START_S;
    until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")) {
        sleep 0.05;
        bail('turnserver does not answer: ' . log_end())
            if waitpid($pid, WNOHANG) == $pid || time > $deadline;
    }
    return;
}

sub stop () {
    return if !$pid || $$ != $owner_pid;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    undef $pid;
    return;
}

# Two clients of coturn's own kind, that relay two messages to each other.
sub allocates ($username, $credential, $transport = '') {
    my $text = "$dir/client";
    my $child = fork // bail("fork failed: $!");
    if (!$child) {
        open STDOUT, '>', $text;
        open STDERR, '>&', \*STDOUT;
        no warnings;
        exec 'turnutils_uclient', ($transport ? "-$transport" : ()), '-y',
            '-c', '-n', 2, '-u', $username, '-w', $credential,
            '-p', $ENV{TEST_NGINX_TURN_PORT}, '127.0.0.1';
        POSIX::_exit(127);
    }
    waitpid $child, 0;
    return $? == 0 && slurp($text) =~ /Total lost packets 0 / ? 1 : 0;
}

sub slurp ($path) {
    open my $in, '<', $path or return '';
    local $/;
    return <$in> // '';
}

sub log_end () {
    return substr slurp("$dir/log"), -500;
}

sub bail ($why) {
    Test::Nginx::Socket::bail_out("$0 - $why");
}

# Also where the suite dies before its cleanup handlers run.
END {
    local $?;
    stop();
}

1;
