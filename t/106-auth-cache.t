# convo_auth_cache zone=: a token that any process has seen costs no signature,
# and proves nothing but its signature. What a process remembers by itself is
# off here and has a suite of its own.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Token qw(auth_config base64url bearer id_token);
use Convo::Provider keys => { one => ['pool'], gone => ['second'] };

use MIME::Base64 ();

our $Config = auth_config() . "convo_auth_cache zone=tokens:1m front=0;\n";
our $Token = id_token();
our $Good = bearer($Token);

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config', $Config) unless $block->http_config;

    # made when the block runs: all others are made when the suite is read
    $block->set_value('more_headers', bearer(id_token(exp => time + 3)))
        if $block->name =~ /expires when it expires/;
});

run_tests();

__DATA__

=== TEST 1: a token is let in again and again
--- config
    location /t {
        convo_auth on;
        return 200 "in $convo_user $convo_auth_cache\n";
    }
--- request eval
[("GET /t") x 5]
--- more_headers eval: $::Good
--- response_body eval
["in user-1 miss\n", ("in user-1 hit\n") x 4]



=== TEST 2: a token cached for one location is checked anew by a stricter one
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
["GET /t", "GET /t", "GET /verified", "GET /client", "GET /issuer",
 "GET /access", "GET /provider", "GET /t"]
--- more_headers eval
::bearer(::id_token(email_verified => \0))
--- error_code eval
[200, 200, 403, 401, 401, 401, 403, 200]



=== TEST 3: a changed form of a cached token is refused
--- config
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
[("GET /t") x 5]
--- more_headers eval
my ($header, $payload, $signature) = split /\./, $::Token;
my $text = MIME::Base64::decode_base64($payload =~ tr{-_}{+/}r);
my $other = ::base64url($text =~ s/user-1/user-2/r);
[$::Good, ::bearer("$header.$other.$signature"), "$::Good=", "$::Good.",
 $::Good]
--- error_code eval
[200, 401, 401, 401, 200]



=== TEST 4: a cached token expires when it expires
--- config
    convo_auth_leeway 0;
    location /t { convo_auth on; return 200 "in\n"; }
    location /wait { proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/slow; }
--- request eval
["GET /t", "GET /wait", "GET /wait", "GET /wait", "GET /t"]
--- error_code eval
[200, 200, 200, 200, 401]
--- timeout: 3



=== TEST 5: a cached token whose key has gone is refused
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
    location /t { convo_auth on; return 200 "in\n"; }
--- request eval
["GET /provider/mode/one", "GET /t", "GET /t",
 "GET /provider/mode/gone", "GET /t",
 "GET /provider/mode/one", "GET /t"]
--- more_headers eval: $::Good
--- error_code eval
[200, 200, 200, 200, 401, 200, 200]



=== TEST 6: what one key set verified is not let in under another
--- config
    location /t { convo_auth on; return 200 "in\n"; }
    location /other {
        convo_auth on;
        convo_auth_keys_request /keys;
        return 200 "in\n";
    }
    location /keys {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_PROVIDER_PORT/keys/gone;
    }
--- request eval
["GET /t", "GET /other", "GET /t"]
--- more_headers eval: $::Good
--- error_code eval
[200, 401, 200]



=== TEST 7: a full zone gives up the tokens that were used least recently
--- http_config eval: $::Config =~ s/tokens:1m/tokens:32k/r
--- config
    location /t { convo_auth on; return 200 "$convo_user $convo_auth_cache\n"; }
    location /metrics { convo_metrics; }
--- request eval
[("GET /t") x 424, "GET /metrics"]
--- more_headers eval
my @many = map { ::bearer(::id_token(sub => "user-$_")) } 0 .. 400;
my $often = shift @many;
[(map { $_ % 20 ? $many[$_] : ($often, $many[$_]) } 0 .. 399),
 @many[0, 398, 399], $often, ""]
--- response_body_like eval
[(map { my $n = $_ + 1;
        my $new = qr/^user-$n miss$/;
        $_ % 20 ? $new : (qr/^user-0 (?:hit|miss)$/, $new) } 0 .. 399),
 qr/^user-1 miss$/, qr/^user-399 hit$/, qr/^user-400 hit$/, qr/^user-0 hit$/,
 qr/from="zone".\ [1-9]\d*$ .* cache_tokens\ (?:1\d\d|2\d\d|3[0-8]\d)$/msx]



=== TEST 8: a zone that is no zone is refused
--- http_config
    convo_auth_cache tokens:1m;
--- config
--- must_die
--- suppress_stderr
--- error_log
invalid parameter "tokens:1m" in "convo_auth_cache", expected "zone=NAME:SIZE" or "front=SIZE"



=== TEST 9: a zone that is too small is refused
--- http_config
    convo_auth_cache zone=tokens:8k;
--- config
--- must_die
--- suppress_stderr
--- error_log
invalid value "zone=tokens:8k" in "convo_auth_cache", expected "zone=NAME:SIZE" with at least 32k



=== TEST 10: a zone without a size is refused
--- http_config
    convo_auth_cache zone=tokens;
--- config
--- must_die
--- suppress_stderr
--- error_log
invalid value "zone=tokens" in "convo_auth_cache", expected "zone=NAME:SIZE" with at least 32k



=== TEST 11: a zone that is another one's is refused
--- http_config
    convo_auth_issuer https://issuer.example;
    convo_auth_client client;
    convo_auth_keys_request /keys;
    convo_auth_cache zone=convo_auth_gates:1m;
--- config
    location /t { convo_auth on; }
--- must_die
--- suppress_stderr
--- error_log
the shared memory zone "convo_auth_gates" is already declared for a different use
