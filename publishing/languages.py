"""What languages are called, by their codes ("de", "pt-BR", "zh-Hans")."""

from __future__ import annotations

import re
from functools import cache

from django.conf.global_settings import LANGUAGES
from django.utils.translation import gettext

#: What a code may look like (a part of BCP 47).
CODE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?")


@cache
def _names() -> dict[str, str]:
    """Code -> English name, which is translated where it is shown."""
    return {_code(code): str(name) for code, name in LANGUAGES}


def _code(words: str) -> str:
    """As BCP 47 writes it: Django writes all in small letters."""
    first, *rest = words.split("-")
    cased = [part.title() if len(part) == 4 else part.upper() for part in rest]
    return "-".join([first, *cased])


def name(code: str) -> str:
    """In the reader's language; the code itself of one without a name."""
    if known := _names().get(code):
        return gettext(known)
    base, _dash, rest = code.partition("-")
    known = _names().get(base)
    return f"{gettext(known)} ({rest})" if known and rest else code


def choices(current: str = "") -> list[tuple[str, str]]:
    """Code and name, in alphabetical order of the reader's names. current: one that has
    to be among them."""
    found = {code: name(code) for code in _names() if CODE.fullmatch(code)}
    if current:
        found.setdefault(current, name(current))
    return sorted(found.items(), key=lambda row: row[1].casefold())
