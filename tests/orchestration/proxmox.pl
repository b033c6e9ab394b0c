#!/usr/bin/perl -T
# SPDX-License-Identifier: GPL-2.0-only
#
# proxmox.pl PLUGIN [VG]: the plugin for Proxmox VE, as that calls it, with stand-ins for what it is
# derived from; TAP.  Without a volume group only what needs no lclone.  Perl checks for taint, as in
# Proxmox' daemons: what was read is not to name what is run.
use strict;
use warnings;

use IO::Handle;
use Test::More;

BEGIN {
    my ($here) = $0 =~ m!^(.*)/[^/]*$!;
    unshift @INC, $here;
    ($ENV{PATH}) = $ENV{PATH} =~ m/^(.*)$/;
    delete @ENV{qw(IFS CDPATH ENV BASH_ENV)};
}
use PVE::Storage;

my ($plugin, $vg) = map { m/^(.*)$/ ? $1 : () } @ARGV;
require $plugin;
my $class = 'PVE::Storage::Custom::LclonePlugin';
my $scfg = { type => 'lclone', vgname => $vg };

# fails CODE TEXT: it dies with one line that has TEXT in it
sub fails {
    my ($code, $text, $what) = @_;

    eval { $code->() };
    like($@, qr/^[^\n]*\Q$text\E[^\n]*\n$/, $what);
}

# volumes: what Proxmox would show, by volume id, with sizes in MiB
sub volumes {
    my (@which) = @_;

    return { map { $_->{volid} => $_->{size} >> 20 } @{ $class->list_images('fast', $scfg, @which) } };
}

# put DISK BYTE TEXT, get DISK BYTE: on the device of an active volume, past all caches
sub device {
    my ($volname) = @_;
    my ($path) = $class->path($scfg, $volname, 'fast');

    return $path;
}

sub put {
    my ($volname, $text) = @_;

    open(my $fh, '+<', device($volname)) or die "$volname: $!";
    my $written = syswrite($fh, $text) && $fh->sync();
    close($fh) && $written or die "$volname: $!\n";
}

sub get {
    my ($volname) = @_;

    open(my $fh, '<', device($volname)) or die "$volname: $!";
    read($fh, my $text, 3);
    return $text;
}

sub on { $class->activate_volume('fast', $scfg, $_, undef, {}) for @_; }
sub off { $class->deactivate_volume('fast', $scfg, $_, undef, {}) for @_; }

subtest 'it is registered, with an interface that this Proxmox has' => sub {
    isa_ok($class, 'PVE::Storage::Plugin');
    is($class->api(), 15, 'the newest that it knows');
    $PVE::Storage::version = 11;
    is($class->api(), 11, 'an older Proxmox');
    $PVE::Storage::version = 99;
    is($class->api(), 15, 'a newer one');
    ok(eval { $class->register(); 1 }, 'properties are not said twice') or diag($@);
    is(PVE::Storage::Plugin->lookup('lclone'), $class, 'by its type');
    is_deeply($class->plugindata()->{content}->[0], { images => 1, rootdir => 1 }, 'content');
};

subtest 'volumes are known by their names' => sub {
    is_deeply([$class->parse_volname('vm-100-disk-0')],
        ['images', 'vm-100-disk-0', 100, undef, undef, '', 'raw'], 'a disk');
    is_deeply([$class->parse_volname('base-100-disk-0')],
        ['images', 'base-100-disk-0', 100, undef, undef, 1, 'raw'], 'a template');
    is_deeply([$class->parse_volname('base-100-disk-0/vm-101-disk-1')],
        ['images', 'vm-101-disk-1', 101, 'base-100-disk-0', 100, '', 'raw'], 'a linked clone');
    for my $name ('', 'vm-100', 'vm-x-disk-0', 'web1', 'vm-1-a b', 'vm-1-a/b', 'vm-100-disk-0/vm-101-disk-0') {
        fails(sub { $class->parse_volname($name) }, 'unable to parse', "'$name' is none");
    }
    is_deeply([$class->path($scfg, 'base-100-disk-0/base-101-disk-1', 'fast')],
        ['/dev/mapper/vm-101-disk-1', 101, 'images'], 'where its data is');
    fails(sub { $class->path($scfg, 'vm-1-disk-0', 'fast', 'snap') }, 'is no device', 'a snapshot');
};

subtest 'what can be done with a volume' => sub {
    my $can = sub { $class->volume_has_feature($scfg, $_[0], 'fast', $_[1], $_[2], 0) ? 1 : 0 };
    my ($disk, $template) = ('base-100-disk-0/vm-101-disk-0', 'base-100-disk-0');
    is_deeply([map { $can->(@$_) } ['snapshot', $disk], ['template', $disk], ['copy', $disk],
            ['clone', $disk], ['clone', $disk, 'snap'], ['clone', $template], ['copy', $template]],
        [1, 1, 1, 0, 1, 1, 1], 'features');
    is_deeply([map { $can->(@$_) } ['copy', $disk, 'snap'], ['rename', $disk], ['replicate', $disk]],
        [0, 0, 0], 'and what not');
};

subtest 'a disk that is in use does not become a template' => sub {
    my ($in_use, @calls) = (1);
    no warnings 'redefine';
    no strict 'refs';
    local *{"${class}::disks"} = sub { return { 'vm-100-disk-0' => { snapshots => [] } } };
    local *{"${class}::is_active"} = sub { return 1 };
    local *{"${class}::lclone"} = sub {
        push @calls, $_[0];
        die "it is in use\n" if $in_use && $_[0] eq 'close';
    };
    fails(sub { $class->create_base('fast', $scfg, 'vm-100-disk-0') }, 'it is in use', 'it is refused');
    is_deeply(\@calls, ['close'], 'and has no snapshot');
    ($in_use, @calls) = (0);
    is($class->create_base('fast', $scfg, 'vm-100-disk-0'), 'base-100-disk-0', 'another does');
    is_deeply(\@calls, ['close', 'snapshot'], 'by a snapshot');
};

if (!defined($vg)) {
    done_testing();
    exit;
}

subtest 'a template, and a linked clone of it' => sub {
    ok(eval { $class->activate_storage('fast', $scfg, {}); 1 }, 'the storage is there') or diag($@);
    my ($total, $free, $used, $active) = $class->status('fast', $scfg, {});
    ok($total > 0 && $free + $used == $total && $active == 1, 'its space') or diag("$total $free $used");
    is_deeply(volumes(), {}, 'it is empty');

    is($class->alloc_image('fast', $scfg, 100, 'raw', undef, 32 << 10), 'vm-100-disk-0', 'a disk is made');
    is($class->alloc_image('fast', $scfg, 100, 'raw', 'vm-100-cloudinit', 4 << 10), 'vm-100-cloudinit', 'by its name');
    fails(sub { $class->alloc_image('fast', $scfg, 100, 'qcow2', undef, 4 << 10) }, 'unsupported', 'qcow2 is none');
    fails(sub { $class->alloc_image('fast', $scfg, 100, 'raw', 'vm-7-disk-0', 4 << 10) }, 'illegal name', "another guest's name");
    is_deeply(volumes(), { 'fast:vm-100-disk-0' => 32, 'fast:vm-100-cloudinit' => 4 }, 'they are listed');

    on('vm-100-disk-0');
    put('vm-100-disk-0', 'one');
    is($class->create_base('fast', $scfg, 'vm-100-disk-0'), 'base-100-disk-0', 'it becomes a template');
    ok(!-e '/dev/mapper/vm-100-disk-0', 'which is closed');
    on('base-100-disk-0');
    is(get('base-100-disk-0'), 'one', 'and can be read');
    fails(sub { put('base-100-disk-0', 'x') }, 'base-100-disk-0', 'but not written');
    off('base-100-disk-0');

    is($class->clone_image($scfg, 'fast', 'base-100-disk-0', 101), 'base-100-disk-0/vm-101-disk-0', 'a linked clone');
    is($class->clone_image($scfg, 'fast', 'base-100-disk-0', 101), 'base-100-disk-0/vm-101-disk-1', 'another');
    fails(sub { $class->clone_image($scfg, 'fast', 'vm-100-cloudinit', 102) }, 'only works on', 'not of a disk');
    is_deeply(volumes(), {
            'fast:base-100-disk-0' => 32, 'fast:vm-100-cloudinit' => 4,
            'fast:base-100-disk-0/vm-101-disk-0' => 32, 'fast:base-100-disk-0/vm-101-disk-1' => 32,
        }, 'they are listed with it');
    is_deeply(volumes(101, undef, {}), {
            'fast:base-100-disk-0/vm-101-disk-0' => 32, 'fast:base-100-disk-0/vm-101-disk-1' => 32,
        }, 'those of a guest');
    is_deeply(volumes(undef, ['fast:base-100-disk-0']), { 'fast:base-100-disk-0' => 32 }, 'those asked for');
    is_deeply($class->list_images('other', { vgname => "$vg-x" }), [], 'another group has none');

    my $disk = 'base-100-disk-0/vm-101-disk-0';
    is(get($disk), 'one', 'it has what the template had');
    put($disk, 'two');
    off($disk);
    ok(!-e '/dev/mapper/vm-101-disk-0', 'it is closed with its guest');
    off($disk);
    on($disk);
    on($disk);
    is(get($disk), 'two', 'and opened with it');
};

subtest 'snapshots' => sub {
    my $disk = 'base-100-disk-0/vm-101-disk-0';

    $class->volume_snapshot($scfg, 'fast', $disk, 'first');
    put($disk, 'thr');
    $class->volume_snapshot($scfg, 'fast', $disk, 'second');
    put($disk, 'fou');
    my $info = $class->volume_snapshot_info($scfg, 'fast', $disk);
    is_deeply([sort keys %$info], ['first', 'second'], 'are known');
    ok($info->{first}->{timestamp} > 1e9, 'with their time');

    my $blockers = [];
    fails(sub { $class->volume_rollback_is_possible($scfg, 'fast', $disk, 'first', $blockers) },
        'is not most recent', 'back to an older one');
    is_deeply($blockers, ['second'], 'is in the way of');
    fails(sub { $class->volume_rollback_is_possible($scfg, 'fast', $disk, 'none') }, 'does not exist', 'none');
    ok($class->volume_rollback_is_possible($scfg, 'fast', $disk, 'second'), 'the newest');
    $class->volume_snapshot_rollback($scfg, 'fast', $disk, 'second');
    is(get($disk), 'thr', 'is gone back to');

    is($class->clone_image($scfg, 'fast', $disk, 102, 'first'), 'base-100-disk-0/vm-102-disk-0', 'a clone of one');
    is(get('vm-102-disk-0'), 'two', 'has what it had');
    ok(volumes()->{'fast:base-100-disk-0/vm-102-disk-0'}, 'and is listed as it was called');
    fails(sub { $class->volume_snapshot_delete($scfg, 'fast', $disk, 'first', 1) }, 'vm--102--disk--0', 'which keeps it');
    off('vm-102-disk-0');
    $class->free_image('fast', $scfg, 'base-100-disk-0/vm-102-disk-0', 0);
    $class->volume_snapshot_delete($scfg, 'fast', $disk, 'first', 1);
    is_deeply([keys %{ $class->volume_snapshot_info($scfg, 'fast', $disk) }], ['second'], 'one is deleted');
    is(get($disk), 'thr', 'in use, and nothing changes');
    fails(sub { $class->create_base('fast', $scfg, $disk) }, "found snapshot 'second'", 'with one there is no template');
    off($disk);
    $class->volume_snapshot_delete($scfg, 'fast', $disk, 'second', 0);
    on($disk);
    is(get($disk), 'thr', 'also when it is not in use');
};

subtest 'sizes, templates of linked clones, and what goes' => sub {
    my $disk = 'base-100-disk-0/vm-101-disk-0';

    $class->volume_resize($scfg, 'fast', $disk, 48 << 20, 1);
    is(scalar($class->volume_size_info($scfg, 'fast', $disk)), 48 << 20, 'it has grown in use');
    off($disk);
    $class->volume_resize($scfg, 'fast', $disk, 64 << 20, 0);
    my ($size, $format, $used) = $class->volume_size_info($scfg, 'fast', $disk);
    ok($size == 64 << 20 && $format eq 'raw' && $used < 1 << 20, 'and when it was not');

    is($class->create_base('fast', $scfg, $disk), 'base-100-disk-0/base-101-disk-0', 'it is a template, too');
    is($class->clone_image($scfg, 'fast', 'base-100-disk-0/base-101-disk-0', 103),
        'base-101-disk-0/vm-103-disk-0', 'that has clones');
    ok(volumes()->{'fast:base-101-disk-0/vm-103-disk-0'} == 64, 'of its size, which are listed as they are called');
    is(get('vm-103-disk-0'), 'thr', 'and have what it had');

    for my $gone ('base-101-disk-0/vm-103-disk-0', 'base-100-disk-0/base-101-disk-0',
        'base-100-disk-0/vm-101-disk-1', 'vm-100-cloudinit', 'base-100-disk-0') {
        ok(eval { $class->free_image('fast', $scfg, $gone, $gone =~ m/base-\d+-disk-\d$/); 1 }, "$gone goes") or diag($@);
    }
    is_deeply(volumes(), {}, 'nothing is left');
    my ($total, $free) = $class->status('fast', $scfg, {});
    is($free, $total, 'no volume either');
    fails(sub { $class->activate_volume('fast', $scfg, 'vm-100-disk-0') }, 'there is no clone vm-100-disk-0', 'what is gone is not opened');
};

done_testing();
