# SPDX-License-Identifier: GPL-2.0-only
#
# A stand-in for the base of Proxmox VE's plugins: what ours calls of it, and what it has to hold to
# when it is registered.
package PVE::Storage::Plugin;

use strict;
use warnings;

my %plugins;
my %properties = map { $_ => 1 } qw(type storage nodes content disable shared bwlimit vgname);

sub register {
    my ($class) = @_;

    for my $name (keys %{ $class->properties() }) {
        die "duplicate property '$name'\n" if $properties{$name}++;
    }
    for my $name (keys %{ $class->options() }) {
        die "undefined property '$name'\n" if !$properties{$name};
    }
    $plugins{ $class->type() } = $class;
}

sub lookup {
    my ($class, $type) = @_;

    return $plugins{$type};
}

sub path {
    my ($class, $scfg, $volname, $storeid, $snapname) = @_;

    return $class->filesystem_path($scfg, $volname, $snapname);
}

sub get_next_vm_diskname {
    my ($taken, $storeid, $vmid) = @_;
    my %taken = map { $_ => 1 } map { m/(?:vm|base)-$vmid-disk-(\d+)/ ? $1 : () } @$taken;
    my ($free) = grep { !$taken{$_} } 0 .. 999;

    return "vm-$vmid-disk-$free";
}

1;
