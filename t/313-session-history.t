# convo_history: the caller's own sessions, newest first.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

# So many sessions of user-1, the last one the newest; each is told by its
# duration.
our $Add = sub ($n) {
    for my $i (1 .. $n) {
        redis('LPUSH', key('history', 'user-1'),
            qq({"sessionId":"$SID","startTime":@{[ time - 1000 ]},)
            . qq("endTime":@{[ time - 900 ]},"duration":$i,)
            . '"pointsSpent":2,"reason":"time_up","userB":"user-2"}');
    }
};
our $Durations = sub ($body) {
    return join ' ', $body =~ /"duration":(\d+)/g;
};

mount();
run_tests();

__DATA__

=== TEST 1: without sessions the list is empty
--- request
GET /api/history
--- response_body chomp
{"sessions":[]}
--- response_headers
Content-Type: application/json
Cache-Control: no-store



=== TEST 2: newest first, and nothing that identifies the peer
--- init
$::Add->(3);
--- request
GET /api/history
--- response_body_like chomp
^\{"sessions":\[\{"sessionId":"abcdefghijklmnopqrstuvwxyz","startTime":1\d{9},"endTime":1\d{9},"duration":3,"pointsSpent":2,"reason":"time_up"\},\{.*"duration":2,.*"duration":1,[^{]*\}\]\}$
--- response_body_unlike: user



=== TEST 3: limit
--- init
$::Add->(9);
--- request eval
["GET /api/history?limit=1", "GET /api/history?limit=4",
 "GET /api/history?limit=50", "GET /api/history"]
--- response_body_filters eval: $::Durations
--- response_body eval
["9", "9 8 7 6", "9 8 7 6 5 4 3 2 1", "9 8 7 6 5 4 3 2 1"]



=== TEST 4: limits that are none
--- request eval
["GET /api/history?limit=0", "GET /api/history?limit=51",
 "GET /api/history?limit=-1", "GET /api/history?limit=x",
 "GET /api/history?limit="]
--- error_code eval
[(400) x 5]
--- response_body_like eval
[(qr/"code":"bad_request"/) x 5]



=== TEST 5: a damaged entry costs only itself
--- init
$::Add->(1);
redis('LPUSH', key('history', 'user-1'), '{"endTime":99999999999}');
redis('LPUSH', key('history', 'user-1'), 'rubbish');
--- request
GET /api/history
--- response_body_filters eval: $::Durations
--- response_body chomp
1



=== TEST 6: another user sees nothing of it
--- init
$::Add->(1);
--- more_headers eval
::bearer(::token_of('user-2'))
--- request
GET /api/history
--- response_body chomp
{"sessions":[]}



=== TEST 7: a key of another type is logged
--- init
redis('SET', key('history', 'user-1'), 'no list');
--- request
GET /api/history
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log eval
qr/convo session: history: redis answered ".*WRONGTYPE/



=== TEST 8: HEAD is fine, other methods are not
--- request eval
["HEAD /api/history", "POST /api/history"]
--- error_code eval
[200, 405]
--- response_headers eval
["Content-Length: 15", "Allow: GET, HEAD"]



=== TEST 9: no token
--- more_headers
X-No: token
--- request
GET /api/history
--- error_code: 401



=== TEST 10: what came back from the store has no reason, and is told so
--- init
redis('LPUSH', key('history', 'user-1'), qq({"sessionId":"$SID",)
    . '"startTime":1,"endTime":' . (time - 900)
    . ',"duration":60,"pointsSpent":1}');
--- request
GET /api/history
--- response_body_like: "pointsSpent":1,"reason":null\}\]\}$



=== TEST 11: sessions of more than 90 days ago are left out
--- init
my $day = 86_400;
for my $age (91 * $day, 90 * $day + 5, 90 * $day - 60, 0) {
    redis('LPUSH', key('history', 'user-1'), qq({"sessionId":"$SID",)
        . '"startTime":1,"endTime":' . int(time - $age)
        . qq(,"duration":$age,"pointsSpent":1,"reason":"left"}));
}
--- request
GET /api/history
--- response_body_filters eval: $::Durations
--- response_body chomp
0 7775940



=== TEST 12: at most the last 50, however many the list has
--- init
$::Add->(60);
--- request
GET /api/history
--- response_body_filters eval: $::Durations
--- response_body eval
join ' ', reverse 11 .. 60
