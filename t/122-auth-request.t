# auth_request that asks a location with convo_auth: its decision, status,
# challenge and user reach the location that asks.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Convo::Provider keys => { one => ['pool'] };

our $Config = auth_config();
our $Good = bearer(id_token());

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: a 401 comes with the challenge that says why
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check { internal; convo_auth on; return 204; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
["X: y", ::bearer(::id_token(exp => 1)), $::Good]
--- error_code eval
[401, 401, 200]
--- response_headers eval
["WWW-Authenticate: Bearer",
 'WWW-Authenticate: Bearer error="invalid_token", '
 . 'error_description="The token has expired."', "! WWW-Authenticate"]
--- response_body_unlike eval
["It works", "It works", "missing"]



=== TEST 2: a 403 is a 403
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check {
        internal;
        convo_auth on;
        convo_auth_require email_verified=true;
        return 204;
    }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::bearer(::id_token(email_verified => \0)), $::Good]
--- error_code eval
[403, 200]



=== TEST 3: the user and the claims are handed on
--- config
    location /t {
        auth_request /check;
        auth_request_set $who $convo_user;
        auth_request_set $email $convo_claim_email;
        proxy_set_header X-User $who;
        proxy_set_header X-Email $email;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /check { internal; convo_auth on; return 204; }
    location /echo { return 200 "[$http_x_user|$http_x_email]\n"; }
--- request
GET /t
--- more_headers eval: "$::Good\nX-User: forged\nX-Email: forged"
--- response_body
[user-1|ann@example.com]



=== TEST 4: why it was refused is handed on, too
--- http_config
    log_format why "[$why]";
--- config
    location /t {
        auth_request /check;
        auth_request_set $why $convo_auth_error;
        error_page 401 = @refused;
    }
    location = /check { internal; convo_auth on; return 204; }
    location @refused { return 401 "[$why]\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", ::bearer(::id_token(exp => 1))]
--- error_code eval
[401, 401]
--- response_body eval
["[missing_token]\n", "[expired]\n"]



=== TEST 5: keys are fetched for it
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check {
        internal;
        convo_auth on;
        convo_auth_keys_request /keys;
        return 204;
    }
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[$::Good, "X: y"]
--- error_code eval
[200, 401]



=== TEST 6: without keys nobody is let in; NGINX makes of any such status a 500
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check {
        internal;
        convo_auth on;
        convo_auth_keys_request /keys;
        return 204;
    }
    location = /keys { internal; return 500; }
--- request
GET /t
--- more_headers eval: $::Good
--- error_code: 500
--- error_log
auth request unexpected status: 503



=== TEST 7: both ask: the location itself, and whom it asks
--- config
    location /t {
        convo_auth on;
        auth_request /check;
        try_files /index.html =404;
    }
    location = /check {
        internal;
        convo_auth on;
        convo_auth_require email_verified=true;
        return 204;
    }
--- request eval
[("GET /t") x 3]
--- more_headers eval
["X: y", ::bearer(::id_token(email_verified => \0)), $::Good]
--- error_code eval
[401, 403, 200]



=== TEST 8: what auth_request lets in does not pass for a token
--- config
    location /t {
        convo_auth on;
        auth_request /yes;
        try_files /index.html =404;
    }
    location = /yes { internal; return 204; }
--- request
GET /t
--- error_code: 401



=== TEST 9: "satisfy any" takes either of the two
--- config
    location /t {
        satisfy any;
        convo_auth on;
        auth_request /either;
        try_files /index.html =404;
    }
    location = /either {
        internal;
        if ($http_x_pass = yes) { return 204; }
        return 401;
    }
--- request eval
[("GET /t") x 3]
--- more_headers eval
["X: y", "X-Pass: yes", $::Good]
--- error_code eval
[401, 200, 200]
