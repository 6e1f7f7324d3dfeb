# convo_report: one of a session reports the other, once, and they are never
# paired again.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test sections => ['after'];
use Convo::FakeRedis;
use Convo::Redis;
use Convo::Pool;
use Convo::Token qw(bearer);

our $Json = "Content-Type: application/json";
our $As = sub ($sub) { return bearer(token_of($sub)) . "\n$Json" };
our $Done = qr/\A\{"sessionId":"$SID","reported":true\}\z/;
our $NotFound = qr/"status":404,"code":"not_found"/;

# A request with that reason, of the session of the block or another.
our $Report = sub ($reason, $sid = $SID) {
    return "POST /api/report\n" . qq({"sessionId":"$sid","reason":"$reason"});
};

# What is stored of reports: a list of hashes.
our $Stored = sub () {
    return [map { { @{ $_->[1] } } }
        @{ redis('XRANGE', key('reports'), '-', '+') }];
};

# Names the two, and then takes the report from who names their keys.
my @Keys = map { "{default}:$_" } "session:$SID", 'blocked:user-1',
    'blocked:user-2', 'reports', 'revoked';
my @Values = ('user-1', $SID, 'rude', 'user-1', 'user-2', '', '');

fake_redis('KEYS', sub ($peer, @command) {
    my (undef, undef, $n, @named) = @command;
    return greeting(@command) if defined greeting(@command);
    return list(map { bulk($_) } 'again', 'user-1', 'user-2')
        if "@named" eq "$Keys[0] {default}:none {default}:none @Keys[3, 4]"
            . " @Values[0 .. 2]    ";
    return "-ERR called with @named\r\n" if "@named" ne "@Keys @Values";
    return list(bulk('ok'));
});

# Says so for ever, whoever asks how.
fake_redis('AGAIN', sub ($peer, @command) {
    return greeting(@command)
        // list(map { bulk($_) } 'again', 'user-1', 'user-2');
});

# Answers what no script does, another thing each time.
my @Rubbish = (list(), list(bulk('again')), list(bulk('again'), bulk('a'),
    ":1\r\n"), bulk('ok'), ":1\r\n", "\$-1\r\n", "-ERR no\r\n",
    list(bulk('again'), bulk(''), bulk('b')), list(bulk('never')));
fake_redis('RUBBISH', sub ($peer, @command) {
    return greeting(@command) // $Rubbish[($peer->{next}++ // 0) % @Rubbish];
});

mount();
add_block_preprocessor(sub ($block) {
    $block->set_value('more_headers', $::As->('user-1'))
        if !defined $block->more_headers;
});
run_tests();

__DATA__

=== TEST 1: during a session, and nobody is told who the other is
--- init
live('user-1', 'user-2');
--- request eval: $::Report->('rude')
--- response_body_like eval: $::Done
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- after
my ($report, @more) = @{ $::Stored->() };
is(scalar @more, 0, 'one report is stored');
cmp_ok(abs($report->{at} - time), '<', 60, 'now');
is($report->{expiresAt} - $report->{at}, 90 * 86_400, 'for 90 days');
delete @$report{qw(at expiresAt)};
is_deeply($report, { sessionId => $SID, reporter => 'user-1',
    reported => 'user-2', reason => 'rude' }, 'as it was told');
is_deeply(redis('SMEMBERS', key('blocked', 'user-1')), ['user-2'],
    'never paired again');
is_deeply(redis('SMEMBERS', key('blocked', 'user-2')), ['user-1'],
    'from either side');



=== TEST 2: repeated, with whatever reason, it has no second effect
--- init
live('user-1', 'user-2');
--- request eval
[$::Report->('rude'), $::Report->('rude'), $::Report->('very rude')]
--- more_headers eval: [($::As->('user-1')) x 3]
--- response_body_like eval: [($::Done) x 3]
--- after
is_deeply([map { $_->{reason} } @{ $::Stored->() }], ['rude'], 'the first');



=== TEST 3: both sides may report, side b and before anybody came, too
--- init
pair('user-2', 'user-1');
--- request eval
[$::Report->('no show'), $::Report->('he reports me')]
--- more_headers eval: [map { $::As->($_) } qw(user-1 user-2)]
--- response_body_like eval: [($::Done) x 2]
--- after
our $both = join ', ', map { "$_->{reporter} $_->{reported}" }
    @{ $::Stored->() };
like($both, qr/^user-1 user-2(, user-2 user-1)?$/, 'each has one');



=== TEST 4: after the end, for 24 hours
--- init
live('user-1', 'user-2');
redis('HSET', key('session', $SID), 'state', 'ended', 'ended',
    (time - 86_000) . '000');
--- request eval: $::Report->('rude')
--- response_body_like eval: $::Done



=== TEST 5: ... and no longer
--- init
live('user-1', 'user-2');
redis('HSET', key('session', $SID), 'state', 'ended', 'ended',
    (time - 86_401) . '000');
--- request eval: $::Report->('rude')
--- error_code: 404
--- response_body_like eval: $::NotFound
--- after
is_deeply($::Stored->(), [], 'nothing is stored');



=== TEST 6: a session of others is none, as is one that never was
--- init
live('user-2', 'user-3');
--- request eval
[$::Report->('rude'), $::Report->('rude', 'a' x 26)]
--- more_headers eval: [($::As->('user-1')) x 2]
--- error_code eval: [404, 404]
--- response_body_like eval: [($::NotFound) x 2]
--- after
is_deeply($::Stored->(), [], 'nothing is stored');
is(redis('EXISTS', key('blocked', 'user-1'), key('blocked', 'user-2'),
    key('blocked', 'user-3')), 0, 'and nobody blocked');



=== TEST 7: hostile ids are 404, and Redis hears nothing of them
--- init
live('user-1', 'user-2');
redis('CONFIG', 'RESETSTAT');
--- request eval
[map { $::Report->('rude', $_) } '', 'a', 'a' x 25, 'a' x 27, 'A' x 26,
    '1' x 26, '}:user:user-2}{default}:xx', '*', '../../../../etc/passwd',
    '\\\\u0000' . 'a' x 25, 'a' x 25 . '\\\\n', 'ü' x 26, 'a' x 1000]
--- more_headers eval: [($::As->('user-1')) x 13]
--- error_code eval: [(404) x 9, 404, 404, 404, 404]
--- response_body_like eval: [($::NotFound) x 13]
--- after
unlike(redis('INFO', 'commandstats'), qr/cmdstat_eval/, 'no script ran');



=== TEST 8: a NUL is no text at all
--- request eval
["POST /api/report\n" . '{"sessionId":"\\u0000","reason":"r"}',
 $::Report->('a\\u0000b')]
--- more_headers eval: [($::As->('user-1')) x 2]
--- error_code eval: [400, 400]
--- response_body_like eval: [(qr/"code":"bad_request"/) x 2]



=== TEST 9: members that are missing, of another type, or not known
--- init
live('user-1', 'user-2');
--- request eval
[map { "POST /api/report\n$_" }
    '{}', '{"reason":"r"}', qq({"sessionId":"$::SID"}),
    '{"sessionId":7,"reason":"r"}', qq({"sessionId":"$::SID","reason":7}),
    qq({"sessionId":"$::SID","reason":""}),
    qq({"sessionId":"$::SID","reason":null}),
    qq({"sessionId":["$::SID"],"reason":"r"}),
    qq({"sessionId":"$::SID","reason":"r","reported":"user-2"}),
    qq({"sessionId":"$::SID","reason":"r","reason":"s"}),
    qq(["$::SID","r"]), qq({"sessionId":"$::SID","reason":"r")]
--- more_headers eval: [($::As->('user-1')) x 12]
--- error_code eval: [(400) x 12]
--- response_body_like eval
[qr/"sessionId\\" is a string/, qr/"sessionId\\" is a string/,
 qr/"reason\\" is a string that is not empty/,
 qr/"sessionId\\" is a string/, (qr/"reason\\" is a string/) x 3,
 qr/"sessionId\\" is a string/, qr/The members are/,
 (qr/"code":"bad_request"/) x 3]
--- after
is_deeply($::Stored->(), [], 'nothing is stored');



=== TEST 10: a reason has at most 1000 bytes
--- init
live('user-1', 'user-2');
--- request eval
[map { $::Report->($_) } 'x' x 1001, 'ü' x 501, 'x' x 15000, 'x' x 20000,
    'ü' x 500]
--- more_headers eval: [($::As->('user-1')) x 5]
--- error_code eval: [(413) x 4, 200]
--- response_body_like eval
[(qr/"code":"too_large","detail":"\\"reason\\" is longer than 1000/) x 3,
 qr/"code":"too_large"/, $::Done]
--- after
is(length $_->{reason}, 1000, 'whole') for @{ $::Stored->() };



=== TEST 11: of control characters only the new line is taken
--- init
live('user-1', 'user-2');
--- request eval
[map { $::Report->($_) } '\\u001b[2J', '\\t', 'a\\r\\nb', '\\u007f',
    '\\u009b31m', 'so\\nand so \\ud83d\\ude20']
--- more_headers eval: [($::As->('user-1')) x 6]
--- error_code eval: [(400) x 5, 200]
--- response_body_like eval
[(qr/"code":"bad_request","detail":"[^"]*\\"reason\\" has a control/) x 5,
 $::Done]
--- after
is($_->{reason}, "so\nand so \xf0\x9f\x98\xa0", 'as it was')
    for @{ $::Stored->() };



=== TEST 12: other methods, another type, and no token
--- request eval
["GET /api/report", "PUT /api/report\n{}", "POST /api/report\n{}",
 "POST /api/report\n{}"]
--- more_headers eval
[($::As->('user-1')) x 2,
 ::bearer(::token_of('user-1')) . "\nContent-Type: text/plain", $::Json]
--- error_code eval: [405, 405, 415, 401]
--- response_headers eval: ["Allow: POST", "Allow: POST", "", ""]



=== TEST 13: the second call names the keys of both
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_KEYS_PORT;' . Convo::Pool::api()
--- request eval: $::Report->('rude')
--- response_body_like eval: $::Done



=== TEST 14: there is no third call
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_AGAIN_PORT;' . Convo::Pool::api()
--- request eval: $::Report->('rude')
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"
--- error_log
convo session: report: redis answered what no script of this version answers



=== TEST 15: replies that no script makes
--- config eval
'convo_redis redis://127.0.0.1:$TEST_NGINX_RUBBISH_PORT;'
. Convo::Pool::api()
--- request eval: [($::Report->('rude')) x 9]
--- more_headers eval: [($::As->('user-1')) x 9]
--- error_code_like eval: [(qr/^50[03]$/) x 9]
--- error_log
convo session: report: redis answered



=== TEST 16: without Redis it is 503
--- config eval
'convo_redis unix:/nowhere/redis.sock;' . Convo::Pool::api()
--- request eval: $::Report->('rude')
--- error_code: 503
--- response_body_like: "code":"redis_unavailable"



=== TEST 17: a key of another type stops a report, not NGINX
--- init
live('user-1', 'user-2');
redis('SET', key('blocked', 'user-2'), 'no set');
--- request eval: $::Report->('rude')
--- error_code: 503
--- error_log eval
qr/convo session: report: redis answered "/
--- after
is_deeply($::Stored->(), [], 'nothing half done');
is(redis('EXISTS', key('blocked', 'user-1')), 0, 'nothing at all');
