# SPDX-License-Identifier: GPL-2.0-only
#
# Linked clones on a volume group as a storage of Proxmox VE:
#
#	install -D -m 644 /usr/share/lclone/LclonePlugin.pm \
#		/usr/share/perl5/PVE/Storage/Custom/LclonePlugin.pm
#
# and in /etc/pve/storage.cfg:
#
#	lclone: fast
#		vgname vg
#		content images,rootdir
#
# Each disk is a clone of the name that Proxmox has given it, without a base: thin, and with
# snapshots.  A template is a disk that has the snapshot __base__ and is not written any more; the
# volume base-100-disk-0 is the clone vm-100-disk-0 with that.  A linked clone of it lies on the
# layer which that snapshot is, and has the template in its volume's name, so that Proxmox knows.
package PVE::Storage::Custom::LclonePlugin;

use strict;
use warnings;

use JSON::PP ();

use PVE::Tools qw(run_command);
use PVE::Storage::Plugin;

use base qw(PVE::Storage::Plugin);

# The newest version of the interface that this was written for; an older one, from 9 on, lacks
# nothing that is called here
my $api = 15;

# Snapshots that users make begin with a letter
my $base = '__base__';

# A delta's volume, in KiB: lcloned makes it larger when it is used up
my $first = 1 << 20;
# Of a small disk, what is needed beside its data; and of a template, into which nobody writes
my $small = 16 << 10;

sub api {
    my $theirs = PVE::Storage::APIVER();

    return $theirs < $api ? $theirs : $api;
}

sub type {
    return 'lclone';
}

sub plugindata {
    return {
        content => [{ images => 1, rootdir => 1 }, { images => 1, rootdir => 1 }],
        'sensitive-properties' => {},
    };
}

# vgname is a property of the plugin for LVM, and all plugins share them
sub properties {
    return {};
}

sub options {
    return {
        vgname => { fixed => 1 },
        nodes => { optional => 1 },
        disable => { optional => 1 },
        content => { optional => 1 },
        bwlimit => { optional => 1 },
    };
}

# Runs lclone; if it fails its sentence is what the user sees
sub lclone {
    my (@args) = @_;
    my $out = '';

    run_command(['lclone', @args], errmsg => 'error', outfunc => sub { $out .= "$_[0]\n"; });
    return $out;
}

# What is printed as JSON, which may have no more than true and false beside strings and numbers
sub lclone_json {
    return JSON::PP::decode_json(lclone(@_));
}

sub parse_volname {
    my ($class, $volname) = @_;

    # What lclone takes as a name, with room for "-delta2" behind it
    if ($volname =~ m!^(?:(base-(\d+)-[\w.+-]+)/)?((vm|base)-(\d+)-[\w.+-]+)$!) {
        return ('images', $3, $5, $1, $2, $4 eq 'base', 'raw');
    }
    die "unable to parse the name of a linked clone, '$volname'\n";
}

# The clone that a volume is
sub clone_of {
    my ($class, $volname) = @_;
    my $name = ($class->parse_volname($volname))[1];

    $name =~ s/^base-/vm-/;
    return $name;
}

sub is_active {
    my ($name) = @_;

    return -e "/dev/mapper/$name";
}

sub filesystem_path {
    my ($class, $scfg, $volname, $snapname) = @_;
    my ($vtype, undef, $vmid) = $class->parse_volname($volname);
    my $path = '/dev/mapper/' . $class->clone_of($volname);

    die "the snapshot '$snapname' of '$volname' is no device: make a linked clone of it\n"
        if defined($snapname);
    return wantarray ? ($path, $vmid, $vtype) : $path;
}

# Adds to $disks what is on $nodes and above them: each disk by its name, with its size, whether it
# is in the volume group, its snapshots, the oldest first, and the template it was made of
sub add_disks {
    my ($disks, $vg, $nodes, @below) = @_;
    my $mapper = $vg =~ s/-/--/gr;

    for my $node (@$nodes) {
        my $label = $node->{label} // '';

        add_disks($disks, $vg, $node->{children}, @below, $node);
        next if $node->{sealed} || $label !~ m/^(vm-\d+-[\w.+-]+)$/;

        my $name = $1;
        my $disk = {
            size => $node->{size_bytes},
            used => $node->{used_bytes},
            here => scalar($node->{device} =~ m!^(?:\Q$vg\E/|/dev/mapper/\Q$mapper\E-(?:[^-]|--))!),
            snapshots => [],
        };
        for my $layer (@below) {
            my ($of, $snap) = ($layer->{label} // '') =~ m/^(vm-\d+-[\w.+-]+)\@([\w.+-]+)$/ or next;

            $disk->{used} += $layer->{used_bytes} if $of eq $name;
            push @{ $disk->{snapshots} }, { name => $snap, layer => $layer } if $of eq $name;
            $disk->{base} = $of =~ s/^vm-/base-/r if $of ne $name && $snap eq $base;
        }
        $disks->{$name} = $disk;
    }
}

sub disks {
    my ($scfg) = @_;
    my $disks = {};

    add_disks($disks, $scfg->{vgname}, $_->{children}) for @{ lclone_json('tree', '--json') };
    return $disks;
}

# Snapshot $snap of the disk, or undef
sub snapshot_of {
    my ($disk, $snap) = @_;

    return (grep { $_->{name} eq $snap } @{ $disk->{snapshots} })[0];
}

sub list_images {
    my ($class, $storeid, $scfg, $vmid, $vollist, $cache) = @_;
    my $disks = $cache->{"lclone-$scfg->{vgname}"} //= disks($scfg);
    my $res = [];

    for my $name (sort keys %$disks) {
        my $disk = $disks->{$name};
        my ($owner) = $name =~ m/^vm-(\d+)-/;
        my $volname = snapshot_of($disk, $base) ? $name =~ s/^vm-/base-/r : $name;
        my $volid = "$storeid:" . ($disk->{base} ? "$disk->{base}/" : '') . $volname;

        next if !$disk->{here};
        next if $vollist ? !grep { $_ eq $volid } @$vollist : defined($vmid) && $owner ne $vmid;
        push @$res, {
            volid => $volid,
            format => 'raw',
            size => $disk->{size},
            used => $disk->{used},
            vmid => $owner,
            parent => $disk->{base},
        };
    }
    return $res;
}

# Clones of all volume groups have their names from one device-mapper
sub find_free_diskname {
    my ($class, $storeid, $scfg, $vmid) = @_;

    return PVE::Storage::Plugin::get_next_vm_diskname(
        [keys %{ disks($scfg) }], $storeid, $vmid, undef, $scfg);
}

sub alloc_image {
    my ($class, $storeid, $scfg, $vmid, $fmt, $name, $size) = @_;

    die "unsupported format '$fmt'\n" if $fmt ne 'raw';
    die "illegal name '$name' - should be 'vm-$vmid-*'\n" if $name && $name !~ m/^vm-$vmid-/;

    $name ||= $class->find_free_diskname($storeid, $scfg, $vmid);
    my $delta = $size < $first - $small ? $size + $small : $first;
    lclone('create', '--vg', $scfg->{vgname}, '--delta-size', "${delta}K", '--size', "${size}K",
        $name, '-');
    return $name;
}

sub free_image {
    my ($class, $storeid, $scfg, $volname, $isBase) = @_;

    lclone('remove', '--yes', $class->clone_of($volname));
    return undef;
}

sub create_base {
    my ($class, $storeid, $scfg, $volname) = @_;
    my (undef, $name, undef, $basename, undef, $isBase) = $class->parse_volname($volname);

    die "create_base not possible with base image\n" if $isBase;

    my $disk = disks($scfg)->{$name} or die "there is no disk '$volname'\n";
    die "unable to create base volume - found snapshot '$disk->{snapshots}->[0]->{name}'\n"
        if @{ $disk->{snapshots} };

    # What is in use cannot be closed, and stays as it is
    lclone('close', $name) if is_active($name);
    lclone('snapshot', '--delta-size', "${small}K", $name, $base);
    return ($basename ? "$basename/" : '') . $name =~ s/^vm-/base-/r;
}

# Not by --from: that has a line in lclonetab, which is of this host alone
sub clone_image {
    my ($class, $scfg, $storeid, $volname, $vmid, $snap) = @_;
    my (undef, $name, undef, $basename, undef, $isBase) = $class->parse_volname($volname);

    die "clone_image only works on base images and snapshots\n" if !$isBase && !$snap;

    my $of = $class->clone_of($volname);
    $snap = $base if $isBase;
    my $disks = disks($scfg);
    my $from = $disks->{$of} && snapshot_of($disks->{$of}, $snap)
        or die "'$volname' has no snapshot '$snap'\n";
    # What was read is to be looked at before it is given to a command
    my ($layer) = $from->{layer}->{device} =~ m!^([\w.+/-]+)$!
        or die "'$from->{layer}->{device}' is no name of a volume\n";
    my ($bytes) = $from->{layer}->{size_bytes} =~ m/^(\d+)$/ or die "a disk without a size\n";

    my $clone = $class->find_free_diskname($storeid, $scfg, $vmid);
    my $size = $bytes >> 10;
    my $delta = $size < $first - $small ? $size + $small : $first;
    lclone('create', '--vg', $scfg->{vgname}, '--delta-size', "${delta}K", '--parent', $layer,
        $clone, '-');

    my $template = $isBase ? $name : $basename;
    return ($template ? "$template/" : '') . $clone;
}

sub status {
    my ($class, $storeid, $scfg, $cache) = @_;
    my ($size, $free);

    run_command(
        ['vgs', '--noheadings', '--units', 'b', '--nosuffix', '-o', 'vg_size,vg_free', $scfg->{vgname}],
        outfunc => sub { ($size, $free) = ($1, $2) if $_[0] =~ m/^\s*(\d+)\s+(\d+)\s*$/; },
    );
    return defined($size) ? ($size, $free, $size - $free, 1) : undef;
}

sub activate_storage {
    my ($class, $storeid, $scfg, $cache) = @_;

    run_command(['vgs', $scfg->{vgname}], errmsg => 'error', outfunc => sub { });
}

sub activate_volume {
    my ($class, $storeid, $scfg, $volname, $snapname, $cache, $hints) = @_;
    my $name = $class->clone_of($volname);
    my $isBase = ($class->parse_volname($volname))[5];

    die "the snapshot '$snapname' of '$volname' is no device: make a linked clone of it\n"
        if $snapname;
    lclone('open', $isBase ? '--read-only' : (), $name) if !is_active($name);
}

sub deactivate_volume {
    my ($class, $storeid, $scfg, $volname, $snapname, $cache) = @_;
    my $name = $class->clone_of($volname);

    lclone('close', $name) if !$snapname && is_active($name);
}

sub volume_size_info {
    my ($class, $scfg, $storeid, $volname, $timeout) = @_;
    my $status = lclone_json('status', '--json', $class->clone_of($volname))->[0];

    return wantarray
        ? ($status->{size_bytes}, 'raw', $status->{used_bytes}, undef)
        : $status->{size_bytes};
}

# A running guest is told by who calls this
sub volume_resize {
    my ($class, $scfg, $storeid, $volname, $size, $running, $snapname) = @_;

    die "a snapshot keeps its size\n" if $snapname;
    lclone('resize', '--size', $size, $class->clone_of($volname));
    return 1;
}

sub volume_snapshot {
    my ($class, $scfg, $storeid, $volname, $snap) = @_;

    lclone('snapshot', $class->clone_of($volname), $snap);
}

# lclone does not freeze what is mounted, as a container's disk
sub volume_snapshot_needs_fsfreeze {
    return 1;
}

# Going back removes what is newer, of which Proxmox would still know
sub volume_rollback_is_possible {
    my ($class, $scfg, $storeid, $volname, $snap, $blockers) = @_;
    my $disk = disks($scfg)->{ $class->clone_of($volname) };
    my @names = map { $_->{name} } @{ $disk->{snapshots} };

    die "can't rollback, snapshot '$snap' does not exist on '$volname'\n"
        if !grep { $_ eq $snap } @names;
    shift @names while $names[0] ne $snap;
    shift @names;
    push @$blockers, @names if $blockers;
    die "can't rollback, '$snap' is not most recent snapshot on '$volname'\n" if @names;
    return 1;
}

sub volume_snapshot_rollback {
    my ($class, $scfg, $storeid, $volname, $snap) = @_;

    lclone('revert', '--yes', $class->clone_of($volname), $snap);
}

sub volume_snapshot_delete {
    my ($class, $scfg, $storeid, $volname, $snap, $running) = @_;

    lclone('remove', '--yes', $class->clone_of($volname) . "\@$snap");
}

sub volume_snapshot_info {
    my ($class, $scfg, $storeid, $volname) = @_;
    my $disk = disks($scfg)->{ $class->clone_of($volname) };

    return {
        map { $_->{name} => { id => $_->{layer}->{uuid}, timestamp => $_->{layer}->{sealed_at} } }
            @{ $disk->{snapshots} }
    };
}

# A snapshot can be cloned, but not be read as it is
sub volume_has_feature {
    my ($class, $scfg, $feature, $storeid, $volname, $snapname, $running, $opts) = @_;
    my $features = {
        snapshot => { current => 1 },
        clone => { base => 1, snap => 1 },
        template => { current => 1 },
        copy => { base => 1, current => 1 },
        sparseinit => { base => 1, current => 1 },
    };
    my $isBase = ($class->parse_volname($volname))[5];
    my $key = $snapname ? 'snap' : $isBase ? 'base' : 'current';

    return $features->{$feature}->{$key};
}

1;
