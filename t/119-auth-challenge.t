# What a refused client is told: the challenge of RFC 6750 and the problem of
# RFC 9457, the same wherever the refusal comes from.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = bearer(id_token());

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config) unless $block->http_config;
});

run_tests();

__DATA__

=== TEST 1: without a token the challenge names no error
--- config
    location /t { convo_auth on; }
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/problem+json
Cache-Control: no-store
--- response_body chomp
{"type":"about:blank","status":401,"code":"missing_token","detail":"Sign in: this address needs a token."}



=== TEST 2: a token's own fault is "invalid_token", with a description of it
--- config
    location /t { convo_auth on; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[map { ::bearer($_) } 'x', ::id_token(exp => 1), ::id_token(aud => 'other'),
 ::id_token(token_use => 'refresh')]
--- error_code eval
[(401) x 4]
--- response_headers eval
[map { qq(WWW-Authenticate: Bearer error="invalid_token", )
       . qq(error_description="The token $_") }
 'is not a well-formed JWT.', 'has expired.', 'was made for another client.',
 'is of another kind.']
--- response_body_like eval
[map { qr/"status":401,"code":"invalid_token","detail":"The token $_"/ }
 'is not a well-formed JWT.', 'has expired.', 'was made for another client.',
 'is of another kind.']



=== TEST 3: a good token that is not enough is "insufficient_scope"
--- config
    location /verified { convo_auth on;
                         convo_auth_require email_verified=true; }
    location /pro { convo_auth on; convo_auth_require plan=pro; }
    location /google { convo_auth on; convo_auth_identity_provider Google; }
--- request eval
["GET /verified", "GET /pro", "GET /google"]
--- more_headers eval
::bearer(::id_token(email_verified => \0, identities => undef))
--- error_code eval
[403, 403, 403]
--- response_headers eval
[map { qq(WWW-Authenticate: Bearer error="insufficient_scope", )
       . qq(error_description="$_") }
 'Confirm your e-mail address.', 'This account may not do this.',
 'Sign in with another provider.']
--- response_body_like eval
['"code":"email_not_verified"', '"code":"forbidden"',
 '"code":"provider_not_allowed"']



=== TEST 4: what is our own fault challenges nobody
--- config
    location /t { convo_auth on; convo_auth_keys_request /keys; }
    location = /keys { internal; return 500; }
--- request
GET /t
--- more_headers eval: $::Good
--- error_code: 503
--- response_headers
! WWW-Authenticate
Cache-Control: no-store
--- response_body_like: "keys_unavailable"



=== TEST 5: HEAD has the headers of GET and no body
--- config
    location /t { convo_auth on; }
--- request
HEAD /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/problem+json
Content-Length: 106
--- response_body



=== TEST 6: a refused body is thrown away, and the connection lives on
--- config
    location /t { convo_auth on; }
    location /open { return 200 "open\n"; }
--- pipelined_requests eval
["POST /t\n" . "x" x 100_000, "GET /open"]
--- error_code eval
[401, 200]



=== TEST 7: nobody who waits for "100 Continue" is told to send a body
--- config
    location /t { convo_auth on; }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
--- error_code: 401
--- raw_response_headers_unlike: 100 Continue



=== TEST 8: under "satisfy any" each way in has its challenge
--- config
    location /t {
        satisfy any;
        auth_basic "realm";
        auth_basic_user_file $TEST_NGINX_HTML_DIR/users;
        convo_auth on;
    }
--- user_files
>>> users
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer, Basic realm="realm"



=== TEST 9: the client's headers have no part in the answer
--- config
    location /t { convo_auth on; }
--- request
GET /t
--- more_headers
Authorization: Bearer a"b.c\"d.e, realm="x"
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token", error_description="The token is not a well-formed JWT."
--- response_body_unlike: realm
