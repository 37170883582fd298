# SPDX-License-Identifier: GPL-2.0
"""The kernel as gdb sees it: memory, types, constants; and what commands have in common.

Memory is read, never written, and no function of the kernel is called. What a kernel
has is found out from its debug info, not from its version.
"""
import itertools
import os
import shlex
import struct
import subprocess

import gdb


class Trouble(Exception):
    """What the user is told, in one line, instead of an answer."""


# What macros say. Their values are those of the headers that the kernel was made of.
MACROS = {
    "linux/mm.h": "PAGE_SHIFT GUP_PIN_COUNTING_BIAS PAGE_TYPE_BASE PG_buddy PG_offline PG_table "
                  "PAGE_MAPPING_ANON PAGE_MAPPING_MOVABLE PAGE_MAPPING_FLAGS FOLL_PIN FOLL_GET",
    "linux/pgtable.h": "PGDIR_SHIFT PMD_SHIFT PTRS_PER_PGD PTRS_PER_PMD PTRS_PER_PTE "
                       "_PAGE_PRESENT _PAGE_PROTNONE _PAGE_RW _PAGE_DIRTY",
    "linux/blk_types.h": "REQ_OP_BITS REQ_OP_MASK",
    "linux/pipe_fs_i.h": "PIPE_BUF_FLAG_LRU PIPE_BUF_FLAG_ATOMIC PIPE_BUF_FLAG_GIFT "
                         "PIPE_BUF_FLAG_PACKET PIPE_BUF_FLAG_CAN_MERGE PIPE_BUF_FLAG_WHOLE",
    "linux/xarray.h": "XA_CHUNK_SHIFT",
}

_cache = {}


def once(function):
    """Remember what a function without arguments returned, as long as the kernel is the same."""
    def remembered():
        key = (kernel_file(), function.__qualname__)
        if key not in _cache:
            _cache[key] = function()
        return _cache[key]
    return remembered


def kernel_file():
    """The kernel's path; Trouble if gdb has none."""
    name = gdb.current_progspace().filename
    if not name:
        raise Trouble("gdb has no kernel: start it as gdb -x gdbinit build/um-6.1/linux")
    return os.path.realpath(name)


def _preprocess(names):
    """{name: expression}, by the compiler command that kbuild left beside an object."""
    out = os.path.dirname(kernel_file())
    try:
        with open(out + "/lib/.iov_iter.o.cmd", encoding="utf-8") as cmd:
            words = shlex.split(cmd.readline().partition(":=")[2].partition(" ; ")[0])
    except OSError:
        raise Trouble(f"{out} is not where this kernel was built: its constants are unknown") from None
    while words and words[-1] != "-c":      # -c -o OBJECT SOURCE
        words.pop()
    command = [word for word in words[:-1] if not word.startswith("-Wp,-M")]
    text = "".join(f"#include <{header}>\n" for header in MACROS)
    text += "".join(f"pinlab {name} = {name}\n" for name in names)
    run = subprocess.run(command + ["-E", "-P", "-xc", "-"], input=text, cwd=out,
                         capture_output=True, text=True, check=False)
    lines = (line[7:].partition(" = ") for line in run.stdout.splitlines() if line.startswith("pinlab "))
    # one that this kernel does not have is left as it is; its name may be expanded, too
    found = dict(zip(names, (expression for _, _, expression in lines)))
    if not found:
        raise Trouble("the compiler does not tell the kernel's constants: " +
                      (run.stderr.splitlines() or ["no output"])[0])
    return found


@once
def constants():
    """{name: value} of MACROS. They are kept beside the kernel."""
    out = os.path.dirname(kernel_file())
    kept = out + "/.gdb-constants"
    names = " ".join(MACROS.values()).split()
    values = {}
    try:
        if os.path.getmtime(kept) > max(os.path.getmtime(out + "/.config"), os.path.getmtime(__file__)):
            with open(kept, encoding="utf-8") as file:
                values = {name: int(value) for name, value in map(str.split, file)}
    except (OSError, ValueError):
        pass
    if values:
        return values
    for name, expression in _preprocess(names).items():
        try:
            values[name] = int(gdb.parse_and_eval(expression))
        except gdb.error:
            continue
    try:
        with open(kept + ".new", "w", encoding="utf-8") as file:
            file.writelines(f"{name} {value}\n" for name, value in values.items())
        os.rename(kept + ".new", kept)
    except OSError:
        pass                                # a kernel in a folder that is not ours
    return values


def constant(name):
    """The value of a macro; Trouble if this kernel does not have it."""
    try:
        return constants()[name]
    except KeyError:
        raise Trouble(f"this kernel does not have {name}") from None


def has_symbol(name):
    return gdb.lookup_global_symbol(name) is not None or gdb.lookup_static_symbol(name) is not None


def symbol(name):
    """The value of a variable of the kernel's, wherever gdb stands."""
    found = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if found is None:
        raise Trouble(f"this kernel does not have {name}")
    return found.value()


def type_of(name):
    """The type of that name; Trouble if this kernel does not have it."""
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise Trouble(f"this kernel does not have {name}") from None


def has_field(kind, field):
    return any(field == f.name for f in kind.fields())


def at(name, address):
    """The object of type NAME at an address."""
    return gdb.Value(address).cast(type_of(name).pointer()).dereference()


def container_of(pointer, name, member):
    kind = type_of(name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return at(name, int(pointer) - offset)


def enum_names(kind, prefix):
    """{value: name without prefix} of an enum; the first name where there are several."""
    names = {}
    for field in kind.fields():
        if field.name.startswith(prefix):
            names.setdefault(field.enumval, field.name[len(prefix):])
    return names


def enum_with(member):
    """The enum that has this member: for those that have no name."""
    found = gdb.lookup_symbol(member)[0]
    if found is None:
        raise Trouble(f"this kernel does not have {member}")
    return found.type


def flag_names(value, names, separator="|"):
    """Bits by name; those without one as a number."""
    words = [name for bit, name in sorted(names.items()) if value >> bit & 1]
    rest = value & ~sum(1 << bit for bit in names)
    if rest:
        words.append(f"{rest:#x}")
    return separator.join(words) or "none"


def alive():
    """Trouble if there is no process whose memory could be read."""
    kernel_file()
    if not gdb.selected_inferior().pid:
        raise Trouble("the kernel does not run: 'run' starts it")


def read(address, size):
    """SIZE bytes of the kernel's memory."""
    alive()
    return gdb.selected_inferior().read_memory(address, size)


def read_ulong(address):
    return struct.unpack("@L", read(address, struct.calcsize("@L")))[0]


def string(value, limit=64):
    """A char pointer or array as text, whatever is in there."""
    try:
        return value.string("utf-8", "backslashreplace", length=-1 if limit is None else limit).partition("\0")[0]
    except gdb.error:
        return "?"


def function_name(pointer):
    """The name of the function or object that a pointer points to, or the number."""
    address = int(pointer)
    if not address:
        return "none"
    words = gdb.execute(f"info symbol {address:#x}", to_string=True).split()
    return words[0] if words and words[0] != "No" else f"{address:#x}"


def list_of(head, name, member, limit=100000):
    """The objects of a struct list_head; Trouble if it does not come to its end."""
    first = int(head.address)
    entry = head["next"]
    while int(entry) != first:
        yield container_of(entry, name, member)
        entry = entry.dereference()["next"]
        limit -= 1
        if not limit:
            raise Trouble(f"the list at {first:#x} has no end")


def current():
    """The task that runs: struct task_struct."""
    alive()
    task = int(symbol("cpu_tasks")[0]["task"])
    if not task:
        raise Trouble("no task runs yet")
    return at("struct task_struct", task)


def tasks():
    """All threads."""
    first = symbol("init_task")
    for leader in [first] + list(list_of(first["tasks"], "struct task_struct", "tasks")):
        yield leader
        for thread in list_of(leader["thread_group"], "struct task_struct", "thread_group"):
            yield thread


def evaluate(expression, what):
    """The value of what the user wrote; Trouble if there is none to be had."""
    if not expression.strip():
        raise Trouble(f"which {what}?")
    value = gdb.parse_and_eval(expression)
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_REF:
        value = value.referenced_value()
    if value.is_optimized_out:
        raise Trouble(f"{expression} is optimized out here; try another frame ('up'), or its address")
    return value


def struct_at(expression, name, what):
    """The struct NAME that an expression means: one itself, a pointer to one, an address."""
    value = evaluate(expression, what)
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_STRUCT:
        if str(kind.unqualified()) == name:
            return value
    elif kind.code == gdb.TYPE_CODE_PTR:
        target = kind.target().strip_typedefs().unqualified()
        if str(target) in (name, "void", "char"):
            return at(name, int(value))
    elif kind.code == gdb.TYPE_CODE_INT:
        return at(name, int(value))
    raise Trouble(f"{expression} is of type {value.type}, not {name} or a pointer to one")


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def printable(function):
    """For printers: what cannot be read is said in its place."""
    def safely(*args):
        try:
            return function(*args)
        except (Trouble, gdb.error, OverflowError, ValueError) as error:
            return f"<{one_line(error)}>"
    return safely


class Command(gdb.Command):
    """A command of this package: one that is misused, or meets a bad pointer, says so in a line.

    The class's docstring is its help. `run(text)` does the work.
    """
    name = None
    complete_with = gdb.COMPLETE_EXPRESSION

    def __init__(self):
        if hasattr(self, "complete"):
            super().__init__(self.name, gdb.COMMAND_DATA)
        else:
            super().__init__(self.name, gdb.COMMAND_DATA, self.complete_with)

    def run(self, text):
        raise NotImplementedError

    def invoke(self, text, _from_tty):
        try:
            self.run(text.strip())
        except (Trouble, gdb.error, OverflowError) as error:
            raise gdb.GdbError(f"{self.name}: {one_line(error)}") from None


ROWS_SHOWN = 1024


def table(rows, indent="  "):
    """Lines with columns as wide as they have to be. What goes on without end is cut off."""
    rows = [[str(cell) for cell in row] for row in itertools.islice(rows, ROWS_SHOWN + 1)]
    rows[ROWS_SHOWN:] = [["..."]] * (len(rows) > ROWS_SHOWN)
    widths = [max(len(row[i]) for row in rows if len(row) > i) for i in range(max(map(len, rows), default=0))]
    return [(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip()
            for row in rows]
