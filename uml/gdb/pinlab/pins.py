# SPDX-License-Identifier: GPL-2.0
"""Who has pinned what: all pinned pages, and traces of how they came to be so."""
import gdb

from . import kernel, page
from .kernel import Trouble, constant

# mm/gup.c: all pins come and go by these
ACQUIRE = ("try_grab_page", "try_grab_folio")
RELEASE = ("gup_put_folio",)
# include/linux/page_ref.h: all references do (and pins, from within the above)
REFERENCES = {
    "page_ref_add": "+", "page_ref_sub": "-", "page_ref_inc": "+", "page_ref_dec": "-",
    "page_ref_sub_and_test": "-", "page_ref_inc_return": "+", "page_ref_dec_and_test": "-",
    "page_ref_dec_return": "-", "page_ref_add_unless": "+", "page_ref_freeze": "=",
    "page_ref_unfreeze": "=", "set_page_count": "=",
}
FRAMES = 24
# those that are the function's own; others have what its callers work with
REGISTERS = "rdi rsi rdx rcx rax r8 r9 r10 r11".split()


def values(*names):
    """The values of the variables of these names where the kernel has stopped, innermost first.

    The blocks of functions that are inlined there come first, also those whose first
    instruction it is: gdb shows these as a frame only after one step. There, a variable that
    is set later on may have any value.
    """
    frame = gdb.selected_frame()
    block = gdb.block_for_pc(frame.pc())
    while block and not block.is_static and not block.is_global:
        for symbol in block:
            if symbol.name in names and (symbol.is_argument or symbol.is_variable):
                try:
                    value = symbol.value(frame)
                    if not value.is_optimized_out:
                        value.fetch_lazy()
                        yield value
                except gdb.error:
                    continue
        if block.function and not inlined(block):
            return
        block = block.superblock


def argument(name):
    """The first value of a variable of that name; None if there is none."""
    return next((int(value) for value in values(name)), None)


def folio_here():
    """The head of the page or folio that the function at hand is about; None if it is not known.

    Where the debug info does not say in which register it is, it is the only page that
    any register points to, if there is no more than one.
    """
    for value in values("page", "folio"):
        try:
            return page.head_of(page.page_at(int(value)))
        except (Trouble, gdb.error):
            continue
    frame, found = gdb.selected_frame(), {}
    for name in REGISTERS:
        try:
            head = page.head_of(page.page_at(int(frame.read_register(name)) & (1 << 64) - 1))
            if int(head.address) != int(kernel.symbol("mem_map")):
                found[int(head.address)] = head     # not the array, from which a pfn is made
        except (Trouble, gdb.error):
            continue
    return next(iter(found.values())) if len(found) == 1 else None


def inlined(block):
    """Whether it is the body of a function that is inlined in another."""
    outer = block.superblock
    return outer is not None and not outer.is_static and not outer.is_global


def stack():
    """The frames from here on, innermost first, as text."""
    frames, frame = [], gdb.selected_frame()
    while frame and len(frames) < FRAMES:
        place = frame.find_sal()
        name = frame.name() or f"{frame.pc():#x}"
        where = f"{place.symtab.filename.rpartition('/linux-')[2].partition('/')[2] or place.symtab.filename}:{place.line}" \
            if place.symtab else "?"
        frames.append(f"{name} ({where})")
        if name in ("kthread", "handle_syscall", "new_thread_handler", "start_kernel"):
            break
        try:
            frame = frame.older()
        except gdb.error:
            break
    return tuple(frames)


def short(frames):
    """A stack, less the way through mm/gup.c: of that, how it was entered is enough."""
    shown = [frame for frame, outer in zip(frames, frames[1:] + ("",))
             if not ("(mm/gup.c:" in frame and "(mm/gup.c:" in outer)]
    return "\n".join(f"    {frame}" for frame in shown)


class Site(gdb.Breakpoint):
    """A function, and all places that it is inlined in; `seen` is told of the folio there."""
    def __init__(self, function, seen):
        super().__init__(function, internal=True)
        self.silent = True
        self.function, self.seen = function, seen

    def stop(self):
        try:
            head = folio_here()
            return not again(self.function, head) and bool(self.seen(self.function, head))
        except (Trouble, gdb.error) as error:
            print(f"{self.function}: {kernel.one_line(error)}")
            return False


last = None


def again(function, head):
    """Whether this is the stop before, once more.

    It is when a signal comes while gdb steps over the breakpoint, and where the body of
    an inlined function is in several pieces. Nothing has changed then.
    """
    global last
    frame = gdb.selected_frame()
    now = (function, int(frame.read_register("rsp")), head is not None and int(head.address),
           head is not None and str(page.counts_of(head)))
    same, last = head is not None and now == last, now
    return same


def set_sites(functions, seen):
    """Breakpoints on those of the functions that this kernel has."""
    sites = []
    for function in functions:
        try:
            gdb.decode_line(function)
        except gdb.error:
            continue                        # nobody calls it in this kernel
        sites.append(Site(function, seen))
    if not sites:
        raise Trouble(f"this kernel has none of {', '.join(functions)}")
    return sites


class Trace:
    """What became of each folio since it was started.

    folios: {address: [(what, number, stack)]}, in their order; what is "pinned" or
            "unpinned", or what was done with references of a folio that is pinned
    """
    def __init__(self, references):
        self.folios, self.unknown, self.references = {}, 0, references
        self.sites = set_sites(ACQUIRE, self.acquired) + set_sites(RELEASE, self.released)
        if references:
            self.sites += set_sites(REFERENCES, self.referenced)

    def note(self, head, what, number):
        if head is None:
            self.unknown += 1
        elif int(head.address) != page.zero_page():
            self.folios.setdefault(int(head.address), []).append((what, number, stack()))

    @staticmethod
    def with_pins():
        flags = argument("flags")
        return flags is None or flags & constant("FOLL_PIN")

    def acquired(self, function, head):
        if self.with_pins():
            refs = argument("refs") if function == "try_grab_folio" else 1
            self.note(head, "pinned", 1 if refs is None else refs)

    def released(self, _function, head):
        if self.with_pins():
            refs = argument("refs")
            self.note(head, "unpinned", 1 if refs is None else refs)

    def referenced(self, function, head):
        if head is None or self.left(int(head.address)) <= 0:
            return
        if any(frame.startswith(pin + " ") for frame in stack()[:4] for pin in ACQUIRE + RELEASE):
            return                          # that is what a pin is made of
        sign = REFERENCES[function]
        self.note(head, {"+": "took a reference", "-": "dropped a reference"}.get(sign, "set its count"), 1)

    def left(self, address):
        """Pins that were acquired and not released since."""
        events = self.folios.get(address, ())
        return sum({"pinned": n, "unpinned": -n}.get(what, 0) for what, n, _ in events)

    def stop(self):
        for site in self.sites:
            if site.is_valid():
                site.delete()
        self.sites = []

    def stacks(self, address, kind=None):
        """The events of a folio, or those of one kind: (what, times, stack), each stack once."""
        seen = {}
        for what, number, frames in self.folios.get(address, ()):
            if kind in (None, what):
                seen[what, frames] = seen.get((what, frames), 0) + number
        return [(what, times, frames) for (what, frames), times in seen.items()]


trace = None


def verdict(address):
    """What is wrong with a folio of the trace, in words; None if nothing is."""
    left = trace.left(address)
    counts = page.counts_of(page.page_at(address))
    if left < 0:
        return f"released {-left} more often than it was acquired since the trace began"
    if left == 0:
        return None
    if counts.pins == 0 and not counts.missing:
        return f"{left} pin{'s' * (left != 1)} not released, and it has none: somebody wrote its count"
    missing = page.missing_references(page.page_at(address), counts)
    if missing:
        return (f"{left} pin{'s' * (left != 1)} not released, and {missing} reference{'s' * (missing != 1)} "
                f"too few: released with the wrong verb, put_page()")
    if counts.pins != left:
        return f"{left} pin{'s' * (left != 1)} not released of the trace, {counts.pins} in all"
    return f"{left} pin{'s' * (left != 1)} not released"


def report():
    """Lines: the folios of the trace that are not as they should be; those that are alike once."""
    events = [event for folio in trace.folios.values() for event in folio]
    acquired = sum(n for what, n, _ in events if what == "pinned")
    released = sum(n for what, n, _ in events if what == "unpinned")
    alike = {}
    for address in trace.folios:
        said = verdict(address)
        if said:
            alike.setdefault((said, tuple(trace.stacks(address))), []).append(page.page_at(address))
    lines = []
    for (said, stacks), pages in alike.items():
        lines += [f"page {int(found.address):#x}, {page.in_short(found)}" for found in pages[:4]]
        lines += [f"... and {len(pages) - 4} more pages"] * (len(pages) > 4)
        lines.append(f"  {said}")
        lines += [f"  {what}{f', {times} times' if times != 1 else ''}:\n{short(frames)}" for what, times, frames in stacks]
    wrong = sum(map(len, alike.values()))
    lines.append(f"trace {'still on' if trace.sites else 'off'}: {acquired} pins acquired, {released} released, "
                 f"of {len(trace.folios)} folios; {wrong or 'none'} of them not as it should be")
    if trace.unknown:
        lines.append(f"{trace.unknown} times the compiler has left no trace of which page it was")
    return lines


class PinTrace(gdb.Command):
    """Record who acquires and releases pins, and report what does not come out even.

Usage: pin-trace on [refs] | off | report

on      forget what was recorded, and record each pin and unpin with its stack. With
        refs, also the references that are taken and dropped of pages that are pinned:
        what put_page() did instead of an unpin. The kernel is stopped for a moment at
        each change of a count then, which takes a millisecond.
off     record no more
report  the pages that were acquired and never released, released too often, or
        released with the wrong verb, with the stacks. Pins that were there before
        "on" are not known to it."""

    def __init__(self):
        super().__init__("pin-trace", gdb.COMMAND_DATA)

    def complete(self, text, word):
        words = ["refs"] if text.startswith("on ") else ["on", "off", "report"]
        return [w for w in words if w.startswith(word)]

    def invoke(self, text, _from_tty):
        global trace
        try:
            words = text.split()
            if words in (["on"], ["on", "refs"]):
                if trace:
                    trace.stop()
                # or all breakpoints would be put in and taken out at each
                gdb.execute("set breakpoint always-inserted on")
                gdb.execute("set displaced-stepping on")
                trace = Trace(len(words) == 2)
            elif words in (["off"], ["report"]):
                if trace is None:
                    raise Trouble("nothing is recorded: 'pin-trace on' first")
                if words == ["off"]:
                    trace.stop()
                else:
                    kernel.alive()
                    print("\n".join(report()))
            else:
                raise Trouble("on, on refs, off or report")
        except (Trouble, gdb.error) as error:
            raise gdb.GdbError(f"pin-trace: {kernel.one_line(error)}") from None


class Pins(kernel.Command):
    """Show all pages of the machine that are pinned now.

Usage: pins

With each, how it is held, whose it is, and, if pin-trace is on, who pinned it."""
    name = "pins"
    complete_with = gdb.COMPLETE_NONE

    def run(self, text):
        if text:
            raise Trouble("no arguments")
        kernel.alive()
        found = page.pinned_pages()
        for head, _ in found:
            print(f"page {int(head.address):#x}, {page.in_short(head)}")
            print(f"  owner: {page.safely(page.mapping_of, head)}")
            if trace:
                for _, times, frames in trace.stacks(int(head.address), "pinned"):
                    print(f"  pinned{f', {times} times' if times != 1 else ''}:\n{short(frames)}")
        total = sum(counts.pins for _, counts in found)
        print(f"{total} pin{'s' * (total != 1)} of {len(found)} folio{'s' * (len(found) != 1)}")


class PinWatch(kernel.Command):
    """Stop, with a backtrace, whenever the count of a page is about to change.

Usage: pin-watch PAGE
       pin-watch off

PAGE is what the command `page` takes. Of a page in a larger folio, the folio's count is
watched. It stops at the functions of include/linux/page_ref.h, by which all references
and pins come and go; a processor's watchpoints are not to be had everywhere."""
    name = "pin-watch"
    sites, address = [], 0

    def run(self, text):
        if not text:
            raise Trouble("which page?")
        head = None if text == "off" else page.head_of(page.page_from(text))
        for site in self.sites:
            if site.is_valid():
                site.delete()
        self.sites = []
        if head is None:
            return
        self.address = int(head.address)
        gdb.execute("set breakpoint always-inserted on")
        gdb.execute("set displaced-stepping on")
        self.sites = set_sites(REFERENCES, self.seen)
        print(f"watching page {self.address:#x}, {page.in_short(head)}")

    def seen(self, function, head):
        if head is None or int(head.address) != self.address:
            return False
        sign = REFERENCES[function]
        print(f"\npin-watch: page {self.address:#x}, {page.in_short(head)}\n"
              f"  {function}() is about to {'add to' if sign == '+' else 'take from' if sign == '-' else 'set'} its count:")
        print(short(stack()))
        return True


PinTrace()
Pins()
PinWatch()
