"""Incidents as cards, written in Python as the rows of lists are."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.addresses import address
from accounts.markup import NOTHING, fill, joined
from accounts.names import name_of
from monitoring.incident_views import Card
from monitoring.models import Incident
from socialhub.templatetags.socialhub import chip, when

register = template.Library()

State = Incident.State
_WORDS = {
    "reconnect": gettext_lazy("Reconnect"),
    "standby": gettext_lazy("Add standby access"),
    "account": gettext_lazy("Open the account"),
    "paused": gettext_lazy("Show what is paused"),
    "links": gettext_lazy("Send a link"),
}


@register.simple_tag(takes_context=True)
def incident_card(context: Context, card: Card) -> SafeString:
    """One incident with its buttons."""
    incident = card.incident
    is_open = incident.is_open
    return fill(
        '<article class="sh-card" aria-labelledby="incident-{0}">'
        '<div class="sh-row sh-row--apart"><h2 id="incident-{0}">'
        '<a class="sh-link" href="{1}">{2}</a></h2> {3}</div>'
        '<p>{4}{5}</p><p class="sh-muted">{6}</p>{7}</article>',
        incident.pk,
        incident.get_absolute_url(),
        card.head,
        chip(card.tone, card.icon, card.state),
        card.sentence,
        fill(" {}", card.cure) if is_open else NOTHING,
        _facts(card),
        incident_buttons(context, card) if is_open else NOTHING,
    )


def _facts(card: Card) -> SafeString:
    """What it concerns, since when, and who looks after it."""
    incident = card.incident
    facts: list[Any] = [card.parts] if card.parts else []
    if incident.is_open and incident.kind == Incident.Kind.ENDS:
        facts.append(card.posts)
    elif incident.is_open and card.tells_posts:
        facts.append(_waiting(card))
    if incident.ends_at:
        facts.append(fill("{} {}", _("ends"), when(incident.ends_at, "short")))
    elif incident.resolved_at:
        ends = when(incident.opened_at, "short"), when(incident.resolved_at, "short")
        facts.append(fill("{} – {}", *ends))
    else:
        facts.append(fill("{} {}", _("since"), when(incident.opened_at, "short")))
    taker = incident.acknowledged_by
    if incident.state == State.ACKNOWLEDGED and taker is not None:
        facts.append(_("%(name)s is on it") % {"name": name_of(taker)})
    return joined(
        fill(" · {}" if number else "{}", fact) for number, fact in enumerate(facts)
    )


def _waiting(card: Card) -> Any:
    if not card.incident.post_count:
        return _("no post waits")
    first = when(card.incident.first_due_at, "short")
    return fill("{}, {} {}", card.posts, _("first due"), first)


@register.simple_tag(takes_context=True)
def incident_buttons(context: Context, card: Card) -> SafeString:
    """What a person can do about an open incident."""
    buttons = [
        fill(
            '<a class="sh-btn{}" href="{}">{}<span class="sh-hidden">: {}</span></a> ',
            " sh-btn--primary" if is_first else "",
            url,
            words,
            card.head,
        )
        for url, words, is_first in (
            (card.reconnect, _WORDS["reconnect"], True),
            (card.standby, _WORDS["standby"], True),
            (card.account, _WORDS["account"], True),
            (card.paused, _WORDS["paused"], True),
            (card.links, _WORDS["links"], False),
        )
        if url
    ]
    if card.may_take:
        request = context["request"]
        back = NOTHING
        if request.method == "GET":
            back = fill(
                '<input type="hidden" name="next" value="{}">', request.get_full_path()
            )
        buttons.append(
            fill(
                '<form method="post" action="{}">{}{}<button class="sh-btn" '
                'type="submit">{}<span class="sh-hidden">: {}</span></button></form> ',
                address("incident_acknowledge", card.incident.pk),
                CsrfTokenNode().render(context),
                back,
                _("I am on it"),
                card.head,
            )
        )
    if card.is_for_admins and not context["shell"].is_admin:
        words = _("Nothing for you to do: an admin looks after it.")
        buttons.append(fill('<span class="sh-muted">{}</span>', words))
    return fill('<div class="sh-actions">{}</div>', joined(buttons))
