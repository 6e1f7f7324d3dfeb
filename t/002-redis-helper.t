# Convo::Redis, the Redis that suites of the edge bring along: it answers, can
# be taken away and brought back with its data. NGINX is its client here only
# as a proxy of bytes would be, so this needs no module.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;

is(redis('SET', 'greeting', "hello\r\n"), 'OK', 'a value is set');
is(redis('GET', 'greeting'), "hello\r\n", 'and read, whatever is in it');
is(redis('GET', 'nothing'), undef, 'a missing one is undef');
is(redis('INCR', 'count'), 1, 'an integer is an integer');
is_deeply(redis('MGET', 'count', 'nothing'), [1, undef], 'a list is a list');
ok(!eval { redis('INCR', 'greeting'); 1 }, 'an error dies');
like($@, qr/^redis: ERR value is not an integer/, 'with its text');
is(redis('PING'), 'PONG', 'and the connection goes on');
redis_stop();
ok(!eval { redis('PING'); 1 }, 'a stopped Redis does not answer');
redis_start();
is(redis('GET', 'count'), 1, 'and comes back with its data');
redis_stop('KILL');
redis_start();
is(redis('GET', 'count'), 1, 'also after kill -9');

run_tests();

__DATA__

=== TEST 1: sections reach it by its port
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_REDIS_PORT;
        proxy_intercept_errors on;
    }
--- init
::redis('SET', 'seen', 1);
--- request
GET /t
--- error_code: 502
--- response_body_like: Bad Gateway
--- error_log
upstream



=== TEST 2: blocks run Perl against it
--- config
    location = /t { return 200 "hello\n"; }
--- init
::redis('SET', 'block', 2);
--- request
GET /t
--- response_body_filters eval
sub { return shift() . ::redis('GET', 'block') . "\n" }
--- response_body
hello
2
