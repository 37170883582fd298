# pinlab: the pin conversion of Linux' iov_iter, and the lab it is tested in.
# "make help" says what there is to do.

# Define BASE to work on another base: a folder of linux-patches/.
BASE ?= 6.1
# Define LINUX_SRC to a git tree, a folder or a tarball of that Linux, to start
# from it instead of Debian's source package.
LINUX_SRC ?=
# Define T to run only the tests that match: KUnit's T=iov_iter_pipe, T='*.zero*',
# T=splice of make e2e, or what a mutant has in its line.
T ?=
# Define E2E for make gdb to stop in an end-to-end test: E2E=splice, E2E='splice:ext4*';
# RUN=no not to start the kernel yet, and GDB to another gdb, or one with options.
E2E ?=
RUN ?=
# Define MUTANT to have make gdb start on a kernel with a mistake in it: words of a line
# of linux-patches/$(BASE)/mutants, MUTANT=get_more_blocks; "uml/mutant list" shows them.
MUTANT ?=
# Define ARCH to run the suites elsewhere than on user-mode Linux: ARCH=x86_64
ARCH ?= um
# Define J to the number of compilers at a time, if not one a processor.
J ?=
# Define DISTCC_HOSTS to have other machines compile, as distcc has it.
DISTCC_HOSTS ?=
# Define TIMEOUT to the seconds after which a run of the suites is a hang.
TIMEOUT ?= 120
# Define BUILD to put all that is generated elsewhere than in build/.
BUILD ?= build
# Define V=1 to see each command, and each test that passes.
V ?= 0
# Define OUT (export), VERSION (rebase): see linux-patches/tree.

export BASE LINUX_SRC T E2E RUN MUTANT ARCH J DISTCC_HOSTS TIMEOUT BUILD V OUT VERSION
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := kunit

include uml/uml.mk
include linux-patches/tree.mk

.PHONY: check help
##@ All of it
check: ## run all that the project has as tests, and sum it up (linux-patches/check)
	@linux-patches/check

help: ## list targets and knobs
	@awk '/^include/ { ARGV[ARGC++] = $$2 } \
	FNR == 1 && FILENAME != "Makefile" { title = ""; } \
	/^##@/ { printf "\n%s:\n", substr($$0, 5) } \
	/^[a-z0-9_-]+:.*## / { split($$0, a, ":.*## "); printf "  %-14s %s\n", a[1], a[2] } \
	FILENAME == "Makefile" && /^# Define/ { knobs = knobs "\n  " substr($$0, 10); more = 1; next } \
	FILENAME == "Makefile" && more && /^# / { knobs = knobs "\n    " substr($$0, 3); next } \
	{ more = 0 } \
	END { print "\nKnobs (make TARGET KNOB=value):" knobs }' Makefile
