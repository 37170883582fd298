# SPDX-License-Identifier: GPL-2.0
"""struct pipe_inode_info: the ring of a pipe, and what each buffer says of its page."""
import gdb.printing

from . import kernel, page
from .kernel import Trouble, constant


def slots(pipe):
    """(slot, struct pipe_buffer) from the tail, where data is read, to the head.

    Trouble if it cannot be a pipe.
    """
    ring, head, tail = (int(pipe[name]) for name in ("ring_size", "head", "tail"))
    used = head - tail & 0xffffffff
    if not ring or ring & ring - 1 or used > ring:
        raise Trouble(f"{int(pipe.address):#x} is no pipe: a ring of {ring}, {used} of them used")
    for slot in range(tail, tail + used):
        yield slot & 0xffffffff, pipe["bufs"][slot & ring - 1]


def buffer_at(pipe, slot):
    return pipe["bufs"][slot & int(pipe["ring_size"]) - 1]


def flags_of(buf):
    value, words = int(buf["flags"]), []
    for name in ("LRU", "ATOMIC", "GIFT", "PACKET", "CAN_MERGE", "WHOLE"):
        try:
            bit = constant("PIPE_BUF_FLAG_" + name)
        except Trouble:
            continue
        if value & bit:
            words.append(name)
            value &= ~bit
    return "|".join(words + [f"{value:#x}"] * (value != 0)) or "none"


def describe(pipe):
    """(headline, rows): a row for each buffer."""
    rows = []
    for slot, buf in slots(pipe):
        rows.append((slot, f"{int(buf['len'])} bytes at {int(buf['offset'])}",
                     kernel.function_name(buf["ops"]), f"flags {flags_of(buf)}",
                     f"page {int(buf['page']):#x}, " + page.safely(lambda b=buf: page.in_short(page.page_at(int(b["page"]))))))
    head = (f"pipe {int(pipe.address):#x}: {len(rows)} of {int(pipe['max_usage'])} buffers in use, "
            f"{int(pipe['readers'])} readers, {int(pipe['writers'])} writers")
    return head, [("slot", "data", "operations", "", "")] * bool(rows) + rows


class PipePrinter:
    """struct pipe_inode_info: its ring."""
    def __init__(self, value):
        self.value = value

    @kernel.printable
    def to_string(self):
        head, rows = describe(self.value)
        return "\n".join([head] + kernel.table(rows))


class PipeBufs(kernel.Command):
    """Show the buffers of a pipe.

Usage: pipe-bufs EXPR

EXPR is a struct pipe_inode_info or a pointer to one. For each buffer from the tail (read
next) to the head: its slot, the data in it, its operations, which alone know how the page
is held, its flags, and how the page is held now."""
    name = "pipe-bufs"

    def run(self, text):
        pipe = kernel.struct_at(text, "struct pipe_inode_info", "pipe")
        kernel.alive()
        head, rows = describe(pipe)
        print("\n".join([head] + kernel.table(rows)))


PipeBufs()
printers = gdb.printing.RegexpCollectionPrettyPrinter("pinlab-pipe")
printers.add_printer("pipe", "^pipe_inode_info$", PipePrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)
