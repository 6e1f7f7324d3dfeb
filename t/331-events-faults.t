# Streams, polls and requests while Redis goes and comes back, and while the
# process is told to end.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Convo::Pool;

our $Down = [qr/^HTTP\S+ 503 .*"code":"redis_unavailable"/s];

# Answers the greeting and the first view, and then nothing more.
fake_redis('TIRED', sub ($peer, @command) {
    return greeting(@command) if defined greeting(@command);
    return list(bulk('subscribe'), bulk($command[1]), ":1\r\n")
        if $command[0] eq 'SUBSCRIBE';
    return undef if $peer->{views}++;
    return list(map { bulk($_) } 'ok', now => int time * 1000, state => 'idle',
        version => 1, points_left => 1);
});

sub server ($signal) {
    open my $in, '<', Test::Nginx::Util::server_root() . '/logs/nginx.pid'
        or die "no pid: $!\n";
    kill $signal, readline($in) =~ s/\s//gr;
    return;
}

# Waits until Redis is asked again.
sub await_service () {
    my $deadline = time + 6;
    sleep 0.1 until time > $deadline
        || heard(ask('user-1', 'GET /api/session'), 5) =~ /^HTTP\S+ 200/;
    return;
}

sub seconds_of ($code) {
    my $began = time;
    $code->();
    return time - $began;
}

mount();
master_on();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: without Redis everything is 503 at once, and is served again
--- init
redis_stop();
sleep 0.3;
our @answers;
our $took = seconds_of(sub {
    @answers = map { heard(ask('user-1', $_), 5) } 'GET /api/session',
        'GET /api/session?version=0&wait=20', 'GET /api/history',
        'GET /api/events', 'POST /api/join', 'POST /api/leave {}';
});
redis_start();
await_service();
--- request
POST /api/join
--- response_body_like: "state":"waiting"
--- log_level: warn
--- after
like($_, $::Down->[0], 'unavailable') for @::answers;
cmp_ok($::took, '<', 2, 'at once');



=== TEST 2: a stream survives a Redis that is killed, and tells what changed
--- init
our $stream = ask('user-1', 'GET /api/events');
like(heard($stream, 0.5), qr/"idle"/, 'open');
redis_stop('KILL');
sleep 1;
redis_start();
pool_open();
pool_join('user-1');
like(heard($stream, 4), qr/\Aevent: state.*"state":"waiting"/s, 'told');
pool_leave('user-1');
like(heard($stream, 0.5), qr/\Aevent: state.*"state":"idle"/s, 'and goes on');
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"idle"



=== TEST 3: a stream survives connections that are cut
--- init
our $stream = ask('user-1', 'GET /api/events');
like(heard($stream, 0.4), qr/"idle"/, 'open');
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
redis('CLIENT', 'KILL', 'TYPE', 'normal');
sleep 0.2;
pool_join('user-1');
like(heard($stream, 3), qr/"state":"waiting"/, 'told');
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 4: a poll that is held survives a Redis that is killed, or is 503
--- init
our $poll = ask('user-1', 'GET /api/session?version=0&wait=6');
sleep 0.4;
redis_stop('KILL');
sleep 0.5;
redis_start();
pool_open();
pool_join('user-1');
like(heard($poll, 8), qr/"state":"waiting"|"code":"redis_unavailable"/,
    'answered');
await_service();
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 5: scripts that Redis forgot are sent again
--- init
our $stream = ask('user-1', 'GET /api/events');
like(heard($stream, 0.4), qr/"idle"/, 'open');
redis('SCRIPT', 'FLUSH');
pool_join('user-1');
redis('SCRIPT', 'FLUSH');
like(heard($stream, 1), qr/"state":"waiting"/, 'told');
close $stream;
--- request
GET /api/history
--- response_body: {"sessions":[]}



=== TEST 6: a Redis that falls silent costs a 503, and no stream
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_TIRED_PORT timeout=300ms;'
. Convo::Pool::api()
--- init
our $stream = ask('user-1', 'GET /api/events');
like(heard($stream, 0.4), qr/"version":1,/, 'open');
--- request
GET /api/session
--- response_body_like: "version":1,|"code":"redis_unavailable"
--- error_code_like: ^(200|503)$
--- after
is(heard($::stream, 1.2), '', 'open and quiet');
ok(!IO::Select->new($::stream)->can_read(0), 'not ended');
close $::stream;



=== TEST 7: a reload ends streams and polls in order, spread over seconds
--- init
our @streams = map { ask("user-$_", 'GET /api/events', version => '1.1') }
    1 .. 30;
our @polls = map {
    ask("user-$_", 'GET /api/session?version=0&wait=25') } 1 .. 10;
sleep 0.7;
our $began = time;
server('HUP');
our @ends = map { heard($_, 9); time - $began } @polls;
our @told = map { heard($_, 9) } @streams;
our $took = time - $began;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
cmp_ok($::took, '<', 8, 'within the spread');
cmp_ok($::took, '>', 2, 'not all at once');
is(scalar(grep { /"idle".*retry: 1000\n\n\r\n0\r\n\r\n\z/s } @::told), 30,
    'every stream ended in order, after "retry:"');



=== TEST 8: a reload is over within worker_shutdown_timeout
--- main_config
worker_shutdown_timeout 3s;
--- init
our @streams = map { ask("user-$_", 'GET /api/events', version => '1.1') }
    1 .. 20;
sleep 0.7;
our $began = time;
server('HUP');
our @told = map { heard($_, 9) } @streams;
our $took = time - $began;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
cmp_ok($::took, '<', 3.3, 'in time');
is(scalar(grep { /retry: 1000\n\n\r\n0\r\n\r\n\z/ } @::told), 20,
    'in order');



=== TEST 9: a process that ends marks nobody as gone
--- init
pool_join('user-1');
our $stream = ask('user-1', 'GET /api/events');
sleep 0.5;
server('HUP');
like(heard($stream, 9), qr/retry: 1000/, 'ended');
sleep 0.5;
cmp_ok(touch_time('user-1'), '<', 12, 'as alive as before');
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 10: streams that wait are touched every ten seconds, in one script
--- init
pool_join("user-$_") for 1 .. 12;
our @streams = map { ask("user-$_", 'GET /api/events') } 1 .. 12;
push @streams, ask('user-13', 'GET /api/events');
sleep 0.5;
redis('HSET', key('user', "user-$_"), 'seen', 1000) for 1 .. 12;
redis('CONFIG', 'RESETSTAT');
sleep 11;
is(scalar(grep { touch_time("user-$_") < 12 } 1 .. 12), 12, 'all are touched');
is(redis('EXISTS', key('user', 'user-13')), 0, 'who does not wait is not');
my ($calls) = redis('INFO', 'commandstats')
    =~ /cmdstat_evalsha:calls=(\d+)/;
is($calls, 1, 'by one script');
close $_ for @streams;
--- request
GET /api/session
--- response_body_like: "state":"waiting"



=== TEST 11: polls do not all read at once when their subscription is back
--- init
our @polls = map {
    ask("user-$_", 'GET /api/session?version=0&wait=7') } 1 .. 40;
sleep 1;
my $monitor = IO::Socket::UNIX->new($ENV{TEST_NGINX_REDIS_SOCKET});
$monitor->syswrite("MONITOR\r\n");
like(heard($monitor, 0.2), qr/OK/, 'looking on');
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
our @reads = heard($monitor, 2) =~ /^\+(\d+\.\d+) .*"EVALSHA"/mgi;
close $monitor;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is(scalar @::reads, 40, 'each reads once');
cmp_ok($::reads[-1] - $::reads[0], '>', 0.3, 'in their turn');
is(scalar(grep { heard($_, 8) =~ /"version":0,/ } @::polls), 40,
    'and is held on');
