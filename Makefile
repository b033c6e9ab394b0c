# SPDX-License-Identifier: GPL-2.0-only
#
# make [KDIR=...]     the module (dm-lclone/dm-lclone.ko) and the tool (tools/lclone)
# make modules|tools  one of them
# make install        both, with man pages and completion (DESTDIR, PREFIX)
# make uninstall      the reverse
# make deb            the Debian packages lclone and lclone-dkms, into deb/ (OUT=...)
# make rpm            the tool as a package of RPM, into rpm/ (OUT=...)
# make clean
#
# These install what they need (Debian 12, as root) and touch no disk of this machine:
# make check          every test; on stock kernels 6.1, 6.12 and the newest in virtual machines,
#                     and, where that is faster, in User Mode Linux
# make check-6.12     all kernel tests on 6.12 (or on any kernel that tests/vm/kernel has)
# make check-host     the package on a Debian 12 with systemd, udev and LVM, over a reboot
# make hosts          two hosts at once that share disks, by LVM's locks and without
# make demo           the whole story on a real file system
# make fresh          the whole check in a new, minimal Debian 12 with nothing cached
# make compile-others the module for PREEMPT_RT and for arm64, 4 and 16 KiB pages, compiles
# make vm             a shell in such a machine, module loaded (K=6.1|6.12|newest)
# make bench          speed beside dm-linear, dm-snapshot, dm-thin and qcow2
# make crash          many crash states (N=...)
# make check-tool     the tool tests with each command killed before each of its calls, each two
#                     at once, and what takes long: an hour or more
# make crash-mutants  bugs planted in the module, each must be found by those
# make remote         clones of a base that comes over the network: what becomes of them when that
#                     is lost, and what a first read costs
# make debug          storms on kernels with all their detectors (KASAN, lockdep, ...)
# make coverage       which lines of module and tools/lib the tests run
# make in-tree        the module as a part of the newest kernel source (TREE=...)
# make series         the patches for a maintainer, in series/ (OUT=...; TREE=... as above)
# make fuzz           the format and the readers of deltas, T=... seconds each
#
# make kselftest      the kernel tests on this machine's own kernel, on loop devices

# The running kernel if its headers are here, else the newest that has them
KDIR	?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	     $(shell ls -d /lib/modules/*/build 2>/dev/null | sort -rV))
# What its modules' directory is called. Debian's include/config/kernel.release says another.
RELEASE	= $(shell sed -n 's/^.define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
PREFIX	?= /usr/local
# Where systemd looks for what is in /usr, and what is in another PREFIX that it knows
SYSTEMD	= $(or $(if $(filter /usr,$(PREFIX)),$(shell pkg-config --variable=$1 systemd 2>/dev/null)),$(PREFIX)/lib/systemd/$2)
UNITDIR	?= $(call SYSTEMD,systemdsystemunitdir,system)
GENERATORDIR ?= $(call SYSTEMD,systemdsystemgeneratordir,system-generators)
RULES	:= $(notdir $(wildcard tools/udev/*.rules))
K	?= 6.12
N	?= 1000000
T	?= 600

all: tools modules

modules: need-headers
	$(MAKE) -C $(KDIR) M=$(CURDIR)/dm-lclone modules

tools: need-libraries
	$(MAKE) -C tools

# The tool is of use without the module, too, and does not wait for it
install:
	$(MAKE) tools_install
	$(MAKE) modules_install

uninstall:
	$(MAKE) tools_uninstall
	$(MAKE) modules_uninstall

# kbuild calls depmod only where the headers have a System.map: Debian's have none
modules_install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/dm-lclone INSTALL_MOD_PATH=$(DESTDIR) \
		CONFIG_MODULE_SIG_ALL= modules_install
	$(if $(DESTDIR),,depmod $(RELEASE))

modules_uninstall: need-headers
	rm -f $(foreach d,extra updates,$(DESTDIR)/lib/modules/$(RELEASE)/$d/dm-lclone.ko*)
	$(if $(DESTDIR),,depmod $(RELEASE))

tools_install: tools
	install -D -m 755 tools/lclone $(DESTDIR)$(PREFIX)/sbin/lclone
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,5 8)
	install -m 644 Documentation/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 Documentation/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -D -m 644 tools/completion/lclone \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lclone
	install -d $(DESTDIR)$(GENERATORDIR)
	ln -sf $(PREFIX)/sbin/lclone $(DESTDIR)$(GENERATORDIR)/lclone-generator
	install -D -m 644 systemd/lclone.target $(DESTDIR)$(UNITDIR)/lclone.target
	install -m 644 systemd/lclone-metrics.service systemd/lclone-metrics.timer $(DESTDIR)$(UNITDIR)
	install -d $(DESTDIR)$(PREFIX)/lib/udev/rules.d
	for f in $(RULES); do sed 's|/usr/sbin/lclone|$(PREFIX)/sbin/lclone|' tools/udev/$$f \
		>$(DESTDIR)$(PREFIX)/lib/udev/rules.d/$$f || exit; done
	install -D -m 755 orchestration/libvirt-hook $(DESTDIR)$(PREFIX)/share/lclone/libvirt-hook
	install -m 644 orchestration/LclonePlugin.pm $(DESTDIR)$(PREFIX)/share/lclone
	sed 's|@sbindir@|$(PREFIX)/sbin|' systemd/lcloned.service.in >$(DESTDIR)$(UNITDIR)/lcloned.service
	chmod 644 $(DESTDIR)$(UNITDIR)/lcloned.service
	install -D -m 755 systemd/lose-group $(DESTDIR)$(PREFIX)/lib/lclone/lose-group

tools_uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/lclone \
		$(foreach n,5 8,$(addprefix $(DESTDIR)$(PREFIX)/share/man/man$n/,$(notdir \
			$(wildcard Documentation/man/*.$n)))) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lclone \
		$(DESTDIR)$(GENERATORDIR)/lclone-generator $(DESTDIR)$(UNITDIR)/lclone.target \
		$(addprefix $(DESTDIR)$(PREFIX)/lib/udev/rules.d/,$(RULES)) \
		$(addprefix $(DESTDIR)$(UNITDIR)/,lcloned.service lclone-metrics.service lclone-metrics.timer)
	rm -rf $(addprefix $(DESTDIR)$(PREFIX)/,lib/lclone share/lclone)

clean:
	$(if $(wildcard $(KDIR)/Makefile),$(MAKE) -C $(KDIR) M=$(CURDIR)/dm-lclone clean)
	$(MAKE) -C tools clean
	$(MAKE) -C tests/unit clean
	$(MAKE) -C tests/kselftest clean
	$(MAKE) -C tests/tool clean

deb:
	scripts/deb $(or $(OUT),deb)

rpm:
	scripts/rpm $(or $(OUT),rpm)

check: deps
	tests/check

check-%: deps tools
	$(MAKE) -s -C tests/kselftest
	tests/vm/run -k $* -m 3072 -t 2400 -- tests/kselftest/run

check-host: deps
	tests/host/check

hosts: deps
	tests/hosts/run

fresh:
	tests/fresh

compile-others: deps
	tests/vm/others

demo: deps tools
	tests/demo/demo

vm: deps tools
	tests/vm/shell $(K)

bench: deps tools
	tests/perf/bench -k 6.1
	tests/perf/bench -k 6.12
	tests/perf/bench -k newest

crash: deps
	$(MAKE) -C tests/crash run N=$(N)

crash-mutants: deps
	$(MAKE) -C tests/crash mutants

check-tool: deps tools
	$(MAKE) -C tests/kselftest
	$(MAKE) -C tests/tool
	tests/vm/run -k $(K) -t 14400 -- env LCLONE_KILLED=all LCLONE_RACES=all tests/tool/run

remote: deps tools
	$(MAKE) -s -C tests/kselftest
	tests/remote/run $(K)

debug: deps
	tests/debug/check

coverage: deps
	tests/coverage/coverage

in-tree:
	scripts/in-tree $(TREE)

series:
	scripts/series $(or $(OUT),series) $(TREE)

fuzz: deps
	$(MAKE) -C tests/fuzz run T=$(T)

kselftest: modules tools
	grep -q '^dm_lclone ' /proc/modules || { \
		modprobe -a $$(modinfo -F depends dm-lclone/dm-lclone.ko | tr , ' ') && \
		insmod dm-lclone/dm-lclone.ko; }
	$(MAKE) -C tests/kselftest run_tests

deps:
	@tests/vm/deps

need-headers:
	@[ -e "$(KDIR)/Makefile" ] || { \
		echo "No kernel headers$(if $(KDIR), in $(KDIR)): install" \
		     "linux-headers-$(shell uname -r) or give KDIR=." >&2; exit 1; }
	@! [ -e "$(KDIR)/vmlinux" ] || command -v pahole >/dev/null || \
		! grep -qs '^CONFIG_DEBUG_INFO_BTF_MODULES=y' "$(KDIR)/include/config/auto.conf" || { \
		echo "To build for this kernel, install first: pahole" >&2; exit 1; }

need-libraries:
	@need=$$(tests/vm/deps --missing-to-build) && [ -z "$$need" ] || { \
		echo "To build the tool, install first:" $$need >&2; exit 1; }

.PHONY: all modules tools install modules_install tools_install uninstall modules_uninstall \
	tools_uninstall clean deb rpm check check-host hosts fresh compile-others demo vm bench crash \
	crash-mutants check-tool remote debug coverage in-tree series fuzz kselftest deps need-headers need-libraries
