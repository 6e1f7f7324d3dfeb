# Every seed of t/fuzz/corpus/ goes through its fuzz target once, under ASan
# and UBSan; `make fuzz` begins where this ends.  What was once found by
# fuzzing lies there, so that it is tried again for ever.

use strict;
use warnings;

use Test::More;

for my $source (glob 't/fuzz/fuzz_*.c') {
    my ($name) = $source =~ m{fuzz_(\w+)\.c$};
    my $seeds = () = glob "t/fuzz/corpus/$name/*";
    my $said = `build/fuzz/t/fuzz/fuzz_$name -runs=0 -timeout=10 \\
        -artifact_prefix=build/fuzz/seed- t/fuzz/corpus/$name 2>&1`;
    my $status = $?;

    ok($seeds > 2 && $status == 0, "$name takes its $seeds seeds")
        or diag($said);
}

done_testing();
