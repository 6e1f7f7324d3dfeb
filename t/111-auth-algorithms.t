# convo_auth_algorithms: the key set's entry says how a token is verified, the
# location what it accepts, and the token nothing.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config bearer id_token jwk jwks keys_file);
use Convo::Algorithm qw(@ALGORITHMS jwk_of signed_by);

our $Config = auth_config();
our @Algorithms = @ALGORITHMS;

# The directives with another key file, and further ones.
sub with_keys {
    my ($file, @jwks) = @_;
    my $path = keys_file($file, @jwks);
    return $Config =~ s/(convo_auth_keys_file )\S+;/$1$path;/r;
}

# One key for each algorithm, with and without "alg" and "kid".
our $Named = with_keys('named.json', map { jwk_of($_, "k-$_") } @ALGORITHMS);
our $Unnamed = with_keys('unnamed.json',
    map { jwk_of($_, "k-$_", alg => undef) } @ALGORITHMS);
our $NoIds = with_keys('no-ids.json',
    map { jwk_of($_, "k-$_", kid => undef) } qw(RS256 ES256 EdDSA));
our $Location = 'location /t { convo_auth on; return 200 "in\n"; }';

# Header lines for a token of each algorithm by its own key.
sub each_algorithm {
    my (%option) = @_;
    return [map { bearer(signed_by($_, "k-$_", %option)) } @ALGORITHMS];
}

# What is expected of each algorithm when these are good.
sub only {
    my %good = map { $_ => 1 } @_;
    return [map { $good{$_} ? 200 : 401 } @ALGORITHMS];
}

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Named) unless $block->http_config;
    $block->set_value('config', $Location) unless defined $block->config;
});

run_tests();

__DATA__

=== TEST 1: a key that says its algorithm serves it, whichever it is
--- request eval
[("GET /t") x 10]
--- more_headers eval: ::each_algorithm()
--- error_code eval: ::only(@::Algorithms)



=== TEST 2: of keys that do not say it, RSA ones serve RS256
--- http_config eval: $::Unnamed
--- request eval
[("GET /t") x 10]
--- more_headers eval: ::each_algorithm()
--- error_code eval: ::only('RS256')
--- response_body_like eval
[qr/^in$/, (qr/The token's algorithm is not its key's/) x 9]



=== TEST 3: of keys that do not say it, each serves what is listed for its kind
--- http_config eval: $::Unnamed
--- config
    location /t {
        convo_auth on;
        convo_auth_algorithms RS512 PS256 ES384 EdDSA;
        return 200 "in\n";
    }
--- request eval
[("GET /t") x 10]
--- more_headers eval: ::each_algorithm()
--- error_code eval: ::only(qw(RS512 PS256 ES384 EdDSA))



=== TEST 4: what is not listed is not accepted, whatever a key says
--- config
    location /t {
        convo_auth on;
        convo_auth_algorithms RS256 ES256;
        return 200 "in\n";
    }
--- request eval
[("GET /t") x 10]
--- more_headers eval: ::each_algorithm()
--- error_code eval: ::only(qw(RS256 ES256))



=== TEST 5: the token's header does not choose among what is accepted
--- config
    location /t {
        convo_auth on;
        convo_auth_algorithms RS256 RS384 PS256;
        return 200 "in\n";
    }
--- request eval
[("GET /t") x 4]
--- more_headers eval
[::bearer(::signed_by('RS384', 'k-RS256')),
 ::bearer(::signed_by('PS256', 'k-RS256')),
 ::bearer(::signed_by('RS384', 'k-RS256', -alg => 'RS256')),
 ::bearer(::signed_by('RS256', 'k-RS256'))]
--- error_code eval
[401, 401, 401, 200]
--- response_body_like eval
[qr/algorithm is not its key's/, qr/algorithm is not its key's/,
 qr/signature is wrong/, qr/^in$/]



=== TEST 6: a location inherits the list, and its own takes its place
--- http_config eval: $::Named . 'convo_auth_algorithms ES256;'
--- config
    convo_auth on;
    location /t { return 200 "in\n"; }
    location /own { convo_auth_algorithms EdDSA; return 200 "in\n"; }
--- request eval
["GET /t", "GET /t", "GET /own", "GET /own"]
--- more_headers eval
[map { ::bearer(::signed_by($_, "k-$_")) } qw(ES256 EdDSA ES256 EdDSA)]
--- error_code eval
[200, 401, 401, 200]



=== TEST 7: a cached token is refused where its algorithm is not accepted
--- http_config eval
$::Unnamed . 'convo_auth_cache zone=tokens:1m;
              convo_auth_algorithms RS256 PS256;'
--- config
    location /t { convo_auth on; return 200 "in\n"; }
    location /strict {
        convo_auth on;
        convo_auth_algorithms RS256;
        return 200 "in\n";
    }
--- request eval
["GET /t", "GET /t", "GET /strict", "GET /t", "GET /strict"]
--- more_headers eval
my $token = ::bearer(::signed_by('PS256', 'k-PS256'));
[($token) x 4, ::bearer(::signed_by('RS256', 'k-RS256'))]
--- error_code eval
[200, 200, 401, 200, 200]



=== TEST 8: without a kid the only key of the token's algorithm serves
--- http_config eval: $::NoIds
--- request eval
[("GET /t") x 4]
--- more_headers eval
[map { ::bearer(::signed_by($_, "k-$_", -kid => undef)) }
 qw(RS256 ES256 EdDSA RS384)]
--- error_code eval
[200, 200, 200, 401]



=== TEST 9: without a kid none of two serves that fit, one of two that do not
--- http_config eval
::with_keys('two.json', ::jwk_of('RS256', 'k-RS256', kid => undef),
    ::jwk_of('RS256', 'other', kid => undef), ::jwk_of('ES256', 'k-ES256'))
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
[map { ::bearer(::signed_by(@$_, -kid => undef)) }
 ['RS256', 'k-RS256'], ['RS256', 'other'], ['ES256', 'k-ES256']]
--- error_code eval
[401, 401, 200]



=== TEST 10: the public keys in other hands sign nothing
--- request eval
[map { "GET /t" } 1 .. 20]
--- more_headers eval
[(map { ::bearer(::signed_by($_, 'evil', -kid => "k-$_")) } @::Algorithms),
 (map { my $secret = ::jwk_of($_, "k-$_")->{n} // ::jwk_of($_, "k-$_")->{x};
        ::bearer(::id_token(-alg => 'HS256', -kid => "k-$_", -sign => sub {
            require Digest::SHA;
            Convo::Token::base64url(
                Digest::SHA::hmac_sha256($_[0], $secret)) })) } @::Algorithms)]
--- error_code eval
[(401) x 20]



=== TEST 11: a signature of zeros is refused, of every algorithm and length
--- request eval
[map { "GET /t" } 1 .. 20]
--- more_headers eval
[map { my $alg = $_;
       map { my $n = $_; ::bearer(::signed_by($alg, "k-$alg",
                 -sign => sub { Convo::Token::base64url("\0" x $n) })) }
           $alg =~ /^[RP]/ ? 256 : $alg eq 'ES384' ? 96
               : $alg eq 'ES512' ? 132 : 64, 1 } @::Algorithms]
--- error_code eval
[(401) x 20]
--- response_body_like eval
[(qr/"invalid_token"/) x 20]



=== TEST 12: each entry that is left out is named, with its number and why
--- http_config eval: $::Config
--- config
    convo_auth_keys_request /bad.json;
    location = /bad.json { internal; subrequest_output_buffer_size 8k; }
    location /t { convo_auth on; return 200 "in\n"; }
--- user_files eval
">>> bad.json\n" . ::jwks(::jwk_of('RS256', 'k-RS256'),
    { kty => 'oct', k => 'AA' }, ::jwk('weak', -bits => 1024),
    ::jwk_of('ES256', 'a', alg => 'ES384'),
    ::jwk_of('ES256', 'b', y => ::jwk_of('ES256', 'c')->{y}),
    ::jwk_of('EdDSA', 'd', use => 'enc'), ::jwk_of('EdDSA', 'k-RS256'),
    ::jwk_of('ES256', 'e', d => 'AAAA'), ::jwk_of('EdDSA', 'f', x => 'A' x 43))
--- request
GET /t
--- more_headers eval: ::bearer(::signed_by('RS256', 'k-RS256'))
--- error_code: 200
--- error_log eval
my %why = (2 => 'it is a secret and must not be published',
    3 => 'its modulus is shorter than 2048 bits',
    4 => 'its "alg" is for keys of another kind',
    5 => 'its point is not on its curve', 6 => 'its "use" is not "sig"',
    7 => 'its "kid" is taken by an earlier key',
    8 => 'it is a secret and must not be published',
    9 => 'its point is of small order');
[map { qr{\[warn\] .*convo auth: key $_ of 9 in "/bad\.json" is left out: \Q$why{$_}\E} }
 sort keys %why]



=== TEST 13: an algorithm is one of those that sign tokens
--- config
    convo_auth_algorithms RS256 HS256;
--- must_die
--- suppress_stderr
--- error_log
invalid value "HS256" in "convo_auth_algorithms", expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA



=== TEST 14: "none" is none of them
--- config
    convo_auth_algorithms none;
--- must_die
--- suppress_stderr
--- error_log
invalid value "none" in "convo_auth_algorithms", expected RS256



=== TEST 15: algorithms are listed once at a level
--- config
    convo_auth_algorithms RS256;
    convo_auth_algorithms ES256;
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_algorithms" directive is duplicate
