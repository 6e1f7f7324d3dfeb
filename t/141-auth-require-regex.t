# convo_auth_require with CLAIM~REGEX: NGINX's own expressions, for strings.

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

=== TEST 1: an expression is found anywhere, unless it says where
--- config
    location /any {
        convo_auth on; convo_auth_require email~example\.com;
        return 200 "in\n";
    }
    location /end {
        convo_auth on; convo_auth_require "email~^[^@]+@example\.com$";
        return 200 "in\n";
    }
--- request eval
["GET /any", "GET /any", "GET /end", "GET /end", "GET /end"]
--- more_headers eval
::members(map { qq(,"email":"$_") } 'a@example.com.evil.org', 'a@exampleXcom',
          'a@example.com', 'a@example.com.evil.org', 'a@b@example.com')
--- error_code eval
[200, 403, 200, 403, 403]



=== TEST 2: ~* looks at no case
--- config
    location /s { convo_auth on; convo_auth_require a~^x$; return 200 "in\n"; }
    location /i { convo_auth on; convo_auth_require a~*^x$; return 200 "in\n"; }
--- request eval
["GET /s", "GET /i"]
--- more_headers eval
::members(',"a":"X"', ',"a":"X"')
--- error_code eval
[403, 200]



=== TEST 3: of a list one string must match, and only strings do
--- config
    convo_auth_require cognito:groups~^team-;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 6]
--- more_headers eval
::members((map { qq(,"cognito:groups":$_) } '["x","team-1"]', '"team-2"',
           '["x"]', '[["team-1"]]', '{"team-1":"team-1"}'), '')
--- error_code eval
[200, 200, 403, 403, 403, 403]



=== TEST 4: a number is no text
--- config
    convo_auth_require age~1;
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
::members(',"age":"18"', ',"age":18')
--- error_code eval
[200, 403]



=== TEST 5: an expression that gives up does not match, and is logged
--- config
    convo_auth_require "a~(*LIMIT_MATCH=10)^(a+)+$";
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: ::members(',"a":"' . 'a' x 60 . 'b"')->[0]
--- error_code: 403
--- error_log
convo auth: the expression of "a" gave up



=== TEST 6: what is no expression is refused
--- config
    convo_auth_require a~(;
--- must_die
--- error_log eval
qr/"convo_auth_require": .*pcre/



=== TEST 7: nor is none at all
--- config
    convo_auth_require a~*;
--- must_die
--- error_log
invalid value "a~*" in "convo_auth_require", expected "CLAIM=VALUE"
