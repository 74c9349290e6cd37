"""The site of the admin: unfold's, without what only unfold's own sidebar would show."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Made when a page reads it, as few do: it asks and links all that is registered."""
        make = super().get_app_list
        return SimpleLazyObject(lambda: make(request, app_label))

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The shell's own sidebar stands in the place of unfold's."""
        return []
