# SPDX-License-Identifier: GPL-2.0
"""struct iov_iter: of what kind it is, what is left of it, and the pages behind that."""
import itertools

import gdb.printing

from . import kernel, page, pipe, user, xarray
from .kernel import Trouble, constant, type_of

SEGMENTS_SHOWN = 64


def kind_of(i):
    """The iterator kind as a word; Trouble if there is no such kind."""
    number = int(i["iter_type"])
    name = kernel.enum_names(type_of("enum iter_type"), "ITER_").get(number)
    if name is None:
        raise Trouble(f"no iov_iter: there is no iterator kind {number}")
    return name.lower()


def segments(i):
    """(address or struct page, offset in it, length) of each segment, from the present one.

    Of a kind that has none, the one range that it is. Lengths are those of the
    segment as a whole, what is done of the first one included.
    """
    kind = kind_of(i)
    if kind == "ubuf":
        yield int(i["ubuf"]), 0, int(i["iov_offset"]) + int(i["count"])
    elif kind in ("iovec", "kvec"):
        for s in range(int(i["nr_segs"])):
            segment = i["iov" if kind == "iovec" else "kvec"][s]
            yield int(segment["iov_base"]), 0, int(segment["iov_len"])
    elif kind == "bvec":
        for s in range(int(i["nr_segs"])):
            segment = i["bvec"][s]
            yield segment["bv_page"], int(segment["bv_offset"]), int(segment["bv_len"])


def headline(i):
    kind = kind_of(i)
    way = "source, data is taken from it" if int(i["data_source"]) else "destination, data goes to it"
    return f"{kind}, {way}; {int(i['count'])} bytes left"


def position(i):
    """Bytes of the first segment that are done."""
    return 0 if kind_of(i) in ("pipe", "discard") else int(i["iov_offset"])


def describe(i):
    """Lines: kind, direction, what is left, and the segments; > marks where it stands."""
    kind = kind_of(i)
    lines, rows = [headline(i)], []
    left = int(i["count"])
    if kind == "pipe":
        p = i["pipe"].dereference()
        lines[0] += f", from slot {int(i['start_head'])} on; it stands at slot {int(i['head'])}, byte {abs(int(i['last_offset']))}"
        top, rows = pipe.describe(p)
        lines.append(top)
        rows = [(">" if row[0] == int(i["head"]) else " ",) + row for row in rows]
    elif kind == "xarray":
        start, shift = int(i["xarray_start"]) + int(i["iov_offset"]), constant("PAGE_SHIFT")
        lines[0] += (f" of the xarray {int(i['xarray']):#x}, from byte {start:#x}: index {start >> shift}, "
                     f"byte {start & (1 << shift) - 1}")
    elif kind != "discard":
        total = 1 if kind == "ubuf" else int(i["nr_segs"])
        lines[0] += f" in {total} segment{'s' * (total != 1)}"
        done = int(i["iov_offset"])
        for number, (base, offset, length) in enumerate(segments(i)):
            if number == SEGMENTS_SHOWN:
                rows.append((" ", "...", f"{total - number} more"))
                break
            note = f"{done} done" if done else ""
            use = min(max(length - done, 0), left)
            left -= use
            done = 0
            where = f"{base:#x}" if isinstance(base, int) else f"page {int(base):#x} at {offset}"
            rows.append((" " if number else ">", number, where, f"{length} bytes", note or "" if use else "not of it"))
    if int(i["nofault"]):
        lines[0] += "; nofault"
    return lines + kernel.table(rows)


def pages(i):
    """(position in what is left, bytes, struct page or why there is none) for each page."""
    kind, left, at_byte = kind_of(i), int(i["count"]), 0
    size = 1 << constant("PAGE_SHIFT")
    kernel.alive()

    def parts(start, length):
        while length > 0:
            part = min(size - start % size, length)
            yield start, part
            start, length = start + part, length - part

    def found(lookup, *args):
        try:
            return lookup(*args)
        except (Trouble, gdb.error) as error:
            return kernel.one_line(error)

    if kind == "discard":
        return
    if kind == "xarray":
        for start, part in parts(int(i["xarray_start"]) + int(i["iov_offset"]), left):
            entry = found(xarray.load, i["xarray"].dereference(), start // size)
            if isinstance(entry, int):
                entry = found(page_of_entry, entry, start // size)
            yield at_byte, part, entry
            at_byte += part
        return
    if kind == "pipe":
        p = i["pipe"].dereference()
        start = int(i["start_head"])
        for slot, buf in pipe.slots(p):
            if slot >= start:
                yield at_byte, int(buf["len"]), found(page.page_at, int(buf["page"]))
                at_byte += int(buf["len"])
        return
    done = int(i["iov_offset"])
    for base, offset, length in segments(i):
        skip, done = done, 0
        if skip > length:
            raise Trouble(f"no iov_iter: {skip} bytes of its first segment are done, which has {length}")
        use = min(length - skip, left)
        start = skip + (offset if kind == "bvec" else base)
        for where, part in parts(start, use):
            if kind == "bvec":
                address = int(base) + where // size * page.layout()["size"]
                yield at_byte, part, found(page.page_at, address)
            elif kind == "kvec":
                yield at_byte, part, found(page.page_of_address, where)
            else:
                yield at_byte, part, found(lambda a: user.page_of_user_address(a)[0], where)
            at_byte += part
        left -= use
        if not left:
            return


def page_of_entry(entry, index):
    """The page at an index of a file, from the entry that its xarray has there."""
    if not entry:
        return f"no page at index {index}"
    if entry & 3:
        return f"{xarray.in_words(entry)} at index {index}"
    head = page.page_at(entry)
    nr = index - int(head["index"]) if page.order_of(head) else 0
    if not 0 <= nr < 1 << page.order_of(head):
        return head
    return page.page_at(int(head.address) + nr * page.layout()["size"])


class IovIterPrinter:
    """struct iov_iter: the union is read by the kind."""
    def __init__(self, value):
        self.value = value

    @kernel.printable
    def to_string(self):
        return "\n".join(describe(self.value))


class IovIter(kernel.Command):
    """Show an iterator: its kind, direction, what is left, the segments.

Usage: iov-iter EXPR

EXPR is a struct iov_iter, a pointer to one, or its address. > marks the segment in
which it stands, with the bytes of it that are done."""
    name = "iov-iter"

    def run(self, text):
        print("\n".join(describe(kernel.struct_at(text, "struct iov_iter", "iterator"))))


class IovPages(kernel.Command):
    """Show the pages behind what is left of an iterator.

Usage: iov-pages EXPR

EXPR is a struct iov_iter, a pointer to one, or its address. User memory is looked up in
the page tables of the current process; nothing is faulted in. Of a pipe, the pages that
have come into it by this iterator."""
    name = "iov-pages"

    def run(self, text):
        i = kernel.struct_at(text, "struct iov_iter", "iterator")
        print(headline(i))
        rows = [(f"{start}-{start + length - 1}" if length else str(start),
                 found if isinstance(found, str) else f"page {int(found.address):#x}",
                 "" if isinstance(found, str) else page.safely(page.in_short, found))
                for start, length, found in itertools.islice(pages(i), kernel.ROWS_SHOWN + 1)]
        if not rows:
            print("  no pages" + ("" if kind_of(i) != "pipe" else " yet: they are made when they are asked for"))
        print("\n".join(kernel.table([("bytes", "", "")] * bool(rows) + rows)))


IovIter()
IovPages()
printers = gdb.printing.RegexpCollectionPrettyPrinter("pinlab-iov_iter")
printers.add_printer("iov_iter", "^iov_iter$", IovIterPrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)
