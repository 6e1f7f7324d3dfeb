# What auth directives refuse: the message names the directive, quotes the
# value and says what was expected.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config);

our $Config = auth_config();

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config)
        unless defined $block->http_config;
    return if $block->request;
    $block->set_value('must_die', '');
    $block->set_value('suppress_stderr', '');
});

run_tests();

__DATA__

=== TEST 1: convo_auth is a switch
--- config
    convo_auth yes;
--- error_log
invalid value "yes" in "convo_auth" directive, it must be "on" or "off"



=== TEST 2: an issuer is a URL
--- config
    convo_auth_issuer cognito;
--- error_log
invalid value "cognito" in "convo_auth_issuer", expected the issuer's URL



=== TEST 3: an issuer is said once at a level
--- config
    convo_auth_issuer https://a/;
    convo_auth_issuer https://b/;
--- error_log
"convo_auth_issuer" directive is duplicate



=== TEST 4: a client is not empty
--- config
    convo_auth_client "";
--- error_log
empty value "" in "convo_auth_client", expected a name



=== TEST 5: a provider is not empty
--- config
    convo_auth_identity_provider Google "";
--- error_log
empty value "" in "convo_auth_identity_provider", expected a name



=== TEST 6: the use of a token is one of four
--- config
    convo_auth_token_use refresh;
--- error_log
invalid value "refresh" in "convo_auth_token_use", expected "id", "access", "any" or "none"



=== TEST 7: a token comes from known places
--- config
    convo_auth_token header body=token;
--- error_log
invalid value "body=token" in "convo_auth_token", expected "header", "cookie=NAME" or "query=NAME"



=== TEST 8: a cookie has a name
--- config
    convo_auth_token cookie=;
--- error_log
invalid value "cookie=" in "convo_auth_token", expected "header", "cookie=NAME" or "query=NAME"



=== TEST 9: a required claim has a name and a value
--- config
    convo_auth_require email_verified;
--- error_log
invalid value "email_verified" in "convo_auth_require", expected "CLAIM=VALUE"



=== TEST 10: a required claim has a name
--- config
    convo_auth_require =true;
--- error_log
invalid value "=true" in "convo_auth_require", expected "CLAIM=VALUE", "CLAIM!=VALUE" or "CLAIM~REGEX"



=== TEST 11: the leeway is a short time
--- config
    convo_auth_leeway 1h;
--- error_log
invalid value "1h" in "convo_auth_leeway", expected a time of at most 10m



=== TEST 12: the leeway is a time
--- config
    convo_auth_leeway -5;
--- error_log
invalid value "-5" in "convo_auth_leeway", expected a time of at most 10m



=== TEST 13: keys are requested from a location
--- config
    convo_auth_keys_request https://idp.example/jwks.json;
--- error_log
invalid value "https://idp.example/jwks.json" in "convo_auth_keys_request", expected the URI of an internal location



=== TEST 14: a keys request has no other parameter than check
--- config
    convo_auth_keys_request /keys every=10s;
--- error_log
invalid parameter "every=10s" in "convo_auth_keys_request", expected "check=TIME"



=== TEST 15: keys come from one place at a level
--- config eval
my ($file) = $::Config =~ /(convo_auth_keys_file \S+;)/;
"convo_auth_keys_request /keys; $file"
--- error_log
"convo_auth_keys_file" directive is duplicate: keys come from one file or one request



=== TEST 16: sign-in without an issuer is refused
--- http_config eval: $::Config =~ s/convo_auth_issuer .*;//r
--- config
    location /t { convo_auth on; }
--- error_log
"convo_auth on" in location "/t" needs "convo_auth_issuer"



=== TEST 17: sign-in without a client is refused
--- http_config eval: $::Config =~ s/convo_auth_client .*;//r
--- config
    location /t { convo_auth on; }
--- error_log
"convo_auth on" in location "/t" needs "convo_auth_client"



=== TEST 18: sign-in without keys is refused
--- http_config eval: $::Config =~ s/convo_auth_keys_file .*;//r
--- config
    location /t { convo_auth on; }
--- error_log
"convo_auth on" in location "/t" needs "convo_auth_keys_file" or "convo_auth_keys_request"



=== TEST 19: access tokens never say that an address is verified
--- config
    location /t {
        convo_auth on;
        convo_auth_token_use access;
        convo_auth_require email_verified=true;
    }
--- error_log
"convo_auth_require email_verified" in location "/t" cannot hold for access tokens, expected "convo_auth_token_use id", or "email_verified=true" and a "convo_sign_in"



=== TEST 20: nor where both kinds are taken
--- config
    location /t {
        convo_auth on;
        convo_auth_token_use any;
        convo_auth_require email_verified=true;
    }
--- error_log
"convo_auth_require email_verified" in location "/t" cannot hold for access tokens, expected "convo_auth_token_use id", or "email_verified=true" and a "convo_sign_in"



=== TEST 21: a server's return cannot be protected
--- config
    convo_auth on;
    return 200 "secret\n";
--- error_log
answers before "convo_auth on" is asked, expected it inside a location, or "convo_auth off" in the server



=== TEST 22: nor can it inside "if"
--- config
    convo_auth on;
    if ($arg_a) { return 200 "secret\n"; }
--- error_log
answers before "convo_auth on" is asked, expected it inside a location



=== TEST 23: nor can a server's redirecting rewrite
--- config
    convo_auth on;
    rewrite ^/a$ /b permanent;
--- error_log
answers before "convo_auth on" is asked, expected it inside a location



=== TEST 24: nor a rewrite to another host
--- config
    convo_auth on;
    rewrite ^/a$ https://other.example/;
--- error_log
answers before "convo_auth on" is asked, expected it inside a location



=== TEST 25: a server's return that http has put under sign-in is refused
--- http_config eval: $::Config . 'convo_auth on;'
--- config
    return 200 "secret\n";
--- error_log
answers before "convo_auth on" is asked, expected it inside a location



=== TEST 26: a return under "satisfy any" cannot be protected
--- config
    location /t { satisfy any; convo_auth on; return 200 "secret\n"; }
--- error_log
"return" or a redirecting "rewrite" in location "/t" answers before "convo_auth on" is asked, expected "satisfy all"



=== TEST 27: nor a redirect in an "if" under "satisfy any"
--- config
    satisfy any;
    location /t { convo_auth on; if ($arg_a) { rewrite ^ /b redirect; } }
--- error_log
in location "/t" answers before "convo_auth on" is asked, expected "satisfy all"



=== TEST 28: rewrites that stay inside, set and break are no answer
--- config
    satisfy any;
    convo_auth on;
    set $a 1;
    rewrite ^/a$ /t;
    location /t {
        set $a 2;
        if ($arg_b) { break; }
        rewrite ^/b$ /c last;
        rewrite ^/d$ /e break;
        try_files /index.html =404;
    }
--- request
GET /a
--- error_code: 401



=== TEST 29: a server without sign-in may return before its locations
--- config
    if ($arg_old) { return 301 /new; }
    location /t { convo_auth on; return 200 "secret\n"; }
--- request eval
["GET /t?old=1", "GET /t"]
--- error_code eval
[301, 401]
