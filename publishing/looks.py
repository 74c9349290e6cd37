"""A state as tone, icon and word: the same on every page, card and list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .models import Delivery, Post
from .wording import parts_words

Status = Delivery.Status


class Look(NamedTuple):
    """tone: ok, warn, bad, info or muted; icon: a name of Material Symbols."""

    tone: str
    icon: str
    word: str


DELIVERY_LOOKS: dict[str, tuple[str, str]] = {
    Status.SCHEDULED: ("info", "schedule"),
    Status.PUBLISHING: ("info", "send"),
    Status.PROCESSING: ("info", "hourglass_top"),
    Status.HELD: ("warn", "pause_circle"),
    Status.UNCERTAIN: ("warn", "search"),
    Status.PUBLISHED: ("ok", "check_circle"),
    Status.FAILED: ("bad", "error"),
    Status.CANCELLED: ("muted", "cancel"),
}
POST_LOOKS: dict[str, tuple[str, str]] = {
    Post.State.DRAFT: ("muted", "edit"),
    Post.State.SCHEDULED: ("info", "schedule"),
    Post.State.CANCELLED: ("muted", "cancel"),
    Post.State.PATTERN: ("muted", "repeat"),
}
#: where a card has no room for the whole sentence
SHORT = {
    Status.UNCERTAIN: gettext_lazy("Checking"),
    Status.PROCESSING: gettext_lazy("Working"),
}
#: the state of a post is that of its most urgent delivery, unless some are out
URGENCY = (
    Status.FAILED,
    Status.UNCERTAIN,
    Status.HELD,
    Status.PUBLISHING,
    Status.PROCESSING,
    Status.SCHEDULED,
    Status.PUBLISHED,
)


def of_delivery(delivery: Delivery, language: str | None = None) -> Look:
    """language: the active one, where somebody knows it already."""
    if delivery.taken_down_at is not None:
        return Look("muted", "delete", _("Deleted at the platform"))
    if delivery.hold == Delivery.Hold.APPROVAL:
        return waiting(delivery)
    if delivery.is_partly_out and delivery.status in (Status.FAILED, Status.PUBLISHED):
        tone, _icon = DELIVERY_LOOKS[delivery.status]
        return Look(tone, "clock_loader_60", parts_words(delivery))
    if delivery.status == Status.UNCERTAIN and delivery.waits_for_person:
        # Nobody is looking any more, so it must not say so.
        return Look("warn", "help", _("Perhaps live: look there"))
    return _of_status(delivery.status, language or translation.get_language())


@lru_cache(maxsize=100)
def _of_status(status: str, _language: str | None) -> Look:
    return Look(*DELIVERY_LOOKS[status], str(Status(status).label))


def waiting(delivery: Delivery) -> Look:
    """Of one that waits for approval: how many of those who have to say yes have done
    so. Reads post.brand."""
    steps = max(delivery.post.brand.approval_steps, delivery.approvals_missing)
    words = {"given": steps - delivery.approvals_missing, "all": steps}
    word = _("Waiting for approval %(given)s/%(all)s") % words
    return Look("warn", "how_to_reg", word)


def of_post(post: Post) -> Look:
    """Its own state, whatever became of its deliveries."""
    return _of_state(post.state)


def _of_state(state: str) -> Look:
    return Look(*POST_LOOKS[state], str(Post.State(state).label))


def native() -> Look:
    """Of a post that somebody made at the network itself."""
    return Look("muted", "public", _("Made at the network"))


def at_risk() -> Look:
    return Look("warn", "warning", _("At risk"))


def ended(deliveries: Sequence[Delivery], worst: str) -> Look | None:
    """Of a post's deliveries what their state alone does not say: that all were deleted
    there, or how much of a thread is out. worst: as `together` finds it."""
    if worst not in (Status.FAILED, Status.PUBLISHED):
        return None
    going = [one for one in deliveries if one.status != Status.CANCELLED]
    gone = all(one.taken_down_at for one in going)
    if gone or (len(going) == 1 and going[0].is_partly_out):
        return of_delivery(going[0])
    return None


def together(
    post: Post,
    statuses: Iterable[str],
    *,
    short: bool = False,
    language: str | None = None,
) -> tuple[Look, str]:
    """A post's state as its deliveries make it: Published, Partly published 2/3 ...

    And the status that decides, "" where that is the post's own. short: words that fit
    a card. language: the active one, where somebody knows it already.
    """
    language = language or translation.get_language()
    return _together(post.state, tuple(statuses), short=short, language=language)


# Of the hundreds on a page most are alike, and each would be put into words anew.
@lru_cache(maxsize=1_000)
def _together(
    state: str, statuses: tuple[str, ...], *, short: bool, language: str | None
) -> tuple[Look, str]:
    """language: that of the words."""
    going = [status for status in statuses if status != Status.CANCELLED]
    if state == Post.State.DRAFT or not going:
        return _of_state(state), ""
    out = going.count(Status.PUBLISHED)
    worst = next(status for status in URGENCY if status in going)
    if 0 < out < len(going):
        words = _("Partly published %(out)s/%(all)s") % {"out": out, "all": len(going)}
        return Look("warn", "clock_loader_60", words), worst
    word = SHORT.get(worst) if short else None
    return Look(*DELIVERY_LOOKS[worst], str(word or Status(worst).label)), worst
