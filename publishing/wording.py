"""What pages say about a delivery: its state, why, what comes next, for support."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from accounts.causes import Action, explain
from accounts.names import name_of
from accounts.reading import told
from platforms import registry
from platforms.base import MediaKind

from .models import Attempt, Delivery, Stop
from .risk import Risk

Status, Hold = Delivery.Status, Delivery.Hold


@dataclass(frozen=True)
class Trouble:
    """Why a delivery is where it is, and which button mends it."""

    key: str
    head: str
    sentence: str
    cure: str
    action: Action


_HOLDS: dict[str, tuple[Any, Any, Action]] = {
    Hold.ACCESS: (
        gettext_lazy("SocialHub may no longer post for this account."),
        gettext_lazy("Reconnect the account. What waits goes out by itself."),
        Action.RECONNECT,
    ),
    Hold.PERMISSION: (
        gettext_lazy("A permission that posting needs was not given."),
        gettext_lazy("Reconnect the account and allow everything that is asked for."),
        Action.RECONNECT,
    ),
    Hold.LIMIT: (
        gettext_lazy("The platform accepts only so many posts or calls in a while."),
        gettext_lazy("Nothing to do: it goes on by itself."),
        Action.WAIT,
    ),
    Hold.PLATFORM: (
        gettext_lazy("The platform has trouble: not us, not you."),
        gettext_lazy("Nothing to do: it goes on by itself."),
        Action.WAIT,
    ),
    Hold.STOPPED: (
        gettext_lazy("Publishing was stopped when it was due."),
        gettext_lazy("Choose whether it goes out or is cancelled."),
        Action.DECIDE,
    ),
    Hold.TOO_LATE: (
        gettext_lazy("Its useful time was over before it could be sent."),
        gettext_lazy("Send it anyway, or cancel it."),
        Action.DECIDE,
    ),
    Hold.DISCONNECTED: (
        gettext_lazy("The account has been disconnected from SocialHub."),
        gettext_lazy("Reconnect the account, or cancel the post."),
        Action.RECONNECT,
    ),
    Hold.APPROVAL: (
        gettext_lazy("Nobody has approved it yet as it stands now."),
        gettext_lazy("A reviewer approves it; until then nothing is sent."),
        Action.WAIT,
    ),
    Hold.TWICE: (
        gettext_lazy(
            "Wording, link and images are those of a post to this account within the "
            "last 24 hours."
        ),
        gettext_lazy("Send it all the same, or do not send it."),
        Action.DECIDE,
    ),
}


def trouble(delivery: Delivery) -> Trouble | None:
    """What keeps a delivery from going out; None when nothing does."""
    if delivery.status == Status.HELD and delivery.stop:
        return _stopped(delivery.stop)
    return _known_trouble(
        delivery.status,
        delivery.hold,
        delivery.cause,
        delivery.next_attempt_at is None,
        get_language(),
    )


@lru_cache(maxsize=2000)
def _known_trouble(
    status: str, hold: str, cause: str, is_over: bool, language: str | None
) -> Trouble | None:
    """The same for hundreds of rows. is_over: nothing happens by itself any more;
    language: the active one."""
    if status == Status.HELD:
        sentence, cure, action = _HOLDS.get(
            hold, ("", gettext_lazy("Look at the delivery."), Action.DECIDE)
        )
        if cause and hold in {Hold.ACCESS, Hold.PERMISSION}:
            known = explain(cause)
            return Trouble(
                f"held-{cause}",
                str(known.head),
                str(known.sentence),
                str(known.cure),
                known.action,
            )
        head = str(Hold(hold).label) if hold else ""
        return Trouble(f"held-{hold}", head, str(sentence), str(cure), action)
    if status == Status.UNCERTAIN:
        if is_over:
            return Trouble(
                "unclear",
                _("Nobody can tell whether it went out"),
                _("The answer was lost and the platform cannot be asked."),
                _("Look at the account there, then say here what you saw."),
                Action.DECIDE,
            )
        known = explain("answer_lost")
        return Trouble(
            "checking",
            str(known.head),
            str(known.sentence),
            str(known.cure),
            Action.WAIT,
        )
    if status == Status.FAILED or (status == Status.SCHEDULED and cause):
        known = explain(cause)
        action = known.action
        cure = str(known.cure)
        if status == Status.FAILED and action == Action.WAIT:
            # Trouble that mends itself, but the tries have run out.
            action, cure = Action.RETRY, _("We tried several times. Send it again.")
        return Trouble(
            f"{status}-{cause}",
            str(known.head),
            str(known.sentence),
            cure,
            action,
        )
    return None


def _stopped(stop: Stop) -> Trouble:
    """A hold by a stop that is known, with its reason."""
    words = {
        "name": person(stop.started_by),
        "when": clock(stop.started_at),
        "why": stop.reason,
    }
    reason = _("Stopped by %(name)s at %(when)s. Reason: %(why)s") % words
    key = f"held-stopped-{stop.pk}"
    if stop.ended_at is None:
        cure = _("It is held until the stop is ended and somebody lets it out.")
        return Trouble(key, stop.headline, reason, cure, Action.OPERATOR)
    cure = _("The stop has ended. Choose whether it goes out or is cancelled.")
    head = _("Held by a stop that has ended (%(what)s)") % {"what": stop.what}
    return Trouble(key, head, reason, cure, Action.DECIDE)


def held_in_short(delivery: Delivery) -> str:
    """Why it is held, for a card of the calendar; "" when it is not."""
    if delivery.status != Status.HELD:
        return ""
    stop = delivery.stop
    if stop is None:
        found = trouble(delivery)
        return f"{found.head}." if found else ""
    words = {"why": Truncator(stop.reason).chars(50)}
    if stop.ended_at is None:
        return _("Stopped: waits for its end. Reason: %(why)s") % words
    return _("Was stopped: somebody has to choose. Reason: %(why)s") % words


def person(user: Any) -> str:
    return name_of(user) if user else "SocialHub"


def clock(at: datetime) -> str:
    """A time in the reader's zone, with the zone's name."""
    local = timezone.localtime(at)
    today = timezone.localtime().date()
    pattern = "H:i" if local.date() == today else _("D j M Y, H:i")
    zone = timezone.get_current_timezone_name()
    return f"{told(at, pattern)} ({zone})"


def parts_words(delivery: Delivery) -> str:
    """How much of a post is out that is partly out: "2 of 4 parts are out"; else ""."""
    if not delivery.is_partly_out:
        return ""
    out, total = delivery.parts_out, delivery.parts_total
    if delivery.draft.get("first_comment") and total == 2:
        return _("The post is out, its first comment is not")
    if delivery.draft.get("first_comment") and out == total - 1:
        return _("All parts are out, the first comment is not")
    return _("%(out)s of %(total)s parts are out") % {"out": out, "total": total}


def state_sentence(delivery: Delivery) -> str:
    """The state in one plain sentence."""
    if words := parts_words(delivery):
        return f"{words}. {_rest_sentence(delivery)}"
    if delivery.status == Status.SCHEDULED:
        if delivery.transient_count:
            return _("It did not go out yet; it is tried again.")
        if sent := sent_ahead(delivery):
            return sent
        if delivery.due_at > timezone.now():
            return _("It is scheduled for %(when)s.") % {"when": clock(delivery.due_at)}
        if waits_for_turn(delivery):
            return _("It waits for its turn behind others of this account.")
        return _("It is due and goes out now.")
    if delivery.status == Status.FAILED and delivery.dismissed_at:
        return _("It failed and was taken off the desk.")
    if delivery.status == Status.PROCESSING:
        waits = registry.platform(delivery.account.platform).waits_for(delivery.witness)
        if waits:
            return waits
    if delivery.status == Status.HELD and delivery.is_out:
        return _("It was sent. Afterwards the platform is asked what became of it.")
    if delivery.status == Status.FAILED and delivery.is_out:
        return _(
            "It was sent, and what comes after that failed. Trying again does not send "
            "it a second time."
        )
    return {
        Status.PUBLISHING: _("It is being sent right now."),
        Status.PROCESSING: _("It was sent; the platform is still working on it."),
        Status.HELD: _("It is held. It has not failed and nothing was sent."),
        Status.UNCERTAIN: _(
            "It may be live: it was sent and the answer was lost. "
            "Nothing is sent again before that is clear."
        ),
        Status.PUBLISHED: _("It was live, and was deleted at the platform since.")
        if delivery.taken_down_at
        else _("It is live."),
        Status.FAILED: _("It failed and is not sent again by itself."),
        Status.CANCELLED: _("It was cancelled and will not be sent."),
    }[Delivery.Status(delivery.status)]


def sent_ahead(delivery: Delivery) -> str:
    """What of its files is there before it is: "The video is at YouTube already; it
    goes out at 09:00 (UTC)."; "" when nothing was sent ahead."""
    if delivery.status != Status.SCHEDULED:
        return ""
    ahead = delivery.due_at > timezone.now()
    if not delivery.is_carried and not (delivery.prepared_at and ahead):
        return ""
    kinds = {facts["kind"] for facts in delivery.draft.get("media", ())}
    video = kinds == {MediaKind.VIDEO}
    if delivery.is_carried and ahead:
        if video:
            said = _(
                "The video is on its way to %(platform)s ahead of time: %(percent)s %%. "
                "It goes out at %(when)s."
            )
        else:
            said = _(
                "Its files are on their way to %(platform)s ahead of time: %(percent)s "
                "%%. It goes out at %(when)s."
            )
    elif delivery.is_carried:
        if video:
            said = _(
                "The video is on its way to %(platform)s: %(percent)s %%. It goes out "
                "when it is there."
            )
        else:
            said = _(
                "Its files are on their way to %(platform)s: %(percent)s %%. It goes "
                "out when they are there."
            )
    elif video:
        said = _("The video is at %(platform)s already; it goes out at %(when)s.")
    else:
        said = _("Its files are at %(platform)s already; it goes out at %(when)s.")
    return said % {
        "platform": registry.spec(delivery.account.platform).name,
        "when": clock(delivery.due_at),
        "percent": delivery.sent_percent,
    }


def _rest_sentence(delivery: Delivery) -> str:
    """What becomes of the parts that are not out."""
    if delivery.status == Status.UNCERTAIN:
        return _("The next one may be out as well: its answer was lost.")
    return {
        Status.SCHEDULED: _("The rest goes on by itself."),
        Status.PUBLISHING: _("The next one is being sent right now."),
        Status.PROCESSING: _("The platform is still working on the next one."),
        Status.HELD: _("The rest is held; what is out stays."),
        Status.PUBLISHED: _("It was left as it is."),
        Status.FAILED: _("The next one did not go out; what is out is not sent again."),
    }.get(Delivery.Status(delivery.status), "")


def waits_for_turn(delivery: Delivery) -> bool:
    """Let out after a hold, at a gap from the others of its account."""
    at = delivery.next_attempt_at
    return bool(at and at > timezone.now() and at > delivery.due_at)


def comes_too_late(delivery: Delivery, at: datetime) -> bool:
    """When its turn comes its useful time is over: somebody is asked instead."""
    will_be_sent = delivery.status in (Status.HELD, Status.SCHEDULED)
    return will_be_sent and at > delivery.useful_until


def _by_itself(delivery: Delivery, at: datetime, words: Any) -> str:
    """words: those with `when`, where it is still useful by then."""
    if not comes_too_late(delivery, at) or delivery.is_out or delivery.repeat_is_safe:
        return str(words) % {"when": clock(at)}
    return _(
        "It could go at %(when)s, but is useful until %(until)s only: somebody has to "
        "decide then."
    ) % {"when": clock(at), "until": clock(delivery.useful_until)}


def next_sentence(delivery: Delivery, risk: Risk | None = None) -> str:
    """What happens next by itself and when, or what a person has to do; "" at the end."""
    found = trouble(delivery)
    at = delivery.next_attempt_at
    if delivery.status == Status.HELD:
        until = _("Useful until %(when)s.") % {"when": clock(delivery.useful_until)}
        if delivery.hold == Hold.TOO_LATE:
            until = ""
        if delivery.release_at:
            words = _("It goes by itself at %(when)s.")
            first = _by_itself(delivery, delivery.release_at, words)
            if comes_too_late(delivery, delivery.release_at):
                until = ""
        else:
            first = found.cure if found else ""
        return f"{first} {until}".strip()
    if delivery.status == Status.UNCERTAIN and at:
        return _("We look at the platform by ourselves at %(when)s.") % {
            "when": clock(at)
        }
    if delivery.status == Status.PROCESSING and at:
        return _("We ask the platform again at %(when)s.") % {"when": clock(at)}
    if delivery.status == Status.SCHEDULED:
        if risk:
            return risk.sentence
        if delivery.transient_count and at:
            return _by_itself(delivery, at, _("Tried again by itself at %(when)s."))
        if delivery.cause and found:
            # Its files were refused ahead of time: there is time to mend them.
            return f"{found.sentence} {found.cure}"
        if sent := sent_ahead(delivery):
            return sent
        if at and waits_for_turn(delivery):
            return _("It goes by itself at %(when)s.") % {"when": clock(at)}
        return _("Nothing to do: it goes out by itself.")
    if delivery.status == Status.FAILED and delivery.dismissed_at:
        return ""
    if delivery.status == Status.FAILED and delivery.is_partly_out:
        cure = found.cure if found else ""
        ways = _("Then it goes on where it stopped. Or leave it as it is.")
        return f"{cure} {ways}".strip()
    return found.cure if found else ""


def lateness(delivery: Delivery) -> str:
    """How far the publication was from the due time: "2 seconds after it was due"."""
    if not delivery.published_at:
        return ""
    seconds = round((delivery.published_at - delivery.due_at).total_seconds())
    if seconds < 0:
        return _("before it was due")
    if seconds < 120:
        return ngettext(
            "%(n)s second after it was due", "%(n)s seconds after it was due", seconds
        ) % {"n": seconds}
    if seconds < 7200:
        minutes = seconds // 60
        return _("%(n)s minutes after it was due") % {"n": minutes}
    return _("%(n)s hours after it was due") % {"n": seconds // 3600}


_OUTCOMES = {
    "published": gettext_lazy("Published"),
    "transient": gettext_lazy("Did not work; tried again later"),
    "rate_limited": gettext_lazy("A limit was reached"),
    "auth_expired": gettext_lazy("Access had expired"),
    "auth_revoked": gettext_lazy("Access was withdrawn"),
    "permission": gettext_lazy("A permission was missing"),
    "invalid_content": gettext_lazy("The platform refused the content"),
    "duplicate": gettext_lazy("The platform said it has this already"),
    "not_found": gettext_lazy("Something it refers to was not found"),
    "platform_down": gettext_lazy("The platform had trouble"),
    "ambiguous": gettext_lazy("Sent, and the answer was lost"),
    "found": gettext_lazy("Found: it is live"),
    "absent": gettext_lazy("Not there"),
    "cannot_tell": gettext_lazy("The platform cannot tell"),
    "abandoned": gettext_lazy("The worker stopped in the middle"),
    "waiting": gettext_lazy("The platform is working on it"),
    "sent_ahead": gettext_lazy("Its files are there; the post follows in its turn"),
    "put_off": gettext_lazy("Stopped on our side; it goes on by itself"),
}


def outcome_words(attempt: Attempt) -> str:
    if attempt.closed_at is None:
        return _("Running")
    known = _OUTCOMES.get(attempt.outcome)
    return str(known) if known else attempt.outcome.replace("_", " ").capitalize()


_EVENTS = {
    "post.created": gettext_lazy("written"),
    "post.scheduled": gettext_lazy("scheduled"),
    "post.changed": gettext_lazy("changed"),
    "post.reassigned": gettext_lazy("given to somebody"),
    "post.moved": gettext_lazy("moved"),
    "post.move_undone": gettext_lazy("moved back"),
    "post.bulk_undone": gettext_lazy("taken back"),
    "post.approved": gettext_lazy("approved"),
    "post.sent_back": gettext_lazy("sent back"),
    "post.approval_asked": gettext_lazy("asked for approval again"),
    "post.to_be_approved": gettext_lazy("held until it is approved"),
    "post.let_go": gettext_lazy("let go without approval"),
    "post.cancelled": gettext_lazy("cancelled"),
    "series.started": gettext_lazy("made the first of a series"),
    "series.changed": gettext_lazy("changed with all that follow"),
    "series.ended": gettext_lazy("ended"),
    "snippet.created": gettext_lazy("written"),
    "snippet.changed": gettext_lazy("changed"),
    "queue.reshuffled": gettext_lazy("put into another order"),
    "delivery.cancelled": gettext_lazy("cancelled"),
    "delivery.uncancelled": gettext_lazy("scheduled again, its cancellation undone"),
    "delivery.left": gettext_lazy("left as it is, without the rest"),
    "delivery.sent_again": gettext_lazy("sent again"),
    "delivery.let_out": gettext_lazy("let out after a hold"),
    "delivery.twice_allowed": gettext_lazy("sent although it says the same again"),
    "delivery.dismissed": gettext_lazy("dismissed"),
    "delivery.moved": gettext_lazy("given another time"),
    "delivery.assigned": gettext_lazy("assigned"),
    "delivery.snoozed": gettext_lazy("put aside"),
    "delivery.confirmed_live": gettext_lazy("said that it is live"),
    "delivery.confirmed_absent": gettext_lazy("said that it is not there"),
    "delivery.answered": gettext_lazy("answered a comment"),
    "delivery.answer_there": gettext_lazy("said that an answer is there"),
    "delivery.answer_absent": gettext_lazy("had an answer sent again"),
    "delivery.answer_drop": gettext_lazy("gave up an answer"),
    "delivery.delete_post": gettext_lazy("wants it deleted at the platform"),
    "delivery.delete_post_done": gettext_lazy("had it deleted at the platform"),
    "delivery.add_captions": gettext_lazy("wants the captions added"),
    "delivery.add_captions_done": gettext_lazy("had the captions added"),
    "delivery.hide": gettext_lazy("wants a comment hidden"),
    "delivery.hide_done": gettext_lazy("had a comment hidden"),
    "delivery.show": gettext_lazy("wants a comment shown again"),
    "delivery.show_done": gettext_lazy("had a comment shown again"),
    "delivery.delete_comment": gettext_lazy("wants a comment deleted"),
    "delivery.delete_comment_done": gettext_lazy("had a comment deleted"),
    "delivery.intervention_there": gettext_lazy("said that it is done at the platform"),
    "delivery.intervention_absent": gettext_lazy("had it tried again"),
    "delivery.intervention_drop": gettext_lazy("gave it up"),
}


def event_words(verb: str) -> str:
    known = _EVENTS.get(verb)
    return str(known) if known else verb.partition(".")[2].replace("_", " ")


def duration_ms(attempt: Attempt) -> int | None:
    if attempt.closed_at is None:
        return None
    return round((attempt.closed_at - attempt.opened_at) / timedelta(milliseconds=1))


def support_text(delivery: Delivery, attempts: Iterable[Attempt] = ()) -> str:
    """What to send to support: ids, times in UTC and the platform's words, no secrets."""
    account = delivery.account
    lines = [
        f"Delivery {delivery.pk} (post {delivery.post_id})",
        f"Account: {account.name} @{account.handle} [{account.platform}, "
        f"{account.network}, {account.external_id}]",
        f"State: {delivery.status}"
        + (f" ({delivery.hold})" if delivery.hold else "")
        + (f", cause {delivery.cause}" if delivery.cause else ""),
        f"Due: {_utc(delivery.due_at)}",
        f"Marker: {delivery.marker}",
        f"Tries: {delivery.attempt_count}",
    ]
    if delivery.parts_out:
        lines.append(f"Parts out: {delivery.parts_out} of {delivery.parts_total}")
    if delivery.published_at:
        lines.append(f"Published: {_utc(delivery.published_at)} {delivery.permalink}")
    if delivery.detail:
        lines.append(f"Platform's words: {delivery.detail}")
    for attempt in attempts:
        parts = [
            f"#{attempt.number} {attempt.kind} {_utc(attempt.opened_at)}",
            attempt.outcome or "open",
            f"step {attempt.step}" if attempt.step else "",
            f"HTTP {attempt.http_status}" if attempt.http_status else "",
            f"code {attempt.code}" if attempt.code else "",
            f"request {attempt.request_id}" if attempt.request_id else "",
        ]
        lines.append(" · ".join(part for part in parts if part))
    return "\n".join(lines)


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
