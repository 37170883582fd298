# A ninja graph of what kbuild has built, from the .cmd files that it left: for
# each target its command, its source and all that the source includes.
#
#   cd $OUT && find . -name '.*.cmd' | xargs awk -f graph.awk -v folder=.graph
#
# Objects of the kernel, archives and the last link become edges of
# $folder/build.ninja. Anything else that kbuild makes (headers, linker scripts,
# its own programs) is kbuild's to make: what they are made from is an input of the
# edges "sources" and "generated", which fail. The included files go where ninja expects them, so that a first run with PRIME=1,
# which builds nothing, tells it what is up to date.
#
# Paths are as kbuild has them: relative to $OUT, or absolute in the kernel tree.

function fail(why) { print "graph.awk: " why > "/dev/stderr"; failed = 1; exit 1 }

function escaped(s) { gsub(/\$/, "$$", s); return s }

# what the shell gets when make has read it
function unmade(s) { gsub(/\$\(pound\)/, "#", s); gsub(/\$\$/, "$", s); return s }

function dotted(path, suffix,	dir, name) {
	name = path
	sub(/.*\//, "", name)
	dir = substr(path, 1, length(path) - length(name))
	return dir "." name suffix
}

# an edge that leaves nothing half done: PRE && COMMAND, of which $out is made
function edge(target, rule, inputs, cmd) {
	printf "build %s: %s %s || $folder/sources $folder/generated\n  cmd = %s\n",
		target, rule, inputs, escaped(cmd) > graph
}

function members(cmd,	n, i, word, prefix, list) {
	if (match(cmd, /printf "[^"]*%s "/))
		prefix = substr(cmd, RSTART + 8, RLENGTH - 12)
	n = split(cmd, word, /[ ;]+/)
	for (i = 1; i <= n; i++)
		if (word[i] ~ /\.[ao]$/ && word[i] != target) {
			sub(/^\.\//, "", word[i])
			word[i] = (prefix == "./" ? "" : prefix) word[i]
			taken[word[i]]
			list = list " " word[i]
		}
	return list
}

function done(	d, deps, plain) {
	if (target == "")
		return
	sub(/ +$/, "", cmd)
	plain = cmd !~ /[;&|]/
	# constants for lx-*, which read half of the kernel's headers: kbuild's next turn is soon enough
	if (target ~ /^scripts\/gdb\//)
		return
	if (target ~ /^scripts\// || target ~ /\.o$/ && target != "vmlinux.o" && !(plain && source != "" && index(cmd, " -c -o " target " " source) && cmd ~ /-Wp,-MMD,/)) {
		kbuilds()
	} else if (target == "vmlinux.o") {
		edge(target, "plain", "vmlinux.a lib/lib.a", cmd)
	} else if (target ~ /\.o$/) {
		made[target]
		sub(" -c -o " target " ", " -c -o " target ".new ", cmd)
		edge(target, "cc", source, cmd)
		printf "  cmdfile = %s\n  depfile = %s\n", dotted(target, ".cmd"), dotted(target, ".d") > graph
		file = dotted(target, ".d")
		printf "%s: %s", target, source > file
		for (d = 1; d <= ndeps; d++) {
			printf " %s", dep[d] > file
			if (dep[d] !~ /^\//)
				generated[dep[d]]
		}
		print "" > file
		close(file)
	} else if (target ~ /\.a$/) {
		edge(target, "plain", members(cmd), cmd)
	} else if (target == "vmlinux.symvers" || target == "modules.builtin.modinfo") {
		edge(target, "plain", "vmlinux.o", cmd)
	} else if (target == "modules.builtin") {
		edge(target, "plain", "modules.builtin.modinfo", cmd)
	} else if (target == "vmlinux") {
		# no build number, no date: kbuild's "true" makes the next one. And what it
		# has CONFIG_SHELL for is, without kallsyms, System.map only: for later.
		edge("vmlinux linux", "plain", "vmlinux.a lib/lib.a init/version-timestamp.o", ". ./" folder "/env && MAKE=true && " (kallsyms ? "" : "CONFIG_SHELL=true && ") cmd " && ln -f vmlinux linux")
		if (!kallsyms)
			edge("System.map", "plain", "vmlinux", ". ./" folder "/env && $CONFIG_SHELL $srctree/scripts/mksysmap vmlinux System.map")
		links++
	} else
		kbuilds()
}

# not in the graph: the source and what it includes belong to kbuild
function kbuilds(	d) {
	if (source != "" && source ~ /^\//)
		sources[source]
	for (d = 1; d <= ndeps; d++)
		if (dep[d] ~ /^\//) sources[dep[d]]
		else generated[dep[d]]
}

function there(file,	line, got) {
	got = (getline line < file)
	close(file)
	return got >= 0
}

# An object that is in no archive is for something else that kbuild makes, a vdso, or
# what kbuild has left of a source that is gone.
function orphan(file,	word) {
	while ((getline < file) > 0)
		if (/^source_/ || /^  +[^$ ]/) {
			word = /^source_/ ? $3 : $1
			if (/^source_/ && !there(word)) break
			if (word ~ /^\//) sources[word]
			else generated[word]
		}
	close(file)
}

BEGIN {
	while ((getline line < "include/config/auto.conf") > 0)
		if (line == "CONFIG_KALLSYMS=y") kallsyms = 1
	graph = folder "/build.ninja"
	print "ninja_required_version = 1.10\nbuilddir = " folder "\nfolder = " folder > graph
	# $cmd may fail, and the machine may go off: $out is there when it is whole. It is as
	# old as its compiler's start: a source that was saved since then is newer.
	print "rule cc\n  command = [ \"$$PRIME\" ] || { : >$cmdfile.new && $cmd && touch -r $cmdfile.new $out.new && scripts/basic/fixdep $depfile $out \"$$(sed -n '1s/^[^=]*:= //p' $cmdfile)\" > $cmdfile.new && mv $cmdfile.new $cmdfile && mv $out.new $out; }\n  deps = gcc\n  description = CC $out" > graph
	print "rule plain\n  command = [ \"$$PRIME\" ] || { $cmd; } || { rm -f $out; exit 1; }\n  description = $out" > graph
	print "rule kbuild\n  command = [ \"$$PRIME\" ]\n  description = stale: $out" > graph
}

FNR == 1 {
	done()
	target = source = ""
	ndeps = 0
	if (!match($0, /^(saved)?cmd_[^ ]+ := /)) next
	target = substr($0, 1, RLENGTH - 4)
	sub(/^(saved)?cmd_/, "", target)
	cmd = unmade(substr($0, RLENGTH + 1))
	next
}
/^source_/ { source = $3; next }
/^  +[^$ ]/ { dep[++ndeps] = $1 }

END {
	if (failed) exit 1
	done()
	taken["init/version-timestamp.o"]
	for (d in made) if (!(d in taken)) orphan(dotted(d, ".cmd"))
	if (links != 1) fail("kbuild has left no command for vmlinux")
	printf "build $folder/generated: kbuild .config include/config/auto.conf" > graph
	for (d in generated)
		if (!(d in made)) printf " $\n  %s", d > graph
	printf "\nbuild $folder/sources: kbuild" > graph
	for (d in sources)
		printf " $\n  %s", d > graph
	while ((getline d < (folder "/inputs")) > 0)
		printf " $\n  %s", d > graph
	print "\nbuild kernel: phony linux\nbuild rest: phony vmlinux.symvers modules.builtin System.map\ndefault kernel rest" > graph
}
