# What a Redis must not do, and does: silence, rubbish, half a reply, a reply
# without end.  Whatever it is, a request that waits is answered, nobody gets
# the reply of another, the process lives, and a sound connection serves again.

use v5.36;

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::FakeRedis;

# Answers the way that the script's only key says.
my %ways = (
    echo     => sub ($peer, @command) { bulk($command[-1]) },
    silent   => sub ($peer, @command) { undef },
    slow     => sub ($peer, @command) { [0.4, bulk('late')] },
    rubbish  => sub ($peer, @command) { "?what\r\n" },
    number   => sub ($peer, @command) { "\$12x\r\nabc\r\n" },
    negative => sub ($peer, @command) { "\$-7\r\n" },
    http     => sub ($peer, @command) { "HTTP/1.1 400 Bad Request\r\n\r\n" },
    cut      => sub ($peer, @command) {
        $peer->{close} = 1;
        return "\$100\r\nonly half of";
    },
    shut     => sub ($peer, @command) {
        $peer->{close} = 1;
        return undef;
    },
    bytes    => sub ($peer, @command) {
        return "\$3000000\r\n" . 'x' x 3_000_000 . "\r\n";
    },
    line     => sub ($peer, @command) { '+' . 'x' x 3_000_000 },
    promise  => sub ($peer, @command) { "\$2000000000\r\n" },
    elements => sub ($peer, @command) { "*2147483647\r\n" },
    many     => sub ($peer, @command) { "*60000\r\n*60000\r\n" },
    deep     => sub ($peer, @command) { "*1\r\n" x 100 },
    twice    => sub ($peer, @command) { bulk('mine') . bulk('whose') },
    nested   => sub ($peer, @command) {
        return list(bulk('a'), list(':1' . "\r\n", "\$-1\r\n"), '*0' . "\r\n");
    },
    readonly => sub ($peer, @command) {
        return "-READONLY You can't write against a read only replica.\r\n"
            if $peer->{number} == 1;
        return bulk('master');
    },
    old      => sub ($peer, @command) {
        return "-ERR Error running script: \@user_script: 1: -READONLY You"
            . " can't write against a read only replica.\r\n"
            if $peer->{number} == 1;
        return bulk('master');
    },
    loading  => sub ($peer, @command) {
        return "-LOADING Redis is loading the dataset in memory\r\n";
    },
    noscript => sub ($peer, @command) {
        return "-NOSCRIPT No matching script.\r\n"
            if $command[0] eq 'EVALSHA';
        return bulk("$command[0] $command[2] $command[3] $command[4]"
            . ($command[1] =~ /redis\.call/ ? ' whole' : ''));
    },
    never    => sub ($peer, @command) { "-NOSCRIPT No matching script.\r\n" },
);

sub by_key ($peer, @command) {
    return greeting(@command) // $ways{ $command[3] }->($peer, @command);
}

# Some ways count connections, so each block that needs it has its own server.
fake_redis($_, \&by_key) for qw(FAKE READONLY OLD);

fake_redis('HUNG', sub ($peer, @command) { undef });
fake_redis('WRONGPASS', sub ($peer, @command) {
    return "-WRONGPASS invalid username-password pair\r\n"
        if $command[0] eq 'AUTH';
    return "-NOAUTH Authentication required.\r\n";
});
fake_redis('TELLTALE', sub ($peer, @command) {
    return "-ERR unknown command '$command[0]', with args beginning with: "
        . join(' ', @command[1 .. $#command]) . "\r\n";
});
fake_redis('NODB', sub ($peer, @command) {
    return $command[0] eq 'SELECT' ? "-ERR DB index is out of range\r\n"
        : greeting(@command);
});
fake_redis('BUSYLOADING', sub ($peer, @command) {
    return "-LOADING Redis is loading the dataset in memory\r\n";
});
fake_redis('WEB', sub ($peer, @command) { "HTTP/1.1 400 Bad Request\r\n\r\n" });
fake_redis('PUSH', sub ($peer, @command) {
    return greeting(@command) . bulk('unasked') if $peer->{number} == 1;
    return by_key($peer, @command);
});
fake_redis('LIST', sub ($peer, @command) { list(bulk('x')) });

# Channels: the way is the channel's name.
my %channels = (
    refused => "-NOPERM this user has no permissions to access the channel\r\n",
    other   => list(bulk('subscribe'), bulk('another'), ":1\r\n"),
    shape   => list(bulk('message'), ":1\r\n", bulk('x')),
    kind    => list(bulk('gossip'), bulk('kind'), bulk('x')),
    integer => ":1\r\n",
    twice   => list(bulk('subscribe'), bulk('twice'), ":1\r\n") x 2,
    early   => list(bulk('message'), bulk('early'), bulk('x'))
        . list(bulk('message'), bulk('stranger'), bulk('x'))
        . list(bulk('subscribe'), bulk('early'), ":1\r\n")
        . list(bulk('message'), bulk('early'), bulk('x')),
    left    => list(bulk('subscribe'), bulk('left'), ":1\r\n")
        . list(bulk('unsubscribe'), bulk('left'), ":0\r\n"),
);
for my $channel (sort keys %channels) {
    my $asked = 0;
    fake_redis(uc "ON_$channel", sub ($peer, @command) {
        return greeting(@command) if $command[0] ne 'SUBSCRIBE';
        my $good = list(bulk('subscribe'), bulk($command[1]), ":1\r\n");
        return $asked++ ? $good : $channels{$channel};
    });
}

# Goes quiet once something is subscribed, as a peer does behind a cut cable.
fake_redis('MUTE', sub ($peer, @command) {
    $peer->{mute} ||= $peer->{number} <= 2 && $command[0] eq 'SUBSCRIBE';
    return list(bulk('subscribe'), bulk($command[1]), ":1\r\n")
        if $command[0] eq 'SUBSCRIBE';
    return $peer->{mute} ? undef : greeting(@command);
});

our $Locations = <<'_EOC_';
    location /do/ {
        convo_test_eval touch $arg_way | $arg_say;
    }
    location = /status {
        convo_test_status;
    }
    location = /sleep {
        convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=10s;
        convo_test_eval touch slow | 1;
    }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $block->config . $Locations);
});

no_long_string();
run_tests();

__DATA__

=== TEST 1: a reply is that of the request that asked
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- pipelined_requests eval
[map { "GET /do/?way=echo&say=$_" } 1 .. 20]
--- response_body eval
[map { "$_\n" } 1 .. 20]



=== TEST 2: nested arrays, nil and integers are read
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=nested
--- response_body
[a [1 nil] []]



=== TEST 3: a silent Redis is given up after the timeout, and declined then
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=500ms;
--- request
GET /do/?way=silent
--- error_code: 504
--- error_log
convo redis: redis://127.0.0.1:
commands are not answered



=== TEST 4: after a timeout the next request is served by a new connection
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=500ms;
--- request eval
["GET /do/?way=silent", "GET /sleep", "GET /do/?way=echo&say=after"]
--- error_code eval
[504, 200, 200]
--- response_body_like eval
["504", "late", "after"]



=== TEST 5: rubbish ends the connection and answers the request
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request eval
["GET /do/?way=rubbish", "GET /sleep", "GET /do/?way=echo&say=after"]
--- error_code eval
[504, 200, 200]


=== TEST 6: a length that is no number
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=number
--- error_code: 504
--- error_log
convo redis: redis://127.0.0.1:



=== TEST 7: a length below zero
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=negative
--- error_code: 504
--- error_log
Bulk string length out of range



=== TEST 8: an answer of another protocol
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=http
--- error_code: 504
--- error_log
Protocol error, got "H" as reply type byte



=== TEST 9: a connection cut within a reply
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=cut
--- error_code: 504
--- error_log
closed by the peer



=== TEST 10: a connection closed instead of a reply
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=shut
--- error_code: 504
--- error_log
closed by the peer



=== TEST 11: a string longer than a reply may be
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=bytes
--- error_code: 504
--- error_log
a reply was too long



=== TEST 12: a line without end
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=line
--- error_code: 504
--- error_log
a reply was too long



=== TEST 13: a string of two gigabytes is promised and does not come
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=500ms;
--- request
GET /do/?way=promise
--- error_code: 504
--- error_log
commands are not answered



=== TEST 14: two thousand million elements are not believed
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=elements
--- error_code: 504
--- error_log
convo redis: redis://127.0.0.1:



=== TEST 15: nor are many in several arrays
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=many
--- error_code: 504
--- error_log
convo redis: redis://127.0.0.1:



=== TEST 16: a hundred arrays within one another
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=deep
--- error_code: 504
--- error_log
No support for nested multi bulk replies with depth > 7



=== TEST 17: a second reply is nobody's and ends the connection
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=twice
--- response_body
mine
--- error_log
an unexpected reply



=== TEST 18: READONLY goes to the caller and the next connection is asked
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_READONLY_PORT timeout=5s;
--- request eval
["GET /do/?way=readonly", "GET /sleep", "GET /do/?way=readonly"]
--- response_body eval
["error READONLY You can't write against a read only replica.\n", "late\n",
 "master\n"]



=== TEST 19: so does the READONLY of a script before Redis 7
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_OLD_PORT timeout=5s;
--- request eval
["GET /do/?way=old", "GET /sleep", "GET /do/?way=old"]
--- response_body_like eval
["-READONLY You can't", "late", "master"]



=== TEST 20: LOADING goes to the caller
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request eval
["GET /do/?way=loading", "GET /do/?way=echo&say=same"]
--- response_body eval
["error LOADING Redis is loading the dataset in memory\n", "same\n"]



=== TEST 21: NOSCRIPT is answered by the whole script with the same keys
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=noscript&say=hello
--- response_body
EVAL 1 noscript hello whole



=== TEST 22: and only once
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_FAKE_PORT timeout=5s;
--- request
GET /do/?way=never
--- response_body
error NOSCRIPT No matching script.



=== TEST 23: a Redis that accepts and says nothing is no Redis
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_HUNG_PORT timeout=500ms;
--- request eval
["GET /do/?way=echo", "GET /do/?way=echo", "GET /status"]
--- error_code eval
[504, 503, 200]
--- response_body_like eval
["504", "503", " up=0 .* lost=1 declined=1 "]



=== TEST 24: a wrong password is said once, however often it is tried
--- config
    convo_redis redis://:wrong@127.0.0.1:$TEST_NGINX_WRONGPASS_PORT timeout=5s;
--- request
GET /sleep
--- response_body
late
--- grep_error_log: [error]
--- grep_error_log_out
[error]



=== TEST 25: its line names the reason
--- config
    convo_redis redis://:wrong@127.0.0.1:$TEST_NGINX_WRONGPASS_PORT timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
AUTH was refused: WRONGPASS
--- no_error_log
wrong@



=== TEST 26: a missing password is said too
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_WRONGPASS_PORT timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
PING was refused: NOAUTH Authentication required.



=== TEST 27: an error that repeats the password is not logged
--- config
    convo_redis redis://:hunter2@127.0.0.1:$TEST_NGINX_TELLTALE_PORT timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
AUTH was refused: ERR
--- no_error_log
hunter2



=== TEST 28: a database that is not there
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_NODB_PORT/99 timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
SELECT was refused: ERR DB index is out of range



=== TEST 29: a Redis that loads its data is there
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_BUSYLOADING_PORT timeout=5s;
--- request
GET /do/?way=echo
--- response_body
error LOADING Redis is loading the dataset in memory



=== TEST 30: another kind of server is refused
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_WEB_PORT timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
Protocol error, got "H" as reply type byte



=== TEST 31: so is one whose greeting has a wrong shape
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_LIST_PORT timeout=5s;
--- request
GET /do/?way=echo
--- error_code_like: 50[34]
--- error_log
a greeting was answered by what is no Redis



=== TEST 32: a reply before any command ends the connection
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_PUSH_PORT timeout=5s;
--- request eval
["GET /sleep", "GET /do/?way=echo&say=after"]
--- response_body eval
["late\n", "after\n"]



=== TEST 33: an error reply to SUBSCRIBE ends the connection, and it comes back
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_REFUSED_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe refused events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready
--- error_log
NOPERM this user has no permissions



=== TEST 34: a confirmation of another channel ends the connection
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_OTHER_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe other events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready
--- error_log
an unexpected reply



=== TEST 35: a message whose channel is no string
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_SHAPE_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe shape events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready
--- error_log
an unexpected reply



=== TEST 36: a kind of message that is not known
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_KIND_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe kind events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready
--- error_log
an unexpected reply



=== TEST 37: an integer where messages come
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_INTEGER_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe integer events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready
--- error_log
an unexpected reply



=== TEST 38: a channel that is confirmed twice
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_TWICE_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe twice events=2;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
lost
ready
--- error_log
an unexpected reply



=== TEST 39: messages before the confirmation, and of strangers, are dropped
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_EARLY_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe early events=1;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
ready



=== TEST 40: an end of the subscription nobody asked for
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_ON_LEFT_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe left events=2;
    }
--- request
GET /follow HTTP/1.0
--- response_body
wait
lost
ready
--- error_log
an unexpected reply



=== TEST 41: a subscriber whose peer went without a word is told
--- config
    convo_redis redis://127.0.0.1:$TEST_NGINX_MUTE_PORT timeout=5s;
    location = /follow {
        convo_test_subscribe mute events=3;
    }
--- request
GET /follow HTTP/1.0
--- timeout: 10
--- response_body
wait
ready
lost
ready
--- error_log
no sign of life
