# A real coturn takes the endpoint's credentials and relays with them, over
# UDP and TCP; it takes neither another password, nor another user's, nor
# expired ones.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Coturn;
use Convo::Token qw(auth_config bearer id_token);
use Digest::SHA qw(hmac_sha1_base64);
use JSON::PP ();

our @Secrets = @Convo::Coturn::SECRETS;
our $Config = auth_config();
our $Good = bearer(id_token());

# The answer is what allocates() says of the credentials in it.
our $With = sub {
    my ($change, @transport) = @_;
    return sub {
        my $server = JSON::PP::decode_json(shift)->{iceServers}[0];
        my @pair = @$server{qw(username credential)};
        return allocates($change->(@pair), @transport) ? 'relays' : 'refused';
    };
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config);
    $block->set_value('config', <<'CONF');
        location = /t {
            convo_auth on;
            convo_turn coturn urls=turn:127.0.0.1:$TEST_NGINX_TURN_PORT
                       secret_file=$TEST_NGINX_HTML_DIR/secrets;
            convo_turn_credentials;
        }
CONF
    $block->set_value('user_files', ">>> secrets\n$Secrets[0]\n")
        if !defined $block->user_files;
    $block->set_value('more_headers', $Good);
    $block->set_value('request', 'GET /t');
});

run_tests();

__DATA__

=== TEST 1: a relay over UDP
--- response_body_filters eval: $::With->(sub { @_ })
--- response_body chomp
relays



=== TEST 2: a relay over TCP
--- response_body_filters eval: $::With->(sub { @_ }, 't')
--- response_body chomp
relays



=== TEST 3: a relay by the second of coturn's secrets, during a rotation
--- user_files eval
">>> secrets\n$::Secrets[1]\n$::Secrets[0]\n"
--- response_body_filters eval: $::With->(sub { @_ })
--- response_body chomp
relays



=== TEST 4: attack: another password
--- response_body_filters eval
$::With->(sub { my ($name, $credential) = @_; $credential =~ tr/A-Za-z/a-zA-Z/; ($name, $credential) })
--- response_body chomp
refused



=== TEST 5: attack: a later end
--- response_body_filters eval
$::With->(sub { my ($name, $credential) = @_; $name =~ s/^(\d+)/$1 + 3600/e; ($name, $credential) })
--- response_body chomp
refused



=== TEST 6: attack: another user
--- response_body_filters eval
$::With->(sub { my ($name, $credential) = @_; $name =~ s/user-1/user-2/; ($name, $credential) })
--- response_body chomp
refused



=== TEST 7: coturn refuses what has expired
--- response_body_filters eval
$::With->(sub { my $name = time - 5 . ':user-1'; ($name, ::hmac_sha1_base64($name, $::Secrets[0]) . '=') })
--- response_body chomp
refused



=== TEST 8: an edge with another secret is refused
--- user_files
>>> secrets
a-secret-that-coturn-does-not-know
--- response_body_filters eval: $::With->(sub { @_ })
--- response_body chomp
refused
