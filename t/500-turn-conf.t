# convo_turn and convo_turn_credentials: what the configuration takes and what
# it refuses, with a message that says what was expected.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('user_files',
        ">>> secret\n0123456789abcdef\n>>> short\n0123456789abcde\n");
    $block->set_value('request', 'GET /t') if !defined $block->request;
    $block->set_value('response_body', "fine\n")
        if !defined $block->must_die;
    $block->set_value('suppress_stderr', '') if defined $block->must_die;
});

run_tests();

__DATA__

=== TEST 1: relays of every kind are taken
--- config
    convo_turn coturn ttl=10m secret_file=$TEST_NGINX_HTML_DIR/secret
        urls=stun:a,turn:[::1]:3478?transport=udp,turns:b:443?transport=tcp;
    location = /t { return 200 "fine\n"; }



=== TEST 2: every level is good, and the inner one counts
--- http_config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
--- config
    convo_turn coturn urls=turn:b secret_file=$TEST_NGINX_HTML_DIR/secret;
    location = /c {
        convo_turn coturn urls=turn:c
                   secret_file=$TEST_NGINX_HTML_DIR/secret;
        return 200 "fine\n";
    }
    location = /t { return 200 "fine\n"; }



=== TEST 3: twice in one place is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" directive is duplicate



=== TEST 4: another provider is refused
--- config
    convo_turn cloudflare request=/convo/turn;
--- must_die
--- error_log
"convo_turn" does not know the provider "cloudflare", expected "coturn"



=== TEST 5: an address of the web is refused
--- config
    convo_turn coturn urls=turn:a,https://b
               secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has the url "https://b", which does not begin with "turn:", "turns:", "stun:" or "stuns:"; expected for example "turn:turn.example.com:3478?transport=udp"



=== TEST 6: a port that is none is refused
--- config
    convo_turn coturn urls=turn:a:70000
               secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has the url "turn:a:70000", which has no port from 1 to 65535 after its colon



=== TEST 7: another transport is refused
--- config
    convo_turn coturn urls=turn:a?transport=tls
               secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
which has a transport that is neither "udp" nor "tcp"



=== TEST 8: two slashes are refused
--- config
    convo_turn coturn urls=turn://a secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
which has a "//" that such an address does not have



=== TEST 9: a comma too many is refused
--- config
    convo_turn coturn urls=turn:a, secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has the url "", which does not begin with



=== TEST 10: no relay is refused
--- config
    convo_turn coturn urls=stun:a secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has no relay, expected "urls=" with at least one "turn:" or "turns:" address



=== TEST 11: no addresses are refused
--- config
    convo_turn coturn secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has no relay



=== TEST 12: no secret is refused
--- config
    convo_turn coturn urls=turn:a;
--- must_die
--- error_log
"convo_turn" has no secret, expected "secret_file=PATH"



=== TEST 13: a short secret is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/short;
--- must_die
--- error_log
holds a secret that is too short, expected one secret of 16 to 512 characters on a line
--- no_error_log
0123456789abcde



=== TEST 14: a secret that cannot be read is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/nothing;
--- must_die
--- error_log
nothing" cannot be opened (2: No such file or directory)



=== TEST 15: a time too short is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret
               ttl=29s;
--- must_die
--- error_log
"convo_turn" has an invalid "ttl=29s", expected a time from 30s to 7d



=== TEST 16: a time too long is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
    location = /t { convo_turn_credentials ttl=8d; }
--- must_die
--- error_log
"convo_turn_credentials" has an invalid "ttl=8d", expected a time from 30s to 7d



=== TEST 17: what is no time is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret
               ttl=soon;
--- must_die
--- error_log
"convo_turn" has an invalid "ttl=soon", expected



=== TEST 18: a parameter twice is refused
--- config
    convo_turn coturn urls=turn:a urls=turn:b
               secret_file=$TEST_NGINX_HTML_DIR/secret;
--- must_die
--- error_log
"convo_turn" has the parameter "urls=turn:b" a second time



=== TEST 19: an unknown parameter is refused
--- config
    convo_turn coturn urls=turn:a secret=0123456789abcdef;
--- must_die
--- error_log
"convo_turn" has an invalid parameter "secret=0123456789abcdef", expected "urls=", "secret_file=" and "ttl="



=== TEST 20: another format is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
    location = /t { convo_turn_credentials format=xml; }
--- must_die
--- error_log
"convo_turn_credentials" has an invalid parameter "format=xml", expected "format=ice-server" or "ttl=TIME", once each



=== TEST 21: an endpoint without relays is refused
--- config
    location = /api/turn-credentials { convo_turn_credentials; }
--- must_die
--- error_log
"convo_turn_credentials" in location "/api/turn-credentials" needs "convo_turn" there or around it



=== TEST 22: an endpoint that would serve anybody is refused
--- config
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secret;
    location = /t { convo_turn_credentials ttl=12h format=ice-server; }
--- must_die
--- error_log
"convo_turn_credentials" in location "/t" needs "convo_auth on" there or around it



=== TEST 23: an endpoint outside of a location is refused
--- config
    convo_turn_credentials;
--- must_die
--- error_log
"convo_turn_credentials" directive is not allowed here
