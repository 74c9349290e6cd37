"""What the plain calendar and the composer show many times.

Cards are written in Python: of a template's tags for each, the page would take three
times as long.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from html import escape
from typing import Any

from django import template
from django.template import Context
from django.template.defaulttags import CsrfTokenNode
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.addresses import address, addresses
from accounts.markup import NOTHING, fill, fill_each, joined
from accounts.reading import telling, told
from publishing import looks
from publishing.cards import Card, NativeCard
from publishing.forms import Choice, NetworkSection
from publishing.listing import Calendar, Day, Filters, NativeRow, Row
from publishing.models import Delivery, SavedView
from socialhub.templatetags.socialhub import (
    chip,
    delivery_chip,
    health_chip,
    platform_icon,
    practice_chip,
    state_chip,
)

register = template.Library()


register.filter("told", told)


@register.simple_tag
def calendar_weeks(calendar: Calendar, may_write: bool, filters: Filters) -> SafeString:
    """The days, seven in a row, with their cards."""
    whole = f"{reverse('post_list')}?{filters.query(tab='all')}&day="
    new = f"{reverse('compose')}?{filters.composer_query}date="
    words = _("j F"), _("New post on %(day)s"), _("+%(n)s more"), _("on %(day)s")
    tell, pen = telling(), _Pen()

    def cell(day: Day) -> SafeString:
        named = {"day": tell(day.date, words[0])}
        add = more = NOTHING
        if may_write and not day.is_past:
            add = fill(
                '<a class="pub-add" href="{}"><span class="material-symbols-outlined '
                'sh-icon" aria-hidden="true">add</span><span class="sh-hidden">{}</span>'
                "</a>",
                new + day.iso,
                words[1] % named,
            )
        if day.more:
            more = fill(
                '<a class="pub-more" href="{}">{}<span class="sh-hidden"> {}</span></a>',
                whole + day.iso,
                words[2] % {"n": day.more},
                words[3] % named,
            )
        classes = [
            " pub-day--empty" * (not day.count),
            " pub-day--today" * day.is_today,
            " pub-day--past" * day.is_past,
            " pub-day--other" * (not day.in_month),
        ]
        today = fill(" <strong>{}</strong>", _("Today")) if day.is_today else NOTHING
        return SafeString(
            f'<td class="pub-day{"".join(classes)}"><div class="pub-day__head"><span>'
            f'<span class="pub-day__name">{escape(tell(day.date, "l"))} </span>'
            f'{day.date.day}<span class="pub-day__name"> {escape(tell(day.date, "M"))}'
            f"</span>{today}</span>{add}</div>{joined(map(pen.card, day.cards))}{more}"
            "</td>"
        )

    return fill_each(
        "<tr>{}</tr>", ([joined(map(cell, week))] for week in calendar.weeks)
    )


@register.simple_tag(takes_context=True)
def saved_views(context: Context, views: Iterable[SavedView]) -> SafeString:
    """Views of a page that the reader may open; those of their own can be forgotten."""
    reader = context["request"].user.pk
    token = CsrfTokenNode().render(context)
    shared = fill(' <span class="sh-muted">{}</span>', _("(shared)"))
    forget = _("Forget the view %(name)s")
    return fill(
        '<ul class="sh-row pub-views-kept" aria-label="{}">{}</ul>',
        _("Saved views"),
        fill_each(
            '<li class="sh-row"><a class="sh-btn sh-btn--small" href="{}"><span '
            'class="material-symbols-outlined sh-icon" aria-hidden="true">bookmark</span>'
            "{}{}</a>{}</li>",
            (
                (
                    view.get_absolute_url(),
                    view.name,
                    NOTHING if view.brand_id is None else shared,
                    fill(
                        '<form method="post" action="{}">{}<button class="sh-btn '
                        'sh-btn--small sh-btn--quiet" aria-label="{}"><span class='
                        '"material-symbols-outlined sh-icon" aria-hidden="true">close'
                        "</span></button></form>",
                        address("view_forget", view.pk),
                        token,
                        forget % {"name": view.name},
                    )
                    if view.person_id == reader
                    else NOTHING,
                )
                for view in views
            ),
        ),
    )


class _Pen:
    """Writes the cards of one page: what they share is asked for once, for each of
    those questions takes longer than all else of a card."""

    def __init__(self) -> None:
        self.zone = timezone.get_current_timezone()
        self.language = translation.get_language()
        self.of_delivery = addresses("delivery_detail")
        self.of_post = addresses("post_detail")
        self.of_picture = addresses("media_preview")
        self.at_risk = chip(*looks.at_risk())

    def card(self, row: Row | NativeRow) -> SafeString:
        if isinstance(row, NativeRow):
            return self._native(row)
        delivery, risk = row.delivery, row.risk
        classes = "pub-card pub-card--risk" if risk else "pub-card"
        state: str
        if delivery is None:
            url, who = self.of_post(row.post.pk), _name(row.post.brand.name)
            state = state_chip(row.post)
        else:
            url, who = self.of_delivery(delivery.pk), _who(delivery.account)
            why = row.held_why
            state = (
                f"{delivery_chip(delivery, self.language)} {_why(why) if why else ''}"
            )
            if delivery.status == Delivery.Status.FAILED:
                classes += " pub-card--bad"
        if risk:
            state = f"{self.at_risk} {_why(risk.sentence)}"
        picture = _picture(self.of_picture(row.picture)) if row.picture else ""
        return SafeString(
            f'<a class="{classes}" href="{escape(url)}"><span class="pub-card__head">'
            f"{_clock_in(row.at, self.zone) if row.at else ''} {who}</span>{picture}"
            f'<span class="pub-card__text">{escape(row.excerpt)}</span> {state}</a>'
        )

    def _native(self, row: NativeRow) -> SafeString:
        return fill(
            '<a class="pub-card pub-card--native" href="{}" rel="noopener noreferrer">'
            '<span class="pub-card__head">{} {}</span>'
            '<span class="pub-card__text">{}</span> {}</a>',
            row.address,
            _clock_in(row.at, self.zone),
            _who(row.account),
            row.excerpt,
            chip(*row.look),
        )


# The cards of a period are shown again and again.
@lru_cache(maxsize=10_000)
def _clock_in(at: datetime, zone: tzinfo) -> SafeString:
    written = at.astimezone(zone).isoformat()
    return fill(
        '<time class="sh-time" datetime="{}">{}</time>', written, written[11:16]
    )


def _who(account: Any) -> SafeString:
    return _who_named(account.platform, account.name)


@lru_cache(maxsize=2_000)
def _who_named(platform: str, name: str) -> SafeString:
    return fill("{} {}", platform_icon(platform), _name(name))


def _name(name: str) -> SafeString:
    return fill('<span class="pub-card__who">{}</span>', name)


def _picture(url: str) -> SafeString:
    return fill(
        '<img class="pub-card__picture" src="{}" alt="" width="48" height="48" '
        'loading="lazy">',
        url,
    )


@register.simple_tag
def day_cards(cards: Iterable[Card | NativeCard], may_write: bool) -> SafeString:
    """The posts of a day's panel."""
    words = _("Move"), _("See it there")
    return joined(_day_card(card, may_write, *words) for card in cards)


def _day_card(
    card: Card | NativeCard, may_write: bool, move: str, see: str
) -> SafeString:
    buttons = []
    if may_write and isinstance(card, Card) and card.can_move:
        buttons.append(
            fill(
                '<button type="button" class="sh-btn sh-btn--small" data-move-post="{}" '
                'data-seen="{}" data-at="{}" data-text="{}">{}'
                '<span class="sh-hidden"> {}</span></button>',
                card.post.pk,
                card.seen,
                card.minute,
                card.excerpt,
                move,
                card.excerpt,
            )
        )
    if card.permalink:
        buttons.append(
            fill(
                '<a class="sh-btn sh-btn--small" href="{}" rel="noopener noreferrer">{}'
                '<span class="sh-hidden"> {}</span></a>',
                card.permalink,
                see,
                card.excerpt,
            )
        )
    return fill(
        '<li><p class="sh-row"><time class="sh-time" datetime="{}">{}</time>{} <strong>{}'
        '</strong></p><p class="sh-row">{}<a href="{}"{}>{}</a></p><p class="sh-row">{}{}'
        "</p>{}</li>",
        card.local.isoformat(),
        card.time,
        fill_each(" {}", ([platform_icon(slug)] for slug in card.platforms)),
        card.who,
        _picture(address("media_preview", card.picture)) if card.picture else NOTHING,
        card.address,
        SafeString(' rel="noopener noreferrer"')
        if isinstance(card, NativeCard)
        else NOTHING,
        card.excerpt,
        chip(*card.look),
        fill(" {}", _why(card.why)) if card.why else NOTHING,
        fill('<p class="sh-row">{}</p>', joined(buttons)) if buttons else NOTHING,
    )


@dataclass(frozen=True)
class _Section:
    """A network's section, equal to all that look like it."""

    language: str | None
    shown_by: Hashable
    section: NetworkSection = field(compare=False)


@register.simple_tag
def network_section(section: NetworkSection) -> SafeString:
    """What one network gets of its own. Mostly nothing is set there, and it looks as it
    did in the composer that was opened before."""
    if (shown_by := section.is_shown_by) is None:
        return _section(section)
    return _section_as_before(_Section(translation.get_language(), shown_by, section))


def _section(section: NetworkSection) -> SafeString:
    context = {"section": section, "open": section.is_open}
    return render_to_string("publishing/_network.html", context)


@lru_cache(maxsize=200)
def _section_as_before(wanted: _Section) -> SafeString:
    return _section(wanted.section)


def _why(words: str) -> SafeString:
    return fill('<span class="pub-card__why">{}</span>', words)


@register.simple_tag
def account_choices(section: NetworkSection) -> SafeString:
    """The accounts of one network in the composer, each with its box."""
    return joined(
        _account_choice(choice, section.spec.slug) for choice in section.choices
    )


def _account_choice(choice: Choice, slug: str) -> SafeString:
    account = choice.account
    return fill(
        '<label class="sh-check"><input type="checkbox" name="accounts" value="{}" '
        'data-network="{}"{}{}>{}<span>{}{} {} {}{}</span></label>',
        account.pk,
        slug,
        _checked if choice.is_ticked else "",
        _disabled if choice.locked else "",
        fill('<input type="hidden" name="open" value="{}">', account.pk)
        if choice.is_open
        else "",
        account.name,
        fill(' <span class="sh-muted">@{}</span>', account.handle)
        if account.handle
        else "",
        practice_chip(account),
        _able() if account.health == "healthy" else health_chip(account),
        fill_each(
            ' <span class="sh-help">{}</span>', ([said] for said in _said(choice))
        ),
    )


_checked, _disabled = SafeString(" checked"), SafeString(" disabled")


def _able() -> SafeString:
    words = _("Able to post")
    return fill(
        '<span class="material-symbols-outlined sh-icon pub-ok" aria-hidden="true" '
        'title="{0}">check_circle</span><span class="sh-hidden">{0}</span>',
        words,
    )


def _said(choice: Choice) -> Iterable[str]:
    """What a person should know of an account that is chosen."""
    if choice.held:
        yield choice.held
    if choice.partly and not choice.locked:
        yield _("%(words)s: what is out stays, the rest goes on when you save.") % {
            "words": choice.partly
        }
    elif choice.is_failed:
        yield _("Failed: it is sent again when you save.")
    if choice.locked:
        yield choice.locked
