# Signing in: a verified token becomes a cookie, and the word of an ID token
# about the e-mail address counts where access tokens are used.

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Digest::SHA qw(sha256_hex);
use Convo::Token qw(access_token auth_config bearer id_token keys_file);

# One that takes connections and answers no script.
fake_redis('SILENT', sub {
    my ($peer, @command) = @_;
    return greeting(@command);
});

our $Redis = 'convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;';
our $Signed = id_token(exp => time + 3600);
our $Access = access_token();
our $Key = '{convo}:verified:'
    . sha256_hex("$Convo::Token::ISSUER\0user-1");
our $Said = '1700000000:1';

# A place to sign in at, and one that only takes access tokens of users whose
# e-mail address is verified.
our $Places = <<'EOC';
    location = /in { convo_auth on; convo_sign_in; }
    location /t {
        convo_auth on;
        convo_auth_token_use access;
        convo_auth_require email_verified=true;
        return 200 "in $convo_user\n";
    }
EOC

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config',
        auth_config() . ($block->http_config // $Redis));
    $block->set_value('init', "::redis('FLUSHALL');\n" . ($block->init // ''));
});

add_response_body_check(sub {
    my ($block) = @_;
    eval $block->after if $block->after;
});

run_tests();

__DATA__

=== TEST 1: the token becomes a cookie that ends when it does
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request
POST /in
--- more_headers eval: ::bearer($::Signed)
--- error_code: 200
--- response_headers_like eval
"Set-Cookie: __Host-convo=\Q$::Signed\E; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=3[56]\\d\\d
Cache-Control: no-store
Content-Type: application/json"
--- response_body_like: ^\{"expiresAt":\d{10}\}$



=== TEST 2: the cookie lets in
--- config
    convo_auth_token header cookie=__Host-convo;
    location /t { convo_auth on; return 200 "in $convo_user\n"; }
--- request
GET /t
--- more_headers eval
"Cookie: __Host-convo=$::Signed\nSec-Fetch-Site: same-origin"
--- response_body
in user-1



=== TEST 3: nobody signs in without a good token
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request eval
["POST /in", "POST /in"]
--- more_headers eval
["X: y", ::bearer(::id_token(exp => time - 3600))]
--- error_code eval
[401, 401]
--- response_headers eval
["Set-Cookie:", "Set-Cookie:"]
--- response_body_like eval
["missing_token", "invalid_token"]



=== TEST 4: it is a POST without members
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request eval
["GET /in", "POST /in\n{\"a\":1}", "POST /in\n{}"]
--- more_headers eval
my $bearer = ::bearer($::Signed);
[$bearer, "$bearer\nContent-Type: application/json",
 "$bearer\nContent-Type: application/json"]
--- error_code eval
[405, 400, 200]
--- response_body_like eval
["method_not_allowed", "bad_request", "expiresAt"]



=== TEST 5: a token that no browser would keep as a cookie is refused
--- config
    large_client_header_buffers 4 16k;
    location = /in { convo_auth on; convo_sign_in; }
--- request
POST /in
--- more_headers eval: ::bearer(::id_token(filling => 'x' x 3000))
--- error_code: 413
--- response_headers
Set-Cookie:
--- response_body_like: "too_large"



=== TEST 6: an access token alone does not say that the address is verified
--- config eval: $::Places
--- request
GET /t
--- more_headers eval: ::bearer($::Access)
--- error_code: 403
--- response_body_like: "email_not_verified"



=== TEST 7: it counts after an ID token said so, for as long as is configured
--- config eval: $::Places
--- request eval
["POST /in", "GET /t"]
--- more_headers eval
[::bearer($::Signed), ::bearer($::Access)]
--- error_code eval
[200, 200]
--- response_body_like eval
["expiresAt", "^in user-1\$"]



=== TEST 8: signing in at a place for access tokens says nothing of it
--- config eval
$::Places . '
    location = /other {
        convo_auth on; convo_auth_token_use access; convo_sign_in;
    }'
--- request eval
["POST /other", "GET /t"]
--- more_headers eval
[::bearer($::Access), ::bearer($::Access)]
--- error_code eval
[200, 403]



=== TEST 9: an ID token that says otherwise ends it
--- config eval: $::Places
--- init
::redis('SET', $::Key, $::Said);
--- request eval
["GET /t", "POST /in", "GET /t"]
--- more_headers eval
[::bearer($::Access), ::bearer(::id_token(email_verified => \0)),
 ::bearer($::Access)]
--- error_code eval
[200, 200, 403]



=== TEST 10: what another user said does not count
--- config eval: $::Places
--- request eval
["POST /in", "GET /t"]
--- more_headers eval
[::bearer(::id_token(sub => 'user-2')), ::bearer($::Access)]
--- error_code eval
[200, 403]



=== TEST 11: a token's own faults come first, and ask nothing
--- config eval: $::Places
--- init
::redis('SET', $::Key, $::Said);
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::bearer(::access_token(exp => time - 3600)), ::bearer($::Signed)]
--- error_code eval
[401, 401]



=== TEST 12: Redis does not answer: nobody is let in, and nobody signed in
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_SILENT_PORT timeout=200ms;
--- config eval: $::Places
--- request eval
["GET /t", "POST /in"]
--- more_headers eval
[::bearer($::Access), ::bearer($::Signed)]
--- error_code eval
[503, 503]
--- response_headers eval
["Set-Cookie:", "Set-Cookie:"]
--- response_body_like eval
["redis_unavailable", "redis_unavailable"]
--- timeout: 5



=== TEST 13: where nobody needs to know, signing in asks no Redis
--- http_config
    # no Redis
--- config
    location = /in { convo_auth on; convo_sign_in; }
--- request
POST /in
--- more_headers eval: ::bearer($::Signed)
--- error_code: 200



=== TEST 14: under "satisfy any" the question is asked in its time
--- config eval
$::Places . '
    location /any {
        satisfy any;
        deny all;
        convo_auth on;
        convo_auth_token_use access;
        convo_auth_require email_verified=true;
        empty_gif;
    }'
--- init
::redis('SET', $::Key, $::Said);
--- request eval
["GET /any", "GET /any"]
--- more_headers eval
[::bearer($::Access), ::bearer(::access_token(sub => 'user-3'))]
--- error_code eval
[200, 403]



=== TEST 15: a location signs in or does something else
--- config
    location = /in { convo_auth on; convo_sign_in; empty_gif; convo_sign_in; }
--- must_die
--- error_log
"convo_sign_in" directive conflicts with another content handler



=== TEST 16: nobody signs in where no token is asked for
--- config
    location = /in { convo_sign_in; }
--- must_die
--- error_log
"convo_sign_in" in location "/in" needs "convo_auth on"



=== TEST 17: how long it is remembered is a time
--- config
    location = /in { convo_auth on; convo_sign_in remember=0; }
--- must_die
--- error_log
invalid parameter "remember=0" in "convo_sign_in", expected "remember=TIME"



=== TEST 18: it is remembered for that time
--- config
    location = /in { convo_auth on; convo_sign_in remember=7d; }
    location /t {
        convo_auth on;
        convo_auth_token_use any;
        convo_auth_require email_verified=true;
        return 200 "in\n";
    }
--- request eval
["POST /in", "GET /t", "GET /t"]
--- more_headers eval
[::bearer($::Signed), ::bearer($::Access), ::bearer($::Signed)]
--- error_code eval
[200, 200, 200]
--- after
my $left = ::redis('PTTL', $::Key);
cmp_ok(abs($left - 7 * 86400000), '<', 600000, 'for 7 days');



=== TEST 19: where both kinds are taken, an ID token speaks for itself
--- config eval
$::Places . '
    location /any {
        convo_auth on;
        convo_auth_token_use any;
        convo_auth_require email_verified=true;
        return 200 "in\n";
    }'
--- init
::redis('SET', $::Key, $::Said);
--- request eval
["GET /any", "GET /any"]
--- more_headers eval
[::bearer(::id_token(email_verified => \0)), ::bearer($::Access)]
--- error_code eval
[403, 200]



=== TEST 20: other requirements hold for access tokens as well
--- config
    location = /in { convo_auth on; convo_sign_in; }
    location /t {
        convo_auth on;
        convo_auth_token_use access;
        convo_auth_require email_verified=true scope=admin;
        return 200 "in\n";
    }
--- init
::redis('SET', $::Key, $::Said);
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::bearer($::Access), ::bearer(::access_token(scope => 'admin'))]
--- error_code eval
[403, 200]



=== TEST 21: without Redis it cannot be asked
--- http_config
    # no Redis
--- config eval: $::Places
--- must_die
--- error_log
"convo_auth_require email_verified=true" of access tokens in location "/t" needs "convo_redis"



=== TEST 22: only the plain requirement can be asked
--- config
    location = /in { convo_auth on; convo_sign_in; }
    location /t {
        convo_auth on;
        convo_auth_token_use access;
        convo_auth_require email_verified!=false;
    }
--- must_die
--- error_log
"convo_auth_require email_verified" in location "/t" cannot hold for access tokens



=== TEST 23: a client that goes meanwhile takes its question along
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_SILENT_PORT timeout=300ms;
--- config eval: $::Places
--- request
GET /t
--- more_headers eval: ::bearer($::Access)
--- abort
--- timeout: 0.1
--- wait: 0.6
--- ignore_response
--- no_error_log
[alert]



=== TEST 24: an older ID token says nothing any more
--- config eval: $::Places
--- request eval
["POST /in", "POST /in", "GET /t", "POST /in", "GET /t"]
--- more_headers eval
my $now = time;
[::bearer($::Signed), ::bearer(::id_token(email_verified => \0, iat => $now)),
 ::bearer($::Access), ::bearer(::id_token(iat => $now - 100)),
 ::bearer($::Access)]
--- error_code eval
[200, 200, 403, 200, 403]



=== TEST 25: what a page of another site can make a browser send is not taken
--- config
    convo_auth_token header query=t;
    location = /in { convo_auth on; convo_sign_in; }
--- must_die
--- error_log
"convo_sign_in" in location "/in" takes the token from the header alone



=== TEST 26: nor a cookie
--- config
    location = /in {
        convo_auth on; convo_auth_token cookie=__Host-convo; convo_sign_in;
    }
--- must_die
--- error_log
"convo_sign_in" in location "/in" takes the token from the header alone



=== TEST 27: another issuer's user of that name is another user
--- http_config eval
"$::Redis
    convo_auth_provider other {
        convo_auth_issuer https://other.test;
        convo_auth_client $Convo::Token::CLIENT;
        convo_auth_keys_file " . ::keys_file('other.jwks', 'pool') . ";
    }"
--- config eval
$::Places . '
    location = /other { convo_auth on; convo_auth_accept other; convo_sign_in; }'
--- request eval
["POST /other", "GET /t"]
--- more_headers eval
[::bearer(::id_token(iss => 'https://other.test')), ::bearer($::Access)]
--- error_code eval
[200, 403]
