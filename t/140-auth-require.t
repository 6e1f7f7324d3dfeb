# convo_auth_require: CLAIM=VALUE and CLAIM!=VALUE, for claims of every type.
# The rules one by one are in t/unit/test_require.c.

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

=== TEST 1: a string is compared exactly, whatever escapes it was sent with
--- config
    convo_auth_require custom:plan=pro;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::members(',"custom:plan":"pro"', ',"custom:pl\u0061n":"\u0070ro"',
          ',"custom:plan":"Pro"', ',"custom:plan":{"pro":true}', '')
--- error_code eval
[200, 200, 403, 403, 403]
--- response_body_like eval
["in", "in", (qr/"code":"forbidden"/) x 3]



=== TEST 2: a number is a number, however it is spelt
--- config
    convo_auth_require age=18;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 6]
--- more_headers eval
::members(',"age":18', ',"age":18.0', ',"age":1.8e1',
          ',"age":18.000000000000000000001', ',"age":"18"', ',"age":-18')
--- error_code eval
[200, 200, 200, 403, 403, 403]



=== TEST 3: in quotation marks it is a string
--- config
    convo_auth_require custom:level="15" 'custom:name="Ann B"';
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 3]
--- more_headers eval
::members(',"custom:level":"15","custom:name":"Ann B"',
          ',"custom:level":15,"custom:name":"Ann B"',
          ',"custom:level":"15.0","custom:name":"Ann B"')
--- error_code eval
[200, 403, 403]



=== TEST 4: a boolean is no string, but for email_verified
--- config
    location /admin {
        convo_auth on; convo_auth_require admin=true; return 200 "in\n";
    }
    location /mail {
        convo_auth on; convo_auth_require email_verified=true;
        return 200 "in\n";
    }
--- request eval
[("GET /admin") x 3, ("GET /mail") x 3]
--- more_headers eval
::members(',"admin":true', ',"admin":"true"', ',"admin":1',
          map { qq(,"email_verified":$_) } 'true', '"true"', '"True"')
--- error_code eval
[200, 403, 403, 200, 200, 403]



=== TEST 5: of a list one element must be the value
--- config
    convo_auth_require cognito:groups=admins;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::members(map { qq(,"cognito:groups":$_) } '["users","admins"]', '"admins"',
          '["admins2"]', '[["admins"]]', '[]')
--- error_code eval
[200, 200, 403, 403, 403]



=== TEST 6: != wants the claim to be there, and to be surely another
--- config
    convo_auth_require custom:banned!=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 7]
--- more_headers eval
::members((map { qq(,"custom:banned":$_) } 'false', '"no"', 'true', '"true"',
           'null', '{}'), '')
--- error_code eval
[200, 200, 403, 403, 403, 403, 403]



=== TEST 7: a claim with a question mark may be missing
--- config
    convo_auth_require cognito:groups?!=banned;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
::members('', (map { qq(,"cognito:groups":$_) } '[]', '["users"]',
               '["users","banned"]', '{"banned":1}'))
--- error_code eval
[200, 200, 200, 403, 403]



=== TEST 8: a path leads into claims, and a name with dots comes first
--- config
    location /a {
        convo_auth on; convo_auth_require address.country=DE;
        return 200 "in\n";
    }
    location /r {
        convo_auth on; convo_auth_require https://x.y/role=editor;
        return 200 "in\n";
    }
    location /i {
        convo_auth on; convo_auth_require identities.0.userId="7";
        return 200 "in\n";
    }
--- request eval
["GET /a", "GET /a", "GET /a", "GET /r", "GET /i", "GET /i", "GET /i"]
--- more_headers eval
::members(',"address":{"country":"DE"}', ',"address":{"country":"AT"}',
          ',"address":{"country":"DE"},"address.country":"AT"',
          ',"https://x.y/role":"editor"', ',"identities":[{"userId":"7"}]',
          ',"identities":"[{\"userId\":\"7\"}]"',
          ',"identities":"[{\"userId\":\"8\"}]"')
--- error_code eval
[200, 403, 403, 200, 200, 200, 403]



=== TEST 9: a token's own fault comes before what it lacks
--- config
    convo_auth_require admin=true;
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::bearer(::id_token(exp => time - 100))
--- error_code: 401
--- error_log
convo auth: refused, expired



=== TEST 10: a location's requires are its own, or its server's
--- config
    convo_auth_require a=1;
    location /outer { convo_auth on; return 200 "in\n"; }
    location /inner {
        convo_auth on; convo_auth_require b=2; return 200 "in\n";
    }
--- request eval
["GET /outer", "GET /inner", "GET /outer", "GET /inner"]
--- more_headers eval
::members(',"a":1', ',"a":1', ',"b":2', ',"b":2')
--- error_code eval
[200, 403, 403, 200]



=== TEST 11: what is no require is refused
--- config
    convo_auth_require admins;
--- must_die
--- error_log
invalid value "admins" in "convo_auth_require", expected "CLAIM=VALUE", "CLAIM!=VALUE" or "CLAIM~REGEX"



=== TEST 12: a claim has a name
--- config
    convo_auth_require a=1 ?!=1;
--- must_die
--- error_log
invalid value "?!=1" in "convo_auth_require", expected "CLAIM=VALUE"



=== TEST 13: an address of which nothing is said is not verified
--- config
    convo_auth_require email_verified?=true;
--- must_die
--- error_log
invalid value "email_verified?=true" in "convo_auth_require": an address of which nothing is said is not verified, expected "email_verified=true"
