# What ends streams and long polls: a sign-in that is ended, a ban, the end of
# the token.

use v5.36;

use IO::Select ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer id_token);

our $Set = '{convo}:revoked';
our $One = id_token(origin_jti => 'one', exp => time + 3600);
our $Two = id_token(origin_jti => 'two', exp => time + 3600);
our $Revoked = qr/^HTTP\S+ 401.*"code":"revoked"/s;
our $Banned = qr/^HTTP\S+ 403.*"code":"banned"/s;

my $http = Convo::Pool::http() . "convo_auth_revocation on;\n";

sub stream ($token) {
    my $socket = ask('', 'GET /api/events', token => $token);
    like(heard($socket, 0.7), qr/"idle"|"waiting"/, 'a stream is open');
    return $socket;
}

sub revoke ($member) {
    return run_script('revoke', [$::Set], $member, 0, '', '', '');
}

sub ban ($sub, $until_ms) {
    return run_script('ban', [key('user', $sub), key('ready'), key('schema'),
        (key('none')) x 9, key('dirty')], $until_ms, '', '');
}

# What it ends with within so many seconds, or undef.
sub ended ($socket, $seconds) {
    my $began = time;
    my $told = heard($socket, $seconds);
    return time - $began < $seconds - 0.1 ? $told : undef;
}

# When each that ends within so many seconds did, in their order.
sub ends_of ($seconds, @sockets) {
    my $open = IO::Select->new(@sockets);
    my $until = time + $seconds;
    my @ends;
    while ($open->count && time < $until) {
        for my $socket ($open->can_read($until - time)) {
            next if sysread $socket, my $bytes, 65536;
            push @ends, time;
            $open->remove($socket);
        }
    }
    return @ends;
}

mount();
add_block_preprocessor(sub ($block) {
    $block->set_value('http_config', $http) if !defined $block->http_config;
    # The block's processes must not know what was revoked in the last one.
    $block->set_value('init', "Convo::Pool::reload();\n"
        . ($block->init // ''));
});

master_on();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: a stream ends when its sign-in is ended, and comes not back
--- init
our ($one, $two) = map { stream($_) } $::One, $::Two;
revoke('j:one');
our $told = ended($one, 3);
our $again = heard(ask('', 'GET /api/events', token => $::One), 2);
pool_join('user-1');
our $other = heard($two, 1);
close $two;
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
ok(defined $::told, 'it has ended');
like($::again, $::Revoked, 'refused');
like($::other, qr/"waiting"/, 'another of the same user goes on');



=== TEST 2: all streams of a user, and of nobody else
--- init
our @streams = map { stream($_) } $::One, $::Two,
    id_token(sub => 'user-2', exp => time + 3600);
revoke('s:user-1');
our @told = map { ended($_, 2) } @streams[0, 1];
our $other = heard($streams[2], 0.5);
close $streams[2];
--- request
GET /api/session
--- error_code: 401
--- after
ok(defined, 'ended') for @::told;
is($::other, '', 'goes on');



=== TEST 3: a long poll is answered at once
--- init
our @polls = map { ask('', 'GET /api/session?version=0&wait=20',
    token => $_) } $::One, $::Two;
sleep 0.4;
revoke('j:one');
our $told = ended($polls[0], 3);
our $other = heard($polls[1], 0.5);
close $polls[1];
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Revoked, 'refused');
like($::told, qr/^WWW-Authenticate: Bearer error="invalid_token"/m,
    'with the challenge');
is($::other, '', 'another one is held on');



=== TEST 4: many at once, in one turn
--- init
our @clients = map { ask("user-$_", $_ % 2 ? 'GET /api/events'
    : 'GET /api/session?version=0&wait=20') } 1 .. 60;
sleep 1;
revoke('j:origin-1');
our @told = map { ended($_, 3) } @clients;
--- request
GET /api/session
--- error_code: 401
--- after
is(scalar(grep { defined } @::told), 60, 'all have ended');
is(scalar(grep { /"code":"revoked"/ } @::told), 30, 'polls are told why');



=== TEST 5: a revocation that was missed ends them when the feed is back
--- init
our $stream = stream($::One);
our $poll = ask('', 'GET /api/session?version=0&wait=20', token => $::One);
sleep 0.3;
redis('ZADD', $::Set, 1000 * time, 'j:one');
is(heard($stream, 0.3), '', 'nobody has told');
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
our @told = map { ended($_, 4) } $stream, $poll;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
ok(defined $::told[0], 'the stream');
like($::told[1], $::Revoked, 'the poll');



=== TEST 6: streams of a process that is to end are told, too
--- init
our @streams = map { stream($::One) } 1 .. 8;
open my $in, '<', Test::Nginx::Util::server_root() . '/logs/nginx.pid';
kill 'HUP', readline($in) =~ s/\s//gr;
sleep 0.2;
revoke('j:one');
our $began = time;
our @told = map { ended($_, 3) } @streams;
our $took = time - $began;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is(scalar(grep { defined } @::told), 8, 'all have ended');
cmp_ok($::took, '<', 1.5, 'before the reload would have ended them');



=== TEST 7: off, nothing ends
--- http_config eval
Convo::Pool::http()
--- init
our $stream = stream($::One);
revoke('j:one');
our $told = heard($stream, 0.6);
close $stream;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is($::told, '', 'it goes on');



=== TEST 8: a ban ends a stream after its last document
--- init
pool_join('user-1');
our $stream = stream($::One);
ban('user-1', 1000 * (int(time) + 600));
our $told = ended($stream, 3);
our $again = heard(ask('', 'GET /api/events', token => $::One), 2);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, qr/"state":"idle".*"reason":"failed"/s,
    'the document, then the end');
like($::again, $::Banned, 'refused');
like($::again, qr/"bannedUntil":\d+/, 'until when');



=== TEST 9: a ban ends a poll with the document, and the next one is refused
--- init
our $poll = ask('', 'GET /api/session?version=0&wait=20', token => $::One);
sleep 0.4;
ban('user-1', 1000 * (int(time) + 600));
our $told = ended($poll, 3);
our ($version) = $told =~ /"version":(\d+)/;
our $again = ended(ask('', "GET /api/session?version=$version&wait=20",
    token => $::One), 3);
ban('user-1', 0);
our $free = stream($::One);
close $free;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, qr/^HTTP\S+ 200.*"state":"idle"/s, 'the document');
like($::again, $::Banned, 'refused');



=== TEST 10: streams of one token end before it does, each in its turn
--- init
our $token = id_token(exp => int(time) + 12);
our $exp = int(time) + 12;
our @streams = map { stream($token) } 1 .. 3;
push @streams, map { ask('', 'GET /api/events', token => $token) } 4 .. 30;
our @ends = ends_of(14, @streams);
--- timeout: 20
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
is(scalar @::ends, 30, 'each ends');
cmp_ok($::ends[-1], '<', $::exp + 0.5, 'never later');
cmp_ok($::ends[-1] - $::ends[0], '>', 0.3, 'not all at once');



=== TEST 11: a poll is not held longer than its token lives
--- init
our $token = id_token(exp => int(time) + 4);
our $exp = int(time) + 4;
our $told = heard(ask('', 'GET /api/session?version=0&wait=20',
    token => $token), 8);
our $end = time;
--- timeout: 20
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, qr/^HTTP\S+ 200.*"version":0,/s, 'answered as it is');
cmp_ok($::end, '<', $::exp + 0.5, 'in time');
