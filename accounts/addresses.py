"""Addresses of rows: a list names hundreds, and most of them each time it is shown."""

from __future__ import annotations

from functools import lru_cache

from django.urls import get_script_prefix, get_urlconf, reverse


def address(view: str, pk: int) -> str:
    """`reverse`, of a page of one row."""
    return _address(view, pk, get_urlconf(), get_script_prefix())


@lru_cache(maxsize=20_000)
def _address(view: str, pk: int, urlconf: str | None, prefix: str) -> str:
    """prefix: under which the site stands, which the address begins with."""
    return reverse(view, args=[pk])
