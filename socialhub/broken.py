"""The page for what went wrong on our side."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.defaults import server_error


def broken(request: HttpRequest) -> HttpResponse:
    """In the reader's language as far as it is known, or as their browser asks for it:
    nothing is read from the database, which may be what broke."""
    known = getattr(request, "LANGUAGE_CODE", "")
    with translation.override(known or translation.get_language_from_request(request)):
        return server_error(request)
