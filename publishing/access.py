"""Roles at the door of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.zones import zone_names

View = Callable[..., HttpResponseBase]


def row_number(text: str) -> int:
    """A primary key from a form or an address; 0, which no row has, for anything else.

    Longer numbers fit into no column, and Python refuses to read very long ones.
    """
    return int(text) if text.isdecimal() and len(text) <= 18 else 0


def row_numbers(typed: Iterable[str], most: int) -> list[int]:
    """Those of fields of one name, each once. A field may hold several, "12,13": a form
    of hundreds would be mostly fields else."""
    found = (row_number(part) for text in typed for part in text.split(",", most))
    return list(dict.fromkeys(filter(None, found)))[:most]


def role_required(may: Callable[[Any], bool]) -> Callable[[View], View]:
    """Signed in, and with a role for which `may(user)` is true; else the 403 page."""

    def wrap(view: View) -> View:
        @login_required
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(request.user):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return inner

    return wrap


def in_chosen_zone(view: View) -> View:
    """Times are read and shown on the clock of `zone` (GET or POST), where one is named:
    so that an address shows everybody the same."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        zone = request.POST.get("zone") or request.GET.get("zone") or ""
        if zone not in zone_names():
            return view(request, *args, **kwargs)
        with timezone.override(ZoneInfo(zone)):
            return view(request, *args, **kwargs)

    return inner
