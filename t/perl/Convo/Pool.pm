package Convo::Pool;

# A conversation pool in the suite's Redis, moved by the project's own scripts
# as the edge and the worker move it, and the conversation API mounted on the
# NGINX under test.
#
#     use Test::Nginx::Socket 'no_plan';
#     use Convo::Test sections => ['after'];
#     use Convo::Redis;
#     use Convo::Pool;
#     mount();
#     run_tests();
#
# mount() gives every block what it does not say itself: the endpoints below
# /api, a bearer token of "user-1", and an empty Redis with the pool "default"
# ready before its init.  A section "after" is Perl that runs once a response
# was checked, with checks of its own.
#
# pair() and live() bring two users there; later(SECONDS, CODE) does something
# while the block's request waits, in a process of its own; ask() and heard()
# are a client of the suite's own beside the block's request.

use v5.36;

use Exporter 'import';
use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Socket qw(PF_INET SOCK_STREAM SOL_SOCKET SO_RCVBUF inet_aton
    pack_sockaddr_in);
use Time::HiRes qw(sleep time);

use Convo::Redis;
use Convo::Token qw(auth_config bearer id_token);
use Test::Nginx::Socket ();

our @EXPORT = qw($SID api ask enter heard key later live mount pair pool_join
    pool_leave pool_open restore_user run_script token_of touch_time user);

# The id of the one session that a block has.
our $SID = 'abcdefghijklmnopqrstuvwxyz';

use constant { POINTS => 15, WINDOW_MS => 86_400_000, SESSION_MAX_S => 900 };

my (%texts, %tokens, @children);
my $owner_pid = $$;

# Directives for server {} that mount the API, each with more of its own.
sub api (%more) {
    my %default = map { $_ => '' } qw(join leave session history events
        report);
    %more = (%default, %more);
    return join '', map {
        "location = /api/$_ { convo_$_; $more{$_} }\n"
    } sort keys %more;
}

# Directives for http {}.
sub http () {
    return auth_config() . <<'EOC';
        convo_redis redis://127.0.0.1:$TEST_NGINX_REDIS_PORT;
        convo_livekit url=wss://livekit.test key=key-1
                      secret_file=$TEST_NGINX_HTML_DIR/livekit;
        convo_turn coturn urls=turn:turn.test
                   secret_file=$TEST_NGINX_HTML_DIR/turn;
        convo_auth on;
EOC
}

sub mount () {
    my $http = http();
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        default($block, http_config => $http);
        default($block, config => api());
        default($block, more_headers => bearer(token_of('user-1')));
        default($block, user_files => ">>> livekit\n" . 's' x 40
            . "\n>>> turn\n" . 't' x 40 . "\n");
        my $init = $block->init // '';
        $block->set_value('init', ref $init ? $init
            : "Convo::Pool::begin();\npackage main;\n$init");
    });
    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block) = @_;
        my $code = $block->after // return;
        eval "package main; no strict; $code; 1"
            or Test::More::fail($block->name . " - after: $@");
    });
    Test::Nginx::Socket::add_cleanup_handler(\&end_children);
    return;
}

sub default ($block, $section, $value) {
    $block->set_value($section, $value) if !defined $block->$section;
    return;
}

sub begin () {
    end_children();
    redis('FLUSHALL');
    pool_open();
    return;
}

# A token of that user, minted once; claims make a new one.
sub token_of ($sub, %claims) {
    return id_token(sub => $sub, %claims) if %claims;
    return $tokens{$sub} //= id_token(sub => $sub, exp => time + 3600);
}

sub key ($kind, $id = undef) {
    return defined $id ? "{default}:$kind:$id" : "{default}:$kind";
}

# Has NGINX, with master_on(), begin with new processes, and returns when the
# old ones have ended, or are to and still have streams.
sub reload () {
    my $root = Test::Nginx::Util::server_root();
    open my $in, '<', "$root/logs/nginx.pid" or die "no pid: $!\n";
    my ($master) = readline($in) =~ /(\d+)/;
    my %old = map { $_ => 1 } children_of($master);
    kill 'HUP', $master;
    my $deadline = time + 10;
    sleep 0.02 until time > $deadline
        || grep({ !$old{$_} } children_of($master))
            && !grep({ $old{$_} } children_of($master));
    return;
}

sub children_of ($pid) {
    open my $in, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', readline($in) // '';
}

# The user's hash, or one field of it.
sub user ($sub, $field = undef) {
    return redis('HGET', key('user', $sub), $field) if defined $field;
    return { @{ redis('HGETALL', key('user', $sub)) } };
}

# The last sign of life of a waiting user, seconds ago.
sub touch_time ($sub) {
    return time - user($sub, 'seen') / 1000;
}

sub run_script ($name, $keys, @args) {
    $texts{$name} //= `libconvo/scripts/embed --print $name`;
    return redis('EVAL', $texts{$name}, scalar @$keys, @$keys, @args);
}

sub pool_open () {
    redis('SET', key('restoring'), 'opener');
    return run_script('open_pool',
        [map { key($_) } qw(ready schema alive run livekit ended
            reports restoring)],
        'run-1', 'workers', 3600, 'opener', '', 0, 3600000);
}

# What the store knows of a user, as a worker brings it back.
sub restore_user ($sub, $version, $state) {
    return run_script('restore_user', [key('user', $sub),
        key('blocked', $sub), key('dirty'), key('run')],
        $version, $state, POINTS, 0, 0, 0, 0);
}

sub pool_join ($sub) {
    return run_script('join', [key('user', $sub),
        map { key($_) } qw(queue order ready schema stats dirty revoked)],
        $sub, POINTS, WINDOW_MS, SESSION_MAX_S, '', '');
}

sub pool_leave ($sub) {
    return run_script('leave', [key('user', $sub), key('queue'),
        key('stats'), (key('none')) x 9,
        map { key($_) } qw(dirty ready schema revoked)],
        POINTS, '', '', '', '');
}

# Two users matched, the first one as side a.
sub pair ($a, $b) {
    pool_join($_) for $a, $b;
    my $tickets = run_script('claim', [map({ key($_) } qw(queue claims)),
        key('claim', 'c'), key('ready'), key('schema')], 'c', 64, 0, 30_000);
    my $reply = run_script('commit', [key('user', $a), key('user', $b),
        map({ key($_) } qw(queue claims)), key('claim', 'c'),
        key('session', $SID), map({ key($_) } qw(sessions closing stats)),
        key('blocked', $a), key('probes'), key('dirty')],
        'c', @$tickets, $SID, "default.$SID", 30_000, 15_000, 5_000);
    die "not matched: @$reply\n" if $reply->[0] ne 'matched';
    return;
}

# ... and both in their room.
sub live ($a, $b) {
    pair($a, $b);
    enter($a, $b);
    return;
}

# The matched users come to their room.
sub enter ($a, $b) {
    my ($seconds, $micros) = @{ redis('TIME') };
    my $now = $seconds * 1000 + int($micros / 1000);
    run_script('participant', [key('session', $SID), key('user', $a),
        key('user', $b), key('sessions'), key('met', $a), key('met', $b),
        key('dirty')],
        $SID, $_, 'joined', "PA_$_", $now) for qw(a b);
    return;
}

sub later ($seconds, $code) {
    my $pid = fork // die "fork failed: $!\n";
    if (!$pid) {
        sleep $seconds;
        eval { $code->(); 1 } or print STDERR "later: $@";
        POSIX::_exit(0);
    }
    push @children, $pid;
    return;
}

sub end_children () {
    return if $$ != $owner_pid;
    waitpid $_, 0 for splice @children;
    return;
}

# Sends a request of that user ("GET /api/session", a body after a blank) and
# returns its socket.  Options: version, port, rcvbuf, token, partial (bytes
# sent).
sub ask ($sub, $request, %option) {
    my ($method, $url, $body) = split ' ', $request, 3;
    my $port = $option{port} // $ENV{TEST_NGINX_SERVER_PORT};
    socket my $plain, PF_INET, SOCK_STREAM, 0 or die "no socket: $!\n";
    setsockopt $plain, SOL_SOCKET, SO_RCVBUF, $option{rcvbuf}
        if $option{rcvbuf};
    connect $plain, pack_sockaddr_in($port, inet_aton('127.0.0.1'))
        or die "cannot connect: $!\n";
    my $socket = IO::Socket::INET->new_from_fd($plain, 'r+');
    my $version = $option{version} // '1.0';
    my $bytes = "$method $url HTTP/$version\r\nHost: localhost\r\n"
        . bearer($option{token} // token_of($sub)) . "\r\n";
    $bytes .= "Content-Type: application/json\r\nContent-Length: "
        . length($body) . "\r\n" if defined $body;
    $bytes .= "\r\n" . ($body // '');
    $bytes = substr $bytes, 0, $option{partial} if defined $option{partial};
    $socket->syswrite($bytes);
    return $socket;
}

# What comes within so many seconds, or until the end.
sub heard ($socket, $seconds) {
    my ($bytes, $deadline) = ('', time + $seconds);
    my $select = IO::Select->new($socket);
    while ((my $left = $deadline - time) > 0) {
        $select->can_read($left) or last;
        $socket->sysread($bytes, 65536, length $bytes) or last;
    }
    return $bytes;
}

END {
    local $?;
    end_children();
}

1;
