# convo_auth_require with variables on the right side.

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

=== TEST 1: the value is this request's
--- config
    convo_auth_require tenant=$arg_tenant;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?tenant=a", "GET /t?tenant=b", "GET /t?tenant=A", "GET /t?tenant=a.b"]
--- more_headers eval
::members((',"tenant":"a"') x 4)
--- error_code eval
[200, 403, 403, 403]



=== TEST 2: it is taken as the type of the claim
--- config
    convo_auth_require tenant=$arg_tenant;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?tenant=7", "GET /t?tenant=7.0", "GET /t?tenant=7",
 "GET /t?tenant=7.0", "GET /t?tenant=true", "GET /t?tenant=null"]
--- more_headers eval
::members(map { qq(,"tenant":$_) } '7', '7', '"7"', '"7"', 'true', 'null')
--- error_code eval
[200, 200, 200, 403, 200, 403]



=== TEST 3: in quotation marks it is a string
--- config
    convo_auth_require 'tenant="$arg_tenant"';
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?tenant=7", "GET /t?tenant=7"]
--- more_headers eval
::members(',"tenant":"7"', ',"tenant":7')
--- error_code eval
[200, 403]



=== TEST 4: an empty variable is equal to nothing
--- config
    convo_auth_require tenant=$arg_tenant;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t?tenant=", "GET /t"]
--- more_headers eval
::members(',"tenant":""', ',"tenant":""', ',"tenant":[""]')
--- error_code eval
[403, 403, 403]



=== TEST 5: different from a variable; from an empty one all are
--- http_config
    map $arg_who $blocked { default ''; x u-1; }
--- config
    convo_auth_require sub!=$blocked;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?who=x", "GET /t", "GET /t?who=x"]
--- more_headers eval
[map { ::bearer(::id_token(sub => $_)) } 'u-1', 'u-1', 'u-2']
--- error_code eval
[403, 200, 200]



=== TEST 6: text around variables, and a list of claims
--- config
    convo_auth_require cognito:groups=team-$arg_t/$request_method;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?t=1", "GET /t?t=2"]
--- more_headers eval
::members((',"cognito:groups":["x","team-1/GET"]') x 2)
--- error_code eval
[200, 403]



=== TEST 7: a token known from another request is asked again
--- http_config
    convo_auth_cache zone=tokens:1m;
--- config
    convo_auth_require tenant=$arg_tenant;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t?tenant=a", "GET /t?tenant=b", "GET /t?tenant=a"]
--- more_headers eval
my $token = ::members(',"tenant":"a"')->[0]; [($token) x 3]
--- error_code eval
[200, 403, 200]



=== TEST 8: a variable that nobody makes is refused
--- config
    convo_auth_require tenant=$no_such_variable;
    location /t { convo_auth on; return 200 "in\n"; }
--- must_die
--- error_log
unknown "no_such_variable" variable
