# convo_claim_set: claims inside claims as variables.

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

=== TEST 1: members, elements, and names with dots
--- http_config
    convo_claim_set $country address.country;
    convo_claim_set $group cognito:groups.1;
    convo_claim_set $role https://x.y/role;
    convo_claim_set $user identities.0.userId;
    convo_claim_set $address address;
--- config
    location /t {
        convo_auth on;
        return 200 "$country|$group|$role|$user|$address\n";
    }
--- request
GET /t
--- more_headers eval
::members(',"address":{"country":"DE","n":[1.50,null]},'
    . '"cognito:groups":["a","b"],"https://x.y/role":"editor",'
    . '"identities":[{"userId":"7"}]')->[0]
--- response_body
DE|b|editor|7|{"country":"DE","n":[1.50,null]}



=== TEST 2: identities that were sent as JSON text are looked into
--- http_config
    convo_claim_set $provider identities.0.providerName;
    convo_claim_set $identities identities;
--- config
    location /t { convo_auth on; return 200 "$provider|$identities\n"; }
--- request
GET /t
--- more_headers eval
::members(',"identities":"[{\"providerName\":\"Google\"}]"')->[0]
--- response_body
Google|[{"providerName":"Google"}]



=== TEST 3: what is not there is empty, and null is not there
--- http_config
    convo_claim_set $a a.b;
    convo_claim_set $n n;
    convo_claim_set $l l.2;
--- config
    location /t { convo_auth on; return 200 "[$a][$n][$l]\n"; }
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
::members('', ',"a":"b","n":null,"l":["x","y"]')
--- response_body eval
["[][][]\n", "[][][]\n"]



=== TEST 4: it never carries a control character
--- http_config
    convo_claim_set $name profile.name;
    convo_claim_set $profile profile;
    convo_claim_set $del del.0;
--- config
    location /t {
        convo_auth on;
        add_header X-Name "n$name";
        add_header X-Del "d$del";
        return 200 "$profile\n";
    }
--- request
GET /t
--- more_headers eval
::members(',"profile":{"name":"a\r\nX-Evil: 1"},"del":["a\u007f"]')->[0]
--- response_headers
X-Name: n
X-Del: d
!X-Evil
--- response_body
{"name":"a\r\nX-Evil: 1"}



=== TEST 5: it is empty where sign-in is off, and after a refusal
--- http_config
    convo_claim_set $country address.country;
--- config
    location /off { return 200 "[$country]\n"; }
    location /t {
        convo_auth on;
        convo_auth_require address.country=AT;
        error_page 403 = @no;
    }
    location @no { convo_auth off; return 200 "[$country]\n"; }
--- request eval
["GET /off", "GET /t"]
--- more_headers eval
::members((',"address":{"country":"DE"}') x 2)
--- response_body eval
["[]\n", "[]\n"]



=== TEST 6: a map and a header upstream take it
--- http_config
    convo_claim_set $country address.country;
    map $country $is_eu { default no; DE yes; }
--- config
    location /t {
        convo_auth on;
        proxy_set_header X-Country $country;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/up;
    }
    location /up { return 200 "$http_x_country\n"; }
    location /m { convo_auth on; return 200 "$is_eu\n"; }
--- request eval
["GET /t", "GET /m"]
--- more_headers eval
::members((',"address":{"country":"DE"}') x 2)
--- response_body eval
["DE\n", "yes\n"]



=== TEST 7: it is set once
--- http_config
    convo_claim_set $country address.country;
    convo_claim_set $country country;
--- config
--- must_die
--- error_log
the duplicate "country" variable



=== TEST 8: nor is it a variable that somebody else sets
--- http_config
    map $host $country { default x; }
    convo_claim_set $country address.country;
--- config
--- must_die
--- error_log
the variable "$country" in "convo_claim_set" has a value already



=== TEST 9: nor one of NGINX's
--- http_config
    convo_claim_set $host address.country;
--- config
--- must_die
--- error_log
the duplicate "host" variable



=== TEST 10: and nobody sets it afterwards
--- http_config
    convo_claim_set $country address.country;
--- config
    set $country x;
--- must_die
--- error_log
the duplicate "country" variable



=== TEST 11: a variable begins with $
--- http_config
    convo_claim_set country address.country;
--- config
--- must_die
--- error_log
invalid value "country" in "convo_claim_set", expected the name of a variable



=== TEST 12: a path is not empty
--- http_config
    convo_claim_set $country '';
--- config
--- must_die
--- error_log
empty value "" in "convo_claim_set", expected the path of a claim



=== TEST 13: it is of http alone, as variables are everybody's
--- config
    convo_claim_set $country address.country;
--- must_die
--- error_log
"convo_claim_set" directive is not allowed here
