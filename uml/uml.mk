##@ Test and debug (uml/kunit says more)

.PHONY: kunit kunit-x86_64 watch gdb clangd bench-loop check-gdb check-graph check-graph-some

kunit: tree ## build the kernel with the KUnit suites and run them (the default)
	@uml/kunit run

kunit-x86_64: tree ## the same for a PC, under qemu: SMP, preemption, GUP-fast
	@ARCH=x86_64 uml/kunit run

watch: tree ## on every save: build, run, say what is otherwise (T=suite.case)
	@uml/watch

gdb: $(if $(E2E),kernel,tree) ## stop gdb in a KUnit test (T=suite.case); see E2E, MUTANT
	@$(if $(E2E),uml/e2e/run gdb '$(E2E)',$(if $(MUTANT),uml/mutant gdb '$(MUTANT)',uml/kunit gdb))

clangd: tree ## write compile_commands.json, for the tree and for kunit/
	@uml/kunit build
	@uml/clangd

bench-loop: tree ## make kunit beside the stock kunit.py run (by hand: 50 min)
	@uml/bench-loop edits
	@uml/bench-loop cold

check-graph: tree ## after each kind of change, what is built is what kbuild builds (by hand: 30 min)
	@linux-patches/gates graph

# those that are made most, and those that kbuild itself overlooks
check-graph-some: tree ## the same after some kinds of change
	@KINDS='nothing changed|a header|not an archive|an included header|an older file|the configuration' linux-patches/gates graph

check-gdb: kernel ## test gdbinit and make gdb
	@uml/kunit build
	@linux-patches/gates gdb

##@ Run programs on it (uml/run and uml/e2e say more)

.PHONY: kernel shell e2e proof bench-pin check-run

kernel: tree ## build the kernel that uml/run boots, with filesystems and disks
	@uml/kernel patched >/dev/null

shell: kernel ## a shell on the patched kernel, in your files
	@uml/run

e2e: kernel ## real programs do real I/O on the patched kernel (T=name)
	@uml/e2e/run $(if $(T),'$(T)')

proof: tree ## fork() during direct I/O: data lost unpatched, intact patched (RUNS=)
	@uml/proof

bench-pin: tree ## the price of pins: ns a page, and fio's IOPS (by hand: 15 min)
	@uml/bench-pin cost
	@uml/bench-pin iops

check-run: kernel ## test uml/run
	@linux-patches/gates run
