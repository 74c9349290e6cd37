"""Findings about polls, which read the same on every network that has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .base import Draft, Finding, Level, Platform, Poll, PollRule
from .errors import Cause


def findings(
    platform: Platform, draft: Draft, limits: Mapping[str, Any] | None = None
) -> list[Finding]:
    """What the platform would refuse or spoil of a draft's poll. limits: from
    `server_limits`."""
    if draft.poll is None:
        return []
    rule = platform.poll_rule(limits)
    if rule is None:
        return [Finding(Level.REFUSED, Cause.POLL_IMPOSSIBLE, "poll")]
    return [
        *_beside(draft, rule),
        *_answers(draft.poll, rule),
        *_question(draft.poll, rule),
        *_length(draft.poll, rule),
    ]


def _refused(cause: Cause, field: str = "poll", **values: Any) -> Finding:
    return Finding(Level.REFUSED, cause, field, values)


def _long(cause: Cause, field: str, used: int, limit: int) -> Finding:
    return _refused(cause, field, used=used, limit=limit, unit="characters")


def _beside(draft: Draft, rule: PollRule) -> Iterator[Finding]:
    """No network shows files and a poll in one post."""
    if draft.media:
        yield _refused(Cause.POLL_WITH_FILES)
    if draft.link_url.strip() and not rule.has_card:
        yield _refused(Cause.POLL_WITH_LINK, "link")


def _answers(poll: Poll, rule: PollRule) -> Iterator[Finding]:
    count = len(poll.options)
    if count < rule.min_options:
        yield _refused(Cause.POLL_TOO_FEW, used=count, least=rule.min_options)
    if count > rule.max_options:
        yield _refused(Cause.POLL_TOO_MANY, used=count, limit=rule.max_options)
    seen: set[str] = set()
    for number, answer in enumerate(poll.options, 1):
        field, used = f"poll:{number}", length(answer, rule)
        if used > rule.max_option:
            yield _long(Cause.POLL_ANSWER_TOO_LONG, field, used, rule.max_option)
        if answer in seen:
            yield _refused(Cause.POLL_ANSWER_TWICE, field)
        seen.add(answer)
    if poll.multiple and not rule.has_multiple:
        yield Finding(Level.WARNING, Cause.POLL_ONE_CHOICE, "poll:multiple")


def _question(poll: Poll, rule: PollRule) -> Iterator[Finding]:
    limit, field = rule.max_question, "poll:question"
    if limit is None:
        return
    used = length(poll.question, rule)
    if not used:
        yield _refused(Cause.POLL_QUESTION_MISSING, field)
    elif used > limit:
        yield _long(Cause.POLL_QUESTION_TOO_LONG, field, used, limit)


def _length(poll: Poll, rule: PollRule) -> Iterator[Finding]:
    field, minutes = "poll:minutes", poll.minutes
    if not rule.has_length:
        yield Finding(Level.WARNING, Cause.POLL_LENGTH_LOST, field)
    elif rule.lengths and minutes not in rule.lengths:
        yield _refused(Cause.POLL_LENGTH, field, minutes=minutes, lengths=rule.lengths)
    elif minutes < (rule.min_minutes or 0) or minutes > (rule.max_minutes or minutes):
        bounds = (rule.min_minutes, rule.max_minutes)
        yield _refused(Cause.POLL_LENGTH, field, minutes=minutes, bounds=bounds)


def length(text: str, rule: PollRule) -> int:
    return len(text.encode("utf-16-le")) // 2 if rule.counts_utf16 else len(text)
