"""The windows as people read them: whose, how much is used, and when it opens again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from platforms import registry
from platforms.base import MONEY, Bucket, WindowKind
from platforms.limits import CLOCK_SLACK_S, Window

from .fixed_query import FixedQuery
from .limits import BucketId, rules
from .models import ConnectedAccount, Credential, Network, PlatformApp, RateBucket

#: A window's name does not list more kinds of call than these.
FEW_CALLS = 3


@dataclass(frozen=True)
class WindowLine:
    """One window. size None: not known, so nothing is counted and nothing is held.

    source: "set" (by an admin), "told" (by the platform's answers), "published" or
    "unknown". ends_at: when what is used now is free again, in a rolling window all of
    it; None: nothing is used. opens_at: when the next unit is free; None: it is.
    """

    bucket: BucketId
    platform_name: str
    name: str
    whose: str
    kind: str
    unit: str
    partition: str
    used: int
    size: int | None
    source: str
    verified: bool
    ends_at: datetime | None
    opens_at: datetime | None
    set_by: Any
    set_at: datetime | None
    set_reason: str

    @property
    def free(self) -> int | None:
        return None if self.size is None else max(0, self.size - self.used)

    @property
    def share(self) -> int:
        """Used, in hundredths of the size; 0 where that is not known."""
        if not self.size:
            return 100 if self.size == 0 else 0
        return min(100, -(-self.used * 100 // self.size))


def windows(
    now: datetime,
    subjects: Collection[str] | None = None,
    drawn: Mapping[str, Collection[str]] | None = None,
    *,
    among: Collection[int] | None = None,
    named: bool = True,
    whose: Mapping[str, str] | None = None,
) -> list[WindowLine]:
    """Windows in which something is used or whose size is not the published one.

    By platform, then whose, then the fullest first. subjects: only theirs
    (`subjects_of`); None: all. drawn: of these platforms only these keys; None: all.
    among: only rows with these keys; None: all.
    not named: without saying whose they are and who set them. whose: by subject, where
    it is known already. Four queries at most.
    """
    rows = RateBucket.objects.all()
    if named:
        rows = rows.select_related("set_by")
    if drawn is not None:
        wanted = [
            Q(platform=slug, key__in=keys) for slug, keys in drawn.items() if keys
        ]
        rows = rows.filter(reduce(or_, wanted)) if wanted else rows.none()
    if among is not None:
        rows = rows.filter(pk__in=list(among))
    elif subjects is not None:
        rows = rows.filter(subject__in=list(subjects))
    found = [row for row in rows if _rule(row) is not None]
    if whose is None:
        whose = _names({row.subject for row in found}) if named else {}
    said: dict[tuple[str, str], tuple[str, str]] = {}
    lines = [_line(row, whose, now, said, named=named) for row in found]
    shown = [line for line in lines if line.used or line.source in ("set", "told")]
    return sorted(
        shown,
        key=lambda line: (line.platform_name, line.whose, -line.share, line.name),
    )


def roomy(
    now: datetime,
    subjects: Collection[str] | None,
    *,
    below: int,
    besides: Container[BucketId] = (),
    not_of: str = "",
) -> tuple[Counter[str], list[int]]:
    """How many windows each platform has of which something is used, but less than
    `below` hundredths; and the keys of all other rows, for `windows`. One query.

    Most windows of many accounts are such, and no more need be known of them. subjects:
    as in `windows`. Not counted with them are those `besides`, those `not_of` a
    platform, money, and what an admin has set.
    """
    if subjects is None:
        rows = _all_used.values()
    else:
        rows = _used_by.values(list(subjects))
    counted, others = Counter[str](), []
    ended = now - timedelta(seconds=CLOCK_SLACK_S)
    for pk, platform, key, subject, used, resets_at, told, by_hand in rows:
        if platform not in registry.PLATFORMS or platform == not_of:
            others.append(pk)
            continue
        rule = rules(platform).get(key)
        if rule is None or (not used and told is None and by_hand is None):
            continue
        size = rule.size if told is None or rule.partition == "ip" else told
        if (
            by_hand is None
            and used
            and (size is None or (size and -(-used * 100 // size) < below))
            and resets_at is not None
            and resets_at > ended
            and rule.window != WindowKind.ROLLING_LOG
            and rule.unit != MONEY
            and BucketId(platform, key, subject) not in besides
        ):
            counted[platform] += 1
        else:
            others.append(pk)
    return counted, others


_FIGURES = (
    "pk",
    "platform",
    "key",
    "subject",
    "used",
    "resets_at",
    "size_told",
    "size_set",
)
_all_used = FixedQuery(lambda: RateBucket.objects.order_by().values_list(*_FIGURES))
_used_by = FixedQuery(
    lambda subjects: (
        RateBucket.objects.filter(subject__in=subjects)
        .order_by()
        .values_list(*_FIGURES)
    ),
    ["sample"],
)


def unsized(apps: Iterable[PlatformApp]) -> list[WindowLine]:
    """Windows of our apps whose size only an admin can tell, and nobody has told.

    Money first: without a budget there is no stop. One query.
    """
    lines = []
    apps = list(apps)
    sized = RateBucket.objects.filter(subject__in=[f"app:{app.pk}" for app in apps])
    told = set(
        sized.exclude(size_set=None, size_told=None).values_list(
            "platform", "subject", "key"
        )
    )
    for app in apps:
        subject = f"app:{app.pk}"
        whose = {subject: _app_name(app)}
        for rule in app.spec.buckets:
            known = (app.platform, subject, rule.key) in told
            if rule.partition == "app" and rule.size is None and not known:
                row = RateBucket(platform=app.platform, key=rule.key, subject=subject)
                lines.append(_line(row, whose, datetime.now(UTC)))
    return sorted(lines, key=lambda line: (line.unit != MONEY, line.whose, line.name))


def line_of(bucket: BucketId, now: datetime) -> WindowLine | None:
    """One window, used or not. None: there is no such rule, or nobody whom it counts."""
    if bucket.platform not in registry.PLATFORMS:
        return None
    rule = rules(bucket.platform).get(bucket.key)
    kind, _colon, rest = bucket.subject.partition(":")
    if rule is None or kind != rule.partition:
        return None
    if kind == "ip":
        if rest not in Network.values:
            return None
    elif not (rest.isdecimal() and len(rest) <= 18):
        return None
    whose = _names({bucket.subject})
    if bucket.subject not in whose:
        return None
    row = RateBucket.objects.filter(**bucket._asdict()).select_related("set_by").first()
    return _line(row or RateBucket(**bucket._asdict()), whose, now)


def subjects_of(accounts: Iterable[ConnectedAccount]) -> set[str]:
    """Whose windows concern these accounts: their own, their tokens' and apps'.

    Needs the accounts with their credential selected.
    """
    subjects = set()
    for account in accounts:
        subjects.add(f"account:{account.pk}")
        if account.credential is not None:
            subjects.add(f"token:{account.credential_id}")
            subjects.add(f"app:{account.credential.app_id}")
    return subjects


def whose_of(account: ConnectedAccount) -> dict[str, str]:
    """By subject of `subjects_of` its name. Needs the account with credential and app."""
    names = {f"account:{account.pk}": account.name}
    if account.credential is not None:
        names[f"token:{account.credential_id}"] = _access_of(
            account.credential.subject_name
        )
        names[f"app:{account.credential.app_id}"] = _app_name(account.credential.app)
    return names


KINDS: Mapping[WindowKind, Promise] = {
    WindowKind.FIXED_UTC_DAY: gettext_lazy("each day, from midnight UTC"),
    WindowKind.FIXED_PACIFIC_DAY: gettext_lazy("each day, from midnight in California"),
    WindowKind.MONTH: gettext_lazy("each month, from the 1st, UTC"),
}


def kind_words(rule: Bucket) -> str:
    """How long a window lasts and when it begins: "15 minutes, from the first call"."""
    if rule.begins_s:
        return _("each month, from the 1st at %(time)s UTC") % {
            "time": "{:02}:{:02}".format(*divmod(rule.begins_s // 60, 60))
        }
    if rule.window in KINDS:
        return str(KINDS[rule.window])
    length = _length(rule.window_s)
    if rule.window == WindowKind.FROM_FIRST_CALL:
        return _("%(length)s, from the first call") % {"length": length}
    if rule.window == WindowKind.ROLLING_LOG:
        return _("any %(length)s") % {"length": length}
    return _("each %(length)s") % {"length": length}


def _length(seconds: int) -> str:
    if seconds % 86_400 == 0 and seconds > 86_400:
        days = seconds // 86_400
        return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}
    if seconds % 3600 == 0:
        hours = seconds // 3600
        return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
    minutes = seconds // 60
    return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes}


def bucket_name(platform: str, rule: Bucket) -> str:
    """What is counted, in words: the rule's own, or the features of its calls."""
    if rule.name:
        return _(rule.name)
    calls = registry.spec(platform).calls if platform in registry.PLATFORMS else ()
    counted = [call for call in calls if rule.key in call.draws]
    if len(counted) > FEW_CALLS and len(counted) == len(calls):
        return _("All calls")
    features = list(dict.fromkeys(_(call.feature) for call in counted))
    if len(features) > FEW_CALLS:
        names = ", ".join(features[:FEW_CALLS])
        rest = len(features) - FEW_CALLS
        return ngettext(
            "%(names)s and %(n)s other", "%(names)s and %(n)s others", rest
        ) % {"names": names, "n": rest}
    return ", ".join(features) or rule.key.replace("_", " ")


def _rule(row: RateBucket) -> Bucket | None:
    """None for a bucket that the platform's facts no longer have."""
    try:
        return rules(row.platform).get(row.key)
    except KeyError:
        return None


def _line(
    row: RateBucket,
    whose: Mapping[str, str],
    now: datetime,
    said: dict[tuple[str, str], tuple[str, str]] | None = None,
    *,
    named: bool = True,
) -> WindowLine:
    """said: names and kinds of rules, which many lines share, as far as they are known."""
    rule = rules(row.platform)[row.key]
    said = {} if said is None else said
    if (row.platform, row.key) not in said:
        words = bucket_name(row.platform, rule), kind_words(rule)
        said[row.platform, row.key] = words
    name, kind = said[row.platform, row.key]
    # The first two name the row; the others are what is counted.
    window = Window(rule, row.counts())
    at = now.timestamp()
    window.roll(at)
    used = window.counts.used
    ends = window.ends_at() if used else None
    opens = None
    if window.size is not None and used >= window.size:
        opens = window.opens_at(1, at)
    if row.size_set is not None:
        source = "set"
    elif row.size_told is not None and rule.partition != "ip":
        source = "told"
    else:
        source = "unknown" if rule.size is None else "published"
    return WindowLine(
        bucket=BucketId(row.platform, row.key, row.subject),
        platform_name=_platform_name(row.platform),
        name=name,
        whose=whose.get(row.subject, row.subject),
        kind=kind,
        unit=rule.unit,
        partition=rule.partition,
        used=used,
        size=window.size,
        source=source,
        verified=rule.verified,
        ends_at=_at(ends),
        opens_at=_at(opens),
        set_by=row.set_by if named else None,
        set_at=row.set_at,
        set_reason=row.set_reason,
    )


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _platform_name(slug: str) -> str:
    return registry.spec(slug).name if slug in registry.PLATFORMS else slug


def _names(subjects: Collection[str]) -> dict[str, str]:
    """Whom a subject stands for, in words. One query per kind."""
    pks: dict[str, list[int]] = {"app": [], "token": [], "account": []}
    names = {}
    for subject in subjects:
        kind, _colon, rest = subject.partition(":")
        if kind == "ip":
            practice = rest == Network.PRACTICE
            names[subject] = (
                _("This server’s address (practice network)")
                if practice
                else _("This server’s address")
            )
        elif kind in pks:
            pks[kind].append(int(rest))
    accounts = ConnectedAccount.objects.filter(pk__in=pks["account"])
    for pk, name in accounts.values_list("pk", "name"):
        names[f"account:{pk}"] = name
    credentials = Credential.objects.filter(pk__in=pks["token"])
    for pk, name in credentials.values_list("pk", "subject_name"):
        names[f"token:{pk}"] = _access_of(name)
    apps = PlatformApp.objects.filter(pk__in=pks["app"])
    for app in apps.defer("client_secret", "hook_secret", "hook_token"):
        names[f"app:{app.pk}"] = _app_name(app)
    return names


def _access_of(name: str) -> str:
    return _("Access of %(name)s") % {"name": name}


def _app_name(app: PlatformApp) -> str:
    where = app.instance_url.partition("://")[2] or app.spec.name
    if app.is_practice:
        return _("Our app at %(where)s (practice network)") % {"where": where}
    return _("Our app at %(where)s") % {"where": where}
