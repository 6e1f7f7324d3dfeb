# convo_pool, convo_points, convo_session_max and the endpoints: what nginx -t
# refuses, and what it says.

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;

mount();
run_tests();

__DATA__

=== TEST 1: a pool that is none
--- config
    convo_pool Default;
--- must_die
--- suppress_stderr
--- error_log
invalid pool "Default" in "convo_pool", expected 1 to 63 of a-z, 0-9 and "-"



=== TEST 2: an empty pool
--- config
    convo_pool "";
--- must_die
--- suppress_stderr
--- error_log
invalid pool "" in "convo_pool"



=== TEST 3: a pool longer than a label
--- config eval
'convo_pool ' . 'p' x 64 . ';'
--- must_die
--- suppress_stderr
--- error_log
invalid pool "pppp



=== TEST 4: the longest pool
--- config eval
'convo_pool ' . 'p' x 63 . ';' . Convo::Pool::api()
--- request
GET /api/session
--- response_body_like: "state":"idle"



=== TEST 5: two pools
--- config
    convo_pool a;
    convo_pool b;
--- must_die
--- suppress_stderr
--- error_log
"convo_pool" directive is duplicate



=== TEST 6: a variable that nobody knows
--- config
    convo_pool $unheard_of;
--- must_die
--- suppress_stderr
--- error_log
unknown "unheard_of" variable



=== TEST 7: no points
--- config
    convo_points 0;
--- must_die
--- suppress_stderr
--- error_log
invalid number "0" in "convo_points", expected 1 to 100000



=== TEST 8: points that are none
--- config
    convo_points many;
--- must_die
--- suppress_stderr
--- error_log
invalid number "many" in "convo_points"



=== TEST 9: a window of no time
--- config
    convo_points 15 window=0s;
--- must_die
--- suppress_stderr
--- error_log
invalid time "window=0s" in "convo_points", expected 1s to 7776000s



=== TEST 10: a window longer than a user is kept
--- config
    convo_points 15 window=91d;
--- must_die
--- suppress_stderr
--- error_log
invalid time "window=91d" in "convo_points"



=== TEST 11: another parameter
--- config
    convo_points 15 per=24h;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "per=24h" in "convo_points", expected window=TIME



=== TEST 12: a session of no time
--- config
    convo_session_max 0;
--- must_die
--- suppress_stderr
--- error_log
invalid time "0" in "convo_session_max", expected 1s to 86400s



=== TEST 13: a session of more than a day
--- config
    convo_session_max 25h;
--- must_die
--- suppress_stderr
--- error_log
invalid time "25h" in "convo_session_max"



=== TEST 14: an endpoint where nobody signs in
--- config
    location = /api/join { convo_auth off; convo_join; }
--- must_die
--- suppress_stderr
--- error_log
"convo_join" in location "/api/join" needs "convo_auth on"



=== TEST 15: a stream where nobody signs in
--- config
    location = /api/events { convo_auth off; convo_events; }
--- must_die
--- suppress_stderr
--- error_log
"convo_events" in location "/api/events" needs "convo_auth on"



=== TEST 16: an endpoint without Redis
--- http_config eval
my $http = Convo::Pool::http();
$http =~ s/convo_redis[^;]*;//;
$http
--- config
    location = /api/events { convo_events; }
--- must_die
--- suppress_stderr
--- error_log
"convo_events" in location "/api/events" needs "convo_redis"



=== TEST 17: two endpoints in one location
--- config
    location = /api/join { convo_join; convo_leave; }
--- must_die
--- suppress_stderr
--- error_log
"convo_leave" directive conflicts with another content handler



=== TEST 18: an endpoint that takes no values
--- config
    location = /api/events { convo_events on; }
--- must_die
--- suppress_stderr
--- error_log
invalid number of arguments in "convo_events" directive



=== TEST 19: a location inherits, and overrides
--- http_config eval
Convo::Pool::http() . 'convo_pool outer; convo_points 4;'
--- config
    location = /a { convo_session; }
    location = /b { convo_pool inner; convo_points 5; convo_session; }
--- init
redis('HSET', "{$_}:user:user-1", 'state', 'idle', 'version', length $_)
    for qw(outer inner1);
redis('HSET', '{inner}:user:user-1', 'state', 'idle', 'version', 99);
--- request eval
["GET /a", "GET /b"]
--- response_body_like eval
[qr/"version":5,"pointsLeft":4,/, qr/"version":99,"pointsLeft":5,/]
