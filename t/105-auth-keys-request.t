# convo_auth_keys_request: keys from an internal location, whose proxy_cache
# keeps them fresh; what the provider is asked, and what it may do wrong.

use feature 'state';

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Convo::Provider keys => {
    one => ['pool'],
    two => ['pool', 'second'],
    gone => ['second'],
};

our $Config = auth_config();
our $Good = bearer(id_token());
our $Second = bearer(id_token(-key => 'second'));
our @Faults = qw(garbage empty cut chunked_cut gzip huge error redirect slow
    close);

# The provider, seen through NGINX.
our $Provider = <<'EOC';
    location /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
        proxy_read_timeout 500ms;
        proxy_http_version 1.1;
        subrequest_output_buffer_size 32k;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
EOC

# A process asks for every request; the cache, where there is one, answers.
our $Plain = $Provider . <<'EOC';
    location /t {
        convo_auth on;
        convo_auth_keys_request /keys check=0;
        return 200 "in $convo_user\n";
    }
EOC

our $Cached = $Plain =~ s/(internal;)/$1
        proxy_cache keys;
        proxy_cache_valid 200 10m;
        proxy_cache_lock on;
        proxy_cache_bypass \$convo_keys_refresh;
        proxy_cache_use_stale updating error timeout http_500 http_502;
/r;

# A cache that no earlier block has filled.
sub cache {
    state $n = 0;
    $n++;
    return 'proxy_cache_path $TEST_NGINX_SERVER_ROOT' . "/keys-$n"
        . ' keys_zone=keys:1m;';
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
    $block->set_value('config', $Plain) unless defined $block->config;
    $block->set_value('more_headers', $Good)
        unless defined $block->more_headers;
});

run_tests();

__DATA__

=== TEST 1: keys are fetched and verify a token
--- request eval
["GET /provider/mode/one", "GET /t", "GET /provider/count"]
--- response_body eval
["one\n", "in user-1\n", "1\n"]



=== TEST 2: rubbish and a request without a token ask for no keys
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t", "GET /provider/count"]
--- more_headers eval
["X: y", "X: y", "Authorization: Bearer x", "X: y"]
--- error_code eval
[200, 401, 401, 200]
--- response_body_like eval
["one", "missing_token", "invalid_token", "^0\$"]



=== TEST 3: nothing of the user's request reaches the provider
--- request eval
["GET /provider/mode/one", "POST /t\n{}", "GET /provider/seen"]
--- more_headers eval
["X: y", "$::Good\nCookie: secret=1\nRange: bytes=0-1\nIf-None-Match: \"a\"\n"
 . "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nAccept-Encoding: gzip\n"
 . "User-Agent: spy\nX-Forwarded-For: 1.2.3.4\nContent-Type: application/json",
 "X: y"]
--- response_body_like eval
["one", "in user-1",
 "\\AHost: 127\\.0\\.0\\.1:\\d+\r\nConnection: close\r\n\\z"]



=== TEST 4: a HEAD request fetches keys with their body
--- request eval
["GET /provider/mode/one", "HEAD /t"]
--- response_body eval
["one\n", ""]



=== TEST 5: without keys the answer is 503, whatever the provider does wrong
--- config eval
join '', $::Provider, map { "location /t/$_ { convo_auth on;
    convo_auth_keys_request /keys/$_; return 200 in; }\n" } @::Faults
--- request eval
[map { "GET /t/$_" } @::Faults]
--- error_code eval
[map { 503 } @::Faults]
--- response_body_like eval
[map { 'keys_unavailable' } @::Faults]
--- error_log eval
qr/convo auth: no new keys from "\/keys\/.*there are no keys/



=== TEST 6: the last good keys stay in use, whatever the provider does wrong
--- request eval
["GET /provider/mode/one", "GET /t",
 map { ("GET /provider/mode/$_", "GET /t", "GET /provider/count") } @::Faults]
--- response_body eval
["one\n", "in user-1\n",
 map { ("$_\n", "in user-1\n", "1\n") } @::Faults]



=== TEST 7: an empty 200 is told apart from keys in the log
--- config eval
$::Provider . 'location /t { convo_auth on;
                             convo_auth_keys_request /keys/empty; return 200; }'
--- request
GET /t
--- error_code: 503
--- error_log
convo fetch: "/keys/empty" answered 200 without a body
the answer was not 200 with a whole body; there are no keys



=== TEST 8: an answer that is too long does not cost the client its connection
--- config eval
$::Provider . 'location /t { convo_auth on;
                             convo_auth_keys_request /keys/huge; return 200; }
               location /open { return 200 "open\n"; }'
--- pipelined_requests eval
["GET /t", "GET /open"]
--- error_code eval
[503, 200]



=== TEST 9: a key that has gone verifies nothing any more
--- request eval
["GET /provider/mode/one", "GET /t", "GET /provider/mode/gone", "GET /t"]
--- error_code eval
[200, 200, 200, 401]



=== TEST 10: a new key is found at once, past the cache
--- http_config eval: ::cache()
--- config eval: $::Cached
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t", "GET /provider/count",
 "GET /provider/mode/two", "GET /t", "GET /t", "GET /provider/count"]
--- more_headers eval
["X: y", $::Good, $::Good, "X: y", "X: y", $::Second, $::Good, "X: y"]
--- error_code eval
[200, 200, 200, 200, 200, 200, 200, 200]
--- response_body eval
["one\n", "in user-1\n", "in user-1\n", "1\n",
 "two\n", "in user-1\n", "in user-1\n", "1\n"]



=== TEST 11: a flood of unknown keys asks the provider once
--- http_config eval: ::cache()
--- config eval: $::Cached
--- request eval
["GET /provider/mode/one", ("GET /t") x 6, "GET /provider/count"]
--- more_headers eval
["X: y", (map { ::bearer(::id_token(-kid => "unknown-$_")) } 1 .. 6), "X: y"]
--- error_code eval
[200, (401) x 6, 200]
--- response_body_like eval
["one", ("invalid_token") x 6, "^2\$"]



=== TEST 12: the location sees a refresh, and only then
--- http_config eval
::cache() . 'log_format keys "[$convo_keys_refresh]";'
--- config eval
$::Cached =~ s/internal;/internal; log_subrequest on; access_log logs\/keys.log keys;/r
. 'location /log { alias $TEST_NGINX_SERVER_ROOT/logs/keys.log; }'
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t", "GET /log"]
--- more_headers eval
["X: y", $::Good, $::Second, "X: y"]
--- error_code eval
[200, 200, 401, 200]
--- response_body_like eval
["one", "in", "invalid", '\A\[-?\]\n\[-?\]\n\[1\]\n\z']



=== TEST 13: a client that goes during a fetch leaves nothing behind
--- config eval
$::Provider . 'location /slow { convo_auth on;
                   convo_auth_keys_request /keys/slow; return 200; }
               location /keys/slow {
                   internal;
                   proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
               }
               location /t { convo_auth on;
                   convo_auth_keys_request /keys/one; return 200 "in\n"; }'
--- request
GET /slow
--- timeout: 200ms
--- abort
--- wait: 1.2
--- ignore_response



=== TEST 14: the keys of one server verify nothing in another
--- config
    server_name first;
    convo_auth_keys_request /keys;
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
    location /t { convo_auth on; return 200 "first\n"; }
    location /second {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/t;
    }
    }
    server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    server_name second;
    convo_auth_keys_request /keys;
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/gone;
    }
    location /t { convo_auth on; return 200 "second\n"; }
    }
    server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_2;
--- request eval
["GET /t", "GET /second", "GET /second", "GET /t"]
--- more_headers eval
[$::Good, $::Good, $::Second, $::Second]
--- response_body_like eval
["first", "invalid_token", "second", "invalid_token"]
--- error_code eval
[200, 401, 200, 401]



=== TEST 15: the key location needs no exception from convo_auth
--- config
    convo_auth on;
    convo_auth_keys_request /keys;
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
    location /t { return 200 "in\n"; }
--- request
GET /t
--- response_body
in



=== TEST 16: a fallback of the key location serves
--- config
    location /t {
        convo_auth on;
        convo_auth_keys_request /keys;
        return 200 "in\n";
    }
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/close;
        error_page 502 = /other;
    }
    location = /other {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
--- request
GET /t
--- error_code: 200



=== TEST 17: keys may come from a file of NGINX itself
--- config
    location /t {
        convo_auth on;
        convo_auth_keys_request /keys.json;
        return 200 "in\n";
    }
    location = /keys.json { internal; subrequest_output_buffer_size 8k; }
--- user_files eval
">>> keys.json\n" . Convo::Token::jwks('pool')
--- request
GET /t
--- response_body
in



=== TEST 18: a client that goes while the cache is filled is no fault of the provider
--- http_config eval: ::cache()
--- config eval
$::Cached =~ s/500ms/3s/r =~ s/\/keys check=0/\/keys\/slow check=0/r
--- request
GET /t
--- timeout: 200ms
--- abort
--- wait: 1.5
--- ignore_response
--- no_error_log
convo fetch: no whole answer
convo auth: no new keys



=== TEST 19: the cache's default key is the location's, not the user's URI
--- http_config eval: ::cache()
--- config eval: $::Cached
--- request eval
["GET /provider/mode/one", "GET /t/1?a=1", "GET /t/2?a=2", "GET /t/3",
 "GET /provider/count"]
--- response_body eval
["one\n", ("in user-1\n") x 3, "1\n"]



=== TEST 20: also where proxy_pass has a path
--- http_config eval: ::cache()
--- config eval
$::Cached =~ s{(proxy_pass http:\S+PORT);}{$1/keys;}r
--- request eval
["GET /provider/mode/one", "GET /t/1?a=1", "GET /t/2?a=2", "GET /t/3",
 "GET /provider/count"]
--- response_body eval
["one\n", ("in user-1\n") x 3, "1\n"]



=== TEST 21: $request_uri in the key is the user's, and each fetches anew
--- http_config eval: ::cache()
--- config eval
$::Cached =~ s/internal;/internal; proxy_cache_key \$request_uri;/r
--- request eval
["GET /provider/mode/one", "GET /t/1?a=1", "GET /t/2?a=2", "GET /t/3",
 "GET /provider/count"]
--- response_body eval
["one\n", ("in user-1\n") x 3, "3\n"]
