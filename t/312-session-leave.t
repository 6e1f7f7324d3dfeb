# convo_leave: out of the queue, or out of a session with its points settled.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

our $Json = bearer(token_of('user-1')) . "\nContent-Type: application/json";

# A session that is another one in every answer.
fake_redis('CHANGING', sub ($peer, @command) {
    my @sid = ('abcdefghijklmnopqrstuvwxy'
        . chr(97 + ($peer->{count} % 26)));
    return greeting(@command) // list(map { bulk($_) }
        'again', now => time * 1000, state => 'matched', version => 1,
        points_left => 1, sid => @sid, side => 'a', peer => 'p',
        committed => 1, reserved => 1);
});

# Lets go who names the session's keys, as side b, in the second call.
my $Keys = join ' ', map { "{default}:$_" } qw(user:user-1 queue stats),
    "session:$SID", qw(user:p-1 user:user-1 sessions closing ended
    history:p-1 history:user-1 probes dirty ready schema revoked);

fake_redis('KEYS', sub ($peer, @command) {
    my @view = (now => time * 1000, version => 1, points_left => 1);
    my (undef, undef, $n, @named) = @command;
    return greeting(@command) if defined greeting(@command);
    return list(map { bulk($_) } 'again', @view, state => 'matched',
        side => 'b', peer => 'p-1', sid => $SID, committed => 1,
        reserved => 1) if $named[-3] eq '';
    return "-ERR called with @named\r\n"
        if "@named" ne "$Keys 15 $SID default.$SID  ";
    return list(map { bulk($_) } 'ok', @view, state => 'idle');
});

mount();
run_tests();

__DATA__

=== TEST 1: a waiting user is idle again, at once and for good
--- init
pool_join('user-1');
--- request eval
["POST /api/leave", "POST /api/leave"]
--- response_body_like eval
[(qr/^\{"userId":"user-1","state":"idle","version":1\d{12},.*"waitingSince":null,"queue":null,"session":null,"last":null\}$/) x 2]
--- after
is(user('user-1', 'state'), 'idle', 'idle');



=== TEST 2: an idle user is idle, by a higher version
--- init
our $before = int(1000 * time) - 1;
--- request
POST /api/leave
--- response_body_like: "state":"idle","version":1\d{12},
--- after
cmp_ok(user('user-1', 'version'), '>=', $::before, 'of now');
is(user('user-1', 'state') // '', '', 'nothing else is stored');



=== TEST 3: leaving a match ends it for both and charges nobody
--- init
pair('user-1', 'user-2');
--- request eval
["POST /api/leave", "GET /api/session"]
--- more_headers eval
[map { ::bearer(::token_of($_)) } qw(user-1 user-2)]
--- response_body_like eval
[qr/"state":"idle".*"pointsLeft":15,"pointsResetAt":null.*"last":\{"sessionId":"abcdefghijklmnopqrstuvwxyz","reason":"left","duration":0,"pointsSpent":0\}\}$/,
 qr/"state":"idle".*"pointsLeft":15,"pointsResetAt":null.*"last":\{"sessionId":"abcdefghijklmnopqrstuvwxyz","reason":"peer_left","duration":0,"pointsSpent":0\}\}$/]
--- after
is(redis('ZCARD', key('closing')), 1, 'the room is to be deleted');



=== TEST 4: side b leaves a live session; both are charged and remember it
--- init
live('user-2', 'user-1');
my $past = (time - 100) . '000';
redis('HSET', key('session', $SID), 'start', $past);
redis('HSET', key('user', $_), 'start', $past) for qw(user-1 user-2);
--- request eval
["POST /api/leave", "GET /api/session", "GET /api/history",
 "GET /api/history"]
--- more_headers eval
[map { ::bearer(::token_of($_)) } qw(user-1 user-2 user-1 user-2)]
--- response_body_like eval
[qr/"pointsLeft":13,"pointsResetAt":1\d{9},"lastSessionTimestamp":1\d{9},.*"reason":"left","duration":10[0-3],"pointsSpent":2\}\}$/,
 qr/"pointsLeft":13,.*"reason":"peer_left","duration":10[0-3],"pointsSpent":2\}\}$/,
 qr/^\{"sessions":\[\{"sessionId":"abcdefghijklmnopqrstuvwxyz","startTime":1\d{9},"endTime":1\d{9},"duration":10[0-3],"pointsSpent":2,"reason":"left"\}\]\}$/,
 qr/"reason":"peer_left"\}\]\}$/]
--- after
is(redis('XLEN', key('ended')), 1, 'it goes to the history store');



=== TEST 5: the second call names the session's keys, by side
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_KEYS_PORT;' . Convo::Pool::api()
--- request
POST /api/leave
--- response_body_like: "state":"idle"



=== TEST 6: a session that is always another one is "busy"
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_CHANGING_PORT;' . Convo::Pool::api()
--- request
POST /api/leave
--- error_code: 503
--- response_body_like: "status":503,"code":"busy"



=== TEST 7: unknown members are refused
--- init
pool_join('user-1');
--- request
POST /api/leave
{"now":true}
--- more_headers eval: $::Json
--- error_code: 400
--- response_body_like: "code":"bad_request"
--- after
is(user('user-1', 'state'), 'waiting', 'nothing changed');



=== TEST 8: other methods are refused
--- request eval
["GET /api/leave", "PUT /api/leave\n{}"]
--- more_headers eval: [($::Json) x 2]
--- error_code eval
[405, 405]
--- response_headers eval
["Allow: POST", "Allow: POST"]



=== TEST 9: no token
--- more_headers
X-No: token
--- request
POST /api/leave
--- error_code: 401



=== TEST 10: a pool that is being restored lets go whom it knows
--- init
pool_join('user-1');
redis('DEL', key('ready'));
--- request
POST /api/leave
--- response_body_like: "state":"idle"



=== TEST 11: whom it does not know may wait by the store, and is to ask again
--- init
redis('DEL', key('ready'));
--- request
POST /api/leave
--- error_code: 503
--- response_body_like: "code":"restoring"
--- after
is(redis('EXISTS', key('user', 'user-1')), 0, 'nothing is stored');
