# Channels against a real Redis: one SUBSCRIBE however many follow, messages to
# all of them, an UNSUBSCRIBE when the last has gone, and everything again
# when Redis has been away.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;

use IO::Select ();
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

# A stream of another client than that of the block.
sub follow ($path) {
    my $client = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $ENV{TEST_NGINX_SERVER_PORT},
    ) or die "cannot connect: $!";
    print $client "GET $path HTTP/1.0\r\n\r\n";
    $client->flush;
    return $client;
}

# The next lines of a stream in one string, without the headers before them.
sub said ($client, $lines) {
    my $end = time + 5;
    my $heard = \(${*$client}{convo_heard} //= '');
    while (time < $end) {
        $$heard =~ s/\AHTTP.*?\r\n\r\n//s;
        return join ' ', split /\n/, $1
            if $$heard =~ s/\A((?!HTTP)(?:.*\n){$lines})//;
        IO::Select->new($client)->can_read(0.1) or next;
        sysread $client, $$heard, 4096, length $$heard or last;
    }
    return "no more than: $$heard";
}

# Whether a stream is subscribed: others of its channel may have come before.
sub ready ($client) {
    my $first = said($client, 1);
    return $first eq 'at once' || ($first eq 'wait'
        && said($client, 1) eq 'ready');
}

sub subscribed (@channels) {
    my %numbers = @{ redis('PUBSUB', 'NUMSUB', @channels) };
    return join ' ', map { "$_=$numbers{$_}" } @channels;
}

# Until Redis says so, or not within two seconds.
sub subscribed_soon ($want, @channels) {
    my ($text, $end) = ('', time + 2);
    while (time < $end) {
        $text = subscribed(@channels);
        return $text if $text eq $want;
        sleep 0.02;
    }
    return $text;
}

our $Locations = <<'_EOC_';
    convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT timeout=5s;
    location ~ ^/follow/(\w+)/1 { convo_test_subscribe $1 events=1; }
    location ~ ^/follow/(\w+)/2 { convo_test_subscribe $1 events=2; }
    location ~ ^/follow/(\w+)/9 { convo_test_subscribe $1 events=9; }
    location ~ ^/kill/(\w+)     { convo_test_subscribe $1 events=2 kill; }
    location = /status { convo_test_status; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $Locations);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a subscriber is told when it is subscribed, and of each message
--- init
my $stream = ::follow('/follow/one/9');
::is(::said($stream, 2), 'wait ready', 'it is subscribed');
::redis('PUBLISH', 'one', 'anything');
::is(::said($stream, 1), 'message', 'it hears of a message');
::redis('PUBLISH', 'two', 'anything');
::redis('PUBLISH', 'one', '');
::is(::said($stream, 1), 'message', 'and of the next');
--- request
GET /status
--- response_body_like:  messages=2$



=== TEST 2: subscribers of one channel share one subscription
--- init
my @streams = map { ::follow('/follow/shared/9') } 1 .. 5;
::ok(::ready($_), 'it is subscribed') for @streams;
::is(::subscribed('shared'), 'shared=1', 'by one connection');
my $late = ::follow('/follow/shared/9');
::is(::said($late, 1), 'at once', 'a later one need not wait');
::redis('PUBLISH', 'shared', 'x');
::is(::said($_, 1), 'message', 'each hears of it') for @streams, $late;
--- request
GET /status
--- response_body_like:  messages=1$



=== TEST 3: the last that goes ends the subscription, and not one before
--- init
my ($first, $second) = map { ::follow('/follow/last/9') } 1 .. 2;
::ok(::ready($_), 'it is subscribed') for $first, $second;
close $first;
sleep 0.2;
::redis('PUBLISH', 'last', 'x');
::is(::said($second, 1), 'message', 'the one that stays hears');
close $second;
::is(::subscribed_soon('last=0', 'last'), 'last=0', 'nobody follows');
--- request
GET /status
--- response_body_like:  connects=2 failures=0\b
--- error_log
prematurely closed connection



=== TEST 4: a channel may be left and followed again, over and over
--- init
for (1 .. 20) {
    my $stream = ::follow('/follow/again/9');
    close $stream if $_ % 2;
    next if $_ % 2;
    ::like(::said($stream, 1), qr/^(?:wait|at once)$/, 'it is taken');
    close $stream;
}
my $stays = ::follow('/follow/again/9');
::ok(::ready($stays), 'it is subscribed in the end');
::is(::subscribed('again'), 'again=1', 'by one connection');
::redis('PUBLISH', 'again', 'x');
::is(::said($stays, 1), 'message', 'and hears');
--- request
GET /status
--- response_body_like:  failures=0 messages=1$



=== TEST 5: a restart of Redis is told, and lost subscriptions come back
--- init
my @streams = map { ::follow("/follow/restart$_/9") } 1 .. 3;
::is(::said($_, 2), 'wait ready', 'it is subscribed') for @streams;
::redis_stop('KILL');
::is(::said($_, 1), 'lost', 'it is told') for @streams;
my $new = ::follow('/follow/restart1/9');
::is(::said($new, 1), 'wait', 'a new one waits while Redis is away');
::redis_start();
::is(::said($_, 1), 'ready', 'it is subscribed again') for @streams, $new;
::redis('PUBLISH', "restart$_", 'x') for 1 .. 3;
::is(::said($_, 1), 'message', 'and hears') for @streams, $new;
--- request
GET /status
--- response_body_like:  messages=3$
--- error_log
closed by the peer
connected again



=== TEST 6: many channels are subscribed, and again after a cut
--- init
my @streams = map { ::follow("/follow/many$_/9") } 1 .. 40;
::is(::said($_, 2), 'wait ready', 'it is subscribed') for @streams;
::redis('CLIENT', 'KILL', 'TYPE', 'pubsub');
::is(::said($_, 2), 'lost ready', 'it is subscribed again') for @streams;
--- request
GET /status
--- response_body_like:  connects=3 failures=1\b



=== TEST 7: a handler may end the requests of all other subscribers
--- init
my @streams = map { ::follow('/follow/kill/9') } 1 .. 3;
::ok(::ready($_), 'it is subscribed') for @streams;
my $killer = ::follow('/kill/kill');
my @more = map { ::follow('/follow/kill/9') } 1 .. 3;
::ok(::ready($_), 'it is subscribed') for $killer, @more;
::redis('PUBLISH', 'kill', 'x');
::is(::said($killer, 1), 'message', 'the killer goes on');
::like(::said($_, 1), qr/^(?:message|killed)$/, 'others hear or end')
    for @streams, @more;
::redis('PUBLISH', 'kill', 'x');
::is(::said($killer, 1), 'message', 'and on to its own end');
::is(::subscribed_soon('kill=0', 'kill'), 'kill=0', 'nobody is left');
--- request
GET /status
--- response_body_like:  messages=2$



=== TEST 8: nothing is subscribed while nobody follows
--- init
sleep 0.2;
--- request
GET /status
--- response_body_like:  connects=1\b
