# convo_livekit_webhook while Redis is away: 503, so that LiveKit repeats, and
# the repetition is taken when Redis is back.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Livekit;

our $Body = left('a');

our $Conf = <<"CONF";
    convo_redis redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT timeout=1s;
    convo_livekit url=wss://livekit.example.com key=$Convo::Livekit::KEY
                  secret_file=\$TEST_NGINX_HTML_DIR/secrets;
    location = /webhooks/livekit { convo_livekit_webhook; }
CONF

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('init', "::redis_start();\n::redis('FLUSHALL');\n"
        . "::redis('CLIENT', 'UNPAUSE');\n" . ($block->init // ''));
    $block->set_value('config', $Conf) if !defined $block->config;
    $block->set_value('user_files',
        ">>> secrets\n$Convo::Livekit::SECRET\n");
    $block->set_value('request', webhook($Body))
        if !defined $block->request;
    $block->set_value('more_headers', signed($Body))
        if !defined $block->more_headers;
});

run_tests();

__DATA__

=== TEST 1: Redis is down: 503, and nothing is lost that LiveKit repeats
--- init
::redis_stop();
--- request eval
[(::webhook($::Body)) x 3]
--- response_body_filters eval
[[sub { ::redis_start(); sleep 2; shift }], [sub { shift }],
 [sub { shift }]]
--- error_code eval
[503, 200, 200]
--- response_body_like eval
[qr/"code":"redis_unavailable"/, qr/"result":"appended"/,
 qr/"result":"repeated"/]
--- no_error_log
[alert]



=== TEST 2: Redis hangs: 503 after the timeout
--- init
::redis('CLIENT', 'PAUSE', 2500, 'WRITE');
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log
convo livekit: webhook not taken: no answer



=== TEST 3: Redis answers with an error: 503, and the log says which
--- init
::redis('SET', '{default}:livekit', 'no stream');
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log
convo livekit: webhook not taken: DAMAGED



=== TEST 4: no Redis is configured: 503, and the log says so
--- config eval
$::Conf =~ s/^.*convo_redis.*\n//r
--- error_code: 503
--- error_log
convo livekit: webhook not taken: no "convo_redis" here



=== TEST 5: a client that goes while Redis is asked leaves no trouble
--- init
::redis('CLIENT', 'PAUSE', 250, 'WRITE');
--- timeout: 100ms
--- abort
--- ignore_response
--- wait: 0.4
--- no_error_log
[error]
