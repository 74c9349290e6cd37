"""What a web process does once, before it answers anybody."""

from __future__ import annotations

import gc

from django.urls import get_resolver

#: New objects after which the garbage collector looks for rings among them. A page makes
#: some ten thousand, and hardly any of them is in a ring; by its own count Python would
#: look a hundred times while one page is made.
LOOK_AFTER = 10_000


def settle() -> None:
    """Load what pages are made by, and let the garbage collector leave it alone: it lives
    as long as the process, and would be looked through again and again."""
    _views = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(LOOK_AFTER, 10, 10)
