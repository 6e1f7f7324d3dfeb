# convo_auth_identity_provider: "identities" as an array and as its JSON text.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw($CLIENT $ISSUER auth_config bearer id_token token);

our $Config = auth_config();

# The header lines of ID tokens with these members of JSON, one for each.
sub members {
    my $good = sprintf '"sub":"u","iss":"%s","aud":"%s","token_use":"id",'
        . '"exp":%d', $ISSUER, $CLIENT, time + 300;

    return [ map { bearer(token(-payload => "{$good$_}")) } @_ ];
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
    $block->set_value('suppress_stderr', '') if defined $block->must_die;
});

run_tests();

__DATA__

=== TEST 1: an array, or the text of one
--- config
    convo_auth_identity_provider Google;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
::members(map { qq(,"identities":$_) } '[{"providerName":"Google"}]',
    '"[{\"providerName\":\"Google\"}]"',
    '"[{\"providerName\":\"X\"},{\"provider\u004eame\":\"\\\\u0047oogle\"}]"')
--- error_code eval
[200, 200, 200]



=== TEST 2: any other text is none
--- config
    convo_auth_identity_provider Google;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 9]
--- more_headers eval
::members((map { qq(,"identities":$_) } '""', '"Google"',
    '"{\"providerName\":\"Google\"}"', '"[{\"providerName\":\"google\"}]"',
    '"[{\"providerName\":\"Google\"}"', '"[{\"providerName\":\"Google\"}]x"',
    '"[{\"providerName\":\"Google\",\"providerName\":\"Google\"}]"',
    '"[[[[{\"providerName\":\"Google\"}]]]]"'), '')
--- error_code eval
[(403) x 9]
--- response_body_like eval
[(qr/"code":"provider_not_allowed"/) x 9]



=== TEST 3: a text may be long, but not endless
--- config
    convo_auth_identity_provider Google;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
my $one = '{\"providerName\":\"Google\"}';
::members(qq(,"identities":"[$one] ) . ' ' x 8000 . '"',
          qq(,"identities":"[$one] ) . ' ' x 9000 . '"')
--- error_code eval
[200, 403]
