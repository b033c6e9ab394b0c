# SPDX-License-Identifier: GPL-2.0-only
# What of tools/testing/selftests/lib.mk these tests use, for a build outside of a kernel tree.

all: $(TEST_GEN_FILES)

run_tests: all
	../run

clean:
	$(RM) $(TEST_GEN_FILES)

.PHONY: all run_tests clean
