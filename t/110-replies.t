# What every endpoint shares: how problems are sent, how a JSON body is read,
# how an outside system is asked from a content handler.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Provider keys => { one => ['pool'] };

repeat_each(2);
run_tests();

__DATA__

=== TEST 1: a problem is problem+json, and nobody stores it
--- config
    location /t { convo_test_problem 409 already_subscribed; }
--- request
GET /t
--- error_code: 409
--- response_headers
Content-Type: application/problem+json
Cache-Control: no-store
! Retry-After
! WWW-Authenticate
--- response_body chomp
{"type":"about:blank","status":409,"code":"already_subscribed"}



=== TEST 2: a problem may say when to come back, and more
--- config
    location /t { convo_test_problem 429 no_points 60; }
--- request
GET /t
--- error_code: 429
--- response_headers
Retry-After: 60
--- response_body chomp
{"type":"about:blank","status":429,"code":"no_points","extra":{"of":1}}



=== TEST 3: error_page takes a problem where the operator wants it
--- config
    location /t { convo_test_problem 503 busy 7; error_page 503 /busy.html; }
--- user_files
>>> busy.html
come back
--- request
GET /t
--- error_code: 503
--- response_headers
Retry-After: 7
--- response_body
come back



=== TEST 4: an error_page of another status does not
--- config
    location /t { convo_test_problem 503 busy; error_page 502 /busy.html; }
--- request
GET /t
--- error_code: 503
--- response_body_like: "busy"



=== TEST 5: another method is 405 with the methods that are taken
--- config
    location /t { convo_test_body; }
--- request eval
["GET /t", "DELETE /t", "OPTIONS /t"]
--- error_code eval
[405, 405, 405]
--- response_headers eval
[("Allow: POST, PUT") x 3]
--- response_body_like eval
[(qr/"code":"method_not_allowed"/) x 3]



=== TEST 6: no body means an empty object
--- config
    location /t { convo_test_body; }
--- request
POST /t
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"body":{}}



=== TEST 7: a JSON object is read, with parameters of its type
--- config
    location /t { convo_test_body; }
--- request eval
["PUT /t\n" . '{"a":[1,"x"]}', "POST /t\n" . '{"b":{}}', "POST /t\n{}"]
--- more_headers eval
["Content-Type: application/json", "Content-Type: Application/JSON;charset=utf-8",
 "Content-Type: application/json ; x=y"]
--- response_body eval
['{"body":{"a":[1,"x"]}}', '{"body":{"b":{}}}', '{"body":{}}']



=== TEST 8: a body of another type is 415
--- config
    location /t { convo_test_body; }
--- request eval
[("POST /t\n{}") x 4]
--- more_headers eval
["Content-Type: text/plain", "X: y", "Content-Type: application/jsonp",
 "Content-Type: application/x-www-form-urlencoded"]
--- error_code eval
[(415) x 4]
--- response_body_like eval
[(qr/"unsupported_media_type"/) x 4]



=== TEST 9: what is no JSON object, or too deep or wide, is 400
--- config
    location /t { convo_test_body; }
--- request eval
[map { "POST /t\n$_" } '[]', '1', 'null', '"a"', '{', '{"a":1,}', '{}{}',
 '{"a":1,"a":2}', '{"a":"\u0000"}', "{\"a\":\"\xff\"}", '{a:1}',
 '{"a":' . '[' x 8 . ']' x 8 . '}', '{"a":[' . '1,' x 300 . '1]}', '{"c":1}']
--- more_headers
Content-Type: application/json
--- error_code eval
[(400) x 14]
--- response_body_like eval
[(qr/"code":"bad_request"/) x 14]



=== TEST 10: 16 KB are read, also from a temporary file, more is 413
--- config
    client_body_buffer_size 1k;
    location /t { convo_test_body; }
--- request eval
my $max = 16384 - length '{"a":""}';
["POST /t\n{\"a\":\"" . 'x' x $max . '"}',
 "POST /t\n{\"a\":\"" . 'x' x ($max + 1) . '"}', "POST /t\n" . 'x' x 100_000]
--- more_headers
Content-Type: application/json
--- error_code eval
[200, 413, 413]
--- response_body_like eval
['\A\{"body":\{"a":"x{16376}"\}\}\z', '"too_large"', '"too_large"']



=== TEST 11: a chunked body is read
--- config
    location /t { convo_test_body; }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
 . "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
 "4\r\n{\"a\"\r\n", "3\r\n:1}\r\n0\r\n\r\n"]
--- raw_request_middle_delay
0.1
--- response_body chomp
{"body":{"a":1}}



=== TEST 12: a chunked body that is too long is 413
--- config
    location /t { convo_test_body; }
--- raw_request eval
"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
. "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. "4e20\r\n" . ' ' x 20000 . "\r\n0\r\n\r\n"
--- error_code: 413
--- response_body_like: "too_large"



=== TEST 13: a content handler fetches, with its own method and body
--- config
    location /t { convo_test_fetch POST /out?x=1 "the body"; }
    location = /out {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo?$args;
        proxy_method $convo_method;
        proxy_set_body $convo_body;
        proxy_pass_request_headers off;
    }
    location = /echo {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/say$is_args$args;
        proxy_set_header X-Body $request_body;
        proxy_set_header X-Method $request_method;
    }
    location = /say { return 201 "$http_x_method $http_x_body $arg_x"; }
--- request
GET /t
--- response_body chomp
201 POST the body 1



=== TEST 14: the same without proxy_method and proxy_set_body
--- config
    location /t { convo_test_fetch PUT /out "the body"; }
    location = /out {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/say;
        proxy_set_header X-Body $request_body;
        proxy_set_header X-Method $request_method;
    }
    location = /say { return 200 "$http_x_method $http_x_body"; }
--- request
POST /t
the user's body
--- more_headers
X-Body: forged
--- response_body chomp
200 PUT the body



=== TEST 15: an answer without a body has its status, unless it is 200
--- config
    location /none { convo_test_fetch DELETE /out/204; }
    location /empty { convo_test_fetch GET /out/200; }
    location /error { convo_test_fetch GET /out/500; }
    location /gone { convo_test_fetch GET /out/404; }
    location /out/ {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/say/;
        proxy_method $convo_method;
    }
    location /say/204 { return 204; }
    location /say/200 { return 200; }
    location /say/500 { return 500 "sorry"; }
    location /say/404 { return 404 "not here"; }
--- request eval
["GET /none", "GET /empty", "GET /error", "GET /gone"]
--- response_body eval
["204 ", "0 ", "500 sorry", "404 not here"]



=== TEST 16: an upstream that is down, cut off or too long is told apart
--- config
    location /close { convo_test_fetch GET /keys/close; }
    location /cut { convo_test_fetch GET /keys/cut; }
    location /chunks { convo_test_fetch GET /keys/chunked_cut; }
    location /huge { convo_test_fetch GET /keys/huge; }
    location /keys/ {
        internal;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
        subrequest_output_buffer_size 32k;
    }
--- request eval
["GET /close", "GET /cut", "GET /chunks", "GET /huge", "GET /huge"]
--- response_body_like eval
['\A502 .*Bad Gateway', '\A0 \z', '\A0 \z', '\A0 \z', '\A0 \z']



=== TEST 17: a client that goes during a fetch leaves nothing behind
--- config
    location /t { convo_test_fetch GET /keys/slow; }
    location /keys/ {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
    }
--- request
GET /t
--- timeout: 200ms
--- abort
--- wait: 1.2
--- ignore_response
