package Convo::Test;

# What every suite of this project adds to Test::Nginx::Socket, in a form that
# works with the CPAN module and with the work-alike in t/lib:
#
#     use Test::Nginx::Socket 'no_plan';
#     use Convo::Test;
#     run_tests();
#
# - No block may leave an [alert], [crit], [emerg] or sanitizer line in
#   error.log, neither while it runs nor while nginx ends. A block that wants
#   such a line names it in its error_log, which lifts that one rule.
# - A section whose name Test::Nginx does not know ends the run: a misspelt
#   check must not pass by checking nothing. Sections of a suite's own are
#   declared: use Convo::Test sections => ['redis_init'].
# - $TEST_NGINX_HTML_DIR (where user_files lie) and $TEST_NGINX_ROOT_DIR (the
#   root of the source tree) may be used in every configuration section.
#
# As it adds checks to every block, suites use 'no_plan'.

use v5.36;

use Cwd ();

use Test::Nginx::Socket ();

# Substrings of lines that no log may contain. What nginx writes to stderr
# goes to error.log, so sanitizers report there.
our @FORBIDDEN = ('[alert]', '[crit]', '[emerg]', 'Sanitizer:',
    'runtime error:');

my %KNOWN = map { $_ => 1 } qw(
    main_config http_config config post_main_config server_name init
    post_setup_server_root user_files log_level error_log_file
    request pipelined_requests raw_request raw_request_middle_delay
    more_headers timeout abort shutdown wait ignore_response http09
    server_addr_for_client
    error_code error_code_like response_headers response_headers_like
    raw_response_headers_like raw_response_headers_unlike
    response_body response_body_like response_body_unlike
    response_body_filters response_body_json_sort
    error_log no_error_log grep_error_log grep_error_log_out
    access_log no_access_log shutdown_error_log no_shutdown_error_log
    must_die suppress_stderr reload_fails
    tcp_listen tcp_reply tcp_reply_delay tcp_query tcp_query_len
    tcp_query_auto_timeout tcp_no_close tcp_shutdown
    udp_listen udp_reply udp_reply_delay udp_query
    SKIP ONLY LAST
);

sub import ($class, %option) {
    $KNOWN{$_} = 1 for @{ $option{sections} // [] };
    $ENV{TEST_NGINX_HTML_DIR} = Test::Nginx::Socket::html_dir();
    $ENV{TEST_NGINX_ROOT_DIR} = Cwd::getcwd();
    Test::Nginx::Socket::add_block_preprocessor(\&prepare);
    return;
}

sub prepare ($block) {
    refuse_unknown($block);
    my $expected = join "\n", patterns($block->error_log),
        patterns($block->shutdown_error_log);
    my @forbidden = grep { index($expected, $_) < 0 } @FORBIDDEN;
    if (defined $block->must_die) {
        forbid($block, 'no_error_log', grep { $_ ne '[emerg]' } @forbidden);
        return;
    }
    forbid($block, 'no_error_log', @forbidden);
    forbid($block, 'no_shutdown_error_log', @forbidden);
    return;
}

sub refuse_unknown ($block) {
    for my $section (@{ $block->_section_order }) {
        next if $KNOWN{$section};
        Test::Nginx::Socket::bail_out(
            "$0 " . $block->name . " - unknown section \"$section\"");
    }
    return;
}

# Adds the patterns that the section lacks.
sub forbid ($block, $section, @patterns) {
    my @present = patterns($block->$section);
    my %seen = map { $_ => 1 } @present;
    my @missing = grep { !$seen{$_} } @patterns;
    $block->set_value($section, [@present, @missing]);
    return;
}

# A pattern section as a list. Takes the section's values in list context.
sub patterns (@values) {
    my $value = $values[0] // return ();
    return @$value if ref $value eq 'ARRAY';
    return $value  if ref $value;
    return split /\n+/, $value;
}

1;
