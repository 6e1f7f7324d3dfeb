# Every seed of t/fuzz/corpus/ goes through its fuzz target, and then what
# becomes of them by a few thousand changes, the same ones each time, under
# ASan and UBSan; `make fuzz` begins where this ends.  What was once found by
# fuzzing lies there, so that it is tried again for ever.

use strict;
use warnings;

use File::Temp ();
use Test::More;

use constant INPUTS => 10_000;

for my $source (glob 't/fuzz/fuzz_*.c') {
    my ($name) = $source =~ m{fuzz_(\w+)\.c$};
    my $seeds = () = glob "t/fuzz/corpus/$name/*";
    my $new = File::Temp->newdir("convo-fuzz-$name-XXXXXX", TMPDIR => 1);
    my $said = `build/fuzz/t/fuzz/fuzz_$name -runs=${\INPUTS} -seed=1 \\
        -timeout=10 -artifact_prefix=build/fuzz/seed- \\
        $new t/fuzz/corpus/$name 2>&1`;
    my $status = $?;

    ok($seeds > 2 && $status == 0,
        "$name takes its $seeds seeds, and changes of them")
        or diag($said);
}

done_testing();
