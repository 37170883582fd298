# gdb -x gdbinit build/um-6.1/linux
#
# User-mode Linux is an ordinary process, but one that handles signals for a
# living: SIGSEGV is a page fault of the kernel's (vmalloc) or of a user's
# address, the timer and the devices interrupt by SIGALRM and SIGIO, its helper
# threads and the tracing of user processes use SIGUSR1, SIGUSR2, SIGCHLD and
# SIGWINCH. They pass to it in silence. Ctrl-C (SIGINT) stops, as always.
handle SIGSEGV SIGUSR1 SIGUSR2 SIGALRM SIGVTALRM SIGPROF SIGIO SIGCHLD SIGWINCH nostop noprint pass

# stay with the kernel, not with the host processes that it runs user code in
set follow-fork-mode parent
set detach-on-fork on
set print inferior-events off

set print pretty on
set pagination off

# Printers and commands: uml/gdb. A script of gdb's does not know its own name, but
# gdb has it open while it reads it.
python
import os
import sys
for fd in os.listdir("/proc/self/fd"):
    try:
        top = os.path.dirname(os.readlink("/proc/self/fd/" + fd))
    except OSError:
        continue
    if os.path.exists(top + "/uml/gdb/pinlab/__init__.py"):
        sys.path.insert(0, top + "/uml/gdb")
        sys.pycache_prefix = top + "/build/pycache"
        import pinlab
        break
else:
    print("gdbinit: uml/gdb is not beside it: no printers, no commands")
end

# The kernel's own commands, lx-*, if it has them: gdb looks beside a program for a
# script of its name, but this one is called linux.
python
script = os.path.join(os.path.dirname(gdb.current_progspace().filename or ""), "vmlinux-gdb.py")
if os.path.exists(script):
    gdb.execute("source " + script)
end
