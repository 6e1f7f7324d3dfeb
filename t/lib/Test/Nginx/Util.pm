package Test::Nginx::Util;

# Settings and small tools of the Test::Nginx work-alike: what the environment
# (TEST_NGINX_*) and the suite asked for, where the server's files lie, random
# ports, and the expansion of $TEST_NGINX_* in section texts.
#
# The variables carry the names they have in the CPAN distribution, because
# suites read some of them ($Test::Nginx::Util::ServRoot). They are settled
# before run_tests() and only read afterwards. Nothing here starts a process.
#
# How it fails: an unset $TEST_NGINX_NAME in a section, or no free port, bails
# out of the whole run with the name, after the cleanup handlers have run.

use strict;
use warnings;

# Perl code of a section; first in the file, so that it sees none of the
# lexical names below, and the language as Perl has it by default.
sub run_perl { return eval "$_[0]\n; 1" }

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use File::Spec ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use POSIX ();
use Socket qw(SOCK_STREAM);
use Test::More ();
use Time::HiRes qw(sleep);

use constant {
    PORT_FIRST   => 10_000,   # below it live the services of a machine,
    PORT_LAST    => 32_000,   # above it the kernel's own client ports
    PORT_TRIES   => 1_000,
    EXIT_GRACE_S => 3,        # how long a process may take to quit
};

our @EXPORT_OK = qw(
    bail_out cleanup expand_env_in_text gen_rand_port html_dir is_running
    kill_process parse_time read_file server_root sleep_time write_file
);

our $ServerAddr  = '127.0.0.1';
our $ServerName  = 'localhost';
our $NginxBinary = $ENV{TEST_NGINX_BINARY} || 'nginx';
our $ServerPort  = $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT}
    || 1984;
our $ServerPortForClient = $ENV{TEST_NGINX_CLIENT_PORT} || $ServerPort;

our $Workers              = 1;
our $WorkerConnections    = 64;
our $LogLevel             = $ENV{TEST_NGINX_LOG_LEVEL} || 'debug';
our $MasterProcessEnabled = $ENV{TEST_NGINX_MASTER_PROCESS} || 'off';
our $EventType            = $ENV{TEST_NGINX_EVENT_TYPE};
our $LoadModules          = $ENV{TEST_NGINX_LOAD_MODULES} // '';
our $ConfigPreamble       = '';
our $NoRootLocation       = 0;
our @EnvToNginx;

our $Timeout          = $ENV{TEST_NGINX_TIMEOUT} || 3;
our $TestNginxSleep   = $ENV{TEST_NGINX_SLEEP} || 0.015;
our $RepeatEach       = 1;
our $NoShuffle        = $ENV{TEST_NGINX_NO_SHUFFLE} || 0;
our $NoNginxManager   = $ENV{TEST_NGINX_NO_NGINX_MANAGER} || 0;
our $NoClean          = $ENV{TEST_NGINX_NO_CLEAN} || 0;
our $Verbose          = $ENV{TEST_NGINX_VERBOSE};
our $UseHup           = $ENV{TEST_NGINX_USE_HUP};
our $UseValgrind      = $ENV{TEST_NGINX_USE_VALGRIND};
our $CheckAccumErrLog = $ENV{TEST_NGINX_CHECK_ACCUM_ERR_LOG};
our $ForceRestart     = $ENV{TEST_NGINX_FORCE_RESTART_ON_TEST} // 1;

our $RandPorts = {};          # of the running block: name -> port
our @CleanupHandlers;

my @held;                     # sockets that reserve our random ports

# One random port for the server when files of tests run side by side.
if ($ENV{TEST_NGINX_RANDOMIZE}) {
    $ServerPort = gen_rand_port()
        // croak 'no free port for nginx after ' . PORT_TRIES . ' tries';
    $ServerPortForClient = $ServerPort;
}

our $ServRoot = server_root_path();
our $LogDir     = "$ServRoot/logs";
our $ErrLogFile = "$LogDir/error.log";
our $AccLogFile = "$LogDir/access.log";
our $StderrFile = "$LogDir/stderr.log";
our $HtmlDir    = "$ServRoot/html";
our $ConfDir    = "$ServRoot/conf";
our $ConfFile   = "$ConfDir/nginx.conf";
our $PidFile    = "$LogDir/nginx.pid";

$ENV{TEST_NGINX_SERVER_ROOT} = $ServRoot;

# Where the server lives: TEST_NGINX_SERVROOT, or t/servroot; with a random
# port both are made one's own by "_PORT".
sub server_root_path () {
    my $path = $ENV{TEST_NGINX_SERVROOT} || 't/servroot';
    $path .= "_$ServerPort" if $ENV{TEST_NGINX_RANDOMIZE};
    return File::Spec->rel2abs($path);
}

# A TCP port that nobody listens on and that no other run of this module was
# given; undef when none was found. The reservation is an abstract Unix socket
# held until the process ends, so it needs no file and cannot go stale.
sub gen_rand_port (@) {
    for (1 .. PORT_TRIES) {
        my $port = PORT_FIRST + int rand(PORT_LAST - PORT_FIRST);
        my $hold = IO::Socket::UNIX->new(
            Type   => SOCK_STREAM,
            Local  => "\0test-nginx-port-$port",
            Listen => 1,
        ) or next;
        my $probe = IO::Socket::INET->new(
            LocalAddr => '0.0.0.0',
            LocalPort => $port,
            Proto     => 'tcp',
            Listen    => 1,
        ) or next;
        close $probe;
        push @held, $hold;
        return $port;
    }
    return undef;
}

# "1.5", "2s" or "50ms" in seconds; undef stays undef.
sub parse_time ($text) {
    return undef           if !defined $text;
    return $1 / 1000       if $text =~ /^\s*([0-9.]+)\s*ms\s*$/;
    return $1              if $text =~ /^\s*([0-9.]+)\s*s?\s*$/;
    croak "bad time \"$text\": expected seconds, \"2s\" or \"50ms\"";
}

sub sleep_time ()              { return $TestNginxSleep }
sub html_dir :prototype() ()    { return $HtmlDir }
sub server_root :prototype() () { return $ServRoot }

# TEXT with every $TEST_NGINX_NAME replaced by the environment's value, and
# $TEST_NGINX_RAND_PORT_n by a port that stays the same within the block.
# References and undef pass unchanged.
sub expand_env_in_text ($text, $name, @) {
    return $text if !defined $text || ref $text;
    $text =~ s/\$(TEST_NGINX_[_A-Z0-9]+)/expand_one($1, $name)/ge;
    return $text;
}

sub expand_one ($variable, $name) {
    if ($variable =~ /^TEST_NGINX_RAND_PORT_[0-9]+$/) {
        return $RandPorts->{$variable} //= gen_rand_port()
            // bail_out("$name - no free port for $variable");
    }
    return $ENV{$variable}
        // bail_out("$name - No environment $variable defined.");
}

sub read_file ($path) {
    open my $in, '<:raw', $path or return undef;
    local $/;
    return scalar <$in> // '';
}

sub write_file ($path, $text) {
    open my $out, '>:raw', $path or bail_out("cannot write $path: $!");
    print {$out} $text;
    close $out or bail_out("cannot write $path: $!");
    return;
}

# True while PID runs; a zombie, which only waits for its parent, does not.
sub is_running ($pid, @) {
    return 0 if !$pid || !kill 0, $pid;
    my $stat = read_file("/proc/$pid/stat");
    return 1 if !defined $stat;
    return $stat !~ /\)\s+[ZX]\s/;
}

# Ends PID: SIGNAL first, and KILL (with its children, so that no nginx worker
# is orphaned) when GRACE_S seconds were not enough. Returns when it is gone,
# with true if it went by itself.
sub kill_process ($pid, $signal = 'QUIT', $grace_s = EXIT_GRACE_S) {
    kill $signal, $pid;
    return 1 if wait_gone($pid, $grace_s);
    my $children = read_file("/proc/$pid/task/$pid/children") // '';
    kill 'KILL', $pid, split ' ', $children;
    wait_gone($pid, EXIT_GRACE_S);
    return 0;
}

sub wait_gone ($pid, $limit_s) {
    my $deadline = Time::HiRes::time() + $limit_s;
    while (is_running($pid)) {
        waitpid $pid, POSIX::WNOHANG();
        return 0 if Time::HiRes::time() > $deadline;
        sleep 0.005;
    }
    waitpid $pid, POSIX::WNOHANG();
    return 1;
}

# Runs the suite's cleanup handlers, the youngest first, each once.
sub cleanup () {
    while (my $handler = shift @CleanupHandlers) {
        $handler->();
    }
    return;
}

# Ends the whole run, not only this file, with a message.
sub bail_out (@message) {
    cleanup();
    Test::More::BAIL_OUT(join '', @message);
}

1;
