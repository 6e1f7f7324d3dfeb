# No way around the decision: each block shows one way on which NGINX answers,
# or comes to a location, and that who has no token gets none of the content
# there, while who has one gets it.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Convo::Provider keys => { one => ['pool'] };

our $Config = auth_config();
our $Good = bearer(id_token());

# Every block asks without a token and with one; what it does not say itself
# is that the first is refused and sees nothing, and the second sees it.
add_block_preprocessor(sub {
    my ($block) = @_;
    my %default = (
        request => ['GET /t', 'GET /t'], more_headers => ['X: y', $Good],
        error_code => [401, 200],
        response_body_like => ['^\{"type".*"missing_token"', 'secret'],
        response_body_unlike => ['secret', 'missing_token'],
        user_files => ">>> secret.html\nsecret\n>>> t/secret.html\nsecret\n",
    );

    $block->set_value('http_config', $Config . ($block->http_config // ''));
    return if defined $block->must_die;

    for my $section (keys %default) {
        $block->set_value($section, $default{$section})
            unless defined $block->$section;
    }
});

run_tests();

__DATA__

=== TEST 1: "return" with a text
--- config
    location /t { convo_auth on; return 200 "secret\n"; }



=== TEST 2: "return" with an address
--- config
    location /t { convo_auth on; return 301 /secret; }
--- error_code eval
[401, 301]
--- response_headers eval
["! Location", "Location: http://localhost:$ENV{TEST_NGINX_SERVER_PORT}/secret"]
--- response_body_like eval
["missing_token", "301"]



=== TEST 3: "rewrite" with each flag that redirects, and to another host
--- config
    convo_auth on;
    location /t/1 { rewrite ^ /secret redirect; }
    location /t/2 { rewrite ^ /secret permanent; }
    location /t/3 { rewrite ^ https://secret.example/; }
--- request eval
[map { ("GET /t/$_") x 2 } 1 .. 3]
--- more_headers eval
[("X: y", $::Good) x 3]
--- error_code eval
[401, 302, 401, 301, 401, 302]
--- response_body_like eval
["missing_token", "302", "missing_token", "301", "missing_token", "302"]
--- response_body_unlike eval
[("secret") x 6]
--- response_headers_like eval
["Content-Length: 106", "Location: .*/secret",
 "Content-Length: 106", "Location: .*/secret",
 "Content-Length: 106", "Location: .*secret.example/"]



=== TEST 4: "rewrite ... break" within the location
--- config
    location /t { convo_auth on; rewrite ^ /secret.html break; }



=== TEST 5: "rewrite ... last" into the location
--- config
    location /t { rewrite ^ /secret.html last; }
    location = /secret.html { convo_auth on; }



=== TEST 6: "rewrite" of the server into the location
--- config
    rewrite ^/t$ /secret.html;
    location = /secret.html { convo_auth on; }



=== TEST 7: "rewrite ... last" out of the location, and back in
--- config
    location /t { convo_auth on; rewrite ^/t$ /open last; return 200 "secret\n"; }
    location /open { rewrite ^ /t/again last; }



=== TEST 8: "return" in an "if" of the location
--- config
    location /t { convo_auth on; if ($uri) { return 200 "secret\n"; } }



=== TEST 9: the content of an "if", which is a location of its own to NGINX
--- request eval
["GET /t/secret.html", "GET /t/secret.html"]
--- config
    location /t {
        convo_auth on;
        if ($uri) {
            rewrite ^/t(.*) $1 break;
            proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT;
        }
    }
    location = /secret.html { }



=== TEST 10: "set" and "if" with what the client sends do not switch it off
--- config
    set $auth $arg_auth;
    location /t {
        convo_auth on;
        set $convo $arg_auth;
        if ($arg_auth = off) { set $auth off; }
        return 200 "secret\n";
    }
--- request eval
["GET /t?auth=off", "GET /t?auth=off"]



=== TEST 11: variables of ours cannot be set by the configuration
--- config
    location /t { set $convo_user nobody; return 200 "$convo_user\n"; }
--- must_die
--- suppress_stderr
--- error_log
the duplicate "convo_user" variable



=== TEST 12: a map of the user that is asked too early is of nobody
--- http_config
    map $convo_user $may { default no; user-1 yes; }
--- config
    set $early $may;
    location /t {
        if ($early = yes) { return 200 "secret\n"; }
        return 401 "{\"type\": \"missing_token\"}";
    }
--- error_code eval
[401, 401]
--- response_body_like eval
["missing_token", "missing_token"]
--- response_body_unlike eval
["secret", "secret"]



=== TEST 13: "if" of the location sees the verified user, and nobody else's
--- config
    location /t {
        convo_auth on;
        if ($convo_user = user-1) { return 200 "secret\n"; }
        return 401;
    }



=== TEST 14: try_files within the location, and into it
--- config
    location /t/1 { convo_auth on; try_files /secret.html =404; }
    location /t/2 { try_files /nothing /secret.html; }
    location /t/3 { try_files /nothing @secret; }
    location = /secret.html { convo_auth on; }
    location @secret { convo_auth on; rewrite ^ /secret.html break; }
--- request eval
[map { ("GET /t/$_") x 2 } 1 .. 3]
--- more_headers eval
[("X: y", $::Good) x 3]
--- error_code eval
[(401, 200) x 3]
--- response_body_like eval
[("missing_token", "secret") x 3]
--- response_body_unlike eval
[("secret", "missing_token") x 3]



=== TEST 15: index and autoindex, with root and with alias
--- config
    location /t/ { convo_auth on; index secret.html; }
    location /alias/ { convo_auth on; alias $TEST_NGINX_HTML_DIR/t/; index secret.html; }
    location /list/ { convo_auth on; alias $TEST_NGINX_HTML_DIR/t/; autoindex on; }
    location /into/ { alias $TEST_NGINX_HTML_DIR/t/; index secret.html; }
    location = /into/secret.html { convo_auth on; alias $TEST_NGINX_HTML_DIR/secret.html; }
--- request eval
[map { ("GET /$_/") x 2 } qw(t alias list into)]
--- more_headers eval
[("X: y", $::Good) x 4]
--- error_code eval
[(401, 200) x 4]
--- response_body_like eval
[("missing_token", "secret") x 4]
--- response_body_unlike eval
[("secret", "missing_token") x 4]



=== TEST 16: a directory without its slash tells nothing
--- config
    location /t { convo_auth on; }
--- error_code eval
[401, 301]
--- response_body_like eval
["missing_token", "301"]



=== TEST 17: X-Accel-Redirect into the location
--- request eval
[("GET /t?to=/private/secret.html") x 2, ("GET /named") x 2]
--- config
    location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/upstream; }
    location /upstream { add_header X-Accel-Redirect /private/secret.html; return 200 "open\n"; }
    location /named { proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/to-named; }
    location /to-named { add_header X-Accel-Redirect @named; return 200 "open\n"; }
    location /private/ { internal; convo_auth on; alias $TEST_NGINX_HTML_DIR/; }
    location @named { convo_auth on; rewrite ^ /secret.html break; }
--- more_headers eval
[("X: y", $::Good) x 2]
--- error_code eval
[(401, 200) x 2]
--- response_body_like eval
[("missing_token", "secret") x 2]
--- response_body_unlike eval
[("secret", "missing_token") x 2]



=== TEST 18: proxy_intercept_errors and error_page into the location
--- config
    location /t {
        proxy_intercept_errors on;
        error_page 404 =200 /secret.html;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/nothing;
    }
    location = /secret.html { convo_auth on; }
    location = /nothing { return 404; }



=== TEST 19: error_page into a named location
--- config
    location /t { error_page 404 =200 @secret; }
    location @secret { convo_auth on; rewrite ^ /secret.html break; }
--- request eval
["GET /t/nothing", "GET /t/nothing"]



=== TEST 20: limit_except, which is a location of its own to NGINX
--- config
    location /t {
        convo_auth on;
        alias $TEST_NGINX_HTML_DIR/secret.html;
        limit_except POST { allow all; }
    }



=== TEST 21: methods of all kinds
--- config
    location /t {
        convo_auth on;
        error_page 405 =200 $uri;
        return 200 "secret\n";
    }
--- request eval
[map { "$_ /t" } qw(POST PUT DELETE OPTIONS PATCH PROPFIND MKCOL HEAD)]
--- more_headers
X: y
--- error_code eval
[(401) x 8]
--- response_body_like eval
[("") x 8]
--- response_body_unlike eval
[("secret") x 8]



=== TEST 22: a method that NGINX does not know
--- config
    location /t { convo_auth on; return 200 "secret\n"; }
--- raw_request eval
["FOO /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
--- request
--- more_headers
--- error_code: 401
--- response_body_like: missing_token
--- response_body_unlike: secret



=== TEST 23: HTTP/1.0, and an address with a host
--- config
    location /t { convo_auth on; return 200 "secret\n"; }
--- raw_request eval
["GET http://localhost/t HTTP/1.0\r\n\r\n"]
--- request
--- more_headers
--- error_code: 401
--- response_body_like: missing_token
--- response_body_unlike: secret



=== TEST 24: other spellings of the address
--- request eval
[map { "GET $_" } '/t/secret.html', '//t/secret.html', '/./t/secret.html',
 '/x/../t/secret.html', '/%74/secret.html', '/t%2fsecret.html',
 '/t/%2e/secret.html', '/t//secret.html']
--- config
    location /t/ { convo_auth on; }
--- more_headers
X: y
--- error_code eval
[(401) x 8]
--- response_body_like eval
[(qr/missing_token/) x 8]
--- response_body_unlike eval
[("secret") x 8]



=== TEST 25: the whole server, with no location at all
--- config
    convo_auth on;
--- request eval
["GET /secret.html", "GET /secret.html"]



=== TEST 26: all of http, where a server and a location do not speak of it
--- http_config
    convo_auth on;
--- config
    location /t { return 200 "secret\n"; }



=== TEST 27: "off" around a location is "off" only around it
--- config
    convo_auth off;
    location /t {
        convo_auth on;
        location /t/inner { return 200 "secret\n"; }
    }
--- request eval
["GET /t/inner", "GET /t/inner"]



=== TEST 28: "off" of a server is not that of a location in it
--- http_config
    convo_auth on;
--- config
    convo_auth off;
    location /open { return 200 "open\n"; }
    location /t { convo_auth on; return 200 "secret\n"; }
    location ~ \.t$ { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t", "GET /t", "GET /a.t", "GET /open"]
--- more_headers eval
["X: y", $::Good, "X: y", "X: y"]
--- error_code eval
[401, 200, 401, 200]
--- response_body_like eval
["missing_token", "secret", "missing_token", "open"]
--- response_body_unlike eval
["secret", "missing_token", "secret", "secret"]



=== TEST 29: "off" cannot be said in an "if"
--- config
    location /t { convo_auth on; if ($arg_a) { convo_auth off; } }
--- must_die
--- suppress_stderr
--- error_log
"convo_auth" directive is not allowed here



=== TEST 30: nor in limit_except
--- config
    location /t { convo_auth on; limit_except GET { convo_auth off; } }
--- must_die
--- suppress_stderr
--- error_log
"convo_auth" directive is not allowed here



=== TEST 31: "satisfy any" with nothing else, of the location and inherited
--- http_config
    satisfy any;
--- config
    location /t { convo_auth on; }
    location = /secret.html { satisfy any; convo_auth on; }
--- request eval
["GET /t/secret.html", "GET /t/secret.html", "GET /secret.html",
 "GET /secret.html"]
--- more_headers eval
["X: y", $::Good, "X: y", $::Good]
--- error_code eval
[401, 200, 401, 200]
--- response_body_like eval
["401", "secret", "401", "secret"]
--- response_body_unlike eval
["secret", "401", "secret", "401"]



=== TEST 32: "satisfy any" beside modules that have no opinion
--- config
    satisfy any;
    auth_basic off;
    convo_auth on;
    location /t { limit_except GET { deny all; } }
--- request eval
["GET /t/secret.html", "GET /t/secret.html", "POST /t/secret.html"]
--- more_headers eval
["X: y", $::Good, "X: y"]
--- error_code eval
[401, 200, 401]
--- response_body_like eval
["401", "secret", "401"]
--- response_body_unlike eval
["secret", "401", "secret"]



=== TEST 33: "satisfy any" with a body from a module that answers early
--- config
    location /t { satisfy any; convo_auth on; return 200 "secret\n"; }
--- must_die
--- suppress_stderr
--- error_log
"return" or a redirecting "rewrite" in location "/t" answers before "convo_auth on" is asked, expected "satisfy all"



=== TEST 34: a server's "return" under sign-in
--- config
    convo_auth on;
    if ($arg_a) { return 200 "secret\n"; }
--- must_die
--- suppress_stderr
--- error_log
answers before "convo_auth on" is asked, expected it inside a location



=== TEST 35: post_action into the location
--- request eval
["GET /provider/mode/one", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count"]
--- config
    location /t { post_action /after; try_files /secret.html =404; }
    location = /after {
        convo_auth on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
--- more_headers eval
["X: y", "X: y", "X: y", "X: y", $::Good, "X: y", "X: y"]
--- error_code eval
[(200) x 7]
--- response_body_like eval
["", "secret", "", '^1\b', "secret", "", '^3\b']
--- response_body_unlike eval
[("missing_token") x 7]
--- timeout: 3



=== TEST 36: post_action out of the location, after a refusal
--- config
    location /t { convo_auth on; post_action /after; return 200 "secret\n"; }
    location = /after { convo_auth on; return 200 "secret\n"; }



=== TEST 37: a page from NGINX's cache is for its location's users alone
--- http_config
    proxy_cache_path $TEST_NGINX_SERVER_ROOT/pages keys_zone=pages:1m;
--- config
    location /t {
        convo_auth on;
        proxy_cache pages;
        proxy_cache_key page;
        proxy_cache_valid 200 1m;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
    }
    location /page { return 200 "secret\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
[$::Good, "X: y", $::Good]
--- error_code eval
[200, 401, 200]
--- response_body_like eval
["secret", "missing_token", "secret"]
--- response_body_unlike eval
["missing_token", "secret", "missing_token"]



=== TEST 38: a range, a condition or a slice of the page
--- config
    location /t {
        convo_auth on;
        slice 3;
        proxy_http_version 1.1;
        proxy_set_header Range $slice_range;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/secret.html;
    }
    location = /secret.html { }
    location /file { convo_auth on; alias $TEST_NGINX_HTML_DIR/secret.html; }
--- request eval
["GET /t", "GET /t", "GET /file", "GET /file"]
--- more_headers eval
["Range: bytes=0-3", $::Good, "Range: bytes=0-3",
 "If-Modified-Since: Sun, 01 Jan 2090 00:00:00 GMT"]
--- error_code eval
[401, 200, 401, 401]
--- response_body_like eval
["missing_token", "secret", "missing_token", "missing_token"]
--- response_body_unlike eval
["secr", "missing_token", "secr", "secr"]



=== TEST 39: a keepalive connection carries nobody's user to the next request
--- config
    location /t { convo_auth on; return 200 "secret of $convo_user\n"; }
--- pipelined_requests eval
["GET /t", "GET /t", "GET /t"]
--- request
--- more_headers eval
["X: y", $::Good, "X: y"]
--- error_code eval
[401, 200, 401]
--- response_body_like eval
["missing_token", "secret of user-1", "missing_token"]
--- response_body_unlike eval
["secret", "missing_token", "secret"]



=== TEST 40: a server of another name has its own rules
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        server_name open;
        location / { return 200 "open\n"; }
    }
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        server_name closed;
        convo_auth on;
        location / { return 200 "secret\n"; }
    }
--- config
    location /t {
        proxy_set_header Host closed;
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    }
