# convo_metrics: Prometheus' text of what the edge counted and Redis knows.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Livekit;
use Convo::Token qw(auth_config bearer id_token);

our $Conf = <<"CONF";
    convo_redis redis://127.0.0.1:\$TEST_NGINX_REDIS_PORT;
    convo_livekit url=wss://livekit.example.com key=$Convo::Livekit::KEY
                  secret_file=\$TEST_NGINX_HTML_DIR/secrets;
    location = /webhooks/livekit { convo_livekit_webhook; }
    location = /metrics { convo_metrics; }
    location = /two { convo_metrics first second; }
CONF

# What the worker keeps of a pool that has something of everything.
our $Pool = sub {
    my ($pool) = @_;
    redis('SET', "{$pool}:ready", 1);
    redis('SET', "{$pool}:alive", 1);
    redis('RPUSH', "{$pool}:queue", 'a', 'b', 'c');
    redis('ZADD', "{$pool}:claims", 1, 'a', 2, 'b');
    redis('ZADD', "{$pool}:sessions", map { $_, $_ } 1 .. 4);
    redis('ZADD', "{$pool}:closing", 1, 'a');
    redis('XADD', "{$pool}:ended", '*', 'sid', $_) for 1 .. 5;
    redis('XADD', "{$pool}:livekit", '*', 'sid', $_) for 1 .. 6;
    redis('XADD', "{$pool}:dead", '*', 'what', 'a');
    redis('XADD', "{$pool}:reports", '*', 'sid', $_) for 1 .. 7;
    redis('ZADD', "{$pool}:dirty", map { $_, $_ } 1 .. 9);
    redis('ZADD', "{$pool}:probes", map { $_, $_ } 1 .. 10);
    redis('HSET', "{$pool}:stats", 'matches', 8, 'wait_ms', '1234.5',
        'dead', 11);
};

# The answer is what is wrong with the text: nothing, or its first bad line.
our $Wrong = sub {
    my ($text) = @_;
    my (%type, %seen, $family);
    for (split /\n/, $text) {
        if (my ($name) = /^# HELP (convo_\w+) [A-Z0-9].*\.$/) {
            return "a second time: $_" if $type{$name};
            $family = $name;
            next;
        }
        if (my ($name, $type) = /^# TYPE (\w+) (counter|gauge)$/) {
            return "not below its help: $_" if $name ne $family;
            return "only a counter's name ends in _total: $_"
                if ($type eq 'counter') != ($name =~ /_total\z/ ? 1 : 0);
            $type{$name} = $type;
            next;
        }
        my ($sample, $name) = /^((convo_\w+)(?:\{\w+="[\w-]+"\})?) \d+$/
            or return "no sample: $_";
        return "outside of its family: $_"
            if $name ne $family || !$type{$name};
        return "a second time: $_" if $seen{$sample}++;
    }
    return $text =~ /\n\z/ ? 'nothing' : 'no end of line';
};

# The answer is every family that docs/metrics.md does not tell of.
our $Untold = sub {
    my ($text) = @_;
    open my $in, '<', 'docs/metrics.md' or die "docs/metrics.md: $!\n";
    my %told = map { $_ => 1 } map { /^\| `(\w+)` \|/ } <$in>;
    my @untold = grep { !delete $told{$_} } $text =~ /^# TYPE (\w+)/mg;
    return join "\n", @untold, map({ "$_ is no more" } sort keys %told), '';
};

add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value('config', $Conf) if !defined $block->config;
    $block->set_value('user_files', ">>> secrets\n$Convo::Livekit::SECRET\n");
    $block->set_value('init', "::redis_start();\n::redis('FLUSHALL');\n"
        . ($block->init // ''));
    $block->set_value('request', 'GET /metrics') if !defined $block->request;
});

# NGINX starts before a block's init: it shall find Redis there, once the
# last request of the block before is answered.
add_response_body_check(sub {
    my ($block, undef, $index) = @_;
    my $request = $block->request;
    redis_start() if !ref $request || $index == $#$request;
});

run_tests();

__DATA__

=== TEST 1: the text is as Prometheus has it, with an empty Redis
--- response_headers
Content-Type: text/plain; version=0.0.4; charset=utf-8
--- response_body_filters eval: $::Wrong
--- response_body chomp
nothing



=== TEST 2: and with two pools that have everything
--- init
$::Pool->($_) for 'first', 'second';
--- request
GET /two
--- response_body_filters eval: $::Wrong
--- response_body chomp
nothing



=== TEST 3: what Redis knows of the pool
--- init
$::Pool->('default');
--- response_body_filters eval
sub { join '', grep { /^convo_(pool|redis_up)/ } split /^/, shift }
--- response_body
convo_redis_up 1
convo_pool_ready{pool="default"} 1
convo_pool_worker_alive{pool="default"} 1
convo_pool_restoring{pool="default"} 0
convo_pool_queue_length{pool="default"} 3
convo_pool_claims{pool="default"} 2
convo_pool_sessions{pool="default"} 4
convo_pool_probes{pool="default"} 10
convo_pool_rooms_closing{pool="default"} 1
convo_pool_sessions_unstored{pool="default"} 5
convo_pool_reports_unstored{pool="default"} 7
convo_pool_users_unstored{pool="default"} 9
convo_pool_livekit_events{pool="default"} 6
convo_pool_dead_letters{pool="default"} 1
convo_pool_dead_letters_total{pool="default"} 11
convo_pool_matches_total{pool="default"} 8
convo_pool_wait_milliseconds{pool="default"} 1234



=== TEST 4: every pool that is named
--- init
$::Pool->('second');
::redis('SET', '{first}:restoring', 'worker-1');
--- request
GET /two
--- response_body_filters eval
sub { join '', grep { /^convo_pool_(ready|restoring|claims)/ } split /^/,
    shift }
--- response_body
convo_pool_ready{pool="first"} 0
convo_pool_ready{pool="second"} 1
convo_pool_restoring{pool="first"} 1
convo_pool_restoring{pool="second"} 0
convo_pool_claims{pool="first"} 0
convo_pool_claims{pool="second"} 2



=== TEST 5: while Redis is down the edge tells its own
--- init
::redis_stop();
--- response_body_like eval
qr/^convo_livekit_webhooks_total\{result="appended"\} 0\n.*^convo_redis_up 0\n\z/ms



=== TEST 6: a pool of which Redis tells nonsense is not known
--- init
$::Pool->('second');
::redis('SET', '{first}:queue', 'no list');
--- request
GET /two
--- response_body_filters eval
sub { join '', grep { /^convo_(pool_(ready|claims)|redis_up)/ } split /^/, shift }
--- response_body
convo_redis_up 1
convo_pool_ready{pool="second"} 1
convo_pool_claims{pool="second"} 2
--- error_log
convo metrics: pool "first" is not known: WRONGTYPE



=== TEST 7: without a Redis
--- config
    location = /metrics { convo_metrics; }
--- response_body_like: convo_redis_up 0\n\z



=== TEST 8: webhooks are counted by what became of them
--- request eval
[::webhook(::left('a')), ::webhook(::left('a')), ::webhook(::left('b')),
 ::webhook(::event('room_started')), 'GET /metrics']
--- more_headers eval
[::signed(::left('a')), ::signed(::left('a')), ::signed(::left('a')),
 ::signed(::event('room_started')), '']
--- error_code eval
[200, 200, 401, 200, 200]
--- response_body_like eval
[qr/appended/, qr/repeated/, qr/invalid_token/, qr/ignored/,
 qr/webhooks_total\{result="appended"\} 1
convo_livekit_webhooks_total\{result="repeated"\} 1
convo_livekit_webhooks_total\{result="ignored"\} 1
convo_livekit_webhooks_total\{result="refused"\} 1
convo_livekit_webhooks_total\{result="failed"\} 0
/]



=== TEST 9: sign-ins are counted by what became of them
--- http_config eval
::auth_config() . 'convo_auth_cache zone=tokens:1m;'
--- config
    location = /t {
        convo_auth on;
        convo_auth_require email_verified=true plan=pro;
        convo_auth_identity_provider Google;
        return 200;
    }
    location = /keyless {
        convo_auth on;
        convo_auth_keys_request /keys;
        return 200;
    }
    location = /keys { internal; return 404; }
    location = /metrics { convo_metrics; }
--- request eval
[('GET /t') x 7, 'GET /keyless', 'GET /metrics']
--- more_headers eval
my $good = ::bearer(::id_token(plan => 'pro'));
[$good, $good, '', 'Authorization: Bearer x',
 ::bearer(::id_token(email_verified => JSON::PP::false())),
 ::bearer(::id_token(plan => 'pro', identities => [])),
 ::bearer(::id_token(plan => 'free')), $good, '']
--- error_code eval
[200, 200, 401, 401, 403, 403, 403, 503, 200]
--- response_body_like eval
[(qr/.*/) x 8, qr/^convo_auth_accepted_total\ 2$ .*
refused_total.code="missing_token".\ 1$ .*
refused_total.code="invalid_token".\ 1$ .*
refused_total.code="email_not_verified".\ 1$ .*
refused_total.code="provider_not_allowed".\ 1$ .*
refused_total.code="forbidden".\ 1$ .*
refused_total.code="keys_unavailable".\ 1$ .*
refused_total.code="internal_error".\ 0$ .*
cache_total.result="front".\ 0$ .*
cache_total.result="hit".\ 1$ .*
cache_total.result="miss".\ 4$ .*
cache_evicted_total.from="front".\ 0$ .*
cache_evicted_total.from="zone".\ 0$ .*
fetches_total.result="ok".\ 0$ .*
fetches_total.result="failed".\ 1$ .*
front_tokens\ 1$ .* front_bytes\ [1-9]\d+$ .* cache_tokens\ 4$/msx]



=== TEST 10: what Redis did is counted
--- request eval
['GET /metrics', 'GET /metrics', 'GET /two', 'GET /metrics']
--- init
::redis('SCRIPT', 'FLUSH');
::redis('SET', '{first}:queue', 'no list');
--- response_body_filters eval
[map { [$_] } (sub { shift }) x 2,
 sub { my $body = shift; ::redis_stop(); sleep 1; $body }, sub { shift }]
--- response_body_like eval
[(qr/convo_redis_up 1/) x 3, qr/^convo_redis_commands_total\ 4$ .*
failures_total.kind="error".\ 1$ .*
failures_total.kind="timeout".\ 0$ .*
failures_total.kind="lost".\ 0$ .*
failures_total.kind="declined".\ 1$ .*
scripts_reloaded_total\ 1$ .*
connects_total\ [1-9]$ .*
link_failures_total\ [1-9]\d*$/msx]
--- no_error_log
[alert]



=== TEST 11: HEAD has the header and no body
--- request
HEAD /metrics
--- response_headers
Content-Type: text/plain; version=0.0.4; charset=utf-8
--- error_code: 200



=== TEST 12: another method
--- request
POST /metrics
x=1
--- error_code: 405
--- response_headers
Allow: GET, HEAD



=== TEST 13: a pool that cannot be is refused
--- config
    location = /metrics { convo_metrics default Other_Pool; }
--- must_die
--- suppress_stderr
--- error_log
"convo_metrics" has the pool "Other_Pool", expected 1 to 63 of a-z, 0-9 and "-"



=== TEST 14: too many pools are refused
--- config eval
'location = /metrics { convo_metrics ' . join(' ', map { "p$_" } 1 .. 65) . '; }'
--- must_die
--- suppress_stderr
--- error_log
"convo_metrics" names 65 pools, expected at most 64



=== TEST 15: twice in one place is refused
--- config
    location = /metrics { convo_metrics; convo_health live; }
--- must_die
--- suppress_stderr
--- error_log
"convo_health" directive is duplicate



=== TEST 16: every family is told of in docs/metrics.md, and no other
--- init
$::Pool->('default');
--- response_body_filters eval: $::Untold
--- response_body



=== TEST 17: an "if" in the location changes nothing
--- config eval
$::Conf =~ s/first second;/$& if (\$request_method = GET) { set \$get 1; }/r
--- init
$::Pool->('second');
--- request
GET /two
--- response_body_filters eval
sub { join '', grep { /^convo_pool_ready/ } split /^/, shift }
--- response_body
convo_pool_ready{pool="first"} 0
convo_pool_ready{pool="second"} 1
