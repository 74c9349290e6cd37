"""The rows of the failure desk, written in Python as those of the other lists are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.markup import NOTHING, fill, fill_each, joined
from publishing.desk import Group
from publishing.models import Delivery
from socialhub.templatetags.socialhub import (
    platform_icon,
    platform_title,
    practice_chip,
    state_chip,
    when,
)

register = template.Library()

Status = Delivery.Status


@dataclass(frozen=True)
class _Page:
    """What all rows share. csrf: the hidden field of a form."""

    csrf: SafeString
    may_write: bool
    may_review: bool
    group: Group


@register.simple_tag(takes_context=True)
def desk_rows(
    context: Context, group: Group, rows: Sequence[Mapping[str, Any]]
) -> SafeString:
    """rows: of a group, as the view has them."""
    token = context.get("csrf_token", "")
    csrf = fill('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', token)
    page = _Page(csrf, context["may_write"], context["may_review"], group)
    cells: list[tuple[str, str, Callable[[Mapping[str, Any]], Any]]] = [
        (_("Post"), ' class="pub-wide"', _post),
        (_("Account"), ' class="pub-account"', _account),
        (_("Due"), ' class="pub-time"', _due),
        (_("Tries"), "", _tries),
        (_("What happened"), ' class="pub-wide"', _happened),
        (_("Actions"), "", lambda row: _actions(row, page)),
    ]
    heads = [
        (fill('<td{} data-label="{}">', SafeString(style), label), cell)
        for label, style, cell in cells
    ]
    return fill_each(
        "<tr>{}</tr>",
        (
            [joined(fill("{}{}</td>", head, cell(row)) for head, cell in heads)]
            for row in rows
        ),
    )


def _post(row: Mapping[str, Any]) -> SafeString:
    delivery = row["delivery"]
    line = row["line"]
    assignee = snoozed = notes = NOTHING
    if line.assignee:
        said = _("with %(name)s") % {"name": line.assignee}
        assignee = fill(' <span class="sh-muted">{}</span>', said)
    if line.notes:
        words = ngettext("%(n)s comment", "%(n)s comments", line.notes)
        notes = fill(
            ' <a href="{}#care">{}</a>',
            delivery.get_absolute_url(),
            words % {"n": line.notes},
        )
    if line.snoozed_until and line.snoozed_until > timezone.now():
        snoozed = fill(
            '<br><span class="sh-muted">{} {}</span>',
            _("Put aside until"),
            when(line.snoozed_until),
        )
    return fill(
        '<a href="{}">{}</a><br>{}{}{}{}',
        delivery.get_absolute_url(),
        row["text"],
        state_chip(delivery),
        assignee,
        notes,
        snoozed,
    )


def _account(row: Mapping[str, Any]) -> SafeString:
    account = row["delivery"].account
    return fill(
        "{} {} {}",
        platform_icon(account.platform),
        account.name,
        practice_chip(account),
    )


def _due(row: Mapping[str, Any]) -> SafeString:
    delivery = row["delivery"]
    late = NOTHING
    if row["is_past_useful"] and delivery.status != Status.PUBLISHED:
        late = fill('<br><span class="sh-muted">{}</span>', _("past its useful time"))
    return fill("{}{}", when(delivery.due_at), late)


def _tries(row: Mapping[str, Any]) -> SafeString:
    count = row["delivery"].attempt_count
    if not row["next_at"]:
        return fill("{}", count)
    return fill("{}, {} {}", count, _("next"), when(row["next_at"]))


def _happened(row: Mapping[str, Any]) -> SafeString:
    delivery = row["delivery"]
    tries = [
        attempt
        for attempt in row["line"].attempts
        if attempt.code or attempt.request_id or attempt.detail
    ]
    said = (
        fill("<pre>{}</pre>", delivery.detail)
        if delivery.detail
        else fill("<p>{}</p>", _("The platform said nothing more."))
    )
    return fill(
        '{} <details class="sh-details"><summary>{}<span class="sh-hidden"> {}</span>'
        "</summary>{}{}</details>{}",
        row["trouble"].sentence,
        _("Details"),
        delivery.account.name,
        joined(map(_try, tries)),
        said,
        support(delivery.pk, row["support"]),
    )


def _try(attempt: Any) -> SafeString:
    code = attempt.code
    asked = attempt.request_id
    return fill(
        "<p>{}{}{}</p>",
        f"HTTP {attempt.http_status} " if attempt.http_status else "",
        fill('<span class="sh-mono">{}</span> ', code) if code else "",
        fill('· {} <span class="sh-mono">{}</span>', _("request"), asked)
        if asked
        else "",
    )


@register.simple_tag
def support(key: Any, text: str) -> SafeString:
    """Text for support to copy. key: tells it from others on the page."""
    return fill(
        '<details class="sh-details"><summary>{}</summary><div class="sh-field">'
        '<label for="support-{}">{}</label><textarea id="support-{}" class="sh-mono" '
        'readonly rows="6">{}</textarea></div><button class="sh-btn sh-btn--small '
        'sh-script" type="button" data-copy="support-{}" data-done="{}">{}</button>'
        "</details>",
        _("Copy for support"),
        key,
        _("Ids, times and the platform's words; no secrets"),
        key,
        text,
        key,
        _("Copied"),
        _("Copy"),
    )


def _link(url: str, label: str, about: str = "") -> SafeString:
    return fill(
        '<a class="sh-btn sh-btn--small" href="{}">{}{}</a>',
        url,
        label,
        fill('<span class="sh-hidden"> {}</span>', about) if about else NOTHING,
    )


def _form(page: _Page, url: str, label: str, about: str, **more: Any) -> SafeString:
    """A button that sends. more: hidden fields besides the address to come back to."""
    return fill(
        '<form method="post" action="{}">{}{}<button class="sh-btn sh-btn--small" '
        'type="submit">{}<span class="sh-hidden"> {}</span></button></form>',
        url,
        page.csrf,
        fill_each(
            '<input type="hidden" name="{}" value="{}">',
            {**more, "next": reverse("failure_desk")}.items(),
        ),
        label,
        about,
    )


def _actions(row: Mapping[str, Any], page: _Page) -> SafeString:
    delivery, text = row["delivery"], row["text"]
    pk = [delivery.pk]
    has_failed = delivery.status == Status.FAILED
    buttons = []
    if delivery.status == Status.PUBLISHED and delivery.permalink:
        words = {"platform": platform_title(delivery.account.platform)}
        buttons.append(
            fill(
                '<a class="sh-btn sh-btn--small" href="{}" rel="noopener noreferrer">{}'
                "</a>",
                delivery.permalink,
                _("See it on %(platform)s") % words,
            )
        )
    if page.may_write and has_failed and page.group.trouble.action == "edit":
        edit = reverse("post_edit", args=[delivery.post_id])
        buttons.append(_link(edit, _("Edit"), text))
    if row["is_twice"]:
        if page.may_review:
            url = reverse("delivery_allow_twice", args=pk)
            label = _("Send it all the same")
            buttons.append(_form(page, url, label, text, seen=delivery.fence))
        if page.may_write:
            url = reverse("delivery_cancel", args=pk)
            buttons.append(_form(page, url, _("Do not send"), text))
    elif delivery.waits_for_person and not has_failed:
        label = _("Decide") if row["decides"] else _("Look at it")
        buttons.append(_link(delivery.get_absolute_url(), label, text))
    if page.may_review and has_failed and not delivery.dismissed_at:
        url = reverse("delivery_dismiss", args=pk)
        buttons.append(_form(page, url, _("Dismiss"), text))
    return fill('<span class="sh-row">{}</span>', joined(buttons))
