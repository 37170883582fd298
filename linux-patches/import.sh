# shellcheck shell=bash
# Where the base comes from: part of linux-patches/tree, which sources it. Get
# Debian's package, or what LINUX_SRC names, and make its files the base commit.

version_of() { # stdin: the top Makefile -> $version; fails unless it is $BASE.y
	version=$(sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) *= *([0-9]+) *$/\2/p;6q' | paste -sd. -)
	case $version in "$BASE".*) ;; *) return 1 ;; esac
}

# find_source: what LINUX_SRC or the package is -> $kind $src $source (words for people)
find_source() {
	if [ -z "$LINUX_SRC" ]; then
		kind=package
		fetch_package
	elif [ ! -e "$LINUX_SRC" ]; then
		die "LINUX_SRC=$LINUX_SRC does not exist; name a git tree, folder or tarball of Linux $BASE.y"
	elif [ ! -d "$LINUX_SRC" ]; then
		kind=tarball src=$LINUX_SRC source="tarball ${src##*/}"
	else
		src=$(cd "$LINUX_SRC" && pwd -P) kind=folder
		# a git tree, and not a folder somewhere in one
		if [ "$(git -C "$src" rev-parse --show-toplevel 2>/dev/null)" = "$src" ] ||
			[ "$(git -C "$src" rev-parse --is-bare-repository 2>/dev/null)" = true ]; then
			kind=git
			src_head=$(git -C "$src" rev-parse -q --verify 'HEAD^{commit}') || die "LINUX_SRC=$LINUX_SRC has no commit at HEAD; check out a $BASE.y"
			version_of < <(git -C "$src" show "$src_head:Makefile" 2>/dev/null) || not_base
			source="git $src_head"
			[ -z "$(git -C "$src" --no-optional-locks status --porcelain -uno 2>/dev/null)" ] ||
				say "note: uncommitted edits in $LINUX_SRC are not taken, only its HEAD"
		else
			version_of < <(cat "$src/Makefile" 2>/dev/null) || not_base
			source=folder
		fi
	fi
}

not_base() { die "${LINUX_SRC:-$package} is ${version:+Linux }${version:-no kernel source}, not Linux $BASE.y; name another with LINUX_SRC="; }

offered() { apt-cache madison "$package" 2>>"$log" | awk '{ print $3 }' | sort -Vru; }

fetch_package() { # -> $src: the .deb of the wanted version; $source
	local want=${VERSION-} got versions try
	need "fetching $package" dpkg-deb
	[ "$want$rebasing" ] || want=$(awk -v p="$package" '$1 == "package" && $2 == p { print $3 }' "$PATCHES/BASE" 2>/dev/null) || :
	for try in 1 2; do
		[ -z "$want" ] || for src in "$BUILD/dl/${package}_${want}_"*.deb; do
			[ ! -e "$src" ] || { source="package $package $want"; return 0; }
		done
		command -v apt-get >/dev/null || die "there is no apt-get here to fetch $package; name a source of Linux $BASE.y with LINUX_SRC="
		versions=$(offered) || :
		got=$want
		if [ -z "$want" ] || ! grep -qxF -- "$want" <<<"$versions"; then
			[ -z "${VERSION-}" ] || [ -z "$versions" ] || die "$package $VERSION is not offered; choose one of: ${versions//$'\n'/ }"
			# not in the lists, which may be old: new ones first
			got=
			[ $try = 1 ] && [ -z "${PINLAB_NO_APT-}" ] && [ "$want" ] || got=${versions%%$'\n'*}
			[ -z "$got" ] || [ -z "$want" ] || say "note: $package $want is no longer offered; taking $got"
		fi
		# -o ...: as root apt would warn that its sandbox user cannot write here
		if [ "$got" ]; then
			rm -rf "$BUILD/dl/partial" && mkdir -p "$BUILD/dl/partial" || die "cannot write $BUILD/dl; make room or set BUILD="
			if (cd "$BUILD/dl/partial" && step "fetching $package $got" apt-get -q -o APT::Sandbox::User=root download "$package=$got"); then
				at fetched
				want=$got
				mv "$BUILD/dl/partial/"*.deb "$BUILD/dl/" && continue
			fi
		fi
		# no lists, or lists that name files which are gone: once more with new ones
		[ $try = 2 ] || [ -n "${PINLAB_NO_APT-}" ] || step "updating the package lists" as_root apt-get -q update ||
			say "note: the package lists could not be updated"
	done
	for src in "$BUILD/dl/${package}_${want:-none}_"*.deb; do
		[ ! -e "$src" ] || { source="package $package $want"; return 0; }
	done
	fail "$log" "cannot fetch $package" "check the network and 'apt-get update', or name a source with LINUX_SRC="
}

unpack() { # FOLDER: the source's files go there; runs under "step"
	local tar=(tar -x -C "$1" --no-same-owner --no-same-permissions) top
	case $kind in
	package) dpkg-deb --fsys-tarfile "$src" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -T0 -dc | "${tar[@]}" --strip-components=1 ;;
	git) git -C "$src" archive "$src_head" | "${tar[@]}" ;;
	folder) tar -c -C "$src" --exclude=./.git . | "${tar[@]}" ;;
	tarball)
		"${tar[@]}" -f "$src" || return
		top=("$1"/*/)
		[ -e "$1/Makefile" ] || [ ${#top[@]} != 1 ] || find "${top[0]}" -mindepth 1 -maxdepth 1 -exec mv -t "$1" {} + ;;
	esac
}

# import FOLDER: unpack the source there, commit it to $objects, its index in $index -> $base
import() {
	local tree=$1 t
	make_plain
	step "unpacking $source" unpack "$tree" || fail "$log" "cannot unpack $source" "check it, or name another with LINUX_SRC="
	version_of < <(cat "$tree/Makefile" 2>/dev/null) || not_base
	at unpacked
	# Debian's .gitignore ends by ignoring everything at the top: new files
	# of contributors would be invisible
	[ ! -f "$tree/.gitignore" ] || sed -i '/^# Debian packaging: ignore everything/,/^!\/debian\/$/d' "$tree/.gitignore"
	if [ "$kind" = folder ]; then
		# what .gitignore matches is a leftover of a build, except the few files
		# that Linux tracks all the same
		plain ls-files -oiz --exclude-standard >"$work/leftovers"
		grep -zvE '(^|/)\.(git(ignore|attributes)|kunitconfig|clang-format|cocciconfig|get_maintainer\.ignore|mailmap|rustfmt\.toml|yamllint|editorconfig)$|^tools/testing/selftests/arm64/tags/' \
			<"$work/leftovers" | (cd "$tree" && xargs -0r rm -f --) || :
	fi
	# -f: those few again. Threshold 1: stream every blob into one pack, instead
	# of writing 80,000 loose objects.
	step "importing Linux $version" plain -c core.bigFileThreshold=1 -c core.compression=1 add -A -f . ||
		fail "$log" "cannot import $source" "see the log"
	at added
	# fixed author and date: the same files make the same commit everywhere
	t=$(plain write-tree 2>>"$log") &&
		base=$(printf 'Linux %s\n\nSource: %s\n' "$version" "$source" | commit_as pinlab pinlab@localhost '@0 +0000' "$t" 2>>"$log") ||
		fail "$log" "cannot import $source" "see the log"
}

make_tree() { # the base commit and its files in $tree, first under another name
	local final=$tree names=() sums=()
	tree=$BUILD/.partial/linux-$BASE from='' rebased='' commits=()
	# a work tree of the user's repository is also registered there
	[ ! -f "$tree/.git" ] || git -C "$tree" worktree remove --force "$tree" >>"$log" 2>&1 || :
	discard "$BUILD/.partial"
	find_source
	mkdir -p "$BUILD/.partial" || die "cannot write $BUILD; make room or set BUILD="
	if [ "$kind" = git ]; then
		add_worktree
		gd=$(g rev-parse --absolute-git-dir)
	else
		gd=$tree/.git common=$tree/.git objects=$tree/.git/objects
		bare_git init -q --template= -b "$branch" "$tree" >>"$log" 2>&1 || fail "$log" "cannot write $tree" "make room or set BUILD="
		# no gc behind our back (it would keep our lock), no CRLF, a fast status
		printf '[core]\n\tautocrlf = false\n\tuntrackedCache = true\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n' >>"$gd/config"
		index=$gd/index import "$tree"
		g update-ref "refs/heads/$branch" "$base"
	fi
	head=$base
	mkdir -p "$gd/pinlab"
	write_state "$gd/pinlab/state"
	keep_refs
	at imported
	mv "$tree" "$final" && rmdir "${tree%/*}"
	tree=$final
	at renamed
}

keep_refs() { printf 'update refs/worktree/pinlab/%s\n' "base $base" "head $head" | g update-ref --stdin; }

# add_worktree: a work tree of the user's repository, on a branch of ours
add_worktree() {
	local tip other new=(-b "$branch" --no-track)
	base=$src_head tip=$src_head
	if git -C "$src" rev-parse -q --verify "refs/heads/$branch" >/dev/null; then
		other=$(git -C "$src" worktree list --porcelain | awk -v b="branch refs/heads/$branch" '/^worktree /{ w = substr($0, 10) } $0 == b { print w }')
		[ -z "$other" ] || [ ! -e "$other" ] || die "branch $branch of $LINUX_SRC is checked out in $other; name another LINUX_SRC="
		say "resuming branch $branch of $LINUX_SRC"
		tip=$branch new=()
		base=$(git -C "$src" merge-base "$src_head" "$branch") ||
			die "branch $branch of $LINUX_SRC is not on top of its HEAD; rename it: git -C $src branch -m $branch old-$branch"
	fi
	# -f: that branch may still be registered for a work tree which is gone
	step "checking out $source" git -C "$src" -c core.hooksPath=/dev/null -c core.autocrlf=false -c gc.auto=0 \
		worktree add -f "${new[@]}" "$tree" "$tip" || fail "$log" "cannot add a work tree to $LINUX_SRC" "see the log"
}
