package Convo::Provider;

# A provider of keys for the suites: a small HTTP server whose behaviour a
# block changes between its requests, as real providers change theirs.
#
#     use Convo::Provider keys => { one => [...], two => [...] };
#
# It listens at $TEST_NGINX_PROVIDER_PORT and answers
#
#     GET /keys         with the key set, or fault, that is in force
#     GET /keys/NAME    with this key set, or fault, always
#     GET /mode/NAME    puts NAME in force: a set of the import, or one of
#                       garbage empty cut chunked_cut gzip huge error
#                       redirect slow close type; forgets the count
#     GET /count        the number of requests for /keys since then
#     GET /seen         the last request for /keys, without its request line
#
# How it fails: a port that is taken ends the suite. It ends with the suite,
# or when the pipe to the suite closes.

use v5.36;

use Compress::Zlib ();
use IO::Socket::INET ();
use POSIX ();

use Convo::Token ();
use Test::Nginx::Socket ();

use constant SLOW_S => 1;

my $pid;

sub import ($class, %option) {
    my $port = Test::Nginx::Util::gen_rand_port();
    my %sets = map { $_ => Convo::Token::jwks(@{ $option{keys}{$_} }) }
        keys %{ $option{keys} };

    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $port, Listen => 64, ReuseAddr => 1)
        or Test::Nginx::Socket::bail_out("provider: port $port: $@");

    $ENV{TEST_NGINX_PROVIDER_PORT} = $port;
    $pid = fork // die "fork: $!\n";

    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{CHLD} = 'IGNORE';
        serve($server, \%sets);
        POSIX::_exit(0);
    }

    close $server;
    Test::Nginx::Socket::add_cleanup_handler(\&stop);
    return;
}

sub stop () {
    return unless $pid;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    undef $pid;
    return;
}

sub serve ($server, $sets) {
    my %state = (mode => 'one', count => 0, seen => '');

    while (my $client = $server->accept) {
        my $line = <$client> // next;
        my $headers = '';
        while (defined(my $header = <$client>)) {
            last if $header =~ /^\r?\n\z/;
            $headers .= $header;
        }
        my ($path) = $line =~ m{^\S+ /(\S*)};
        answer($client, $path // '', $headers, \%state, $sets);
        close $client;
    }
    return;
}

sub answer ($client, $path, $headers, $state, $sets) {
    if ($path =~ m{^mode/(\w+)}) {
        @$state{qw(mode count seen)} = ($1, 0, '');
        return reply($client, "$1\n");
    }
    return reply($client, "$state->{count}\n") if $path eq 'count';
    return reply($client, $state->{seen}) if $path eq 'seen';

    $state->{count}++;
    $state->{seen} = $headers;

    my $mode = $path =~ m{^keys/(\w+)} ? $1 : $state->{mode};
    return reply($client, $sets->{$mode}) if exists $sets->{$mode};
    return fault($client, $mode, $sets->{one});
}

# What providers do wrong.
sub fault ($client, $mode, $keys) {
    my %faults = (
        garbage  => sub { reply($client, '<html>Service unavailable</html>') },
        empty    => sub { reply($client, '') },
        error    => sub { reply($client, $keys, status => 500) },
        redirect => sub {
            reply($client, $keys, status => 302, Location => '/elsewhere');
        },
        huge => sub { reply($client, $keys . ' ' x 300_000) },
        gzip => sub {
            reply($client, Compress::Zlib::memGzip($keys),
                'Content-Encoding' => 'gzip');
        },
        cut => sub {
            print {$client} "HTTP/1.1 200 OK\r\nContent-Length: ",
                length $keys, "\r\n\r\n", substr $keys, 0, -10;
        },
        chunked_cut => sub {
            printf {$client} "HTTP/1.1 200 OK\r\n"
                . "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
                length $keys, $keys;
        },
        slow => sub {
            return if fork;
            sleep SLOW_S;
            reply($client, $keys);
            POSIX::_exit(0);
        },
        close => sub { },
        type => sub { reply($client, $keys, 'Content-Type' => 'image/png') },
    );

    return ($faults{$mode} // sub { reply($client, '', status => 404) })->();
}

sub reply ($client, $body, %header) {
    my $status = delete $header{status} // 200;

    local $SIG{PIPE} = 'IGNORE';
    print {$client} "HTTP/1.1 $status X\r\nConnection: close\r\n",
        'Content-Length: ', length $body, "\r\n",
        (map { "$_: $header{$_}\r\n" } sort keys %header), "\r\n", $body;
    return;
}

1;
