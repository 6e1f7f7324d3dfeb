package Test::Nginx::Server;

# The nginx under test: writes its root and its nginx.conf for one block,
# starts it, reloads it in TEST_NGINX_USE_HUP mode, and stops it by the pid in
# its pid file.
#
# nginx runs as a daemon: when the command returns, its sockets listen, so
# nobody has to poll the port. Under valgrind it runs in the foreground as our
# child, and is ready once the pid file is written.
#
# How it fails: an nginx that does not start leaves a reason (exit status,
# what it wrote to stderr) and no process; one that ignores QUIT is killed
# with its workers. The port taken by somebody else for a moment is retried
# BIND_TRIES times. A server root with foreign files in it is never removed.

use v5.36;

use Exporter qw(import);
use File::Path qw(make_path remove_tree);
use IO::Socket::INET ();
use POSIX qw(WNOHANG);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Util qw(
    bail_out expand_env_in_text is_running kill_process read_file
    sleep_time write_file
);

use constant {
    BIND_TRIES       => 10,
    BIND_WAIT_S      => 0.3,
    VALGRIND_START_S => 30,
    VALGRIND_QUIT_S  => 30,
    RELOAD_TRIES     => 200,
    RELOAD_STREAK    => 5,    # answers in a row from the new configuration
};

our @EXPORT_OK = qw(
    nginx_prepare nginx_reload nginx_run nginx_stop write_user_files
);

my $valgrind_pid;
my $config_version = 0;

# Writes root, user files and nginx.conf for the block. CONFIG is the text of
# its server{}, already expanded. Any nginx still running is left alone.
sub nginx_prepare ($block, $config) {
    setup_server_root();
    if (my $code = $block->post_setup_server_root) {
        run_hook($code) // bail_out(
            $block->name . " - post_setup_server_root failed: $@");
    }
    write_user_files($block);
    write_config_file($block, $config);
    return;
}

# Empties the parts of the server root that are ours and makes them anew.
sub setup_server_root () {
    my $root = $Test::Nginx::Util::ServRoot;
    my @ours = ($Test::Nginx::Util::ConfDir, $Test::Nginx::Util::HtmlDir,
        glob("$root/*_temp"), glob("$root/*_cache"), "$root/cache");
    push @ours, $Test::Nginx::Util::LogDir if !nginx_pid();
    remove_tree(@ours);
    make_path($root, $Test::Nginx::Util::LogDir,
        $Test::Nginx::Util::HtmlDir, $Test::Nginx::Util::ConfDir);
    write_file("$Test::Nginx::Util::HtmlDir/index.html",
        '<html><head><title>It works!</title></head>'
        . '<body>It works!</body></html>');
    return;
}

# Creates the files of the user_files section under html/ (or where their
# absolute names say): ">>> name [touch-time]" lines, or [name, text, time]s.
sub write_user_files ($block) {
    my $files = $block->user_files // return;
    $files = parse_user_files($files) if !ref $files;
    for my $file (@$files) {
        my ($path, $text, $date) = @$file;
        $path = "$Test::Nginx::Util::HtmlDir/$path" if $path !~ m{^/};
        make_path($path =~ s{/[^/]*\z}{}r);
        write_file($path, expand_env_in_text($text // '', $block->name));
        next if !$date;
        local $ENV{TZ} = 'GMT';
        system('touch', '-t', $date, $path) == 0
            or bail_out($block->name . " - cannot set the time of $path");
    }
    return;
}

sub parse_user_files ($text) {
    my @files;
    for my $line ($text =~ /^(.*\n?)/mg) {
        if ($line =~ /^>>> (\S+)(?:\s+(\S+))?/) {
            push @files, [$1, '', $2];
        } elsif (@files) {
            $files[-1][1] .= $line;
        }
    }
    return \@files;
}

sub write_config_file ($block, $config) {
    my $name = $block->name;
    my %text = map { $_ => expand_env_in_text($block->$_ // '', $name) }
        qw(main_config http_config post_main_config);
    my $modules = join '', map { "load_module $_;\n" }
        split ' ', $Test::Nginx::Util::LoadModules;
    $text{main_config} = $modules . $text{main_config};
    write_file($Test::Nginx::Util::ConfFile, join "\n",
        main_part($block), $text{main_config},
        http_part($block, $text{http_config}, $config),
        $text{post_main_config}, events_part());
    return;
}

sub main_part ($block) {
    my $daemon = $Test::Nginx::Util::UseValgrind ? 'off' : 'on';
    my $master = $Test::Nginx::Util::UseHup
        ? 'on' : $Test::Nginx::Util::MasterProcessEnabled;
    my $level = $block->log_level || $Test::Nginx::Util::LogLevel;
    my $log = $block->error_log_file || $Test::Nginx::Util::ErrLogFile;
    my @env = qw(LD_PRELOAD LD_LIBRARY_PATH ASAN_OPTIONS);
    push @env, map { /\s/ ? "'$_'" : $_ } @Test::Nginx::Util::EnvToNginx;
    return join "\n",
        "worker_processes $Test::Nginx::Util::Workers;",
        "daemon $daemon;",
        "master_process $master;",
        'error_log ' . expand_env_in_text($log, $block->name) . " $level;",
        "pid $Test::Nginx::Util::PidFile;",
        ($> == 0 ? 'user root;' : ()),
        (map { "env $_;" } @env);
}

# The http{} block; temporary files stay inside the server root, unless the
# suite's own http_config places them.
sub http_part ($block, $http_config, $config) {
    my $root = $Test::Nginx::Util::ServRoot;
    my $temp_paths = join "\n", map { "    ${_}_temp_path $root/${_}_temp;" }
        grep { $http_config !~ /\b${_}_temp_path\b/ }
        qw(client_body proxy fastcgi scgi uwsgi);
    my $server_name = $block->server_name // $Test::Nginx::Util::ServerName;
    $server_name =~ s/([\\'])/\\$1/g;
    my $port = $Test::Nginx::Util::ServerPort;
    my $root_location = $Test::Nginx::Util::NoRootLocation ? '' : <<"END";
        location / {
            root $Test::Nginx::Util::HtmlDir;
            index index.html index.htm;
        }
END
    my $version_server = $Test::Nginx::Util::UseHup ? <<"END" : '';
    server {
        listen $port;
        server_name test-nginx-version;
        location = /ver { access_log off; return 200 "$config_version"; }
    }
END
    return <<"END";
http {
    access_log $Test::Nginx::Util::AccLogFile;
$temp_paths
    default_type text/plain;
    keepalive_timeout 68000ms;
$http_config
    server {
        listen $port;
        server_name '$server_name';
        client_max_body_size 30M;
$Test::Nginx::Util::ConfigPreamble
        # the block's config section
$config
        # end of the block's config section
$root_location    }
$version_server}
END
}

sub events_part () {
    my $connections = $Test::Nginx::Util::WorkerConnections;
    my $use = $Test::Nginx::Util::EventType
        ? "    use $Test::Nginx::Util::EventType;\n" : '';
    return "events {\n    accept_mutex off;\n"
        . "    worker_connections $connections;\n$use}\n";
}

# Runs nginx on the written configuration. Returns ($status, $stderr): the
# wait status of the command (0: it is up and listens) and what it wrote.
sub nginx_run () {
    return valgrind_run() if $Test::Nginx::Util::UseValgrind;
    my ($status, $stderr);
    for (1 .. BIND_TRIES) {
        $status = spawn(nginx_command());
        waitpid $status, 0;
        $status = $?;
        $stderr = read_file($Test::Nginx::Util::StderrFile) // '';
        last if $status == 0 || $stderr !~ /Address already in use/;
        sleep BIND_WAIT_S;
    }
    return ($status, $stderr);
}

sub nginx_command () {
    return ($Test::Nginx::Util::NginxBinary,
        '-e', $Test::Nginx::Util::ErrLogFile,
        '-p', "$Test::Nginx::Util::ServRoot/",
        '-c', $Test::Nginx::Util::ConfFile);
}

# Starts a command in its own process with its stderr in StderrFile; returns
# its pid. A command that cannot be executed exits with 127.
sub spawn (@command) {
    my $pid = fork // bail_out("fork failed: $!");
    return $pid if $pid;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', $Test::Nginx::Util::StderrFile;
    if (defined $ENV{TEST_NGINX_LD_PRELOAD}) {
        $ENV{LD_PRELOAD} = join ' ',
            grep { defined } @ENV{qw(TEST_NGINX_LD_PRELOAD LD_PRELOAD)};
    }
    { no warnings; exec { $command[0] } @command }
    print STDERR "cannot execute $command[0]: $!\n";
    POSIX::_exit(127);
}

sub valgrind_run () {
    my $options = $Test::Nginx::Util::UseValgrind;
    $options = '--tool=memcheck --leak-check=full' if $options =~ /^\d+$/;
    my @command = ('valgrind', '-q', split(' ', $options),
        '--gen-suppressions=all', '--error-exitcode=99');
    push @command, '--suppressions=valgrind.suppress'
        if -f 'valgrind.suppress';
    $valgrind_pid = spawn(@command, nginx_command());
    my $deadline = time + VALGRIND_START_S;
    while (!nginx_pid()) {
        if (waitpid($valgrind_pid, WNOHANG) == $valgrind_pid) {
            undef $valgrind_pid;
            return ($?, read_file($Test::Nginx::Util::StderrFile) // '');
        }
        return (-1, 'no pid file in time') if time > $deadline;
        sleep 0.02;
    }
    return (0, '');
}

# The pid of the nginx that runs on this server root, or undef.
sub nginx_pid () {
    my $text = read_file($Test::Nginx::Util::PidFile) // return undef;
    my ($pid) = $text =~ /^(\d+)\s*$/ or return undef;
    return is_running($pid) ? $pid : undef;
}

# Stops nginx, if any: QUIT (TERM with TEST_NGINX_FAST_SHUTDOWN), then KILL.
# Valgrind's findings make a failed test, for then its exit status says so.
sub nginx_stop () {
    my $pid = nginx_pid();
    if ($valgrind_pid) {
        kill_process($valgrind_pid, 'QUIT', 0) if !$pid;
        kill 'QUIT', $pid if $pid;
        reap_valgrind();
        return;
    }
    return if !$pid;
    my $signal = $ENV{TEST_NGINX_FAST_SHUTDOWN} ? 'TERM' : 'QUIT';
    kill_process($pid, $signal)
        or Test::More::diag("nginx $pid did not quit and was killed");
    unlink $Test::Nginx::Util::PidFile;
    return;
}

sub reap_valgrind () {
    my ($pid, $deadline) = ($valgrind_pid, time + VALGRIND_QUIT_S);
    undef $valgrind_pid;
    while (waitpid($pid, WNOHANG) == 0) {
        kill 'KILL', $pid if time > $deadline;
        sleep 0.02;
    }
    my $status = $?;
    unlink $Test::Nginx::Util::PidFile;
    return if $status == 0;
    Test::More::fail("valgrind ended with wait status $status");
    Test::More::diag(read_file($Test::Nginx::Util::StderrFile) // '');
    return;
}

# Reloads a running nginx with the block's configuration and waits until the
# new one answers and the old workers are gone. Returns undef, or why it
# failed.
sub nginx_reload ($block, $config) {
    my $pid = nginx_pid() or return 'nginx is not running';
    $config_version++;
    nginx_prepare($block, $config);
    truncate $Test::Nginx::Util::ErrLogFile, 0;
    truncate $Test::Nginx::Util::AccLogFile, 0;
    my @old_workers = children($pid);
    kill 'HUP', $pid;
    if (defined $block->reload_fails) {
        sleep 0.3;
        return undef;
    }
    my $streak = 0;
    for (1 .. RELOAD_TRIES) {
        $streak = asked_version() eq $config_version ? $streak + 1 : 0;
        return undef if $streak >= RELOAD_STREAK
            && !grep { is_running($_) } @old_workers;
        sleep sleep_time();
    }
    return 'the new configuration was not taken';
}

sub children ($pid) {
    return split ' ', read_file("/proc/$pid/task/$pid/children") // '';
}

sub asked_version () {
    my $socket = IO::Socket::INET->new(
        PeerAddr => $Test::Nginx::Util::ServerAddr,
        PeerPort => $Test::Nginx::Util::ServerPort,
        Timeout  => 2,
    ) or return '';
    print {$socket} "GET /ver HTTP/1.0\r\nHost: test-nginx-version\r\n\r\n";
    my $answer = do { local $/; <$socket> } // '';
    return $answer =~ /\r\n\r\n(.*)\z/s ? $1 : '';
}

# Runs a Perl section (init, post_setup_server_root) in package
# Test::Nginx::Util, where the CPAN module runs it. Undef: it died, see $@.
sub run_hook ($code) {
    return Test::Nginx::Util::run_perl($code);
}

1;
