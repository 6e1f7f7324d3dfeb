# Subrequests are decided like any request: what a page puts together is what
# its reader may see, and copies of a request are of its user.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Convo::Provider keys => { one => ['pool'] };

our $Config = auth_config();
our $Good = bearer(id_token());
our $Unverified = bearer(id_token(email_verified => \0));

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: SSI includes what the reader may see
--- config
    location /page { ssi on; default_type text/html; }
    location /part { convo_auth on; return 200 "part of $convo_user\n"; }
--- user_files
>>> page
<!--# include virtual="/part" -->
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Good]
--- response_body_like eval
["missing_token", "part of user-1"]
--- response_body_unlike eval
["part of", "missing_token"]



=== TEST 2: each part by its own rules
--- config
    location /page { convo_auth on; ssi on; default_type text/html; }
    location /part/1 { convo_auth on; return 200 "one of $convo_user\n"; }
    location /part/2 {
        convo_auth on;
        convo_auth_require email_verified=true;
        return 200 "two of $convo_user\n";
    }
    location /part/3 { return 200 "three of [$convo_user]\n"; }
--- user_files
>>> page
<!--# include virtual="/part/1" -->
<!--# include virtual="/part/2" -->
<!--# include virtual="/part/3" -->
--- request eval
["GET /page", "GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Unverified, $::Good]
--- error_code eval
[401, 200, 200]
--- response_body_like eval
['^\{"type".*missing_token',
 '(?s)one of user-1.*email_not_verified.*three of \[\]',
 '(?s)one of user-1.*two of user-1.*three of \[\]']



=== TEST 3: SSI sets a variable to what the reader may see
--- config
    location /page { ssi on; default_type text/html; }
    location /part { convo_auth on; return 200 "part of $convo_user\n"; }
--- user_files
>>> page
<!--# include virtual="/part" set="part" -->[<!--# echo var="part" encoding="none" -->]
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Good]
--- response_body_like eval
['\[\]', '\[part of user-1']



=== TEST 4: keys are fetched for a subrequest
--- config
    location /page { ssi on; default_type text/html; }
    location /part {
        convo_auth on;
        convo_auth_keys_request /keys;
        return 200 "part of $convo_user\n";
    }
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
--- user_files
>>> page
[<!--# include virtual="/part" -->]
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Good]
--- response_body_like eval
['\[.*missing_token', '\[part of user-1']



=== TEST 5: an answer that stays in memory is decided by the keys there are
--- config
    location /page { ssi on; default_type text/html; }
    location /part {
        convo_auth on;
        convo_auth_keys_request /keys check=0;
        return 200 "part of $convo_user\n";
    }
    location = /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/one;
    }
--- user_files
>>> page
<!--# include virtual="/part" set="part" -->[<!--# echo var="part" encoding="none" -->]
--- request eval
["GET /page", "GET /part", "GET /page"]
--- more_headers eval
[$::Good, $::Good, $::Good]
--- response_body_like eval
['\[\]', 'part of user-1', '\[part of user-1']
--- no_error_log
nested in-memory subrequest



=== TEST 6: the addition filter adds what the reader may see
--- config
    location /page {
        default_type text/html;
        add_before_body /part;
        add_after_body /part;
    }
    location /part { convo_auth on; return 200 "part of $convo_user\n"; }
--- user_files
>>> page
the page
--- request eval
["GET /page", "GET /page"]
--- more_headers eval
["X: y", $::Good]
--- response_body_like eval
['(?s)missing_token.*the page.*missing_token',
 '(?s)part of user-1.*the page.*part of user-1']
--- response_body_unlike eval
["part of", "missing_token"]



=== TEST 7: nothing is mirrored of a refused request
--- config
    location /t { convo_auth on; mirror /mirror; try_files /index.html =404; }
    location = /mirror {
        internal;
        convo_auth off;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count"]
--- more_headers eval
["X: y", "X: y", ::bearer('x'), "X: y", "X: y", $::Good, "X: y", "X: y"]
--- error_code eval
[200, 401, 401, 200, 200, 200, 200, 200]
--- response_body_like eval
[("") x 4, '^1\b', "", "", '^3\b']
--- timeout: 3



=== TEST 8: a mirror that is protected takes the request of its user alone
--- config
    location /t { mirror /mirror; try_files /index.html =404; }
    location = /mirror {
        internal;
        convo_auth on;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
--- request eval
["GET /provider/mode/one", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count", "GET /t", "GET /provider/keys/slow",
 "GET /provider/count"]
--- more_headers eval
["X: y", "X: y", "X: y", "X: y", $::Good, "X: y", "X: y"]
--- error_code eval
[(200) x 7]
--- response_body_like eval
[("") x 3, '^1\b', "", "", '^3\b']
--- timeout: 3



=== TEST 9: a subrequest is not let off by "satisfy any"
--- config
    location /page { ssi on; default_type text/html; }
    location /part {
        satisfy any;
        allow all;
        convo_auth on;
        alias $TEST_NGINX_HTML_DIR/secret;
    }
--- user_files
>>> page
<!--# include virtual="/part" -->
>>> secret
secret
--- request eval
["GET /page", "GET /page", "GET /part"]
--- more_headers eval
["X: y", $::Good, "X: y"]
--- response_body_like eval
["missing_token", "secret", "secret"]



=== TEST 10: what was decided for a part is nothing to the page around it
--- config
    location /page {
        ssi on;
        default_type text/html;
        add_header X-User "[$convo_user]";
    }
    location /part { convo_auth on; return 200 "part of $convo_user\n"; }
--- user_files
>>> page
<!--# include virtual="/part" wait="yes" -->[<!--# echo var="convo_user" -->]
--- request
GET /page
--- more_headers eval: $::Good
--- response_headers
X-User: []
--- response_body_like: (?s)part of user-1.*\[(\(none\))?\]
