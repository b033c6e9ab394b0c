# SPDX-License-Identifier: GPL-2.0-only
#
# A stand-in for run_command of Proxmox VE: a list of words, without a shell; what is printed goes to
# outfunc by lines, and if the command fails the last line of its errors is died with.
package PVE::Tools;

use strict;
use warnings;

use Exporter 'import';
use IPC::Open3;
use Symbol 'gensym';

our @EXPORT_OK = qw(run_command);

sub run_command {
    my ($cmd, %param) = @_;
    my $err = gensym;
    my $pid = open3(my $in, my $out, $err, @$cmd);

    close($in);
    while (defined(my $line = <$out>)) {
        chomp($line);
        $param{outfunc}->($line) if $param{outfunc};
    }
    my @err = <$err>;
    waitpid($pid, 0);
    return 0 if !$?;

    chomp(my $last = $err[-1] // "command '@$cmd' failed: exit code " . ($? >> 8));
    die(($param{errmsg} ? "$param{errmsg}: " : '') . "$last\n");
}

1;
