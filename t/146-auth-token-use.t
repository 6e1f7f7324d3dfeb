# convo_auth_token_use: what kind of token is taken, and the ID tokens of
# providers that do not say which kind they are.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(access_token auth_config bearer id_token token);

our $Config = auth_config();

# As Google signs it, by the key and for the client of the suites:
# {"iss":"https://accounts.google.com","azp":CLIENT,"aud":CLIENT,
#  "sub":"10769150350006150715113082367","email":"ann@example.com",
#  "email_verified":true,"iat":NOW,"exp":IN AN HOUR}
sub google {
    return bearer(token(iss => 'https://accounts.google.com',
        azp => $Convo::Token::CLIENT, aud => $Convo::Token::CLIENT,
        sub => '10769150350006150715113082367', email => 'ann@example.com',
        email_verified => \1, iat => time, exp => time + 3600, @_));
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: each kind is taken where it is asked for
--- config
    convo_auth on;
    location = /default { return 200; }
    location = /id { convo_auth_token_use id; return 200; }
    location = /access { convo_auth_token_use access; return 200; }
    location = /any { convo_auth_token_use any; return 200; }
    location = /none { convo_auth_token_use none; return 200; }
--- request eval
[map { ("GET /$_") x 2 } qw(default id access any none)]
--- more_headers eval
[(::bearer(::id_token()), ::bearer(::access_token())) x 5]
--- error_code eval
[200, 401, 200, 401, 401, 200, 200, 200, 401, 401]



=== TEST 2: a provider that is not Cognito
--- config
    convo_auth_issuer https://accounts.google.com;
    convo_auth_token_use none;
    convo_auth_require email_verified=true;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request
GET /t
--- more_headers eval: ::google()
--- response_body
in 10769150350006150715113082367



=== TEST 3: its tokens for others, and those that are no ID tokens
--- config
    convo_auth_issuer https://accounts.google.com;
    convo_auth_token_use none;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
[::google(aud => 'another'), ::google(aud => undef),
 ::google(aud => undef, client_id => $Convo::Token::CLIENT),
 ::google(events => {}), ::google(token_use => 'id')]
--- error_code eval
[(401) x 5]



=== TEST 4: elsewhere they are none
--- config
    convo_auth_issuer https://accounts.google.com;
    location = /id { convo_auth on; return 200; }
    location = /any { convo_auth on; convo_auth_token_use any; return 200; }
--- request eval
["GET /id", "GET /any"]
--- more_headers eval
[::google(), ::google()]
--- error_code eval
[401, 401]
