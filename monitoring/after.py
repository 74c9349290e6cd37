"""What became of posts that are out, for the pages of deliveries and posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.causes import explain
from accounts.charts import Chart
from accounts.models import ConnectedAccount
from accounts.roles import can_write
from platforms.base import After, Figure
from platforms.errors import Cause
from publishing.models import Delivery

from .asking import missing_scopes
from .figure_models import CADENCE, Answer, MetricSnapshot, PostComment, Watch

State = Watch.State
NAMES: Mapping[Figure, Any] = {
    Figure.IMPRESSIONS: gettext_lazy("Shown"),
    Figure.REACH: gettext_lazy("People reached"),
    Figure.VIEWS: gettext_lazy("Video plays"),
    Figure.CLICKS: gettext_lazy("Clicks"),
    Figure.LIKES: gettext_lazy("Reactions"),
    Figure.COMMENTS: gettext_lazy("Comments"),
    Figure.SHARES: gettext_lazy("Shares"),
    Figure.SAVES: gettext_lazy("Saves"),
}
#: id -> title and figures of each chart; these are of one size
CHARTS: Mapping[str, tuple[Any, tuple[Figure, ...]]] = {
    "seen": (
        gettext_lazy("How it was seen"),
        (Figure.IMPRESSIONS, Figure.REACH, Figure.VIEWS, Figure.CLICKS),
    ),
    "done": (
        gettext_lazy("What people did"),
        (Figure.LIKES, Figure.COMMENTS, Figure.SHARES, Figure.SAVES),
    ),
}
TONES = ("ok", "soft", "warn", "info")
#: A reading may be asked for again after so long.
READ_AGAIN = timedelta(minutes=5)
#: Comments on one page, the newest.
SHOWN = 100


@dataclass(frozen=True)
class Line:
    """A comment with what is below it, and our answers that are on their way."""

    comment: PostComment
    below: Sequence[PostComment] = ()
    answers: Sequence[Answer] = ()


@dataclass
class Aftermath:
    """What is known of one delivery that is out. watch None: nothing was read yet."""

    delivery: Delivery
    watch: Watch | None
    snapshots: Sequence[MetricSnapshot] = ()
    reader: Any = None

    @property
    def account(self) -> ConnectedAccount:
        return self.delivery.account

    @property
    def platform(self) -> str:
        return str(self.account.spec.name)

    def why_not(self, what: After) -> str:
        """Why the platform gives it to nobody, or not to this account."""
        credential = self.account.credential
        extra = {**(credential.extra if credential else {}), **self.account.extra}
        return self.account.spec.why_not(what, self.account.kind, extra)

    # -- figures

    @property
    def last(self) -> MetricSnapshot | None:
        return self.snapshots[-1] if self.snapshots else None

    @property
    def values(self) -> list[tuple[Any, int | None]]:
        """Every figure by name; None: not told."""
        last = self.last
        return [
            (name, last.value(fig) if last else None) for fig, name in NAMES.items()
        ]

    @property
    def told(self) -> list[tuple[Any, int]]:
        return [(name, count) for name, count in self.values if count is not None]

    @property
    def votes(self) -> list[tuple[str, int | None, int | None]]:
        """Of the post's poll: answer, how often it was chosen, and by how many per cent
        of those who chose. None: not told. []: there is no poll, or nothing is told."""
        found = self.last.votes if self.last else []
        counts = [vote.count for vote in found if vote.count is not None]
        whole = self.voters or sum(counts)
        return [
            (
                vote.answer,
                vote.count,
                None if vote.count is None or not whole else _share(vote.count, whole),
            )
            for vote in found
        ]

    @property
    def voters(self) -> int | None:
        """How many people chose, where they may choose several answers."""
        return self.last.voters if self.last else None

    @property
    def gone_at(self) -> datetime | None:
        return self.watch.gone_at if self.watch else None

    @property
    def chip(self) -> dict[str, str]:
        """The state in a word: missing permission and missing data never look alike."""
        tone, icon, word = "muted", "schedule", str(State.WAITING.label)
        if self.gone_at:
            tone, icon, word = "warn", "delete", _("Deleted on the platform")
        elif self.why_not(After.FIGURES):
            tone, icon, word = "muted", "block", _("Not told by the platform")
        elif self.watch and self.watch.state == State.MISSING:
            tone, icon, word = "bad", "lock", str(State.MISSING.label)
        elif self.watch and self.watch.state == State.NO_DATA:
            tone, icon, word = "muted", "hourglass_empty", str(State.NO_DATA.label)
        elif self.watch and self.watch.state == State.TOLD:
            tone, icon, word = "ok", "check_circle", str(State.TOLD.label)
        return {"tone": tone, "icon": icon, "word": word}

    @property
    def sentence(self) -> str:
        """What the last reading means, and what to do."""
        row = self.watch
        if absent := self.why_not(After.FIGURES):
            return _(absent)
        if row is None or row.state == State.WAITING:
            told = (
                _("%(cause)s.") % {"cause": explain(row.cause).head}
                if (row and row.cause)
                else ""
            )
            waits = _("Figures have not been read yet.")
            return f"{told} {waits}".strip()
        if row.state == State.MISSING and row.cause == Cause.SCOPE_MISSING:
            return _(
                "Figures permission missing: %(scopes)s. That says nothing about how the "
                "post does. Reconnect the account and grant it; then figures are read."
            ) % {"scopes": row.detail or "–"}
        if row.state == State.MISSING:
            return _("The platform does not show us the figures: %(why)s.") % {
                "why": explain(row.cause).head
            }
        if row.state == State.NO_DATA:
            return _(
                "No data yet: %(platform)s was asked and has told no figures of this post. "
                "That is not the same as zero."
            ) % {"platform": self.platform}
        if row.cause:
            return _("The last reading did not come about: %(why)s.") % {
                "why": explain(row.cause).head
            }
        return ""

    @property
    def needs_reconnect(self) -> bool:
        row = self.watch
        return bool(
            row
            and not self.why_not(After.FIGURES)
            and row.state == State.MISSING
            and row.cause == Cause.SCOPE_MISSING
        )

    @cached_property
    def charts(self) -> list[tuple[str, Any, Chart]]:
        found = []
        for name, (title, figures) in CHARTS.items():
            if chart := _chart(self.snapshots, figures):
                found.append((name, title, chart))
        return found

    @property
    def may_read_now(self) -> bool:
        row, now = self.watch, timezone.now()
        published_at = self.delivery.published_at
        return bool(
            row
            and can_write(self.reader)
            and not self.why_not(After.FIGURES)
            and published_at is not None
            and now - published_at < CADENCE[-1]
            and (row.read_at is None or now - row.read_at > READ_AGAIN)
            and (row.next_at is None or row.next_at > now)
        )


def _share(count: int, whole: int) -> int:
    return min(100, round(100 * count / whole))


def _chart(
    snapshots: Sequence[MetricSnapshot], figures: Sequence[Figure]
) -> Chart | None:
    """None where less than two readings told any: a dot is no line."""
    rows = [row for row in snapshots if any(row.value(f) is not None for f in figures)]
    shown = [f for f in figures if any(row.value(f) is not None for row in rows)]
    if len(rows) < 2:
        return None
    times = [timezone.localtime(row.at) for row in rows]
    last = rows[-1]
    summary = "; ".join(
        _("%(name)s: %(first)s, then %(last)s")
        % {
            "name": NAMES[figure],
            "first": next(v for row in rows if (v := row.value(figure)) is not None),
            "last": last.value(figure) if last.value(figure) is not None else "–",
        }
        for figure in shown
    )
    return Chart(
        {
            "type": "line",
            "labels": [date_format(at, _("j M, H:i")) for at in times],
            "sets": [
                {
                    "label": str(NAMES[figure]),
                    "tone": tone,
                    "values": [row.value(figure) for row in rows],
                }
                for figure, tone in zip(shown, TONES, strict=False)
            ],
        },
        f"{summary}.",
        [_("Read"), *(str(NAMES[figure]) for figure in shown)],
        [
            (
                date_format(at, _("j M Y, H:i e")),
                *(
                    "–" if (value := row.value(figure)) is None else value
                    for figure in shown
                ),
            )
            for at, row in zip(reversed(times), reversed(rows), strict=True)
        ],
    )


# ---------------------------------------------------------------- comments


@dataclass
class Inbox:
    """Comments below one delivery's post, and what stands in the way of them."""

    aftermath: Aftermath
    lines: Sequence[Line] = ()
    left_out: int = 0
    #: our answers to comments that are not shown (any more)
    loose: Sequence[Answer] = field(default_factory=tuple)

    @property
    def sentence(self) -> str:
        row = self.aftermath.watch
        if absent := self.aftermath.why_not(After.COMMENTS):
            return _(absent)
        if row is None:
            return _("Comments have not been read yet.")
        if row.comments_missing:
            return _(
                "Comments permission missing: %(scopes)s. Reconnect the account and grant "
                "it; then comments are read."
            ) % {"scopes": row.comments_missing}
        if row.comments_read_at is None:
            return _("Comments have not been read yet.")
        return "" if self.lines else _("Nobody has commented.")

    @cached_property
    def why_no_answer(self) -> str:
        """Why nobody can answer from here; "": the reader may."""
        account, reader = self.aftermath.account, self.aftermath.reader
        if self.aftermath.gone_at:
            return _("The post is deleted there.")
        if absent := self.aftermath.why_not(After.ANSWER):
            return _(absent)
        if account.disconnected_at is not None or account.credential is None:
            return _("The account is disconnected.")
        if missing := missing_scopes(account, account.client(), After.ANSWER):
            return _(
                "Permission to answer is missing: %(scopes)s. Reconnect the account."
            ) % {"scopes": missing}
        if not can_write(reader):
            return _("People with the role Marketing or Admin can answer.")
        return ""

    @cached_property
    def may_hide(self) -> bool:
        return not self._why_not(After.HIDE)

    @cached_property
    def may_remove(self) -> bool:
        return not self._why_not(After.REMOVE)

    @cached_property
    def why_not_hide(self) -> str:
        """Why comments can neither be hidden nor deleted by the reader; "": they can."""
        if self.may_hide or self.may_remove or not can_write(self.aftermath.reader):
            return ""
        return self._why_not(After.HIDE)

    def _why_not(self, what: After) -> str:
        from .interventions import why_not

        if self.aftermath.gone_at:
            return _("The post is deleted there.")
        if not can_write(self.aftermath.reader):
            return _("People with the role Marketing or Admin can do that.")
        return why_not(self.aftermath.account, what)


def inbox_of(aftermath: Aftermath) -> Inbox:
    """Four queries."""
    from .interventions import on_comments

    rows = list(
        PostComment.objects.filter(delivery=aftermath.delivery).order_by(
            "-published_at", "-pk"
        )[: SHOWN + 1]
    )
    left_out = max(0, len(rows) - SHOWN)
    shown = rows[:SHOWN]
    answers: dict[str, list[Answer]] = {}
    ours: set[str] = set()
    known = {row.external_id for row in shown}
    steps = on_comments(aftermath.delivery)
    for row in shown:
        row.step = steps.get(row.external_id)
    loose = []
    for answer in Answer.objects.filter(delivery=aftermath.delivery).select_related(
        "author"
    ):
        if answer.state == Answer.State.PUBLISHED and answer.external_id in known:
            ours.add(answer.external_id)
            continue  # it stands among the comments
        if answer.comment_id in known:
            answers.setdefault(answer.comment_id, []).append(answer)
        elif answer.state not in Answer.ENDED:
            loose.append(answer)
    for row in shown:
        row.is_ours = row.external_id in ours
    below: dict[str, list[PostComment]] = {}
    tops = []
    for row in shown:
        if row.parent_id and row.parent_id in known:
            below.setdefault(_top(row, shown), []).append(row)
        else:
            tops.append(row)
    lines = []
    for row in tops:
        inner = sorted(below.get(row.external_id, ()), key=_moment)
        ids = [row.external_id, *(one.external_id for one in inner)]
        here = [answer for number in ids for answer in answers.get(number, ())]
        lines.append(Line(row, inner, here))
    return Inbox(aftermath, lines, left_out, loose)


def _moment(row: PostComment) -> tuple[datetime, int]:
    return row.published_at or row.read_at, row.pk


def _top(row: PostComment, shown: Sequence[PostComment]) -> str:
    """The comment at the head of the conversation that this one is part of."""
    by_id = {one.external_id: one for one in shown}
    seen = set()
    while row.parent_id in by_id and row.external_id not in seen:
        seen.add(row.external_id)
        row = by_id[row.parent_id]
    return row.external_id


# ---------------------------------------------------------------- for the pages


def aftermaths(deliveries: Sequence[Delivery], reader: Any) -> list[Aftermath]:
    """Of those that are out, in their order. Two queries."""
    out = [row for row in deliveries if row.status == Delivery.Status.PUBLISHED]
    if not out:
        return []
    watches = {row.delivery_id: row for row in Watch.objects.filter(delivery__in=out)}
    snapshots: dict[int, list[MetricSnapshot]] = {}
    for row in MetricSnapshot.objects.filter(delivery__in=out).order_by("at"):
        snapshots.setdefault(row.delivery_id, []).append(row)
    return [
        Aftermath(row, watches.get(row.pk), snapshots.get(row.pk, ()), reader)
        for row in out
    ]


def delivery_sections(delivery: Delivery, reader: Any) -> list[tuple[str, Any]]:
    from .interventions import Removals, remainder, removals

    found = aftermaths([delivery], reader)
    left = [("monitoring/_left_out.html", remainder(one)) for one in found]
    return [row for row in left if row[1]] + [
        section
        for one in found
        for section in (
            ("monitoring/_removals.html", Removals(removals([one]))),
            ("monitoring/_figures.html", one),
            ("monitoring/_comments.html", inbox_of(one)),
        )
    ]


#: What stands at the points of CADENCE below a chart.
POINTS = tuple(
    gettext_lazy(words)
    for words in ("1 hour", "6 hours", "1 day", "3 days", "7 days", "28 days")
)
DONE = CHARTS["done"][1]


def _done_by_point(row: Aftermath) -> list[int | None]:
    """How much people had done at each point of CADENCE; None: not read there, or what
    they do is not told."""
    found: list[int | None] = [None] * len(CADENCE)
    published_at = row.delivery.published_at
    if published_at is None:
        return found
    for snapshot in row.snapshots:
        told = [v for figure in DONE if (v := snapshot.value(figure)) is not None]
        age = snapshot.at - published_at
        # A reading comes at its point or later, and belongs to the last one before it.
        passed = sum(age >= point for point in CADENCE)
        if told and passed:
            found[passed - 1] = sum(told)
    return found


def _compared(rows: Sequence[Aftermath]) -> Chart | None:
    """What people did on each account, by the age of the post; those with most of it.

    None where nothing was read at two points.
    """
    series = [(row, _done_by_point(row)) for row in rows]
    known = [
        (row, values) for row, values in series if any(v is not None for v in values)
    ]
    points = [
        n for n in range(len(CADENCE)) if any(vs[n] is not None for _r, vs in known)
    ]
    if len(points) < 2:
        return None
    known.sort(key=lambda pair: -max(v for v in pair[1] if v is not None))
    shown = known[: len(TONES)]
    labels = [str(POINTS[n]) for n in points]
    names = [f"{row.account.name} ({row.platform})" for row, _values in shown]
    summary = "; ".join(
        _("%(name)s: %(count)s at last")
        % {"name": name, "count": [v for v in values if v is not None][-1]}
        for name, (_row, values) in zip(names, shown, strict=True)
    )
    return Chart(
        {
            "type": "line",
            "labels": labels,
            "sets": [
                {"label": name, "tone": tone, "values": [values[n] for n in points]}
                for name, tone, (_row, values) in zip(names, TONES, shown, strict=False)
            ],
        },
        _("Reactions, comments, shares and saves together. %(each)s.")
        % {"each": summary},
        [_("After"), *names],
        [
            (
                label,
                *("–" if (v := values[n]) is None else v for _row, values in shown),
            )
            for label, n in zip(labels, points, strict=True)
        ],
    )


@dataclass(frozen=True)
class Overview:
    """A post's figures on all its accounts. totals: of what is told, by figure."""

    rows: Sequence[Aftermath]

    @property
    def heads(self) -> list[Any]:
        return [name for name, _count in self.columns]

    @cached_property
    def columns(self) -> list[tuple[Any, list[int | None]]]:
        """The figures that any account tells, with the value of each row."""
        by_row = [row.values for row in self.rows]
        found = []
        for number, name in enumerate(NAMES.values()):
            values = [row[number][1] for row in by_row]
            if any(value is not None for value in values):
                found.append((name, values))
        return found

    @property
    def lines(self) -> list[tuple[Aftermath, list[tuple[Any, int | None]]]]:
        return [
            (row, [(name, values[number]) for name, values in self.columns])
            for number, row in enumerate(self.rows)
        ]

    @cached_property
    def chart(self) -> Chart | None:
        return _compared(self.rows)

    @property
    def totals(self) -> list[tuple[Any, int]]:
        """Sums of what is told; () with one account, which they would only repeat."""
        if len(self.rows) < 2:
            return []
        return [
            (name, sum(v for v in vs if v is not None)) for name, vs in self.columns
        ]


def post_sections(deliveries: Sequence[Delivery], reader: Any) -> list[tuple[str, Any]]:
    from .interventions import Removals, removals

    rows = aftermaths(deliveries, reader)
    if not rows:
        return []
    return [
        ("monitoring/_removals.html", Removals(removals(rows))),
        ("monitoring/_post_figures.html", Overview(rows)),
    ]
