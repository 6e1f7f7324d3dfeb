# The feed of revocations while Redis goes and comes back, and while processes
# begin: refused is what is not known, and nothing else.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer id_token);

our $Unknown = qr/"status":503,"code":"redis_unavailable"/;
our $Set = '{convo}:revoked';
our $One = id_token(origin_jti => 'one');

# Answers what is no page, and hangs.
fake_redis('RUBBISH', sub ($peer, @command) {
    return greeting(@command) if defined greeting(@command);
    return list(bulk('subscribe'), bulk($command[1]), ":1\r\n")
        if $command[0] eq 'SUBSCRIBE';
    return list(bulk('0'), bulk('j:one'));
});

my $http = Convo::Pool::http() . "convo_auth_revocation on;\n";

sub seen ($token = token_of('user-1')) {
    my ($status) = heard(ask('', 'GET /t', token => $token), 3)
        =~ /\AHTTP\S+ (\d+)/;
    return $status // 'nothing';
}

sub becomes ($status, $token = token_of('user-1'), $within = 4) {
    my $deadline = time + $within;
    my $now = seen($token);
    while ($now ne $status && time < $deadline) {
        sleep 0.02;
        $now = seen($token);
    }
    return is($now, $status, "becomes $status");
}

mount();
add_block_preprocessor(sub ($block) {
    $block->set_value('http_config', $http) if !defined $block->http_config;
    $block->set_value('config',
        'location = /t { return 200 "$convo_user\n"; }' . Convo::Pool::api()
        . 'location = /off { convo_auth_revocation off; return 204; }'
        . 'location = /readyz { convo_auth off; convo_health ready; }'
        . 'location = /metrics { convo_auth off; convo_metrics; }')
        if !defined $block->config;
    # The block's processes must not know what was revoked in the last one.
    $block->set_value('init', "Convo::Pool::reload();\n"
        . ($block->init // ''));
});

master_on();
run_tests();

__DATA__

=== TEST 1: a revocation that was missed is known when the feed is back
--- init
becomes(200, $::One);
redis('ZADD', $::Set, 1000 * time, 'j:one');
is(seen($::One), 200, 'nobody has told');
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
becomes(401, $::One);
--- request
GET /t
--- response_body
user-1



=== TEST 2: a short cut refuses nobody
--- init
becomes(200);
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
our @seen = map { sleep 0.01; seen() } 1 .. 30;
--- request
GET /t
--- response_body
user-1
--- after
is(scalar(grep { $_ eq '200' } @::seen), 30, 'all were let in');



=== TEST 3: without Redis all is refused after the timeout, and let in again
--- init
becomes(200);
redis_stop();
becomes(503);
is(seen($::One), 503, 'whoever it is');
like(heard(ask('user-1', 'GET /off'), 2), qr/^HTTP\S+ 204/, 'off is off');
redis_start();
becomes(200, token_of('user-1'), 8);
--- request
GET /t
--- response_body
user-1



=== TEST 4: what the client is told
--- init
becomes(200);
redis_stop();
becomes(503);
our $told = heard(ask('user-1', 'GET /t'), 2);
redis_start();
becomes(200, token_of('user-1'), 8);
--- request
GET /t
--- response_body
user-1
--- after
like($::told, $::Unknown, 'redis_unavailable');
unlike($::told, qr/WWW-Authenticate/i, 'the token is not to blame');



=== TEST 5: what was revoked while the feed was cut for long
--- init
becomes(200, $::One);
redis_stop();
becomes(503, $::One);
redis_start();
redis('ZADD', $::Set, 1000 * time, 'j:one');
becomes(401, $::One, 8);
--- request
GET /t
--- response_body
user-1



=== TEST 6: a process keeps what Redis has lost
--- init
run_script('revoke', [$::Set], 'j:one', 0, '', '', '');
becomes(401, $::One);
redis('FLUSHALL');
redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
sleep 0.5;
is(seen($::One), 401, 'still');
--- request
GET /t
--- response_body
user-1



=== TEST 7: a reload refuses nobody: the first requests wait
--- init
becomes(200);
run_script('revoke', [$::Set], 'j:one', 0, '', '', '');
redis('CLIENT', 'PAUSE', 500, 'WRITE');
Convo::Pool::reload();
our @clients = map { [$_, ask('', 'GET /t', token => $_)] }
    (token_of('user-1'), $::One) x 5;
our @answers = map { heard($_->[1], 3) =~ /\AHTTP\S+ (\d+)/ } @clients;
--- request
GET /t
--- response_body
user-1
--- after
is("@::answers", join(' ', (200, 401) x 5), 'each with the truth');



=== TEST 8: a client that goes while it waits
--- init
redis('CLIENT', 'PAUSE', 600, 'WRITE');
Convo::Pool::reload();
our @clients = map { ask('user-1', 'GET /t', partial => 100_000) } 1 .. 5;
sleep 0.1;
close $_ for @clients;
becomes(200);
--- request
GET /t
--- response_body
user-1



=== TEST 9: a process that begins without Redis refuses after the timeout
--- init
becomes(200);
redis_stop();
Convo::Pool::reload();
my $began = time;
our $told = heard(ask('user-1', 'GET /t'), 5);
our $took = time - $began;
redis_start();
becomes(200, token_of('user-1'), 8);
--- request
GET /t
--- response_body
user-1
--- after
like($::told, $::Unknown, 'refused');
cmp_ok($::took, '<', 3, 'soon');



=== TEST 10: a page that is none is no page, and all is refused
--- http_config eval
Convo::Pool::http() =~ s/REDIS_PORT;/RUBBISH_PORT timeout=300ms;/r
    . "convo_auth_revocation on;\n"
--- request
GET /t
--- error_code: 503
--- response_body_like eval: $::Unknown
--- error_log
no page of revocations



=== TEST 11: a set of another type is no set, and all is refused
--- init
redis('SET', $::Set, 'a string');
Convo::Pool::reload();
--- request
GET /t
--- error_code: 503
--- response_body_like eval: $::Unknown
--- error_log
no page of revocations



=== TEST 12: not ready while the feed is unknown, and metrics tell
--- init
becomes(200);
redis('SET', key('alive'), 1);
run_script('revoke', [$::Set], $_, 0, '', '', '') for 'j:one', 's:two';
becomes(401, $::One);
my $deadline = time + 5;
our $metrics;
do {
    sleep 0.1;
    $metrics = heard(ask('', 'GET /metrics'), 2);
} until $metrics =~ /^convo_revocations 2$/m || time > $deadline;
our $ready = heard(ask('', 'GET /readyz'), 2);
redis('SET', $::Set, 'a string');
Convo::Pool::reload();
our $unready = heard(ask('', 'GET /readyz'), 2);
our $unknown = heard(ask('', 'GET /metrics'), 2);
--- request
GET /t
--- error_code: 503
--- after
like($::metrics, qr/^convo_revocations 2\n/m, 'how many');
like($::metrics, qr/^convo_revocation_feeds 1\n/m, 'one feed');
like($::metrics, qr/^convo_revocation_feeds_current 1\n/m, 'it is current');
like($::metrics, qr/^convo_auth_refused_total\{code="revoked"\} [1-9]/m,
    'refusals');
like($::ready, qr/^HTTP\S+ 200.*"status":"ready".*"revocations":true/s,
    'ready');
like($::unready, qr/^HTTP\S+ 503.*"status":"not_ready","redis":true,"keys":true,"revocations":false/s,
    'not ready');
like($::unknown, qr/^convo_revocation_feeds_current 0\n/m, 'not current');
