# convo_livekit_webhook: what LiveKit tells is in the stream once, and only
# what LiveKit tells.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Livekit;

our $AT = $Convo::Livekit::AT;
our $SID = $Convo::Livekit::SID;
our $Stream = "{$Convo::Livekit::POOL}:livekit";

# The body, and then each entry of the stream as a line.
our $Taken = sub {
    my ($body) = @_;
    my $entries = redis('XRANGE', $Stream, '-', '+');
    return join '', "$body\n", map { "@{ $_->[1] }\n" } @$entries;
};

our $Conf = <<"CONF";
    convo_redis redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT;
    convo_livekit url=wss://livekit.example.com key=$Convo::Livekit::KEY
                  secret_file=\$TEST_NGINX_HTML_DIR/secrets;
    location = /webhooks/livekit { convo_livekit_webhook; }
CONF

our $Joined = '{"result":"appended"}' . "\n"
    . "event joined sid $SID side a psid PA_a at ${AT}123\n";
our $Left = '{"result":"appended"}' . "\n"
    . "event left sid $SID side a psid PA_a at ${AT}000\n";
our $Finished = '{"result":"appended"}' . "\n"
    . "event finished sid $SID side  psid  at ${AT}000\n";
our $Ignored = qq({"result":"ignored"}\n);

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $Conf) if !defined $block->config;
    $block->set_value('init', "::redis('FLUSHALL');\n"
        . ($block->init // ''));
    $block->set_value('user_files',
        ">>> secrets\n$Convo::Livekit::SECRET\n")
        if !defined $block->user_files;
    $block->set_value('response_body_filters', $Taken)
        if !defined $block->response_body_filters;
});

run_tests();

__DATA__

=== TEST 1: a participant who joined is in the stream, at LiveKit's time
--- request eval
::webhook(::joined('a'))
--- more_headers eval
::signed(::joined('a'))
--- response_body eval: $::Joined
--- response_headers
Content-Type: application/json
Cache-Control: no-store



=== TEST 2: a participant who left
--- request eval
::webhook(::left('a'))
--- more_headers eval
::signed(::left('a'))
--- response_body eval: $::Left



=== TEST 3: a participant whose connection was aborted has left
--- request eval
$::Body = ::event('participant_connection_aborted',
    participant => Convo::Livekit::participant('a'));
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body eval: $::Left



=== TEST 4: a room that is finished
--- request eval
::webhook(::finished())
--- more_headers eval
::signed(::finished())
--- response_body eval: $::Finished



=== TEST 5: the other side
--- request eval
::webhook(::left('b'))
--- more_headers eval
::signed(::left('b'))
--- response_body_like: side b psid PA_b



=== TEST 6: Bearer before the token is fine
--- request eval
::webhook(::left('a'))
--- more_headers eval
::signed(::left('a'), scheme => 'Bearer ')
--- response_body eval: $::Left



=== TEST 7: plain JSON is fine, also with a parameter
--- request eval
::webhook(::left('a'))
--- more_headers eval
::signed(::left('a'), type => 'Application/JSON ; charset=utf-8')
--- response_body eval: $::Left



=== TEST 8: a repetition is acknowledged and not stored again
--- request eval
[::webhook(::joined('a')), ::webhook(::joined('a')),
 ::webhook(::joined('a', id => 'EV_2'))]
--- more_headers eval
[::signed(::joined('a')), ::signed(::joined('a')),
 ::signed(::joined('a', id => 'EV_2'))]
--- response_body eval
my ($answer, $entry) = split /\n/, $::Joined;
[$::Joined, qq({"result":"repeated"}\n$entry\n),
 "$answer\n$entry\n$entry\n"]



=== TEST 9: what comes out of order is stored as it comes
--- request eval
[::webhook(::finished(id => 'EV_3')), ::webhook(::left('a', id => 'EV_2')),
 ::webhook(::joined('a', id => 'EV_1'))]
--- more_headers eval
[::signed(::finished(id => 'EV_3')), ::signed(::left('a', id => 'EV_2')),
 ::signed(::joined('a', id => 'EV_1'))]
--- response_body_like eval
[qr/appended.*\nevent finished.*\n\z/, qr/\nevent left.*\n\z/,
 qr/\nevent joined.*\n\z/]



=== TEST 10: the id is remembered for an hour
--- request eval
::webhook(::finished())
--- more_headers eval
::signed(::finished())
--- response_body_filters eval
sub { my $ttl = ::redis('TTL', '{default}:event:EV_1'); $ttl > 3590 && $ttl <= 3600 }
--- response_body chomp
1



=== TEST 11: times may be numbers
--- request eval
my $participant = Convo::Livekit::participant('a');
$participant->{joinedAtMs} = $::AT * 1000 + 7;
$::Body = ::joined('a', createdAt => $::AT + 0,
    participant => $participant);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body_like eval
qr/ at ${main::AT}007\n/



=== TEST 12: without milliseconds the seconds count
--- request eval
my $participant = Convo::Livekit::participant('a');
delete $participant->{joinedAtMs};
$::Body = ::joined('a', createdAt => $::AT + 9, participant => $participant);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body_like eval
qr/ at ${main::AT}000\n/



=== TEST 13: a time that is none does not count
--- request eval
my $participant = Convo::Livekit::participant('a');
$participant->{joinedAtMs} = '99999999999999999999';
$participant->{joinedAt} = -1;
$::Body = ::joined('a', participant => $participant);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body_like eval
qr/ at ${main::AT}000\n/



=== TEST 14: other events are ignored
--- request eval
[::webhook(::event('room_started')), ::webhook(::event('track_published')),
 ::webhook(::event('something_new', room => undef))]
--- more_headers eval
[::signed(::event('room_started')), ::signed(::event('track_published')),
 ::signed(::event('something_new', room => undef))]
--- response_body eval
[$::Ignored, $::Ignored, $::Ignored]



=== TEST 15: rooms that are none of ours are ignored
--- request eval
[map { ::webhook($_) } @::Bodies = map { ::finished(room => { name => $_ }) }
    'lobby', "Default.$::SID", "a{b.$::SID", "default.$::SID-", ".$::SID",
    'x' x 64 . ".$::SID"]
--- more_headers eval
[map { ::signed($_) } @::Bodies]
--- response_body eval
[($::Ignored) x 6]



=== TEST 16: participants who are none of ours are ignored
--- request eval
[map { ::webhook($_) } @::Bodies = map {
    ::joined('a', participant => { sid => 'PA_x', identity => $_ }) }
    '', 'recorder', "$::SID-c", "$::SID-a ", 'bbcdefghijklmnopqrstuvwx27-a']
--- more_headers eval
[map { ::signed($_) } @::Bodies]
--- response_body eval
[($::Ignored) x 5]



=== TEST 17: a track's name with an escaped NUL hides nothing
--- request eval
my $participant = Convo::Livekit::participant('a');
$participant->{tracks} = [{ name => "a\0b" }];
$::Body = ::left('a', participant => $participant);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body eval: $::Left



=== TEST 18: unknown fields are no fault
--- request eval
$::Body = ::left('a', numDropped => 1, brandNew => [{ deep => {} }]);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body eval: $::Left



=== TEST 19: a body in chunks is one body
--- raw_request eval
my $body = ::left('a');
join "\r\n", 'POST /webhooks/livekit HTTP/1.1', 'Host: localhost',
    'Connection: close', ::signed($body), 'Transfer-Encoding: chunked', '',
    (map { sprintf("%x\r\n%s", length, $_) } $body =~ /.{1,7}/gs), '0', '', ''
--- response_body eval: $::Left



=== TEST 20: a large body is one body and touches no file
--- request eval
$::Body = ::left('a', padding => 'x' x 65_000);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body eval: $::Left
--- no_error_log
a client request body is buffered to a temporary file



=== TEST 21: the second secret verifies during a rotation
--- user_files eval
">>> secrets\nthe-new-secret-of-32-bytes-and-more\n$Convo::Livekit::SECRET\n"
--- request eval
::webhook(::left('a'))
--- more_headers eval
::signed(::left('a'))
--- response_body eval: $::Left



=== TEST 22: two webhooks on one connection
--- pipelined_requests eval
[::webhook(::left('a')), ::webhook(::left('a'))]
--- more_headers eval
::signed(::left('a'))
--- error_code eval
[200, 200]



=== TEST 23: an "if" in the location changes nothing, for a large body either
--- config eval
$::Conf =~ s/convo_livekit_webhook;/$&
        if (\$request_method = POST) { set \$post 1; }/r
--- request eval
$::Body = ::left('a', padding => 'x' x 60_000);
::webhook($::Body)
--- more_headers eval
::signed($::Body)
--- response_body eval: $::Left
--- no_error_log
a client request body is buffered to a temporary file
