"""Addresses of rows: a list names hundreds, and most of them each time it is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.urls import get_script_prefix, get_urlconf, reverse


def address(view: str, *keys: int | str) -> str:
    """`reverse`, of a page of one row. view: of no namespace of which there are several
    instances."""
    return _address(view, keys, get_urlconf(), get_script_prefix())


def addresses(view: str) -> Callable[[int], str]:
    """`address` of many rows of one page: where the site stands is asked for once."""
    urlconf, prefix = get_urlconf(), get_script_prefix()
    return lambda key: _address(view, (key,), urlconf, prefix)


@lru_cache(maxsize=20_000)
def _address(
    view: str, keys: tuple[int | str, ...], urlconf: str | None, prefix: str
) -> str:
    """prefix: under which the site stands, which the address begins with."""
    return reverse(view, args=keys)
