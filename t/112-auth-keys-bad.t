# Key sets that are none, from a provider and from a file: what was good goes
# on, what never was is 503 or refused at start, and the log says why.

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['fault'];
use Convo::Token qw(auth_config bearer id_token jwk jwks keys_file);
use Convo::Provider keys => {
    one => ['pool'],
    mixed => [{ kty => 'oct', k => 'AAAA' }, Convo::Token::jwk('weak',
        -bits => 1024), { kty => 'EC' }, 'x', 'pool'],
    bad => [{ kty => 'oct', k => 'AAAA' }, { kty => 'EC' }],
    many => [map { Convo::Token::jwk('pool', kid => "k-$_") } 1 .. 65],
};

our $Config = auth_config();
our $Good = bearer(id_token());


# "/t" asks the provider each time, "/FAULT" always finds this fault.
our $Locations = <<'EOC';
    location /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT;
        proxy_read_timeout 500ms;
        proxy_http_version 1.1;
        subrequest_output_buffer_size 512k;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
    location /t {
        convo_auth on;
        convo_auth_keys_request /keys check=0;
        return 200 "in\n";
    }
EOC

sub fault {
    my ($name) = @_;
    return $Locations . "location /first { convo_auth on;
        convo_auth_keys_request /keys/$name; return 200 \"in\\n\"; }\n";
}

# Good keys, then the fault, then good keys again; and the fault alone.
sub requests {
    my ($name) = @_;
    return ['GET /provider/mode/one', 'GET /t', "GET /provider/mode/$name",
        'GET /t', 'GET /t', 'GET /provider/mode/one', 'GET /t', 'GET /first'];
}

sub file {
    my ($name, $text) = @_;
    return $Config =~ s/(convo_auth_keys_file )\S+;/
        $1 . keys_file($name, $text) . ';'/er;
}

add_block_preprocessor(sub {
    my ($block) = @_;
    my $fault = $block->fault;
    if ($fault) {
        $block->set_value('config', fault($fault));
        $block->set_value('request', requests($fault));
        $block->set_value('error_code',
            [200, 200, 200, 200, 200, 200, 200, 503]);
    } elsif (!$block->request) {
        $block->set_value('config', '');
        $block->set_value('must_die', '');
        $block->set_value('suppress_stderr', '');
    }
    $block->set_value('http_config', $Config) unless $block->http_config;
    $block->set_value('more_headers', $Good);
});

run_tests();

__DATA__

=== TEST 1: an answer without a byte replaces no good keys
--- fault: empty



=== TEST 2: an answer that is too long replaces no good keys
--- fault: huge



=== TEST 3: a page of some server replaces no good keys
--- fault: garbage



=== TEST 4: an answer that is cut off replaces no good keys
--- fault: cut



=== TEST 5: an answer that is cut off between chunks replaces no good keys
--- fault: chunked_cut



=== TEST 6: keys under a 500 replaces no good keys
--- fault: error



=== TEST 7: keys under a redirect replaces no good keys
--- fault: redirect



=== TEST 8: keys in gzip replaces no good keys
--- fault: gzip



=== TEST 9: keys that come too late replaces no good keys
--- fault: slow



=== TEST 10: a connection that is closed replaces no good keys
--- fault: close



=== TEST 11: a set without a usable key replaces no good keys
--- fault: bad



=== TEST 12: a set of too many keys replaces no good keys
--- fault: many



=== TEST 13: one bad entry among good ones costs only itself
--- config eval: ::fault('mixed')
--- request
GET /first
--- error_code: 200
--- error_log
convo auth: key 1 of 5 in "/keys/mixed" is left out: it is a secret and must not be published
convo auth: key 2 of 5 in "/keys/mixed" is left out: its modulus is shorter than 2048 bits
convo auth: key 3 of 5 in "/keys/mixed" is left out: its "crv" is not P-256, P-384 or P-521



=== TEST 14: keys are told by their bytes, whatever type they are said to be
--- config eval: ::fault('type')
--- request
GET /first
--- error_code: 200



=== TEST 15: the log says of each what was wrong
--- config eval: ::fault('garbage')
--- request
GET /first
--- error_code: 503
--- error_log
convo auth: no new keys from "/keys/garbage" (status 200): the document is no JSON object with a "keys" array; there are no keys



=== TEST 16: also of one without a usable key
--- config eval: ::fault('bad')
--- request
GET /first
--- error_code: 503
--- error_log
convo auth: no new keys from "/keys/bad" (status 200): it is a secret and must not be published; there are no keys



=== TEST 17: and of one with too many
--- config eval: ::fault('many')
--- request
GET /first
--- error_code: 503
--- error_log
convo auth: no new keys from "/keys/many" (status 200): the document has more than 64 keys; there are no keys



=== TEST 18: an empty file
--- http_config eval: ::file('empty.json', " ")
--- error_log eval
qr/empty\.json" holds no usable key: the document is no JSON object/



=== TEST 19: a huge file
--- http_config eval: ::file('huge.json', '{"keys":[' . ' ' x 300_000 . ']}')
--- error_log eval
qr/huge\.json" holds no usable key: the document is longer than 256 KB/



=== TEST 20: a file of garbage
--- http_config eval: ::file('garbage.json', '<html>Not found</html>')
--- error_log eval
qr/garbage\.json" holds no usable key: the document is no JSON object/



=== TEST 21: a file that is cut off
--- http_config eval: ::file('cut.json', substr(::jwks('pool'), 0, -3))
--- error_log eval
qr/cut\.json" holds no usable key: the document is no JSON object/



=== TEST 22: a file in gzip
--- http_config eval
require Compress::Zlib;
::file('gzip.json', Compress::Zlib::memGzip(::jwks('pool')))
--- error_log eval
qr/gzip\.json" holds no usable key: the document is no JSON object/



=== TEST 23: a file without a key
--- http_config eval: ::file('none.json', '{"keys":[]}')
--- error_log eval
qr/none\.json" holds no usable key: the document has no keys/



=== TEST 24: a file of entries that are no keys
--- http_config eval: ::file('bad.json', '{"keys":[1,null,{"kty":"RSA"}]}')
--- error_log eval
qr/bad\.json" holds no usable key: it is no object/



=== TEST 25: a file with a member that is said twice
--- http_config eval: ::file('twice.json', '{"keys":[],' . substr(::jwks('pool'), 1))
--- error_log eval
qr/twice\.json" holds no usable key: the document is no JSON object/
