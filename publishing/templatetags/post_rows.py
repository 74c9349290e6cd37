"""The rows of the list of posts.

Written in Python, as the cards of the plain calendar are, and for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.causes import Action
from accounts.markup import NOTHING, fill, fill_each
from publishing import looks
from publishing.listing import Row
from publishing.models import Delivery
from publishing.risk import Risk
from socialhub.templatetags.socialhub import (
    chip,
    platform_icon,
    platform_title,
    practice_chip,
    state_chip,
    when,
)

register = template.Library()


class _Page:
    """What rows share; put into the reader's language once. is_admin: may press what
    only admins may."""

    def __init__(self, may_write: bool, is_admin: bool) -> None:
        self.may_write, self.is_admin = may_write, is_admin

    @cached_property
    def at_risk(self) -> SafeString:
        return chip(*looks.at_risk())

    @cached_property
    def by_admin(self) -> str:
        return " " + _("Only an admin can do that.")

    @cached_property
    def details(self) -> str:
        return _("Details")

    @cached_property
    def published(self) -> str:
        return _("Published")


@register.simple_tag
def post_rows(
    rows: Iterable[Row], may_write: bool, says_why: bool, is_admin: bool
) -> SafeString:
    """is_admin: may press what only admins may."""
    page = _Page(may_write, is_admin)
    columns = [
        (_("Choose"), "", _tick) if may_write else None,
        (_("Time"), "pub-time", lambda row: _time(row, page)),
        (_("Account"), "pub-account", _account),
        (_("Text"), "pub-wide", _text),
        (_("State"), "pub-state", lambda row: _state(row, page)),
        (
            (_("Why / next step"), "pub-wide", lambda row: _why(row, page))
            if says_why
            else None
        ),
        (_("Owner"), "", lambda row: row.looked_after_by),
        (_("Actions"), "", lambda row: _actions(row, page)),
    ]
    cells = [
        (
            fill(
                '<td{} data-label="{}">',
                fill(' class="{}"', style) if style else "",
                label,
            ),
            content,
        )
        for label, style, content in filter(None, columns)
    ]
    return fill_each(
        "<tr>{}</tr>",
        (
            (fill_each("{}{}</td>", ((head, content(row)) for head, content in cells)),)
            for row in rows
        ),
    )


def _tick(row: Row) -> SafeString:
    delivery = row.delivery
    return fill(
        '<input type="checkbox" form="bulk" name="pick" value="{}" class="pub-pick" '
        'aria-label="{}">',
        f"d{delivery.pk}" if delivery else f"p{row.post.pk}",
        f"{row.excerpt}, {delivery.account.name}" if delivery else row.excerpt,
    )


def _time(row: Row, page: _Page) -> SafeString:
    delivery = row.delivery
    if delivery is None or delivery.published_at is None:
        return when(row.at)
    return fill(
        '{}<br><span class="sh-muted">{} {}</span>',
        when(row.at),
        page.published,
        when(delivery.published_at),
    )


def _account(row: Row) -> Any:
    if row.delivery is None:
        return row.post.brand.name
    account = row.delivery.account
    return fill(
        "{} {} {}",
        platform_icon(account.platform),
        account.name,
        practice_chip(account),
    )


def _text(row: Row) -> SafeString:
    return fill('<a href="{}">{}</a>', row.post.get_absolute_url(), row.excerpt)


def _state(row: Row, page: _Page) -> SafeString:
    if row.risk:
        return page.at_risk
    return state_chip(row.delivery or row.post)


def _why(row: Row, page: _Page) -> SafeString:
    """Why it does not go out, or what happens next."""
    delivery = row.delivery
    head = NOTHING
    if delivery and delivery.status != Delivery.Status.SCHEDULED and row.trouble:
        head = fill("<strong>{}.</strong> ", row.trouble.head)
    said = _risk_lines(row.risks, page) if row.risks else row.next_step
    return fill("{}{}", head, said)


@register.simple_tag
def risk_lines(risks: Sequence[Risk], is_admin: bool) -> SafeString:
    """Why a post will not go out when due: one line per reason, with its cure and its
    button."""
    return _risk_lines(risks, _Page(may_write=False, is_admin=is_admin))


def _risk_lines(risks: Sequence[Risk], page: _Page) -> SafeString:
    is_admin = page.is_admin
    return fill(
        '<ul class="pub-lines">{}</ul>',
        fill_each(
            '<li><span class="material-symbols-outlined sh-icon pub-warn" '
            'aria-hidden="true">warning</span><span>{} <span class="sh-muted">{}{}'
            "</span>{}</span></li>",
            (
                (
                    risk.sentence,
                    risk.cure,
                    "" if is_admin or not risk.for_admins else page.by_admin,
                    _way_out(risk, is_admin),
                )
                for risk in risks
            ),
        ),
    )


def _way_out(risk: Risk, is_admin: bool) -> SafeString:
    """For those who may press it."""
    if not risk.url or (risk.for_admins and not is_admin):
        return NOTHING
    return fill(
        ' <span class="pub-way"><a class="sh-btn sh-btn--small whitespace-nowrap" '
        'href="{}">{}</a></span>',
        risk.url,
        risk.label,
    )


def _actions(row: Row, page: _Page) -> SafeString:
    delivery = row.delivery
    if delivery is None:
        if not page.may_write:
            return NOTHING
        return fill(
            '<a class="sh-btn sh-btn--small" href="{}">{}</a>',
            reverse("post_edit", args=[row.post.pk]),
            _("Edit"),
        )
    seen = NOTHING
    if delivery.permalink:
        words = {"platform": platform_title(delivery.account.platform)}
        seen = fill(
            '<a class="sh-btn sh-btn--small" href="{}" rel="noopener noreferrer">{}</a>',
            delivery.permalink,
            _("See it on %(platform)s") % words,
        )
    decides = row.trouble is not None and row.trouble.action == Action.DECIDE
    return fill(
        '<span class="sh-row">{} <a class="sh-btn sh-btn--small" href="{}">{}'
        '<span class="sh-hidden"> {}</span></a></span>',
        seen,
        delivery.get_absolute_url(),
        _("Decide") if decides else page.details,
        delivery.account.name,
    )
