# Signing in: a verified token becomes a cookie.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Signed = id_token(exp => time + 3600);

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', auth_config());
});

run_tests();

__DATA__

=== TEST 1: the token becomes a cookie that ends when it does
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request
POST /in
--- more_headers eval: ::bearer($::Signed)
--- error_code: 200
--- response_headers_like eval
"Set-Cookie: __Host-convo=\Q$::Signed\E; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=3[56]\\d\\d
Cache-Control: no-store
Content-Type: application/json"
--- response_body_like: ^\{"expiresAt":\d{10}\}$



=== TEST 2: the cookie lets in
--- config
    convo_auth_token header cookie=__Host-convo;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request
GET /t
--- more_headers eval
"Cookie: __Host-convo=$::Signed\nSec-Fetch-Site: same-origin"
--- response_body
in user-1



=== TEST 3: nobody signs in without a good token
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request eval
["POST /in", "POST /in"]
--- more_headers eval
["X: y", ::bearer(::id_token(exp => time - 3600))]
--- error_code eval
[401, 401]
--- response_headers eval
["Set-Cookie:", "Set-Cookie:"]
--- response_body_like eval
["missing_token", "invalid_token"]



=== TEST 4: it is a POST without members
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request eval
["GET /in", "POST /in\n{\"a\":1}", "POST /in\n{}"]
--- more_headers eval
my $bearer = ::bearer($::Signed);
[$bearer, "$bearer\nContent-Type: application/json",
 "$bearer\nContent-Type: application/json"]
--- error_code eval
[405, 400, 200]
--- response_body_like eval
["method_not_allowed", "bad_request", "expiresAt"]



=== TEST 5: a token that no browser would keep as a cookie is refused
--- config
    large_client_header_buffers 4 16k;
    location = /in { convo_auth on; convo_sign_in; }
--- request
POST /in
--- more_headers eval: ::bearer(::id_token(filling => 'x' x 3000))
--- error_code: 413
--- response_headers
Set-Cookie:
--- response_body_like: "too_large"



=== TEST 6: a location signs in or does something else
--- config
    location = /in { convo_auth on; convo_sign_in; empty_gif; convo_sign_in; }
--- must_die
--- error_log
"convo_sign_in" directive conflicts with another content handler



=== TEST 7: nobody signs in where no token is asked for
--- config
    location = /in { convo_sign_in; }
--- must_die
--- error_log
"convo_sign_in" in location "/in" needs "convo_auth on"
