# SPDX-License-Identifier: GPL-2.0-only
#
# ktap.sh: results, as all the scripts `check` print them.  Sourced, by bash.  Who sources it
# ends with `exit $failed`.

nr=0 failed=0

# result STATUS TEXT [FILE]...: TEXT held if STATUS is 0; if not, the FILEs say why
result()
{
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then
		echo "ok $nr $2"
	else
		[ $# = 2 ] || sed '/^#/!s/^/# /' "${@:3}"
		echo "not ok $nr $2"
		failed=1
	fi
}
