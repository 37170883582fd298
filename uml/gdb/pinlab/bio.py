# SPDX-License-Identifier: GPL-2.0
"""struct bio: what it does, its vectors, and the pages in them."""
import itertools

import gdb.printing

from . import kernel, page
from .kernel import Trouble, constant, type_of

VECTORS_SHOWN = 256


def operation(bio):
    """READ|SYNC and so on."""
    opf = int(bio["bi_opf"])
    names = kernel.enum_names(type_of("enum req_op"), "REQ_OP_")
    op = opf & constant("REQ_OP_MASK")
    bits = kernel.enum_names(type_of("enum req_flag_bits"), "__REQ_")
    flags = opf & ~constant("REQ_OP_MASK")
    return names.get(op, f"operation {op}") + ("|" + kernel.flag_names(flags, bits) if flags else "")


def flags_of(bio):
    return kernel.flag_names(int(bio["bi_flags"]), kernel.enum_names(kernel.enum_with("BIO_CLONED"), "BIO_"))


def holds(bio):
    """How the bio holds its pages, in words."""
    if "PAGE_PINNED" in flags_of(bio).split("|"):
        return "its pages are pinned, and unpinned with it"
    return "its pages are borrowed: not released with it"


def vectors(bio):
    """(number, struct bio_vec): all of them, or, of a clone, those that it uses."""
    number, size = int(bio["bi_vcnt"]), int(bio["bi_iter"]["bi_size"])
    first = 0
    if not number and size and int(bio["bi_io_vec"]):
        # a clone does not know how many there are
        first = number = int(bio["bi_iter"]["bi_idx"])
        done = int(bio["bi_iter"]["bi_bvec_done"])
        while size > 0 and number - first < VECTORS_SHOWN:
            size -= int(bio["bi_io_vec"][number]["bv_len"]) - done
            number, done = number + 1, 0
    most = int(bio["bi_max_vecs"])
    if int(bio["bi_vcnt"]) > most:
        raise Trouble(f"{int(bio.address):#x} is no bio: {int(bio['bi_vcnt'])} of {most} vectors")
    for n in range(first, number):
        yield n, bio["bi_io_vec"][n]


def describe(bio):
    """(lines above the table, rows of vectors); > marks where it stands."""
    at = bio["bi_iter"]
    where = "no device"
    if int(bio["bi_bdev"]):
        where = page.safely(lambda: kernel.string(bio["bi_bdev"]["bd_disk"]["disk_name"]))
    lines = [f"bio {int(bio.address):#x}: {operation(bio)}, {where}, sector {int(at['bi_sector'])}, "
             f"{int(at['bi_size'])} bytes left",
             f"flags {flags_of(bio)}: {holds(bio)}",
             f"status {int(bio['bi_status'])}, ends in {kernel.function_name(bio['bi_end_io'])}"]
    rows = []
    for number, vec in itertools.islice(vectors(bio), VECTORS_SHOWN + 1):
        mark = ">" if number == int(at["bi_idx"]) and int(at["bi_size"]) else ""
        done = int(at["bi_bvec_done"])
        rows.append((mark, number, f"page {int(vec['bv_page']):#x} at {int(vec['bv_offset'])}",
                     f"{int(vec['bv_len'])} bytes" + (f", {done} done" if mark and done else "")))
    return lines, rows


def pages(bio):
    """(number of the vector, its page, what is known of it) for each page."""
    size = 1 << constant("PAGE_SHIFT")
    for number, vec in vectors(bio):
        first = int(vec["bv_offset"]) // size
        last = (int(vec["bv_offset"]) + max(int(vec["bv_len"]), 1) - 1) // size
        for nr in range(first, last + 1):
            address = int(vec["bv_page"]) + nr * page.layout()["size"]
            yield (number if nr == first else "", f"page {address:#x}",
                   page.safely(lambda a=address: page.in_short(page.page_at(a))))


class BioPrinter:
    """struct bio with its vectors."""
    def __init__(self, value):
        self.value = value

    @kernel.printable
    def to_string(self):
        lines, rows = describe(self.value)
        return "\n".join(lines + kernel.table(rows))


class BioPages(kernel.Command):
    """Show the pages of a bio, and how each is held.

Usage: bio-pages EXPR

EXPR is a struct bio, a pointer to one, or its address. All vectors are shown, not just
what is left: it is those that bio_release_pages() releases."""
    name = "bio-pages"

    def run(self, text):
        bio = kernel.struct_at(text, "struct bio", "bio")
        kernel.alive()
        lines, _ = describe(bio)
        print("\n".join(lines))
        rows = list(itertools.islice(pages(bio), kernel.ROWS_SHOWN + 1))
        if not rows:
            print("  no pages")
        print("\n".join(kernel.table([("vector", "", "")] * bool(rows) + rows)))


BioPages()
printers = gdb.printing.RegexpCollectionPrettyPrinter("pinlab-bio")
printers.add_printer("bio", "^bio$", BioPrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)
