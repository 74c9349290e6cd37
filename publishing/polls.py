"""A poll as the composer asks for it, and as people read it.

Answers are `poll_option_1` and so on; one that is empty is none. A post has a poll once
an answer or the question is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from accounts.causes import length_words
from accounts.models import ConnectedAccount
from platforms import registry
from platforms.base import Poll
from platforms.text import tidy

#: What can be chosen, in minutes; another one that was imported stays.
LENGTHS = (5, 30, 60, 360, 720, 1440, 3 * 1440, 7 * 1440, 14 * 1440)
USUAL = 1440
#: A year: no network takes a longer one.
LONGEST = 366 * 1440
#: Above what any network takes of an answer, and of the question.
MAX_ANSWER, MAX_QUESTION = 200, 300
#: Fields for answers: those of most networks, and never more than these.
ROWS, MOST_ROWS = 4, 12


def read(typed: Callable[[str], Any]) -> Poll | None:
    """From what stands in the fields. typed: value by name."""
    rows = (f"poll_option_{number}" for number in range(1, MOST_ROWS + 1))
    answers = tuple(filter(None, (_line(typed(name), MAX_ANSWER) for name in rows)))
    question = _line(typed("poll_question"), MAX_QUESTION)
    if not (answers or question):
        return None
    minutes = as_minutes(str(typed("poll_minutes") or ""))
    return Poll(answers, minutes or USUAL, bool(typed("poll_multiple")), question)


def _line(value: Any, most: int) -> str:
    return " ".join(tidy(str(value or "")).split())[:most].strip()


def as_minutes(text: str) -> int | None:
    """A whole number that a poll may last; None: it is none."""
    if not text.isdecimal() or len(text) > 6:
        return None
    return int(text) if 1 <= int(text) <= LONGEST else None


def fields(poll: Poll | None) -> dict[str, str]:
    """What stands in the fields of a post that has it: the way back from `read`."""
    if poll is None:
        return {}
    found = {f"poll_option_{n}": words for n, words in enumerate(poll.options, 1)}
    return {
        **found,
        "poll_question": poll.question,
        "poll_minutes": str(poll.minutes),
        "poll_multiple": "1" if poll.multiple else "",
    }


def names() -> list[str]:
    """Of all its fields."""
    rows = [f"poll_option_{number}" for number in range(1, MOST_ROWS + 1)]
    return [*rows, "poll_question", "poll_minutes", "poll_multiple"]


def rows_for(accounts: Iterable[ConnectedAccount], poll: Poll | None) -> int:
    """How many answers there is room for: as many as any of the accounts takes."""
    most = [ROWS, len(poll.options) if poll else 0]
    for account in accounts:
        limits = {**account.extra, **account.server_limits}
        rule = registry.platform(account.platform).poll_rule(limits)
        most.append(rule.max_options if rule else 0)
    return min(max(most), MOST_ROWS)


def place(number: str) -> tuple[str, str]:
    """Anchor and label of what a finding is about. number: what follows `poll:`."""
    labels = {
        "question": _("Question"),
        "minutes": _("How long"),
        "multiple": _("Several answers"),
    }
    poll = _("Poll")
    if number in labels:
        return f"id_poll_{number}", f"{poll}: {labels[number]}"
    if number:
        label = _("Answer %(n)s") % {"n": number}
        return f"id_poll_option_{number}", f"{poll}: {label}"
    return "id_poll_option_1", poll


def lengths(chosen: int = USUAL) -> list[tuple[str, str]]:
    """Value and words of what can be chosen."""
    return [(str(one), length_words(one)) for one in sorted({*LENGTHS, chosen})]


def words(poll: Poll | None) -> str:
    """All of it in lines; "": there is none."""
    if poll is None:
        return ""
    answers = " / ".join(poll.options)
    several = _("several answers") if poll.multiple else ""
    facts = ", ".join(filter(None, [length_words(poll.minutes), several]))
    return "\n".join(filter(None, [poll.question, answers, facts]))


def doc_words(doc: Mapping[str, Any]) -> str:
    """The same of a stored one."""
    return words(stored(doc))


def doc(poll: Poll | None) -> dict[str, Any]:
    """As JSON values; {}: there is none. `stored` leads back."""
    return {**asdict(poll), "options": list(poll.options)} if poll else {}


def stored(doc: Mapping[str, Any]) -> Poll | None:
    return Poll(**{**doc, "options": tuple(doc["options"])}) if doc else None
