# SPDX-License-Identifier: GPL-2.0-only
#
# A stand-in for what loads Proxmox VE's plugins: it says which interface it has.
package PVE::Storage;

use strict;
use warnings;

our $version = 15;

sub APIVER {
    return $version;
}

1;
