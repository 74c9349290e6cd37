"""A post that ours quotes, or passes on: its address, as a person typed it.

The address is the choice QUOTE of a platform that has it. Where the platform wants more
than the address tells, a step before the post reads it: the witness "quote" then has it,
with the address under "of".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .base import (
    Draft,
    Finding,
    Level,
    Option,
    OptionKind,
    PublishJob,
    StepResult,
)
from .errors import Cause, InvalidContent, NotFound, as_kind

QUOTE = "quote"
MAX_ADDRESS = 500


def option(help: str) -> Option:
    return Option(
        QUOTE,
        "Quote this post",
        OptionKind.TEXT,
        max_length=MAX_ADDRESS,
        help=help,
        is_read=True,
    )


def typed(draft: Draft) -> str:
    """The address; "": nothing is quoted."""
    return str(draft.options.get(QUOTE) or "").strip()


def findings(
    draft: Draft, is_readable: Callable[[str], Any], *, stands_alone: bool = False
) -> list[Finding]:
    """is_readable: whether an address names a post there. stands_alone: a quote takes
    no files, no poll and no card of a link."""
    address = typed(draft)
    if not address:
        return []
    values = {"option": "Quote this post"}
    if not is_readable(address):
        cause = Cause.QUOTE_UNREADABLE
    elif stands_alone and (draft.media or draft.link_url.strip() or draft.poll):
        cause = Cause.QUOTE_ALONE
    else:
        return []
    return [Finding(Level.REFUSED, cause, f"option:{QUOTE}", values)]


def known(job: PublishJob) -> Mapping[str, Any]:
    """What a step has read of the post that is quoted now; {}: nothing yet."""
    found: Mapping[str, Any] = job.witness.get(QUOTE) or {}
    return found if found.get("of") == typed(job.draft) else {}


def is_to_read(job: PublishJob) -> bool:
    return bool(typed(job.draft)) and not known(job)


def read(job: PublishJob, find: Callable[[str], Mapping[str, Any]]) -> StepResult:
    """find: what the platform wants of an address. NotFound: there is no such post, or
    none that this account may see."""
    address = typed(job.draft)
    try:
        found = find(address)
    except NotFound as error:
        raise as_kind(InvalidContent, error, cause=Cause.QUOTE_GONE) from error
    return StepResult({QUOTE: {**found, "of": address}})
