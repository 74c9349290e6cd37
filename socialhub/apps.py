from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import sites
from django.db import connection
from django.db.backends.signals import connection_created
from unfold.apps import BasicAppConfig

from platforms import registry
from platforms.base import Draft
from platforms.transport import tls_context

from . import pg_times, planner


class SkinConfig(BasicAppConfig):
    """unfold, with a site of ours."""

    def ready(self) -> None:
        from unfold import fields
        from unfold.templatetags import unfold_list

        from .pretty import pretty_json
        from .site import Site

        admin.site = sites.site = Site()
        fields.prettify_json = pretty_json
        unfold_list.result_headers = once_a_list(unfold_list.result_headers)


def once_a_list(headers: Callable[[Any], Iterable[Any]]) -> Callable[[Any], list[Any]]:
    """The heads of a list's columns, which unfold works out anew for each of its rows:
    half of what a list of the admin costs."""

    def heads(changes: Any) -> list[Any]:
        found: list[Any] | None = getattr(changes, "_heads", None)
        if found is None:
            found = changes._heads = list(headers(changes))
        return found

    return heads


class ShellConfig(AppConfig):
    name = "socialhub"
    label = "shell"
    verbose_name = "SocialHub"

    def ready(self) -> None:
        connection_created.connect(planner.tell, dispatch_uid="planner")
        connection_created.connect(pg_times.read, dispatch_uid="pg_times")
        if settings.IN_CLUSTER:
            # Workers share their parent's memory until somebody writes to it, as the
            # garbage collector does when it looks at what is there. What each of them
            # would load by itself is loaded before.
            for platform in map(registry.platform, registry.PLATFORMS):
                # Some keep tables for it: a list of all top-level domains, say.
                platform.counts(Draft(text="socialhub.example"))
            tls_context()
            connection.ops.compiler("SQLCompiler")
            gc.collect()
            os.register_at_fork(before=gc.freeze)
