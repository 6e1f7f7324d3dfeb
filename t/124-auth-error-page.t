# error_page: it takes refusals where the operator wants it, keeps the
# challenge, and its targets are protected like any location.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = bearer(id_token());

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: a 401 goes to a page, with its status and challenge
--- config
    location /t { convo_auth on; error_page 401 /refused.html; }
--- user_files
>>> refused.html
please sign in
--- request
GET /t
--- more_headers eval: ::bearer('x')
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token", error_description="The token is not a well-formed JWT."
--- response_body
please sign in



=== TEST 2: a 401 goes to a named location, with its challenge
--- config
    location /t { convo_auth on; error_page 401 @refused; }
    location @refused { return 200 "please sign in\n"; }
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- response_body
please sign in



=== TEST 3: 403 and 503 go there, too
--- config
    error_page 403 503 /refused.html;
    location /pro { convo_auth on; convo_auth_require plan=pro; }
    location /keys { convo_auth on; convo_auth_keys_request /no-keys; }
    location = /no-keys { internal; return 500; }
--- user_files
>>> refused.html
not for you
--- request eval
["GET /pro", "GET /keys"]
--- more_headers eval: $::Good
--- error_code eval
[403, 503]
--- response_body eval
["not for you\n", "not for you\n"]



=== TEST 4: the page of a POST is asked for by GET
--- config
    location /t { convo_auth on; error_page 401 /refused; }
    location /refused { return 401 "$request_method\n"; }
--- request
POST /t
a body
--- error_code: 401
--- response_body
GET



=== TEST 5: the page of another status is protected
--- config
    location /t { error_page 404 /secret; }
    location /secret { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 404]
--- response_body_like eval
["missing_token", "secret"]



=== TEST 6: nor does "=200" make a refusal look like a page
--- config
    error_page 404 =200 /secret;
    location /t { }
    location /secret { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]
--- response_body_like eval
["missing_token", "secret"]



=== TEST 7: a protected page for refusals ends in the plain refusal
--- config
    convo_auth on;
    error_page 401 =200 /refused.html;
    location /t { return 200 "secret\n"; }
--- user_files
>>> refused.html
page
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- response_body_like: "missing_token"



=== TEST 8: recursive error pages do not lead in
--- config
    convo_auth on;
    recursive_error_pages on;
    error_page 401 /a;
    location /t { return 200 "secret\n"; }
    location /a { error_page 401 /b; return 200 "secret\n"; }
    location /b { error_page 404 /t; return 200 "secret\n"; }
--- request
GET /t
--- error_code: 401
--- response_body_unlike: secret



=== TEST 9: what an upstream refuses leads to no protected page
--- config
    location /t {
        proxy_intercept_errors on;
        error_page 404 500 /secret;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/upstream;
    }
    location /upstream { return 500; }
    location /secret { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 500]
--- response_body_like eval
["missing_token", "secret"]



=== TEST 10: nor does a bad request
--- config
    convo_auth on;
    error_page 400 =200 /secret;
    location /secret { return 200 "secret\n"; }
--- raw_request eval
["GET /t HTTP/1.1\r\nConnection: close\r\n\r\n"]
--- error_code: 401
--- response_body_unlike: secret



=== TEST 11: under "satisfy any" the page is served with the challenge
--- config
    location /t {
        satisfy any;
        deny all;
        convo_auth on;
        error_page 401 /refused.html;
    }
    location = /refused.html { }
--- user_files
>>> refused.html
please sign in
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- response_body
please sign in
