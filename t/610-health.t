# convo_health: whoever answers lives; ready is who can serve, and the answer
# says what is missing.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Token qw(bearer id_token);

our $Conf = <<'CONF';
    convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT timeout=1s;
    location = /healthz { convo_health live; }
    location = /readyz { convo_health ready; }
    location = /both { convo_health ready first second; }
CONF

our $Serve = sub {
    for my $pool (@_) {
        redis('SET', "{$pool}:ready", 1);
        redis('SET', "{$pool}:alive", 1);
    }
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $Conf) if !defined $block->config;
    $block->set_value('init', "::redis_start();\n::redis('FLUSHALL');\n"
        . "::redis('CLIENT', 'UNPAUSE');\n" . ($block->init // ''));
    $block->set_value('request', 'GET /readyz') if !defined $block->request;
});

# NGINX starts before a block's init: it shall find Redis there.
add_response_body_check(sub { redis_start() });

run_tests();

__DATA__

=== TEST 1: alive
--- request
GET /healthz
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"status":"ok"}



=== TEST 2: alive while Redis is down
--- init
::redis_stop();
--- request
GET /healthz
--- response_body chomp
{"status":"ok"}



=== TEST 3: alive without any Redis
--- config
    location = /healthz { convo_health live; }
--- request
HEAD /healthz
--- error_code: 200



=== TEST 4: ready
--- init
$::Serve->('default');
--- response_headers
Content-Type: application/json
--- response_body chomp
{"status":"ready","redis":true,"keys":true,"revocations":true,"pools":[{"pool":"default","ready":true,"worker":true}]}



=== TEST 5: a pool that is being restored
--- init
::redis('SET', '{default}:alive', 1);
--- error_code: 503
--- response_body chomp
{"status":"not_ready","redis":true,"keys":true,"revocations":true,"pools":[{"pool":"default","ready":false,"worker":true}]}



=== TEST 6: data of a version that is not known
--- init
$::Serve->('default');
::redis('SET', '{default}:schema', 99);
--- error_code: 503
--- response_body_like: "ready":false,"worker":true



=== TEST 7: no worker
--- init
::redis('SET', '{default}:ready', 1);
--- error_code: 503
--- response_body chomp
{"status":"not_ready","redis":true,"keys":true,"revocations":true,"pools":[{"pool":"default","ready":true,"worker":false}]}



=== TEST 8: Redis is down
--- init
::redis_stop();
--- error_code: 503
--- response_body chomp
{"status":"not_ready","redis":false,"keys":true,"revocations":true,"pools":[{"pool":"default","ready":false,"worker":false}]}



=== TEST 9: Redis is down, and comes back
--- init
$::Serve->('default');
::redis_stop();
--- request eval
['GET /readyz', 'GET /readyz']
--- response_body_filters eval
[[sub { ::redis_start(); sleep 2; shift }], [sub { shift }]]
--- error_code eval
[503, 200]



=== TEST 10: Redis hangs
--- init
::redis('CLIENT', 'PAUSE', 2500, 'WRITE');
--- error_code: 503
--- response_body_like: "redis":false
--- error_log
convo metrics: pool "default" is not known: no answer



=== TEST 11: no Redis
--- config
    location = /readyz { convo_health ready; }
--- error_code: 503
--- response_body_like: "redis":false



=== TEST 12: each of several pools
--- init
$::Serve->('first', 'second');
--- request
GET /both
--- response_body chomp
{"status":"ready","redis":true,"keys":true,"revocations":true,"pools":[{"pool":"first","ready":true,"worker":true},{"pool":"second","ready":true,"worker":true}]}



=== TEST 13: one of several pools is not ready
--- init
$::Serve->('first');
--- request
GET /both
--- error_code: 503
--- response_body chomp
{"status":"not_ready","redis":true,"keys":true,"revocations":true,"pools":[{"pool":"first","ready":true,"worker":true},{"pool":"second","ready":false,"worker":false}]}



=== TEST 14: keys that were needed and did not come
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;
    convo_auth_issuer https://issuer.example.com;
    convo_auth_client client-1;
    convo_auth_keys_request /keys;
    location = /readyz { convo_health ready; }
    location = /t { convo_auth on; return 200 "in"; }
    location = /keys { internal; return 404; }
--- init
$::Serve->('default');
--- request eval
['GET /readyz', 'GET /t', 'GET /readyz']
--- more_headers eval
['', ::bearer(::id_token(iss => 'https://issuer.example.com')), '']
--- error_code eval
[200, 503, 503]
--- response_body_like eval
[qr/"status":"ready","redis":true,"keys":true/, qr/keys_unavailable/,
 qr/"status":"not_ready","redis":true,"keys":false/]



=== TEST 15: another method
--- request
DELETE /readyz
--- error_code: 405
--- response_headers
Allow: GET, HEAD



=== TEST 16: a client that goes while Redis hangs leaves no trouble
--- init
::redis('CLIENT', 'PAUSE', 300, 'WRITE');
--- request
GET /both
--- timeout: 100ms
--- abort
--- ignore_response
--- wait: 0.5
--- no_error_log
[error]



=== TEST 17: what is neither is refused
--- config
    location = /t { convo_health up; }
--- must_die
--- suppress_stderr
--- error_log
"convo_health" does not know "up", expected "live" or "ready [POOL ...]"



=== TEST 18: pools of the living are refused
--- config
    location = /t { convo_health live default; }
--- must_die
--- suppress_stderr
--- error_log
"convo_health" does not know "default", expected



=== TEST 19: a pool that cannot be is refused
--- config
    location = /t { convo_health ready 'a b'; }
--- must_die
--- suppress_stderr
--- error_log
"convo_health" has the pool "a b", expected
