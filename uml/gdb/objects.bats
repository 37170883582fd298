#!/usr/bin/env bats
# Printers and commands of uml/gdb, on the objects that kunit/debugger_test.c sets up:
# what gdb says of each is compared with what the test knows of it.

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.."
	export kernel=${BUILD:-build}/um-${BASE:-6.1}/linux said=${SAID:-$BATS_FILE_TMPDIR}
	[ -x "$kernel" ]
	run_case iterator iterator <<-END
		while gdb.selected_inferior().pid:
		    way = " destination" if word("known->direction") == "0" else " source"
		    say("=kind", word("known->kind->name") + way)
		    say("iov-iter &known->iter")
		    say("iov-iter (long)&known->iter")
		    say("iov-pages known->iter")
		    say("print known->iter")
		    for n in range(16):
		        say("=pool[%d]" % n, word("/x known->pool[%d]" % n))
		    say("=pipe page", word("/x known->pipe ? known->pipe->bufs[3].page : 0"))
		    say("pipe-bufs known->pipe")
		    say("print *known->pipe")
		    say("print known->xa")
		    gdb.execute("continue", to_string=True)
	END
	run_case pages pages <<-END
		for name in "unpinned referenced pinned pinned_thrice pin_put head tail pinned_head pinned_tail anon anon_pinned of_file of_file_pinned slab free table zero".split():
		    say("page known->" + name)
		    say("=" + name, word("/x known->" + name))
		say("print *known->pinned_tail")
		say("print *(struct folio *)known->anon_pinned")
		say("page ((long)known->pinned - (long)mem_map) / sizeof(struct page)")
		say("page (long)known->pinned")
		say("page uml_physmem + 0x1000 * (((long)known->pinned - (long)mem_map) / sizeof(struct page)) + 7")
		say("page known->uaddr + 4096")
		say("user-page known->uaddr")
		say("user-page '((struct task_struct *)cpu_tasks[0].task)->mm' known->uaddr")
		say("user-page init_mm known->uaddr")
		say("user-page known->unmapped")
		say("user-page nonsense known->uaddr")
		say("user-page")
		say("pins")
		for wrong in "page|page nonsense|page test_disk|page (long)known->pinned+1|page 0x7fffffffffff|page *known|pins all|iov-iter|iov-iter known|iov-iter 8|iov-pages 8|iov-iter (struct iov_iter *)known->pinned|bio-pages 8|bio-pages (struct bio *)known->pinned|pipe-bufs 8|pipe-bufs (struct pipe_inode_info *)known->pinned|pin-watch|pin-watch 0x7fffffffffff|pin-trace|pin-trace later|pin-trace report".split("|"):
		    say(wrong)
		for kind in "page folio iov_iter bio pipe_inode_info xarray".split():
		    for address in "8 init_task.stack known->unmapped".split():
		        say("print *(struct %s *)(%s)" % (kind, address))
		gdb.execute("frame function kunit_generic_run_threadfn_adapter", to_string=True)
		gdb.execute("down", to_string=True)
		say("=data", word("data"))
		for command in "page iov-iter iov-pages bio-pages pipe-bufs".split():
		    say(command + " data")
	END
	run_case bio bio <<-END
		say("bio-pages known")
		say("print *known")
		for n in range(2):
		    say("=vec %d" % n, word("/x known->bi_io_vec[%d].bv_page" % n))
		gdb.execute("set var known->bi_flags = 2")
		say("bio-pages (long)known")
		gdb.execute("set var known->bi_flags = 1")
	END
	run_case page held_for_a_while <<-END
		say("pin-watch known")
		for stop in range(4):
		    say("continue")
		say("pin-watch off")
		gdb.execute("continue")
		say("=exit", word("\$_exitcode"))
	END
	run_case page held_wrongly held_wrongly <<-END
		say("pin-trace on refs")
		gdb.execute("continue")
		say("pin-trace report")
		say("pins")
		say("pin-trace off")
		say("=names", word("*known") and " ".join(word("/x known + %d" % n) for n in range(4)))
		gdb.execute("continue")
		say("=exit", word("\$_exitcode"))
		say("pin-trace report")
	END
}

# run_case STOP CASE [FUNCTION] <PYTHON: at its first line, or where its objects are ready,
# what it says goes to $said/CASE
run_case() {
	{
		echo 'python
def say(command, output=None):
    print(">> " + command)
    try:
        print(gdb.execute(command, to_string=True) if output is None else output)
    except gdb.error as error:
        print("error: %s" % error)
def word(expression):
    return gdb.execute("output " + expression, to_string=True).split()[-1].strip("\"")
end'
		[ -z "${3-}" ] || echo "tbreak debugger_test.c:$3"
		echo "break stop_at_$1"
		echo run
		echo python
		cat
		echo end
	} >"$said/$2.gdb"
	timeout -k 5 120 gdb -q -batch -x gdbinit -x "$said/$2.gdb" --args "$kernel" mem=256M console=tty \
		kunit_shutdown=halt kunit.enable=1 "kunit.filter_glob=debugger.$2" </dev/null >"$said/$2" 2>&1 || :
}

setup() { cd "$BATS_TEST_DIRNAME/../.."; }

# the answer to a command in $said/CASE; the nth time that it was given
answer() { # CASE COMMAND [N]
	awk -v command=">> $2" -v n="${3:-1}" '/^>> / { on = $0 == command && !--n; next } on' "$said/$1" | sed '/^$/d'
}

says() { # CASE COMMAND WORDS [N]
	answer "$1" "$2" "${4:-1}" | grep -qF -- "$3" || {
		echo "$2 does not say: $3; but:"
		answer "$1" "$2" "${4:-1}"
		return 1
	}
}

value() { answer "$1" "=$2" "${3:-1}" | sed -n 1p; }

# which stop of $said/iterator was for this kind
nth() { awk -v kind="$1" '/^>> =kind/ { n++; getline; if ($0 == kind) { print n; exit } }' "$said/iterator"; }

@test "iov-iter: each kind in each direction" {
	local kind way n
	[ "$(grep -c '^>> =kind' "$said/iterator")" = 12 ]
	while read -r kind way; do
		n=$(nth "$kind $way")
		[ -n "$n" ]
		says iterator "iov-iter &known->iter" "$kind, $way, data" "$n"
		[ "$(answer iterator "iov-iter &known->iter" "$n")" = "$(answer iterator "iov-iter (long)&known->iter" "$n")" ]
		diff <(answer iterator "iov-iter &known->iter" "$n") <(answer iterator "print known->iter" "$n" | sed '1s/^\$[0-9]* = //')
	done <<-END
		ubuf destination
		ubuf source
		iovec destination
		iovec source
		kvec destination
		kvec source
		bvec destination
		bvec source
		pipe destination
		xarray destination
		xarray source
		discard destination
	END
}

@test "iov-iter: segments, and the position in them" {
	local kind
	for kind in iovec kvec bvec; do
		n=$(nth "$kind source")
		says iterator "iov-iter &known->iter" "24677 bytes left in 6 segments" "$n"
		answer iterator "iov-iter &known->iter" "$n" | grep -qE '^  >  0 .* 100 bytes +50 done$'
		answer iterator "iov-iter &known->iter" "$n" | grep -qE '^     1 .* 8192 bytes$'
		answer iterator "iov-iter &known->iter" "$n" | grep -qE '^     3 .* 4146 bytes$'
		[ "$(answer iterator "iov-iter &known->iter" "$n" | wc -l)" = 7 ]
	done
	answer iterator "iov-iter &known->iter" "$(nth "ubuf source")" | grep -qE '^  >  0  0x[0-9a-f]+00a +24727 bytes +50 done$'
	says iterator "iov-iter &known->iter" "from byte 0x4503c: index 69, byte 60" "$(nth "xarray source")"
	says iterator "iov-iter &known->iter" "from slot 3 on; it stands at slot 3, byte 4096" "$(nth "pipe destination")"
}

# The segments are those of the shape of that name in kunit/iter_kinds.c: which pages
# of the pool, and how many bytes of each.
@test "iov-pages: the pages behind each kind, in their order" {
	local kind n p
	for kind in "iovec destination" "iovec source" "kvec source" "bvec destination" "bvec source"; do
		n=$(nth "$kind")
		for p in 5 0 1 8 3 4 5 6 7 8 9; do value iterator "pool[$p]" "$n"; done >"$said/wanted"
		answer iterator "iov-pages known->iter" "$n" | awk '$2 == "page" { print $3 }' | diff - "$said/wanted"
		answer iterator "iov-pages known->iter" "$n" | awk '$2 == "page" { print $1 }' |
			diff - <(printf '%s\n' 0-49 50-4145 4146-8241 8242-8242 8243-12330 12331-12388 12389-16184 16185-20280 20281-20580 20581-24675 24676-24676)
	done
	for kind in "ubuf destination" "ubuf source" "xarray destination" "xarray source"; do
		n=$(nth "$kind")
		for p in 5 6 7 8 9 10 11; do value iterator "pool[$p]" "$n"; done >"$said/wanted"
		answer iterator "iov-pages known->iter" "$n" | awk '$2 == "page" { print $3 }' | diff - "$said/wanted"
	done
	n=$(nth "pipe destination")
	answer iterator "iov-pages known->iter" "$n" | grep -q "^  0-4095  page $(value iterator "pipe page" "$n")  .*: 2 references, 0 pins"
	says iterator "iov-pages known->iter" "no pages" "$(nth "discard destination")"
}

@test "pipe-bufs and its printer" {
	local n
	n=$(nth "pipe destination")
	says iterator "pipe-bufs known->pipe" "1 of 16 buffers in use, 0 readers, 0 writers" "$n"
	answer iterator "pipe-bufs known->pipe" "$n" | grep -qE "^  3 +4096 bytes at 0  default_pipe_buf_ops  flags none  page $(value iterator "pipe page" "$n"), "
	diff <(answer iterator "pipe-bufs known->pipe" "$n") <(answer iterator "print *known->pipe" "$n" | sed '1s/^\$[0-9]* = //')
	says iterator "pipe-bufs known->pipe" "error: pipe-bufs: Cannot access memory at address" "$(nth "ubuf source")"
}

@test "an xarray's entries by index" {
	local n i
	n=$(nth "xarray source")
	says iterator "print known->xa" "xarray of 16 entries" "$n"
	for i in 0 7 15; do says iterator "print known->xa" "[$((64 + i))] = $(value iterator "pool[$i]" "$n")" "$n"; done
	says iterator "print known->xa" "xarray of 0 entries" "$(nth "ubuf source")"
}

@test "page: references and pins told apart" {
	local name held
	while read -r name held; do
		says pages "page known->$name" "held    $held"
		answer pages "page known->$name" | grep -q "^page    $(value pages "$name"), "
	done <<-END
		unpinned 1 reference, 0 pins (refcount 1)
		referenced 2 references, 0 pins (refcount 2)
		pinned 1 reference, 1 pin (refcount 1025)
		pinned_thrice 1 reference, 3 pins (refcount 3073)
		pin_put 1 pin, 1 reference too few (refcount 1023)
		head 1 reference, 0 pins (refcount 1, pincount 0)
		tail 1 reference, 0 pins (refcount 1, pincount 0)
		pinned_head 1 reference, 2 pins (refcount 3, pincount 2)
		pinned_tail 1 reference, 2 pins (refcount 3, pincount 2)
		anon 1 reference, 0 pins (refcount 1)
		anon_pinned 1 reference, 1 pin (refcount 1025)
		free 0 references, 0 pins (refcount 0)
	END
	# how many references buffers and the page cache have is theirs
	answer pages "page known->of_file" | grep -qE '^held    [0-9]+ references, 0 pins'
	answer pages "page known->of_file_pinned" | grep -qE '^held    [0-9]+ references, 1 pin '
}

@test "page: heads, tails, flags, mappings, owners" {
	says pages "page known->head" "order 4, this is page 0 of 16, the head"
	says pages "page known->tail" "order 4, this is page 5 of 16, a tail; the head is $(value pages head)"
	says pages "page known->tail" "flags   none; head: head"
	says pages "page known->anon" "owner   anonymous, exclusive, at 0x40000000 of kunit_try_catch"
	says pages "page known->anon_pinned" "at 0x40001000 of kunit_try_catch"
	says pages "page known->anon" "mapped  by 1 page table"
	says pages "page known->anon" "|anon_exclusive|swapbacked"
	says pages "page known->unpinned" "mapped  by no page table"
	says pages "page known->of_file" "block device pin_test, page 4 of it"
	says pages "page known->of_file_pinned" "block device pin_test, page 3 of it"
	says pages "page known->slab" "owner   slab: kmalloc-64"
	says pages "page known->free" "free"
	says pages "page known->table" "owner   a page table"
	says pages "page known->zero" "owner   the zero page, which takes no pins"
	says pages "page known->unpinned" "owner   none: memory of the kernel"
}

@test "page: by pfn, by address, of memory, of a process" {
	local how
	for how in "((long)known->pinned - (long)mem_map) / sizeof(struct page)" "(long)known->pinned" \
		"uml_physmem + 0x1000 * (((long)known->pinned - (long)mem_map) / sizeof(struct page)) + 7"; do
		diff <(answer pages "page $how") <(answer pages "page known->pinned")
	done
	diff <(answer pages "page known->uaddr + 4096") <(answer pages "page known->anon_pinned")
	says pages "user-page known->uaddr" "0x40000000 is mapped, writable, dirty"
	diff <(answer pages "user-page known->uaddr" | sed 1d) <(answer pages "page known->anon")
	diff <(answer pages "user-page '((struct task_struct *)cpu_tasks[0].task)->mm' known->uaddr") <(answer pages "user-page known->uaddr")
	says pages "user-page init_mm known->uaddr" "0x40000000 is not mapped"
	says pages "user-page known->unmapped" "error: user-page: 0x40009000 is not mapped: the page table has 0x0 for it"
	diff <(answer pages "print *known->pinned_tail" | sed '1s/^\$[0-9]* = //') <(answer pages "page known->pinned_tail")
	diff <(answer pages "print *(struct folio *)known->anon_pinned" | sed '1s/^\$[0-9]* = //') <(answer pages "page known->anon_pinned")
}

@test "pins: all pinned pages of the machine, and no others" {
	local name
	for name in pinned pinned_thrice pin_put pinned_head anon_pinned of_file_pinned; do value pages "$name"; done | sort >"$said/wanted"
	answer pages pins | awk '/^page/ { sub(",", "", $2); print $2 }' | sort | diff - "$said/wanted"
	says pages pins "owner: block device pin_test, page 3 of it"
	says pages pins "9 pins of 6 folios"
}

@test "a bio's vectors and pages" {
	says bio "bio-pages known" "WRITE|SYNC, pin_test, sector 25, 13824 bytes left"
	says bio "bio-pages known" "flags PAGE_PINNED: its pages are pinned"
	answer bio "bio-pages known" | grep -qE "^  0 +page $(value bio "vec 0")  .*: 1 reference, 1 pin"
	answer bio "bio-pages known" | grep -qE "^  1 +page $(value bio "vec 1")  .*: 1 reference, 1 pin"
	[ "$(answer bio "bio-pages known" | grep -c "1 reference, 1 pin")" = 4 ]
	answer bio "print *known" | grep -qE "^  >  0 +page .* at 512 +7680 bytes, 512 done$"
	answer bio "print *known" | grep -qE "^     1 +page .* at 0 +6656 bytes$"
	says bio "bio-pages (long)known" "flags CLONED: its pages are borrowed"
}

@test "pin-watch: each change of a count, and by whom" {
	says held_for_a_while "pin-watch known" "1 reference, 0 pins"
	says held_for_a_while continue "pinned (lib/pin_tests/debugger_test.c" 1
	says held_for_a_while continue "page_ref_add() is about to add" 1
	says held_for_a_while continue "page_ref_inc() is about to add" 2
	says held_for_a_while continue "1 reference, 1 pin (refcount 1025)" 2
	says held_for_a_while continue "put_page (include/linux/mm.h" 3
	says held_for_a_while continue "2 references, 1 pin (refcount 1026)" 3
	says held_for_a_while continue "unpin_user_page (mm/gup.c" 4
	says held_for_a_while continue "1 reference, 1 pin (refcount 1025)" 4
	[ "$(value held_for_a_while exit)" = 0 ]
}

# what the trace says of the nth page of the pool
of_page() {
	local address
	address=$(value held_wrongly names | cut -d' ' -f"$1")
	answer held_wrongly "pin-trace report" | awk -v page="page $address," '/^(page|trace)/ { on = index($0, page) } on'
}

@test "pin-trace: never released, released wrongly, released too often, as it should be" {
	of_page 1 | grep -q '^  1 pin not released$'
	of_page 1 | grep -q 'held_wrongly (lib/pin_tests/debugger_test.c'
	of_page 2 | grep -q 'released with the wrong verb, put_page()'
	[ "$(of_page 2 | grep -c '^  dropped a reference')" = 2 ]
	of_page 3 | grep -q 'released 1 more often than it was acquired'
	of_page 3 | grep -q '^    unpin_user_page (mm/gup.c'
	[ -z "$(of_page 4)" ]
	says held_wrongly "pin-trace report" "pincount 1)"
	says held_wrongly "pin-trace report" "trace still on: 5 pins acquired, 3 released, of 5 folios; 4 of them not as it should be"
	answer held_wrongly pins | grep -A3 "^page $(value held_wrongly names | cut -d' ' -f1)," | grep -q '  pinned:'
	[ "$(value held_wrongly exit)" = 0 ]
	says held_wrongly "pin-trace report" "error: pin-trace: the kernel does not run" 2
}

@test "what cannot be: one line, and no traceback" {
	local command
	! grep -n -A5 'Traceback\|Python Exception' "$said"/{iterator,pages,bio,held_for_a_while,held_wrongly} || return 1
	while IFS='|' read -r command words; do
		says pages "$command" "error: ${command%% *}: $words"
		[ "$(answer pages "$command" | wc -l)" = 1 ]
	done <<-END
		page|which page?
		page nonsense|No symbol "nonsense" in current context.
		page test_disk|test_disk is of type
		page (long)known->pinned+1|$(printf '0x%x is in the middle of the struct page at %s' $(($(value pages pinned) + 1)) "$(value pages pinned)")
		page 0x7fffffffffff|0x7fffffffffff is not mapped
		page *known|*known is of type struct known_pages
		pins all|no arguments
		iov-iter|which iterator?
		iov-iter known|known is of type struct known_pages *, not struct iov_iter
		iov-iter 8|Cannot access memory at address 0x8
		iov-pages 8|Cannot access memory at address 0x8
		bio-pages 8|Cannot access memory at address
		pipe-bufs 8|Cannot access memory at address
		user-page|one address
		user-page nonsense known->uaddr|No symbol "nonsense"
		pin-watch|which page?
		pin-watch 0x7fffffffffff|0x7fffffffffff is not mapped
		pin-trace|on, on refs, off or report
		pin-trace later|on, on refs, off or report
		pin-trace report|nothing is recorded
	END
	value pages data | grep -q 'out>'	# the compiler has optimised it out
	for command in page iov-iter iov-pages bio-pages pipe-bufs; do
		says pages "$command data" "error: $command: data is optimized out here; try another frame ('up'), or its address"
	done
	# of garbage that can be read, some answer or other, but one that ends
	grep -q '^>> print \*(struct xarray \*)(known->unmapped)$' "$said/pages"
}

@test "before the kernel runs" {
	local command
	for command in "page 5" pins "user-page 0" "iov-pages 0" "pin-watch 5"; do
		run gdb -q -batch -x gdbinit -ex "$command" "$kernel"
		grep -qE "^${command%% *}: (the kernel does not run: 'run' starts it|Cannot access memory)" <<<"$output" || { echo "$output"; return 1; }
	done
	run gdb -q -batch -x gdbinit -ex pins
	grep -q '^pins: .*gdb -x gdbinit' <<<"$output" || { echo "$output"; return 1; }
}

@test "each command has a help that says how it is used" {
	local command
	for command in page user-page iov-iter iov-pages bio-pages pipe-bufs pins pin-watch pin-trace; do
		gdb -q -batch -x gdbinit -ex "help $command" | grep -q "^Usage: $command"
	done
	gdb -q -batch -x gdbinit -ex 'complete pin-trace o' | grep -qx 'pin-trace on'
	gdb -q -batch -x gdbinit -ex 'complete pin-trace on r' | grep -qx 'pin-trace on refs'
}
