# Tokens that are not what they say: each is a 401 with its word in the log,
# never a 5xx, and "return" behind it is never reached.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token
    qw(auth_config base64url bearer id_token jwk keys_file sign token);

use MIME::Base64 ();

our $Config = auth_config();
our $Good = id_token();
our ($Header, $Payload, $Signature) = split /\./, $Good;

our $Both = $Config =~ s/(convo_auth_keys_file )\S+;/$1
    . keys_file('both.json', 'pool', 'second') . ';'/er;

# A token whose JOSE header is this text, signed as it is.
sub with_header {
    my ($text) = @_;
    return sign(base64url($text) . ".$Payload", 'pool');
}

# HMAC by openssl under a secret of any bytes.
sub hmac {
    my ($secret) = @_;
    my $input = base64url('{"alg":"HS256","kid":"pool"}') . ".$Payload";
    require Digest::SHA;
    return "$input." . base64url(Digest::SHA::hmac_sha256($input, $secret));
}

sub public_key {
    my ($form) = @_;
    my $path = Convo::Token::private_key('pool');
    return scalar `openssl rsa -in $path -pubout -outform $form 2>/dev/null`;
}

our $Location = <<'EOC';
    location /t { convo_auth on; return 200 "in\n"; }
EOC

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config) unless $block->http_config;
    $block->set_value('config', $Location) unless $block->config;
});

run_tests();

__DATA__

=== TEST 1: a good token is let in
--- request
GET /t
--- more_headers eval: ::bearer($::Good)
--- response_body
in



=== TEST 2: what is no token is refused
--- request eval
[map { "GET /t" } 1 .. 8]
--- more_headers eval
[map { ::bearer($_) } 'x', '...', 'a.b', 'a.b.c', 'a.b.c.d', '.', "\x80.\xff.\x00a",
 'null']
--- error_code_like eval
[("^40[01]\$") x 8]
--- response_body_unlike eval
[("^in") x 8]



=== TEST 3: the answer says in a header and in the body what is wrong
--- request
GET /t
--- more_headers
Authorization: Bearer a.b.c
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer error="invalid_token", error_description="The token is not a well-formed JWT."
Content-Type: application/problem+json
--- response_body chomp
{"type":"about:blank","status":401,"code":"invalid_token","detail":"The token is not a well-formed JWT."}



=== TEST 4: "none" in any spelling is refused, with and without a signature
--- request eval
[map { "GET /t" } 1 .. 8]
--- more_headers eval
[map { my $head = ::base64url(qq({"alg":"$_","kid":"pool"}));
       (::bearer("$head.$::Payload."), ::bearer("$head.$::Payload.$::Signature"))
     } qw(none None NONE nOnE)]
--- error_code eval
[(401) x 8]
--- response_body_like eval
[(qr/"invalid_token"/) x 8]



=== TEST 5: HMAC under the public key is refused, in PEM, DER and JWK form
--- request eval
["GET /t", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
[map { ::bearer(::hmac($_)) } ::public_key('PEM'), ::public_key('DER'),
 ::jwk('pool')->{n}, JSON::PP->new->canonical->encode(::jwk('pool'))]
--- error_code eval
[(401) x 4]
--- error_log eval
qr/convo auth: refused, algorithm/



=== TEST 6: an algorithm that is not the key's is refused
--- request eval
[map { "GET /t" } 1 .. 4]
--- more_headers eval
[map { ::bearer(::with_header(qq({"alg":"$_","kid":"pool"}))) }
 qw(RS384 PS256 ES256 rs256)]
--- error_code eval
[(401) x 4]
--- error_log eval
qr/convo auth: refused, algorithm/



=== TEST 7: any "crit" is refused
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[map { ::bearer(::with_header(qq({"alg":"RS256","kid":"pool","crit":$_}))) }
 '["exp"]', '[]']
--- error_code eval
[401, 401]
--- error_log eval
qr/convo auth: refused, critical_header/



=== TEST 8: a key that the token brings along is not used
--- request eval
[map { "GET /t" } 1 .. 4]
--- more_headers eval
my $jwk = ::jwk('evil');
[map { ::bearer(::id_token(-key => 'evil', -kid => 'pool', -header => $_)) }
 { jwk => $jwk }, { jku => 'http://127.0.0.1:1/keys' },
 { x5u => 'http://127.0.0.1:1/cert' }, { x5c => ['AAAA'] }]
--- error_code eval
[(401) x 4]
--- error_log eval
qr/convo auth: refused, signature/



=== TEST 9: another key under our kid, and another kid, are refused
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
[::bearer(::id_token(-key => 'evil', -kid => 'pool')),
 ::bearer(::id_token(-key => 'evil')),
 ::bearer(::id_token(-kid => 'gone'))]
--- error_code eval
[401, 401, 401]
--- error_log eval
qr/convo auth: refused, (?:signature|unknown_key)/



=== TEST 10: without a kid the only key serves
--- request
GET /t
--- more_headers eval: ::bearer(::id_token(-kid => undef))
--- response_body
in



=== TEST 11: without a kid no key of several serves
--- http_config eval: $::Both
--- request eval
["GET /t", "GET /t", "GET /t"]
--- more_headers eval
[::bearer(::id_token(-kid => undef)), ::bearer($::Good),
 ::bearer(::id_token(-key => 'second'))]
--- error_code eval
[401, 200, 200]



=== TEST 12: a second spelling of any part is refused
--- request eval
[map { "GET /t" } 1 .. 7]
--- more_headers eval
my @parts = ($::Header, $::Payload, $::Signature);
my $last = substr $::Signature, -1;
(my $spare = $::Signature) =~ s/.\z/$last eq 'Q' ? 'R' : chr(1 + ord $last)/e;
[map { ::bearer($_) } "$::Header=.$::Payload.$::Signature",
 "$::Header.$::Payload=.$::Signature", "$::Good=", "$::Good==",
 "$::Header.$::Payload.$spare", "$::Good.", "$::Header.$::Payload. $::Signature"]
--- error_code eval
[(401) x 7]
--- response_body_like eval
[(qr/"invalid_token"/) x 7]



=== TEST 13: a changed claim under a good signature is refused
--- request
GET /t
--- more_headers eval
my $payload = MIME::Base64::decode_base64($::Payload =~ tr{-_}{+/}r);
$payload =~ s/user-1/user-2/;
::bearer("$::Header." . ::base64url($payload) . ".$::Signature")
--- error_code: 401
--- error_log
convo auth: refused, signature



=== TEST 14: a member that is said twice is refused, in header and claims
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::bearer(::with_header('{"alg":"RS256","kid":"pool","kid":"pool"}')),
 ::bearer(::token(-payload => '{"sub":"user-1","sub":"user-2"}'))]
--- error_code eval
[401, 401]
--- error_log eval
qr/convo auth: refused, (?:malformed|claims)/



=== TEST 15: claims that are no acceptable JSON are refused
--- request eval
[map { "GET /t" } 1 .. 8]
--- more_headers eval
[map { ::bearer(::token(-payload => $_)) } '', 'x', '[]', '"a"', "{\"a\":\"\xff\"}",
 '{"a":"\u0000"}', '{"a":' . '[' x 500 . ']' x 500 . '}', '{"exp":1e999}']
--- error_code eval
[(401) x 8]
--- response_body_like eval
[(qr/"invalid_token"/) x 8]



=== TEST 16: a token of 16 KB is taken, a longer one is refused
--- request eval
["GET /t", "GET /t"]
--- more_headers eval
[::bearer(::id_token(pad => 'x' x 11000)), ::bearer(::id_token(pad => 'x' x 12500))]
--- error_code eval
[200, 401]



=== TEST 17: a refused token is in no log line
--- log_level: info
--- request
GET /t
--- more_headers eval: ::bearer(::token(-payload => '{"sub":"secret-user"}'))
--- error_code: 401
--- error_log
convo auth: refused, issuer
--- no_error_log eval
[::base64url('{"sub":"secret-user"}'), 'secret-user']



=== TEST 18: nor is an accepted one
--- log_level: info
--- request
GET /t
--- more_headers eval: ::bearer($::Good)
--- response_body
in
--- no_error_log eval
[$::Payload, $::Signature, 'user-1', 'ann@example.com']
