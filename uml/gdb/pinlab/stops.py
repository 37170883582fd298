# SPDX-License-Identifier: GPL-2.0
"""Where gdb stops: at the first line of a KUnit test, at its end, in a program's system call.

KUnit calls a test by a pointer, in a thread of its own, while the thread that goes from
test to test sleeps. Which test it is stands in struct task_struct; nothing that a user
may have missed has to be remembered.
"""
import fnmatch
import glob
import os
import re
import shlex

import gdb

from .kernel import (Command, Trouble, at, current, function_name, kernel_file, once, one_line, read_ulong,
                     string, symbol, table, tasks, type_of)

# of the KUnit kernel; lpj= saves a fifth of a second
ARGS = "mem=1G console=tty lpj=10000000 kunit_shutdown=halt kunit.enable=1"
# runs one test, one parameter of one test
RUNNER = "kunit_run_case_catch_errors"
# what uml/init/command.c calls the process that becomes the command
COMMAND = "uml/run command"
ORIG_RAX = 15           # of struct uml_pt_regs' gp: which system call it is


class Case:
    """A case of a suite, as the kernel's table has it."""

    def __init__(self, suite, case):
        self.suite = string(suite["name"], None)
        self.case = string(case["name"], None)
        self.name = f"{self.suite}.{self.case}"
        self.function = int(case["run_case"])
        self.parametrised = int(case["generate_params"]) != 0


def block_of(address, name):
    """The block of the function that starts there, not of what is inlined at its start."""
    block = found = gdb.block_for_pc(address)
    while block and not block.is_static:
        found = block if block.function else found
        block = block.superblock
    if not found or not found.function:
        raise Trouble(f"{name} is at {address:#x}, which has no debug info")
    return found


def place_of(address, name):
    """The first line of a function, as gdb's "break" takes it: other files have functions of that name."""
    function = block_of(address, name).function
    return f'-qualified -source "{function.symtab.filename}" -function {function.name}'


def cases():
    """All of them, in the order in which they run; Trouble if this kernel has none."""
    try:
        first, last = (int(gdb.parse_and_eval(f"&__kunit_suites_{end}")) for end in ("start", "end"))
    except gdb.error:
        raise Trouble("this kernel has no KUnit suites: make gdb starts one that has") from None
    pointer = type_of("struct kunit_suite").pointer()
    for address in range(first, last, pointer.sizeof):
        suite = gdb.Value(address).cast(pointer.pointer()).dereference().dereference()
        case = suite["test_cases"]
        while int(case["run_case"]):
            yield Case(suite, case)
            case += 1


def some_cases(what):
    """Those that SUITE[.CASE] means, both of them globs; Trouble if there are none."""
    everything = list(cases())
    suite, dot, case = what.partition(".")
    found = [c for c in everything
             if fnmatch.fnmatchcase(c.suite, suite) and fnmatch.fnmatchcase(c.case, case if dot else "*")]
    if found:
        return found
    siblings = [c.case for c in everything if c.suite == suite]
    if siblings:
        raise Trouble(f"suite {suite} has no test '{case}'; it has {', '.join(siblings)}")
    raise Trouble(f"there is no test '{what}'; the suites are {', '.join(dict.fromkeys(c.suite for c in everything))}")


def complete_cases(text, word):
    """For gdb's completion, of the last WORD of the text: suites, and from the dot on cases."""
    try:
        names = [c.name if "." in text else c.suite for c in cases()]
    except (Trouble, gdb.error):
        return []
    found = [name for name in dict.fromkeys(names) if name.startswith(text)]
    if found == [text] and "." not in text:
        found += [c.name for c in cases() if c.suite == text]
    return [name[len(text) - len(word):] for name in found]


class Run:
    """A test that runs, with one parameter if it has any: from its struct kunit_try_catch_context."""

    def __init__(self, context):
        self.context = context
        self.test = context["test"].dereference()
        self.case = Case(context["suite"], context["test_case"].dereference())
        self.number = int(self.test["param_index"]) + 1

    def parameter(self):
        """What KUnit calls the parameter; its number where that cannot be found."""
        return _parameter(self.context, self.test) or f"param-{self.number - 1}"

    def __str__(self):
        return self.case.name + (f":{self.parameter()}" if self.case.parametrised else "")

    def verdict(self):
        status = {"KUNIT_SUCCESS": "passed", "KUNIT_FAILURE": "failed", "KUNIT_SKIPPED": "was skipped"}
        comment = string(self.test["status_comment"])
        return f"{self} {status.get(str(self.test['status']), '?')}" + (f": {comment}" if comment else "")


_offsets = {}


def _frame_offsets(pc):
    """{variable: where in the frame it lies, from its upper end}, of those seen at an address."""
    if pc not in _offsets:
        text = gdb.execute(f"info scope *{pc:#x}", to_string=True)
        _offsets[pc] = {name: int(offset) for name, offset in
                        re.findall(r"Symbol (\w+) is [^:\n]*:\s+0: DW_OP_fbreg (-?\d+)\s*,", text)}
    return _offsets[pc]


def _parameter(context, test):
    """The name of the parameter is on the stack of the thread that sleeps, as struct kunit and the context are."""
    try:
        inner = _frame_offsets(int(symbol(RUNNER).address))["context"]
        caller = _frame_offsets(read_ulong(int(context.address) - inner - 8))
        name = int(test.address) - caller["test"] + caller["param_desc"]
    except (KeyError, gdb.error):
        return ""
    return string(gdb.Value(name).cast(type_of("char").pointer()))


def run_of(task):
    """The test that a thread runs, or None."""
    test = task["kunit_test"]
    if not int(test) or int(task["exit_state"]):
        return None
    return Run(at("struct kunit_try_catch_context", int(test["try_catch"]["context"])))


def running():
    """The test that runs now, or None between two tests.

    Its own thread knows it. If that has ended, by an assertion, the other one may be at
    its exit hook.
    """
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.name() == RUNNER:
            return Run(frame.read_var("context"))
        frame = frame.older()
    for task in [current()] + list(tasks()):
        run = run_of(task)
        if run:
            return run
    return None


class CaseBreak(gdb.Breakpoint):
    """A breakpoint at the first line of a case, which says which test it is.

    parameter   None for all, a number as in the log, or a glob
    """

    def __init__(self, case, parameter=None, **kind):
        super().__init__(place_of(case.function, case.name), **kind)
        if self.pending:
            self.delete()
            raise Trouble(f"{case.name} has no first line that gdb can find")
        self.parameter = parameter
        self.stops = False
        # where the compiler has copied it into another function, it is not the test
        block = block_of(case.function, case.name)
        for location in getattr(self, "locations", []):
            if not block.start <= location.address < block.end:
                location.enabled = False

    def stop(self):
        try:
            run = run_of(current())
            # without, it is a test that calls this one
            self.stops = run is not None and (
                self.parameter is None or str(run.number) == self.parameter or
                fnmatch.fnmatchcase(run.parameter(), self.parameter))
        except (Trouble, gdb.error) as error:
            gdb.write(f"kunit-break: {one_line(error)}\n")
            self.stops = True
        return self.stops


def say_which(event):
    """When gdb has stopped. Breakpoints are asked more often: after each signal on the way on."""
    if any(isinstance(b, CaseBreak) and b.stops for b in getattr(event, "breakpoints", [])):
        try:
            gdb.write(f"{run_of(current())}\n")
        except (Trouble, gdb.error) as error:
            gdb.write(f"kunit-break: {one_line(error)}\n")


gdb.events.stop.connect(say_which)


class Way(gdb.Breakpoint):
    """A breakpoint of a command's own, for one stop; gdb says nothing of it."""

    def __init__(self, place, wanted=None):
        super().__init__(place, internal=True)
        self.silent = True
        self.wanted = wanted

    def stop(self):
        return self.wanted is None or bool(self.wanted())


class Patience(gdb.Breakpoint):
    """KUnit waits five minutes for a test, also while gdb stands in it: let it wait for ever."""

    def stop(self):
        if gdb.newest_frame().older().name() == "kunit_try_catch_run":
            gdb.execute(f"set var timeout = {2**63 - 1:#x}")
        return False


def be_patient():
    if not any(isinstance(b, Patience) for b in gdb.breakpoints()):
        Patience("*wait_for_completion_timeout", internal=True)


def resume(how, *ways):
    """Go on, to the first of the breakpoints; which is returned, or None if something else stopped it."""
    reached = []

    def note(event):
        reached[:] = [b for b in getattr(event, "breakpoints", [])
                      if b in ways or b.visible and not b.condition and getattr(b, "stops", True)]
    gdb.events.stop.connect(note)
    try:
        gdb.execute(how)
    finally:
        gdb.events.stop.disconnect(note)
        for way in ways:
            if way.is_valid():
                way.delete()
    return reached[0] if len(reached) == 1 and reached[0] in ways else None


def returns_of(name):
    """Where a function ends: the addresses of its "ret"."""
    start = int(symbol(name).address)
    instructions = gdb.selected_inferior().architecture().disassemble(start, start + 0x1000)
    ends = []
    for instruction in instructions:
        if function_name(instruction["addr"]) != name:
            break
        if instruction["asm"].startswith("ret"):
            ends.append(instruction["addr"])
    if not ends:
        raise Trouble(f"{name}() has no end that can be found")
    return ends


def exited():
    return not gdb.selected_inferior().pid


def to_test(how):
    """Go on to the first line of the next test. One whose init fails comes to its end without it."""
    over = []
    if not exited():
        frame = gdb.newest_frame()
        while frame is not None and frame.name() != "__kunit_test_suites_init":
            frame = frame.older()
        if frame is not None:
            over.append(Way(f"*{frame.older().pc():#x}"))
    entry = Way(f"*{int(symbol(RUNNER).address):#x}")
    reached = resume(how, entry, *over)
    if exited():
        gdb.write("no more tests: the kernel has halted\n")
    elif reached is entry:
        to_first_line(gdb.newest_frame())
    elif reached:
        gdb.write("no more tests: the kernel halts when it goes on\n")
        gdb.execute("frame")


def to_first_line(frame):
    """Go on from a frame of RUNNER's to the first line of its test, or to the end if that comes first."""
    case = Case(frame.read_var("suite"), frame.read_var("test_case").dereference())
    first = CaseBreak(case, internal=True)
    first.silent = True
    to_end(int(frame.read_var("test")), first)


def to_end(test, *firsts):
    """Go on to the end of a test, after its exit hook, or to its first line; TEST is the address of its struct kunit."""
    ends = [Way(f"*{end:#x}") for end in returns_of(RUNNER)]
    reached = resume("continue", *ends, *firsts)
    if exited():
        gdb.write("the kernel has died in this test\n")
    elif reached in firsts:
        gdb.execute("frame")
    elif reached:
        context = at("struct kunit", test)["try_catch"]["context"]
        gdb.write(Run(at("struct kunit_try_catch_context", int(context))).verdict() + "\n")
        # back to the caller, in which "test" and "test_case" can be read
        gdb.execute("stepi")


class KunitList(Command):
    """List the KUnit tests that are in the kernel, in the order in which they run.

Usage: kunit-list [SUITE[.CASE]]
Both can be globs. The kernel need not run. A case with parameters runs once for each."""
    name = "kunit-list"

    def complete(self, text, word):
        return complete_cases(text, word)

    def run(self, text):
        suite, rows = None, []
        for case in some_cases(text or "*"):
            if case.suite != suite:
                suite = case.suite
                rows.append([suite])
            rows.append(["  " + case.case, "with parameters" if case.parametrised else ""])
        print("\n".join(table(rows, "")))


class KunitBreak(Command):
    """Set a breakpoint at the first line of a KUnit test.

Usage: kunit-break SUITE[.CASE[:PARAMETER]]
Without CASE: of each case of the suite. SUITE and CASE can be globs. It stops for
each parameter of a test that has some, and says which, or only for one: its number,
or its name, a glob, as they are in the log. The kernel need not run yet."""
    name = "kunit-break"

    def complete(self, text, word):
        return complete_cases(text, word)

    def run(self, text):
        if not text:
            raise Trouble("which test? SUITE or SUITE.CASE; kunit-list lists them")
        what, colon, parameter = text.partition(":")
        found = some_cases(what)
        if colon and not parameter:
            raise Trouble("which parameter? its number, or its name as the log has it")
        for case in found:
            if colon and not case.parametrised:
                raise Trouble(f"{case.name} has no parameters")
        for case in found:
            CaseBreak(case, parameter or None)
        be_patient()


class KunitNext(Command):
    """Go on to the end of the KUnit test that runs, or to the start of the next one.

Usage: kunit-next
In a test, it stops where the test is over, with its exit hook run and its failures
reported, and says whether it passed. Between two tests it stops at the first line of
the next one. Each parameter is a test of its own. Other breakpoints stop as always.
Before "run" it starts the kernel."""
    name = "kunit-next"
    complete_with = gdb.COMPLETE_NONE

    def run(self, text):
        if text:
            raise Trouble("takes no argument; kunit-break stops at a test by name")
        next(cases())
        if exited():
            start()
            to_test("run")
            return
        frame = gdb.newest_frame()
        while frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        if frame.name() == RUNNER:
            to_first_line(frame)            # it may be over as well
            return
        run = running()
        if run:
            to_end(int(run.test.address))
        else:
            to_test("continue")


def arguments():
    """What the kernel will be told, as gdb has it for a shell."""
    return gdb.execute("show args", to_string=True).partition('"')[2].rpartition('"')[0]


class KunitFail(Command):
    """Go on to the next expectation or assertion of a KUnit test that fails.

Usage: kunit-fail
It stops there before the test goes on, and before it may have put right what it found
wrong. Other breakpoints stop as always."""
    name = "kunit-fail"
    complete_with = gdb.COMPLETE_NONE

    def run(self, text):
        if text:
            raise Trouble("takes no argument; kunit-break stops at a test by name")
        next(cases())
        if exited():
            start()
        way = Way("-qualified -function kunit_do_failed_assertion")
        if resume("run" if exited() else "continue", way):
            frame = gdb.newest_frame().older()
            gdb.write(f"{running()}: an expectation fails\n")
            frame.select()
            gdb.execute("frame")
        elif exited():
            gdb.write("none has failed: the kernel has halted\n")


def start(only=None):
    """Prepare "run": what the kernel is told, ONLY the glob of the tests to run."""
    words = [word for word in arguments().split() if only is None or "kunit.filter_glob=" not in word]
    if not any(word.startswith("kunit") for word in words):
        words += ARGS.split()
    if only:
        words.append(shlex.quote(f"kunit.filter_glob={only}"))
    gdb.execute("set args " + " ".join(words))
    be_patient()


def last_failures():
    """What failed in the last "make kunit" of this kernel: [(Case, parameter or None)].

    A test in which the kernel died or hung has said nothing yet: it is the one after
    the last that has.
    """
    try:
        with open(os.path.dirname(kernel_file()) + "/test.log", encoding="utf-8", errors="replace") as log:
            text = log.read()
    except OSError:
        return []
    failed, suite, case, done, parameters, bad = [], None, None, None, 0, False
    for indent, word, number, name in re.findall(
            r"^( *)(ok|not ok|# Subtest:) ?(\d*) ?(.*?)(?: # .*)?$", text, re.MULTILINE):
        depth = len(indent) // 4
        if word == "# Subtest:":
            if depth == 1:
                suite, case, done = name, None, None
            elif depth == 2:
                case, parameters, bad = name, 0, False
        elif depth == 2:
            parameters += 1
            if word == "not ok":
                failed.append((suite, case, glob.escape(name)))
                bad = True
        elif depth == 1:
            if word == "not ok" and not (name == case and bad):
                failed.append((suite, name, None))
            done, case = name, None
        else:
            suite = None
    known = {c.name: c for c in cases()}
    if suite:
        if case:
            failed.append((suite, case, str(parameters + 1)))
        else:
            only = re.search(r"kunit\.filter_glob=[^.\s]*\.(\S+)", text)
            names = [c.case for c in known.values() if c.suite == suite and
                     (not only or fnmatch.fnmatchcase(c.case, only.group(1)))]
            after = names[names.index(done) + 1:] if done in names else names
            failed += [(suite, name, None) for name in after[:1]]
    return [(known[f"{suite}.{case}"], parameter) for suite, case, parameter in failed if f"{suite}.{case}" in known]


def a_few(names, limit=6):
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")


class KunitStart(Command):
    """Start the kernel, and stop at the first line of a KUnit test.

Usage: kunit-start [SUITE[.CASE[:PARAMETER]]]
Only the tests meant run, and the first of them stops; SUITE, CASE and PARAMETER as for
kunit-break. Without an argument it is the test that failed in the last "make kunit" of
this kernel; if none did, the first of all. Other breakpoints stop as always."""
    name = "kunit-start"

    def complete(self, text, word):
        return complete_cases(text, word)

    def run(self, text):
        what, _, parameter = text.partition(":")
        found = some_cases(what or "*")[0]
        if not what:
            failures = last_failures()
            if failures:
                names = [case.name + (f":{parameter}" if parameter else "") for case, parameter in failures]
                gdb.write(f"failed in the last run: {names[0]}" +
                          (f"; and {a_few(names[1:])}" if names[1:] else "") + "\n")
                found, parameter = failures[0]
                what = found.name
        if parameter and not found.parametrised:
            raise Trouble(f"{found.name} has no parameters")
        start(what)
        if ready():
            for case in some_cases(what) if what else []:
                CaseBreak(case, parameter or None)
            gdb.write("'run' starts the kernel\n")
            return
        CaseBreak(found, parameter or None, temporary=True)
        gdb.execute("run")
        if exited():
            raise Trouble(f"{found.name} has not run" + (f" with parameter {parameter}" if parameter else ""))


@once
def system_calls():
    """[(name, address of its function)], by number; the name is empty where there is none."""
    pointer = type_of("long").pointer()
    start = symbol("sys_call_table").address.cast(pointer)
    none = int(symbol("sys_ni_syscall").address)
    calls = []
    for number in range(int(symbol("syscall_table_size")) // pointer.sizeof):
        address = int(start[number])
        name = re.sub(r"^(__(x64|se|do)_)?sys_", "", function_name(address))
        calls.append(("" if address == none else name, address))
    return calls


def array(value):
    return [value[i] for i in range(value.type.range()[1] + 1)]


def process(task):
    return f"{string(task['comm'])} (pid {int(task['tgid'])})"


class SyscallBreak(gdb.Breakpoint):
    """A breakpoint at a system call that a program makes: all that run but init and the kernel's own threads."""

    def stop(self):
        try:
            task = current()
            return int(task["tgid"]) != 1 and int(task["mm"]) != 0
        except (Trouble, gdb.error):
            return True


class SyscallBreakCommand(Command):
    """Set a breakpoint at a system call of the command of uml/run, and of its children.

Usage: syscall-break NAME|NUMBER
It stops in the function that does the call, its arguments can be read there. PID 1 and
the kernel's own threads do not stop. The kernel need not run yet."""
    name = "syscall-break"

    def complete(self, text, word):
        try:
            names = {name for name, _ in system_calls() if name}
        except (Trouble, gdb.error):
            return []
        return sorted(name[len(text) - len(word):] for name in names if name.startswith(text))

    def run(self, text):
        if not text:
            raise Trouble("which system call? its name, or its number")
        calls = system_calls()
        if text.isdecimal():
            name, address = calls[int(text)] if int(text) < len(calls) else ("", 0)
        else:
            name, address = next((call for call in calls if call[0] in (text, "new" + text)), ("", 0))
        if not name:
            raise Trouble(f"this kernel has no system call {text}")
        SyscallBreak(place_of(address, name))


class GuestStart(Command):
    """Boot the kernel of uml/run --gdb, and stop at the first system call of its command.

Usage: guest-start
It stops in handle_syscall(), where all system calls come by; syscall-break stops in one
of them. Of an end-to-end test, the first case is what stops. It boots once: start
uml/run again for another time."""
    name = "guest-start"
    complete_with = gdb.COMPLETE_NONE

    def run(self, text):
        if text:
            raise Trouble("takes no argument; what to run is the command line of uml/run")
        if not exited():
            raise Trouble("the kernel runs already; start uml/run --gdb again")
        if "rootfstype=hostfs" not in arguments():
            raise Trouble("only uml/run --gdb can do that, which prepares what the kernel boots into")
        if ready():
            gdb.write("'run' boots the kernel\n")
            return
        test = os.environ.get("PINLAB_E2E")
        if not self.go("run", Way("*begin_new_exec", lambda: self.is_command(test))):
            return
        command = int(current().address)
        if test:
            setpgid = next(address for name, address in system_calls() if name == "setpgid")
            if not self.go("continue", Way(f"*{setpgid:#x}", lambda: self.is_case(command))):
                return
            command = int(current().address)
        if self.go("continue", Way("-qualified -function handle_syscall", lambda: int(current().address) == command)):
            number = int(gdb.newest_frame().read_var("r")["gp"][ORIG_RAX])
            calls = system_calls()
            name = calls[number][0] if number < len(calls) else ""
            gdb.write(f"{process(current())}: {name or number}()\n")
            gdb.execute("frame")

    def go(self, how, way):
        if resume(how, way):
            return True
        if exited():
            raise Trouble("the kernel has ended, and the command has not started; its log says why")
        return False

    def is_command(self, test):
        """In begin_new_exec(), when a program is found and takes the process over."""
        if test:
            return string(gdb.newest_frame().read_var("bprm")["filename"], None) == test
        return string(current()["comm"]) == COMMAND

    def is_case(self, command):
        """In setpgid(): whether this is the process in which uml/e2e/e2e.c runs a case.

        in_a_process() forks others, too, to make what is to be tested; then it calls
        setpgid(), with the function that is to be done in a register: here it is do_run().
        """
        task = current()
        do_run = int(os.environ["PINLAB_E2E_RUN"], 16)
        first, last = int(task["mm"]["start_code"]), int(task["mm"]["end_code"])
        registers = map(int, array(task["thread"]["regs"]["regs"]["gp"]))
        return int(task["real_parent"]) == command and \
            any(first <= value < last and (value - do_run) % 4096 == 0 for value in registers)


commands = [command() for command in (KunitList, KunitBreak, KunitNext, KunitFail, KunitStart, SyscallBreakCommand, GuestStart)]


def ready():
    """Only prepare: the user types "run"."""
    return os.environ.get("RUN") == "no" and "PINLAB_GDB" in os.environ


def begin():
    """For scripts: do the command in $PINLAB_GDB; gdb ends with status 1 if it is refused."""
    try:
        gdb.execute(os.environ["PINLAB_GDB"])
        del os.environ["PINLAB_GDB"]
    except gdb.error as error:
        gdb.write(f"{one_line(error)}\n", gdb.STDERR)
        gdb.execute("set confirm off")
        gdb.execute("quit 1")
