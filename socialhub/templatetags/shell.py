"""What stands around every page, kept by what it is made of."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import template
from django.template import Context
from django.template.loader import get_template, render_to_string
from django.urls import get_script_prefix, get_urlconf
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import get_language

from accounts.campaigns import Line
from accounts.names import name_of
from socialhub import shell

register = template.Library()


@register.simple_tag
def same(name: str) -> SafeString:
    """A template that asks nothing of the page: the same on all of one language."""
    return _same(name, get_language(), get_urlconf(), get_script_prefix())


@lru_cache(maxsize=100)
def _same(name: str, *_said_once_for: Any) -> SafeString:
    # What unfold's own ask; they are shown to whom it concerns.
    staff = {"user": {"is_staff": True}}
    context = {"request": staff}
    return get_template(name).template.render(Context(context))  # type: ignore[attr-defined]


@register.simple_tag(takes_context=True)
def sidebar(context: Context) -> SafeString:
    side = context["shell"].side
    if side is None:
        return mark_safe(render_to_string("_partials/sidebar.html", {}))  # noqa: S308
    name = escape(name_of(context["shell"].user))
    return _for(context, shell.sidebar(side).replace(shell.NAME, name))


@register.simple_tag(takes_context=True)
def lost_accesses(context: Context) -> SafeString:
    """What every page says of lost accesses; there are some."""
    shown, request = context["shell"], context["request"]
    said = shell.banner(
        get_language() or "",
        tuple(
            shell.Lost(row.pk, row.head, row.account_count, row.post_count)
            for row in shown.incidents
        ),
        shown.more_incidents,
        request.method == "GET",
    )
    said = said.replace(shell.NEXT, escape(request.get_full_path()))
    return _for(context, said)


@register.simple_tag(takes_context=True)
def campaign_line(context: Context, line: Line, closed_at: Any) -> SafeString:
    """Of many accounts that a campaign asks for, few change from page to page."""
    zone = get_current_timezone_name()
    site = get_urlconf(), get_script_prefix()
    return _for(
        context, _campaign_line(line, bool(closed_at), zone, get_language(), site)
    )


@lru_cache(maxsize=1000)
def _campaign_line(
    line: Line, is_closed: bool, _zone: str, _language: str | None, _site: Any
) -> str:
    context = {"item": line, "is_closed": is_closed, "csrf_token": shell.TOKEN}
    return render_to_string("accounts/_campaign_line.html", context)


def _for(context: Context, said: str) -> SafeString:
    """What was kept, with the token of this page's forms."""
    return mark_safe(said.replace(shell.TOKEN, str(context["csrf_token"])))  # noqa: S308
