"""The failure desk: what went wrong, grouped by cause and credential."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    Count,
    F,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Now, RowNumber
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.causes import Action, explain
from accounts.fixed_query import SAMPLE_TIME, FixedQuery, Seen, as_time
from accounts.models import ConnectedAccount
from accounts.names import called
from accounts.roles import can_review, can_write, is_admin

from . import light, stops, valve
from .composing import wording_as_sent
from .listing import NEEDS_ME, Tab, WhenDue
from .long_lists import Leaf, leaf
from .models import Attempt, Delivery, DeliveryQuerySet, Note, Post, Stop
from .wording import Trouble, clock, comes_too_late, trouble

Status = Delivery.Status
SOLVED_DAYS = 30
#: So many rows are grouped, some of each kind; and so many of a group can be repaired
#: at once. The rest is counted and said.
MAX_ROWS = 300
#: Groups of one page, and how many rows of each stand there; a group alone shows all.
MOST_GROUPS = 8
MOST_OF_GROUP = 3
#: Between two posts of one account when a group is sent again: no burst.
GAP = timedelta(minutes=5)

TABS = {
    NEEDS_ME: gettext_lazy("Needs me"),
    "retrying": gettext_lazy("Being retried"),
    "checking": gettext_lazy("Checking"),
    "solved": gettext_lazy("Solved"),
}
RETRYING = Q(status=Status.SCHEDULED, transient_count__gt=0) | Q(
    status=Status.HELD, release_at__isnull=False
)
CHECKING = Q(status=Status.UNCERTAIN, next_attempt_at__isnull=False)


class Times(NamedTuple):
    """What queries compare with. since: of what was solved; due_since: nothing of that
    was due before."""

    now: datetime
    since: datetime
    due_since: datetime

    @classmethod
    def at(cls, now: datetime) -> Times:
        lately = timedelta(days=SOLVED_DAYS)
        return cls(now, now - lately, now - 2 * lately)


def _solved(since: datetime, due_since: datetime) -> Q:
    # Of a time that no index knows; what was due long before is not looked for.
    return Q(due_at__gte=due_since) & (
        Q(status=Status.PUBLISHED, attempt_count__gt=1, published_at__gte=since)
        | Q(status=Status.FAILED, dismissed_at__gte=since)
    )


#: Whose work of the first tab is shown, and what was put aside.
WHOSE = {
    "": gettext_lazy("All"),
    "mine": gettext_lazy("Mine"),
    "nobody": gettext_lazy("Nobody's"),
    "snoozed": gettext_lazy("Snoozed"),
}


def _snoozed(now: datetime) -> Q:
    return Q(care__snoozed_until__gt=now)


def whose_rows(
    rows: DeliveryQuerySet, user: Any, whose: str, now: datetime
) -> DeliveryQuerySet:
    """Of the first tab: what was put aside, or the rest, of this person if asked."""
    if whose == "snoozed":
        return rows.filter(_snoozed(now))
    rows = rows.awake(now)
    if whose == "mine":
        return rows.filter(care__assignee=user.pk)
    return rows.filter(care__assignee=None) if whose == "nobody" else rows


def tab_rows(rows: DeliveryQuerySet, tab: str, times: Times) -> DeliveryQuerySet:
    if tab == "retrying":
        return rows.filter(RETRYING)
    if tab == "checking":
        return rows.filter(CHECKING)
    if tab == "solved":
        return rows.filter(_solved(times.since, times.due_since))
    return rows.needs_person()


def _counted(reader: Any, now: datetime, *long_ago: datetime) -> Any:
    needs, solved, away = Delivery.needs_person_if(), _solved(*long_ago), _snoozed(now)
    # Without the filter all that ever went out would be counted through.
    return (
        Delivery.objects.visible_to(reader)
        .filter(needs | RETRYING | CHECKING | solved)
        .order_by()
        .values(all=Value(1))  # or each delivery would be counted by itself
        .annotate(
            needs_me=Count("pk", filter=needs & ~away),
            retrying=Count("pk", filter=RETRYING),
            checking=Count("pk", filter=CHECKING),
            solved=Count("pk", filter=solved),
            mine=Count("pk", filter=needs & ~away & Q(care__assignee=reader.pk)),
            nobody=Count("pk", filter=needs & ~away & Q(care__assignee=None)),
            snoozed=Count("pk", filter=needs & away),
        )
        .values_list(*_COUNTS)
    )


_COUNTS = ("needs_me", "retrying", "checking", "solved", "mine", "nobody", "snoozed")
_SAMPLES = Times.at(SAMPLE_TIME)
_counts = Seen(_counted, *_SAMPLES)


def tabs(user: Any, tab: str, whose: str = "") -> tuple[list[Tab], list[Tab]]:
    """The four tabs and the parts of the first one with their numbers, in one query."""
    found = _counts.rows(user, *Times.at(timezone.now()))
    numbers = dict(zip(_COUNTS, found[0] if found else [0] * len(_COUNTS), strict=True))
    return (
        [Tab(key, label, numbers[key], key == tab) for key, label in TABS.items()],
        [
            Tab(key, label, numbers[key or NEEDS_ME], key == whose)
            for key, label in WHOSE.items()
        ],
    )


@dataclass(frozen=True)
class Button:
    """One main button: a link, or with `sends` the group's own form; `asks`: it first
    shows what would happen; `gives`: it leads to where a group is given to somebody."""

    label: str
    url: str = ""
    sends: bool = False
    asks: bool = False
    gives: bool = False


@dataclass
class Group:
    """Deliveries with one cause and one credential; read it when all are in it."""

    key: str
    trouble: Trouble
    who: str
    deliveries: list[Delivery] = field(default_factory=list)
    #: of the same kinds, and too many to be read with the others
    unread: int = 0

    @property
    def total(self) -> int:
        return len(self.deliveries) + self.unread

    @cached_property
    def accounts(self) -> list[ConnectedAccount]:
        return list({row.account_id: row.account for row in self.deliveries}.values())

    @cached_property
    def name(self) -> str:
        """Tells groups of the same cause apart."""
        first, *others = self.accounts
        return f"{first.name} +{len(others)}" if others else first.name

    @cached_property
    def platform(self) -> str:
        """Of all of them; "" where one decision reaches several platforms."""
        slugs = {row.account.platform for row in self.deliveries}
        return slugs.pop() if len(slugs) == 1 else ""

    @cached_property
    def first_at(self) -> datetime:
        return min(map(happened_at, self.deliveries))

    @cached_property
    def last_at(self) -> datetime:
        return max(map(happened_at, self.deliveries))

    @cached_property
    def sendable(self) -> list[Delivery]:
        return [row for row in self.deliveries if can_send_again(row)]

    @property
    def numbers(self) -> str:
        """Of all its rows, as a form sends them: `access.row_numbers` reads it."""
        return ",".join(str(row.pk) for row in self.deliveries)

    @property
    def sendable_numbers(self) -> str:
        return ",".join(str(row.pk) for row in self.sendable)

    @cached_property
    def in_time(self) -> list[Delivery]:
        now = timezone.now()
        return [row for row in self.sendable if row.useful_until > now]

    @cached_property
    def late_count(self) -> int:
        return len(self.sendable) - len(self.in_time)

    @property
    def cure(self) -> str:
        """What to do, as things stand now: the account may be mended by now."""
        if self.sendable and self.trouble.action == Action.RECONNECT:
            return _("The account is able to post again: send what has failed.")
        if self.turns and all(comes_too_late(row, at) for row, at in self.turns):
            return ""  # `by_itself` says what becomes of them
        return self.trouble.cure

    @property
    def waits_for_account(self) -> bool:
        """Failed for another reason, and cannot go before the account is mended."""
        return (
            self.trouble.action in {Action.RETRY, Action.OPERATOR}
            and self.deliveries[0].account.health != "healthy"
        )

    def main_button(self, user: Any) -> Button | None:
        """The one thing to do; None: nothing, or nothing that this person may do."""
        action = self.trouble.action
        first = self.deliveries[0]
        if first.status == Status.HELD and first.hold in valve.LISTED:
            return self._valve_button(first, user)
        if is_twice(first):
            return None  # each row has its two buttons
        if self.sendable and action != Action.EDIT:
            if not can_review(user):
                return None
            return Button("", sends=True, asks=len(self.sendable) > 1)
        if action == Action.RECONNECT or self.waits_for_account:
            if is_admin(user):
                url = reverse("account_reconnect", args=[first.account_id])
                return Button(_("Reconnect"), url)
            return Button(
                _("Show the account"),
                reverse("account_detail", args=[first.account_id]),
            )
        if action == Action.EDIT and can_write(user):
            label = _("Edit") if len(self.deliveries) == 1 else _("Edit the first post")
            return Button(label, reverse("post_edit", args=[first.post_id]))
        if action == Action.EDIT and can_review(user):
            return Button(_("Give to whoever writes it"), gives=True)
        if action == Action.DECIDE:
            if first.status == Status.FAILED:
                url = reverse("account_detail", args=[first.account_id])
                return Button(_("Show the account"), url)
            label = (
                _("Decide") if len(self.deliveries) == 1 else _("Decide on the first")
            )
            return Button(label, first.get_absolute_url())
        if action == Action.OPERATOR and is_admin(user):
            return Button(_("Open the platforms"), reverse("platform_apps"))
        return None

    @staticmethod
    def _valve_button(first: Delivery, user: Any) -> Button | None:
        if not can_review(user):
            return None
        if first.stop and first.stop.ended_at is None:
            return Button(_("Show the stop"), reverse("stop_list"))
        query = f"?hold={first.hold}"
        if first.stop:
            query += f"&stop={first.stop.pk}"
        return Button(_("Choose what goes out"), reverse("held_posts") + query)

    @cached_property
    def turns(self) -> list[tuple[Delivery, datetime]]:
        """Those that go on by themselves, and when."""
        return [(row, at) for row in self.deliveries if (at := comes_at(row))]

    def by_itself(self) -> str:
        """ "Goes by itself at 14:30 (Europe/Berlin)", and how many are of no use by then;
        "" when a person is needed."""
        late = sum(comes_too_late(row, at) for row, at in self.turns)
        said = []
        if late < len(self.turns):
            first = min(at for row, at in self.turns if not comes_too_late(row, at))
            text = _("Nothing to do: it goes on by itself at %(when)s.")
            said.append(text % {"when": clock(first)})
        if late:
            text = ngettext(
                "%(n)s post is past its useful time before its turn comes: somebody has to "
                "decide then.",
                "%(n)s posts are past their useful time before their turn comes: somebody "
                "has to decide then.",
                late,
            )
            said.append(text % {"n": late})
        return " ".join(said)


Kind = tuple[str, str, str, int]
#: Rows that are alike in these stand in one group, but for those that stops hold.
KIND = ("status", "hold", "cause", "account_id")


def kind_of(row: Delivery) -> Kind:
    return row.status, row.hold, row.cause, row.account_id


def happened_at(delivery: Delivery) -> datetime:
    return delivery.failed_at or delivery.first_sent_at or delivery.due_at


def comes_at(delivery: Delivery) -> datetime | None:
    """When it goes on by itself."""
    if delivery.status == Status.HELD:
        return delivery.release_at
    if delivery.status in Delivery.WAITING:
        return delivery.next_attempt_at
    return None


def can_send_again(delivery: Delivery) -> bool:
    """A failed one whose cause is not in its content, on an account that works."""
    if delivery.status != Status.FAILED or delivery.dismissed_at:
        return False
    if explain(delivery.cause).action in {Action.EDIT, Action.DECIDE}:
        return False
    return delivery.account.health == "healthy"


#: who can do what a group needs
WHO: dict[Action, Any] = {
    Action.RECONNECT: gettext_lazy("An admin, or the person who owns the account"),
    Action.EDIT: gettext_lazy("Whoever writes the post"),
    Action.RETRY: gettext_lazy("A reviewer"),
    Action.DECIDE: gettext_lazy("Whoever can look at the account on the network"),
    Action.WAIT: gettext_lazy("Nobody has to"),
    Action.OPERATOR: gettext_lazy("An admin who runs our app at the platform"),
}


def is_twice(row: Delivery) -> bool:
    return row.status == Status.HELD and row.hold == Delivery.Hold.TWICE


def who_ends(stop: Stop) -> str:
    if stop.scope in Stop.OF_EVERYBODY:
        return _("An admin")
    return _("Whoever works for the brand")


def groups(rows: Iterable[Delivery]) -> list[Group]:
    """Grouped by cause and credential, largest first."""
    found: dict[str, Group] = {}
    of_kind: dict[Kind, list[tuple[Delivery, Group]]] = defaultdict(list)
    rows = list(rows)
    stops.name_holds(rows)
    for row in rows:
        what = trouble(row) or _settled(row)
        # Without a credential (disconnected) the account stands for it.
        holder = row.account.credential_id or f"a{row.account_id}"
        # What one decision lets out stands together, whoever's accounts they are.
        listed = row.status == Status.HELD and row.hold in valve.LISTED
        key = what.key if listed else f"{what.key}.{holder}"
        if key not in found:
            action = what.action
            if action == Action.RECONNECT and can_send_again(row):
                action = Action.RETRY
            who = str(WHO[action])
            if is_twice(row):
                who = _("Whoever knows whether it is meant")
            if listed:
                stop = row.stop
                lasts = stop is not None and stop.ended_at is None
                who = who_ends(stop) if stop and lasts else _("A reviewer")
            found[key] = Group(key, what, who)
        found[key].deliveries.append(row)
        of_kind[kind_of(row)].append((row, found[key]))
    for alike in of_kind.values():
        row, group = alike[-1]
        group.unread += max(0, getattr(row, "of_kind", 0) - len(alike))
    return sorted(found.values(), key=lambda group: -group.total)


def _settled(row: Delivery) -> Trouble:
    """What the Solved tab says of a row that has no trouble any more."""
    head = _("Published after more than one try")
    return Trouble("solved", head, _("It is live now."), "", Action.WAIT)


@dataclass(frozen=True)
class Desk:
    """groups: of this page; only: the group that is shown alone, None: several are."""

    tab: str
    tabs: Sequence[Tab]
    whose: Sequence[Tab]
    groups: Sequence[Group]
    page: Leaf
    only: Group | None
    left_out: int
    #: by key
    whole: Mapping[int, Line]

    def shown(self, group: Group) -> Sequence[Line]:
        """The rows of a group that stand on the page, but for what went meanwhile."""
        found = (self.whole.get(row.pk) for row in group.deliveries)
        return [row for row in found if row]


def desk(
    user: Any, tab: str, whose: str = "", page: str | None = None, alone: str = ""
) -> Desk:
    """whose: a key of WHOSE; it narrows the first tab alone. page: as typed. alone: the
    key of the one group that is wanted; all are shown where there is none such."""
    all_tabs, parts = tabs(user, tab, whose)
    parts = parts if tab == NEEDS_ME else []
    counted = parts or all_tabs
    count = next(part.count for part in counted if part.is_current)
    read = _read(user, tab, whose, count > MAX_ROWS)
    found = groups(read)
    only = next((group for group in found if group.key == alone), None)
    listed = leaf([only] if only else found, len(found), MOST_GROUPS, page)
    left_out = max(0, count - sum(group.total for group in found))
    if any(group.unread for group in listed.rows):
        rest = groups(_rest(user, tab, whose, listed.rows))
        fuller = {group.key: group for group in rest}
        fuller_rows = [fuller.get(group.key, group) for group in listed.rows]
        listed = replace(listed, rows=fuller_rows)
        only = listed.rows[0] if only else None
    most = MAX_ROWS if only else MOST_OF_GROUP
    whole = _complete([row for one in listed.rows for row in one.deliveries[:most]])
    return Desk(tab, all_tabs, parts, listed.rows, listed, only, left_out, whole)


def _read(user: Any, tab: str, whose: str, some: bool) -> list[Delivery]:
    """As many of them as are grouped, with their accounts. Two queries.

    some: they are too many to be read, so that some of each kind have to do.
    """
    times = Times.at(timezone.now())
    asked = {"solved": times[1:], NEEDS_ME: times[:1]}.get(tab, ())
    rows = _rows_of(tab, whose if tab == NEEDS_ME else "", some)
    read = rows.objects(user, *asked)
    if tab != "solved":
        read.sort(key=lambda row: (row.due_at, row.pk))
    return _with_accounts(read)


def _rest(user: Any, tab: str, whose: str, wanted: Sequence[Group]) -> list[Delivery]:
    """Of these groups as many rows as can be repaired at once.

    Where hundreds have failed, and then alone.
    """
    kinds = {kind_of(row) for group in wanted for row in group.deliveries}
    same = Q()
    for kind in kinds:
        same |= Q(**dict(zip(KIND, kind, strict=True)))
    rows = tab_rows(Delivery.objects.visible_to(user), tab, Times.at(timezone.now()))
    if tab == NEEDS_ME:
        rows = whose_rows(rows, user, whose, timezone.now())
    read = list(_in_turn(rows).filter(same, turn__lte=MAX_ROWS).only(*GROUPED_BY))
    read.sort(key=lambda row: (row.due_at, row.pk))
    return _with_accounts(read)


def _in_turn(rows: Any) -> Any:
    """turn: its place in its kind, what is still useful first, then the oldest; of_kind:
    how many that has."""
    alike = [F(name) for name in KIND]
    is_over = Case(When(useful_until__gt=Now(), then=0), default=1)
    order: list[Any] = [is_over, "due_at", "pk"]
    return rows.annotate(
        turn=Window(RowNumber(), partition_by=alike, order_by=order),
        of_kind=Window(Count("pk"), partition_by=alike),
    )


def _with_accounts(read: list[Delivery]) -> list[Delivery]:
    keys = {row.account_id for row in read}
    accounts = {one.pk: one for one in _by_key.objects(list(keys))} if read else {}
    # What went away between the two queries is not there.
    read = [row for row in read if row.account_id in accounts]
    for row in read:
        row.account = accounts[row.account_id]
    return read


@cache
def _rows_of(tab: str, whose: str, some: bool) -> Seen[Delivery]:
    def rows(reader: Any, *_samples: datetime) -> Any:
        times = _SAMPLES  # of which those are the ones that this tab compares with
        wanted = tab_rows(Delivery.objects.visible_to(reader), tab, times)
        if tab == NEEDS_ME:
            wanted = whose_rows(wanted, reader, whose, times.now)
        wanted = wanted.only(*GROUPED_BY)
        if tab == "solved":
            return wanted.order_by("-published_at", "pk")[:MAX_ROWS]
        if not some:
            return wanted.order_by(WhenDue("due_at"), "pk")[:MAX_ROWS]
        # What failed five hundred times must not hide the rest.
        return _in_turn(wanted).order_by("turn", "due_at", "pk")[:MAX_ROWS]

    samples = {"solved": _SAMPLES[1:], NEEDS_ME: _SAMPLES[:1]}.get(tab, ())
    return Seen(rows, *samples, for_all=whose != "mine")


#: What groups are made of. Hundreds are read, and of most of them nothing else is shown.
GROUPED_BY = (
    "post",
    "account",
    "status",
    "hold",
    "cause",
    "held_at",
    "due_at",
    "useful_until",
    "next_attempt_at",
    "release_at",
    "first_sent_at",
    "failed_at",
    "dismissed_at",
)


#: As much of accounts as groups and their rows show, and what tells whether they are
#: able to post.
_by_key = FixedQuery(
    lambda keys: (
        ConnectedAccount.objects.filter(pk__in=keys)
        .order_by()
        .select_related("credential")
        .only(
            "brand",
            "platform",
            "network",
            "external_id",
            "name",
            "handle",
            "disconnected_at",
            "trouble",
            "credential__state",
            "credential__cause",
        )
    ),
    [-7],
)


class Line(NamedTuple):
    """All that is shown of a delivery on the desk.

    text: its wording; assignee: how the person is called, "" for nobody.
    """

    delivery: Delivery
    text: str
    attempts: Sequence[Attempt]
    notes: int
    assignee: str
    snoozed_until: datetime | None


_PERSON = ("first_name", "last_name", "username")
_whole: FixedQuery[Delivery] = FixedQuery(
    lambda keys: (
        Delivery.objects.filter(pk__in=keys)
        .order_by()
        .annotate(
            note_count=Coalesce(
                Subquery(
                    Note.objects.filter(delivery=OuterRef("pk"))
                    .order_by()
                    .values("delivery")
                    .annotate(number=Count("pk"))
                    .values("number")
                ),
                0,
            ),
            snoozed_until=F("care__snoozed_until"),
            **{f"assignee_{name}": F(f"care__assignee__{name}") for name in _PERSON},
        )
    ),
    [-7],
)
_posts: FixedQuery[Post] = FixedQuery(
    lambda keys: (
        Post.objects.filter(pk__in=keys).order_by().only("text", "link_url", "brand")
    ),
    [-7],
)
_attempts: FixedQuery[Attempt] = FixedQuery(
    lambda keys: (
        Attempt.objects.filter(delivery__in=keys).order_by("number").defer("calls")
    ),
    [-7],
)


def _complete(rows: Sequence[Delivery]) -> dict[int, Line]:
    """By key all that is shown of these, with what groups them. Four queries."""
    if not rows:
        return {}
    keys = [row.pk for row in rows]
    posts = {post.pk: post for post in _posts.objects([row.post_id for row in rows])}
    own = light.wordings(list(posts))
    tried: dict[int, list[Attempt]] = {}
    for attempt in _attempts.objects(keys):
        tried.setdefault(attempt.delivery_id, []).append(attempt)
    grouped = {row.pk: row for row in rows}
    found = {}
    row: Any
    for row in _whole.objects(keys):
        row.account, row.stop = grouped[row.pk].account, grouped[row.pk].stop
        row.post = posts[row.post_id]
        text = own.get((row.post_id, row.account.platform), row.post.text)
        names = [getattr(row, f"assignee_{name}") or "" for name in _PERSON]
        found[row.pk] = Line(
            row,
            wording_as_sent(row) or text,
            tried.get(row.pk, ()),
            row.note_count,
            called(*names),
            as_time(row.snoozed_until),
        )
    return found


@dataclass
class Sent:
    """What "Send N again" did."""

    sent: int = 0
    late: int = 0
    refused: int = 0


def send_again(user: Any, ids: Iterable[int], *, include_late: bool) -> Sent:
    """Send failed deliveries again, GAP apart per account; AuditEvent for each.

    Left out: what a stranger named, what is not failed or needs an edit or is stopped
    (`refused`), and what is past its useful time unless `include_late` (`late`).
    """
    pks = list(ids)
    rows = Delivery.objects.visible_to(user).filter(status=Status.FAILED)
    done = valve.send(
        user,
        rows,
        pks,
        valve.Rules(GAP, per_account_hour=None),
        timezone.now(),
        pks if include_late else (),
        "delivery.sent_again",
        can_send_again,
    )
    known = Delivery.objects.visible_to(user).filter(pk__in=pks).count()
    refused = done.stopped + max(0, known - done.sent - done.late - done.stopped)
    return Sent(done.sent, done.late, refused)
