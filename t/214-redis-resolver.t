# The name of a Redis is looked up by NGINX's resolver at each connection: it
# is found, it is not, nobody answers, it moves.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;

use IO::Socket::INET ();
use POSIX ();
use Socket qw(inet_aton);
use Time::HiRes qw(sleep);

# A name server: redis.test is here, moving.test only from its third answer
# on, late.test never answers, any other name does not exist.
my $names = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
    or die "cannot listen: $!";
$ENV{TEST_NGINX_DNS_PORT} = $names->sockport;
my $server = fork // die "fork failed: $!";
if (!$server) {
    my $moves = 0;
    while (defined(my $peer = $names->recv(my $query, 512))) {
        my ($id, $question) = unpack 'a2 x10 a*', $query;
        my ($name) = $question =~ /\A\x05(?<n>redis)|\A.(?<n>moving|late)/s
            ? $+{n} : '';
        next if $name eq 'late';
        my $address = $name eq 'redis' ? '127.0.0.1'
            : $name ne 'moving' ? ''
            : $moves++ < 2 ? '127.0.0.9' : '127.0.0.1';
        my $answer = $address
            ? pack('n n n N n a4', 0xc00c, 1, 1, 0, 4, inet_aton($address))
            : '';
        $names->send($id . pack('n n n n n', $address ? 0x8180 : 0x8183, 1,
            $address ? 1 : 0, 0, 0) . $question . $answer, 0, $peer);
    }
    POSIX::_exit(1);
}
add_cleanup_handler(sub {
    kill 'KILL', $server;
    waitpid $server, 0;
});

our $Locations = <<'_EOC_';
    resolver 127.0.0.1:$TEST_NGINX_DNS_PORT ipv6=off;
    location = /touch { convo_test_eval touch k | 1; }
    location = /status { convo_test_status; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $block->config . $Locations);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a name is found by the resolver, not by the system
--- config
    convo_redis redis://redis.test:$TEST_NGINX_REDIS_PORT timeout=5s;
--- request eval
["GET /touch", "GET /status"]
--- response_body_like eval
['^0$', '^redis://redis\.test:\d+/0 up=1 ']



=== TEST 2: a name that does not exist is said, and requests are declined
--- config
    convo_redis redis://nowhere.test:$TEST_NGINX_REDIS_PORT;
--- init
sleep 0.2;
--- request
GET /touch
--- error_code: 503



=== TEST 3: with the resolver's reason
--- config
    convo_redis redis://nowhere.test:$TEST_NGINX_REDIS_PORT;
--- request
GET /status
--- wait: 0.2
--- response_body_like: up=0
--- error_log eval
qr/convo redis: redis:\/\/nowhere\.test:\d+\/0: Host not found/



=== TEST 4: a name server that is silent costs the timeout, and no more
--- config
    convo_redis redis://late.test:$TEST_NGINX_REDIS_PORT timeout=200ms;
--- request eval
["GET /touch", "GET /touch"]
--- error_code_like eval
["50[34]", "503"]



=== TEST 5: a name that has moved is found where it is now
--- config
    convo_redis redis://moving.test:$TEST_NGINX_REDIS_PORT timeout=500ms;
--- init
sleep 4;
--- request
GET /touch
--- response_body
0
