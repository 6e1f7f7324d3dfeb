# convo_session: the user document in every state, and what it takes.

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

mount();
run_tests();

__DATA__

=== TEST 1: a user nobody knows is idle, and reading leaves nothing behind
--- request
GET /api/session
--- response_body chomp
{"userId":"user-1","state":"idle","version":0,"pointsLeft":15,"pointsResetAt":null,"lastSessionTimestamp":null,"isWaitingInQueue":false,"waitingSince":null,"queue":null,"session":null,"last":null}
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- after
is(redis('EXISTS', key('user', 'user-1')), 0, 'nothing is stored');



=== TEST 2: a waiting user has a place in the queue
--- init
pool_join($_) for qw(user-0 user-1);
redis('HSET', key('user', 'user-1'), 'waiting_since', 1700000000999);
redis('HSET', key('stats'), 'wait_ms', 100);
--- request
GET /api/session
--- response_body_like chomp
^\{"userId":"user-1","state":"waiting","version":1\d{12},"pointsLeft":15,"pointsResetAt":null,"lastSessionTimestamp":null,"isWaitingInQueue":true,"waitingSince":1700000000,"queue":\{"position":2,"estimatedWait":\d{8}\},"session":null,"last":null\}$



=== TEST 3: reading is a sign of life of a waiting user
--- init
pool_join('user-1');
redis('HSET', key('user', 'user-1'), 'seen', 1000);
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
cmp_ok(touch_time('user-1'), '<', 5, 'seen just now');



=== TEST 4: a matched user gets credentials for both ways, and no times yet
--- init
pair('user-1', 'user-2');
--- request
GET /api/session
--- response_body_like chomp
^\{"userId":"user-1","state":"matched","version":1\d{12},"pointsLeft":0,"pointsResetAt":1\d{9},"lastSessionTimestamp":null,"isWaitingInQueue":false,"waitingSince":null,"queue":null,"session":\{"sessionId":"abcdefghijklmnopqrstuvwxyz","room":"default\.abcdefghijklmnopqrstuvwxyz","startTime":null,"endsAt":null,"livekit":\{"url":"wss://livekit\.test","token":"ey[^"]+"\},"iceServers":\[\{"urls":\["turn:turn\.test"\],"username":"1\d{9}:user-1","credential":"[^"]+"\}\]\},"last":null\}$



=== TEST 5: the LiveKit token is for the user's side and outlives the session
--- init
pair('user-2', 'user-1');
--- request
GET /api/session
--- response_body_filters eval
sub {
    my ($payload) = $_[0] =~ /"token":"[^.]+\.([^.]+)\./ or return $_[0];
    my $claims = JSON::PP::decode_json(
        MIME::Base64::decode_base64($payload =~ tr{-_}{+/}r));
    my $left = $claims->{exp} - time;
    return "$claims->{sub} $claims->{video}{room} "
        . ($left <= 990 && $left > 980 ? 'in time' : $left) . "\n";
}
--- response_body
abcdefghijklmnopqrstuvwxyz-b default.abcdefghijklmnopqrstuvwxyz in time



=== TEST 6: a live session has its times; nothing of the peer is told
--- init
live('user-1', 'user-2');
--- request
GET /api/session
--- response_body_like chomp
^\{"userId":"user-1","state":"live".*"startTime":1\d{9},"endsAt":1\d{9},"livekit":\{
--- response_body_unlike: user-2



=== TEST 7: a live session ends 15 minutes after it began
--- init
live('user-1', 'user-2');
--- request
GET /api/session
--- response_body_filters eval
sub {
    my ($start, $end) = $_[0] =~ /"startTime":(\d+),"endsAt":(\d+)/;
    return $end - $start;
}
--- response_body chomp
900



=== TEST 8: how the last session ended is told
--- init
redis('HSET', key('user', 'user-1'), qw(state idle version 1700000000001
    last_reason peer_left last_duration 412 last_points 7
    last_session_s 1700000000), 'last_sid', $SID);
--- request
GET /api/session
--- response_body chomp
{"userId":"user-1","state":"idle","version":1700000000001,"pointsLeft":15,"pointsResetAt":null,"lastSessionTimestamp":1700000000,"isWaitingInQueue":false,"waitingSince":null,"queue":null,"session":null,"last":{"sessionId":"abcdefghijklmnopqrstuvwxyz","reason":"peer_left","duration":412,"pointsSpent":7}}



=== TEST 9: HEAD has the same head and no body
--- request
HEAD /api/session
--- response_headers
Content-Type: application/json
Content-Length: 196
--- response_body
--- error_code: 200



=== TEST 10: other methods are refused
--- request eval
["POST /api/session", "PUT /api/session", "DELETE /api/session",
 "OPTIONS /api/session"]
--- error_code eval
[405, 405, 405, 405]
--- response_headers eval
["Allow: GET, HEAD", "Allow: GET, HEAD", "Allow: GET, HEAD",
 "Allow: GET, HEAD"]
--- response_body_like eval
[(qr/"code":"method_not_allowed"/) x 4]



=== TEST 11: no token, and one that is none
--- request eval
["GET /api/session", "GET /api/session"]
--- more_headers eval
["X-No: token", "Authorization: Bearer rubbish"]
--- error_code eval
[401, 401]
--- response_body_like eval
[qr/"code":"missing_token"/, qr/"code":"invalid_token"/]



=== TEST 12: arguments that are none
--- request eval
["GET /api/session?version=x", "GET /api/session?version=-1",
 "GET /api/session?version=1.5", "GET /api/session?version=",
 "GET /api/session?version=1000000000000000",
 "GET /api/session?version=99999999999999999999",
 "GET /api/session?wait=26", "GET /api/session?wait=-1",
 "GET /api/session?wait=", "GET /api/session?wait=1s",
 "GET /api/session?version=1&wait=x"]
--- error_code eval
[(400) x 11]
--- response_body_like eval
[(qr/"code":"bad_request"/) x 11]



=== TEST 13: without version or wait the answer comes at once
--- request eval
["GET /api/session?wait=25", "GET /api/session?version=0",
 "GET /api/session?version=0&wait=0"]
--- timeout: 1s
--- error_code eval
[200, 200, 200]
--- response_body_like eval
[(qr/"state":"idle"/) x 3]



=== TEST 14: a hash that no script wrote is refused, logged, and tells nothing
--- init
redis('HSET', key('user', 'user-1'), qw(state waiting version x));
--- request
GET /api/session
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log
convo session: view: redis answered



=== TEST 15: an error of Redis is logged with its text
--- init
redis('SET', key('user', 'user-1'), 'no hash');
--- request
GET /api/session
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log eval
qr/convo session: view: redis answered ".*WRONGTYPE/



=== TEST 16: the pool may be a variable; one that is none is not found
--- config
    location = /api/session {
        convo_pool $arg_pool;
        convo_session;
        add_header X-Pool $convo_pool always;
    }
--- request eval
["GET /api/session?pool=default", "GET /api/session?pool=other-1",
 "GET /api/session?pool=", "GET /api/session?pool=A",
 "GET /api/session?pool=a%7Db", "GET /api/session?pool=" . 'p' x 64]
--- init
redis('HSET', key('user', 'user-1'), qw(state idle version 77));
--- error_code eval
[200, 200, 404, 404, 404, 404]
--- response_headers eval
["X-Pool: default", "X-Pool: other-1", "! X-Pool", "! X-Pool", "! X-Pool",
 "! X-Pool"]
--- response_body_like eval
[qr/"version":77,/, qr/"version":0,/, (qr/"code":"not_found"/) x 4]



=== TEST 17: the pool may be split by the user
--- http_config eval
Convo::Pool::http() . 'split_clients $convo_user $pool { 50% p-1; * p-2; }'
--- config
    location = /api/session {
        convo_pool $pool;
        convo_session;
        add_header X-Pool $convo_pool;
    }
--- request eval
["GET /api/session", "GET /api/session"]
--- more_headers eval
[map { ::bearer(::token_of($_)) } qw(u-1 u-3)]
--- response_headers_like eval
["X-Pool: p-[12]", "X-Pool: p-[12]"]
--- error_code eval
[200, 200]



=== TEST 18: a subject may hold any text
--- more_headers eval
::bearer(::token_of("a:{b}\x{22}\\ c"))
--- request
GET /api/session
--- response_body_like eval
qr/^\{"userId":"a:\{b\}\\"\\\\ c","state":"idle"/
