# convo_livekit_webhook: everything that is refused, and that nothing of it
# reaches Redis.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Livekit;

our $Body = left('a');

our $Conf = <<"CONF";
    convo_redis redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT;
    convo_livekit url=wss://livekit.example.com key=$Convo::Livekit::KEY
                  secret_file=\$TEST_NGINX_HTML_DIR/secrets;
    location = /webhooks/livekit { convo_livekit_webhook; }
CONF

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $Conf) if !defined $block->config;
    $block->set_value('init', "::redis('FLUSHALL');");
    $block->set_value('user_files',
        ">>> secrets\n$Convo::Livekit::SECRET\n");
    $block->set_value('request', webhook($Body))
        if !defined $block->request && !defined $block->raw_request;
});

add_response_body_check(sub {
    my ($block) = @_;
    is(redis('DBSIZE'), 0, $block->name . ' - Redis holds nothing');
});

run_tests();

__DATA__

=== TEST 1: no token
--- more_headers
Content-Type: application/webhook+json
--- error_code: 401
--- response_headers
Content-Type: application/problem+json
WWW-Authenticate: Bearer
--- response_body_like: "code":"missing_token"



=== TEST 2: attack: another secret
--- more_headers eval
::signed($::Body, secret => 'another-secret-of-32-bytes-and-more')
--- error_code: 401
--- response_headers_like
WWW-Authenticate: Bearer error="invalid_token".*
--- response_body_like: "code":"invalid_token"
--- error_log
convo livekit: webhook refused: signed by none of the secrets



=== TEST 3: attack: no signature
--- more_headers eval
::signed($::Body, header => { alg => 'none' }, signature => '')
--- error_code: 401



=== TEST 4: attack: no signature asked for, but the secret known
--- more_headers eval
::signed($::Body, header => { alg => 'none' })
--- error_code: 401
--- error_log
header that is not plain HS256



=== TEST 5: attack: another algorithm
--- more_headers eval
::signed($::Body, header => { alg => 'HS384' })
--- error_code: 401



=== TEST 6: attack: a critical extension
--- more_headers eval
::signed($::Body, header => { crit => ['exp'] })
--- error_code: 401
--- error_log
header that is not plain HS256



=== TEST 7: attack: another key's token
--- more_headers eval
::signed($::Body, claims => { iss => 'APIother' })
--- error_code: 401
--- error_log
token of another key



=== TEST 8: attack: a token of yesterday
--- more_headers eval
::signed($::Body, claims => { nbf => time - 86400, exp => time - 61 })
--- error_code: 401
--- error_log
expired token



=== TEST 9: attack: a token for ever
--- more_headers eval
::signed($::Body, claims => { exp => undef })
--- error_code: 401
--- error_log
expired token



=== TEST 10: attack: a token of tomorrow
--- more_headers eval
::signed($::Body, claims => { nbf => time + 86400, exp => time + 90000 })
--- error_code: 401
--- error_log
token that is not valid yet



=== TEST 11: attack: a good token with another body
--- more_headers eval
::signed(::joined('a'))
--- error_code: 401
--- error_log
token for another body



=== TEST 12: attack: a good token with no body
--- request
POST /webhooks/livekit
--- more_headers eval
::signed($::Body)
--- error_code: 401
--- error_log
token for another body



=== TEST 13: attack: a good token with a byte more
--- request eval
::webhook("$::Body.")
--- more_headers eval
::signed($::Body)
--- error_code: 401



=== TEST 14: attack: a user's own token
--- more_headers eval
::signed($::Body, claims => { sha256 => undef, sub => "$Convo::Livekit::SID-a",
    video => { room => 'default.x', roomJoin => JSON::PP::true() } })
--- error_code: 401
--- error_log
token for another body



=== TEST 15: attack: rubbish for a token
--- more_headers
Authorization: Basic dXNlcjpwYXNzd29yZA==
Content-Type: application/webhook+json
--- error_code: 401
--- error_log
malformed token



=== TEST 16: a token never reaches the log
--- log_level: info
--- more_headers eval
::signed($::Body, secret => 'another-secret-of-32-bytes-and-more')
--- error_code: 401
--- no_error_log
eyJ
another-secret
a-secret-for-tests



=== TEST 17: another method
--- request
GET /webhooks/livekit
--- error_code: 405
--- response_headers
Allow: POST



=== TEST 18: another type
--- more_headers eval
::signed($::Body, type => 'text/plain')
--- error_code: 415
--- response_body_like: "code":"unsupported_media_type"



=== TEST 19: a type that only begins like one
--- more_headers eval
::signed($::Body, type => 'application/jsonx')
--- error_code: 415



=== TEST 20: no type
--- more_headers eval
'Authorization: ' . ::token($::Body)
--- error_code: 415



=== TEST 21: a body that says it is too long
--- request eval
$::Long = ::left('a', padding => 'x' x 66_000);
::webhook($::Long)
--- more_headers eval
::signed($::Long)
--- error_code: 413
--- response_body_like: "code":"too_large"



=== TEST 22: a body in chunks that is too long
--- raw_request eval
my $long = ::left('a', padding => 'x' x 66_000);
join "\r\n", 'POST /webhooks/livekit HTTP/1.1', 'Host: localhost',
    'Connection: close', ::signed($long), 'Transfer-Encoding: chunked', '',
    (map { sprintf("%x\r\n%s", length, $_) } $long =~ /.{1,9999}/gs),
    '0', '', ''
--- error_code: 413



=== TEST 23: chunks of one byte, so many that they fill the buffer
--- raw_request eval
my $long = ::left('a', padding => 'x' x 30_000);
join "\r\n", 'POST /webhooks/livekit HTTP/1.1', 'Host: localhost',
    'Connection: close', ::signed($long), 'Transfer-Encoding: chunked', '',
    (map { "1\r\n$_" } split //, $long), '0', '', ''
--- error_code: 413



=== TEST 24: signed, but no JSON
--- request eval
::webhook('event=room_finished')
--- more_headers eval
::signed('event=room_finished')
--- error_code: 400
--- response_body_like: "code":"bad_request"
--- error_log
webhook with a good signature is not understood



=== TEST 25: signed, but no event
--- request eval
[map { ::webhook($_) } @::Bodies = ('[]', '{}', 'null',
    ::event(undef), ::finished(id => undef), ::finished(id => ''),
    ::finished(id => 'x' x 65), ::finished(id => "EV_\n"),
    ::finished(id => 7), ::finished(room => undef),
    ::finished(room => 'default'), ::finished(createdAt => undef),
    ::finished(createdAt => '-1'), ::finished(createdAt => '1e9'),
    ::left('a', participant => undef), ::left('a', participant => []),
    ::left('a', participant => { identity => "$Convo::Livekit::SID-a" }),
    '{"event":"room_finished",' . substr(::finished(), 1))]
--- more_headers eval
[map { ::signed($_) } @::Bodies]
--- error_code eval
[(400) x 18]
