# convo_join: from idle to waiting, and everything that is not that.

use Time::HiRes qw(sleep);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

our $Json = bearer(token_of('user-1')) . "\nContent-Type: application/json";

mount();
run_tests();

__DATA__

=== TEST 1: an idle user waits, and repeating it changes nothing
--- request eval
["POST /api/join", "POST /api/join"]
--- response_body_like eval
[(qr/^\{"userId":"user-1","state":"waiting","version":1\d{12},.*"isWaitingInQueue":true,"waitingSince":1\d{9},"queue":\{"position":1,"estimatedWait":null\},"session":null,"last":null\}$/) x 2]
--- response_headers eval
["Cache-Control: no-store", "Content-Type: application/json"]
--- after
is(redis('LLEN', key('queue')), 1, 'one ticket');
like(redis('LINDEX', key('queue'), 0), qr/^1\.\d{13}:user-1$/, 'its ticket');



=== TEST 2: the ticket carries what this edge is configured to
--- config eval
Convo::Pool::api(
    join => 'convo_points 7 window=2h; convo_session_max 61s;')
--- request
POST /api/join
--- response_body_like: "state":"waiting".*"pointsLeft":7
--- after
is_deeply([map { user('user-1', $_) } qw(join_points join_window join_max)],
    [7, 7_200_000, 61], 'points, window and longest session');



=== TEST 3: without directives it is 15 points a day and 15 minutes
--- request
POST /api/join
--- response_body_like: "pointsLeft":15
--- after
is_deeply([map { user('user-1', $_) } qw(join_points join_window join_max)],
    [15, 86_400_000, 900], 'points, window and longest session');



=== TEST 4: directives of http and server are inherited
--- http_config eval
Convo::Pool::http() . 'convo_points 3 window=1m; convo_session_max 30s;'
--- config eval
'convo_session_max 45s; convo_pool other;' . Convo::Pool::api()
--- init
redis('SET', '{other}:ready', 1);
--- request
POST /api/join
--- response_body_like: "pointsLeft":3
--- after
is_deeply([map { redis('HGET', '{other}:user:user-1', $_) }
    qw(join_points join_window join_max)],
    [3, 60_000, 45], 'points, window and longest session');



=== TEST 5: who is paired already is told so
--- init
pair('user-1', 'user-2');
--- request
POST /api/join
--- response_body_like: "state":"matched".*"token":"ey



=== TEST 6: without points it is 429, with the time they are back
--- init
redis('HSET', key('user', 'user-1'), 'spent', 15, 'window_end',
    int((time + 100) * 1000) + 1);
--- request
POST /api/join
--- error_code: 429
--- response_headers_like
Retry-After: (99|100|101)
--- response_body_like eval
my $soon = join '|', map { time + $_ } 99 .. 110;
qr/^\{"type":"about:blank","status":429,"code":"no_points","detail":"[^"]+","pointsResetAt":(?:$soon)\}$/



=== TEST 7: one point is enough
--- init
redis('HSET', key('user', 'user-1'), 'spent', 14, 'window_end',
    (time + 100) . '000');
--- request
POST /api/join
--- response_body_like: "state":"waiting".*"pointsLeft":1,"pointsResetAt":1



=== TEST 8: a pool that no worker has opened is being restored
--- init
redis('DEL', key('ready'));
--- request
POST /api/join
--- error_code: 503
--- response_body_like: "status":503,"code":"restoring"
--- after
is(redis('EXISTS', key('queue')), 0, 'nobody waits');



=== TEST 9: data of a newer layout is not touched
--- init
redis('SET', key('schema'), 2);
--- request
POST /api/join
--- error_code: 503
--- response_body_like: "code":"restoring"



=== TEST 10: an empty object is a body, blanks around it are fine
--- request eval
["POST /api/join\n{}", "POST /api/join\n { } "]
--- more_headers eval
[$::Json, "$::Json; charset=utf-8"]
--- error_code eval
[200, 200]



=== TEST 11: bodies that are none
--- request eval
["POST /api/join\n{\"pool\":\"mine\"}", "POST /api/join\n[]",
 "POST /api/join\n{", "POST /api/join\nnull", "POST /api/join\n{} {}",
 "POST /api/join\n{\"a\":" . '[' x 20 . ']' x 20 . '}',
 "POST /api/join\n\"\xff\""]
--- more_headers eval: [($::Json) x 7]
--- error_code eval
[(400) x 7]
--- response_body_like eval
[(qr/"code":"bad_request"/) x 7]
--- after
is(redis('EXISTS', key('queue')), 0, 'nobody waits');



=== TEST 12: a body of another type
--- request
POST /api/join
{}
--- more_headers eval
Convo::Token::bearer(::token_of('user-1')) . "\nContent-Type: text/plain"
--- error_code: 415
--- response_body_like: "code":"unsupported_media_type"



=== TEST 13: a body too long
--- request eval
"POST /api/join\n" . '{"a":"' . 'x' x 17000 . '"}'
--- more_headers eval: $::Json
--- error_code: 413
--- response_body_like: "code":"too_large"



=== TEST 14: other methods are refused
--- request eval
["GET /api/join", "HEAD /api/join", "PUT /api/join\n{}", "DELETE /api/join"]
--- more_headers eval: [($::Json) x 4]
--- error_code eval
[(405) x 4]
--- response_headers eval
[("Allow: POST") x 4]
--- after
is(redis('EXISTS', key('queue')), 0, 'nobody waits');



=== TEST 15: no token
--- more_headers
X-No: token
--- request
POST /api/join
--- error_code: 401
--- response_body_like: "code":"missing_token"



=== TEST 16: a body cut short never reaches Redis
--- init
close ask('user-1', 'POST /api/join {}', partial => -1);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- wait: 0.2
--- after
is(redis('EXISTS', key('queue')), 0, 'nobody waits');



=== TEST 17: a client that goes does not take its wish back
--- init
like(heard(ask('user-2', 'POST /api/join {}'), 5), qr/"waiting"/,
    'Redis is connected and has the script');
close ask('user-1', 'POST /api/join {}');
sleep 0.3;
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 18: requests in one connection
--- pipelined_requests eval
["POST /api/join", "GET /api/session", "POST /api/leave", "GET /api/history"]
--- response_body_like eval
[qr/"waiting"/, qr/"waiting"/, qr/"idle"/, qr/^\{"sessions":\[\]\}$/]



=== TEST 19: a banned user is told until when
--- init
redis('HSET', key('user', 'user-1'), 'banned_until',
    int((time + 100) * 1000) + 1);
--- request
POST /api/join
--- error_code: 403
--- response_body_like eval
my $soon = join '|', map { time + $_ } 99 .. 110;
qr/^\{"type":"about:blank","status":403,"code":"banned","detail":"[^"]+","bannedUntil":(?:$soon)\}$/
--- after
is(redis('EXISTS', key('queue')), 0, 'nobody waits');
is(user('user-1', 'state'), undef, 'and nothing changed');



=== TEST 20: ... or that it is for good
--- init
redis('HSET', key('user', 'user-1'), 'banned_until', 253_402_300_800_000);
--- request eval
["POST /api/join", "GET /api/session"]
--- error_code eval
[403, 200]
--- response_body_like eval
[qr/"code":"banned",.*"bannedUntil":null\}$/, qr/"state":"idle"/]



=== TEST 21: a ban that is over is over
--- init
redis('HSET', key('user', 'user-1'), 'banned_until', (time - 1) . '000');
--- request
POST /api/join
--- response_body_like: "state":"waiting"
