package Test::Nginx::Client;

# The HTTP client of the Test::Nginx work-alike: makes the bytes of a block's
# requests, sends them over one non-blocking socket each, and takes responses
# apart (status, headers, chunked or counted bodies, pipelined rest).
#
# A request is a list of packets, each {value => bytes, delay_before => s};
# each packet is a write of its own.
#
# How it fails: a server that is silent longer than the timeout is a failed
# test, unless the block has "abort"; what was read until then is the
# response. The timeout counts from the last byte sent or received. A chunked
# body that does not end is a failed test also with "abort"; a suite that reads
# part of a stream asks in HTTP/1.0, where nginx does not chunk. A connection
# that is reset ends the response and is told in a warning.

use v5.36;

use Errno qw(EAGAIN EINTR);
use Exporter qw(import);
use IO::Select ();
use IO::Socket::INET ();
use Test::More ();
use Time::HiRes qw(sleep);

use Test::Nginx::Response ();
use Test::Nginx::Util qw(bail_out expand_env_in_text sleep_time);

use constant {
    READ_SIZE     => 65_536,
    RESPONSE_MAX  => 64 * 1024 * 1024,
    CONNECT_TRIES => 30,
};

our @EXPORT_OK = qw(block_requests send_request);

# The requests of a block: a list of lists of packets. Pipelined requests are
# one request of one packet.
sub block_requests ($block) {
    my $name = $block->name;
    if (defined(my $raw = $block->raw_request)) {
        return [map { { value => $_ } } ref $raw ? @$raw : $raw];
    }
    if (my $requests = $block->pipelined_requests) {
        ref $requests eq 'ARRAY'
            or bail_out("$name - invalid entries in --- pipelined_requests");
        return pipelined($block, @$requests);
    }
    my $request = $block->request // bail_out("$name - request empty");
    my @requests = ref $request eq 'ARRAY'
        ? @$request : without_comments($request);
    return map { one_request($block, $requests[$_], $_) } 0 .. $#requests;
}

sub without_comments ($text) {
    1 while $text =~ s/\A\s*\#[^\n]*\n|\A\s+//;
    return $text;
}

sub pipelined ($block, @requests) {
    my $bytes = '';
    for my $i (0 .. $#requests) {
        my $text = expand_env_in_text($requests[$i], $block->name);
        my $connection = $i == $#requests ? 'close' : 'keep-alive';
        $bytes .= join '', build_packets($block, $connection, $i, $text);
    }
    return [{ value => $bytes }];
}

# The packets of the request number I, given as text or as a list of packets.
sub one_request ($block, $request, $i) {
    my @parts = ref $request ? @$request : $request;
    my @packets = map { ref $_ ? {%$_} : { value => $_ } } @parts;
    my @bytes = build_packets($block, 'close', $i,
        map { $_->{value} } @packets);
    $packets[$_]{value} = $bytes[$_] for 0 .. $#packets;
    return \@packets;
}

# Completes a request given as "METHOD [url [version]]" and, on the following
# lines, a body, and cuts it where the given packets end.
sub build_packets ($block, $connection, $i, @packets) {
    my $whole = join '', @packets;
    my ($line, $body) = split /\n/, $whole, 2;
    $body //= '';
    my ($method, $url, $version, @more) = split ' ', $line // '';
    bail_out($block->name . " - Request line is not valid. Should be 'meth "
        . "[url [version]]' but got \"" . ($line // '') . '".')
        if !defined $method || @more;
    my $first = join(' ', $method, $url // '/', $version // 'HTTP/1.1')
        . "\r\n";
    my ($headers, $counted) = request_headers($block, $connection, $i, $body);
    my $request = $first . $headers . $counted;
    my ($given, $sent) = (0, 0);
    my @out;
    for my $packet (@packets) {
        $given += length $packet;
        my $end = $given < length $line ? $given
            : $given == length $line && $given < length $whole
            ? length $first
            : length($first . $headers) + $given - length($line) - 1;
        $end = length $request
            if $given == length $whole || $end > length $request;
        push @out, substr $request, $sent, $end - $sent;
        $sent = $end;
    }
    return @out;
}

# The header lines of the request number I with the blank line after them, and
# the body as it is sent: without white space around it if we count it.
sub request_headers ($block, $connection, $i, $body) {
    my ($more, $is_chunked) = more_headers($block, $i);
    my $headers = '';
    $headers .= "Host: $Test::Nginx::Util::ServerName\r\n"
        if $more !~ /^Host:/mi;
    $headers .= "Connection: $connection\r\n" if $more !~ /^Connection/mi;
    $headers .= $more;
    if ($body ne '' && !$is_chunked && $more !~ /^Content-Length:/m) {
        $body =~ s/\A\s+|\s+\z//g;
        $headers .= 'Content-Length: ' . length($body) . "\r\n";
    }
    return ("$headers\r\n", $body);
}

# The header lines of the request number I and whether they say chunked.
sub more_headers ($block, $i) {
    my $section = $block->more_headers // '';
    if (ref $section) {
        $section = $section->[$i] // bail_out($block->name
            . " - more_headers lacks data for request $i");
    }
    my ($lines, $is_chunked) = ('', 0);
    for my $header (grep { !/^\s*#/ } split /\n+/, $section) {
        my ($key, $value) = split /:\s*/, $header, 2;
        $value //= '';
        $is_chunked = 1
            if lc $key eq 'transfer-encoding' && $value eq 'chunked';
        $lines .= "$key: $value\r\n";
    }
    return ($lines, $is_chunked);
}

# Sends the packets and reads until the server closes, fails or is silent for
# TIMEOUT_S. Returns all bytes read; undef when there was no connection, which
# is then already a failed test.
sub send_request ($block, $packets, $timeout_s) {
    local $SIG{PIPE} = 'IGNORE';
    my $socket = connect_server($block, $timeout_s) // return undef;
    my @rest = @$packets;
    my %job = (
        block   => $block,
        socket  => $socket,
        packets => \@rest,
        buffer  => (shift @rest)->{value},
        sent    => 0,
        writing => 1,
        bytes   => '',
    );
    my $select = IO::Select->new($socket);
    while (1) {
        my ($can_read, $can_write) = IO::Select->select($select,
            $job{writing} ? $select : undef, undef, $timeout_s);
        if (!defined $can_read) {
            next if $! == EINTR;
            timed_out($block);
            last;
        }
        last if @$can_read && !read_some(\%job);
        last if @$can_write && !write_some(\%job);
    }
    close $socket;
    return $job{bytes};
}

sub connect_server ($block, $timeout_s) {
    my $address = $block->server_addr_for_client
        // $Test::Nginx::Util::ServerAddr;
    my $error;
    for my $try (1 .. CONNECT_TRIES) {
        my $socket = IO::Socket::INET->new(
            PeerAddr => $address,
            PeerPort => $Test::Nginx::Util::ServerPortForClient,
            Proto    => 'tcp',
            Timeout  => $timeout_s,
        );
        if ($socket) {
            $socket->blocking(0);
            return $socket;
        }
        $error = $!;
        sleep sleep_time() * ($try < 20 ? $try : 20);
    }
    Test::More::fail($block->name . " - Can't connect to $address:"
        . "$Test::Nginx::Util::ServerPortForClient: $error (aborted)");
    return undef;
}

sub timed_out ($block) {
    if (!defined $block->abort) {
        Test::More::fail('ERROR: client socket timed out - ' . $block->name);
    }
    return;
}

# Reads what there is. False: the connection is over.
sub read_some ($job) {
    while (1) {
        my $count = sysread $job->{socket}, my $buffer, READ_SIZE;
        if (!defined $count) {
            return 1 if $! == EAGAIN || $! == EINTR;
            warn 'WARNING: ', $job->{block}->name,
                " - HTTP response read failure: $!\n";
            return 0;
        }
        return 0 if $count == 0;
        $job->{bytes} .= $buffer;
        next if length $job->{bytes} <= RESPONSE_MAX;
        Test::More::fail($job->{block}->name . ' - response too large');
        return 0;
    }
}

# Writes what the socket takes; after the last packet it shuts down as the
# block says. False: the peer takes no more.
sub write_some ($job) {
    while ($job->{sent} < length $job->{buffer}) {
        my $count = syswrite $job->{socket}, $job->{buffer},
            length($job->{buffer}) - $job->{sent}, $job->{sent};
        if (!defined $count) {
            return 1 if $! == EAGAIN || $! == EINTR;
            warn "write failed: $!\n";
            $job->{bytes} = "write failed: $!" if $job->{bytes} eq '';
            return 0;
        }
        $job->{sent} += $count;
    }
    my $next = shift @{ $job->{packets} };
    if (!$next) {
        $job->{writing} = 0;
        my $how = $job->{block}->shutdown // return 1;
        shutdown $job->{socket}, $how =~ /^\s*$/ ? 1 : $how;
        return 1;
    }
    @$job{qw(buffer sent)} = ($next->{value}, 0);
    my $delay = $next->{delay_before}
        // $job->{block}->raw_request_middle_delay;
    sleep $delay if $delay;
    return 1;
}

1;
