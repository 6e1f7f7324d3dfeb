# convo_session with version and wait: a long poll is held until the version
# differs, and no longer.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

our $Began;

# Checks how long the answer took since init.
our $took = sub ($from, $to) {
    my $time = time - $Began;
    cmp_ok($time, '>=', $from, "not before $from s");
    cmp_ok($time, '<', $to, "within $to s");
};

add_block_preprocessor(sub ($block) {
    $block->set_value('init', ($block->init // '')
        . "\n\$::Began = time;\n");
});
mount();
run_tests();

__DATA__

=== TEST 1: another version is answered at once
--- init
pool_join('user-1');
--- request
GET /api/session?version=1&wait=5
--- timeout: 8s
--- response_body_like: "state":"waiting"
--- after
$::took->(0, 1);



=== TEST 2: a version above the user's, too
--- request
GET /api/session?version=999999999999999&wait=5
--- timeout: 8s
--- response_body_like: "version":0,
--- after
$::took->(0, 1);



=== TEST 3: a change is answered when it comes
--- init
later(0.5, sub { pool_join('user-1') });
--- request
GET /api/session?version=0&wait=5
--- timeout: 8s
--- response_body_like: "state":"waiting"
--- after
$::took->(0.4, 2);



=== TEST 4: a message without a change goes on waiting
--- init
later(0.2, sub { redis('PUBLISH', key('user', 'user-1'), 5) });
later(0.4, sub { redis('PUBLISH', key('user', 'user-1'), 'x' x 1000) });
--- request
GET /api/session?version=0&wait=1
--- timeout: 8s
--- response_body_like: "version":0,
--- after
$::took->(0.9, 3);



=== TEST 5: when the time is over the document is answered as it is
--- init
pool_join($_) for qw(user-0 user-1);
redis('HSET', key('user', 'user-1'), 'version', 77);
later(0.3, sub { redis('LPOP', key('queue')) });
--- request
GET /api/session?version=77&wait=1
--- timeout: 8s
--- response_body_like: "version":77,.*"position":1,
--- after
$::took->(0.9, 3);



=== TEST 6: a match is told with its credentials
--- init
pool_join('user-1');
redis('HSET', key('user', 'user-1'), 'version', 77);
later(0.3, sub { pair('user-1', 'user-2') });
--- request
GET /api/session?version=77&wait=5
--- timeout: 8s
--- response_body_like: "state":"matched".*"token":"ey
--- after
$::took->(0.3, 3);



=== TEST 7: a waiting poller who goes is marked, so that claims pass over them
--- init
pool_join('user-1');
redis('HSET', key('user', 'user-1'), 'version', 77);
my $socket = ask('user-1', 'GET /api/session?version=77&wait=20');
sleep 0.3;
cmp_ok(touch_time('user-1'), '<', 5, 'here');
close $socket;
sleep 0.3;
cmp_ok(touch_time('user-1'), '>', 15, 'gone');
cmp_ok(touch_time('user-1'), '<', 20, 'but not dropped');
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
cmp_ok(touch_time('user-1'), '<', 5, 'here again');



=== TEST 8: a poller who was answered is not marked
--- init
pool_join('user-1');
redis('HSET', key('user', 'user-1'), 'version', 77);
like(heard(ask('user-1', 'GET /api/session?version=77&wait=1'), 3),
    qr/"version":77/, 'answered');
sleep 0.3;
cmp_ok(touch_time('user-1'), '<', 5, 'still here');
--- request
GET /healthy
--- error_code: 404



=== TEST 9: HEAD waits as GET does
--- request
HEAD /api/session?version=0&wait=1
--- timeout: 8s
--- error_code: 200
--- after
$::took->(0.9, 3);



=== TEST 10: many pollers share one subscription, and all are told
--- init
our @pollers = map {
    ask('user-1', 'GET /api/session?version=0&wait=9') } 1 .. 40;
sleep 0.5;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 1,
    'one subscription');
my @subscribers = grep { /sub=1 / } split /\n/, redis('CLIENT', 'LIST');
is(scalar @subscribers, 1, 'in one connection');
pool_join('user-1');
is(scalar(grep { heard($_, 2) =~ /"state":"waiting"/ } @pollers), 40,
    'all are told');
sleep 0.2;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 0,
    'nobody follows any more');
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 11: clients that go at every moment leave nothing behind
--- init
for my $i (0 .. 60) {
    my $socket = ask('user-1', 'GET /api/session?version=0&wait=9');
    sleep $i / 5000;
    close $socket;
}
sleep 0.5;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 0,
    'nobody follows any more');
--- request
GET /api/session
--- response_body_like: "state":"idle"
