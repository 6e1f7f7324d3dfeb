# The harness itself: each section of a block does what it says, under the
# CPAN module and under the work-alike in t/lib. That it also fails when it
# should is shown by 001-harness-fails.t.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;

our $Greeting = 'location = /t { return 200 "hello\n"; }';

add_response_body_check(sub {
    my ($block, $body, $request, $run) = @_;
    like($body, qr/\Ahello/, $block->name . ' - own body check')
        if $block->name =~ /own body check/;
});

repeat_each(2);
run_tests();

__DATA__

=== TEST 1: a body, a code and headers are as expected
--- config
    location = /t {
        add_header X-Kind "a b";
        return 201 "hello\n";
    }
--- request
GET /t
--- response_body
hello
--- response_headers
X-Kind: a b
Content-Type: text/plain
! X-Absent
--- error_code: 201



=== TEST 2: patterns match code, headers and body
--- config
    location = /t {
        add_header X-Kind "number 42";
        return 302 /elsewhere;
    }
--- request
GET /t
--- error_code_like: ^30[12]$
--- response_headers_like
X-Kind: number \d+
Location: .*/elsewhere
--- raw_response_headers_like: X-Kind: number 42\r\n
--- raw_response_headers_unlike: X-Absent
--- response_body_like: Found



=== TEST 3: a value may come from Perl, with its last line end taken off
--- config eval: $::Greeting
--- request eval
"GET /t"
--- response_body_like chomp
^hel+o$
--- response_body_unlike: goodbye



=== TEST 4: a body is sent with its length
--- config
    location = /t {
        client_body_in_single_buffer on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "$request_method $content_length $http_x_more\n";
    }
--- request
# a comment before the request is not sent
POST /t
some bytes
--- more_headers
X-More: of this
--- response_body
POST 10 of this



=== TEST 5: several requests have several expectations
--- config
    location = /a { return 200 "a $http_x_n\n"; }
    location = /b { return 404 "b $http_x_n\n"; }
--- request eval
["GET /a", "GET /b"]
--- more_headers eval
["X-N: 1", "X-N: 2"]
--- response_body eval
["a 1\n", "b 2\n"]
--- error_code eval
[200, 404]



=== TEST 6: pipelined requests share a connection
--- config
    location = /t { return 200 "$connection_requests $arg_n\n"; }
--- pipelined_requests eval
["GET /t?n=a", "GET /t?n=b", "GET /t?n=c"]
--- response_body eval
["1 a\n", "2 b\n", "3 c\n"]



=== TEST 7: a raw request is sent as it is
--- config
    location = /t { return 200 "$http_x_raw\n"; }
--- raw_request eval
["GET /t HTTP/1.1\r\nHost: localhost\r\nConnec",
"tion: close\r\nX-Raw: yes\r\n\r\n"]
--- raw_request_middle_delay: 0.05
--- response_body
yes



=== TEST 8: a request in packets with a pause
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo { return 200 "$content_length\n"; }
--- request eval
[["POST /t\nab", {value => "cdef", delay_before => 0.05}]]
--- response_body
6



=== TEST 9: user files are served with their text
--- config
    location /files/ { alias $TEST_NGINX_HTML_DIR/; }
--- user_files
>>> one.txt 203001020304.05
first
>>> sub/two.txt
second
--- request eval
["GET /files/one.txt", "GET /files/sub/two.txt"]
--- response_body eval
["first\n", "second\n"]
--- response_headers eval
["Last-Modified: Wed, 02 Jan 2030 03:04:05 GMT", "! X-Absent"]



=== TEST 10: lines are found, missed and cut out in error.log
--- config
    location = /t { return 200 "hello\n"; }
    location = /u { root $TEST_NGINX_HTML_DIR; }
--- request
GET /u
--- error_code: 404
--- log_level: info
--- error_log eval
["No such file", qr/open\(\) ".*\/html\/u" failed/]
--- no_error_log
[warn]
a line that nobody writes
--- grep_error_log eval
qr/failed \(2: [^)]*\)/
--- grep_error_log_out
failed (2: No such file or directory)



=== TEST 11: lines are found and missed in access.log
--- config eval: $::Greeting
--- request
GET /t?marker
--- response_body
hello
--- access_log
GET /t?marker
--- no_access_log
GET /u



=== TEST 12: a configuration that must be refused
--- config
    location = /t { return a b c; }
--- request
GET /t
--- must_die
--- suppress_stderr
--- error_log
invalid number of arguments in "return" directive



=== TEST 13: a refusal with its exit code
--- main_config
    no_such_directive on;
--- config
--- must_die: 1
--- suppress_stderr
--- error_log
unknown directive "no_such_directive"



=== TEST 14: part of a stream is read within the time
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        proxy_buffering off;
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_no_close
--- tcp_reply eval
["HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
"event: state\ndata: 1\n\n", "event: state\ndata: 2\n\n"]
--- request
GET /t HTTP/1.0
--- timeout: 1s
--- abort
--- response_headers
Content-Type: text/event-stream
--- response_body_like: data: 1\n.*data: 2\n



=== TEST 15: an upstream answers as told and keeps what it was asked
--- http_config
    upstream peer { server 127.0.0.1:$TEST_NGINX_RAND_PORT_2; }
--- config
    location = /t {
        proxy_pass http://peer;
        proxy_set_header Host a.peer;
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_2
--- tcp_reply eval
sub {
    my $query = shift;
    my ($host) = $query =~ /^Host: (\S+)/m;
    return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfor $host\n";
}
--- tcp_query eval
"GET /t HTTP/1.0\r\nHost: a.peer\r\nConnection: close\r\n\r\n"
--- request
GET /t
--- response_body
for a.peer



=== TEST 16: a datagram server answers
--- config
    resolver 127.0.0.1:$TEST_NGINX_RAND_PORT_3 ipv6=off;
    resolver_timeout 1s;
    location = /t {
        set $name some.test;
        proxy_pass http://$name:$TEST_NGINX_SERVER_PORT/hello;
    }
    location = /hello { return 200 "hello\n"; }
--- udp_listen: $TEST_NGINX_RAND_PORT_3
--- udp_reply eval
sub {
    my $query = shift;
    return substr($query, 0, 2) . "\x81\x80\0\1\0\1\0\0\0\0"
        . substr($query, 12) . "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1";
}
--- request
GET /t
--- response_body
hello



=== TEST 17: Perl runs before the requests
--- config
    location = /made { root $TEST_NGINX_HTML_DIR; }
--- init
open my $out, '>', server_root() . '/html/made' or die $!;
print $out "by init\n";
close $out;
--- request
GET /made
--- response_body
by init



=== TEST 18: a chunked body is put together, a HEAD answer has none
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
        gzip off;
        sub_filter_types *;
        sub_filter first second;
    }
    location = /page { return 200 "first page\n"; }
--- request eval
["GET /t", "HEAD /page"]
--- response_headers eval
["Transfer-Encoding: chunked", "Content-Length: 11"]
--- response_body eval
["second page\n", ""]



=== TEST 19: the body goes through filters and an own body check
--- config eval: $::Greeting
--- request
GET /t
--- response_body_filters
uc lc
--- response_body
hello



=== TEST 20: JSON is compared with its members sorted
--- config
    location = /t { return 200 '{"b":2,"a":[1]}'; }
--- request
GET /t
--- response_body_json_sort
--- response_body
{"a":[1],"b":2}



=== TEST 21: the response may be ignored, the log is not
--- config
    location = /t { return 444; }
    location = /u { root $TEST_NGINX_HTML_DIR; }
--- request
GET /u
--- ignore_response
--- wait: 0.05
--- error_log
No such file



=== TEST 22: a client that shuts its side down is still answered
--- config eval: $::Greeting
--- request
GET /t
--- shutdown: 1
--- response_body
hello



=== TEST 23: a line at a forbidden level is allowed where it is expected
--- config
    location = /t {
        proxy_pass http://unix:$TEST_NGINX_HTML_DIR/none.sock:/;
    }
--- request
GET /t
--- error_code: 502
--- response_body_like: Bad Gateway
--- error_log
[crit]
connect() to unix:



=== TEST 24: what is left out is not run
--- SKIP
--- config
    no_such_directive on;
--- request
GET /t
