# conf/nginx.conf, as it is shipped: NGINX takes it with nothing replaced but
# paths and addresses of this machine, it and docs/directives.md show every
# directive there is, and what it mounts answers.

use Test::Nginx::Socket 'no_plan';
use Convo::Test;
use Convo::Redis;
use Convo::Token qw(bearer id_token jwks);
use File::Basename qw(dirname);
use File::Temp ();
use HTTP::Tiny ();
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

our $Dir = File::Temp->newdir('convo-conf-XXXXXX', TMPDIR => 1);
our $Nginx = $ENV{TEST_NGINX_BINARY} // 'nginx';
our %Port = map { $_ => Test::Nginx::Util::gen_rand_port() }
    'site', 'metrics';

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    return;
}

# The shipped file with what a machine of its own would change.
sub prepare {
    my $text = slurp('conf/nginx.conf');
    my $modules = join '', map { "load_module $_;\n" }
        split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    mkdir "$Dir/$_" for 'web', 'logs', 'keys';
    spew("$Dir/livekit.secret", 'x' x 32 . "\n");
    spew("$Dir/turn.secret", 'x' x 16 . "\n");
    spew("$Dir/web/index.html", "the page\n");
    spew("$Dir/web/jwks.json", jwks('pool'));
    my @changes = (
        [qr{^load_module .*\n}m, $modules],
        [qr{^user .*\n}m, $> ? '' : "user root;\n"],
        [qr{^http \{\n}m, "http {\n" . join '', map {
            "${_}_temp_path $Dir/$_;\n"
        } qw(client_body proxy fastcgi uwsgi scgi)],
        [qr{65536}, 1024],
        [qr{32768}, 512],
        [qr{/run/nginx\.pid}, "$Dir/nginx.pid"],
        [qr{/var/log/nginx}, "$Dir/logs"],
        [qr{/var/cache/nginx/convo-keys}, "$Dir/keys"],
        [qr{/etc/convo/}, "$Dir/"],
        [qr{/usr/share/convo/web}, "$Dir/web"],
        [qr{listen 80 default_server}, "listen 127.0.0.1:$Port{site}"],
        [qr{127\.0\.0\.1:9145}, "127.0.0.1:$Port{metrics}"],
        [qr{127\.0\.0\.1:6379}, "127.0.0.1:$ENV{TEST_NGINX_REDIS_PORT}"],
        [qr{proxy_pass https://\S+/jwks\.json},
            "proxy_pass http://127.0.0.1:$Port{site}/jwks.json"],
        [qr{https://cognito-idp\S+_EXAMPLE},
            $Convo::Token::ISSUER],
        [qr{1example23456789}, $Convo::Token::CLIENT],
    );
    for (@changes) {
        my ($old, $new) = @$_;
        ok($text =~ s/$old/$new/g, "the file has $old");
    }
    spew("$Dir/nginx.conf", $text);
    return;
}

sub ask {
    my ($where, $path, %option) = @_;
    my ($name, $value) = ($option{headers} // '') =~ /^(\S+): (.*)/;
    return HTTP::Tiny->new(timeout => 5, keep_alive => 0)->request(
        $option{method} // 'GET', "http://127.0.0.1:$Port{$where}$path",
        { headers => { $name ? ($name => $value) : (), $option{content}
            ? ('Content-Type' => 'application/json') : () },
          content => $option{content}
            && JSON::PP::encode_json($option{content}) });
}

sub answers {
    my ($name, $status, $like, @request) = @_;
    my $answer = ask(@request);
    is($answer->{status}, $status, $name);
    like($answer->{content}, $like, "$name: the body");
    return;
}

# As docs/http-api.md says of every error.
sub is_problem {
    my ($name, $answer) = @_;
    is($answer->{headers}{'content-type'}, 'application/problem+json',
        "$name: a problem");
    is($answer->{headers}{'cache-control'}, 'no-store', "$name: not stored");
    ok(eval { JSON::PP::decode_json($answer->{content}) }, "$name: JSON");
    return;
}

prepare();

# --- every directive is shown

my %directive;
for my $file (glob 'ngx_convo_module/*_module.c') {
    my $text = slurp($file);
    my ($table) = $text =~ /ngx_command_t\s.*?\{(.*?)ngx_null_command/s
        or next;
    $directive{$_} = 1 for $table =~ /ngx_string\("(convo_\w+)"\)/g;
}
cmp_ok(scalar keys %directive, '>', 20, 'there are directives');
my $shipped = slurp('conf/nginx.conf');
my $headings = join "\n", grep { /^### / }
    split /\n/, slurp('docs/directives.md');
for my $name (sort keys %directive) {
    ok($shipped =~ /\b$name\b/, "conf/nginx.conf shows $name");
    ok($headings =~ /\b$name\b/, "docs/directives.md has $name");
}

# --- NGINX takes it

my $said = `$Nginx -t -p $Dir -c $Dir/nginx.conf 2>&1`;
is($?, 0, 'nginx -t') or diag($said);
unlike($said, qr/\[(?!notice)\w+\]/, 'and it has nothing to say');

# --- and it serves

my $pid = fork // die "fork failed: $!\n";
if (!$pid) {
    exec $Nginx, '-p', "$Dir", '-c', "$Dir/nginx.conf", '-g', 'daemon off;';
    die "cannot execute $Nginx: $!\n";
}
add_cleanup_handler(sub { kill 'TERM', $pid if $pid });
my $deadline = time + 10;
sleep 0.05 until time > $deadline
    || IO::Socket::INET->new(PeerAddr => "127.0.0.1:$Port{metrics}");
sleep 0.5;

my $in = bearer(id_token());
redis('SET', "{default}:$_", 1) for 'ready', 'alive';

answers('the page', 200, qr/the page/, 'site', '/');
answers('the page, wherever the client went', 200, qr/the page/,
    'site', '/history');
answers('alive', 200, qr/"ok"/, 'site', '/healthz');
answers('ready', 200, qr/"ready"/, 'site', '/readyz');
answers('metrics, for this machine', 200, qr/^convo_redis_up 1$/m,
    'metrics', '/metrics');
answers('no metrics for others', 200, qr/the page/, 'site', '/metrics');
answers('no keys for others', 404, qr/404/, 'site', '/convo/keys');
answers('no webhook without a token', 415, qr/unsupported_media_type/,
    'site', '/webhooks/livekit', method => 'POST');
for my $path ('session', 'history', 'events', 'turn-credentials',
    'get-config', 'nothing') {
    answers("/api/$path wants a token", 401, qr/missing_token/,
        'site', "/api/$path");
}
answers('joining', 200, qr/"state":"waiting"/, 'site', '/api/join',
    method => 'POST', headers => $in);
answers('the session', 200, qr/"state":"waiting"/, 'site', '/api/session',
    headers => $in);
answers('leaving', 200, qr/"state":"idle"/, 'site', '/api/leave',
    method => 'POST', headers => $in);
answers('the history', 200, qr/"sessions":\[\]/, 'site', '/api/history',
    headers => $in);
answers('a list of relays', 200, qr/"ttl":600/, 'site',
    '/api/turn-credentials', headers => $in);
answers('one relay', 200, qr/^\{"urls"/, 'site', '/api/get-config',
    headers => $in);
answers('a report', 404, qr/"code":"not_found"/, 'site', '/api/report',
    method => 'POST', headers => $in, content => {
        sessionId => 'a' x 26, reason => 'rude' });
answers('nothing else', 404, qr/"status":404,"code":"not_found"/, 'site',
    '/api/nothing', headers => $in);
is_problem('nothing else', ask('site', '/api/nothing', headers => $in));
answers('an e-mail address that is not confirmed', 403,
    qr/email_not_verified/, 'site', '/api/session',
    headers => bearer(id_token(email_verified => JSON::PP::false())));

my @joins = map { ask('site', '/api/join', method => 'POST',
    headers => $in) } 1 .. 14;
is($joins[0]{status}, 200, 'joining again is fine');
is($joins[0]{headers}{'retry-after'}, undef, 'and nobody has to wait');
is($joins[-1]{status}, 429, 'joining without end is not');
is($joins[-1]{headers}{'retry-after'}, 2, 'until some time later');
like($joins[-1]{content}, qr/"status":429,"code":"too_many_requests"/,
    'which has a code of its own');
is_problem('it', $joins[-1]);
is(ask('site', '/api/join', method => 'POST',
    headers => bearer(id_token(sub => 'another')))->{status}, 200,
    'nobody else has to wait');
redis('HSET', '{default}:user:spent', 'spent', 15,
    'window_end', int(time + 1000) . '000');
my $spent = ask('site', '/api/join', method => 'POST',
    headers => bearer(id_token(sub => 'spent')));
like($spent->{content}, qr/"status":429,"code":"no_points"/,
    'a 429 of the API itself is as it was');
cmp_ok($spent->{headers}{'retry-after'}, '>', 900, 'with its own time');

kill 'QUIT', $pid;
waitpid $pid, 0;
is($?, 0, 'it ends');
undef $pid;
unlike(slurp("$Dir/logs/error.log"), qr/\[(alert|crit|emerg)\]/,
    'and its log is clean');
unlike(slurp("$Dir/logs/access.log"), qr/eyJ/, 'no log has a token');
like(slurp("$Dir/logs/access.log"), qr{ user-1 \S+ "POST /api/join \S+" 429 },
    'the log knows whom it was too often');

run_tests();

__DATA__

=== TEST 1: NGINX of the suite
--- config
    location = /t { return 200 "hello\n"; }
--- request
GET /t
--- response_body
hello
