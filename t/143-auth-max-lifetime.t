# convo_auth_max_lifetime: from iat to exp, and no longer.

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

=== TEST 1: a token that lives longer is refused for itself
--- config
    convo_auth_max_lifetime 1h;
    convo_auth_require admin=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
my $now = time - 100;
[map { ::bearer(::id_token(admin => \1, iat => $now, exp => $now + $_)) }
 3600, 3601, 86400]
--- error_code eval
[200, 401, 401]
--- response_body_like eval
["in", (qr/"code":"invalid_token"/) x 2]



=== TEST 2: the refusal has its own word, and comes before any 403
--- config
    convo_auth_max_lifetime 1h;
    convo_auth_require admin=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::bearer(::id_token(exp => time + 7200))
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token", error_description="The token lives longer than accepted."
--- error_log
convo auth: refused, lifetime



=== TEST 3: iat must be there, and be a time
--- config
    convo_auth_max_lifetime 1h;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
[map { ::bearer(::id_token(iat => $_)) } undef, 'now', -1]
--- error_code eval
[401, 401, 401]



=== TEST 4: without it, or with off, a token lives as long as it says
--- http_config
    convo_auth_max_lifetime 1h;
--- config
    location /in { convo_auth on; return 200 "in\n"; }
    location /off {
        convo_auth on; convo_auth_max_lifetime off; return 200 "in\n";
    }
--- request eval
["GET /in", "GET /off", "GET /off"]
--- more_headers eval
[map { ::bearer(::id_token(%$_)) } { exp => time + 9999 },
 { exp => time + 9999 }, { iat => undef }]
--- error_code eval
[401, 200, 200]



=== TEST 5: a lifetime is a time
--- config
    convo_auth_max_lifetime 0;
--- must_die
--- error_log
invalid value "0" in "convo_auth_max_lifetime", expected a time of at least 1s, or "off"



=== TEST 6: it is said once at a level
--- config
    convo_auth_max_lifetime 1h;
    convo_auth_max_lifetime 2h;
--- must_die
--- error_log
"convo_auth_max_lifetime" directive is duplicate



=== TEST 7: each of several issuers has its own
--- http_config eval
my ($keys) = $::Config =~ /convo_auth_keys_file (\S+);/;
"convo_auth_provider short {
    convo_auth_issuer https://short.example;
    convo_auth_client $Convo::Token::CLIENT;
    convo_auth_keys_file $keys;
    convo_auth_max_lifetime 1m;
}
convo_auth_provider any {
    convo_auth_issuer https://any.example;
    convo_auth_client $Convo::Token::CLIENT;
    convo_auth_keys_file $keys;
}"
--- config
    location /t { convo_auth on; convo_auth_accept short any; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
[map { ::bearer(::id_token(iss => "https://$_->[0].example",
                           exp => time + $_->[1])) }
 ['short', 60], ['short', 300], ['any', 300]]
--- error_code eval
[200, 401, 200]
