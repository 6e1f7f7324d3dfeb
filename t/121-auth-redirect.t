# convo_auth_redirect: who would read a page is sent to the sign-in page, who
# calls an API gets the refusal; and nobody is led to another host.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = bearer(id_token());


# What a browser sends when it navigates, and what one from before
# Sec-Fetch-Mode sends.
our $Old = 'Accept: text/html,application/xhtml+xml,*/*;q=0.8';
our $Page = "$Old\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document";

our $Location = <<'EOC';
    absolute_redirect off;
    location /t {
        convo_auth on;
        convo_auth_redirect /sign-in?to=$convo_return_uri;
        return 200 "secret\n";
    }
EOC

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
    $block->set_value('config', $Location) unless $block->config;
    return if $block->request || $block->raw_request;
    $block->set_value('must_die', '');
    $block->set_value('suppress_stderr', '');
});

run_tests();

__DATA__

=== TEST 1: a page without a token leads to the sign-in page and back
--- request
GET /t/a%20b?c=d&e=%2F
--- more_headers eval: $::Page
--- error_code: 302
--- response_headers
Location: /sign-in?to=%2Ft%2Fa%2520b%3Fc%3Dd%26e%3D%252F
Cache-Control: no-store
! WWW-Authenticate
--- response_body_unlike: secret



=== TEST 2: so does one with a token that is no good, and HEAD
--- request eval
["GET /t", "GET /t", "HEAD /t"]
--- more_headers eval
["$::Page\n" . ::bearer(::id_token(exp => 1)), "$::Page\n" . ::bearer('x'),
 $::Page]
--- error_code eval
[302, 302, 302]
--- response_headers eval
[("Location: /sign-in?to=%2Ft") x 3]



=== TEST 3: with a good token the page is served
--- request
GET /t
--- more_headers eval: "$::Page\n$::Good"
--- response_body
secret



=== TEST 4: a browser from before Sec-Fetch-Mode is known by taking HTML
--- request
GET /t
--- more_headers eval: $::Old
--- error_code: 302



=== TEST 5: a call of an API gets the refusal itself
--- request eval
[("GET /t") x 8]
--- more_headers eval
["X: y", "Accept: */*", "Accept: application/json",
 "Accept: application/json, text/html",
 "$::Old\nX-Requested-With: XMLHttpRequest", "$::Old\nSec-Fetch-Mode: cors",
 "$::Old\nSec-Fetch-Mode: same-origin", "$::Old\nSec-Fetch-Mode: no-cors"]
--- error_code eval
[(401) x 8]
--- response_headers eval
[("WWW-Authenticate: Bearer\n! Location") x 8]
--- response_body_like eval
[(qr/"missing_token"/) x 8]



=== TEST 6: and so does what a redirect would lose the body of
--- request eval
["POST /t\na=b", "PUT /t\na", "DELETE /t", "OPTIONS /t"]
--- more_headers eval: $::Page
--- error_code eval
[(401) x 4]



=== TEST 7: a good token that is not enough is no reason to sign in again
--- config
    convo_auth_redirect /sign-in;
    location /pro { convo_auth on; convo_auth_require plan=pro; }
    location /keys { convo_auth on; convo_auth_keys_request /no-keys; }
    location = /no-keys { internal; return 500; }
--- request eval
["GET /pro", "GET /keys"]
--- more_headers eval: "$::Page\n$::Good"
--- error_code eval
[403, 503]
--- response_headers eval
["! Location", "! Location"]



=== TEST 8: the way back begins with a single slash
--- request eval
["GET //evil.example/", "GET /\\evil.example/", "GET ///\\//evil.example",
 "GET /"]
--- config
    absolute_redirect off;
    convo_auth on;
    convo_auth_redirect /sign-in?to=$convo_return_uri;
--- more_headers eval: $::Page
--- error_code eval
[302, 302, 302, 302]
--- response_headers eval
["Location: /sign-in?to=%2Fevil.example%2F",
 "Location: /sign-in?to=%2Fevil.example%2F",
 "Location: /sign-in?to=%2Fevil.example", "Location: /sign-in?to=%2F"]



=== TEST 9: a host in the request line is no part of the way back
--- raw_request eval
"GET http://evil.example/t?a HTTP/1.1\r\nHost: localhost\r\n"
. "Connection: close\r\n$::Old\r\n\r\n"
--- error_code: 302
--- response_headers
Location: /sign-in?to=%2Ft%3Fa



=== TEST 10: a variable brings no header line and no byte that no URI has
--- config
    absolute_redirect off;
    location ~ (?s)^/t(?<rest>.*) {
        convo_auth on;
        convo_auth_redirect /sign-in$rest?a=b%20c;
    }
--- request
GET /t/%0d%0aX-Evil:%201%5c%22%C3%B6
--- more_headers eval: $::Page
--- error_code: 302
--- response_headers
Location: /sign-in/%0D%0AX-Evil:%201%5C%22%C3%B6?a=b%20c
! X-Evil



=== TEST 11: another host is written out
--- config
    location /t {
        convo_auth on;
        convo_auth_redirect https://login.example:8443/authorize?to=$uri;
    }
--- request
GET /t
--- more_headers eval: $::Page
--- error_code: 302
--- response_headers
Location: https://login.example:8443/authorize?to=/t



=== TEST 12: a location below inherits, has its own, or none
--- config
    absolute_redirect off;
    convo_auth on;
    convo_auth_redirect /a;
    location /t/inherited { }
    location /t/own { convo_auth_redirect /b; }
    location /t/none { convo_auth_redirect off; }
--- request eval
["GET /t/inherited", "GET /t/own", "GET /t/none"]
--- more_headers eval: $::Page
--- error_code eval
[302, 302, 401]
--- response_headers eval
["Location: /a", "Location: /b", "! Location"]



=== TEST 13: a sign-in page that is protected itself does not go in circles
--- config
    absolute_redirect off;
    convo_auth on;
    convo_auth_redirect /sign-in?to=$convo_return_uri;
    location = /sign-in { }
--- request
GET /sign-in?to=%2Ft
--- more_headers eval: $::Page
--- error_code: 401
--- response_headers
! Location
--- error_log
convo auth: "convo_auth_redirect" leads in circles



=== TEST 14: under "satisfy any" every access module is asked first
--- http_config
    limit_req_zone $binary_remote_addr zone=all:1m rate=1000r/s;
--- config
    absolute_redirect off;
    satisfy any;
    convo_auth on;
    convo_auth_redirect /sign-in;
    location /near { allow 127.0.0.1; deny all; try_files /index.html =404; }
    location /far { deny all; try_files /index.html =404; }
    location /alone { try_files /index.html =404; }
    location /basic {
        auth_basic realm;
        auth_basic_user_file $TEST_NGINX_HTML_DIR/users;
        try_files /index.html =404;
    }
--- user_files
>>> users
ann:{PLAIN}secret
--- request eval
["GET /near", "GET /far", "GET /alone", "GET /basic", "GET /basic", "GET /far",
 "GET /far"]
--- more_headers eval
[($::Page) x 4, "$::Page\nAuthorization: Basic YW5uOnNlY3JldA==",
 "$::Page\n$::Good", "Accept: */*"]
--- error_code eval
[200, 302, 302, 302, 200, 200, 401]
--- response_headers eval
["! Location", ("Location: /sign-in") x 3, ("! Location") x 3]



=== TEST 15: error_page takes the refusals that no redirect has taken
--- config
    absolute_redirect off;
    location /t {
        convo_auth on;
        convo_auth_redirect /sign-in;
        error_page 401 /refused;
    }
    location /refused { return 401 "refused\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[$::Page, "Accept: */*"]
--- error_code eval
[302, 401]
--- response_headers eval
["Location: /sign-in", "WWW-Authenticate: Bearer"]
--- response_body_like eval
["302 Found", "refused"]



=== TEST 16: a subrequest leads nowhere
--- config
    absolute_redirect off;
    convo_auth_redirect /sign-in;
    location /asked { auth_request /check; }
    location = /check { internal; convo_auth on; return 204; }
    location /page { ssi on; default_type text/html; }
    location /part { convo_auth on; return 200 "secret\n"; }
--- user_files
>>> page
<!--# include virtual="/part" -->
--- request eval
["GET /asked", "GET /page"]
--- more_headers eval: $::Page
--- error_code eval
[401, 200]
--- response_headers eval
[("! Location") x 2]
--- response_body_like eval
["401", "missing_token"]



=== TEST 17: nor does an error page that is protected
--- config
    absolute_redirect off;
    convo_auth_redirect /sign-in;
    location /t { error_page 404 /secret; }
    location /secret { convo_auth on; return 200 "secret\n"; }
--- request
GET /t
--- more_headers eval: $::Page
--- error_code: 401
--- response_headers
! Location



=== TEST 18: an index page leads back to what was asked for
--- config
    absolute_redirect off;
    location /t/ { index secret.html; }
    location = /t/secret.html {
        convo_auth on;
        convo_auth_redirect /sign-in?to=$convo_return_uri;
    }
--- user_files
>>> t/secret.html
secret
--- request
GET /t/
--- more_headers eval: $::Page
--- error_code: 302
--- response_headers
Location: /sign-in?to=%2Ft%2F



=== TEST 19: where sign-in is off nothing is redirected
--- config
    convo_auth_redirect /sign-in;
    location /t { return 200 "open\n"; }
--- request
GET /t
--- more_headers eval: $::Page
--- response_body
open



=== TEST 20: a variable cannot choose the host
--- config
    convo_auth_redirect $arg_to;
--- error_log
invalid value "$arg_to" in "convo_auth_redirect", expected "off", a path as "/sign-in?to=$convo_return_uri", or a URL whose host is written out and followed by "/"



=== TEST 21: nor after a slash
--- config
    convo_auth_redirect /$arg_to;
--- error_log
invalid value "/$arg_to" in "convo_auth_redirect"



=== TEST 22: nor can it go on with the host
--- config
    convo_auth_redirect https://login.example$request_uri;
--- error_log
invalid value "https://login.example$request_uri" in "convo_auth_redirect"



=== TEST 23: nor be one
--- config
    convo_auth_redirect https://$host/sign-in;
--- error_log
invalid value "https://$host/sign-in" in "convo_auth_redirect"



=== TEST 24: a path does not begin with two slashes
--- config
    convo_auth_redirect //login.example/;
--- error_log
invalid value "//login.example/" in "convo_auth_redirect"



=== TEST 25: nor with what browsers take for a slash
--- config
    convo_auth_redirect "/\\login.example/";
--- error_log
in "convo_auth_redirect", expected "off", a path



=== TEST 26: what precedes the host's @ is no host
--- config
    convo_auth_redirect https://login.example@evil.example/;
--- error_log
invalid value "https://login.example@evil.example/" in "convo_auth_redirect"



=== TEST 27: a script is no page
--- config
    convo_auth_redirect "javascript:alert(1)";
--- error_log
invalid value "javascript:alert(1)" in "convo_auth_redirect"



=== TEST 28: a redirect is said once at a level
--- config
    convo_auth_redirect /a;
    convo_auth_redirect /b;
--- error_log
"convo_auth_redirect" directive is duplicate
