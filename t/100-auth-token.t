# Where a request carries its token: convo_auth_token, and what counts as a
# same-origin request for a cookie.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = id_token();

repeat_each(2);
run_tests();

__DATA__

=== TEST 1: without a token the answer is a challenge without an error
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/problem+json
Cache-Control: no-store
--- response_body_like: "status":401,"code":"missing_token"



=== TEST 2: a bearer token in the Authorization header lets in
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request
GET /t
--- more_headers eval: ::bearer($::Good)
--- response_body
in user-1
--- response_headers
! WWW-Authenticate



=== TEST 3: the scheme is written in any case
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
["Authorization: bearer $::Good", "authorization: BEARER $::Good",
 "Authorization: Bearer   $::Good"]
--- response_body eval
["in\n", "in\n", "in\n"]



=== TEST 4: another scheme, or none, is no token
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
["Authorization: Basic $::Good", "Authorization: $::Good",
 "Authorization: Bearer", "Authorization:", "Authorization: Bearer$::Good"]
--- error_code eval
[401, 401, 401, 401, 401]
--- response_body_like eval
[(qr/"missing_token"/) x 5]



=== TEST 5: NGINX itself refuses two Authorization headers
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::bearer($::Good) . "\n" . ::bearer($::Good)
--- error_code: 400
--- response_body_like: 400 Bad Request



=== TEST 6: cookie and query are off by default
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
"GET /t?token=$::Good&access_token=$::Good"
--- more_headers eval
"Cookie: token=$::Good\nSec-Fetch-Site: same-origin"
--- error_code: 401
--- response_body_like: "missing_token"



=== TEST 7: a cookie lets in a same-origin request
--- http_config eval: $::Config
--- config
    convo_auth_token header cookie=__Host-convo;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request
GET /t
--- more_headers eval
"Cookie: a=b; __Host-convo=$::Good; c=d\nSec-Fetch-Site: same-origin"
--- response_body
in user-1



=== TEST 8: a cookie does not count on a request of another site or sibling
--- http_config eval: $::Config
--- config
    convo_auth_token header cookie=__Host-convo;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "POST /t", "GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
my $cookie = "Cookie: __Host-convo=$::Good";
["$cookie\nSec-Fetch-Site: cross-site", "$cookie\nSec-Fetch-Site: same-site",
 "$cookie\nSec-Fetch-Site: none", "$cookie\nSec-Fetch-Site: Same-Origin",
 "$cookie\nSec-Fetch-Site: same-site\nOrigin: http://localhost",
 $cookie]
--- error_code eval
[(401) x 6]
--- response_body_like eval
[(qr/"missing_token"/) x 6]



=== TEST 9: without Sec-Fetch-Site the exact Origin counts
--- http_config eval: $::Config
--- config
    convo_auth_token cookie=id;
    location /t { convo_auth on; return 200 "in\n"; }
--- raw_request eval
"GET /t HTTP/1.1\r\nHost: app.example:8443\r\nConnection: close\r\n"
. "Cookie: id=$::Good\r\nOrigin: https://app.example:8443\r\n\r\n"
--- response_body
in



=== TEST 10: an Origin that only resembles the host does not count
--- http_config eval: $::Config
--- config
    convo_auth_token cookie=id;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 7]
--- more_headers eval
my $cookie = "Cookie: id=$::Good\nOrigin: ";
[map { $cookie . $_ } 'null', 'https://app.localhost', 'https://localhost.evil',
 'https://localhost:1', 'localhost', 'ftp://localhost', 'https://localhos']
--- error_code eval
[(401) x 7]



=== TEST 11: plain http is an origin on a plain connection
--- http_config eval: $::Config
--- config
    convo_auth_token cookie=id;
    location /t { convo_auth on; return 200 "in\n"; }
--- raw_request eval
"GET /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Cookie: id=$::Good\r\nOrigin: http://localhost\r\n\r\n"
--- response_body
in



=== TEST 12: without "header" a bearer token does not count
--- http_config eval: $::Config
--- config
    convo_auth_token cookie=id;
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::bearer($::Good)
--- error_code: 401
--- response_body_like: "missing_token"



=== TEST 13: a query argument lets in where it is allowed
--- http_config eval: $::Config
--- config
    convo_auth_token header query=token;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?a=b&token=$::Good", "GET /t?token=", "GET /t?token"]
--- error_code eval
[200, 401, 401]



=== TEST 14: the header comes first, and a bad one is not passed over
--- http_config eval: $::Config
--- config
    convo_auth_token header query=token;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
"GET /t?token=$::Good"
--- more_headers
Authorization: Bearer a.b.c
--- error_code: 401
--- response_body_like: "invalid_token"



=== TEST 15: HEAD is answered without a body
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
HEAD /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/problem+json
--- response_body



=== TEST 16: a body on its way is thrown away, and the connection goes on
--- http_config eval: $::Config
--- config
    location /t { convo_auth on; return 200 "in\n"; }
    location /open { return 200 "open\n"; }
--- pipelined_requests eval
["POST /t\n" . "x" x 5000, "GET /open"]
--- error_code eval
[401, 200]



=== TEST 17: its name is as it is spelt
--- http_config eval: $::Config
--- config
    convo_auth_token header cookie=__Host-convo;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
my $site = "Sec-Fetch-Site: same-origin";
["Cookie: __host-convo=$::Good\n$site",
 "Cookie: __host-convo=x; __Host-convo=$::Good\n$site",
 "Cookie: a=__Host-convo=$::Good; x__Host-convo=$::Good\n$site",
 "Cookie: __Host-convo=; b=c\n$site"]
--- error_code eval
[401, 200, 401, 401]
