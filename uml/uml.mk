##@ Test and debug (uml/kunit says more)

.PHONY: kunit kunit-x86_64 gdb check-gdb

kunit: tree ## build the kernel with the KUnit suites and run them (the default)
	@uml/kunit run

kunit-x86_64: tree ## the same for a PC, under qemu: SMP, preemption, GUP-fast
	@ARCH=x86_64 uml/kunit run

gdb: tree ## stop gdb at the first line of a KUnit test (T=suite.case)
	@uml/kunit gdb

check-gdb: tree ## test gdbinit and make gdb
	@uml/kunit build
	@linux-patches/gates gdb
