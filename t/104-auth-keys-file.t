# convo_auth_keys_file: a key set read at start and reload.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token jwk keys_file);

our $Config = auth_config();
our $Good = bearer(id_token());

# The directives with another key file.
sub with_keys {
    my ($path) = @_;
    return $Config =~ s/(convo_auth_keys_file )\S+;/$1$path;/r;
}

run_tests();

__DATA__

=== TEST 1: one bad entry does not spoil the others
--- http_config eval
::with_keys(::keys_file('mixed.json', { kty => 'oct', k => 'AAAA' },
    ::jwk('weak', -bits => 1024), ::jwk('enc', use => 'enc'),
    ::jwk('other', alg => 'RS512'), 'pool'))
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
[$::Good, map { ::bearer(::id_token(-key => $_)) } qw(enc other evil weak)]
--- error_code eval
[200, 401, 401, 401, 401]



=== TEST 2: an entry needs neither alg nor use
--- http_config eval
::with_keys(::keys_file('bare.json',
    ::jwk('pool', alg => undef, use => undef)))
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request
GET /t
--- more_headers eval: $::Good
--- error_code: 200



=== TEST 3: a relative path is below the configuration
--- http_config eval
::with_keys('../html/keys.json')
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- user_files eval
">>> keys.json\n" . Convo::Token::jwks('pool')
--- request
GET /t
--- more_headers eval: $::Good
--- error_code: 200



=== TEST 4: a file that is not there is named
--- http_config eval
::with_keys('/nowhere/keys.json')
--- config
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_keys_file" "/nowhere/keys.json" cannot be opened; expected a readable JWK Set



=== TEST 5: a file that is no key set is named, with the reason
--- http_config eval
::with_keys(::keys_file('text.json', '[1]'))
--- config
--- must_die
--- suppress_stderr
--- error_log eval
qr/"convo_auth_keys_file" ".*text\.json" holds no usable key: the document is no JSON object with a "keys" array; expected a JWK Set/



=== TEST 6: a file of weak keys only is named, with the reason
--- http_config eval
::with_keys(::keys_file('weak.json', ::jwk('weak', -bits => 1024)))
--- config
--- must_die
--- suppress_stderr
--- error_log eval
qr/holds no usable key: its modulus is shorter than 2048 bits/



=== TEST 7: a file that is too long is named, with the reason
--- http_config eval
::with_keys(::keys_file('long.json', '{' . ' ' x 300_000 . '}'))
--- config
--- must_die
--- suppress_stderr
--- error_log
holds no usable key: the document is longer than 256 KB



=== TEST 8: a directory is named
--- http_config eval
::with_keys('/tmp')
--- config
--- must_die
--- suppress_stderr
--- error_log eval
qr{"convo_auth_keys_file" "/tmp" cannot be read; expected a readable JWK Set}
