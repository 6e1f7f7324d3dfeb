# convo_sign_out: the sign-in ends, and the cookie with it.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer id_token);

our $One = id_token(origin_jti => 'one');
our $Two = id_token(origin_jti => 'two');
our $Plain = id_token(origin_jti => undef, jti => undef);
our $Gone = qr/^Set-Cookie: __Host-convo=; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=0\r$/m;
our $Out = qr/^HTTP\S+ 204/;

my $http = Convo::Pool::http() . "convo_auth_revocation on;\n";

sub out ($token, $body = '') {
    return heard(ask('', "POST /api/sign-out $body" =~ s/ \z//r,
        token => $token), 5);
}

sub code_of ($token, $request = 'GET /api/session') {
    my ($status) = heard(ask('', $request, token => $token), 3)
        =~ /\AHTTP\S+ (\d+)/;
    return $status // 'nothing';
}

sub becomes ($status, $token, $within = 4) {
    my $deadline = time + $within;
    my $now = code_of($token);
    while ($now ne $status && time < $deadline) {
        sleep 0.02;
        $now = code_of($token);
    }
    return is($now, $status, "becomes $status");
}

mount();
add_block_preprocessor(sub ($block) {
    $block->set_value('http_config', $http) if !defined $block->http_config;
    $block->set_value('config', Convo::Pool::api()
        . 'location = /api/sign-out { convo_sign_out; }')
        if !defined $block->config;
    # The block's processes must not know what was revoked in the last one.
    $block->set_value('init', "Convo::Pool::reload();\n"
        . ($block->init // ''));
});

master_on();
run_tests();

__DATA__

=== TEST 1: it ends this sign-in, and the cookie, and no other sign-in
--- init
our $told = out($::One);
becomes(401, $::One);
is(code_of($::Two), 200, 'another goes on');
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');
like($::told, $::Gone, 'the cookie is gone');
like($::told, qr/^Cache-Control: no-store\r$/m, 'not stored');
is_deeply(redis('ZRANGE', "{$_}:revoked", 0, -1), ['j:one'], $_)
    for 'default', 'convo';



=== TEST 2: everywhere ends all that the user has, and nobody else's
--- init
our $other = id_token(sub => 'user-2');
our $told = out($::One, '{"everywhere":true}');
becomes(401, $_) for $::One, $::Two, $::Plain;
is(code_of($other), 200, 'another user goes on');
--- more_headers eval
Convo::Token::bearer(Convo::Pool::token_of('user-3'))
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');
is_deeply([sort @{redis('ZRANGE', '{convo}:revoked', 0, -1)}],
    ['j:one', 's:user-1'], 'so');



=== TEST 3: everywhere false is here alone
--- init
our $told = out($::One, '{"everywhere":false}');
becomes(401, $::One);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');



=== TEST 4: a token that names no sign-in ends with all of its user's
--- init
our $told = out($::Plain);
becomes(401, $_) for $::Plain, $::One;
--- more_headers eval
Convo::Token::bearer(Convo::Pool::token_of('user-3'))
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');



=== TEST 17: a token that was issued ahead of our clock ends as well
--- init
our @ahead = map { id_token(iat => int(time) + 20, sub => "user-$_",
    origin_jti => $_ == 4 ? undef : 'five', jti => undef) } 4, 5;
our @told = (out($ahead[0]), out($ahead[1], '{"everywhere":true}'));
becomes(401, $_) for @ahead;
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($_, $::Out, 'done') for @::told;



=== TEST 5: repeated it is done again, and changes nothing
--- init
out($::One);
becomes(401, $::One);
our $score = redis('ZSCORE', '{convo}:revoked', 'j:one');
our @again = (out($::One), out($::One, '{"everywhere":true}'));
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($_, $::Out, 'done') for @::again;
like($_, $::Gone, 'the cookie is gone') for @::again;
is(redis('ZSCORE', '{convo}:revoked', 'j:one'), $::score, 'as it was');
is_deeply(redis('ZRANGE', '{convo}:revoked', 0, -1), ['j:one'],
    'a token that is revoked ends nobody else');



=== TEST 6: who waits leaves the queue
--- init
pool_join('user-1');
our $told = out($::One);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');



=== TEST 7: who is in a session leaves it
--- init
live('user-1', 'user-2');
our $told = out($::One);
--- request
GET /api/session
--- response_body_like: "state":"idle".*"reason":"left"
--- after
like($::told, $::Out, 'done');
is(user('user-2', 'last_reason'), 'peer_left', 'the other is told');



=== TEST 8: a token that is revoked takes nobody out of the queue
--- init
out($::One);
pool_join('user-1');
our $told = out($::One);
--- request
GET /api/session
--- response_body_like: "state":"waiting"
--- after
like($::told, $::Out, 'done');



=== TEST 9: streams of it end
--- init
our $stream = ask('', 'GET /api/events', token => $::One);
like(heard($stream, 0.7), qr/"idle"/, 'open');
out($::One);
my $began = time;
heard($stream, 3);
cmp_ok(time - $began, '<', 2.5, 'ended');
--- request
GET /api/session
--- response_body_like: "state":"idle"



=== TEST 10: what was not finished is finished when it is repeated
--- init
redis('ZADD', '{default}:revoked', 1000 * (int(time)), 'j:one');
our $told = out($::One);
becomes(401, $::One);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, $::Out, 'done');



=== TEST 11: without Redis it is 503, and the cookie is gone all the same
--- init
redis_stop();
sleep 0.3;
our $told = out($::One);
redis_start();
becomes(200, $::One, 8);
--- request
GET /api/session
--- response_body_like: "state":"idle"
--- after
like($::told, qr/^HTTP\S+ 503.*"code":"redis_unavailable"/s, 'unavailable');
like($::told, $::Gone, 'the cookie is gone');



=== TEST 12: with revocation off it only ends the cookie, and asks nobody
--- http_config eval
Convo::Token::auth_config() . "convo_auth on;\n"
--- config
    location = /api/sign-out { convo_sign_out; }
--- more_headers eval
Convo::Token::bearer($::One)
--- request
POST /api/sign-out
--- error_code: 204
--- response_headers
Set-Cookie: __Host-convo=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0



=== TEST 13: bodies that are none
--- request eval
["POST /api/sign-out\n{\"everywhere\":1}", "POST /api/sign-out\n{\"all\":true}",
 "POST /api/sign-out\n[]"]
--- more_headers eval
Convo::Token::bearer($::One) . "\nContent-Type: application/json"
--- error_code eval
[400, 400, 400]
--- after
is(redis('EXISTS', '{convo}:revoked'), 0, 'nothing is revoked');



=== TEST 14: other methods
--- request
GET /api/sign-out
--- error_code: 405
--- response_headers
Allow: POST



=== TEST 15: without a token
--- more_headers
X-None: none
--- request
POST /api/sign-out
--- error_code: 401
--- response_body_like: "code":"missing_token"



=== TEST 16: where nobody signs in it is refused
--- http_config
--- config
    location = /api/sign-out { convo_sign_out; }
--- must_die
--- suppress_stderr
--- error_log
"convo_sign_out" in location "/api/sign-out" needs "convo_auth on"
