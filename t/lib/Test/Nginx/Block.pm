package Test::Base::Filter;

use strict;
use warnings;

sub run_perl { return eval shift }

package Test::Nginx::Block;

# One test block, and the parser that cuts a suite's __DATA__ into blocks:
#
#     === TEST 1: a sentence
#     a description, if any
#     --- section filter filter: value on the line
#     --- section filter
#     value on
#     the following lines
#
# The format is that of Test::Base. Every value first has its line ends made
# "\n" and the blank lines around it removed ("-trim" prevents the latter);
# then the filters run from left to right. A filter is a function of package
# main or one of those below; it takes and returns a list of values.
#
# A section is read by a method of its name: its first value in scalar
# context, all of them in list context, undef or nothing when it is absent.
#
# How it fails: an unknown filter, Perl code that does not compile, or a value
# both on the line and below it dies with the block's and the section's name.
# Test::Base is milder (it makes the error text the value), which would let a
# misspelt check pass.

use v5.36;

use Carp qw(croak);
use MIME::Base64 ();

our $AUTOLOAD;
our %SectionFilters;          # section -> filters that filters() asked for

my %FILTER = (
    norm          => \&filter_norm,
    trim          => \&filter_trim,
    eval          => \&filter_eval,
    chomp         => sub (@v) { map { s/\n\z//r } @v },
    unchomp       => sub (@v) { map { "$_\n" } @v },
    chop          => sub (@v) { map { s/.\z//sr } @v },
    lines         => sub (@v) { map { /^(.*\n|.+\z)/mg } @v },
    array         => sub (@v) { [@v] },
    join          => sub (@v) { join '', @v },
    escape        => sub (@v) { map { eval qq{"$_"} // croak $@ } @v },
    regexp        => sub (@v) { map { s/\n\z//r } map { qr/$_/ } @v },
    base64_encode => sub (@v) { map { MIME::Base64::encode($_) } @v },
    base64_decode => sub (@v) { map { MIME::Base64::decode($_) } @v },
);

# All blocks of TEXT in their order, less those that SKIP, ONLY and LAST
# leave out.
sub parse_all ($class, $text) {
    $text =~ s/\r\n?/\n/g;
    my @all = map { $class->parse($_) } $text =~ /^(===.*?)(?=^===|\z)/msg;
    my @chosen;
    for my $block (@all) {
        next if exists $block->{SKIP};
        if (exists $block->{ONLY}) {
            Test::More::diag("--- ONLY: only \"$block->{name}[0]\" is run");
            return $block;
        }
        push @chosen, $block;
        last if exists $block->{LAST};
    }
    return @chosen;
}

# One block from its text, which begins with "===".
sub parse ($class, $text) {
    $text =~ s/\A===[ \t]*([^\n]*)\n?// or croak 'a block begins with "==="';
    my $name = $1 =~ s/\s+\z//r;
    my ($description, @parts)
        = split /^---[ ]+\(?(\w+)\)?[ ]*([^\n]*)(?:\n|\z)/m, $text, -1;
    my $self = bless {}, $class;
    my @order;
    $description //= '';
    $description =~ s/\A\s+|\s+\z//g;
    $self->set_value('name', $name);
    $self->set_value('description', $description || $name);
    while (my ($section, $head, $body) = splice @parts, 0, 3) {
        push @order, $section;
        my @values = eval { section_values($section, $head, $body) };
        croak "$name - section \"$section\": $@" if $@;
        $self->set_value($section, @values);
    }
    $self->set_value('_section_order', \@order);
    return $self;
}

# The values of a section: HEAD is what follows its name on the "---" line.
sub section_values ($section, $head, $body) {
    my $value = $body // '';
    my $filters = $head;
    if ($head =~ /\A(.*?)\s*:(?:\s+(.*))?\z/s) {
        ($filters, $value) = ($1, $2 // '');
        die "a value on the line and below it\n" if ($body // '') =~ /\S/;
        $value =~ s/\A\s+|\s+\z//g;
    }
    my @names = ('norm', 'trim', split(' ', $filters),
        @{ $SectionFilters{$section} // [] });
    my %off = map { s/^-//r => 1 } grep { /^-/ } @names;
    my @values = ($value);
    for my $filter (grep { !/^-/ && !$off{$_} } @names) {
        @values = apply_filter($filter, @values);
    }
    return @values;
}

sub apply_filter ($filter, @values) {
    my $code = main->can($filter) // $FILTER{$filter};
    die "unknown filter \"$filter\"\n" if !$code;
    return $code->(@values);
}

sub filter_norm (@values) {
    return map { s/\r\n?/\n/gr } @values;
}

# Without the blank lines before and after; one line end stays at the end.
sub filter_trim (@values) {
    return map { s/\A(?:[ \t]*\n)+//r =~ s/(?<=\n)\s*\z//r } @values;
}

# The value of the section's Perl code. It runs where Test::Base runs it: not
# in main, so a suite reaches its own names by "$::name" under either module.
sub filter_eval (@values) {
    my @result = Test::Base::Filter::run_perl(join '', @values);
    die $@ if $@;
    return @result;
}

# Gives the section new values; add_block_preprocessor() callbacks use it.
sub set_value ($self, $section, @values) {
    $self->{$section} = [@values];
    return;
}

sub AUTOLOAD ($self) {
    my $section = $AUTOLOAD =~ s/.*:://r;
    my $values = $self->{$section} or return;
    return wantarray ? @$values : $values->[0];
}

sub DESTROY ($self) { }

1;
