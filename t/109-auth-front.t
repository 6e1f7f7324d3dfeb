# convo_auth_cache front=: what a process remembers by itself. A token is let in
# by it only when it is the same in every byte, and only where the same keys and
# algorithms count. A token is remembered when it comes for the second time.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token
    qw(auth_config base64url bearer id_token jwk keys_file token $CLIENT
       $ISSUER);
use Convo::Provider keys => { one => ['pool'], gone => ['second'] };

use MIME::Base64 ();

our $Config = auth_config() . "convo_auth_cache front=1m;\n";
our $Small = auth_config() . "convo_auth_cache front=64k;\n";
our $Unlisted = $Config =~ s/convo_auth_keys_file \K.*(?=;)/
    keys_file('unlisted.json', jwk('pool', alg => undef))/er;
our $Token = id_token();
our $Good = bearer($Token);
our $Impostor = keys_file('impostor.json', jwk('second', kid => 'pool'));
our $Same = keys_file('same.json', 'pool', 'second');

# Forms of the token that differ in one place: in each part at its ends and
# here and there, and in each of the bytes by which it is found.
our @Changed = map {
    my $form = $Token;
    substr($form, $_, 1) =~ tr/A-Za-z0-9\-_./B-ZAb-za1-90_\-A/;
    $form;
} places();

sub places {
    my ($header, $payload) = map { length } split /\./, $Token;
    my $signature = $header + $payload + 2;
    my $end = length $Token;
    my %at = map { $_ => 1 } 0, $header - 1, $header, $header + 1,
        $signature - 2, $signature - 1, $signature, $end - 16 .. $end - 1,
        map { $_ * 61 } 0 .. ($end - 1) / 61;
    return sort { $a <=> $b } keys %at;
}

# Many users' tokens, each twice, one of which comes again after each fourth.
our $Often = bearer(id_token(sub => 'often'));
our @Many = map { bearer(id_token(sub => "user-$_")) } 1 .. 96;
our @Mixed = map { (($_ % 4 ? () : $Often), ($Many[$_]) x 2) } 0 .. $#Many;

# Those that must be fresh are made when the block runs: all others are made
# when the suite is read.
my %late = (
    'is forgotten when it expires' => sub { bearer(id_token(exp => time + 3)) },
    'in its leeway is not kept' => sub { bearer(id_token(exp => time - 5)) },
);

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config) unless $block->http_config;
    $block->set_value('config', <<'CONF') unless defined $block->config;
    location /t { convo_auth on; return 200 "$convo_user $convo_auth_cache\n"; }
    location /metrics { convo_metrics; }
CONF
    for my $name (grep { $block->name =~ /\Q$_/ } keys %late) {
        $block->set_value('more_headers', $late{$name}->());
    }
});

run_tests();

__DATA__

=== TEST 1: a token is remembered when it comes again
--- request eval
[("GET /t") x 4]
--- more_headers eval: $::Good
--- response_body eval
[("user-1 miss\n") x 2, ("user-1 front\n") x 2]



=== TEST 2: beside a zone, what the process remembers is not looked for there
--- http_config eval
::auth_config() . 'convo_auth_cache zone=tokens:1m;'
--- request eval
[("GET /t") x 4, "GET /metrics"]
--- more_headers eval: $::Good
--- response_body_like eval
[qr/miss/, qr/hit/, qr/front/, qr/front/, qr/result="front".\ 2$ .*
result="hit".\ 1$ .* result="miss".\ 1$ .* front_tokens\ 1$ .*
cache_tokens\ 1$/msx]



=== TEST 3: without a cache each request verifies its token
--- http_config eval: ::auth_config()
--- request eval
[("GET /t") x 2, "GET /metrics"]
--- more_headers eval: $::Good
--- response_body_like eval
[qr/^user-1 off$/, qr/^user-1 off$/, qr/result="miss".\ 0$ .*
front_tokens\ 0$ .* front_bytes\ 0$/msx]



=== TEST 4: a cache of no size is none
--- http_config eval: ::auth_config() . 'convo_auth_cache front=0;'
--- request eval
[("GET /t") x 2]
--- more_headers eval: $::Good
--- response_body eval
[("user-1 off\n") x 2]



=== TEST 5: a token changed in any part is refused while the true one is known
--- request eval
[(map { ("GET /t", "GET /t") } @::Changed), "GET /t"]
--- more_headers eval
[(map { ($::Good, ::bearer($_)) } @::Changed), $::Good]
--- error_code eval
[(map { (200, 401) } @::Changed), 200]



=== TEST 6: a token cut short or drawn out is refused while the true one is known
--- request eval
[("GET /t") x 8]
--- more_headers eval
my ($header, $payload, $signature) = split /\./, $::Token;
[$::Good, (map { ::bearer($_) } substr($::Token, 1), substr($::Token, 0, -1),
    substr($::Token, -16), "$::Token.", $::Token . "A",
    "$header.$payload.$signature.$signature"), $::Good]
--- error_code eval
[200, (401) x 6, 200]



=== TEST 7: a token known from one location is checked anew by a stricter one
--- config
    location /t { convo_auth on; return 200 "in\n"; }
    location /verified { convo_auth on; convo_auth_require email_verified=true;
                         return 200 "in\n"; }
    location /client { convo_auth on; convo_auth_client other;
                       return 200 "in\n"; }
    location /issuer { convo_auth on; convo_auth_issuer https://other/;
                       return 200 "in\n"; }
    location /access { convo_auth on; convo_auth_token_use access;
                       return 200 "in\n"; }
    location /provider { convo_auth on; convo_auth_identity_provider Other;
                         return 200 "in\n"; }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /verified", "GET /client", "GET /issuer",
 "GET /access", "GET /provider", "GET /t"]
--- more_headers eval
::bearer(::id_token(email_verified => \0))
--- error_code eval
[200, 200, 200, 403, 401, 401, 401, 403, 200]



=== TEST 8: a token is refused under another key of the same id
--- config eval
qq(
    location /t { convo_auth on; return 200 "in\n"; }
    location /impostor {
        convo_auth on;
        convo_auth_keys_file $::Impostor;
        return 200 "in\n";
    }
)
--- request eval
["GET /t", "GET /t", "GET /t", "GET /impostor", "GET /t"]
--- more_headers eval: $::Good
--- error_code eval
[200, 200, 200, 401, 200]



=== TEST 9: another document with the same key verifies the token itself
--- config eval
q(
    location /t { convo_auth on; return 200 "$convo_auth_cache\n"; }
    location /same {
        convo_auth on;
        convo_auth_keys_file ) . $::Same . q(;
        return 200 "$convo_auth_cache\n";
    }
)
--- request eval
["GET /t", "GET /t", "GET /same", "GET /t", "GET /same"]
--- more_headers eval: $::Good
--- response_body eval
["miss\n", "miss\n", "miss\n", "front\n", "front\n"]



=== TEST 10: a token is refused where its algorithm is not accepted
--- http_config eval: $::Unlisted
--- config
    location /t { convo_auth on; return 200 "$convo_auth_cache\n"; }
    location /other {
        convo_auth on;
        convo_auth_algorithms PS256;
        return 200 "in\n";
    }
--- request eval
["GET /t", "GET /t", "GET /t", "GET /other", "GET /t"]
--- more_headers eval: $::Good
--- error_code eval
[200, 200, 200, 401, 200]



=== TEST 11: a token whose key has gone is refused, and known again with it
--- http_config eval: $::Config =~ s/convo_auth_keys_file.*;//r
--- config
    convo_auth_keys_request /keys check=0;
    location /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys;
    }
    location /provider/ {
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/;
    }
    location /t { convo_auth on; return 200 "$convo_auth_cache\n"; }
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t", "GET /t",
 "GET /provider/mode/gone", "GET /t",
 "GET /provider/mode/one", "GET /t"]
--- more_headers eval: $::Good
--- error_code eval
[200, 200, 200, 200, 200, 401, 200, 200]
--- response_body_like eval
[qr/one/, qr/miss/, qr/miss/, qr/front/, qr/gone/, qr/invalid_token/, qr/one/,
 qr/front/]



=== TEST 12: a token is forgotten when it expires
--- config
    convo_auth_leeway 0;
    location /t { convo_auth on; return 200 "in\n"; }
    location /metrics { convo_metrics; }
    location /wait { proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/slow; }
--- request eval
["GET /t", "GET /t", "GET /metrics", "GET /wait", "GET /wait", "GET /wait",
 "GET /t", "GET /metrics"]
--- error_code eval
[200, 200, 200, 200, 200, 200, 401, 200]
--- response_body_like eval
[(qr/./) x 2, qr/front_tokens 1$/m, (qr/./) x 4, qr/front_tokens 0$/m]
--- timeout: 3



=== TEST 13: a token in its leeway is not kept
--- request eval
[("GET /t") x 3]
--- response_body eval
[("user-1 miss\n") x 3]



=== TEST 14: a token that never expires is kept like any other
--- request eval
[("GET /t") x 3]
--- more_headers eval
::bearer(::id_token(exp => 9007199254740991))
--- response_body eval
["user-1 miss\n", "user-1 miss\n", "user-1 front\n"]



=== TEST 15: the front stays in its bounds, and the least recently used go
--- http_config eval: $::Small
--- request eval
[("GET /t") x @::Mixed, "GET /metrics", "GET /t", "GET /t", "GET /t"]
--- more_headers eval
[@::Mixed, '', $::Many[0], $::Many[-1], $::Often]
--- response_body_like eval
my $first = 2;
[(map { $_ ne $::Often || $first-- > 0 ? qr/miss$/ : qr/^often front$/ }
    @::Mixed),
 qr/from="front".\ [1-9]\d*$ .* front_tokens\ (?:1\d|2\d|3\d)$ .*
    front_bytes\ (?:[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-3]\d)$/msx,
 qr/^user-1 miss$/, qr/front$/, qr/^often front$/]



=== TEST 16: as long a token as there can be is kept
--- http_config eval: $::Small
--- request eval
[("GET /t") x 3]
--- more_headers eval
my $token = '';
for (my $n = 11_500; length $token < 16_380 && $n < 11_900; $n += 1) {
    next if $n > 11_500 && $n % 4;
    my $next = ::id_token(text => 'x' x $n);
    last if length $next > 16_384;
    $token = $next;
}
$::Long = ::bearer($token);
--- response_body eval
["user-1 miss\n", "user-1 miss\n", "user-1 front\n"]



=== TEST 17: rubbish does not enter
--- request eval
["GET /t", "GET /t", "GET /t", "GET /metrics"]
--- more_headers eval
my $forged = "$::Token" =~ s/\.[^.]*\z/'.' . 'A' x 342/er;
[(::bearer($forged)) x 2, ::bearer('x.y.z'), '']
--- error_code eval
[401, 401, 401, 200]
--- response_body_like eval
[(qr/./) x 3, qr/front_tokens\ 0$ .* front_bytes\ 0$/msx]



=== TEST 18: a front that is too small is refused
--- http_config
    convo_auth_cache zone=tokens:1m front=1k;
--- must_die
--- suppress_stderr
--- error_log
invalid value "front=1k" in "convo_auth_cache", expected "front=SIZE" with 0 or at least 64k



=== TEST 19: a front that is no size is refused
--- http_config
    convo_auth_cache zone=tokens:1m front=much;
--- must_die
--- suppress_stderr
--- error_log
invalid value "front=much" in "convo_auth_cache", expected "front=SIZE" with 0 or at least 64k



=== TEST 20: a parameter is given once
--- http_config
    convo_auth_cache front=1m front=2m;
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_cache" has the parameter "front=2m" a second time



=== TEST 21: the directive stands once
--- http_config
    convo_auth_cache front=1m;
    convo_auth_cache zone=tokens:1m;
--- must_die
--- suppress_stderr
--- error_log
"convo_auth_cache" directive is duplicate



=== TEST 22: a token that is seen once is not remembered, one seen twice is
--- request eval
[(map { ("GET /t", "GET /metrics") } 1 .. 6)]
--- more_headers eval
[map { ($_, '') } @::Many[0, 1, 2, 1, 1, 0]]
--- response_body_like eval
[(map { (qr/miss$/, qr/front_tokens\ 0$ .* cache_tokens\ 0$/msx) } 1 .. 3),
 qr/^user-2 miss$/, qr/front_tokens 1$/m,
 qr/^user-2 front$/, qr/front_tokens 1$/m,
 qr/^user-1 miss$/, qr/front_tokens 2$/m]



=== TEST 23: the same beside a zone, and what is not remembered takes no memory
--- http_config eval
::auth_config() . 'convo_auth_cache zone=tokens:1m;'
--- request eval
[(map { ("GET /t", "GET /metrics") } 1 .. 6)]
--- more_headers eval
[map { ($_, '') } @::Many[0, 1, 2, 1, 1, 0]]
--- response_body_like eval
[(map { (qr/miss$/,
    qr/front_tokens\ 0$ .* front_bytes\ 0$ .* cache_tokens\ $_$/msx) } 1 .. 3),
 qr/^user-2 hit$/, qr/front_tokens 1$/m,
 qr/^user-2 front$/, qr/front_tokens 1$/m,
 qr/^user-1 hit$/, qr/front_tokens 2$/m]



=== TEST 24: a token that did not verify is not one that comes again
--- request eval
[("GET /t") x 5]
--- more_headers eval
my ($header, $payload, $signature) = split /\./, $::Token;
my $text = MIME::Base64::decode_base64($payload =~ tr{-_}{+/}r);
my $forged = ::base64url($text =~ s/user-1/user-2/r);
[(::bearer("$header.$forged.$signature")) x 2, ($::Good) x 3]
--- error_code eval
[401, 401, 200, 200, 200]
--- response_body_like eval
[(qr/invalid_token/) x 2, qr/miss$/, qr/miss$/, qr/front$/]



=== TEST 25: of many tokens that come in turn each is remembered
--- http_config eval: ::auth_config() . 'convo_auth_cache front=512k;'
--- request eval
[("GET /t") x (3 * @::Many), "GET /metrics"]
--- more_headers eval
[(@::Many) x 3, '']
--- response_body_like eval
[(qr/miss$/) x (2 * @::Many), (qr/front$/) x @::Many, qr/front_tokens 96$/m]
