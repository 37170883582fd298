#!/usr/bin/env bats
# Tests of linux-patches/tree on a kernel tree of a few files. Nothing outside
# the test's own folder is read or written.

setup_file() {
	export LC_ALL=C HOME=$BATS_FILE_TMPDIR GIT_CONFIG_NOSYSTEM=1 PINLAB_NO_APT=1
	unset BASE BUILD PATCHES KUNIT LINUX_SRC VERSION OUT V XDG_CONFIG_HOME
	git config --global user.name Contributor
	git config --global user.email contributor@example.org
	cd "$BATS_FILE_TMPDIR"
	mkdir -p src/lib src/mm patches
	printf '# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n' >src/Makefile
	printf '.*\n*.o\n#\n' >src/.gitignore
	seq -f 'iov %g' 60 >src/lib/iov_iter.c
	seq -f 'gup %g' 60 >src/mm/gup.c
	seq -f 'bio %g' 60 >src/mm/bio.c
	echo 'obj-y += iov_iter.o' >src/lib/Makefile
	echo 'menu "Debug"' >src/lib/Kconfig.debug
	echo 'Tracked though ignored' >src/.mailmap

	cp -r src work
	cd work
	git init -q
	git add -Af
	git commit -qm base
	ln -s ../../../kunit lib/pin_tests
	echo 'obj-y += pin_tests/' >>lib/Makefile
	echo 'source "lib/pin_tests/Kconfig"' >>lib/Kconfig.debug
	git add -Af
	git commit -qm 'lib: wire in the pin tests'
	sed -i '10s/$/ pinned/' lib/iov_iter.c
	git commit -qam 'iov_iter: pin pages'
	sed -i '20s/$/ pinned/' mm/gup.c
	git commit -qam 'mm: gup: count pins' -m 'Because.'
	git format-patch -q --start-number=0 --zero-commit --no-signature -N --full-index -o ../patches HEAD~3
	# the bytes of an older git: refresh must not "improve" them
	echo '-- ' >>../patches/0002-mm-gup-count-pins.patch
	echo 2.0 >>../patches/0002-mm-gup-count-pins.patch
	cd ..
	rm -rf work
	printf '# Against:\nversion 6.1.192\npackage linux-source-6.1 6.1.192-2\n' >patches/BASE
	cat >patches/series <<-SERIES
		# the wiring
		0000-lib-wire-in-the-pin-tests.patch

		# the pins
		0001-iov_iter-pin-pages.patch
		0002-mm-gup-count-pins.patch
		# the end
	SERIES
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$BATS_FILE_TMPDIR/src" "$BATS_FILE_TMPDIR/patches" .
	mkdir kunit
	echo '/* a test */' >kunit/pin_test.c
	echo CONFIG_KUNIT=y >kunit/.kunitconfig
	echo 'kunit:' >kunit/kunit.mk
	export BUILD=$PWD/build PATCHES=$PWD/patches KUNIT=$PWD/kunit LINUX_SRC=$PWD/src
	tree=$BUILD/linux-6.1
}

tool() { "$BATS_TEST_DIRNAME/tree" "$@"; }
in_tree() { git -C "$tree" "$@"; }
head_of() { git -C "${1:-$tree}" rev-parse HEAD; }
sums() { (cd "$1" && find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha1sum); }
change() { sed -i "$2s/\$/ $3/" "$tree/$1"; }	# FILE LINE WORD
commit() { change "$1" "$2" "${3%% *}" && in_tree commit -qam "$3"; }	# FILE LINE SUBJECT
not() { ! "$@"; }	# bats does not notice a failing "! command"
clean() { [ -z "$(in_tree status --porcelain)" ]; }

# fails WORDS...: the command in "run" failed, with one line that has all WORDS
fails() {
	local word
	[ "$status" -eq 1 ] || { echo "status $status: $output"; return 1; }
	[ "$(grep -c '^linux-patches/tree: ' <<<"$output")" = 1 ] || { echo "$output"; return 1; }
	[[ ${lines[-1]} = "linux-patches/tree: "* ]] || { echo "$output"; return 1; }
	! grep -q '^fatal\|^error\|unexpectedly' <<<"$output" || { echo "$output"; return 1; }
	for word; do
		grep -qF -- "$word" <<<"$output" || { echo "no '$word' in: $output"; return 1; }
	done
}

# a series on disk that differs from the applied one, as after "git pull"
new_series() {
	sed -i 's/^+gup 20 pinned/+gup 20 pinned twice/' "$PATCHES/0002-mm-gup-count-pins.patch"
}

# killed_at STEP SUBCOMMAND: the tool dies there, and really did get there
killed_at() {
	run env PINLAB_DIE_AT="$1" "$BATS_TEST_DIRNAME/tree" "$2"
	[ "$status" -eq 137 ] || { echo "step $1 of $2 not reached: $output"; return 1; }
}

# 6.1.176: another base, on which all patches apply ("easy") or one does not
other_base() {
	cp -r src "$1"
	sed -i 's/192/176/' "$1/Makefile"
	sed -i '50s/$/ older/' "$1/mm/gup.c"
	[ "$1" = easy ] || sed -i '20s/$/ older/' "$1/mm/gup.c"
}

# ---------------------------------------------------------------------- prepare

@test "prepare: from a folder, a tarball (with and without a top folder) and a git tree come the same files" {
	tool prepare
	want=$(in_tree rev-parse HEAD^{tree})
	[ "$(in_tree log --format=%s | head -1)" = 'mm: gup: count pins' ]
	grep -q pinned "$tree/mm/gup.c"
	clean
	tar -cJf top.tar.xz src
	tar -czf flat.tar.gz -C src .
	git -C src init -q
	git -C src add -Af
	git -C src commit -qm 'Linux 6.1.192'
	git clone -q --bare src bare.git
	for LINUX_SRC in "$PWD/top.tar.xz" flat.tar.gz src bare.git; do
		BUILD=$PWD/build-${LINUX_SRC##*/}
		ln -sfn "$KUNIT" kunit
		tool prepare
		[ "$(git -C "$BUILD/linux-6.1" rev-parse HEAD^{tree})" = "$want" ]
	done
}

@test "prepare: the same commits from the same source, whoever makes them" {
	tool prepare
	git config --global user.name Somebody
	BUILD=$PWD/other LINUX_SRC=src tool prepare
	git config --global user.name Contributor
	[ "$(head_of)" = "$(head_of other/linux-6.1)" ]
	[ "$(in_tree log -1 --format='%an %ad')" = "$(in_tree log -1 --format='%cn %cd')" ]
}

@test "prepare: a second time touches no file and is quick" {
	tool prepare
	touch -d 2020-01-01 stamp
	find "$tree" "$PATCHES" -exec touch -h -d 2020-01-01 {} +
	start=$(date +%s%N)
	run tool prepare
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ $((($(date +%s%N) - start) / 1000000)) -lt 500 ]
	[ -z "$(find "$tree" "$PATCHES" -newer stamp)" ]
}

@test "prepare: a changed series rewrites only the files that differ" {
	tool prepare
	old=$(head_of)
	touch -d 2020-01-01 stamp
	find "$tree" -exec touch -h -d 2020-01-01 {} +
	new_series
	run tool prepare
	[ "$status" -eq 0 ]
	[ "$(find "$tree" -path "$tree/.git" -prune -o -type f -newer stamp -print)" = "$tree/mm/gup.c" ]
	grep -q 'pinned twice' "$tree/mm/gup.c"
	clean
	# the former head is named and reachable
	ref=$(grep -o 'worktree/pinlab/backup/[0-9]*' <<<"$output")
	[ "$(in_tree rev-parse "$ref")" = "$old" ]
	in_tree symbolic-ref -q HEAD
}

@test "prepare: Debian's .gitignore does not hide a contributor's new file" {
	printf '#\n# Debian packaging: ignore everything at the top level, since it\n# is not included\n#\n/*\n!/debian/\n' >>src/.gitignore
	tool prepare
	in_tree ls-files --error-unmatch .mailmap lib/Makefile
	mkdir "$tree/drivers"
	touch "$tree/drivers/new.c" "$tree/lib/new.o"
	[ "$(in_tree status --porcelain)" = '?? drivers/' ]
}

@test "prepare: a folder's build leftovers stay out, and the folder as it was" {
	touch src/lib/iov_iter.o src/.config src/lib/.iov_iter.o.cmd
	before=$(sums src)
	tool prepare
	[ ! -e "$tree/lib/iov_iter.o" ]
	[ ! -e "$tree/.config" ]
	[ ! -e "$tree/lib/.iov_iter.o.cmd" ]
	[ -e "$tree/.mailmap" ]
	[ "$(sums src)" = "$before" ]
}

@test "prepare: a user's git tree keeps its checkout, branches, index and configuration" {
	git -C src init -q -b mine
	git -C src add -Af
	git -C src commit -qm 'Linux 6.1.192'
	echo edit >>src/mm/gup.c
	git -C src add mm/gup.c
	echo more >>src/mm/gup.c
	before=$(git -C src status --porcelain; sums src; cat src/.git/config; git -C src rev-parse mine HEAD; sha1sum src/.git/index)
	run tool prepare
	[ "$status" -eq 0 ]
	[[ $output = *"uncommitted edits"*"not taken"* ]]
	[ "$(git -C src status --porcelain; sums src; cat src/.git/config; git -C src rev-parse mine HEAD; sha1sum src/.git/index)" = "$before" ]
	[ "$(in_tree symbolic-ref --short HEAD)" = pinlab-6.1 ]
	not grep -q edit "$tree/mm/gup.c"
	in_tree fsck --no-dangling
	[[ $(git -C src worktree list) = *"$tree "* ]]
}

@test "prepare: a branch of an earlier life is resumed with its commits" {
	git -C src init -q
	git -C src add -Af
	git -C src commit -qm 'Linux 6.1.192'
	tool prepare
	commit mm/bio.c 5 'bio: unexported'
	mine=$(head_of)
	rm -rf build
	run tool prepare
	[ "$status" -eq 0 ]
	[ "$(head_of)" = "$mine" ]
	tool refresh
	[ -e "$PATCHES/0003-bio-unexported.patch" ]
}

@test "prepare: sources that are none: missing, no kernel, another base" {
	LINUX_SRC=nowhere run tool prepare
	fails nowhere 'does not exist'
	mkdir empty
	LINUX_SRC=empty run tool prepare
	fails 'not Linux 6.1.y'
	sed -i 's/^PATCHLEVEL.*/PATCHLEVEL = 12/' src/Makefile
	run tool prepare
	fails 6.12.192 'not Linux 6.1.y'
	tar -cf src.tar src
	LINUX_SRC=src.tar run tool prepare
	fails 6.12.192 'not Linux 6.1.y'
	echo garbage >src.tar.xz
	LINUX_SRC=src.tar.xz run tool prepare
	fails 'cannot unpack' build/logs
	[ ! -e "$tree" ]
	sed -i 's/12/1/' src/Makefile	# and after all these, it works
	sed -i 's/^SUBLEVEL.*/SUBLEVEL = 192/' src/Makefile
	tool prepare
}

@test "prepare: a patch that does not apply is named, with the place; the tree stays" {
	tool prepare
	before=$(head_of; sums "$tree")
	sed -i 's/^-iov 10$/-iov ten/' "$PATCHES/0001-iov_iter-pin-pages.patch"
	run tool prepare
	fails 0001-iov_iter-pin-pages.patch lib/iov_iter.c: 6.1.192 logs/
	[ "$(head_of; sums "$tree")" = "$before" ]
	clean
}

@test "prepare: a patch applies exactly or not at all (no fuzz)" {
	sed -i '7s/$/ changed/' src/lib/iov_iter.c	# the outermost line of context
	run tool prepare
	fails 0001-iov_iter-pin-pages.patch
}

@test "prepare: a series that names a missing file" {
	echo 0009-lost.patch >>"$PATCHES/series"
	run tool prepare
	fails 0009-lost.patch
	[ ! -e "$tree" ]
}

@test "prepare: edits and commits on top are the normal edit loop" {
	tool prepare
	change mm/bio.c 3 edited
	commit mm/gup.c 40 'gup: mine'
	change mm/bio.c 4 edited
	before=$(head_of; sums "$tree")
	run tool prepare
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(head_of; sums "$tree")" = "$before" ]
}

@test "edits survive every subcommand while the series on disk has changed" {
	tool prepare
	new_series
	for kind in modified staged untracked; do
		case $kind in
		modified) change mm/bio.c 3 precious ;;
		staged) in_tree reset -q --hard; change mm/gup.c 30 precious; in_tree add -A ;;
		untracked) in_tree reset -q --hard; echo precious >"$tree/mm/new.c" ;;
		esac
		before=$(head_of; sums "$tree"; in_tree status --porcelain)
		for sub in prepare refresh rebase; do
			run tool $sub
			[ "$sub" != prepare ] || fails "${before##* }" 'stash'
			[ "$status" -eq 1 ]
			[ "$(head_of; sums "$tree"; in_tree status --porcelain)" = "$before" ]
		done
		run tool export
		[[ $output = *"not exported"*"${before##* }"* ]]
		tool status
		[ "$(head_of; sums "$tree"; in_tree status --porcelain)" = "$before" ]
	done
}

@test "unexported commits survive a changed series, and the advice brings both together" {
	tool prepare
	commit mm/bio.c 30 'bio: mine'
	mine=$(head_of)
	new_series
	before=$(sums "$PATCHES")
	for sub in prepare refresh rebase; do
		run tool $sub
		[ "$status" -eq 1 ]
		[ "$(head_of)" = "$mine" ]
		[ "$(sums "$PATCHES")" = "$before" ]
	done
	run tool prepare
	fails 'bio: mine' 'git branch mine'
	advice=${output##*: cd } && advice="cd ${advice/make tree (in pinlab)/tool prepare}"
	(eval "$advice")
	grep -q 'pinned twice' "$tree/mm/gup.c"
	grep -q bio: "$tree/mm/bio.c"
	tool refresh
	[ -e "$PATCHES/0003-bio-mine.patch" ]
}

@test "bisecting: a checkout of a commit of the series is built as it is" {
	tool prepare
	in_tree checkout -q HEAD~1
	run tool prepare
	[ "$status" -eq 0 ]
	at=$(head_of)
	run tool refresh
	fails detached "switch pinlab-6.1"
	new_series
	run tool prepare
	fails detached "switch pinlab-6.1"
	[ "$(head_of)" = "$at" ]
	in_tree switch -q pinlab-6.1
	tool prepare
}

@test "prepare: conflicts of a rebase in progress stop the build, an edit stop does not" {
	tool prepare
	GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' in_tree rebase -q -i HEAD~1
	tool prepare
	run tool refresh
	fails rebase 'in progress'
	in_tree rebase --abort
	commit mm/gup.c 20 'gup: mine'
	not in_tree rebase -q --onto HEAD~2 HEAD~1
	run tool prepare
	fails rebase conflicts
	run tool export
	fails rebase 'in progress'
}

@test "prepare: a missing or dangling link to kunit/ is explained" {
	tool prepare
	mv kunit elsewhere
	run tool prepare
	fails lib/pin_tests 'ln -s'
	mv elsewhere kunit
	rm "$tree/lib/pin_tests"
	run tool prepare
	fails lib/pin_tests checkout
}

@test "prepare: a folder in the tree's place that is none of ours is left alone" {
	mkdir -p "$tree"
	echo precious >"$tree/file"
	run tool prepare
	fails 'not a tree made by'
	git -C "$tree" init -q
	run tool prepare
	fails 'not a tree made by'
	[ -e "$tree/file" ]
}

@test "two at a time: the second waits and says for whom" {
	mkdir build
	exec 8>build/.lock
	flock 8
	echo 'somebody (process 1)' >build/.lock
	tool prepare 2>messages 8>&- &
	pid=$!
	for _ in $(seq 50); do grep -q somebody messages 2>/dev/null && break; read -rt 0.1 <> <(:) || :; done
	grep -q 'waiting for somebody' messages
	read -rt 0.5 <> <(:) || :
	[ ! -e "$tree" ]
	exec 8>&-
	wait $pid
	[ -e "$tree" ]
}

@test "a full disk: one line naming the folder" {
	command -v unshare >/dev/null && unshare -rm true 2>/dev/null || skip 'no unshare -rm here'
	mkdir build
	head -c 400000 /dev/urandom >src/mm/big.c
	run unshare -rm bash -c "mount -t tmpfs -o size=600k none build && '$BATS_TEST_DIRNAME/tree' prepare"
	fails "$BUILD" 'no space left'
}

# ------------------------------------------------------------ killed at any step

@test "killed at each step of the import: run again, and it is as if nothing had been" {
	tool prepare
	want=$(head_of)
	for step in unpacked added imported renamed applied moving files index ref; do
		rm -rf build
		killed_at $step prepare
		tool prepare
		[ "$(head_of)" = "$want" ]
		clean
		[ ! -e "$tree/.git/index.lock" ]
		[ ! -e build/.partial/linux-6.1 ]
		grep -q pinned "$tree/mm/gup.c"
	done
}

@test "killed at each step of adding a work tree to a user's repository" {
	git -C src init -q
	git -C src add -Af
	git -C src commit -qm 'Linux 6.1.192'
	tool prepare
	want=$(head_of)
	for step in imported renamed applied moving files index ref; do
		rm -rf build
		git -C src worktree prune
		git -C src branch -D pinlab-6.1
		killed_at $step prepare
		tool prepare
		[ "$(head_of)" = "$want" ]
		clean
		git -C src worktree prune
		[[ $(git -C src worktree list) = *"$tree "* ]]
	done
}

@test "killed at each step of a move to a changed series" {
	tool prepare
	old=$(head_of)
	new_series
	for step in applied moving files index ref; do
		killed_at $step prepare
		tool prepare
		grep -q 'pinned twice' "$tree/mm/gup.c"
		clean
		want=${want:-$(head_of)}
		[ "$(head_of)" = "$want" ]
		rm -rf build patches
		cp -r "$BATS_FILE_TMPDIR/patches" .
		tool prepare
		new_series
	done
}

@test "killed while git writes a file: the torn file is completed, an edit is not" {
	tool prepare
	new_series
	killed_at moving prepare
	head -c 100 "$tree/mm/gup.c" >torn
	cp torn "$tree/mm/gup.c"
	change lib/iov_iter.c 50 edited	# elsewhere: must survive
	tool prepare
	grep -q 'pinned twice' "$tree/mm/gup.c"
	[ "$(in_tree status --porcelain)" = ' M lib/iov_iter.c' ]

	rm -rf build patches
	cp -r "$BATS_FILE_TMPDIR/patches" .
	tool prepare
	new_series
	killed_at moving prepare
	change mm/gup.c 5 edited
	run tool prepare
	fails mm/gup.c 'edited during'
	grep -q edited "$tree/mm/gup.c"
}

@test "git's own index.lock is not ours to remove" {
	tool prepare
	new_series
	touch "$tree/.git/index.lock"
	run tool prepare
	fails index.lock
	[ -e "$tree/.git/index.lock" ]
	rm "$tree/.git/index.lock"
	tool prepare
}

@test "killed at each step of a refresh: run again, and it is complete" {
	tool prepare
	GIT_SEQUENCE_EDITOR='sed -i 2d' in_tree rebase -q -i HEAD~3	# drops one, so the next is renamed
	commit mm/bio.c 30 'bio: mine'
	cp -r build build.saved
	cp -r patches patches.saved
	tool refresh
	want=$(sums patches)
	for step in written installing installed; do
		rm -rf build patches
		cp -r build.saved build
		cp -r patches.saved patches
		killed_at $step refresh
		tool refresh
		[ "$(sums patches)" = "$want" ]
		run tool prepare
		[ "$status" -eq 0 ]
		[ -z "$output" ]
	done
}

@test "a patch edited during an interrupted refresh is not overwritten" {
	tool prepare
	in_tree commit -q --amend -m 'gup: other words'
	killed_at installing refresh
	echo edit >>"$PATCHES/0002-mm-gup-count-pins.patch"
	run tool refresh
	fails 0002-mm-gup-count-pins.patch
	tail -1 "$PATCHES/0002-mm-gup-count-pins.patch" | grep -q edit
}

# ---------------------------------------------------------------------- refresh

@test "refresh: of an untouched tree changes no byte, also on another 6.1.y" {
	before=$(sums "$PATCHES")
	tool prepare
	run tool refresh
	[ "$status" -eq 0 ]
	[ "$(sums "$PATCHES")" = "$before" ]
	rm -rf build
	other_base easy
	LINUX_SRC=easy tool prepare
	tool refresh
	[ "$(sums "$PATCHES")" = "$before" ]
}

@test "refresh: a new commit is a new patch, the others keep every byte" {
	tool prepare
	cp -r patches before
	commit mm/bio.c 30 'bio: pin what is released'
	tool refresh
	for f in before/*.patch; do cmp "$f" "patches/${f##*/}"; done
	sed '/^# the end/i 0003-bio-pin-what-is-released.patch' before/series | diff - patches/series
	grep -q '^From: Contributor <contributor@example.org>$' patches/0003-*
	grep -q '^From 0000000000000000000000000000000000000000 ' patches/0003-*
	not grep -q Signed-off-by patches/0003-*
	run tool prepare
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	BUILD=$PWD/again tool prepare
	[ "$(git -C again/linux-6.1 rev-parse HEAD^{tree})" = "$(in_tree rev-parse HEAD^{tree})" ]
}

@test "refresh: amended, renamed, dropped and reordered commits; comments stay with their patch" {
	tool prepare
	change mm/gup.c 40 amended
	in_tree commit -qa --amend --no-edit
	tool refresh
	grep -q '^+gup 40 amended' "$PATCHES/0002-mm-gup-count-pins.patch"
	[ "$(grep -A1 '# the pins' "$PATCHES/series" | tail -1)" = 0001-iov_iter-pin-pages.patch ]

	in_tree commit -q --amend -m 'gup: count all pins'
	tool refresh
	[ ! -e "$PATCHES/0002-mm-gup-count-pins.patch" ]
	[ "$(ls "$PATCHES")" = $'0000-lib-wire-in-the-pin-tests.patch\n0001-iov_iter-pin-pages.patch\n0002-gup-count-all-pins.patch\nBASE\nseries' ]

	GIT_SEQUENCE_EDITOR='sed -i 1{h\;d}\;2G' in_tree rebase -q -i HEAD~2
	tool refresh
	[ "$(grep -A1 '# the pins' "$PATCHES/series" | tail -1)" = 0002-iov_iter-pin-pages.patch ]
	[ "$(tail -1 "$PATCHES/series")" = '# the end' ]

	in_tree reset -q --hard HEAD~1
	tool refresh
	[ "$(ls "$PATCHES"/*.patch | wc -l)" = 2 ]
	grep -q '# the pins' "$PATCHES/series"
	run tool prepare
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "refresh: a foreign file in the patches folder stays" {
	echo note >"$PATCHES/cover"
	echo stray >"$PATCHES/0007-stray.patch"
	tool prepare
	in_tree reset -q --hard HEAD~1
	tool refresh
	[ -e "$PATCHES/cover" ]
	[ -e "$PATCHES/0007-stray.patch" ]
	[ ! -e "$PATCHES/0002-mm-gup-count-pins.patch" ]
}

@test "refresh: stops for uncommitted edits, merges, empty commits and mail-breaking messages" {
	tool prepare
	before=$(sums "$PATCHES")
	change mm/bio.c 3 edited
	run tool refresh
	fails mm/bio.c 'commit them'
	in_tree checkout -q .
	in_tree checkout -q -b side HEAD~1
	commit mm/bio.c 3 side
	in_tree switch -q pinlab-6.1
	in_tree merge -q --no-edit side
	run tool refresh
	fails merge linear
	in_tree reset -q --hard HEAD~1
	in_tree commit -q --allow-empty -m nothing
	run tool refresh
	fails 'changes nothing'
	in_tree reset -q --hard HEAD~1
	change mm/bio.c 3 mail
	in_tree commit -qam 'bio: a message' -m $'cut\n---\nhere'
	run tool refresh
	fails 'does not survive' reword
	[ "$(sums "$PATCHES")" = "$before" ]
}

@test "refresh: patches changed on disk since they were applied are not overwritten" {
	tool prepare
	new_series
	before=$(sums "$PATCHES")
	run tool refresh
	fails 'make tree'
	[ "$(sums "$PATCHES")" = "$before" ]
}

@test "refresh: names and messages that are not ASCII, modes, links and binary files survive" {
	tool prepare
	printf '\000\001\377binary' >"$tree/mm/logo.bin"
	ln -s gup.c "$tree/mm/link.c"
	chmod +x "$tree/mm/bio.c"
	in_tree mv mm/gup.c mm/gup2.c
	in_tree add -A
	in_tree commit -q --author='Jan Kára <jk@example.org>' -m 'mm: größer & schöner: a long subject that no file name holds and no header line takes'
	tool refresh
	BUILD=$PWD/again tool prepare
	[ "$(git -C again/linux-6.1 rev-parse HEAD^{tree})" = "$(in_tree rev-parse HEAD^{tree})" ]
	[ "$(git -C again/linux-6.1 log -1 --format='%an %s')" = "$(in_tree log -1 --format='%an %s')" ]
}

# ----------------------------------------------------------------------- rebase

@test "rebase: onto another 6.1.y; refresh then changes BASE and nothing else" {
	tool prepare
	cp -r patches before
	old=$(head_of)
	other_base easy
	LINUX_SRC=easy run tool rebase
	[ "$status" -eq 0 ]
	[[ $output = *6.1.176*"make refresh"* ]]
	grep -q older "$tree/mm/gup.c"
	grep -q pinned "$tree/mm/gup.c"
	clean
	in_tree for-each-ref --format='%(objectname)' refs/worktree/pinlab/backup | grep -qx "$old"
	tool refresh
	[ "$(cat patches/BASE)" = $'# Against:\nversion 6.1.176' ]
	rm patches/BASE before/BASE
	diff -r before patches
	LINUX_SRC=easy run tool rebase
	[[ $output = *already* ]]
}

@test "rebase: killed at each step, run again" {
	other_base easy
	tool prepare
	LINUX_SRC=easy tool rebase
	want=$(head_of)
	for step in unpacked added applied moving files index ref; do
		rm -rf build
		tool prepare
		LINUX_SRC=easy killed_at $step rebase
		LINUX_SRC=easy tool rebase
		[ "$(head_of)" = "$want" ]
		clean
	done
}

@test "rebase: a conflict is resolved with stock git, then refresh; the former head is kept" {
	tool prepare
	old=$(head_of)
	cp -r patches before
	other_base hard
	LINUX_SRC=hard run tool rebase
	fails 0002-mm-gup-count-pins.patch 'git rebase --continue' 'make refresh' 'git rebase --abort'
	in_tree for-each-ref --format='%(objectname)' refs/worktree/pinlab/backup | grep -qx "$old"
	run tool prepare
	fails conflicts
	sed -i '/^<<<\|^|||\|^===\|^>>>/d' "$tree/mm/gup.c"
	in_tree add -A
	GIT_EDITOR=: in_tree rebase --continue
	tool refresh
	cmp before/0001-iov_iter-pin-pages.patch patches/0001-iov_iter-pin-pages.patch
	not cmp -s before/0002-mm-gup-count-pins.patch patches/0002-mm-gup-count-pins.patch
	grep -q 'version 6.1.176' patches/BASE
	LINUX_SRC=$PWD/hard BUILD=$PWD/again tool prepare
	[ "$(git -C again/linux-6.1 rev-parse HEAD^{tree})" = "$(in_tree rev-parse HEAD^{tree})" ]
}

@test "rebase: a conflict given up leaves everything as it was" {
	tool prepare
	before=$(head_of; sums "$tree"; sums patches)
	other_base hard
	LINUX_SRC=hard run tool rebase
	[ "$status" -eq 1 ]
	in_tree rebase --abort
	[ "$(head_of; sums "$tree"; sums patches)" = "$before" ]
	tool prepare
	tool refresh
	[ "$(head_of; sums "$tree"; sums patches)" = "$before" ]
	commit mm/bio.c 3 'bio: mine'
	LINUX_SRC=hard run tool rebase
	fails 'make refresh'
}

# ----------------------------------------------------------------------- export

@test "export: git am on a pristine base gives the tree with the tests as files" {
	printf 'pin pages\n\nWhy and how.\n' >patches/cover
	tool prepare
	commit mm/bio.c 30 'bio: exported before its time, with a name like a cover-letter'
	commit mm/bio.c 31 'bio: later'
	tool export
	cat build/export-6.1/0000-cover-letter.patch
	grep -q '^Subject: \[PATCH 0/5\] pin pages$' build/export-6.1/0000-cover-letter.patch
	grep -q '^Why and how.$' build/export-6.1/0000-cover-letter.patch
	grep -q '^base-commit: [0-9a-f]*$' build/export-6.1/0000-cover-letter.patch
	grep -q '^base-version: Linux 6.1.192 (folder)$' build/export-6.1/0000-cover-letter.patch
	git -C src init -q
	git -C src add -Af
	git -C src commit -qm base
	git -C src am -q --empty=drop "$PWD"/build/export-6.1/*.patch
	rm -rf want
	mkdir want
	in_tree archive HEAD | tar -xC want
	rm want/lib/pin_tests
	cp -r kunit want/lib/pin_tests
	rm want/lib/pin_tests/kunit.mk
	rm -rf src/.git
	diff -r want src
	clean
}

@test "export: again replaces its own folder, and no other" {
	tool prepare
	tool export
	sums build/export-6.1 >first
	tool export
	sums build/export-6.1 | diff first -
	mkdir mine
	echo precious >mine/file
	OUT=mine run tool export
	fails mine 'choose another OUT='
	[ -e mine/file ]
	for step in mails exported; do
		killed_at $step export
		tool export
		sums build/export-6.1 | diff first -
	done
}

# -------------------------------------------------- the package, programs, settings

# a package archive of two versions; PATH finds its apt-get first
fake_apt() {
	mkdir -p bin deb/DEBIAN deb/usr/src offered
	tar -cJf deb/usr/src/linux-source-6.1.tar.xz --transform 's,^src,linux-source-6.1,' src
	for v in "$@"; do
		printf 'Package: linux-source-6.1\nVersion: %s\nArchitecture: all\nMaintainer: x\nDescription: x\n' "$v" >deb/DEBIAN/control
		dpkg-deb -b --root-owner-group -Znone deb "offered/linux-source-6.1_${v}_all.deb" >/dev/null
	done
	cat >bin/apt-cache <<-'SH'
		#!/bin/sh
		cd "${0%/bin/*}/offered" && ls | sed 's/_all.deb//;s/.*_\(.*\)/linux-source-6.1 | \1 | somewhere/'
	SH
	cat >bin/apt-get <<-'SH'
		#!/bin/sh
		echo "$@" >>"${0%/bin/*}/apt-calls"
		for p; do :; done
		[ "$p" = update ] || cp "${0%/bin/*}/offered/linux-source-6.1_${p#*=}_all.deb" . 2>/dev/null || { echo 'E: Unable to fetch' >&2; exit 100; }
	SH
	chmod +x bin/*
	PATH=$PWD/bin:$PATH LINUX_SRC=
}

@test "package: the version of BASE, else the newest offered; fetched once" {
	command -v dpkg-deb >/dev/null || skip 'no dpkg-deb'
	fake_apt 6.1.170-3 6.1.192-2 6.1.192-9 6.1.192-10
	tool prepare
	grep -q 'linux-source-6.1=6.1.192-2$' apt-calls
	[[ $(tool status) = *"package linux-source-6.1 6.1.192-2"* ]]
	want=$(head_of)
	rm -rf build/linux-6.1 apt-calls
	tool prepare
	[ ! -e apt-calls ]
	[ "$(head_of)" = "$want" ]
	rm -rf build offered/*192-2_*
	run tool prepare
	[ "$status" -eq 0 ]
	[[ $output = *"6.1.192-2 is no longer offered; taking 6.1.192-10"* ]]
	VERSION=6.1.1-1 run tool rebase
	fails 'not offered' 6.1.170-3 6.1.192-10
}

@test "package: nothing offered, or no network: one line" {
	fake_apt
	run tool prepare
	fails linux-source-6.1 'cannot fetch'
	printf '#!/bin/sh\necho "p | 6.1.192-2 | x"\n' >bin/apt-cache
	run tool prepare
	fails linux-source-6.1 'cannot fetch' 'Unable to fetch' LINUX_SRC=
	[ ! -e "$tree" ]
}

@test "package: killed after the download" {
	command -v dpkg-deb >/dev/null || skip 'no dpkg-deb'
	fake_apt 6.1.192-2
	killed_at fetched prepare
	tool prepare
	grep -q pinned "$tree/mm/gup.c"
}

@test "a missing program is named with its package" {
	mkdir bin
	for p in bash env git flock tar sha1sum realpath; do ln -s "$(command -v $p)" bin/; done
	ln -s bash bin/sh
	PATH=$PWD/bin run "$BATS_TEST_DIRNAME/tree" prepare
	fails 'needs xz' xz-utils
}

@test "odd git configuration changes nothing" {
	tool prepare
	commit mm/bio.c 30 'bio: mine'
	tool refresh
	want=$(head_of; sums patches | sed '/0003/d')
	rm -rf build patches
	cp -r "$BATS_FILE_TMPDIR/patches" .
	mkdir hooks
	for h in pre-commit commit-msg post-checkout post-rewrite applypatch-msg reference-transaction post-index-change; do
		printf '#!/bin/sh\necho hook %s >>%s/hook-ran\nexit 1\n' $h "$PWD" >hooks/$h
	done
	chmod +x hooks/*
	cat >.gitconfig <<-CONF
		[user]
			name = Contributor
			email = contributor@example.org
			signingKey = nobody
		[diff]
			noprefix = true
			algorithm = histogram
			external = false
			context = 1
			renames = false
		[format]
			signOff = true
			attach = true
			numbered = true
			subjectPrefix = RFC
			to = list@example.org
			coverLetter = true
			signature = me
			useAutoBase = true
			outputDirectory = nowhere
		[commit]
			gpgsign = true
		[core]
			autocrlf = true
			hooksPath = $PWD/hooks
			abbrev = 40
		[apply]
			whitespace = fix
			ignoreWhitespace = change
		[mailinfo]
			scissors = true
		[i18n]
			commitEncoding = ISO-8859-1
			logOutputEncoding = ISO-8859-1
		[status]
			short = true
			showUntrackedFiles = no
		[color]
			ui = always
		[merge]
			conflictStyle = diff3
		[rebase]
			autoStash = true
			updateRefs = true
		[log]
			showSignature = true
			decorate = full
	CONF
	HOME=$PWD
	tool prepare
	[ ! -e hook-ran ]
	change mm/bio.c 30 bio:
	in_tree -c commit.gpgsign=false -c core.hooksPath=/dev/null commit -qam 'bio: mine'
	tool refresh
	[ "$(sums patches | sed '/0003/d')" = "$(tail -n +2 <<<"$want")" ]
	not grep -qi 'signed-off\|boundary\|RFC' patches/0003-bio-mine.patch
	grep -q '^--- a/mm/bio.c' patches/0003-bio-mine.patch
	tool prepare
	tool export
	tool status
	other_base easy
	LINUX_SRC=easy tool rebase
	tool refresh
	[ ! -e hook-ran ]
	change mm/bio.c 40 kept
	touch "$tree/mm/new.c"
	new_series
	run tool prepare
	fails mm/bio.c mm/new.c
}

@test "from a git hook or 'git rebase --exec', the repository of the caller is not touched" {
	git init -q caller
	git -C caller commit -q --allow-empty -m caller
	at=$(head_of caller; cat caller/.git/index | sha1sum)
	GIT_DIR=$PWD/caller/.git GIT_WORK_TREE=$PWD/caller GIT_INDEX_FILE=$PWD/caller/.git/index tool prepare
	[ "$(head_of caller; cat caller/.git/index | sha1sum)" = "$at" ]
	[ "$(in_tree log -1 --format=%s)" = 'mm: gup: count pins' ]
}

@test "folders with spaces, and BUILD relative to where one stands" {
	mkdir -p 'a b'
	cp -r patches kunit src 'a b/'
	cd 'a b'
	export BUILD=build PATCHES=patches KUNIT=kunit LINUX_SRC=src
	tool prepare
	tree='build/linux-6.1'
	commit mm/bio.c 3 'bio: mine'
	tool refresh
	tool export
	[ -e patches/0003-bio-mine.patch ]
	[ -e build/export-6.1/0004-bio-mine.patch ]
	tool status
}

@test "V=1 prints each command, V=0 none" {
	V=1 run tool prepare
	[[ $output = *"+ git "*"apply --cached"* ]]
	rm -rf build
	V=0 run tool prepare
	[[ $output != *"+ git"* ]]
}

@test "status: where things stand" {
	run tool status
	[ "$status" -eq 0 ]
	[[ $output = *"no tree"* ]]
	tool prepare
	run tool status
	[[ $output = *"Linux 6.1.192 (folder)"*"3 patches applied, the same"*"end of the series"*"0 not exported"*"0 uncommitted"* ]]
	commit mm/bio.c 3 'bio: mine'
	change mm/bio.c 4 edited
	new_series
	run tool status
	[[ $output = *CHANGED*"1 not exported"*"bio: mine"*"1 uncommitted"*mm/bio.c* ]]
	in_tree stash -q
	in_tree checkout -q HEAD~2
	run tool status
	[[ $output = *"detached, at 0001-iov_iter-pin-pages.patch"* ]]
}

# ------------------------------------------------------------------------ audit

@test "audit: the table of callers is that of the tree, or each difference is named" {
	mkdir -p project/{linux-patches,docs,uml/e2e}
	cp "$BATS_TEST_DIRNAME"/{audit,common.sh} project/linux-patches
	cp -r patches project/linux-patches/6.1
	cp -r kunit project
	echo 'static void reads(struct kunit *test)' >>project/kunit/pin_test.c
	touch project/uml/e2e/rw.c
	printf '%s\n' 'int take(void)' '{' '	return iov_iter_get_pages2();' '}' 'int keep(void)' '{' '	return iov_iter_get_pages_alloc2();' '}' |
		tee -a src/mm/gup.c >>src/mm/bio.c
	tool prepare
	sed -i '61,64s/_get_pages2/_pin_pages2/' "$tree/mm/gup.c"
	in_tree commit -qam 'mm: gup: pin'
	audit() { # ROWS...
		printf '%s\n' '## The callers' '|---|' "$@" '## Others' '| `mm/bio.c` | `other()` | pins | | |' >project/docs/conversion.md
		run project/linux-patches/audit
	}
	rows=('| `mm/gup.c` | `take()` | pins | 2 | `suite.reads`, `make e2e T=rw` |' '| `mm/gup.c` | `keep()` | references | | |'
		'| `mm/bio.c` | `take()` | references | | |' '| `mm/bio.c` | `keep()` | references | | |')
	audit "${rows[@]}"
	[ "$output" = '4 callers in Linux 6.1: 1 pin now, 3 hold references' ]
	wrong() { # WORDS ROWS...
		audit "${@:2}"
		[ "$status" = 1 ]
		grep -qF -- "$1" <<<"$output" || { echo "no '$1' in: $output"; return 1; }
		grep -q '^linux-patches/audit: 1 differences' <<<"$output" || { echo "$output"; return 1; }
	}
	wrong 'keep() of mm/bio.c calls it, and' "${rows[@]:0:3}"
	wrong 'none() of mm/gup.c does not call it in Linux 6.1' "${rows[@]}" '| `mm/gup.c` | `none()` | pins | 2 | `suite.reads` |'
	wrong "the state of keep() of mm/bio.c is 'pins' or 'references', not 'perhaps'" "${rows[@]:0:3}" '| `mm/bio.c` | `keep()` | perhaps | | |'
	wrong 'take() of mm/gup.c has references, but it no longer' '| `mm/gup.c` | `take()` | references | | |' "${rows[@]:1}"
	wrong 'keep() of mm/gup.c pins, but it still' "${rows[0]}" '| `mm/gup.c` | `keep()` | pins | 2 | `suite.reads` |' "${rows[@]:2}"
	wrong 'patch 1 does not touch mm/gup.c' "${rows[0]/ 2 / 1 }" "${rows[@]:1}"
	wrong 'patch 9 does not touch mm/gup.c' "${rows[0]/ 2 / 9 }" "${rows[@]:1}"
	wrong 'which patch converts take() of mm/gup.c' "${rows[0]/ 2 / }" "${rows[@]:1}"
	wrong 'which test guards take() of mm/gup.c' '| `mm/gup.c` | `take()` | pins | 2 | |' "${rows[@]:1}"
	wrong 'there is no test suite.writes' "${rows[0]/reads/writes}" "${rows[@]:1}"
	wrong 'there is no test ro' "${rows[0]/T=rw/T=ro}" "${rows[@]:1}"
}
