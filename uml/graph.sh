# shellcheck shell=bash disable=SC2016,SC2154
# The short road of uml/kunit, sourced by it: what kbuild has built before, ninja
# builds again, on a graph made of the .cmd files that kbuild left (graph.awk).
# kbuild starts from nothing each time and links three times what is needed once.
#
# The graph never answers for what kbuild decides: configuration, generated
# headers, linker scripts, the kernel's own programs. When one of those may have
# changed, graph_build says so, and kbuild has its turn.
#
# $OUT/.graph holds
#   build.ninja    the graph, with ninja's own logs beside it
#   env            what the top Makefile exports to scripts/link-vmlinux.sh
#   folders        where headers and sources were found
#   inputs         Makefiles and the like
#   asked          a script with what Kconfig asks the shell about sources
#   key            see graph_key; not there while kbuild is at work
#   sources, generated   stamps: kbuild has seen these inputs as they were then
#   running        there while ninja is at work, and after it was killed
#   caching        the same for what goes through the cache
#   objects, link  what vmlinux is made of, and how

graph=$OUT/.graph

# What make does not look at: the programs, the configuration that is asked for, what
# Kconfig would get for an answer, which files there are, as one that is new can take
# another's place, and, after a tab, how old they are, as one can be exchanged for an
# older one.
graph_key() {
	local program
	echo "$TREE $KUNITCONFIG"
	sh "$graph/asked" 2>&1
	for program in gcc as ld ar nm objcopy; do type -P "$program"; done |
		xargs -d '\n' stat -L -c '%n %d %i %s %y' "$(gcc -print-prog-name=cc1)"
	(cd "$TREE" && xargs -d '\n' -a "$graph/folders" sh -c 'exec find -L "$@" -maxdepth 1 ! -name ".*" \
		\( -type d -printf "%p\n" -o \( -name "*.[chS]" -o -name "Makefile*" -o -name "Kbuild*" -o -name "Kconfig*" \) -printf "%p\t%T@\n" \)' sh)
}

# What is otherwise than in the key: came, went, or got older; a line each.
graph_changes() {
	graph_key >"$graph/key.new" 2>/dev/null || echo "no key"
	! cmp -s "$graph/key" "$graph/key.new" || return 0
	awk -F '\t' 'FILENAME == ARGV[1] { was[$1] = $2; next }
		!($1 in was) || $2 < was[$1] { print $1 }
		{ is[$1] }
		END { for (name in was) if (!(name in is)) print name }' "$graph/key" "$graph/key.new"
}

# graph_build [TARGET]: 0 if built, 1 if it does not compile (then $log has the
# words), 2 if the graph is stale or there is none
#   kernel   what is run
#   rest     what modpost has to say of it, right after that
graph_build() {
	local rc=0 plan files text shown changes
	[ ! -e "$graph/running" ] && [ -s "$graph/key" ] && command -v ninja >/dev/null || return 2
	exec {changes}< <([ "${1-}" = rest ] || graph_changes)
	# a file that is gone makes it fail
	plan=$(cd "$OUT" && NINJA_STATUS='' ninja -n -f .graph/build.ninja "$@" 2>&1) || rc=2
	[ -z "$(cat <&"$changes")" ] || rc=2
	exec {changes}<&-
	[ $rc = 0 ] || return 2
	case $plan in
	*'stale: '*) return 2 ;;
	*'no work to do'*) return 0 ;;
	esac
	files=$(grep -c '^CC ' <<<"$plan") || :
	case $files in
	0) text=linking ;;
	1) text="compiling 1 file" ;;
	*) text="compiling $files files" ;;
	esac
	if [ "${1-}" = rest ]; then shown=(in_log)
	elif [ "$files" -le 8 ]; then shown=(step "$text")	# the cache would take more than it gives
	else shown=(with_ccache step "$text")
	fi
	: >"$graph/running"
	"${shown[@]}" ninja -C "$OUT" -f .graph/build.ninja ${J:+-j"$J"} "$@" </dev/null || rc=$?
	rm -f "$graph/running"
	[ $rc != 0 ] || { [ "${1-}" = rest ] || mv "$graph/key.new" "$graph/key"; return; }
	! grep -qE '^(ninja: error:|FAILED: .graph/)' "$log" || return 2
	return 1
}

# Compile by way of the cache; on the machines of DISTCC_HOSTS, if there are any.
# A header that is new may be found before one of the same name that an object was
# made of. The cache does not look for that, so where such names are is in its key.
with_ccache() {
	local rc=0 CCACHE_DIR=${CCACHE_DIR:-$BUILD/ccache}
	mkdir -p "$graph"
	uncache
	touch "$graph/caching"
	(cd "$TREE" && find . -name '*.h' -printf '%f %P\n' | LC_ALL=C sort | awk '
		$1 == name { print before $2; before = "" }
		$1 != name { name = $1; before = $2 "\n" }') >"$graph/headers"
	CCACHE_DIR=$CCACHE_DIR CCACHE_EXTRAFILES=$graph/headers \
		CCACHE_PREFIX=${DISTCC_HOSTS:+distcc} PATH=/usr/lib/ccache:$PATH "$@" || rc=$?
	uncache
	return $rc
}

# The cache reads a source, then the compiler does: of one that was saved in between,
# the old text's name has the new text's object. So the results of that time go.
uncache() {
	[ -e "$graph/caching" ] || return 0
	[ -z "$(find "$TREE" "$TREE/lib/pin_tests/" -name '*.[chS]' -cnewer "$graph/caching" -print -quit 2>/dev/null)" ] || [ ! -d "$CCACHE_DIR" ] ||
		find "$CCACHE_DIR" -type f -name '*R' -newer "$graph/caching" -delete
	rm "$graph/caching"
}

# Of the files that standard input names: what was made of one of that name is no more.
forget() {
	local names
	names=$(sed -n 's|.*\(/[^/]*\.[chS]\)$|\1|p' | sort -u)
	[ -n "$names" ] || return 0
	(cd "$OUT" && { grep -rlF -e "$names" --include='.*.o.cmd' . || :; } | sed 's|/\.\([^/]*\)\.cmd$|/\1|' | xargs -rd '\n' rm -f)
}

# Before kbuild, which does not look for a header that takes another's place, nor for
# one that is gone, nor for a file that got older: what has to do with them is made again,
# and so is what was killed half-way. The graph is no more.
graph_forget() {
	local path
	[ ! -s "$graph/key" ] || graph_changes | while read -r path; do
		[ ! -d "$TREE/$path" ] || find "$TREE/$path" -name '*.h'
		echo "/$path"
	done | forget
	rm -f "$graph/key"
	mkdir -p "$graph"
	if [ -e "$graph/running" ]; then
		find "$OUT" -name '*.a' -delete
		rm -f "$OUT/vmlinux" "$OUT/linux" "$OUT/vmlinux.o" "$graph/running"
	fi
	touch "$graph/sources"
}

# After kbuild. Without a graph, kbuild it is the next time, too.
graph_make() {
	local file
	[ "$ARCH" = um ] && [ -f "$OUT/.vmlinux.cmd" ] && ! grep -q '^CONFIG_MODULES=y' "$OUT/.config" || return 0
	touch "$graph/generated"
	find . -name '.*.cmd' -printf '%P\n' >"$graph/cmds"
	# where the sources are, and where the compiler looks for headers
	xargs -d '\n' -a "$graph/cmds" awk -v tree="$TREE/" '
		FNR == 1 { n = split($0, word, " ")
			for (i = 1; i <= n; i++) if (sub(/^-I/, "", word[i]) && index(word[i], tree) == 1) seen[word[i]] }
		/^  +\// && index($1, tree) == 1 { sub(/\/[^\/]*$/, "", $1); seen[$1] }
		END { for (folder in seen) { sub(/\/+$/, "", folder); print substr(folder, length(tree) + 1) } }' |
		sort -u >"$graph/folders"
	sed -n 's/^[ \t]*\([^ \t$]*Kconfig[^ \t]*\) *\\*$/\1/p' include/config/auto.conf.cmd | sed "s|^[^/]|$TREE/&|" >"$graph/kconfigs"
	xargs -d '\n' -a "$graph/kconfigs" grep -hF '$(srctree)/' >"$graph/about"
	sed -n 's/.*$(\(success\|failure\|shell\),\([^$()]*\($(srctree)[^$()]*\)*\)).*/\2/p' "$graph/about" |
		sed "/^\$(srctree)\/scripts/d;s|\$(srctree)|$TREE|g" | awk '{ print "echo \"" NR ": $(" $0 "; echo \" $?\")\"" }' >"$graph/asked"
	{
		printf '%s\n' "$here/graph.awk" "$here/graph.sh"
		# shellcheck disable=SC2086	# a list of files
		(cd "$TREE" && realpath $KUNITCONFIG)
		cat "$graph/kconfigs"
		# questions that are more than a command
		sed '/^[^#]*$(\(success\|failure\|shell\),[^$()]*\($(srctree)[^$()]*\)*)/d' "$graph/about" | grep -o '$(srctree)/[^ ),"]*' | sed "s|^\$(srctree)|$TREE|"
		find "$TREE"/scripts "$TREE"/arch/um "$TREE"/arch/x86 -maxdepth 1 -type f ! -name '.*'
		while read -r file; do
			while :; do
				printf '%s\n' "$TREE/$file/Makefile" "$TREE/$file/Kbuild"
				[[ $file = */* ]] || break
				file=${file%/*}
			done
		done <"$graph/folders"
		printf '%s\n' "$TREE/Makefile" "$TREE/Kbuild"
	} | sort -u | while read -r file; do [ ! -f "$file" ] || echo "$file"; done >"$graph/inputs"
	# its SHELL may be bash, whose "export -p" others do not read
	env -i PATH="$PATH" HOME="${HOME-}" make -C "$TREE" ARCH=um O="$OUT" \
		--eval='graph-env: ; @sh -c "export -p" >.graph/env' graph-env >/dev/null 2>&1 &&
		xargs -d '\n' -a "$graph/cmds" awk -f "$here/graph.awk" -v folder=.graph &&
		PRIME=1 ninja -f .graph/build.ninja >/dev/null &&
		find . -name '.*.o.d' -delete &&
		graph_make_link &&
		[ ! .config -nt include/config/auto.conf ] && graph_is_of_now &&
		graph_key >"$graph/key.new" && mv "$graph/key.new" "$graph/key"
}

# What vmlinux is made of, and by which command, for uml/mutant, which puts a folder of its
# own in the place of FOLDER. The command of the last link is in scripts/link-vmlinux.sh, which shows it to a CC that shows
# it to us. Where there are more links than that one, $graph/link is empty.
graph_make_link() {
	ar t vmlinux.a >"$graph/objects" || return
	: >"$graph/link"
	# shellcheck disable=SC1091,SC2034
	grep -qE '^CONFIG_(KALLSYMS|DEBUG_INFO_BTF)=y' .config ||
		(. .graph/env && MAKE=true CONFIG_SHELL=true CC="echo CC $CC" && eval "$(sed -n '1{s/^[^=]*:= //;s/;.*//;p}' .vmlinux.cmd)") |
		sed -n 's|^CC \(.* -o \)vmlinux \(.*\) vmlinux\.a |\1FOLDER/linux \2 -Wl,@FOLDER/objects |p' >"$graph/link"
}

# What was saved while kbuild was at work may have been read before or after.
graph_is_of_now() {
	local saved
	saved=$(cd "$TREE" && xargs -d '\n' -a "$graph/folders" sh -c 'exec find -L "$@" -maxdepth 1 -cnewer "$0"' "$graph/sources" &&
		xargs -d '\n' -a "$graph/inputs" sh -c 'exec find "$@" -cnewer "$0"' "$graph/sources") || return
	[ -n "$saved" ] || return 0
	forget <<<"$saved"
	return 1
}
