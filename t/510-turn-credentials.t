# convo_turn_credentials: who gets credentials, in which form and for how long.
# That a real relay takes them is shown by 511-turn-coturn.t.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token);
use Digest::SHA qw(hmac_sha1_base64);
use JSON::PP ();

our $Secret = 'the-secret-of-coturn';
our $Config = auth_config();
our $Good = bearer(id_token());

our $Endpoints = <<'CONF';
    convo_auth on;
    convo_turn coturn ttl=600s secret_file=$TEST_NGINX_HTML_DIR/secrets
        urls=turn:a:3478?transport=udp,stun:b,turns:a:443?transport=tcp;
    location = /list { convo_turn_credentials; }
    location = /bare { convo_turn_credentials format=ice-server ttl=12h; }
CONF

# Replaces the name by its parts and the credential by its verdict, so that a
# body can be compared: lifetime +- 2 s, user, and whether the HMAC is right.
our $Checked = sub {
    my ($body) = @_;
    my $json = JSON::PP->new->canonical;
    my $document = $json->decode($body);
    for my $server (@{ $document->{iceServers} // [$document] }) {
        next if !exists $server->{credential};
        my $hmac = hmac_sha1_base64($server->{username}, $Secret) . '=';
        my ($expires, $user) = split /:/, $server->{username}, 2;
        $server->{credential}
            = $server->{credential} eq $hmac ? 'right' : 'wrong';
        my $lifetime = $expires - time;
        $server->{username} = join ' ', $user,
            map { abs($lifetime - $_) <= 2 ? $_ : () } 300, 600, 43200;
    }
    return $json->encode($document);
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config);
    $block->set_value('config', $Endpoints) if !defined $block->config;
    $block->set_value('user_files', ">>> secrets\n$Secret\n")
        if !defined $block->user_files;
    $block->set_value('more_headers', $Good)
        if !defined $block->more_headers;
    $block->set_value('response_body_filters', $Checked)
        if defined $block->response_body;
});

repeat_each(2);
run_tests();

__DATA__

=== TEST 1: a list of servers, and how long it is good
--- request
GET /list
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body chomp
{"iceServers":[{"urls":["stun:b"]},{"credential":"right","urls":["turn:a:3478?transport=udp","turns:a:443?transport=tcp"],"username":"user-1 600"}],"ttl":600}



=== TEST 2: the one bare server of a Chitchatter client, good for a visit
--- request
GET /bare
--- response_headers
Content-Type: application/json
--- response_body chomp
{"credential":"right","urls":["stun:b","turn:a:3478?transport=udp","turns:a:443?transport=tcp"],"username":"user-1 43200"}



=== TEST 3: relays alone make a list of one
--- config
    location = /t {
        convo_auth on;
        convo_turn coturn urls=turn:a ttl=5m
                   secret_file=$TEST_NGINX_HTML_DIR/secrets;
        convo_turn_credentials;
    }
--- request
GET /t
--- response_body chomp
{"iceServers":[{"credential":"right","urls":["turn:a"],"username":"user-1 300"}],"ttl":300}



=== TEST 4: the endpoint's time goes before that of the relays
--- config
    location = /t {
        convo_auth on;
        convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secrets;
        convo_turn_credentials ttl=5m;
    }
--- request
GET /t
--- response_body_like: "ttl":300



=== TEST 5: the first of two secrets signs
--- user_files eval
">>> secrets\n$::Secret\nan-older-secret-of-coturn\n"
--- request
GET /list
--- response_body_filters eval: $::Checked
--- response_body_like: "credential":"right"



=== TEST 6: a user's name of any text is taken as it is
--- more_headers eval
::bearer(::id_token(sub => "a:b \x{e9}\"\\"))
--- request
GET /list
--- response_body_filters eval: $::Checked
--- response_body_like eval
qr/"username":"a:b \xc3\xa9\\"\\\\ 600"/



=== TEST 7: the longest user that auth takes
--- more_headers eval
::bearer(::id_token(sub => 'u' x 255))
--- request
GET /list
--- response_body_filters eval: $::Checked
--- response_body_like eval
qr/"right".*"u{255} 600"/



=== TEST 8: HEAD has the header and no body
--- request
HEAD /list
--- response_headers
Content-Type: application/json
--- error_code: 200



=== TEST 9: nobody gets nothing
--- more_headers
X-Nothing: here
--- request
GET /list
--- error_code: 401
--- response_body_like: "code":"missing_token"
--- response_body_unlike: credential



=== TEST 10: a bad token gets nothing
--- more_headers eval
::bearer(::id_token(exp => time - 3600))
--- request
GET /bare
--- error_code: 401
--- response_body_like: "code":"invalid_token"
--- response_body_unlike: credential



=== TEST 11: another method
--- request
POST /list
{}
--- error_code: 405
--- response_headers
Allow: GET, HEAD
--- response_body_like: "code":"method_not_allowed"



=== TEST 12: the secret and the credential never reach the log
--- log_level: info
--- request
GET /list
--- no_error_log
the-secret-of-coturn
credential



=== TEST 13: a body is thrown away, and the connection goes on
--- pipelined_requests eval
["GET /list\nbody", "GET /list"]
--- error_code eval
[200, 200]



=== TEST 14: an "if" in the location changes nothing
--- config
    convo_auth on;
    convo_turn coturn urls=turn:a secret_file=$TEST_NGINX_HTML_DIR/secrets;
    location = /bare {
        convo_turn_credentials format=ice-server ttl=12h;
        if ($request_method = GET) { set $get 1; }
    }
--- request
GET /bare
--- response_body chomp
{"credential":"right","urls":["turn:a"],"username":"user-1 43200"}
