"""Names with an @: which of them become links there, and which stay plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .base import Finding, Level, PlatformSpec
from .errors import Cause

#: @name, @name.example.com, @name@server.example; not in an address of mail or web.
TYPED = re.compile(r"(?<![\w.@/:=&-])@\w(?:[\w.-]*\w)?(?:@[\w-]+(?:\.[\w-]+)+)?")
#: Names that a finding lists; the others are counted by nobody.
LISTED = 5
#: Where `limits` of a check hold what was found out: handle in lower case -> id, "" where
#: there is nobody of that name.
KNOWN = "handles"
#: and whether our app has `MentionRule.permission`.
PERMITTED = "may_mention"


def typed(text: str) -> list[str]:
    """As they stand in the text, each once."""
    return list(dict.fromkeys(TYPED.findall(text)))


def links(spec: PlatformSpec, text: str) -> list[str]:
    """Those that this platform makes links of, if there is somebody of that name."""
    rule = spec.mentions
    if rule is None:
        return []
    return [name for name in typed(text) if re.fullmatch(rule.links, name)]


def findings(
    spec: PlatformSpec, text: str, limits: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Names that stay plain text: written as other platforms do, or of nobody."""
    rule = spec.mentions
    if rule is None:
        return []
    good = links(spec, text)
    found = []
    if plain := [name for name in typed(text) if name not in good]:
        found.append(_finding(Cause.MENTION_PLAIN, plain, rule.how))
    known = (limits or {}).get(KNOWN) or {}
    if nobody := [name for name in good if known.get(name[1:].lower()) == ""]:
        found.append(_finding(Cause.MENTION_NOBODY, nobody, ""))
    return found


def _finding(cause: Cause, names: Sequence[str], how: str) -> Finding:
    values = {"names": ", ".join(names[:LISTED]), "how": how}
    return Finding(Level.WARNING, cause, "text", values)
