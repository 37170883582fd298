# SPDX-License-Identifier: GPL-2.0
"""struct xarray: its entries, in the order of their indices."""
import gdb
import gdb.printing

from . import kernel
from .kernel import Trouble, at, constant

# include/linux/xarray.h: the two lowest bits say what an entry is
MAX_SIBLING = 62
RETRY, ZERO = 256, 257


def is_internal(entry):
    return entry & 3 == 2


def is_node(entry):
    return is_internal(entry) and entry > 4096


def is_sibling(entry):
    return is_internal(entry) and entry >> 2 <= MAX_SIBLING


def node_of(entry, most):
    """(shift, slots) of the node that an entry points to; Trouble if it cannot be one."""
    node = at("struct xa_node", entry - 2)
    shift = int(node["shift"])
    if shift % constant("XA_CHUNK_SHIFT") or shift > most:
        raise Trouble(f"{entry - 2:#x} is no node of an xarray: its shift is {shift}")
    return shift, node["slots"]


def entries(xa, limit=100000):
    """(index, entry) of all that an xarray has; one that has several indices has the first.

    xa: struct xarray. Trouble if it is none, or has more than `limit` slots to look at.
    """
    bits = constant("XA_CHUNK_SHIFT")
    # the nodes still to be looked at: entry, index, the largest shift that may be
    todo = [(int(xa["xa_head"]), 0, 63)]
    while todo:
        entry, index, most = todo.pop()
        if not is_node(entry):
            if entry and not is_sibling(entry):
                yield index, entry
            continue
        shift, slots = node_of(entry, most)
        limit -= 1 << bits
        if limit < 0:
            raise Trouble(f"the xarray at {int(xa.address):#x} does not come to its end")
        for slot in reversed(range(1 << bits)):
            todo.append((int(slots[slot]), index + (slot << shift), shift - bits))


def load(xa, index):
    """The entry at an index; 0 if there is none."""
    bits = constant("XA_CHUNK_SHIFT")
    entry, most = int(xa["xa_head"]), 63
    if not is_node(entry):
        return entry if index == 0 else 0
    while is_node(entry):
        shift, slots = node_of(entry, most)
        if index >> shift >> bits and most == 63:
            return 0
        entry = int(slots[index >> shift & (1 << bits) - 1])
        if is_sibling(entry):
            entry = int(slots[entry >> 2])
        most = shift - bits
    return entry


def in_words(entry):
    if entry & 1:
        return f"value {entry >> 1}"
    if is_internal(entry):
        return {RETRY: "retry", ZERO: "reserved"}.get(entry >> 2, f"internal {entry >> 2}")
    return f"{entry:#x}"


class XarrayPrinter:
    """struct xarray: how many entries, then each by its index."""
    def __init__(self, value):
        self.value = value

    @kernel.printable
    def to_string(self):
        number = sum(1 for _ in entries(self.value))
        return f"xarray of {number} entr{'y' if number == 1 else 'ies'}"

    def children(self):
        most = gdb.parameter("print elements") or 1 << 30
        try:
            for number, (index, entry) in enumerate(entries(self.value)):
                if number == most:
                    yield "...", "more"
                    return
                yield f"[{index}]", in_words(entry)
        except (Trouble, gdb.error):
            return                          # to_string has said why


printers = gdb.printing.RegexpCollectionPrettyPrinter("pinlab-xarray")
printers.add_printer("xarray", "^xarray$", XarrayPrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)
