"""What a reconnect brought back, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from platforms import registry

from . import hooks
from .connect import Reconnected
from .models import ConnectedAccount

#: What is due so soon goes with the next pass of the engine.
AT_ONCE = timedelta(minutes=1)
#: Names in a sentence; the others are counted.
NAMED = 5


def words_of(done: Reconnected) -> list[str]:
    """What is back, what follows and when, and what did not come back; one query."""
    back = [_back(done.accounts), _following(done.accounts)]
    if done.lacking:
        back.append(_lacking(done))
    return back


def _back(accounts: Sequence[ConnectedAccount]) -> str:
    if len(accounts) == 1:
        return _("%(name)s is connected again.") % {"name": accounts[0].name}
    counts = Counter(account.platform for account in accounts)
    parts = [
        ngettext("%(n)s %(platform)s account", "%(n)s %(platform)s accounts", n)
        % {"n": n, "platform": registry.spec(slug).name}
        for slug, n in counts.most_common()
    ]
    return _("%(accounts)s are back.") % {"accounts": in_a_row(parts)}


def _following(accounts: Sequence[ConnectedAccount]) -> str:
    facts = hooks.queues(accounts).values()
    count = sum(f.get("following") or 0 for f in facts)
    if not count:
        return _("No post was waiting.")
    first = min(f["first_at"] for f in facts if f.get("first_at"))
    if first <= timezone.now() + AT_ONCE:
        return ngettext(
            "%(n)s post follows, at once.",
            "%(n)s posts follow, the first at once.",
            count,
        ) % {"n": count}
    at = date_format(timezone.localtime(first), _("j M Y H:i"))
    zone = timezone.get_current_timezone_name()
    return ngettext(
        "%(n)s post follows, at %(at)s (%(zone)s).",
        "%(n)s posts follow, the first at %(at)s (%(zone)s).",
        count,
    ) % {"n": count, "at": at, "zone": zone}


def _lacking(done: Reconnected) -> str:
    back, lost = len(done.accounts), len(done.lacking)
    return ngettext(
        "%(back)s of %(all)s came back; for this one %(who)s has no role any more: "
        "%(names)s.",
        "%(back)s of %(all)s came back; for these %(lost)s %(who)s has no role any "
        "more: %(names)s.",
        lost,
    ) % {
        "back": back,
        "all": back + lost,
        "lost": lost,
        "who": done.signed_in_as,
        "names": names_of(done.lacking),
    }


def names_of(accounts: Sequence[ConnectedAccount]) -> str:
    """The first few names and how many more there are."""
    names = [account.name for account in accounts[:NAMED]]
    if more := len(accounts) - len(names):
        names.append(_("%(n)s more") % {"n": more})
    return in_a_row(names)


def in_a_row(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return _("%(first)s and %(last)s") % {
        "first": ", ".join(parts[:-1]),
        "last": parts[-1],
    }
