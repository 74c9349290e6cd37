"""The windows as people read them: whose, how much is used, and when it opens again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from platforms import registry
from platforms.base import MONEY, Bucket, WindowKind
from platforms.limits import CLOCK_SLACK_S, Counts, Window

from .fixed_query import (
    SAMPLE_TIME,
    FixedQuery,
    as_time,
    at_once,
    instance,
)
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
    *,
    among: Collection[int] | None = None,
    whose: Mapping[str, str] | None = None,
) -> list[WindowLine]:
    """Windows in which something is used or whose size is not the published one.

    By platform, then whose, then the fullest first. subjects: of these (`subjects_of`);
    None: all, or those of the rows with the keys `among`. whose: by subject, where it is
    known already. Four queries at most.
    """
    if subjects is not None:
        rows = _with_subjects.objects(list(subjects))
    elif among is not None:
        rows = _with_keys.objects(list(among))
    else:
        rows = _every.objects()
    found = [row for row in rows if _rule(row) is not None]
    for row in found:
        if row.set_by_id is not None:
            who = {name: getattr(row, f"by_{name}") for name in _NAMES}
            row.set_by = instance(get_user_model(), {"id": row.set_by_id, **who})
    if whose is None:
        whose = _names({row.subject for row in found})
    language = get_language()
    lines = [_line(row, whose, now, language) for row in found]
    shown = [line for line in lines if line.used or line.source in ("set", "told")]
    return sorted(
        shown,
        key=lambda line: (line.platform_name, line.whose, -line.share, line.name),
    )


_NAMES = ("username", "first_name", "last_name")


def _with_names(rows: QuerySet[RateBucket]) -> QuerySet[RateBucket]:
    """And with who set their sizes."""
    names = {f"by_{name}": F(f"set_by__{name}") for name in _NAMES}
    return rows.order_by().defer("changed_at").annotate(**names)


_every = FixedQuery(lambda: _with_names(RateBucket.objects.all()))
_with_keys = FixedQuery(
    lambda keys: _with_names(RateBucket.objects.filter(pk__in=keys)), [-7]
)
_with_subjects = FixedQuery(
    lambda subjects: _with_names(RateBucket.objects.filter(subject__in=subjects)),
    ["sample"],
)


class Used:
    """Windows of which something is used, of these keys (by platform)."""

    def __init__(self, now: datetime, drawn: Mapping[str, Collection[str]]) -> None:
        self._now, self._drawn = now, drawn
        self._keys = sorted({key for keys in drawn.values() for key in keys})

    def of(self, subjects: Iterable[str]) -> list[WindowLine]:
        """Those of these subjects. One query."""
        return self._told(_used_of.rows(list(subjects), self._keys))

    def full(self, subjects: Iterable[str]) -> list[WindowLine]:
        """Those of these subjects in which nothing is free now. One query."""
        sizes = [
            rule.size
            for platform, keys in self._drawn.items()
            for key in keys
            if (rule := rules(platform).get(key)) and rule.size is not None
        ]
        rows = _much_used_of.rows(list(subjects), self._keys, min(sizes, default=0))
        return [
            line for line in self._told(filter(_may_be_full, rows)) if not line.free
        ]

    def _told(self, rows: Iterable[tuple[Any, ...]]) -> list[WindowLine]:
        language, lines = get_language(), []
        for row in rows:
            # Beside what is counted no more is told of these than the names.
            _pk, platform, key, subject, used, *times, log, told, by_hand = row
            if key not in self._drawn.get(platform, ()):
                continue
            started, opened, resets = map(_seconds, times)
            counts = Counts(
                used,
                started,
                opened,
                resets,
                json.loads(log) if isinstance(log, str) else log,
                told,
                by_hand,
            )
            bucket = BucketId(platform, key, subject)
            line = _told_line(bucket, counts, {}, self._now, language)
            if line.used and line.size is not None:
                lines.append(line)
        return lines


def _seconds(value: Any) -> float | None:
    at = as_time(value)
    return at.timestamp() if at else None


def _may_be_full(row: tuple[Any, ...]) -> bool:
    """Without regard to what is free again since it was counted."""
    _pk, platform, key, _subject, used, *_rest, told, by_hand = row
    rule = rules(platform).get(key)
    if rule is None:
        return False
    size = rule.size if told is None or rule.partition == "ip" else told
    size = size if by_hand is None else by_hand
    return size is not None and used >= size


def _counts_of(subjects: list[str], keys: list[str], *first: Q) -> Any:
    """first: what is looked at before SQLite makes tables of the two long lists; where
    no row passes it, it makes none."""
    return (
        RateBucket.objects.filter(*first)
        .filter(used__gt=0)
        .filter(key__in=keys)
        .filter(subject__in=subjects)
        .order_by()
        .values_list(
            "pk",
            "platform",
            "key",
            "subject",
            "used",
            "started_at",
            "opened_by",
            "resets_at",
            "log",
            "size_told",
            "size_set",
        )
    )


_used_of = FixedQuery(_counts_of, ["sample"], ["other"])
#: least: the smallest size that a rule has
_much_used_of = FixedQuery(
    lambda subjects, keys, least: _counts_of(
        subjects,
        keys,
        Q(used__gte=least) | Q(size_told__isnull=False) | Q(size_set__isnull=False),
    ),
    ["sample"],
    ["other"],
    777_777,  # a number that such a column may hold
)


def roomy(
    now: datetime,
    subjects: Collection[str] | None,
    *,
    below: int,
    besides: Collection[BucketId] = (),
    not_of: str = "",
) -> tuple[Counter[str], list[int]]:
    """How many windows each platform has of which something is used, but less than
    `below` hundredths; and the keys of all other rows, for `windows`. Two queries.

    Most windows of many accounts are such, and no more need be known of them: rule by
    rule the database tells how many there are, and of the fullest. subjects: as in
    `windows`. Not counted with them are those `besides`, those `not_of` a platform,
    money, and what an admin has set.
    """
    at = now.timestamp()
    since = now - timedelta(seconds=CLOCK_SLACK_S)
    counted, others = Counter[str](), []
    #: rules of which each window is looked at, because one of them has not much room
    closely = {bucket.key for bucket in besides}
    known: dict[tuple[str, str], _Rule | None] = {}
    ordinary = _ordinary_of(subjects, since)
    for platform, key, _number, most_used in ordinary:
        rule = known[platform, key] = _rule_of(platform, key, below)
        if platform == not_of or rule is None or not rule.has_room(most_used):
            closely.add(key)
    for platform, key, number, _most_used in ordinary:
        if key not in closely:
            counted[platform] += number
    rows = _others_of(subjects, since, closely)
    ends: dict[Any, float | None] = {None: None}
    for pk, platform, key, subject, used, resets_at, log, told, by_hand in rows:
        if (platform, key) not in known:
            known[platform, key] = _rule_of(platform, key, below)
        rule = known[platform, key]
        if platform == not_of or (rule is None and platform not in registry.PLATFORMS):
            others.append(pk)
            continue
        if rule is None:
            continue
        if resets_at not in ends:
            end = as_time(resets_at)
            ends[resets_at] = end.timestamp() if end else None
        is_used, is_sure = rule.is_used(used, ends[resets_at], log, at)
        if not is_used and told is None and by_hand is None:
            continue
        if (
            is_used
            and is_sure
            and by_hand is None
            and rule.has_room(used, told)
            and (platform, key, subject) not in besides
        ):
            counted[platform] += 1
        else:
            others.append(pk)
    return counted, others


@dataclass(frozen=True, slots=True)
class _Rule:
    """As much of a rule as many rows are judged by. most: units of which a window has
    much room, in whose size so many hundredths are `below`; None: whatever is used."""

    is_rolling: bool
    is_money: bool
    is_of_address: bool
    window_s: float
    most: int | None
    below: int

    def has_room(self, used: int, told: int | None = None) -> bool:
        """told: the size, where the platform tells one."""
        most = self.most
        if told is not None and not self.is_of_address:
            most = _most(told, self.below)
        return not self.is_money and (most is None or used <= most)

    def is_used(
        self, used: int, end: float | None, log: Any, at: float
    ) -> tuple[bool, bool]:
        """Whether something of a window is used, at most what was counted, and whether
        that is sure without a closer look. end and at: seconds since 1970; log: as the
        database has it."""
        if not used:
            return False, True
        if self.is_rolling:
            if log == "[]":
                return True, True
            newest = json.loads(log)[-1][0]
            return newest > at - self.window_s - CLOCK_SLACK_S, True
        if end is None:
            return True, False
        ended = at - end - CLOCK_SLACK_S
        if ended >= 0 and log == "[]":
            return False, True
        # What was taken near the end of a window counts in the next one as well.
        return ended < self.window_s, ended < 0


def _rule_of(platform: str, key: str, below: int) -> _Rule | None:
    if platform not in registry.PLATFORMS:
        return None
    rule = rules(platform).get(key)
    if rule is None:
        return None
    return _Rule(
        rule.window == WindowKind.ROLLING_LOG,
        rule.unit == MONEY,
        rule.partition == "ip",
        rule.window_s,
        None if rule.size is None else _most(rule.size, below),
        below,
    )


def _most(size: int, below: int) -> int:
    """Units that are less than so many hundredths of it; -1: not even none."""
    return (below - 1) * size // 100 if size else -1


_FIGURES = (
    "pk",
    "platform",
    "key",
    "subject",
    "used",
    "resets_at",
    "log",
    "size_told",
    "size_set",
)


def _ordinary(since: datetime) -> Q:
    """Over rows: those that differ in nothing but what is used, and something is: their
    windows last, and their size is the rule's."""
    return Q(
        used__gt=0,
        resets_at__gt=since,
        log=[],
        size_told__isnull=True,
        size_set__isnull=True,
    )


def _by_rule(rows: QuerySet[RateBucket], since: datetime) -> Any:
    return (
        rows.filter(_ordinary(since))
        .order_by()
        .values_list("platform", "key")
        .annotate(number=Count("pk"), most=Max("used"))
    )


def _one_by_one(rows: QuerySet[RateBucket], since: datetime, keys: list[str]) -> Any:
    wanted = rows.filter(Q(key__in=keys) | ~_ordinary(since))
    return wanted.order_by().values_list(*_FIGURES)


_every_ordinary = FixedQuery(
    lambda since: _by_rule(RateBucket.objects.all(), since), SAMPLE_TIME
)
_ordinary_by = FixedQuery(
    lambda since, subjects: _by_rule(
        RateBucket.objects.filter(subject__in=subjects), since
    ),
    SAMPLE_TIME,
    ["sample"],
)
_every_other = FixedQuery(
    lambda since, keys: _one_by_one(RateBucket.objects.all(), since, keys),
    SAMPLE_TIME,
    ["other"],
)
_others_by = FixedQuery(
    lambda since, keys, subjects: _one_by_one(
        RateBucket.objects.filter(subject__in=subjects), since, keys
    ),
    SAMPLE_TIME,
    ["other"],
    ["sample"],
)


def _ordinary_of(subjects: Collection[str] | None, since: datetime) -> list[Any]:
    if subjects is None:
        return _every_ordinary.rows(since)
    return _ordinary_by.rows(since, list(subjects))


def _others_of(
    subjects: Collection[str] | None, since: datetime, keys: Collection[str]
) -> list[Any]:
    if subjects is None:
        return _every_other.rows(since, list(keys))
    return _others_by.rows(since, list(keys), list(subjects))


@lru_cache(maxsize=2000)
def _unused(
    platform: str, rule: Bucket, subject: str, whose: str, language: str | None
) -> WindowLine:
    """A window of which nothing was counted: the same at any time."""
    row = RateBucket(platform=platform, key=rule.key, subject=subject)
    return _line(row, {subject: whose}, datetime.now(UTC), language)


def unsized() -> list[WindowLine]:
    """Windows of our apps whose size only an admin can tell, and nobody has told.

    Money first: without a budget there is no stop. Two queries.
    """
    lines = []
    apps = _all_apps_named.objects()
    told = set(_sized.rows([f"app:{app.pk}" for app in apps]))
    for app in apps:
        subject = f"app:{app.pk}"
        name = _app_name(app)
        for rule in app.spec.buckets:
            known = (app.platform, subject, rule.key) in told
            if rule.partition == "app" and rule.size is None and not known:
                lines.append(_unused(app.platform, rule, subject, name, get_language()))
    return sorted(lines, key=lambda line: (line.unit != MONEY, line.whose, line.name))


_sized = FixedQuery(
    lambda subjects: (
        RateBucket.objects.filter(subject__in=subjects)
        .exclude(size_set=None, size_told=None)
        .order_by()
        .values_list("platform", "subject", "key")
    ),
    ["sample"],
)


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
    row = row or RateBucket(**bucket._asdict())
    return _line(row, whose, now, get_language())


def subjects_of(accounts: Iterable[ConnectedAccount]) -> set[str]:
    """Whose windows concern these accounts: their own, their tokens' and apps'.

    Needs the accounts with their credential selected.
    """
    subjects = set()
    for account in accounts:
        subjects.add(f"account:{account.pk}")
        if (credential := account.credential) is not None:
            subjects.add(f"token:{credential.pk}")
            subjects.add(f"app:{credential.app_id}")
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


def name_apart(platform: str, rule: Bucket) -> str:
    """`bucket_name`, with the call where several windows are called and counted alike:
    what is listed has to be told apart."""
    name = bucket_name(platform, rule)
    if _alike(platform, get_language())[name, rule.partition, kind_words(rule)] < 2:
        return name
    # The last part of such a key says whose calls are counted.
    return f"{name}, {rule.key.rpartition(':')[0] or rule.key}"


@lru_cache(maxsize=100)
def _alike(platform: str, _language: str | None) -> Counter[tuple[str, str, str]]:
    return Counter(
        (bucket_name(platform, rule), rule.partition, kind_words(rule))
        for rule in rules(platform).values()
    )


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
    row: RateBucket, whose: Mapping[str, str], now: datetime, language: str | None
) -> WindowLine:
    bucket = BucketId(row.platform, row.key, row.subject)
    return _told_line(bucket, row.counts(), whose, now, language, row)


def _told_line(
    bucket: BucketId,
    counts: Counts,
    whose: Mapping[str, str],
    now: datetime,
    language: str | None,
    row: RateBucket | None = None,
) -> WindowLine:
    """language: the reader's; row: of which is told who set its size, if that is told."""
    rule = rules(bucket.platform)[bucket.key]
    name, kind = _said(bucket.platform, rule, language)
    # The first two name the row; the others are what is counted.
    window = Window(rule, counts)
    at = now.timestamp()
    window.roll(at)
    used = counts.used
    ends = window.ends_at() if used else None
    opens = None
    if window.size is not None and used >= window.size:
        opens = window.opens_at(1, at)
    if counts.size_set is not None:
        source = "set"
    elif counts.size_told is not None and rule.partition != "ip":
        source = "told"
    else:
        source = "unknown" if rule.size is None else "published"
    return WindowLine(
        bucket=bucket,
        platform_name=_platform_name(bucket.platform),
        name=name,
        whose=whose.get(bucket.subject, bucket.subject),
        kind=kind,
        unit=rule.unit,
        partition=rule.partition,
        used=used,
        size=window.size,
        source=source,
        verified=rule.verified,
        ends_at=_at(ends),
        opens_at=_at(opens),
        set_by=row.set_by if row else None,
        set_at=row.set_at if row else None,
        set_reason=row.set_reason if row else "",
    )


@lru_cache(maxsize=5000)
def _said(platform: str, rule: Bucket, _language: str | None) -> tuple[str, str]:
    """Its name and its kind: a few hundred rules, of which each page asks the same."""
    return name_apart(platform, rule), kind_words(rule)


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _platform_name(slug: str) -> str:
    return registry.spec(slug).name if slug in registry.PLATFORMS else slug


def _names(subjects: Collection[str]) -> dict[str, str]:
    """Whom a subject stands for, in words. One query."""
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
    accounts, credentials, apps = at_once(
        *(
            (query, (pks[kind],))
            for kind, query in (
                ("account", _account_names),
                ("token", _access_names),
                ("app", _apps_named),
            )
        )
    )
    for pk, name in accounts.rows:
        names[f"account:{pk}"] = name
    access_of = _("Access of %(name)s")
    for pk, name in credentials.rows:
        names[f"token:{pk}"] = access_of % {"name": name}
    for app in apps.objects():
        names[f"app:{app.pk}"] = _app_name(app)
    return names


_account_names = FixedQuery(
    lambda keys: (
        ConnectedAccount.objects.filter(pk__in=keys)
        .order_by()
        .values_list("pk", "name")
    ),
    [-7],
)
_access_names = FixedQuery(
    lambda keys: (
        Credential.objects.filter(pk__in=keys)
        .order_by()
        .values_list("pk", "subject_name")
    ),
    [-7],
)
_APP_NAMED_BY = ("platform", "instance_url", "network")
_APP_ORDER = ("platform", "network", "instance_url")
_apps_named = FixedQuery(
    lambda keys: (
        PlatformApp.objects.filter(pk__in=keys).order_by().only(*_APP_NAMED_BY)
    ),
    [-7],
)
_all_apps_named = FixedQuery(
    lambda: PlatformApp.objects.order_by(*_APP_ORDER).only(*_APP_NAMED_BY)
)


def _access_of(name: str) -> str:
    return _("Access of %(name)s") % {"name": name}


def _app_name(app: PlatformApp) -> str:
    where = app.instance_url.partition("://")[2] or app.spec.name
    if app.is_practice:
        return _("Our app at %(where)s (practice network)") % {"where": where}
    return _("Our app at %(where)s") % {"where": where}
