# convo_auth_revocation: what nginx -t refuses, and what it takes.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Token qw(auth_config bearer id_token);

our $Http = auth_config();
our $Redis = 'convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;';

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $::Http);
    $block->set_value('more_headers', bearer(id_token()));
});

run_tests();

__DATA__

=== TEST 1: without a Redis it is refused where users sign in
--- config
    location = /t {
        convo_auth on;
        convo_auth_revocation on;
        return 204;
    }
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_revocation on" in location "/t" needs "convo_redis"



=== TEST 2: where nobody signs in it asks nothing and needs no Redis
--- config
    convo_auth_revocation on;
    location = /t {
        return 204;
    }
--- request
GET /t
--- error_code: 204



=== TEST 3: a word that is none
--- config
    convo_auth_revocation yes;
--- must_die
--- suppress_stderr
--- error_log
invalid value "yes" in "convo_auth_revocation", expected "on" or "off"



=== TEST 4: a lifetime that is none
--- config
    convo_auth_revocation on lifetime=soon;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "lifetime=soon" in "convo_auth_revocation", expected "lifetime=TIME" of 1m to 3650d



=== TEST 5: a lifetime that is too short
--- config
    convo_auth_revocation on lifetime=59s;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "lifetime=59s"



=== TEST 6: a lifetime that is too long
--- config
    convo_auth_revocation on lifetime=3651d;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "lifetime=3651d"



=== TEST 7: a parameter that is none
--- config
    convo_auth_revocation on keep=1h;
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "keep=1h"



=== TEST 8: twice at one level
--- config
    convo_auth_revocation on;
    convo_auth_revocation off;
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_revocation" directive is duplicate



=== TEST 9: the shortest and the longest lifetime, inherited and switched off
--- config eval
"convo_auth on; $::Redis" . '
    convo_auth_revocation on lifetime=1m;
    location = /t {
        return 204;
    }
    location = /long {
        convo_auth_revocation on lifetime=3650d;
        return 204;
    }
    location = /off {
        convo_auth_revocation off;
        return 204;
    }'
--- request eval
["GET /t", "GET /long", "GET /off"]
--- error_code eval
[204, 204, 204]



=== TEST 10: off needs no Redis
--- config
    convo_auth_revocation off;
    convo_auth on;
    location = /t {
        return 204;
    }
--- request
GET /t
--- error_code: 204
