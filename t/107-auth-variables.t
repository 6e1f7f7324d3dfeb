# $convo_user, $convo_claim_NAME and $convo_auth_error: in logs, headers,
# maps; and what they never carry.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Convo::Provider keys => { one => ['pool'] };

our $Config = auth_config();
our $Good = bearer(id_token());

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: claims are variables, whatever their JSON type
--- config
    location /t {
        convo_auth on;
        return 200 "$convo_claim_sub|$convo_claim_email|$convo_claim_level|$convo_claim_ratio|$convo_claim_email_verified|$convo_claim_off|$convo_claim_nothing|$convo_claim_absent|$convo_claim_address\n";
    }
--- request
GET /t
--- more_headers eval
::bearer(::id_token(level => 15, ratio => 1.5, off => \0,
    address => { city => "K\x{f6}ln" }, nothing => 'x') =~ s/x/x/r)
--- response_body eval
"user-1|ann\@example.com|15|1.5|true|false|x||{\"city\":\"K\xc3\xb6ln\"}\n"



=== TEST 2: a name that no variable can have is found by its folded form
--- config
    location /t {
        convo_auth on;
        return 200 "$convo_claim_cognito_username|$convo_claim_cognito_groups|$convo_claim_givenName\n";
    }
--- request
GET /t
--- more_headers eval
::bearer(::id_token(givenName => 'Ann'))
--- response_body
ann|["pool_Google"]|Ann



=== TEST 3: two claims of one folded name are no claim
--- config
    location /t {
        convo_auth on;
        return 200 "[$convo_claim_a_b][$convo_claim_c_d]\n";
    }
--- request
GET /t
--- more_headers eval
::bearer(::id_token('a:b' => 1, 'a-b' => 2, 'c:d' => 1, 'c_d' => 2))
--- response_body
[][2]



=== TEST 4: a claim with a control character is empty and injects nothing
--- config
    location /t {
        convo_auth on;
        add_header X-Name "[$convo_claim_name]";
        return 200 "[$convo_claim_name][$convo_claim_list]\n";
    }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[map { ::bearer(::id_token(name => $_, list => [$_])) }
 "Ann\r\nX-Evil: 1", "Ann\nB", "A\tB", "A\x7fB"]
--- response_headers eval
[("X-Name: []\n! X-Evil") x 4]
--- response_body eval
["[][[\"Ann\\r\\nX-Evil: 1\"]]\n", "[][[\"Ann\\nB\"]]\n", "[][[\"A\\tB\"]]\n",
 "[][]\n"]



=== TEST 5: without a decision, and after a refusal, there is no user
--- config
    location /open { return 200 "[$convo_user$convo_claim_sub$convo_auth_error]\n"; }
    location /t {
        convo_auth on;
        convo_auth_identity_provider Other;
        error_page 403 = @refused;
    }
    location @refused { return 200 "[$convo_user$convo_claim_sub]\n"; }
--- request eval
["GET /open", "GET /t"]
--- more_headers eval: $::Good
--- response_body eval
["[]\n", "[]\n"]



=== TEST 6: user, error and claims reach the access log
--- http_config
    log_format who "$status [$convo_user] [$convo_auth_error] [$convo_claim_email]";
--- config
    access_log logs/who.log who;
    location /t { convo_auth on; return 200 "in\n"; }
    location /log { access_log off; alias $TEST_NGINX_SERVER_ROOT/logs/who.log; }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t", "GET /log"]
--- more_headers eval
["X: y", $::Good, ::bearer(::id_token(exp => 1)), ::bearer('x'), "X: y"]
--- error_code eval
[401, 200, 401, 401, 200]
--- response_body_like eval
[("") x 4, '401 \[-\] \[missing_token\] \[-\]
200 \[user-1\] \[-\] \[ann@example\.com\]
401 \[-\] \[expired\] \[-\]
401 \[-\] \[malformed\] \[-\]
\z']



=== TEST 7: they work in map and proxy_set_header
--- http_config
    map $convo_user $kind { default other; "" nobody; user-1 first; }
--- config
    location /t {
        convo_auth on;
        proxy_set_header X-User $convo_user;
        proxy_set_header X-Kind $kind;
        proxy_set_header X-User-Of-Client $http_x_user;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location /echo { return 200 "$http_x_user $http_x_kind\n"; }
--- request
GET /t
--- more_headers eval: "$::Good\nX-User: forged"
--- response_body
user-1 first



=== TEST 8: $convo_method, $convo_body and the refresh are of fetches alone
--- config
    location /t { return 200 "[$convo_method$convo_body$convo_keys_refresh]\n"; }
--- request
POST /t
a body
--- response_body
[]



=== TEST 9: a page refreshed in the background is still the user's
--- http_config
    proxy_cache_path $TEST_NGINX_SERVER_ROOT/pages keys_zone=pages:1m;
--- config
    location /t {
        convo_auth on;
        proxy_cache pages;
        proxy_cache_key $convo_user$uri;
        proxy_cache_valid 200 1s;
        proxy_cache_use_stale updating;
        proxy_cache_background_update on;
        proxy_set_header X-User $convo_user;
        add_header X-Cache $upstream_cache_status;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/page;
    }
    location /page { return 200 "page of [$http_x_user]\n"; }
    location /wait {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/slow;
    }
--- request eval
["GET /t", "GET /wait", "GET /wait", "GET /t", "GET /t"]
--- more_headers eval: $::Good
--- response_headers_like eval
["X-Cache: (MISS|EXPIRED)", "Content-Length: .*", "Content-Length: .*",
 "X-Cache: STALE", "X-Cache: HIT"]
--- response_body_like eval
['page of \[user-1\]', "keys", "keys", 'page of \[user-1\]',
 'page of \[user-1\]']



=== TEST 10: every slice of a page is fetched for the user
--- config
    location /t {
        convo_auth on;
        slice 6;
        proxy_http_version 1.1;
        proxy_set_header Range $slice_range;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/of/$convo_user/page;
    }
    location /of/user-1/ { alias $TEST_NGINX_HTML_DIR/; }
--- user_files
>>> page
one slice and another
--- request
GET /t
--- more_headers eval: $::Good
--- response_body
one slice and another
