# Redis loses what users were told: streams and polls of two processes put
# back who waits, and tell everybody the truth under a version above theirs.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

# A Redis that falls back for ever: version 9 once, and then 5, recalled or
# not; it tells how often it was asked for a recall.
fake_redis('FALLEN', sub ($peer, @command) {
    return greeting(@command) if defined greeting(@command);
    return list(bulk('subscribe'), bulk($command[1]), ":1\r\n")
        if $command[0] eq 'SUBSCRIBE';
    $peer->{recalls}++ if @command > 9;
    return list(map { bulk($_) } 'ok', now => int time * 1000,
        state => 'idle', version => $peer->{views}++ ? 5 : 9,
        points_left => $peer->{recalls} // 0);
});

# The documents of a stream or an answer, as lists of state, version and
# waitingSince.
our $told = sub ($bytes) {
    my @told;
    push @told, [$1, $2, $3] while $bytes =~ /"state":"(\w+)","version":(\d+)
        .*?"waitingSince":(\d+|null)/xg;
    return @told;
};

# One that Redis may have given just now.
our $version = int(1000 * time) - 5;

# Everything goes, and the edge hears of it as of a Redis that was restarted.
our $lose = sub (%option) {
    redis('FLUSHALL');
    if ($option{restart}) {
        redis_stop('KILL');
        redis_start();
    } else {
        redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
    pool_open() if !$option{closed};
};

# A user who waits since so long, in seconds.
our $wait_since = sub ($sub, $seconds) {
    pool_join($sub);
    my $since = (int(time) - $seconds) . '123';
    redis('HSET', key('user', $sub), 'waiting_since', $since);
    return int $since / 1000;
};

mount();
master_on();
workers(2);
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: a stream that said "waiting" puts the user back
--- init
our $since = $::wait_since->('user-1', 100);
my $stream = ask('user-1', 'GET /api/events');
our @before = $::told->(heard($stream, 0.6));
$::lose->();
our @after = $::told->(heard($stream, 2.5));
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"waiting".*"position":1,
--- after
is(scalar @::before, 1, 'told once');
is(scalar @::after, 1, 'and told once more');
is($::after[0][0], 'waiting', 'still waiting');
cmp_ok($::after[0][1], '>', $::before[0][1], 'by a higher version');
is($::after[0][2], $::since, 'since the same moment');
is(redis('LLEN', key('queue')), 1, 'with one ticket');



=== TEST 2: an idle user, and one in a session that is lost, are idle
--- init
pair('user-2', 'user-3');
my @streams = map { ask($_, 'GET /api/events') } qw(user-1 user-2);
our @before = map { $::told->(heard($_, 0.6)) } @streams;
redis('HSET', key('user', 'user-1'), 'version', 0);
$::lose->();
our @after = map { [$::told->(heard($_, 2.5))] } @streams;
close $_ for @streams;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is($::before[1][0], 'matched', 'was in a session');
is_deeply($::after[0], [], 'who had no version has lost nothing');
is($::after[1][0][0], 'idle', 'is in none');
cmp_ok($::after[1][0][1], '>', $::before[1][1], 'by a higher version');
is(redis('EXISTS', key('queue')), 0, 'and nobody waits');



=== TEST 3: while the pool is restored nobody is put back, and then all are
--- init
our $since = $::wait_since->('user-1', 100);
my $stream = ask('user-1', 'GET /api/events');
our @before = $::told->(heard($stream, 0.6));
$::lose->(closed => 1);
our @meanwhile = $::told->(heard($stream, 2.5));
redis('SET', key('ready'), 1);
our @after = $::told->(heard($stream, 4));
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
is_deeply(\@::meanwhile, [], 'nothing is told that is not true');
is(scalar @::after, 1, 'until the pool is served');
is($::after[0][0], 'waiting', 'waiting');
is($::after[0][2], $::since, 'since the same moment');



=== TEST 4: a poll that is held on "waiting" puts the user back
--- init
our $since = $::wait_since->('user-1', 100);
our $before = user('user-1', 'version');
my $poll = ask('user-1', "GET /api/session?version=$before&wait=9");
sleep 0.6;
$::lose->();
our @after = $::told->(heard($poll, 9));
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
is($::after[0][0], 'waiting', 'still waiting');
cmp_ok($::after[0][1], '>', $::before, 'by a higher version');
is($::after[0][2], $::since, 'since the same moment');



=== TEST 5: a poll that comes later is told the truth, above its version
--- request eval
"GET /api/session?version=$::version&wait=9"
--- response_body_filters eval
sub { my ($told) = $::told->($_[0]); "$told->[0] " . ($told->[1] > $::version) }
--- response_body chomp
idle 1
--- after
is(redis('EXISTS', key('queue')), 0, 'a client puts nobody into the queue');



=== TEST 6: a poll is held while the pool is restored, and then 503
--- init
redis('DEL', key('ready'));
our $began = time;
--- request eval
"GET /api/session?version=$::version&wait=2"
--- timeout: 9s
--- error_code: 503
--- response_body_like: "code":"restoring"
--- after
cmp_ok(time - $::began, '>=', 1.9, 'held');
is(redis('EXISTS', key('user', 'user-1')), 0, 'nothing was changed');



=== TEST 7: a stream is opened with the last version that its client has
--- init
--- more_headers eval
::bearer(::token_of('user-1')) . "\nLast-Event-ID: $::version"
--- request
GET /api/events HTTP/1.0
--- timeout: 1s
--- abort
--- response_body_filters eval
sub { my ($told) = $::told->($_[0]); "$told->[0] " . ($told->[1] > $::version) }
--- response_body chomp
idle 1



=== TEST 8: a version that Redis cannot have given is no loss
--- more_headers eval
::bearer(::token_of('user-1')) . "\nLast-Event-ID: 999999999999999"
--- request
GET /api/events HTTP/1.0
--- timeout: 1s
--- abort
--- response_body_like: ^retry: 2000\n\nevent: state\nid: 0\n



=== TEST 9: a Last-Event-ID that is none is passed over
--- more_headers eval
::bearer(::token_of('user-1')) . "\nLast-Event-ID: never"
--- request
GET /api/events HTTP/1.0
--- timeout: 1s
--- abort
--- response_body_like: ^retry: 2000\n\nevent: state\nid: 0\n



=== TEST 10: a user as the store knows them is lost, too
--- init
our $since = $::wait_since->('user-1', 100);
my $stream = ask('user-1', 'GET /api/events');
our @before = $::told->(heard($stream, 0.6));
redis('FLUSHALL');
redis('HSET', key('user', 'user-1'), 'state', 'idle', 'version',
    $before[0][1]);
pool_open();
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
our @after = $::told->(heard($stream, 2.5));
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
is($::after[0][0], 'waiting', 'still waiting');
cmp_ok($::after[0][1], '>', $::before[0][1], 'by a higher version');



=== TEST 11: nobody is put back who has left meanwhile
--- init
pool_join('user-1');
my $stream = ask('user-1', 'GET /api/events');
heard($stream, 0.6);
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
pool_leave('user-1');
our @after = $::told->(heard($stream, 2.5));
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is($::after[-1][0], 'idle', 'idle');



=== TEST 12: the store has put a user to idle by a higher version
--- init
our $since = $::wait_since->('user-1', 100);
$::wait_since->('user-2', 100);
my @streams = map { ask("user-$_", 'GET /api/events') } 1, 2;
my @before = map { [$::told->(heard($_, 0.6))] } @streams;
$::lose->(closed => 1);
for my $i (0, 1) {
    my $told = $before[$i][-1][1];
    restore_user('user-' . ($i + 1), $told + $i, 'waiting');
}
pool_open();
our @after = map { [$::told->(heard($_, 3))] } @streams;
close $_ for @streams;
--- request
GET /api/session
--- timeout: 5s
--- response_body_like: "state":"waiting"
--- after
is($::after[0][-1][0], 'waiting', 'by what it was told: it waits again');
is($::after[0][-1][2], $::since, 'since the same moment');
is_deeply([grep { $_->[0] eq 'idle' } @{$::after[0]}], [], 'and always did');
is($::after[1][-1][0], 'idle', 'by a later version: it waits no longer');
is(user('user-2', 'last_reason'), 'failed', 'and is told why');



=== TEST 13: a Redis that falls back for ever is asked ever less
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_FALLEN_PORT;'
. Convo::Pool::api()
--- init
our $stream = ask('user-1', 'GET /api/events');
our @told = $::told->(heard($stream, 4));
--- request
GET /api/session
--- response_body_like: "version":
--- after
is(scalar @::told, 1, 'nothing below what was told');
close $::stream;



=== TEST 14: after a restart without data everybody waits again, once
--- init
our %since = map { $_ => $::wait_since->("user-$_", $_) } 1 .. 60;
our @streams = map { [$_, ask("user-$_", 'GET /api/events')] } 1 .. 60,
    1 .. 20;
our @polls = map { [$_, ask("user-$_", 'GET /api/session?wait=15&version='
    . pool_join("user-$_")->[6])] } 61 .. 80;
sleep 1.5;
heard($_->[1], 0.01) for @streams;
$::lose->(restart => 1, closed => 1);
sleep 3;
is(redis('LLEN', key('queue')), 0, 'nobody, while it is restored');
pool_open();
sleep 4;
--- request
GET /api/session
--- timeout: 5s
--- response_body_like: "state":"waiting"
--- after
is(redis('LLEN', key('queue')), 80, 'each has one ticket');
is(scalar(grep { user("user-$_", 'state') eq 'waiting' } 1 .. 80), 80,
    'all wait');
is(scalar(grep { int(user("user-$_", 'waiting_since') / 1000) == $::since{$_} }
    1 .. 60), 60, 'since the same moment');
is(scalar(grep { my ($told) = $::told->(heard($_->[1], 0.05));
    $told && $told->[0] eq 'waiting' } @::streams), 80, 'all streams say so');
is(scalar(grep { my ($told) = $::told->(heard($_->[1], 0.05));
    $told && $told->[0] eq 'waiting' } @::polls), 20, 'and all polls');
close $_->[1] for @::streams, @::polls;



=== TEST 15: who leaves while the pool is restored asks again, and stays out
--- init
$::wait_since->('user-1', 100);
my $stream = ask('user-1', 'GET /api/events');
my @before = $::told->(heard($stream, 0.6));
$::lose->(closed => 1);
our @answers = heard(ask('user-1', 'POST /api/leave'), 5);
restore_user('user-1', $before[-1][1], 'waiting');
pool_open();
push @answers, heard(ask('user-1', 'POST /api/leave'), 5);
our @after = $::told->(heard($stream, 3));
close $stream;
--- request
GET /api/session
--- timeout: 5s
--- response_body_like: "state":"idle"
--- after
like($::answers[0], qr/"code":"restoring"/, 'not yet');
like($::answers[1], qr/"state":"idle"/, 'and then');
is($::after[-1][0], 'idle', 'the stream says so');
is(user('user-1', 'state') // 'idle', 'idle', 'and puts nobody back');
