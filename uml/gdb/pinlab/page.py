# SPDX-License-Identifier: GPL-2.0
"""struct page and struct folio: what they are, who has them, and how they are held."""
import gdb
import gdb.printing

from . import kernel
from .kernel import Trouble, at, constant, once, symbol, type_of


@once
def layout():
    """Where the fields are, and the kernel's array of pages: (sizes and offsets by name)."""
    kind = type_of("struct page")
    if not kernel.has_symbol("mem_map"):
        raise Trouble("pages of this kernel's memory model are not known here (it has no mem_map)")

    def offset(field, inside=kind):
        for f in inside.fields():
            if f.name == field:
                return f.bitpos // 8
            if f.name is None or f.is_base_class:
                try:
                    return f.bitpos // 8 + offset(field, f.type)
                except KeyError:
                    continue
        raise KeyError(field)
    return {"size": kind.sizeof, "flags": offset("flags"), "refcount": offset("_refcount"),
            "head": offset("compound_head"), "pincount": offset("compound_pincount"),
            "order": offset("compound_order")}


def nr_pages():
    return int(symbol("max_mapnr" if kernel.has_symbol("max_mapnr") else "max_pfn"))


def page_at(address):
    """The struct page at an address; Trouble if there is none there."""
    first, size = int(symbol("mem_map")), layout()["size"]
    pfn, rest = divmod(address - first, size)
    if not first or not 0 <= pfn < nr_pages():
        raise Trouble(f"there is no struct page at {address:#x}")
    if rest:
        raise Trouble(f"{address:#x} is in the middle of the struct page at {address - rest:#x}")
    return at("struct page", address)


def page_of_pfn(pfn):
    if not 0 <= pfn < nr_pages():
        raise Trouble(f"there is no page {pfn:#x}: this kernel has {nr_pages():#x}")
    return page_at(int(symbol("mem_map")) + pfn * layout()["size"])


def pfn_of(page):
    return (int(page.address) - int(symbol("mem_map"))) // layout()["size"]


def page_of_address(address):
    """The page whose memory is at an address of the kernel's own."""
    return page_of_pfn(address - int(symbol("uml_physmem")) >> constant("PAGE_SHIFT"))


def is_kernel_address(address):
    start = int(symbol("uml_physmem"))
    return start <= address < start + (nr_pages() << constant("PAGE_SHIFT"))


def head_of(page):
    """The first page of the folio that a page is in."""
    head = int(page["compound_head"])
    return page_at(head - 1) if head & 1 else page


def flag_bits():
    """{bit: name} of page->flags; the first of those that share one."""
    names = kernel.enum_names(type_of("enum pageflags"), "PG_")
    last = next(bit for bit, name in ((f.enumval, f.name) for f in type_of("enum pageflags").fields())
                if name == "__NR_PAGEFLAGS")
    return {bit: name for bit, name in names.items() if bit < last}


def has_flag(page, name):
    bit = next((bit for bit, n in flag_bits().items() if n == name), None)
    return bit is not None and bool(int(page["flags"]) >> bit & 1)


def flags_of(page):
    """The flags by name, without what else is in the word (zone, node)."""
    names = flag_bits()
    if is_anon(head_of(page)):
        names.update({bit: "anon_exclusive" for bit, name in names.items() if name == "mappedtodisk"})
    return kernel.flag_names(int(page["flags"]) & ((1 << max(names) + 1) - 1), names)


def is_anon(head):
    return int(head["mapping"]) & constant("PAGE_MAPPING_FLAGS") == constant("PAGE_MAPPING_ANON") and \
        page_type(head) is None and not has_flag(head, "slab")


def order_of(head):
    if not has_flag(head, "head"):
        return 0
    return int((head.address + 1).dereference()["compound_order"])


def counter(value):
    return int(value["counter"])


class Counts:
    """How a folio is held, by its counts.

    refcount, pincount   as they are; pincount is None for a folio of one page
    pins, references     told apart. The pins of a large folio are counted, with a
                         reference each (include/linux/mm.h). Those of a page are
                         GUP_PIN_COUNTING_BIAS references each, so that pins and
                         references are a quotient and a remainder: as many references
                         would look the same.
    missing              references too few: 1 to 63 below a multiple of the bias, which
                         is what put_page() leaves of a pin
    """
    def __init__(self, refcount, pincount):
        self.refcount, self.pincount, self.missing = refcount, pincount, 0
        if pincount is not None:
            self.pins, self.references = pincount, refcount - pincount
            return
        self.pins, self.references = divmod(refcount, constant("GUP_PIN_COUNTING_BIAS"))
        self.missing = constant("GUP_PIN_COUNTING_BIAS") - self.references
        if self.missing < 64 and self.pins >= 0:
            self.pins, self.references = self.pins + 1, 0
        elif refcount < 0:
            self.pins, self.references = 0, refcount
            self.missing = 0
        else:
            self.missing = 0

    def __str__(self):
        if self.missing:
            return (f"{self.pins} pin{'s' * (self.pins != 1)}, {self.missing} reference"
                    f"{'s' * (self.missing != 1)} too few (refcount {self.refcount}): put_page() of a pin?")
        text = f"{self.references} reference{'s' * (self.references != 1)}, {self.pins} pin{'s' * (self.pins != 1)}"
        if self.refcount < 0 or self.references < 0:
            text += ": released too often"
        if self.pincount is not None:
            return text + f" (refcount {self.refcount}, pincount {self.pincount})"
        return text + f" (refcount {self.refcount})"


def counts_of(head):
    """The Counts of the folio that begins with this page."""
    pincount = None
    if has_flag(head, "head"):
        pincount = counter((head.address + 1).dereference()["compound_pincount"])
    return Counts(counter(head["_refcount"]), pincount)


def missing_references(head, counts):
    """How many references of a folio are gone that it needs: those of page tables and file."""
    if counts.missing:
        return counts.missing
    if page_type(head) is not None or has_flag(head, "slab") or not int(head["mapping"]):
        return 0
    needed = mapcount_of(head, head)
    if not int(head["mapping"]) & constant("PAGE_MAPPING_FLAGS"):
        needed += 1 << order_of(head)
    return max(needed - counts.references, 0)


def mapcount_of(page, head):
    """How many page tables map this page, or its folio as a whole."""
    mapped = counter(page["_mapcount"]) + 1
    if has_flag(head, "head"):
        mapped += counter((head.address + 1).dereference()["compound_mapcount"]) + 1
    return mapped


def page_type(page):
    """Of a page that no page table can map: what it is, or None."""
    kind = int(page["page_type"]) & 0xffffffff
    base = constant("PAGE_TYPE_BASE")
    if kind & base != base:
        return None
    for name in ("buddy", "offline", "table"):
        if kind & (base | constant("PG_" + name)) == base:
            return name
    return None


def zero_page():
    """The address of the struct page of zeroes; 0 if it has none of its own."""
    if not kernel.has_symbol("empty_zero_page"):
        return 0
    return int(page_of_address(int(symbol("empty_zero_page"))).address)


def mapped_at(mapping, index):
    """Where an anonymous page is mapped: (vma, address) of each VMA that may have it."""
    anon_vma = at("struct anon_vma", mapping)
    shift = constant("PAGE_SHIFT")
    nodes = [anon_vma["rb_root"]["rb_root"]["rb_node"]]
    for _ in range(1000):
        if not nodes:
            return
        node = nodes.pop()
        if not int(node):
            continue
        nodes += [node["rb_left"], node["rb_right"]]
        vma = kernel.container_of(node, "struct anon_vma_chain", "rb")["vma"].dereference()
        start, end = int(vma["vm_start"]), int(vma["vm_end"])
        address = start + (index - int(vma["vm_pgoff"]) << shift)
        if start <= address < end:
            yield vma, address


def owners(mm):
    """The processes that have an mm, in words."""
    names = {}
    for task in kernel.tasks():
        if int(task["mm"]) == int(mm):
            names.setdefault(int(task["tgid"]), f"{kernel.string(task['comm'])} (pid {int(task['tgid'])})")
    return ", ".join(names.values()) or f"mm {int(mm):#x}"


def file_of(mapping):
    """The file behind an address_space, in words."""
    if not int(mapping["host"]):
        return f"mapping {int(mapping.address):#x}, of no inode"
    inode = mapping["host"].dereference()
    sb = inode["i_sb"].dereference()
    fs = kernel.string(sb["s_type"]["name"])
    if fs == "bdev":
        bdev = kernel.container_of(mapping["host"], "struct bdev_inode", "vfs_inode")["bdev"]
        return f"block device {kernel.string(bdev['bd_disk']['disk_name'])}"
    text = f"{fs} {kernel.string(sb['s_id'])}, inode {int(inode['i_ino'])}"
    alias = inode["i_dentry"]["first"]
    if int(alias):
        dentry = kernel.container_of(alias, "struct dentry", "d_u")
        text += f" \"{kernel.string(dentry['d_name']['name'])}\""
    return text


def mapping_of(page):
    """Whose page it is, in words."""
    head = head_of(page)
    if int(head.address) == zero_page():
        return "the zero page, which takes no pins"
    if has_flag(head, "slab"):
        cache = at("struct slab", int(head.address))["slab_cache"]
        return f"slab: {kernel.string(cache['name']) if int(cache) else 'no cache'}"
    kind = page_type(head)
    if kind == "buddy":
        return f"free: order {int(head['private'])} of the buddy allocator"
    if kind:
        return {"table": "a page table", "offline": "offline"}[kind]
    word = int(head["mapping"])
    mapping = word & ~constant("PAGE_MAPPING_FLAGS")
    # a page of a folio has its place in the file from the first
    index = int(head["index"]) + (int(page.address) - int(head.address)) // layout()["size"]
    if not mapping:
        if has_flag(head, "reserved"):
            return "none: reserved by the kernel"
        if counter(head["_refcount"]) == 0:
            return "none: free, or not the first page of its block"
        return "none: memory of the kernel, of a driver, or of a pipe"
    kind = word & constant("PAGE_MAPPING_FLAGS")
    if kind == constant("PAGE_MAPPING_FLAGS"):
        return f"KSM, stable node {mapping:#x}"
    if kind == constant("PAGE_MAPPING_MOVABLE"):
        return f"of a driver that can move it, {mapping:#x}"
    if kind:
        places = [f"{address:#x} of {owners(vma['vm_mm'])}" for vma, address in mapped_at(mapping, index)]
        exclusive = "exclusive" if "anon_exclusive" in flags_of(page).split("|") else "may be shared"
        return f"anonymous, {exclusive}, at {' and '.join(places) or f'index {index:#x}, of no VMA'}"
    return f"{file_of(at('struct address_space', mapping))}, page {index} of it"


def describe(page):
    """All that is known of a page, as rows of a table."""
    head = head_of(page)
    pfn = pfn_of(page)
    where = int(symbol("uml_physmem")) + (pfn << constant("PAGE_SHIFT"))
    rows = [("page", f"{int(page.address):#x}, pfn {pfn:#x}, memory at {where:#x}")]
    order = order_of(head)
    if order:
        nr = (int(page.address) - int(head.address)) // layout()["size"]
        rows.append(("folio", f"order {order}, this is page {nr} of {1 << order}, " +
                     ("the head" if nr == 0 else f"a tail; the head is {int(head.address):#x}")))
    rows.append(("flags", flags_of(head) if order == 0 or page.address == head.address
                 else f"{flags_of(page)}; head: {flags_of(head)}"))
    counts = counts_of(head)
    missing = missing_references(head, counts)
    rows.append(("held", f"{counts}" + f"; {missing} too few for those who have it" * (missing > counts.missing)))
    mapped = "no page table"
    if page_type(head) is None and not has_flag(head, "slab"):
        count = mapcount_of(page, head)
        if count:
            mapped = f"{count} page table{'s' * (count != 1)}"
    rows.append(("mapped", f"by {mapped}"))
    rows.append(("owner", safely(mapping_of, page)))
    return rows


def safely(function, *args):
    """What the function says, or why it cannot."""
    return kernel.printable(function)(*args)


def in_short(page):
    """A page in half a line: for lists of pages."""
    head = head_of(page)
    order = order_of(head)
    tail = (int(page.address) - int(head.address)) // layout()["size"]
    folio = f", page {tail} of a folio of {1 << order}" if order else ""
    return f"pfn {pfn_of(page):#x}{folio}: {counts_of(head)}"


def page_from(expression):
    """The page that the user means: a struct page or folio, a pfn, an address."""
    value = kernel.evaluate(expression, "page")
    kernel.alive()
    kind = value.type.strip_typedefs()
    name = str((kind.target() if kind.code == gdb.TYPE_CODE_PTR else kind).strip_typedefs().unqualified())
    if name in ("struct page", "struct folio", "struct slab"):
        address = int(value.address if kind.code == gdb.TYPE_CODE_STRUCT else value)
        return page_at(address)
    if kind.code not in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_INT):
        raise Trouble(f"{expression} is of type {value.type}: no page, pfn or address")
    number = int(value)
    if kind.code == gdb.TYPE_CODE_INT and 0 <= number < nr_pages():
        return page_of_pfn(number)
    first = int(symbol("mem_map"))
    if first <= number < first + nr_pages() * layout()["size"]:
        return page_at(number)
    if is_kernel_address(number):
        return page_of_address(number)
    from . import user
    return user.page_of_user_address(number)[0]


def pinned_pages():
    """[(head page, Counts)] of all folios that are pinned, or look as if they had been.

    The whole array of pages is read at once; what is looked at closely are those whose
    count is at least that of a pin, and large folios.
    """
    where, nr = layout(), nr_pages()
    size, step = where["size"], where["size"] // 4
    memory = bytes(kernel.read(int(symbol("mem_map")), nr * size))
    words = memoryview(memory).cast("i")
    head_bit = next(bit for bit, name in flag_bits().items() if name == "head")
    counts = words[where["refcount"] // 4::step].tolist()
    flags = memoryview(memory).cast("L")[where["flags"] // 8::size // 8].tolist()
    pincounts = words[where["pincount"] // 4::step].tolist()
    bias, found = constant("GUP_PIN_COUNTING_BIAS"), []
    for pfn, count in enumerate(counts):
        if flags[pfn] >> head_bit & 1:
            if pfn + 1 < nr and pincounts[pfn + 1]:
                found.append((pfn, Counts(count, pincounts[pfn + 1])))
        elif count >= bias - 63:
            found.append((pfn, Counts(count, None)))
    return [(page_of_pfn(pfn), counts) for pfn, counts in found
            if counts.pins and pfn_is_no_zero_page(pfn)]


def pfn_is_no_zero_page(pfn):
    return int(page_of_pfn(pfn).address) != zero_page()


class PagePrinter:
    """struct page or struct folio, in as many lines as `page` has; then its bytes, by `print /r`."""
    def __init__(self, value):
        self.value = value

    @kernel.printable
    def to_string(self):
        if self.value.address is None:
            raise Trouble("a copy of a page: print it where it is")
        rows = describe(page_at(int(self.value.address)))
        return "\n".join(kernel.table(rows, "")) if len(rows) else ""


class Page(kernel.Command):
    """Show a page: its folio, flags, counts, owner.

Usage: page EXPR | PFN | ADDRESS

EXPR is a struct page or folio, or a pointer to one. A number below that of the
machine's pages is a pfn; others are the address of a struct page, of memory that
belongs to a page, or of the current process. References and pins are told apart:
a pin is 1024 references of a page, and has a count of its own in a larger folio."""
    name = "page"

    def run(self, text):
        print("\n".join(kernel.table(describe(page_from(text)), "")))


Page()
printers = gdb.printing.RegexpCollectionPrettyPrinter("pinlab-page")
printers.add_printer("page", "^(page|folio)$", PagePrinter)
gdb.printing.register_pretty_printer(None, printers, replace=True)
