#!/usr/bin/env bats
# The sessions in docs/debugging.md, replayed: each block that begins with "$ make gdb"
# is typed again, and must give what stands there. Addresses and numbers of processes
# may be others, and [...] stands for any lines.

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.."
	unset T V J ARCH OUT KUNITCONFIG TREE E2E MUTANT RUN
	# sessions of the document, each in a file: its first line is the command
	awk -v to="$BATS_FILE_TMPDIR/session" '
		/^    \$ make gdb/ { on = 1; n++ }
		!/^(    |$)/ { on = 0 }
		on { print substr($0, 5) >(to n) }' docs/debugging.md
}

setup() { cd "$BATS_TEST_DIRNAME/../.."; }

# what differs each time
normal() { sed -E 's/0x[0-9a-f]+/0x_/g; s/sector [0-9]+/sector _/; s/\(?(pid|process) [0-9]+\)?/\1 _/g; s/[[:space:]]+$//; s|[^ ("]*/linux-[^/ ]*/||; s/^\$[0-9]+ = /$_ = /'; }

replay() { # SESSION: types its commands, and compares
	local session=$BATS_FILE_TMPDIR/session$1 command
	[ -s "$session" ]
	command=$(sed -n '1s/^\$ //p' "$session")
	sed -n 's/^(gdb) //p' "$session" | while read -r line; do
		printf 'echo (gdb) %s\\n\n%s\n' "$(sed 's/[\\"]/\\&/g' <<<"$line")" "$line"
	done >"$session.gdb"
	GDB="gdb -batch -x $session.gdb" timeout -k 5 900 bash -c "$command" </dev/null >"$session.log" 2>&1 || :
	normal <"$session.log" | sed '/^$/d' >"$session.got"
	sed 1d "$session" | normal | sed '/^$/d' >"$session.wanted"
	awk 'NR == FNR { got[NR] = $0; n = NR; next }
		$0 == "[...]" { any = 1; next }
		{
			for (found = at + 1; found <= n && got[found] != $0; found++)
				if (!any) { found = n + 1; break }
			if (found > n) {
				print "not there: " $0 "\nbut: " got[at + 1]
				exit wrong = 1
			}
			at = found; any = 0
		}
		END { exit wrong }' "$session.got" "$session.wanted" || { tail -n 60 "$session.log"; return 1; }
}

@test "a leaked pin" { replay 1; }
@test "the wrong verb" { replay 2; }
@test "from splice(2) to the bio" { replay 3; }

@test "there are no others" { [ ! -e "$BATS_FILE_TMPDIR/session4" ]; }
