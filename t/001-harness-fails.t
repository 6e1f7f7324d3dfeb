# The harness fails when it should: small suites with one wrong expectation
# each are run as programs of their own, and exactly the named checks may be
# "not ok" in their output. The same suites with nothing wrong are the blocks
# of 000-sanity.t.

use v5.36;

use File::Path qw(make_path);
use File::Temp ();
use Test::More;

my $dir = File::Temp->newdir('convo-harness-XXXXXX', TMPDIR => 1);
make_path("$dir/t");

local $ENV{TEST_NGINX_RANDOMIZE} = 1;
local $ENV{TEST_NGINX_SERVROOT}  = "$dir/t/servroot";
delete local @ENV{qw(TEST_NGINX_USE_HUP TEST_NGINX_USE_VALGRIND)};

my $HELLO = <<'END';
--- config
    location = /t { return 200 "hello\n"; }
--- request
GET /t
END

# Runs a suite of the given blocks; returns its exit status, the names of its
# failed tests and all it printed.
sub run_suite ($blocks) {
    my $file = "$dir/t/suite.t";
    open my $out, '>', $file or die "$file: $!";
    print {$out} "use Test::Nginx::Socket 'no_plan';\nuse Convo::Test;\n",
        "run_tests();\n__DATA__\n\n$blocks";
    close $out;
    my @command = ($^X, (map { "-I$_" } @INC), $file);
    open my $in, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
        or die "sh: $!";
    my $output = do { local $/; <$in> } // '';
    close $in;
    return ($?, [$output =~ /^not ok \d+ - (.*)/mg], $output);
}

# One suite that must fail in exactly the tests that match PATTERNS. What
# counts is the output, as it does for prove: after some failures the original
# exits with 0.
sub fails ($title, $blocks, @patterns) {
    my (undef, $failed, $output) = run_suite("=== TEST 1: it\n$blocks");
    my @unmatched = @$failed;
    for my $pattern (@patterns) {
        @unmatched = grep { $_ !~ $pattern } @unmatched;
    }
    my @missed = grep { my $p = $_; !grep { $_ =~ $p } @$failed } @patterns;
    ok(@$failed && !@unmatched && !@missed, $title)
        or diag "not failed: @missed\n$output";
    return;
}

# One suite that must end at once with a message.
sub bails ($title, $blocks, $pattern) {
    my ($status, undef, $output) = run_suite("=== TEST 1: it\n$blocks");
    ok($status != 0 && $output =~ $pattern, $title)
        or diag "status $status\n$output";
    return;
}

my ($status, $failed, $output) = run_suite("=== TEST 1: it\n$HELLO");
is($status, 0, 'a suite with nothing wrong passes') or diag $output;

fails('another code', $HELLO . "--- error_code: 201\n",
    qr/status code ok/);
fails('a code that does not match', $HELLO . "--- error_code_like: ^5\n",
    qr/status code ok/);
fails('another body', $HELLO . "--- response_body\nhullo\n",
    qr/response_body - response is expected/);
fails('a body without its line end', $HELLO . "--- response_body chomp\n"
    . "hello\n", qr/response_body - response is expected/);
fails('a body that does not match', $HELLO . "--- response_body_like: hu\n",
    qr/response_body_like/);
fails('a body that matches', $HELLO . "--- response_body_unlike: hel\n",
    qr/response_body_unlike/);
fails('a header with another value', $HELLO
    . "--- response_headers\nContent-Type: text/html\n",
    qr/header Content-Type ok/);
fails('a header that is missing', $HELLO . "--- response_headers\nX-A: b\n",
    qr/header X-A ok/);
fails('a header that is there', $HELLO
    . "--- response_headers\n! Content-Type\n",
    qr/header Content-Type not present/);
fails('a header that does not match', $HELLO
    . "--- response_headers_like\nContent-Type: text\n",
    qr/header Content-Type like ok/);
fails('raw headers that do not match', $HELLO
    . "--- raw_response_headers_like: X-A\n", qr/raw resp headers like/);
fails('a log line that is missing', $HELLO . "--- error_log\nnobody wrote\n",
    qr/"nobody wrote" should match a line in error.log/);
fails('a log line that is there', <<'END',
--- config
    location = /t { root $TEST_NGINX_HTML_DIR; }
--- request
GET /t
--- error_code: 404
--- no_error_log
No such file
END
    qr/"No such file" should not match any line in error.log/);
fails('lines cut out of the log', <<'END', qr/grep_error_log_out/);
--- config
    location = /t { root $TEST_NGINX_HTML_DIR; }
--- request
GET /t
--- error_code: 404
--- grep_error_log eval
qr/No such \w+/
--- grep_error_log_out
No such thing
END
fails('a line of the access log that is missing', $HELLO
    . "--- access_log\nGET /other\n", qr/"GET \/other" should match/);
fails('a [crit] line that nobody expects', <<'END',
--- config
    location = /t { proxy_pass http://unix:$TEST_NGINX_HTML_DIR/no.sock:/; }
--- request
GET /t
--- error_code: 502
END
    qr/"\[crit\]" should not match any line in error.log/);
fails('an [alert] line that nobody expects', <<'END',
--- config
    location = /t { return 200; }
--- init
open my $log, '>>', server_root() . '/logs/error.log' or die $!;
print $log "2030/01/01 00:00:00 [alert] 1#1: something is wrong\n";
close $log;
--- request
GET /t
END
    qr/"\[alert\]" should not match any line in error.log/);
fails('a configuration that should be refused', <<"END", qr/die as expected/);
$HELLO--- must_die
END
fails('a refusal with another exit code', <<'END', qr/expected exit code/);
--- config
    no_such_directive on;
--- must_die: 3
--- suppress_stderr
--- error_log
unknown directive
END
fails('a server that is silent', <<'END',
--- config
    location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_no_close
--- tcp_reply: HTTP/1.1 200 OK
--- request
GET /t
--- timeout: 200ms
END
    qr/client socket timed out/, qr/status code ok/);
fails('a chunked stream that does not end, with abort', <<'END',
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        proxy_buffering off;
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_no_close
--- tcp_reply eval: "HTTP/1.1 200 OK\r\n\r\nsome"
--- request
GET /t
--- timeout: 200ms
--- abort
END
    qr/no last chunk found/, qr/status code ok/);
fails('an upstream that was asked something else', <<'END', qr/tcp_query ok/);
--- config
    location = /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval: "HTTP/1.1 200 OK\r\n\r\nsome"
--- tcp_query: GET /other
--- request
GET /t
END
fails('the second of two requests', <<'END', qr/req 1/);
--- config
    location = /t { return 200 "$arg_n\n"; }
--- request eval
["GET /t?n=1", "GET /t?n=2"]
--- response_body eval
["1\n", "3\n"]
END
fails('the second of two pipelined requests', <<'END', qr/status code ok/);
--- config
    location = /t { return 200 "$arg_n\n"; }
--- pipelined_requests eval
["GET /t?n=1", "GET /t?n=2"]
--- error_code eval
[200, 201]
END

bails('a misspelt section', $HELLO . "--- eror_log\nx\n",
    qr/unknown section "eror_log"/);
bails('a list of requests with one expectation', <<'END',
--- config
    location = /t { return 200; }
--- request eval
["GET /t", "GET /t"]
--- error_code: 201
END
    qr/should be arrays as well/);
bails('a variable that is not set', <<'END',
--- config
    location = $TEST_NGINX_NOBODY_SET { return 200; }
--- request
GET /t
END
    qr/No environment TEST_NGINX_NOBODY_SET defined/);
bails('a block without a configuration', "--- request\nGET /t\n",
    qr/No '--- config' section specified/);
bails('a configuration that nginx refuses, with its reason', <<'END',
--- config
    no_such_directive on;
--- request
GET /t
END
    qr/unknown directive "no_such_directive"/);

# Where the work-alike is stricter than the original.
if (eval { require Test::Nginx::Block; 1 }) {
    bails('Perl code that does not compile', $HELLO
        . "--- response_body eval\nno such thing(\n",
        qr/section "response_body": /);
    bails('a file without blocks', "--- SKIP\n", qr/has no test blocks/);
    fails('a refused configuration is one failed test', <<'END',
--- config
    no_such_directive on;
--- request
GET /t



=== TEST 2: the next block runs all the same
--- config
    location = /t { return 200; }
--- request
GET /t
END
        qr/TEST 1: .*nginx starts/);
    fails('an nginx that died after it answered', $HELLO . <<'END',
--- response_body_filters eval
sub {
    my $pid = Test::Nginx::Util::read_file($Test::Nginx::Util::PidFile);
    kill 'KILL', $pid;
    return shift;
}
END
        qr/nginx is still alive/);
}

opendir my $left, "$dir/t" or die "$dir/t: $!";
is_deeply([sort grep { !/^\.\.?$/ } readdir $left], ['suite.t'],
    'no server root is left behind');

done_testing();
