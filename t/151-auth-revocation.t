# convo_auth_revocation: a sign-in that was ended is refused, wherever its
# token is shown.

use v5.36;

use Time::HiRes qw(sleep time);

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer id_token access_token);

our $Refused = qr/"status":401,"code":"revoked"/;
our $One = id_token(origin_jti => 'one');
our $Two = id_token(origin_jti => 'two');
our $User2 = id_token(sub => 'user-2', iat => int time - 60);
our $Expired = id_token(exp => int time - 60);
our $Set = '{convo}:revoked';

my $http = Convo::Pool::http() . "convo_auth_revocation on;\n"
    . "convo_auth_token_use any;\n";

# As the edge and an operator do it.
sub revoke ($member, $pool = 'convo') {
    return run_script('revoke', ["{$pool}:revoked"], $member, 0, '', '', '');
}

sub status_of ($token) {
    my ($status) = heard(ask('', 'GET /t', token => $token), 3)
        =~ /\AHTTP\S+ (\d+)/;
    return $status;
}

# What it is shown as within two seconds: a message takes a moment.
sub becomes ($token, $status) {
    my $deadline = time + 2;
    my $now = status_of($token);
    while ($now != $status && time < $deadline) {
        sleep 0.02;
        $now = status_of($token);
    }
    return is($now, $status, "becomes $status");
}

mount();
add_block_preprocessor(sub ($block) {
    $block->set_value('http_config', $http) if !defined $block->http_config;
    $block->set_value('config',
        'location = /t { return 200 "$convo_user\n"; }' . Convo::Pool::api())
        if !defined $block->config;
    # The block's processes must not know what was revoked in the last one.
    $block->set_value('init', "Convo::Pool::reload();
" . ($block->init // ''));
});

master_on();
run_tests();

__DATA__

=== TEST 1: a sign-in that was ended is refused at once, other ones are not
--- init
becomes($_, 200) for $::One, $::Two;
revoke('j:one');
becomes($::One, 401);
becomes($::Two, 200);
--- more_headers eval
Convo::Token::bearer($::One)
--- request
GET /t
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token", error_description="This sign-in has been ended."
Content-Type: application/problem+json
--- response_body_like eval: $::Refused



=== TEST 2: all tokens of it, of either kind and refreshed ones
--- init
our @tokens = map { $_->(origin_jti => 'one', jti => 'j-' . rand) }
    \&id_token, \&access_token, sub { id_token(iat => int time + 5, @_) };
becomes($_, 200) for @tokens;
revoke('j:one');
becomes($_, 401) for @tokens;
--- request
GET /t
--- response_body
user-1



=== TEST 3: without origin_jti it is the jti that names the sign-in
--- init
our $old = id_token(origin_jti => undef, jti => 'two');
our $odd = id_token(origin_jti => 7, jti => 'two');
our $long = id_token(origin_jti => 'x' x 256, jti => 'two');
our $other = id_token(origin_jti => 'three', jti => 'two');
revoke('j:two');
becomes($_, 401) for $old, $odd, $long;
becomes($other, 200);
--- request
GET /t
--- response_body
user-1



=== TEST 4: all tokens of a user that were issued until then
--- init
our $before = id_token(iat => int time - 60);
our $silent = id_token(iat => undef, origin_jti => undef, jti => undef);
our $after = id_token(iat => int time + 2);
becomes($_, 200) for $before, $silent, $after, $::User2;
revoke('s:user-1');
becomes($_, 401) for $before, $silent;
becomes($_, 200) for $after, $::User2;
--- more_headers eval
Convo::Token::bearer($::User2)
--- request
GET /t
--- response_body
user-2



=== TEST 5: a sub is no sign-in, and a sign-in is no sub
--- init
revoke('j:user-1');
revoke('s:origin-1');
sleep 0.2;
--- request
GET /t
--- response_body
user-1



=== TEST 6: what was revoked before a process began is known to it
--- init
revoke('j:origin-1');
Convo::Pool::reload();
--- request
GET /t
--- error_code: 401
--- response_body_like eval: $::Refused



=== TEST 7: more than a page of them, the first and the last
--- init
run_script('revoke', [$::Set], "j:$_", 0, '', '', '') for 1 .. 2500;
Convo::Pool::reload();
our @known = map { status_of(id_token(origin_jti => "$_")) } 1, 1250,
    2500, 2501;
--- request
GET /t
--- response_body
user-1
--- after
is("@::known", '401 401 401 200', 'each is known');



=== TEST 8: one that is older than the lifetime counts no more
--- http_config eval
Convo::Pool::http()
--- config
    location = /t { convo_auth_revocation on lifetime=1h; return 204; }
--- init
my $now = int time;
redis('ZADD', $::Set, 1000 * ($now - 3700), 'j:old',
    1000 * ($now - 3500), 'j:young');
Convo::Pool::reload();
becomes(id_token(origin_jti => 'young'), 401);
becomes(id_token(origin_jti => 'old'), 204);
--- request
GET /t
--- error_code: 204



=== TEST 17: of a Redis the longest lifetime of all locations counts
--- config
    location = /t { convo_auth_revocation on lifetime=1h; return 204; }
--- init
redis('ZADD', $::Set, 1000 * (int(time) - 3700), 'j:one');
Convo::Pool::reload();
becomes($::One, 401);
--- request
GET /t
--- error_code: 204



=== TEST 9: off, nothing is asked
--- config
    location = /t { convo_auth_revocation off; return 204; }
    location = /on { return 204; }
--- init
revoke('j:origin-1');
sleep 0.3;
--- request eval
["GET /t", "GET /on"]
--- error_code eval
[204, 401]



=== TEST 10: a token that is in the cache is refused as well
--- http_config eval
Convo::Pool::http() . 'convo_auth_revocation on;
    convo_auth_cache zone=tokens:1m;'
--- init
our $token = id_token(origin_jti => 'one');
becomes($token, 200) for 1 .. 3;
revoke('j:one');
becomes($token, 401);
is(status_of($token), 401, 'and again');
--- request
GET /t
--- response_body
user-1



=== TEST 11: a token's own faults come first
--- init
revoke('s:user-1');
sleep 0.2;
--- more_headers eval
Convo::Token::bearer($::Expired)
--- request
GET /t
--- error_code: 401
--- response_body_like: "code":"invalid_token"



=== TEST 12: scripts are asked, also before the feed has told
--- init
redis('ZADD', '{default}:revoked', 1000 * time, 'j:origin-1');
--- request eval
["POST /api/join", "POST /api/leave", "GET /api/session",
 "POST /api/report\n{\"sessionId\":\"$::SID\",\"reason\":\"rude\"}"]
--- more_headers eval
Convo::Token::bearer(Convo::Pool::token_of('user-1'))
    . "\nContent-Type: application/json"
--- error_code eval
[401, 401, 200, 401]
--- response_body_like eval
[($::Refused) x 2, '"state":"idle"', $::Refused]



=== TEST 13: what scripts are asked is the pool's own
--- init
revoke('j:origin-1', 'other');
--- request
POST /api/join
--- response_body_like: "state":"waiting"



=== TEST 14: off, scripts are not asked
--- http_config eval
Convo::Pool::http() . "convo_auth_revocation off;\n"
--- init
redis('ZADD', $_, 1000 * time, 'j:origin-1', 1000 * time, 's:user-1')
    for '{default}:revoked', $::Set;
--- request
POST /api/join
--- response_body_like: "state":"waiting"



=== TEST 15: rubbish in the set or on the channel hides nothing
--- init
redis("ZADD", $::Set, 1000 * time, "rubbish", -5, 'j:early', 1.5, 'j:half');
revoke('j:one');
Convo::Pool::reload();
redis('PUBLISH', $::Set, 'rubbish');
revoke('j:two');
becomes(id_token(origin_jti => 'one'), 401);
becomes(id_token(origin_jti => 'two'), 401);
--- request
GET /t
--- response_body
user-1
--- error_log
what is there is no revocation



=== TEST 16: with "satisfy any" it is no way in either
--- config
    location = /t { satisfy any; deny all; convo_session; }
--- init
revoke('j:origin-1');
becomes(token_of('user-1'), 401);
--- request
GET /t
--- error_code: 401
