# SPDX-License-Identifier: GPL-2.0
"""gdb commands and printers for iterators, pages and pins; gdbinit loads all of them."""
import importlib

# each registers what it has when it is imported
for module in ("page", "user", "xarray", "pipe", "iov_iter", "bio", "pins", "stops"):
    importlib.import_module("." + module, __name__)
