# convo_events: the user document as server-sent events whenever it changes.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

# What the events of a stream say: "STATE", with "=" where the version is that
# of the event before, "?" where the id is not the version; and ":" a comment.
sub told ($body) {
    my ($last, @told) = ('');
    for my $event (split /\n\n/, $body) {
        if ($event =~ /\A(:|retry: \d+)\z/) {
            push @told, $1;
            next;
        }
        my ($id, $state, $version) = $event =~ /\A event:[ ]state\n
            id:[ ](\d+)\n data:[ ]\{"userId":"user-1",
            "state":"(\w+)","version":(\d+),[^\n]*\} \z/x
            or return "what is <$event>";
        push @told, ($id eq $last ? '=' : '') . ($id eq $version ? '' : '?')
            . $state;
        $last = $id;
    }
    return join ' ', @told;
}

add_block_preprocessor(sub ($block) {
    my %default = (request => 'GET /api/events HTTP/1.0',
        timeout => '2s', abort => '',
        response_body_filters => \&told);
    for my $section (sort keys %default) {
        $block->set_value($section, $default{$section})
            if !defined $block->$section;
    }
});
mount();
worker_connections(1024);
run_tests();

__DATA__

=== TEST 1: the first event is the document as it is
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
qq(retry: 2000\n\nevent: state\nid: 0\ndata: {"userId":"user-1",)
. '"state":"idle","version":0,"pointsLeft":15,"pointsResetAt":null,'
. '"lastSessionTimestamp":null,"isWaitingInQueue":false,'
. '"waitingSince":null,"queue":null,"session":null,"last":null}' . "\n\n"
--- response_headers
Content-Type: text/event-stream
Cache-Control: no-store
X-Accel-Buffering: no
! Content-Length



=== TEST 2: every change is told once, in its order
--- init
later(0.3, sub { pool_join('user-1') });
later(0.6, sub { pool_leave('user-1') });
later(0.9, sub { pool_join('user-1') });
--- response_body chomp
retry: 2000 idle waiting idle waiting



=== TEST 3: a match is told to both, with credentials
--- init
pool_join('user-1');
our $peer = ask('user-2', 'GET /api/events');
later(0.4, sub { pair('user-1', 'user-2') });
--- response_body_filters
--- response_body_like: "waiting".*"state":"matched".*"token":"ey.*"credential":
--- after
like(heard($::peer, 0.5), qr/"idle".*"matched".*"token":"ey/s,
    'the peer');



=== TEST 4: going live and its end are told
--- init
pair('user-1', 'user-2');
later(0.3, sub { enter('user-1', 'user-2') });
--- response_body chomp
retry: 2000 matched live



=== TEST 5: a message without a change is not told
--- init
later(0.2, sub { redis('PUBLISH', key('user', 'user-1'), 1) });
later(0.4, sub { redis('PUBLISH', key('user', 'user-1'), 'x' x 100000) });
--- response_body chomp
retry: 2000 idle



=== TEST 6: many changes at once are told as the last of them
--- init
later(0.3, sub {
    for (1 .. 100) {
        pool_join('user-1');
        pool_leave('user-1');
    }
    pool_join('user-1');
});
--- response_body_like: ^retry: 2000 idle (idle |waiting )*waiting$



=== TEST 7: a version below the last one is not told
--- init
redis('HSET', key('user', 'user-1'), qw(state idle version 1700000000500));
later(0.2, sub {
    redis('HSET', key('user', 'user-1'), 'version', 1700000000499);
    redis('PUBLISH', key('user', 'user-1'), 1);
});
--- response_body_filters eval
sub { join ' ', map { $_ > 1700000000500 ? 'above' : $_ }
    $_[0] =~ /^id: (\d+)/mg }
--- response_body chomp
1700000000500 above
--- log_level: notice
--- error_log
convo session: redis has lost what was told, version 1700000000500



=== TEST 8: every 15 s a comment, and what time alone has changed
--- init
pool_join($_) for qw(user-0 user-1);
redis('HSET', key('user', 'user-1'), 'seen', 1000);
redis('HSET', key('user', 'user-2'), qw(state idle version 5 spent 15),
    'window_end', int((time + 3) * 1000));
my $began = time;
my ($waiting, $spent) = map {
    ask($_, 'GET /api/events', token => token_of($_, exp => time + 21))
} qw(user-1 user-2);
sleep 2;
redis('LPOP', key('queue'));
our $waiting_told = heard($waiting, 20) =~ s/\A.*?\r\n\r\n//sr;
our $waiting_took = time - $began;
our $spent_told = heard($spent, 20) =~ s/\A.*?\r\n\r\n//sr;
our $spent_took = time - $began;
cmp_ok(touch_time('user-1'), '<', 12, 'a stream is a sign of life');
--- after
is(told($::waiting_told), 'retry: 2000 waiting : =waiting', 'the queue again');
is(join(' ', $::waiting_told =~ /"position":(\d)/g), '2 1', 'as it is now');
is(join(' ', $::spent_told =~ /"pointsLeft":(\d+)/g), '0 15',
    'points that came back');
like($::spent_told, qr/\n\n:\n\nevent: state\nid: 5\n/, 'same version');
for my $took ($::waiting_took, $::spent_took) {
    cmp_ok($took, '>', 15, 'not before the comment');
    cmp_ok($took, '<', 21, 'never later than its token');
}
--- response_body_like: ^retry: 2000 waiting$



=== TEST 10: HEAD gets the headers and no stream
--- request
HEAD /api/events
--- response_headers
Content-Type: text/event-stream
Cache-Control: no-store
--- response_body chomp
--- error_code: 200



=== TEST 11: other methods are refused
--- request eval
["POST /api/events", "DELETE /api/events"]
--- response_body_filters eval: sub { $_[0] }
--- response_body_like eval
[(qr/"code":"method_not_allowed"/) x 2]
--- error_code eval
[405, 405]
--- response_headers eval
["Allow: GET, HEAD", "Allow: GET, HEAD"]



=== TEST 12: no token
--- more_headers
X-No: token
--- error_code: 401
--- response_body_filters eval: sub { $_[0] }
--- response_body_like: "code":"missing_token"



=== TEST 13: a pool that is none
--- config
    location = /api/events { convo_pool $arg_pool; convo_events; }
--- error_code: 404
--- response_body_filters eval: sub { $_[0] }
--- response_body_like: "code":"not_found"



=== TEST 14: in HTTP/1.1 the stream is chunked, and ends in order
--- init
our $stream = heard(ask('user-1', 'GET /api/events', version => '1.1',
    token => token_of('user-1', exp => time + 3)), 6);
--- after
like($::stream, qr/^Transfer-Encoding: chunked\r$/m, 'chunked');
like($::stream, qr/"state":"idle".*\n\n\r\n0\r\n\r\n\z/s, 'its last chunk');
--- response_body chomp
retry: 2000 idle



=== TEST 15: many streams share one subscription and one connection
--- init
our @streams = map { ask('user-1', 'GET /api/events') } 1 .. 60;
push @streams, map { ask("user-$_", 'GET /api/events') } 2 .. 11;
sleep 0.7;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 1,
    'one subscription');
my @subscribers = grep { / sub=[1-9]/ } split /\n/, redis('CLIENT', 'LIST');
is(scalar @subscribers, 1, 'one connection');
like($subscribers[0], qr/ sub=11 /, 'with a channel for each user');
pool_join('user-1');
is(scalar(grep { heard($_, 0.4) =~ /"state":"waiting"/ } @streams[0 .. 9]),
    10, 'all are told');
close $_ for @streams;
sleep 0.5;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 0,
    'nobody follows any more');
--- response_body chomp
retry: 2000 waiting



=== TEST 16: the user of the last stream is marked when it closes
--- init
pool_join('user-1');
my @streams = map { ask('user-1', 'GET /api/events') } 1, 2;
sleep 0.4;
close shift @streams;
sleep 0.3;
cmp_ok(touch_time('user-1'), '<', 5, 'one is still open');
close shift @streams;
sleep 0.3;
cmp_ok(touch_time('user-1'), '>', 15, 'claims pass over');
cmp_ok(touch_time('user-1'), '<', 20, 'but nobody is dropped');
--- response_body chomp
retry: 2000 waiting
--- after
sleep 0.2;
cmp_ok(touch_time('user-1'), '>', 15, 'gone again with the last stream');



=== TEST 17: a client that reads nothing is ended, its neighbour told all
--- config eval
'send_timeout 1s;' . Convo::Pool::api()
--- http_config eval
Convo::Pool::http() . 'server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1
    sndbuf=4k; ' . Convo::Pool::api(events => 'send_timeout 1s;') . ' }'
--- init
our $deaf = ask('user-1', 'GET /api/events',
    port => Test::Nginx::Util::expand_env_in_text(
        '$TEST_NGINX_RAND_PORT_1', 'port'), rcvbuf => 2048);
sleep 0.3;
later(0.2, sub {
    for (1 .. 300) {
        pool_join('user-1');
        pool_leave('user-1');
        sleep 0.002;
    }
    pool_join('user-1');
});
--- timeout: 2500ms
--- response_body_like: ^retry: 2000 idle .*waiting$
--- log_level: info
--- error_log
client timed out
--- after
my $heard = heard($::deaf, 1);
my @ids = $heard =~ /^id: (\d+)/mg;
cmp_ok(scalar @ids, '<', 300, 'not every change is kept for the deaf');
is_deeply(\@ids, [sort { $a <=> $b } @ids], 'in order');



=== TEST 18: clients that go at every moment leave nothing behind
--- init
for my $i (0 .. 80) {
    my $socket = ask('user-1', 'GET /api/events',
        version => $i % 2 ? '1.1' : '1.0');
    sleep $i / 8000;
    pool_join('user-1') if $i % 3 == 0;
    pool_leave('user-1') if $i % 3 == 1;
    close $socket;
}
sleep 0.5;
is(redis('PUBSUB', 'NUMSUB', key('user', 'user-1'))->[1], 0,
    'nobody follows any more');
--- response_body_like: ^retry: 2000 \w+$
