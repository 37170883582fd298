# SPDX-License-Identifier: GPL-2.0
"""Addresses of a process: the page tables."""
import gdb

from . import kernel, page
from .kernel import Trouble, constant, symbol


def virtual(entry):
    """What an entry of a table points to, as an address of the kernel's."""
    mask = ~((1 << constant("PAGE_SHIFT")) - 1) & 0xffffffffffffffff
    return int(symbol("uml_physmem")) + (entry & mask)


def page_of_user_address(address, mm=None):
    """(page, its entry in the page table); Trouble if nothing is mapped there.

    mm: struct mm_struct; that of the current task if None.
    """
    if mm is None:
        mm = kernel.current()["mm"]
        if not int(mm):
            raise Trouble(f"{address:#x}: the current task has no user memory; which mm?")
        mm = mm.dereference()
    table = int(mm["pgd"])
    for shift, size, name in ((constant("PGDIR_SHIFT"), constant("PTRS_PER_PGD"), "directory"),
                              (constant("PMD_SHIFT"), constant("PTRS_PER_PMD"), "middle directory"),
                              (constant("PAGE_SHIFT"), constant("PTRS_PER_PTE"), "table")):
        entry = kernel.read_ulong(table + 8 * (address >> shift & size - 1))
        if not entry & (constant("_PAGE_PRESENT") | constant("_PAGE_PROTNONE")):
            raise Trouble(f"{address:#x} is not mapped: the page {name} has {entry:#x} for it")
        table = virtual(entry)
    return page.page_of_address(table), entry


class UserPage(kernel.Command):
    """Show the page behind an address of a process.

Usage: user-page [MM] ADDRESS

MM is a struct mm_struct or a pointer to one; the current task's if there is none.
Expressions with spaces are quoted."""
    name = "user-page"

    def run(self, text):
        words = gdb.string_to_argv(text)
        if len(words) not in (1, 2):
            raise Trouble("one address, and perhaps an mm before it")
        mm = kernel.struct_at(words[0], "struct mm_struct", "mm") if len(words) == 2 else None
        address = int(kernel.evaluate(words[-1], "address"))
        found, entry = page_of_user_address(address, mm)
        names = {"_PAGE_PROTNONE": "no access", "_PAGE_RW": "writable", "_PAGE_DIRTY": "dirty"}
        words = [word for name, word in names.items() if entry & constant(name)] or ["read only"]
        print(f"{address:#x} is mapped, {', '.join(words)}")
        print("\n".join(kernel.table(page.describe(found), "")))


UserPage()
