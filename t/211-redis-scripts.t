# Scripts against a real Redis: their replies and errors, a script that Redis
# has forgotten, a Redis that goes and comes back, a client that goes.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::FakeRedis;

use IO::Socket::INET ();
use Time::HiRes qw(sleep);

# As many milliseconds late as the key says.
fake_redis('LATE', sub ($peer, @command) {
    my $greeting = greeting(@command);
    return $greeting if $greeting;
    my ($key, $argument) = @command[3, 4];
    return [$key / 1000, bulk("$key $argument")];
});

# Requests of other clients than that of the block: sent, and left alone.
my @clients;

sub request ($path) {
    my $client = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $ENV{TEST_NGINX_SERVER_PORT},
    ) or die "cannot connect: $!";
    print $client "GET $path HTTP/1.0\r\n\r\n";
    $client->flush;
    return $client;
}

sub get ($path) {
    my $client = request($path);
    local $/;
    return <$client>;
}

sub later (@paths) {
    for my $path (@paths) {
        push @clients, request($path);
        sleep 0.02;
    }
    return;
}

sub leave ($path) {
    my $client = request($path);
    sleep 0.1;
    close $client;
    sleep 0.05;
    return;
}

# Until NGINX has noticed, and its first attempt to come back has failed.
sub settle () {
    sleep 0.3;
    return;
}

our $Locations = <<'_EOC_';
    location /touch/ { convo_test_eval touch $arg_user | 15000 1; }
    location /two/ { convo_test_eval touch $arg_a $arg_b | 15000 1 1; }
    location = /wrong { convo_test_eval history text | 50; }
    location = /status { convo_test_status; }
    location ~ ^/long/(\d+) {
        convo_test_eval touch $1 | $arg_a$arg_a$arg_a$arg_a;
    }
    location ~ ^/huge/(\d+) {
        convo_test_eval touch $1 | HUGE;
    }
    location ~ ^/say/(\d+) { convo_test_eval touch $1 | $arg_a; }
_EOC_
$Locations =~ s/HUGE/'$arg_a' x 70/e;

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('http_config',
        'convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;')
        if !defined $block->http_config;
    $block->set_value('config', ($block->config // '') . $Locations);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a script runs and its reply comes back
--- init
::redis('FLUSHALL');
::redis('HSET', 'u1', 'state', 'waiting');
::redis('HSET', 'u2', 'state', 'idle');
--- request eval
["GET /touch/?user=u1", "GET /touch/?user=u2", "GET /touch/?user=u3"]
--- response_body eval
["1\n", "0\n", "0\n"]



=== TEST 2: it takes any number of keys
--- init
::redis('FLUSHALL');
::redis('HSET', $_, 'state', 'waiting') for 'a', 'b';
--- config
    location = /all { convo_test_eval touch a b c | 15000 1 1 1; }
--- request
GET /all
--- response_body
2



=== TEST 3: an error of the script goes to the caller
--- init
::redis('SET', 'text', 'is no hash');
--- request
GET /wrong
--- response_body_like: ^error WRONGTYPE



=== TEST 4: a script that Redis has forgotten is sent again
--- init
::redis('FLUSHALL');
::redis('HSET', 'u', 'state', 'waiting');
::redis('SCRIPT', 'FLUSH');
--- pipelined_requests eval
["GET /touch/?user=u", "GET /touch/?user=u", "GET /status"]
--- response_body_like eval
["1", "1", "commands=2 errors=0 timeouts=0 lost=0 declined=0 reloads=1 "]



=== TEST 5: keys and values may hold any bytes
--- config
    location = /bytes { convo_test_eval touch "a\r\n*1\r\nb" | 15000 1; }
--- init
::redis('HSET', "a\r\n*1\r\nb", 'state', 'waiting');
--- request
GET /bytes
--- response_body
1



=== TEST 6: a Redis that is gone is said at once
--- init
::redis_stop('KILL');
::settle();
--- request
GET /touch/?user=u
--- timeout: 100ms
--- error_code: 503
--- response_body_filters eval
sub { ::redis_start(); $_[0] }



=== TEST 7: and what was asked of it is counted
--- init
::redis_stop('KILL');
::settle();
::get('/touch/?user=u');
--- request
GET /status
--- response_body_like:  up=0 commands=0 errors=0 timeouts=0 lost=0 declined=1\b
--- response_body_filters eval
sub { ::redis_start(); $_[0] }



=== TEST 8: a Redis that comes back is used again without being asked for
--- init
::redis_stop('KILL');
::settle();
::redis_start();
::redis('HSET', 'u', 'state', 'waiting');
sleep 1.2;
--- request eval
["GET /status", "GET /touch/?user=u"]
--- response_body_like eval
[" up=1 ", "^1\$"]



=== TEST 9: a restarted Redis costs its callers no request
--- init
::redis('HSET', 'u', 'state', 'waiting');
sleep 1.2;
::redis_stop();
::redis_start();
sleep 0.6;
--- request
GET /touch/?user=u
--- response_body
1



=== TEST 10: all requests of a process share one connection, in their order
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=3s;
--- init
::later('/say/400?a=first', '/say/200?a=second', '/say/0?a=third');
--- request eval
["GET /say/0?a=fourth", "GET /status"]
--- response_body_like eval
["^0 fourth\$", " commands=4 .* connects=1 "]



=== TEST 11: a client that goes leaves its reply behind, and nobody gets it
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=3s;
--- init
::leave('/say/400?a=gone');
--- request
GET /say/0?a=here
--- response_body
0 here
--- error_log
prematurely closed connection



=== TEST 12: a command not answered in time is skipped when it is
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=500ms;
--- init
::later('/say/400?a=first', '/say/800?a=second');
sleep 0.6;
--- request eval
["GET /say/0?a=third", "GET /status"]
--- response_body_like eval
["^0 third\$", " commands=3 errors=0 timeouts=1 lost=0 .* connects=1 "]



=== TEST 13: a long argument goes whole
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=3s;
--- request eval
"GET /long/0?a=" . 'x' x 7000
--- response_body_like: ^0 x{28000}$



=== TEST 14: a command of more than half a megabyte is refused
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=3s;
--- request eval
"GET /huge/0?a=" . 'x' x 7700
--- error_code: 500
--- error_log
convo redis: arguments of script "touch" exceed 524288 bytes



=== TEST 15: with too many bytes waiting a request is declined
--- http_config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LATE_PORT timeout=9s;
--- init
::later(('/huge/3000?a=' . 'x' x 7000) x 34);
--- request eval
["GET /huge/0?a=" . 'x' x 7000, "GET /status"]
--- error_code eval
[503, 200]
--- response_body_like eval
["503", " commands=34 .* declined=1 "]
