package Test::Nginx::Response;

# One HTTP response cut off the front of the bytes a connection gave: status
# code, headers, and the body freed of its chunked or counted framing. What
# follows it (the next pipelined response) is kept as "left".
#
# It offers of HTTP::Response what the checks and the suites' own body checks
# use: code, message, header, content.
#
# How it fails: a body that breaks the chunked framing, or ends within it,
# gives no response but an error sentence; a counted body that is too short is
# taken as it is, with a warning text.

use v5.36;

# Takes BYTES apart; IS_HEAD says that no body follows. Returns a response
# with {error} set when the framing is broken.
sub parse ($class, $bytes, $is_head = 0) {
    my $self = bless { headers => {}, content => '', left => undef,
        raw_headers => '' }, $class;
    $self->{raw_headers} = $1 if $bytes =~ /\A(.*?\r\n)\r\n/s;
    my ($head, $body) = split /\r?\n\r?\n/, $bytes, 2;
    $self->{content} = $body // '';
    $self->parse_head($head // '');
    my $code = $self->{code} // 0;
    return $self if $code == 304 || $code == 101;
    my $encoding = $self->header('Transfer-Encoding') // '';
    my $length = $self->header('Content-Length');
    if ($encoding eq 'chunked') {
        $self->unchunk();
    } elsif (defined $length && $length =~ /^\d+$/) {
        $self->cut($length, $is_head);
    }
    return $self;
}

# A response of protocol 0.9: a body without a head.
sub simple ($class, $bytes) {
    return bless { code => 200, message => 'OK', headers => {},
        content => $bytes, raw_headers => '', left => undef }, $class;
}

sub parse_head ($self, $head) {
    my ($status_line, @lines) = split /\r?\n/, $head;
    my (undef, $code, $message) = split ' ', $status_line // '', 3;
    $self->{code} = $code if ($code // '') =~ /^\d+$/;
    $self->{message} = $message;
    my $values;
    for my $line (@lines) {
        if ($line =~ /^([^:\s]+)\s*:\s*(.*?)\s*$/) {
            $values = $self->{headers}{ lc $1 } //= [];
            push @$values, $2;
        } elsif ($values && $line =~ /^\s+(.*)/) {
            $values->[-1] .= "\n$1";
        }
    }
    return;
}

# Takes the chunked framing off the content. The trailers that the head
# announces are passed over.
sub unchunk ($self) {
    my ($raw, $decoded) = ($self->{content}, '');
    pos($raw) = 0;
    while ($raw =~ /\G[ \t]*([0-9A-Fa-f]{1,8})[ \t]*\r\n/gc) {
        my $size = hex $1;
        if ($size == 0) {
            $raw =~ /\G(?:[^\r\n]+\r\n)*\r\n/gc
                or return $self->broken('expected CRLF');
            $self->{left} = substr $raw, pos $raw if pos $raw < length $raw;
            $self->{content} = $decoded;
            return;
        }
        length($raw) - pos($raw) >= $size
            or return $self->broken('not enough octets for the data section');
        $decoded .= substr $raw, pos $raw, $size;
        pos($raw) += $size;
        $raw =~ /\G\r\n/gc or return $self->broken('expected CRLF');
    }
    return pos $raw == length $raw
        ? $self->broken("no last chunk found - $raw")
        : $self->broken('no chunk size in ' . substr $raw, pos $raw);
}

sub broken ($self, $why) {
    $self->{error} = "invalid chunked data received ($why)";
    return;
}

sub cut ($self, $length, $is_head) {
    my $have = length $self->{content};
    if ($have > $length) {
        $self->{left} = substr $self->{content}, $length;
        $self->{content} = substr $self->{content}, 0, $length;
    } elsif ($have < $length && !$is_head) {
        $self->{warning} = "response body truncated: $length expected, "
            . "but got $have";
    }
    return;
}

# All values of a header: joined by ", " in scalar context. Undef or nothing
# when it is absent.
sub header ($self, $name) {
    my $values = $self->{headers}{ lc $name } or return;
    return wantarray ? @$values : join ', ', @$values;
}

sub code ($self)    { return $self->{code} }
sub message ($self) { return $self->{message} }

# The body; with an argument it is replaced.
sub content ($self, @new) {
    $self->{content} = $new[0] if @new;
    return $self->{content};
}

1;
