# limit_req and limit_conn by $convo_user: they count verified users, and
# nobody who was refused.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);

our $Config = auth_config();
our $Good = bearer(id_token());
our $Other = bearer(id_token(sub => 'user-2'));

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config . ($block->http_config // ''));
});

run_tests();

__DATA__

=== TEST 1: limit_req counts by verified user
--- http_config
    limit_req_zone $convo_user zone=users:1m rate=1r/m;
--- config
    location /t {
        convo_auth on;
        limit_req zone=users;
        limit_req_status 429;
        try_files /index.html =404;
    }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[$::Good, $::Other, $::Good, $::Other]
--- error_code eval
[200, 200, 429, 429]



=== TEST 2: a refused request uses up nobody's share
--- http_config
    limit_req_zone $convo_user zone=users:1m rate=1r/m;
--- config
    location /t {
        convo_auth on;
        limit_req zone=users;
        limit_req_status 429;
        try_files /index.html =404;
    }
--- request eval
[("GET /t") x 4]
--- more_headers eval
["X: y", ::bearer(::id_token(exp => 1)), ::bearer('x'), $::Good]
--- error_code eval
[401, 401, 401, 200]



=== TEST 3: limit_conn counts by verified user
--- http_config
    limit_conn_zone $convo_user zone=open:1m;
--- config
    convo_auth on;
    limit_conn open 1;
    limit_conn_status 429;
    location /outer/same {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/inner;
    }
    location /outer/other {
        proxy_set_header Authorization $http_x_other;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/inner;
    }
    location /inner { try_files /index.html =404; }
--- request eval
["GET /outer/same", "GET /outer/other", "GET /inner"]
--- more_headers eval
"$::Good\nX-Other: " . ($::Other =~ s/^\S+ //r)
--- error_code eval
[429, 200, 200]



=== TEST 4: a limit by a map of the user is of the verified user as well
--- http_config
    map $convo_user $limited { default $convo_user; user-2 ""; }
    limit_req_zone $limited zone=users:1m rate=1r/m;
--- config
    location /t {
        convo_auth on;
        limit_req zone=users;
        limit_req_status 429;
        try_files /index.html =404;
    }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[$::Good, $::Good, $::Other, $::Other]
--- error_code eval
[200, 429, 200, 200]
