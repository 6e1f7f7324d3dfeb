# When the decision is made: before everything that answers, and again
# wherever NGINX takes a request. Each of these has let somebody in elsewhere.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = bearer(id_token());
our $Unverified = bearer(id_token(email_verified => \0));
our $Other = bearer(id_token(sub => 'user-2'));

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: "return" in a location is protected
--- config
    location /t { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]
--- response_body_unlike eval
["secret", "missing"]



=== TEST 2: a redirecting "rewrite" in a location is protected
--- config
    location /t { convo_auth on; rewrite ^ /secret?a=b redirect; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 302]



=== TEST 3: "return" inside "if" is protected
--- config
    location /t { convo_auth on; if ($arg_a) { return 200 "secret\n"; } }
--- request eval
["GET /t?a=1", "GET /t?a=1"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 4: a rewrite leads out of an open location into a protected one
--- config
    location /open { rewrite ^ /t last; }
    location /t { convo_auth on; return 200 "$convo_user\n"; }
--- request eval
["GET /open", "GET /open"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 5: a rewrite into a stricter location is decided again there
--- config
    location /t { convo_auth on; rewrite ^ /strict last; }
    location /strict {
        convo_auth on;
        convo_auth_require email_verified=true;
        return 200 "$convo_user\n";
    }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[$::Unverified, $::Good]
--- error_code eval
[403, 200]



=== TEST 6: what one location verified is no user in an open one
--- config
    location /t { convo_auth on; rewrite ^ /open last; }
    location /open { return 200 "[$convo_user$convo_claim_email]\n"; }
--- request
GET /t
--- more_headers eval: $::Good
--- response_body
[]



=== TEST 7: a server's rewrite does not lead around
--- config
    rewrite ^/short$ /t last;
    location /t { convo_auth on; return 200 "secret\n"; }
--- request
GET /short
--- error_code: 401



=== TEST 8: limit_req can count by verified user
--- http_config
    limit_req_zone $convo_user zone=users:1m rate=1r/m;
--- config
    location /t {
        convo_auth on;
        limit_req zone=users;
        limit_req_status 429;
        try_files /index.html =404;
    }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
[$::Good, $::Other, $::Good, "X: y"]
--- error_code eval
[200, 200, 429, 401]
--- error_log eval
qr/limiting requests|refused|GET/
--- no_error_log
[alert]



=== TEST 9: "satisfy any" lets in by address or by token
--- config
    satisfy any;
    convo_auth on;
    location /near { allow 127.0.0.1; deny all; try_files /index.html =404; }
    location /far { deny all; try_files /index.html =404; }
--- request eval
["GET /near", "GET /far", "GET /far", "GET /near"]
--- more_headers eval
["X: y", "X: y", $::Good, "Authorization: Bearer a.b.c"]
--- error_code eval
[200, 401, 200, 200]



=== TEST 10: a refusal under "satisfy any" carries the challenge
--- config
    location /far {
        satisfy any;
        deny all;
        convo_auth on;
        try_files /index.html =404;
    }
--- request
GET /far
--- more_headers
Authorization: Bearer a.b.c
--- error_code: 401
--- response_headers_like
WWW-Authenticate: Bearer error="invalid_token", error_description=".*"



=== TEST 11: "satisfy any" with nothing else lets nobody in without a token
--- config
    location /t { satisfy any; convo_auth on; try_files /index.html =404; }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good, "Authorization: Bearer a.b.c"]
--- error_code eval
[401, 200, 401]



=== TEST 12: "satisfy any" without keys answers 503 and not the page
--- config
    location /t {
        satisfy any;
        convo_auth on;
        convo_auth_keys_request /keys;
        try_files /index.html =404;
    }
    location = /keys { internal; return 500; }
--- request
GET /t
--- more_headers eval: $::Good
--- error_code: 503
--- response_body_like: "keys_unavailable"



=== TEST 13: an internal redirect to a protected location is decided
--- config
    location /dir/ { index secret.html; }
    location = /dir/secret.html { convo_auth on; }
--- user_files
>>> dir/secret.html
secret
--- request eval
["GET /dir/", "GET /dir/"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]
--- response_body_like eval
["missing_token", "secret"]



=== TEST 14: try_files does not lead around
--- config
    location /open { try_files /nothing /secret.html; }
    location = /secret.html { convo_auth on; }
--- user_files
>>> secret.html
secret
--- request eval
["GET /open", "GET /open"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 15: a named location is protected
--- config
    location /open { try_files /nothing @named; }
    location @named { convo_auth on; return 200 "$convo_user\n"; }
--- request eval
["GET /open", "GET /open"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 16: the target of an error_page is protected
--- config
    location /open { error_page 404 /secret; }
    location /secret { convo_auth on; return 200 "secret\n"; }
--- request
GET /open
--- error_code_like: ^40[14]$
--- response_body_unlike: secret



=== TEST 17: error_page takes a refusal where the operator wants it
--- config
    location /t {
        convo_auth on;
        error_page 401 = @sign_in;
        return 200 "secret\n";
    }
    location @sign_in { return 302 /sign-in; }
--- request
GET /t
--- error_code: 302
--- response_headers
WWW-Authenticate: Bearer



=== TEST 18: an error page that is protected itself ends in the plain refusal
--- config
    convo_auth on;
    error_page 401 /refused.html;
    location /t { return 200 "secret\n"; }
--- user_files
>>> refused.html
page
--- request
GET /t
--- error_code: 401
--- response_body_like: "missing_token"



=== TEST 19: auth_request asks a location with convo_auth
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check { internal; convo_auth on; return 204; }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good, "Authorization: Bearer a.b.c"]
--- error_code eval
[401, 200, 401]



=== TEST 20: auth_request hands the challenge on
--- config
    location /t { auth_request /check; try_files /index.html =404; }
    location = /check { internal; convo_auth on; return 204; }
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer



=== TEST 21: auth_request under "satisfy any" does not let everybody in
--- config
    satisfy any;
    location /t { deny all; auth_request /check; try_files /index.html =404; }
    location = /check { internal; convo_auth on; try_files /index.html =404; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 22: a subrequest to a protected location is decided
--- config
    ssi on;
    location /page { default_type text/html; }
    location /part { convo_auth on; return 200 "part of $convo_user\n"; }
--- user_files
>>> page
<!--# include virtual="/part" -->
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Good]
--- response_body_like eval
["missing_token", "part of user-1"]



=== TEST 23: a mirror of a protected location gets no refused request
--- config
    location /t {
        convo_auth on;
        mirror /mirror;
        try_files /index.html =404;
    }
    location = /mirror { internal; convo_auth off; access_log off; return 200; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
["X: y", $::Good]
--- error_code eval
[401, 200]



=== TEST 24: other methods and limit_except do not lead around
--- config
    location /t {
        convo_auth on;
        limit_except GET { allow all; }
        return 200 "secret\n";
    }
--- request eval
["POST /t", "PUT /t", "OPTIONS /t", "DELETE /t"]
--- error_code eval
[(401) x 4]



=== TEST 25: convo_auth is not allowed in "if"
--- config
    location /t { if ($arg_a) { convo_auth off; } }
--- must_die
--- suppress_stderr
--- error_log
"convo_auth" directive is not allowed here
