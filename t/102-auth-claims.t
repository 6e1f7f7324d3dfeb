# What a location asks of a verified token: convo_auth_issuer, _client,
# _token_use, _require, _identity_provider and _leeway.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw($CLIENT access_token auth_config bearer id_token);

our $Config = auth_config();
our $Client = $CLIENT;

# The header lines of ID tokens with these claims, one for each hash.
sub bearers {
    return [ map { bearer(id_token(%$_)) } @_ ];
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config) unless $block->http_config;
});

run_tests();

__DATA__

=== TEST 1: the issuer is compared unescaped and exactly
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
my $iss = $Convo::Token::ISSUER;
::bearers({}, { iss => "$iss/" }, { iss => uc $iss }, { iss => undef })
--- error_code eval
[200, 401, 401, 401]



=== TEST 2: another pool's token is refused, though the same key signed it
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval
::bearer(::id_token(iss => 'https://cognito-idp.eu-central-1.amazonaws.com/B'))
--- error_code: 401
--- response_headers_like
WWW-Authenticate: Bearer error="invalid_token", error_description="The token is of another issuer."
--- error_log
convo auth: refused, issuer



=== TEST 3: any of several clients is let in, no other
--- config
    convo_auth_client client-1 client-2;
    convo_auth_client client-3;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::bearers({ aud => 'client-1' }, { aud => 'client-2' }, { aud => 'client-3' },
          { aud => 'client-4' }, { aud => undef })
--- error_code eval
[200, 200, 200, 401, 401]



=== TEST 4: by default an access token is refused
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::bearer(::access_token())
--- error_code: 401
--- error_log
convo auth: refused, token_use



=== TEST 5: convo_auth_token_use access takes access tokens alone
--- config
    convo_auth_token_use access;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[::bearer(::access_token()), ::bearer(::id_token()),
 ::bearer(::access_token(client_id => 'client-9')),
 ::bearer(::access_token(client_id => undef, aud => $::Client))]
--- error_code eval
[200, 401, 401, 401]



=== TEST 6: convo_auth_token_use any takes both, and nothing else
--- config
    convo_auth_token_use any;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[::bearer(::access_token()), ::bearer(::id_token()),
 ::bearer(::id_token(token_use => 'refresh')),
 ::bearer(::id_token(token_use => undef))]
--- error_code eval
[200, 200, 401, 401]



=== TEST 7: an expired token is refused, within the leeway it is not
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
::bearers({ exp => time - 1 }, { exp => time - 31 }, { exp => undef })
--- error_code eval
[200, 401, 401]



=== TEST 8: a token of tomorrow is refused, within the leeway it is not
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
::bearers({ nbf => time + 20 }, { nbf => time + 300 },
          { iat => time + 20 }, { iat => time + 300 })
--- error_code eval
[200, 401, 200, 401]



=== TEST 9: the leeway is what the location says
--- config
    location /none { convo_auth on; convo_auth_leeway 0; return 200 "in\n"; }
    location /long { convo_auth on; convo_auth_leeway 2m; return 200 "in\n"; }
--- request eval
["GET /none", "GET /long", "GET /long"]
--- more_headers eval
::bearers({ exp => time - 2 }, { exp => time - 60 }, { exp => time - 130 })
--- error_code eval
[401, 200, 401]



=== TEST 10: times that are no times are refused
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::bearers({ exp => '99999999999' }, { exp => 1e300 }, { exp => -1 },
          { nbf => 'now' }, { exp => [time + 60] })
--- error_code eval
[(401) x 5]



=== TEST 11: a token must name a subject
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
::bearers({ sub => undef }, { sub => '' }, { sub => "a\r\nX: y" },
          { sub => 'x' x 256 })
--- error_code eval
[(401) x 4]



=== TEST 12: an unverified address is refused with its own code
--- config
    convo_auth_require email_verified=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::bearers({ email_verified => \0 }, { email_verified => undef },
          { email_verified => 1 }, { email_verified => 'yes' },
          { email_verified => 'false' })
--- error_code eval
[(403) x 5]
--- response_body_like eval
[(qr/"status":403,"code":"email_not_verified"/) x 5]



=== TEST 13: a verified address is let in, as boolean and as string
--- config
    convo_auth_require email_verified=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
::bearers({ email_verified => \1 }, { email_verified => 'true' })
--- error_code eval
[200, 200]



=== TEST 14: several required claims must all hold
--- config
    convo_auth_require email_verified=true custom:plan=pro;
    convo_auth_require level=15;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 4]
--- more_headers eval
my %all = ('custom:plan' => 'pro', level => 15);
::bearers({ %all }, { %all, level => 16 }, { %all, 'custom:plan' => 'Pro' },
          { level => 15 })
--- error_code eval
[200, 403, 403, 403]
--- response_body_like eval
["in", (qr/"code":"forbidden"/) x 3]



=== TEST 15: of a list one member must be the value
--- config
    convo_auth_require cognito:groups=admins;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
::bearers({ 'cognito:groups' => ['users', 'admins'] },
          { 'cognito:groups' => ['users', 'admins2'] })
--- error_code eval
[200, 403]



=== TEST 16: a provider counts by an identity's providerName alone
--- config
    convo_auth_identity_provider Google SignInWithApple;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 6]
--- more_headers eval
::bearers({}, { identities => [{ providerName => 'SignInWithApple' }] },
  { identities => [{ providerName => 'Facebook', providerType => 'Google' }] },
  { identities => undef, 'cognito:username' => 'Google_1' },
  { identities => ['Google'] }, { identities => { providerName => 'Google' } })
--- error_code eval
[200, 200, 403, 403, 403, 403]
--- response_body_like eval
["in", "in", (qr/"code":"provider_not_allowed"/) x 4]



=== TEST 17: identities may come as the text of a JSON array
--- config
    convo_auth_identity_provider Google;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
::bearers({ identities => '[{"providerName":"Google"}]' },
          { identities => '[{"providerName":"Goggle"}]' })
--- error_code eval
[200, 403]



=== TEST 18: a token's own fault is told before what the account lacks
--- config
    convo_auth_require email_verified=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval
::bearer(::id_token(email_verified => \0, exp => time - 60))
--- error_code: 401
--- response_body_like: "invalid_token"



=== TEST 19: a location below inherits, and its own directive takes the place
--- config
    convo_auth on;
    convo_auth_require email_verified=true;
    location /a { return 200 "in\n"; }
    location /b { convo_auth_require level=1; return 200 "in\n"; }
    location /c { convo_auth off; return 200 "open\n"; }
--- request eval
["GET /a", "GET /b", "GET /c"]
--- more_headers eval
::bearers(({ email_verified => \0, level => 1 }) x 3)
--- error_code eval
[403, 200, 200]
