package Test::Nginx::Socket;

# A work-alike of the CPAN module Test::Nginx::Socket, for machines where that
# one cannot be had: the same suites run unchanged under either. Perl's core
# modules are all it needs.
#
#     use Test::Nginx::Socket 'no_plan';
#     run_tests();
#     __DATA__
#     === TEST 1: a location answers
#     --- config
#         location = /t { return 200 "hello\n"; }
#     --- request
#     GET /t
#     --- response_body
#     hello
#
# This file is the interface and the order of things: for each block a fresh
# nginx, then repeat_each() times its servers, requests and checks. Block,
# Server, Client, Response, Check and Peer do the work; Util has the settings.
# Blocks run in random order unless no_shuffle() was called; a failed run
# names its seed, and TEST_NGINX_SEED repeats it.
#
# Left out of the original: HTTP/2 and 3, systemtap, leak and benchmark modes,
# and the sections that skip tests. A block that uses such a section bails out.
#
# How it fails: nginx not starting is one failed test with its error text, and
# the next block goes on. Whatever ends the script, its nginx is stopped.

use v5.36;

use File::Path qw(remove_tree);
use List::Util qw(shuffle);
use Scalar::Util qw(looks_like_number);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Block ();
use Test::Nginx::Check qw(
    add_body_check check_access_log check_error_log check_response
    check_shutdown_error_log is_str rewind_error_log
);
use Test::Nginx::Client qw(block_requests send_request);
use Test::Nginx::Peer qw(finish_peers start_peers stop_peers);
use Test::Nginx::Response ();
use Test::Nginx::Server qw(
    nginx_prepare nginx_reload nginx_run nginx_stop write_user_files
);
use Test::Nginx::Util qw(
    bail_out cleanup expand_env_in_text html_dir parse_time server_root
    sleep_time
);

use constant {
    SHOWN_LOG_LINES => 20,
    VALGRIND_FACTOR => 5,     # how much longer the client waits there
};

my @FROM_TEST_MORE = qw(
    ok is isnt like unlike is_deeply cmp_ok pass fail diag note explain plan
    skip todo_skip can_ok isa_ok subtest done_testing use_ok require_ok
);
our @EXPORT = (qw(
    add_block_preprocessor add_cleanup_handler add_response_body_check
    add_test_cleanup_handler bail_out blocks check_accum_error_log
    config_preamble env_to_nginx filters first_block html_dir is_str
    log_level master_off master_on master_process_enabled next_block no_diff
    no_long_string no_nginx_manager no_root_location no_shuffle repeat_each
    run_test run_tests server_addr server_name server_port
    server_port_for_client server_root timeout use_hup worker_connections
    workers
), @FROM_TEST_MORE);

# Sections that only the original understands; passing over one in silence
# could pass a test that checks nothing.
my @UNSUPPORTED = qw(
    http2 http3 curl curl_options curl_protocol curl_error stap stap_out
    stap_out_like stap_out_unlike skip_eval skip_nginx skip_nginx2
    skip_openssl skip_slave todo todo_nginx request_eval response_body_eval
    charset write_resp_body_file
);

my (@blocks, $blocks_read, $next_block);
my (@preprocessors, @test_cleanup_handlers);
my ($previous_config, $previous_block, $nginx_is_up);
my $owner_pid = $$;
my $seed;

# Gives the caller strict, warnings and the interface; what follows goes to
# plan(): 'no_plan' or tests => N.
sub import ($class, @plan) {
    strict->import;
    warnings->import;
    my $caller = caller;
    no strict 'refs';
    for my $name (@EXPORT) {
        *{"${caller}::$name"} = $class->can($name)
            // Test::More->can($name) // die "no function $name";
    }
    *{"${caller}::TODO"} = \$Test::More::TODO;
    Test::More::plan(@plan) if @plan;
    return;
}

# --- settings: called before run_tests; with no argument they return

sub setting ($variable, @value) {
    $$variable = $value[0] if @value;
    return $$variable;
}

sub repeat_each { setting(\$Test::Nginx::Util::RepeatEach, @_) }
sub workers     { setting(\$Test::Nginx::Util::Workers, @_) }
sub log_level   { setting(\$Test::Nginx::Util::LogLevel, @_) }
sub timeout     { setting(\$Test::Nginx::Util::Timeout, @_) }
sub server_name { setting(\$Test::Nginx::Util::ServerName, @_) }
sub server_addr { setting(\$Test::Nginx::Util::ServerAddr, @_) }
sub server_port { setting(\$Test::Nginx::Util::ServerPort, @_) }

sub server_port_for_client {
    return setting(\$Test::Nginx::Util::ServerPortForClient, @_);
}

sub worker_connections {
    return setting(\$Test::Nginx::Util::WorkerConnections, @_);
}

sub config_preamble { setting(\$Test::Nginx::Util::ConfigPreamble, @_) }

sub no_shuffle :prototype()     { $Test::Nginx::Util::NoShuffle = 1 }
sub no_root_location :prototype() { $Test::Nginx::Util::NoRootLocation = 1 }
sub no_nginx_manager :prototype() { $Test::Nginx::Util::NoNginxManager = 1 }
sub use_hup :prototype()        { $Test::Nginx::Util::UseHup = 1 }
sub master_on :prototype()  { $Test::Nginx::Util::MasterProcessEnabled = 'on' }
sub master_off :prototype() { $Test::Nginx::Util::MasterProcessEnabled = 'off' }

sub master_process_enabled {
    return setting(\$Test::Nginx::Util::MasterProcessEnabled,
        map { $_ ? 'on' : 'off' } @_);
}

sub check_accum_error_log :prototype() {
    $Test::Nginx::Util::CheckAccumErrLog = 1;
}

# Failures are always shown as plain strings here.
sub no_long_string :prototype() { }
sub no_diff                     { }

sub env_to_nginx (@variables) {
    push @Test::Nginx::Util::EnvToNginx, @variables;
    return;
}

# CODE gets every block right before it runs and may set_value() in it.
sub add_block_preprocessor :prototype(&) ($code) {
    unshift @preprocessors, $code;
    return;
}

# CODE runs once when the script ends, however it ends.
sub add_cleanup_handler ($code) {
    unshift @Test::Nginx::Util::CleanupHandlers, $code;
    return;
}

# CODE gets every block after it ran.
sub add_test_cleanup_handler ($code) {
    unshift @test_cleanup_handlers, $code;
    return;
}

# CODE gets (block, body, request index, run index, undef) per response.
sub add_response_body_check ($code) {
    add_body_check($code);
    return;
}

# --- blocks

# The blocks of the suite's __DATA__; in scalar context how many.
sub blocks {
    if (!$blocks_read) {
        $blocks_read = 1;
        my $text = do { no warnings; local $/; readline *main::DATA };
        @blocks = Test::Nginx::Block->parse_all($text // '');
    }
    return @blocks;
}

sub first_block { $next_block = 0; return next_block() }
sub next_block  { return (blocks())[($next_block //= 0)++] }

# Further filters per section: filters { request => 'chomp' }.
sub filters ($map) {
    while (my ($section, $names) = each %$map) {
        push @{ $Test::Nginx::Block::SectionFilters{$section} },
            ref $names ? @$names : split ' ', $names;
    }
    return;
}

# Runs all blocks and stops nginx; call it once, as the suite's last
# statement.
sub run_tests {
    $ENV{TEST_NGINX_SERVER_PORT} //= $Test::Nginx::Util::ServerPort;
    $seed = $ENV{TEST_NGINX_SEED} // ($$ ^ int(time * 1000)) & 0x7fffffff;
    srand $seed;
    my @order = blocks();
    bail_out("$0 has no test blocks") if !@order;
    @order = shuffle @order if !$Test::Nginx::Util::NoShuffle;
    for my $block (@order) {
        $_->($block) for @preprocessors;
        $block->set_value('name', "$0 " . $block->name);
        run_test($block);
        $_->($block) for @test_cleanup_handlers;
    }
    finish();
    Test::More::diag("blocks were shuffled with TEST_NGINX_SEED=$seed")
        if !Test::More->builder->is_passing && !$Test::Nginx::Util::NoShuffle;
    return;
}

sub run_test ($block) {
    for my $section (@UNSUPPORTED) {
        bail_out($block->name . " - section $section is not supported by "
            . 'this work-alike of Test::Nginx') if exists $block->{$section};
    }
    $Test::Nginx::Util::RandPorts = {};
    return run_dying($block) if defined $block->must_die;
    ensure_server($block) or return;
    if (my $code = $block->init) {
        Test::Nginx::Server::run_hook($code)
            // bail_out($block->name . " - init failed: $@");
    }
    rewind_error_log();
    for my $run (0 .. repeat_each() - 1) {
        start_peers($block);
        write_user_files($block) if $run > 0;
        run_requests($block, $run);
        finish_peers($block);
    }
    append_total_log($block);
    return;
}

# A block with must_die: nginx has to refuse its configuration. Valgrind, whose
# exit status would hide nginx's own, is not used.
sub run_dying ($block) {
    my $name = $block->name;
    my $config = expand_env_in_text($block->config // '', $name);
    stop_server();
    local $Test::Nginx::Util::UseValgrind;
    nginx_prepare($block, $config);
    rewind_error_log();
    for my $run (0 .. repeat_each() - 1) {
        my ($status) = nginx_run();
        my $want = $block->must_die;
        if ($status & 0x7f) {
            Test::More::fail("$name - nginx core dumped");
        } elsif (looks_like_number($want)) {
            Test::More::is($status >> 8, $want,
                "$name - die with the expected exit code");
        } else {
            Test::More::isnt($status, 0, "$name - die as expected");
        }
        check_error_log($block, $run);
        nginx_stop() if $status == 0;
    }
    undef $previous_config;
    return;
}

# Brings up nginx for the block: a new one, a reloaded one, or for a block
# without config the one that is there. False: a failed test says why not.
sub ensure_server ($block) {
    my $name = $block->name;
    return 1 if $Test::Nginx::Util::NoNginxManager;
    my $config = expand_env_in_text(scalar $block->config, $name);
    if (!defined $config) {
        return 1 if defined $previous_config;
        bail_out("$name - No '--- config' section specified and could not "
            . 'get previous one.');
    }
    return 1 if $nginx_is_up && !$Test::Nginx::Util::ForceRestart
        && $config eq ($previous_config // '');
    $previous_config = $config;
    return reload_server($block, $config)
        if $Test::Nginx::Util::UseHup && $nginx_is_up;
    stop_server();
    nginx_prepare($block, $config);
    my ($status, $stderr) = nginx_run();
    $nginx_is_up = $status == 0;
    $previous_block = $block;
    return 1 if $nginx_is_up;
    Test::More::fail("$name - nginx starts");
    Test::More::diag("nginx ended with wait status $status\n$stderr");
    return 0;
}

sub reload_server ($block, $config) {
    $previous_block = $block;
    my $error = nginx_reload($block, $config) // return 1;
    Test::More::fail($block->name . " - nginx reloads: $error");
    Test::More::diag(last_log_lines());
    stop_server();
    return 0;
}

sub last_log_lines () {
    my $log = Test::Nginx::Util::read_file($Test::Nginx::Util::ErrLogFile);
    my @lines = split /^/m, $log // '';
    splice @lines, 0, -(SHOWN_LOG_LINES) if @lines > SHOWN_LOG_LINES;
    return join '', @lines;
}

# Stops nginx. That it was gone before is a failed test: it has crashed.
sub stop_server () {
    return if $Test::Nginx::Util::NoNginxManager;
    if ($nginx_is_up && !Test::Nginx::Server::nginx_pid()) {
        Test::More::fail($previous_block->name . ' - nginx is still alive');
        Test::More::diag(last_log_lines());
    }
    nginx_stop();
    check_shutdown_error_log($previous_block)
        if $nginx_is_up && $previous_block && !$Test::Nginx::Util::UseHup;
    $nginx_is_up = 0;
    return;
}

# The requests of one run, each with its checks.
sub run_requests ($block, $run) {
    my @requests = block_requests($block);
    my $pipelined = $block->pipelined_requests;
    my $total = $pipelined ? @$pipelined : @requests;
    my $timeout_s = parse_time(scalar $block->timeout) // timeout();
    $timeout_s *= VALGRIND_FACTOR if $Test::Nginx::Util::UseValgrind;
    my ($rest, $packets);
    for my $i (0 .. $total - 1) {
        if (!$pipelined || $i == 0) {
            $packets = $requests[$i];
            $rest = send_request($block, $packets, $timeout_s);
        }
        $rest = check_one($block, $packets, $rest // '', $i, $run,
            $total > 1 || $pipelined);
        warn 'WARNING: ', $block->name, ' - unexpected extra bytes after ',
            "the response: \"$rest\"\n"
            if defined $rest && (!$pipelined || $i == $total - 1);
        sleep $block->wait if $block->wait;
        check_error_log($block, $run);
        check_access_log($block, $run) if !defined $block->ignore_response;
    }
    return;
}

# Checks the response number I in BYTES; returns what follows it, or undef.
sub check_one ($block, $packets, $bytes, $i, $run, $many) {
    warn "response: [$bytes]\n" if $Test::Nginx::Util::Verbose;
    return undef if defined $block->ignore_response;
    my $is_head = $packets->[0]{value} =~ /^\s*HEAD\s/;
    my $response = defined $block->http09
        ? Test::Nginx::Response->simple($bytes)
        : Test::Nginx::Response->parse($bytes, $is_head);
    if (defined(my $error = $response->{error})) {
        Test::More::fail($block->name . " - $error");
        $response = Test::Nginx::Response->parse('');
    }
    warn 'WARNING: ', $block->name, " - $response->{warning}\n"
        if defined $response->{warning};
    check_response($block, $response, $i, $run, $many);
    return $response->{left};
}

# Keeps the block's error.log in TEST_NGINX_ERROR_LOG, for reading afterwards.
sub append_total_log ($block) {
    my $path = $ENV{TEST_NGINX_ERROR_LOG} // return;
    open my $out, '>>:raw', $path or bail_out("cannot append to $path: $!");
    print {$out} "\n=== ", $block->name, "\n", Test::Nginx::Util::read_file(
        $Test::Nginx::Util::ErrLogFile) // '';
    return;
}

# Handlers first, for they may talk to nginx; then nginx, then its root.
sub finish () {
    cleanup();
    stop_peers();
    return if $Test::Nginx::Util::NoClean;
    stop_server();
    remove_tree($Test::Nginx::Util::ServRoot)
        if $ENV{TEST_NGINX_RANDOMIZE}
        && $Test::Nginx::Util::ServRoot =~ /_\d+\z/;
    return;
}

# So that an interrupt, too, reaches END.
for my $signal (qw(INT TERM HUP)) {
    $SIG{$signal} = sub { exit 130 } if !defined $SIG{$signal};
}

END {
    if ($$ == $owner_pid) {
        local $?;
        finish();
    }
}

1;
