package Test::Nginx::Check;

# The checks of a block: status code, headers and body of each response, and
# the lines of error.log and access.log. Each is one test in TAP, named as the
# CPAN module names it, so plans and reports agree.
#
# The logs are checked after every request of a block, each time only in the
# lines that came since the last look (all of the block's with
# check_accum_error_log).
#
# How it fails: an expectation that is not a list where several requests were
# asked for bails out; a log that cannot be read holds no line, so what must
# be in it fails.

use v5.36;

use Exporter qw(import);
use Test::More ();
use Time::HiRes qw(sleep);

use Test::Nginx::Util qw(
    bail_out expand_env_in_text read_file sleep_time
);

use constant SHOWN_LINE_MAX => 200;   # characters of a log line in a name

our @EXPORT_OK = qw(
    add_body_check check_access_log check_error_log check_response
    check_shutdown_error_log is_str rewind_error_log
);

my @body_checks;
my $error_log_position = 0;

my %BODY_FILTER = (
    uc       => sub ($s) { uc $s },
    lc       => sub ($s) { lc $s },
    ucfirst  => sub ($s) { ucfirst $s },
    lcfirst  => sub ($s) { lcfirst $s },
    length   => sub ($s) { length $s },
    md5_hex  => sub ($s) { require Digest::MD5; Digest::MD5::md5_hex($s) },
    sha1_hex => sub ($s) { require Digest::SHA; Digest::SHA::sha1_hex($s) },
);

# Equality of strings, or a match when EXPECTED is a regular expression.
sub is_str ($got, $expected, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ref $expected eq 'Regexp'
        ? Test::More::like($got, $expected, $name)
        : Test::More::is($got, $expected, $name);
}

sub add_body_check ($code) {
    push @body_checks, $code;
    return;
}

# All response checks of the request number I of RUN (0: the first of
# repeat_each). MANY: the block has several, so expectations are lists.
sub check_response ($block, $response, $i, $run, $many) {
    check_code($block, $response, $i, $many);
    check_raw_headers($block, $response, $i, $many);
    check_headers($block, $response, $i, $many);
    filter_body($block, $response, $i);
    check_body($block, $response, $i, $run, $many);
    for my $check (@body_checks) {
        $check->($block, $response->content, $i, $run, 0);
    }
    return;
}

# The element for request number I of an expectation.
sub expected ($block, $section, $i, $many) {
    my $value = $block->$section;
    return $value->[$i] if ref $value eq 'ARRAY';
    bail_out($block->name . ' - You asked for many requests, the expected '
        . "results should be arrays as well ($section).") if $many;
    return $value;
}

sub check_code ($block, $response, $i, $many) {
    my $got = $response->code || '';
    my $name = $block->name . ' - status code ok';
    if (defined $block->error_code_like) {
        my $pattern = expected($block, 'error_code_like', $i, $many);
        Test::More::like($got, qr/$pattern/s, $name);
        return;
    }
    my $code = defined $block->error_code
        ? expected($block, 'error_code', $i, $many) : 200;
    Test::More::is($got, $code, $name);
    return;
}

sub check_raw_headers ($block, $response, $i, $many) {
    my $raw = $response->{raw_headers};
    if (defined $block->raw_response_headers_like) {
        my $want = expected($block, 'raw_response_headers_like', $i, $many);
        Test::More::like($raw, qr/$want/s,
            $block->name . ' - raw resp headers like');
    }
    if (defined $block->raw_response_headers_unlike) {
        my $want = expected($block, 'raw_response_headers_unlike', $i, $many);
        Test::More::unlike($raw, qr/$want/s,
            $block->name . ' - raw resp headers unlike');
    }
    return;
}

sub check_headers ($block, $response, $i, $many) {
    my $name = $block->name;
    my ($section) = grep { defined $block->$_ }
        qw(response_headers response_headers_like) or return;
    my $lines = expected($block, $section, $i, $many) // '';
    for my $line (grep { /\S/ } split /\n/, $lines) {
        $line =~ s/^\s+|\s+$//g;
        if ($section eq 'response_headers' && $line =~ s/^!\s*//) {
            Test::More::unlike($response->{raw_headers},
                qr/^\s*\Q$line\E\s*:/mi,
                "$name - header $line not present in the raw headers");
            next;
        }
        my ($key, $want) = split /\s*:\s*/, $line, 2;
        $want = with_ports($want // '');
        my $got = $response->header($key) // '';
        if ($section eq 'response_headers') {
            Test::More::is($got, $want, "$name - header $key ok");
        } else {
            Test::More::like($got, qr/^$want$/, "$name - header $key like ok");
        }
    }
    return;
}

# TEXT with the suite's $ServerPort and $ServerPortForClient filled in.
sub with_ports ($text) {
    return $text if ref $text;
    $text =~ s/\$ServerPort\b/$Test::Nginx::Util::ServerPort/g;
    $text =~ s/\$ServerPortForClient\b/
        $Test::Nginx::Util::ServerPortForClient/gx;
    return $text;
}

# Sends the body through the functions of response_body_filters: names, a
# code reference, a list of them, or one such list per request.
sub filter_body ($block, $response, $i) {
    my $filters = $block->response_body_filters // return;
    $filters = [split ' ', $filters] if !ref $filters;
    $filters = [$filters] if ref $filters eq 'CODE';
    $filters = $filters->[$i]
        // bail_out($block->name . " - no response_body_filters for $i")
        if ref $filters->[0] eq 'ARRAY';
    for my $filter (@$filters) {
        my $code = ref $filter ? $filter : $BODY_FILTER{$filter};
        bail_out($block->name . " - unknown filter, \"$filter\"") if !$code;
        $response->content($code->($response->content));
    }
    return;
}

sub check_body ($block, $response, $i, $run, $many) {
    my $name = $block->name;
    my $content = $response->content;
    if (defined $block->response_body) {
        $content = sorted_json($content)
            if defined $block->response_body_json_sort;
        my $want = with_ports(expected($block, 'response_body', $i, $many));
        $want = expand_env_in_text($want, $name);
        my $what = ref $want ? 'like' : 'response is expected';
        is_str($content, $want,
            "$name - response_body - $what (repeated req $run, req $i)");
    } elsif (defined $block->response_body_like) {
        my $want = with_ports(
            expected($block, 'response_body_like', $i, $many));
        Test::More::like($content, qr/$want/s, "$name - response_body_like"
            . ' - response is expected (' . summary($content) . ')');
    } elsif (defined $block->response_body_unlike) {
        my $want = with_ports(
            expected($block, 'response_body_unlike', $i, $many));
        Test::More::unlike($content, qr/$want/s,
            "$name - response_body_unlike - response is expected ("
            . summary($content) . ')');
    }
    return;
}

sub summary ($content) {
    my $text = $content // '';
    $text =~ s/\A\s+|\s+\z//g;
    $text =~ s/\s*\n\s*/ /g;
    return $text =~ s/#/\\#/gr;
}

sub sorted_json ($content) {
    require JSON::PP;
    my $json = JSON::PP->new->canonical->loose;
    my $value = eval { $json->decode($content) } // return $content;
    return $json->encode($value) . "\n";
}

# From now on only new lines of error.log count.
sub rewind_error_log () {
    $error_log_position = 0;
    return;
}

# The lines of error.log that count now. It waits a moment first: nginx writes
# some lines only after it has closed the connection.
sub error_log_lines () {
    sleep sleep_time() * 3;
    open my $in, '<:raw', $Test::Nginx::Util::ErrLogFile or return;
    seek $in, $error_log_position, 0;
    my @lines = <$in>;
    $error_log_position = tell $in if !$Test::Nginx::Util::CheckAccumErrLog;
    return @lines;
}

# error_log, no_error_log and grep_error_log of the block in run number RUN;
# an assertion of a program fails always, lines at [alert] and above that the
# block does not speak of are shown.
sub check_error_log ($block, $run) {
    my $name = $block->name;
    my @lines = error_log_lines();
    check_grep($block, $run, \@lines);
    must_match($block, 'error_log', "error.log (req $run)", \@lines);
    must_not_match($block, 'no_error_log', "error.log (req $run)", \@lines);
    my $told = join "\n", patterns(scalar $block->error_log),
        patterns(scalar $block->no_error_log);
    for my $line (@lines) {
        Test::More::fail("$name - " . shown($line))
            if $line =~ /\bAssertion .*?failed\b/;
        Test::More::diag("WARNING: $name - " . shown($line))
            if $line =~ /(\[(?:alert|crit|emerg)\])/
            && index($told, $1) < 0;
    }
    return;
}

sub check_grep ($block, $run, $lines) {
    my $pattern = $block->grep_error_log;
    my $want = $block->grep_error_log_out;
    return if !defined $pattern && !defined $want;
    bail_out($block->name . ' - grep_error_log and grep_error_log_out '
        . 'need each other') if !defined $pattern || !defined $want;
    $pattern = $pattern->[$run] if ref $pattern eq 'ARRAY';
    $want = $want->[$run] if ref $want eq 'ARRAY';
    my $regex = ref $pattern ? $pattern : qr/\Q$pattern\E/;
    my $found = '';
    for my $line (@$lines) {
        $found .= "$&\n" if $line =~ $regex && $& !~ /\n/;
    }
    is_str($found, expand_env_in_text($want, $block->name),
        $block->name . " - grep_error_log_out (req $run)");
    return;
}

sub check_access_log ($block, $run) {
    return if !defined $block->access_log && !defined $block->no_access_log;
    sleep sleep_time() * 3;
    my $text = read_file($Test::Nginx::Util::AccLogFile) // '';
    my @lines = $text =~ /^(.*\n?)/mg;
    must_match($block, 'access_log', "access.log (req $run)", \@lines);
    must_not_match($block, 'no_access_log', "access.log (req $run)", \@lines);
    return;
}

# The same for what nginx logged while it ended; call it after the stop.
sub check_shutdown_error_log ($block) {
    return if !defined $block->shutdown_error_log
        && !defined $block->no_shutdown_error_log;
    my @lines = error_log_lines();
    must_match($block, 'shutdown_error_log', 'error.log', \@lines);
    must_not_match($block, 'no_shutdown_error_log', 'error.log', \@lines);
    return;
}

# A pattern section as a list: lines of text, regular expressions, or both.
sub patterns ($value) {
    return ()                      if !defined $value;
    return grep { defined } @$value if ref $value eq 'ARRAY';
    return $value                  if ref $value;
    return split /\n+/, $value;
}

sub matches ($line, $pattern) {
    return ref $pattern ? $line =~ $pattern : index($line, $pattern) >= 0;
}

sub must_match ($block, $section, $log, $lines) {
    my $name = $block->name;
    for my $pattern (patterns(scalar $block->$section)) {
        if (grep { matches($_, $pattern) } @$lines) {
            Test::More::pass(
                "$name - pattern \"$pattern\" matches a line in $log");
        } else {
            Test::More::fail(
                "$name - pattern \"$pattern\" should match a line in $log");
        }
    }
    return;
}

sub must_not_match ($block, $section, $log, $lines) {
    my $name = $block->name;
    for my $pattern (patterns(scalar $block->$section)) {
        my ($line) = grep { matches($_, $pattern) } @$lines;
        if (!defined $line) {
            Test::More::pass("$name - pattern \"$pattern\" does not match "
                . "a line in $log");
            next;
        }
        Test::More::fail("$name - pattern \"$pattern\" should not match any "
            . 'line in ' . ($log =~ s/ .*//r) . ' but matches line "'
            . shown($line) . '"' . ($log =~ s/\S+//r));
        Test::More::diag($line);
    }
    return;
}

sub shown ($line) {
    chomp $line;
    $line = substr($line, 0, SHOWN_LINE_MAX) . '...'
        if length $line > SHOWN_LINE_MAX;
    return $line =~ s/#/\\#/gr;
}

1;
