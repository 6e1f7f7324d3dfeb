# convo_redis as it is written: what is taken, what is refused and how, and
# that the same thing said twice is one connection.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::FakeRedis;

# Says what it was greeted with.
fake_redis('ECHO', sub ($peer, @command) {
    push @{ $peer->{said} }, join ' ', @command;
    return greeting(@command) // bulk(join ', ', @{ $peer->{said} }[0 .. 1]);
});

# Says how many connections it has had.
fake_redis('COUNT', sub ($peer, @command) {
    return greeting(@command) // bulk($peer->{number});
});

our $Sayings = <<'_EOC_';
        location = /say { convo_test_eval touch k | 1; }
        location = /status { convo_test_status; }
_EOC_

repeat_each(2);
no_long_string();
run_tests();

__DATA__

=== TEST 1: an address without a password is asked without AUTH
--- config eval
"convo_redis redis://127.0.0.1:\$TEST_NGINX_ECHO_PORT; $::Sayings"
--- request
GET /say
--- response_body_like: ^PING, EVALSHA



=== TEST 2: a password is that of the default user
--- config eval
"convo_redis redis://:a%40b\@127.0.0.1:\$TEST_NGINX_ECHO_PORT; $::Sayings"
--- request
GET /say
--- response_body
AUTH a@b, PING



=== TEST 3: a user comes with a password, and a database is selected
--- config eval
"convo_redis redis://edge:pw\@127.0.0.1:\$TEST_NGINX_ECHO_PORT/7; $::Sayings"
--- request
GET /say
--- response_body
AUTH edge pw, SELECT 7



=== TEST 4: a password file is read, and its line end is no part of it
--- config eval
"convo_redis redis://edge\@127.0.0.1:\$TEST_NGINX_ECHO_PORT
     password_file=\$TEST_NGINX_HTML_DIR/password; $::Sayings"
--- user_files
>>> password
from a file
and more
--- request
GET /say
--- response_body
AUTH edge from a file, PING



=== TEST 5: nothing of a password is shown
--- config eval
"convo_redis redis://edge:hunter2\@127.0.0.1:\$TEST_NGINX_ECHO_PORT;
 $::Sayings"
--- request
GET /status
--- response_body_like: ^redis://127\.0\.0\.1:\d+/0 up=
--- no_error_log
hunter2



=== TEST 6: a Unix socket is asked
--- config eval
"convo_redis unix:\$TEST_NGINX_REDIS_SOCKET; $::Sayings"
--- request
GET /say
--- response_body
0



=== TEST 7: a host name without resolver is looked up by the configuration
--- config eval
"convo_redis redis://localhost:\$TEST_NGINX_REDIS_PORT timeout=3s; $::Sayings"
--- request
GET /say
--- response_body
0



=== TEST 8: locations inherit it, and the same said again is the same
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_COUNT_PORT;
--- config
    location = /a { convo_test_eval touch k | 1; }
    location = /b {
        convo_redis redis://127.0.0.1:$TEST_NGINX_COUNT_PORT timeout=1000ms;
        convo_test_eval touch k | 1;
    }
    location /c/ {
        convo_redis redis://127.0.0.1:$TEST_NGINX_COUNT_PORT/0;
        location /c/d { convo_test_eval touch k | 1; }
    }
    location = /status { convo_test_status; }
--- request eval
["GET /a", "GET /b", "GET /c/d", "GET /status"]
--- error_code eval
[200, 200, 200, 200]
--- response_body_like eval
['^\d+$', '^\d+$', '^\d+$', ' commands=[36] .* connects=1 ']



=== TEST 9: a location may ask another
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_COUNT_PORT;
    location = /other {
        convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;
        convo_test_eval touch k | 1;
    }
--- request
GET /other
--- response_body
0



=== TEST 10: without it there is no Redis
--- config eval: $::Sayings
--- request
GET /say
--- error_code: 500



=== TEST 11: an address of no known form is refused
--- config
    convo_redis 127.0.0.1:6379;
--- must_die
--- suppress_stderr
--- error_log
invalid address "127.0.0.1:6379" in "convo_redis": expected redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or unix:PATH



=== TEST 12: a bad address is quoted without its password
--- config
    convo_redis redis://edge:hunter2@127.0.0.1:99999;
--- must_die
--- suppress_stderr
--- error_log
invalid address "127.0.0.1:99999" in "convo_redis": expected a port from 1 to 65535
--- no_error_log
hunter2



=== TEST 13: TLS is refused
--- config
    convo_redis rediss://127.0.0.1:6379;
--- must_die
--- suppress_stderr
--- error_log
TLS is not spoken to Redis



=== TEST 14: a user needs a password
--- config
    convo_redis redis://edge@127.0.0.1;
--- must_die
--- suppress_stderr
--- error_log
"convo_redis" names the user "edge" without a password



=== TEST 15: one password is enough
--- config
    convo_redis redis://:pw@127.0.0.1 password_file=$TEST_NGINX_HTML_DIR/p;
--- user_files
>>> p
pw
--- must_die
--- suppress_stderr
--- error_log
"convo_redis" has two passwords



=== TEST 16: a password file must be there
--- config
    convo_redis redis://127.0.0.1 password_file=/nowhere/p;
--- must_die
--- suppress_stderr
--- error_log
"/nowhere/p" of "convo_redis" failed



=== TEST 17: and not begin with an empty line
--- config
    convo_redis redis://127.0.0.1 password_file=$TEST_NGINX_HTML_DIR/p;
--- user_files eval
">>> p\n\nsecond\n"
--- must_die
--- suppress_stderr
--- error_log
expected a first line of 1 to 511 bytes
--- no_error_log
second



=== TEST 18: a password of 512 bytes is too long
--- config
    convo_redis redis://127.0.0.1 password_file=$TEST_NGINX_HTML_DIR/p;
--- user_files eval
">>> p\n" . 'p' x 512 . "\n"
--- must_die
--- suppress_stderr
--- error_log
expected a first line of 1 to 511 bytes



=== TEST 19: a timeout of nothing is refused
--- config
    convo_redis redis://127.0.0.1 timeout=0;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "timeout=0" in "convo_redis": expected one timeout from 10ms to 60s



=== TEST 20: so is a very long one
--- config
    convo_redis redis://127.0.0.1 timeout=61s;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "timeout=61s"



=== TEST 21: and one that is no time
--- config
    convo_redis redis://127.0.0.1 timeout=soon;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "timeout=soon"



=== TEST 22: an unknown parameter is refused, and its value not told
--- config
    convo_redis redis://127.0.0.1 password=x-secret;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "password" in "convo_redis": expected password_file=PATH or timeout=TIME
--- no_error_log
x-secret



=== TEST 23: cluster is refused in so many words
--- config
    convo_redis redis://127.0.0.1 cluster;
--- must_die
--- suppress_stderr
--- error_log
"convo_redis" does not support "cluster" yet



=== TEST 24: twice in one place is refused
--- config
    convo_redis redis://127.0.0.1;
    convo_redis redis://127.0.0.1;
--- must_die
--- suppress_stderr
--- error_log
"convo_redis" directive is duplicate



=== TEST 25: a host that does not exist is refused where it is looked up
--- config
    convo_redis redis://nowhere.invalid;
--- must_die
--- suppress_stderr
--- error_log
host not found in "convo_redis" redis://nowhere.invalid:6379/0
