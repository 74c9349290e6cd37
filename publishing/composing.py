"""From a filled-in form to a post: drafts per network, checks, time, deliveries."""

from __future__ import annotations

import uuid
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import budgets
from accounts.causes import explain, finding_sentence
from accounts.fixed_query import SAMPLE_KEY, FixedQuery
from accounts.models import AuditEvent, Brand, ConnectedAccount
from accounts.zones import zone_called
from platforms import parts, registry
from platforms.base import Count, Draft, Finding, Level, Option, Poll
from platforms.errors import Cause
from platforms.text import tidy

from . import (
    approving,
    carrying,
    fitting,
    line_speed,
    media,
    mentions,
    natives,
    part_forms,
    polls,
    public_media,
    stops,
    tagging,
    twice,
)
from .fingerprints import fingerprint
from .models import (
    USEFUL_FOR,
    Delivery,
    InvalidTransition,
    Label,
    MediaAsset,
    NativePost,
    PartMedia,
    Post,
    PostMedia,
    StaleState,
    Stop,
    Variant,
    at_wall,
    draft_doc,
    schedule,
)
from .part_forms import PartText
from .risk import Risk, files_of, read_variants

#: More than any network takes in one post that we send there.
MAX_FILES = 20
#: What a person may still change: sending has not begun.
CHANGEABLE = (Delivery.Status.SCHEDULED, Delivery.Status.HELD)
#: What went out as it was then, whatever is written since.
LEFT = (
    Delivery.Status.PUBLISHING,
    Delivery.Status.PROCESSING,
    Delivery.Status.UNCERTAIN,
    Delivery.Status.PUBLISHED,
)
#: What can still be kept from going out: nothing has been committed there.
CANCELLABLE = (*CHANGEABLE, Delivery.Status.PROCESSING)


@dataclass
class Composition:
    """What stands in the form. `own`: platform slug -> wording that differs.

    options: platform slug -> key of the option -> what was chosen, where that is not the
    default (`platforms.base.chosen` reads it).
    """

    brand: Brand
    text: str = ""
    link_url: str = ""
    link_title: str = ""
    link_description: str = ""
    poll: Poll | None = None
    own: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: (asset, alternative text), in order
    files: list[tuple[MediaAsset, str]] = field(default_factory=list)
    #: platform slug -> what follows in a thread, in order
    parts: dict[str, list[PartText]] = field(default_factory=dict)
    #: platform slug -> first comment below the post
    comments: dict[str, str] = field(default_factory=dict)
    accounts: list[ConnectedAccount] = field(default_factory=list)
    #: names, in alphabetical order
    labels: list[str] = field(default_factory=list)
    campaign: str = ""
    #: what is added to its links (`tagging`)
    link_tags: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.files = part_forms.in_order(self.files)

    @property
    def is_empty(self) -> bool:
        """Nothing in it that anybody would miss."""
        words = [self.text, self.link_url, *self.own.values(), *self.comments.values()]
        more = self.files or self.parts or self.poll
        return not (any(word.strip() for word in words) or more)

    def words(self) -> Composition:
        """What readers see of it, wherever and under whatever name it goes."""
        return replace(self, accounts=[], labels=[], campaign="", link_tags={})

    def wording(self, platform: str) -> str:
        return self.own.get(platform, self.text)

    def draft_for(
        self, platform: str, account: ConnectedAccount | None = None
    ) -> Draft:
        draft = Draft(
            text=self.wording(platform),
            link_url=self.link_url,
            link_title=self.link_title,
            link_description=self.link_description,
            poll=self.poll,
            options=self.options.get(platform, {}),
            parts=tuple(part.as_part() for part in self.parts.get(platform, ())),
            first_comment=self.comments.get(platform, ""),
            **part_forms.files_of(self.files),
        )
        return tagging.tagged(draft, self.link_tags, platform, account)


# ---------------------------------------------------------------- checks


@dataclass(frozen=True)
class Line:
    """One line of an account's checks. `anchor`: id of the form field it is about."""

    refused: bool
    sentence: str
    cure: str
    field: str
    anchor: str
    #: slug of the network whose text can be split into parts to mend it
    splits: str = ""
    #: how the file that it is about becomes one that passes
    fit: fitting.Cure | None = None


@dataclass(frozen=True)
class AccountChecks:
    """counts: of each part of the thread."""

    account: ConnectedAccount
    counts: Sequence[Sequence[Count]]
    lines: Sequence[Line]
    #: why it will wait although the content is fine; "" when it will go
    held: str
    #: the same, reason by reason, once a time is chosen
    risks: Sequence[Risk] = ()
    #: names in the text of which nobody has asked yet whether there is somebody
    not_looked_up: Sequence[str] = ()
    #: what the network takes for it, in units of `platforms.base.MONEY`
    cost: int = 0
    #: and if there were no link in it
    cost_without_links: int = 0

    @property
    def price(self) -> str:
        """What it costs there, in a sentence; "": nothing."""
        if not self.cost:
            return ""
        words = {
            "platform": self.account.spec.name,
            "cost": budgets.dollars(self.cost),
            "plain": budgets.dollars(self.cost_without_links),
        }
        if self.cost == self.cost_without_links:
            return _("%(platform)s takes %(cost)s for it.") % words
        return (
            _(
                "%(platform)s takes %(cost)s for it, because there is a link in it; "
                "without one it would be %(plain)s."
            )
            % words
        )

    @property
    def refused(self) -> list[Line]:
        return [line for line in self.lines if line.refused]


@dataclass(frozen=True)
class Alike:
    """Accounts of one network of which the checks say the same; `row` is of the first."""

    row: AccountChecks
    accounts: Sequence[ConnectedAccount]

    @property
    def others(self) -> Sequence[ConnectedAccount]:
        return self.accounts[1:]

    @property
    def keys(self) -> str:
        return " ".join(str(account.pk) for account in self.accounts)


def alike(rows: Sequence[AccountChecks]) -> list[Alike]:
    """Of sixty accounts a person reads once what holds for them all."""
    found: dict[Hashable, tuple[AccountChecks, list[ConnectedAccount]]] = {}
    for row in rows:
        said = (
            row.account.platform,
            tuple(tuple(counts) for counts in row.counts),
            tuple(_but_for_whom(line) for line in row.lines),
            row.held,
            tuple(row.risks),
            tuple(row.not_looked_up),
            row.cost,
            row.cost_without_links,
        )
        found.setdefault(said, (row, []))[1].append(row.account)
    return [Alike(row, accounts) for row, accounts in found.values()]


def _but_for_whom(line: Line) -> Line:
    """What it says and offers, whichever account asked for it."""
    return replace(line, fit=line.fit and replace(line.fit, account=0))


def check(
    composition: Composition,
    *,
    cures: bool = False,
    active: Sequence[Stop] | None = None,
) -> list[AccountChecks]:
    """What each chosen account's platform would refuse or spoil, before sending.

    cures: with what can be done about files, which costs more looks. active: stops that
    last, where they are known.
    """
    drafts: dict[str, Draft] = {}
    found = []
    roads: dict[str, list[ConnectedAccount]] = {}
    # Only links that name the account make one account's post another than the next's.
    by_account = bool(composition.link_tags)
    if active is None:
        active = stops.active()
    for account in composition.accounts:
        slug = account.platform
        if by_account or slug not in drafts:
            drafts[slug] = composition.draft_for(slug, account)
        draft = drafts[slug]
        platform = registry.platform(slug)
        who, served = account.identity(), mentions.limits_for(account, draft)
        findings = parts.check(platform, draft, who, served)
        reached = platform.network_behind(draft, who) or slug
        roads.setdefault(reached, []).append(account)
        limits = {**account.extra, **account.server_limits}
        found.append(
            AccountChecks(
                account,
                parts.counts(platform, draft, limits),
                [
                    *_lines(findings, account, composition, draft if cures else None),
                    *_reach_lines(account, draft),
                    *_speed_lines(account, draft),
                    *_repeated_lines(account, composition.accounts),
                ],
                will_be_held(account, active),
                not_looked_up=mentions.not_looked_up(account, draft),
                cost=budgets.cost(slug, draft),
                cost_without_links=budgets.cost_without_links(slug, draft),
            )
        )
    for network, accounts in roads.items():
        by_detour = [one for one in accounts if one.platform != network]
        if by_detour and len(accounts) > 1:
            found = [
                replace(row, lines=[*row.lines, _second_road(row.account, accounts)])
                if row.account in by_detour
                else row
                for row in found
            ]
    return found


def _lines(
    findings: Sequence[Finding],
    account: ConnectedAccount,
    composition: Composition,
    draft: Draft | None,
) -> list[Line]:
    """draft: to work out what can be done about a file; said once for each file."""
    lines, cured = [], set()
    for finding in findings:
        line = _line(finding, account, composition)
        name, _sep, number = finding.field.partition(":")
        place = (finding.part, number)
        mends = line.refused or finding.cause in fitting.SPOILT
        if draft and name == "media" and number and mends and place not in cured:
            cured.add(place)
            fit = _fit(account, draft, composition, finding.part, int(number))
            line = replace(line, fit=fit)
        lines.append(line)
    return lines


def _fit(
    account: ConnectedAccount,
    draft: Draft,
    composition: Composition,
    part: int,
    number: int,
) -> fitting.Cure | None:
    files, key = composition.files, ""
    if part > 1:
        later = composition.parts[account.platform][part - 2]
        files, key = list(later.files), later.key
    found = fitting.cure_in_post(account, draft, number, files[number - 1][0], part)
    return found and replace(found, account=account.pk, part_key=key)


def _second_road(
    account: ConnectedAccount, accounts: Sequence[ConnectedAccount]
) -> Line:
    """Nobody but a person can tell whether the account behind an aggregator is one that
    the post goes to by another road as well: then it would be there twice."""
    others = [f"{a.name} ({a.spec.name})" for a in accounts if a.pk != account.pk]
    return Line(
        False,
        _("The same network is reached through %(others)s as well")
        % {"others": ", ".join(others)},
        _(
            "If that is one and the same account, leave one of the two out: the post would "
            "be there twice."
        ),
        _("Accounts"),
        "accounts",
    )


def _reach_lines(account: ConnectedAccount, draft: Draft) -> list[Line]:
    """Whether the network can fetch our files just now, as our own last look found."""
    if not account.spec.fetches_files or account.is_practice:
        return []
    if not draft.media and not any(part.media for part in draft.parts):
        return []
    verdict = public_media.last_verdict() if public_media.can_tell() else None
    if verdict is None or not verdict.why:
        return []
    return [
        Line(
            False,
            _("%(network)s fetches files from SocialHub, which cannot be read: %(why)s")
            % {"network": account.spec.name, "why": verdict.why},
            _("Tell an operator: until that is mended the post waits."),
            _("Files"),
            "media",
        )
    ]


def _speed_lines(account: ConnectedAccount, draft: Draft) -> list[Line]:
    """Whether a video leaves here in the time that its network gives."""
    why = line_speed.too_slow(account, draft)
    if not why:
        return []
    cure = _("Make the video smaller, or send it from where the line is faster.")
    return [Line(False, why, cure, _("Files"), "media")]


def will_be_held(account: ConnectedAccount, active: Sequence[Stop] = ()) -> str:
    """Why a post to this account would wait; "" when it would go.

    active: the emergency stops that last.
    """
    stop = stops.covering(account, active)
    if stop is not None:
        return stops.will_be_held(stop)
    if account.health == "healthy":
        return ""
    if account.health == "disconnected":
        return _("Will be held: the account is disconnected.")
    return _("Will be held: %(why)s.") % {"why": explain(account.cause).head}


def _repeated_lines(
    account: ConnectedAccount, accounts: Sequence[ConnectedAccount]
) -> list[Line]:
    """Networks take accounts down that repeat each other, whatever the text says."""
    if not account.spec.one_account_per_text:
        return []
    same = [a for a in accounts if a.platform == account.platform and a != account]
    if not same:
        return []
    text = _(
        "%(network)s forbids the same text on several accounts: %(others)s as well"
    )
    return [_several(text, account, [other.name for other in same])]


def _several(text: str, account: ConnectedAccount, names: Iterable[str]) -> Line:
    """text: of the network and the others."""
    said = {"network": account.spec.name, "others": ", ".join(names)}
    return Line(
        False,
        text % said,
        _(
            "Leave all but one out and write posts of their own for the others: the "
            "network may suspend accounts that repeat each other."
        ),
        _("Accounts"),
        "accounts",
    )


def said_elsewhere(
    composition: Composition, due_at: datetime, post: Post | None
) -> dict[int, Line]:
    """By account: where another post says the same within a day on another account of
    the brand, and the network forbids that. Two queries, where there is such a network."""
    strict = [one for one in composition.accounts if one.spec.one_account_per_text]
    if not strict:
        return {}
    says = {
        slug: fingerprint(composition.draft_for(slug))
        for slug in {account.platform for account in strict}
    }
    others = (
        ConnectedAccount.objects.connected()
        .filter(brand=composition.brand, platform__in=says)
        .exclude(pk__in=[account.pk for account in strict])
        .values_list("pk", "platform")
    )
    found: dict[str, dict[str, None]] = {}
    words = [(pk, says[slug]) for pk, slug in others]
    for row in twice.near(words, due_at, post.pk if post else None):
        found.setdefault(row.account.platform, {})[row.account.name] = None
    text = _(
        "%(network)s forbids the same text on several accounts: within a day another "
        "post says it on %(others)s"
    )
    return {
        account.pk: _several(text, account, names)
        for account in strict
        if (names := found.get(account.platform))
    }


def option_anchor(option: Option, account: ConnectedAccount) -> str:
    """Id and name of the field; an account's own choices have a field each."""
    name = f"option_{account.platform}_{option.key}"
    return f"{name}_{account.pk}" if option.choices_from else name


def _line(
    finding: Finding, account: ConnectedAccount, composition: Composition
) -> Line:
    slug = account.platform
    name, _sep, number = finding.field.partition(":")
    if finding.part > 1:
        anchor, label = _place_in_thread(finding, slug, composition)
    elif name == "comment":
        anchor, label = f"id_comment_{slug}", _("First comment")
    elif name == "text":
        own = slug in composition.own
        anchor = f"id_text_{slug}" if own else "id_text"
        label = _("Text for this network") if own else _("Text")
    elif name == "link":
        anchor, label = "id_link_url", _("Link")
    elif name == "poll":
        anchor, label = polls.place(number)
    elif name == "option":
        option = registry.spec(slug).options_by_key[number]
        anchor, label = f"id_{option_anchor(option, account)}", _(option.name)
    elif number:
        anchor = f"media-{number}"
        kind = composition.files[int(number) - 1][0].get_kind_display()
        label = _("%(kind)s %(n)s") % {"kind": kind, "n": number}
    else:
        anchor, label = "media", _("Files")
    return Line(
        finding.level == Level.REFUSED,
        # The line names its field, as the sentence does where it stands alone.
        finding_sentence(finding.cause, finding.values).removeprefix(f"{label}: "),
        str(explain(finding.cause).cure),
        label,
        anchor,
        slug if _can_split(finding, slug) else "",
    )


def _place_in_thread(
    finding: Finding, slug: str, composition: Composition
) -> tuple[str, str]:
    """Anchor and label of what a finding about a later part is about."""
    key = composition.parts[slug][finding.part - 2].key
    anchor = f"id_part_{slug}_{key}"
    words = {"n": finding.part}
    name, _sep, number = finding.field.partition(":")
    if name != "media":
        return anchor, _("Part %(n)s") % words
    if not number:
        return anchor, _("Part %(n)s, files") % words
    return anchor, _("Part %(n)s, file %(file)s") % {**words, "file": number}


def _can_split(finding: Finding, slug: str) -> bool:
    return (
        finding.cause == Cause.TEXT_TOO_LONG
        and finding.field == "text"
        and registry.spec(slug).thread is not None
    )


def repeats(
    composition: Composition, due_at: datetime, post: Post | None
) -> list[Delivery]:
    """Deliveries of other posts that say the same to a chosen account within a day."""
    says = {
        slug: fingerprint(composition.draft_for(slug))
        for slug in {account.platform for account in composition.accounts}
    }
    words = [(account.pk, says[account.platform]) for account in composition.accounts]
    return twice.near(words, due_at, post.pk if post else None)


def native_repeats(composition: Composition, due_at: datetime) -> list[NativePost]:
    """What somebody posted at a chosen account itself, and says the same, within a day."""
    accounts = composition.accounts
    texts = {
        slug: composition.draft_for(slug).text
        for slug in {account.platform for account in accounts}
    }
    return natives.repeats(accounts, texts, due_at, twice.WINDOW)


def wording_as_sent(delivery: Delivery) -> str:
    """The text of one that has left, as it left; "" of others."""
    left = delivery.status in LEFT and delivery.draft
    return str(delivery.draft["text"]) if left else ""


def wording_of(delivery: Delivery) -> str:
    """The text for the delivery's network; of one that has left, as it left.

    Reads post.variants (prefetch them).
    """
    if text := wording_as_sent(delivery):
        return text
    slug = delivery.account.platform
    for variant in delivery.post.variants.all():
        if variant.platform == slug and variant.has_text:
            return variant.text
    return delivery.post.text


# ---------------------------------------------------------------- time


def clock_note(day: date, wall: time, zone: str) -> str:
    """What the clock change does to this wall time; "" on ordinary days."""
    tz = zone_called(zone)
    first = datetime.combine(day, wall, tz)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return ""
    words = {
        "time": f"{wall:%H:%M}",
        "date": date_format(day, _("j F Y")),
        "zone": zone,
    }
    if after > before:
        really = first.astimezone(UTC).astimezone(tz)
        return _(
            "The clocks go forward: %(time)s does not exist on %(date)s in %(zone)s. "
            "It goes out at %(really)s."
        ) % {**words, "really": f"{really:%H:%M}"}
    return _(
        "The clocks go back: %(time)s comes twice on %(date)s in %(zone)s. "
        "It goes out the first time (%(utc)s UTC)."
    ) % {**words, "utc": f"{first.astimezone(UTC):%H:%M}"}


@dataclass(frozen=True)
class Timing:
    """When it is to go. Aware times, UTC."""

    due_at: datetime
    useful_until: datetime
    day: date
    wall: time
    zone: str


def timing(
    day: date,
    wall: time,
    zone: str,
    useful: datetime | None = None,
    *,
    now: datetime | None = None,
) -> Timing:
    """From the wall clock. useful: naive, on the same wall; now: "send it now"."""
    if now is not None:
        # Whole seconds, so that the wall clock leads back to the same instant.
        due_at = now.replace(microsecond=0)
        local = due_at.astimezone(zone_called(zone))
        day, wall = local.date(), local.time()
    else:
        due_at = at_wall(day, wall, zone)
    until = due_at + USEFUL_FOR
    if useful is not None:
        until = useful.replace(tzinfo=zone_called(zone)).astimezone(UTC)
    return Timing(due_at, until, day, wall, zone)


# ---------------------------------------------------------------- saving


@dataclass
class Result:
    """What saving did. too_late: accounts whose sending had begun or was over."""

    post: Post
    made: int = 0
    moved: int = 0
    cancelled: int = 0
    sent_again: int = 0
    too_late: list[ConnectedAccount] = field(default_factory=list)


def form_key(user: Any, token: str) -> uuid.UUID:
    """The same form sent twice by one person has one key."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"socialhub:compose:{user.pk}:{token}")


def post_of_form(user: Any, token: str) -> Post | None:
    """The post that an earlier sending of the same form has made."""
    event = AuditEvent.objects.filter(
        pk=form_key(user, token), verb="post.created"
    ).first()
    if event is None:
        return None
    return Post.objects.visible_to(user).filter(pk=event.target_id).first()


def save(
    composition: Composition,
    user: Any,
    *,
    post: Post | None,
    token: str,
    when: Timing | None,
    wall: tuple[date | None, time | None, str],
    go: bool,
    twice_ok: bool = False,
    by_itself: bool = False,
    replaced: Sequence[Any] = (),
    written_by: Iterable[Any] = (),
    shown_open: Container[int] = (),
) -> Result:
    """Write the post, and with `go` its deliveries too. One transaction.

    wall: date, time and zone as typed, kept with a draft. twice_ok: the person has said
    yes to accounts that have said the same within a day. A new form that was sent
    twice at once makes one post: the second raises IntegrityError from its audit row.
    StaleState: somebody has changed the post since it was read. by_itself: nobody has
    asked for it, so that the history names it once. replaced: `conflicts.Difference`s of
    somebody's version that this one knowingly replaces; the history keeps them.
    written_by: people whose words these are, besides the user's. shown_open: accounts
    that could still be changed as the person looked: who is too late for them is told.
    """
    with transaction.atomic():
        created = post is None
        writers = list(written_by)
        if post is not None:
            now = Post.objects.select_for_update().get(pk=post.pk)
            if (now.changed_at, now.state) != (post.changed_at, post.state):
                raise StaleState(f"post {post.pk} was changed meanwhile")
            if user.pk != now.author_id and _other_words(now, composition):
                writers.append(user)
        if post is None:
            post = Post(brand=composition.brand, author=user)
        scheduled_before = post.state == Post.State.SCHEDULED
        old_due, old_until = post.due_at, post.useful_until
        _fill(post, composition, when, wall)
        post.save()
        if created:
            AuditEvent.objects.create(
                id=form_key(user, token),
                actor=user,
                verb="post.created",
                target_type=Post._meta.label_lower,
                target_id=str(post.pk),
                target_text=str(post)[:200],
            )
        _write_parts(post, composition, user)
        if writers:
            post.writers.add(*writers)
        result = Result(post)
        if go:
            moved = (post.due_at, post.useful_until) != (old_due, old_until)
            _deliver(result, composition, moved, shown_open)
            _note_sameness(result, composition, twice_ok)
            approving.bind(post, user)
        if not created or go:
            verb = "post.changed" if scheduled_before or not go else "post.scheduled"
            more: dict[str, Any] = {}
            if replaced:
                more["replaced"] = {row.label: row.theirs for row in replaced}
            if not by_itself or not _is_named_last(user, post):
                AuditEvent.write(
                    user, verb, post, accounts=len(composition.accounts), **more
                )
    return result


def _other_words(post: Post, composition: Composition) -> bool:
    return saved_composition(post).words() != composition.words()


def _is_named_last(user: Any, post: Post) -> bool:
    """Whether the post's history ends with this person's writing."""
    last = AuditEvent.objects.filter(
        target_type=post._meta.label_lower, target_id=str(post.pk)
    ).first()
    return bool(
        last
        and last.actor_id == user.pk
        and last.verb in {"post.created", "post.changed"}
    )


def _fill(
    post: Post,
    composition: Composition,
    when: Timing | None,
    wall: tuple[date | None, time | None, str],
) -> None:
    post.brand = composition.brand
    post.text = tidy(composition.text)
    post.link_url = composition.link_url
    post.link_title = composition.link_title
    post.link_description = composition.link_description
    post.poll = polls.doc(composition.poll)
    post.campaign = composition.campaign
    post.link_tags = composition.link_tags
    if when is not None:
        post.local_date, post.local_time, post.zone = when.day, when.wall, when.zone
        post.due_at, post.useful_until = when.due_at, when.useful_until
    else:
        post.local_date, post.local_time, post.zone = wall
        post.due_at = post.useful_until = None


def _write_parts(post: Post, composition: Composition, user: Any) -> None:
    # Accounts whose delivery can no longer change stay, chosen or not.
    fixed = post.deliveries.exclude(status__in=(*CHANGEABLE, Delivery.Status.FAILED))
    kept_accounts = fixed.values_list("account_id", flat=True)
    post.accounts.set([*(a.pk for a in composition.accounts), *kept_accounts])
    post.labels.set(labels_named(composition.brand, composition.labels))
    kept = {v.platform: v for v in post.variants.all()}
    special = set().union(
        composition.own, composition.options, composition.parts, composition.comments
    )
    for slug in special:
        further = composition.parts.get(slug, [])
        variant, _made = Variant.objects.update_or_create(
            post=post,
            platform=slug,
            defaults={
                "text": tidy(composition.own.get(slug, "")),
                "has_text": slug in composition.own,
                "options": composition.options.get(slug, {}),
                "parts": [tidy(part.text) for part in further],
                "first_comment": tidy(composition.comments.get(slug, "")),
            },
        )
        variant.part_media.all().delete()
        PartMedia.objects.bulk_create(
            PartMedia(
                variant=variant,
                part=number,
                position=place,
                asset=media.for_brand(asset, composition.brand, user),
                alt_text=alt,
            )
            for number, part in enumerate(further, 2)
            for place, (asset, alt) in enumerate(part.files)
        )
    gone = [v.pk for slug, v in kept.items() if slug not in special]
    post.variants.filter(pk__in=gone).delete()
    post.media.all().delete()
    PostMedia.objects.bulk_create(
        PostMedia(
            post=post,
            asset=media.for_brand(asset, composition.brand, user),
            position=place,
            alt_text=alt,
        )
        for place, (asset, alt) in enumerate(composition.files)
    )


def labels_named(brand: Brand, names: Sequence[str]) -> list[Label]:
    """The brand's labels of these names, new ones made; capitals make no difference."""
    have = {label.name.lower(): label for label in brand.labels.all()} if names else {}
    found = []
    for name in names:
        label = have.get(name.lower())
        if label is None:
            label, _made = Label.objects.get_or_create(brand=brand, name=name)
        found.append(label)
    return found


def _deliver(
    result: Result,
    composition: Composition,
    time_moved: bool,
    shown_open: Container[int],
) -> None:
    """Bring the deliveries in line with what was chosen; what was sent stays."""
    post = result.post
    assert post.due_at is not None
    assert post.useful_until is not None
    chosen = {account.pk for account in composition.accounts}
    # Locked until the new wording stands: a pump takes each of them before (then it is
    # too late, and that is said) or after, but never with the old wording meanwhile.
    rows = post.deliveries.select_related("account").select_for_update(of=("self",))
    for delivery in rows:
        try:
            if delivery.status == Delivery.Status.FAILED:
                if delivery.account_id in chosen:
                    _again(delivery, post)
                    result.sent_again += 1
            elif delivery.status in CHANGEABLE:
                if delivery.account_id not in chosen:
                    delivery.cancel()
                    result.cancelled += 1
                elif time_moved:
                    delivery.reschedule(post.due_at, post.useful_until)
                    result.moved += 1
            elif delivery.status == Delivery.Status.CANCELLED:
                if delivery.account_id in chosen:
                    result.too_late.append(delivery.account)
            elif (
                delivery.status == Delivery.Status.PROCESSING
                and delivery.account_id in shown_open
                and delivery.account_id not in chosen
            ):
                # Taken off while the network got it ready: not a word of it is out.
                delivery.cancel()
                post.accounts.remove(delivery.account)
                result.cancelled += 1
            elif (
                delivery.account_id in chosen
                or delivery.account_id in shown_open
                or delivery.status == Delivery.Status.PUBLISHING
            ):
                result.too_late.append(delivery.account)
        except (InvalidTransition, StaleState):
            result.too_late.append(delivery.account)
    result.made = len(schedule(post, composition.accounts))
    if not composition.accounts:
        close_if_cancelled(post)


def _note_sameness(result: Result, composition: Composition, yes: bool) -> None:
    """Store what each delivery says now, and the person's yes to saying it twice.

    A yes belongs to one wording: another one asks anew.
    """
    post = result.post
    assert post.due_at is not None
    fresh = Post.objects.prefetch_related("variants", "media__asset").get(pk=post.pk)
    repeated = {row.account_id for row in repeats(composition, post.due_at, post)}
    rows = post.deliveries.filter(
        account__in=composition.accounts, status__in=CHANGEABLE
    )
    for row in rows.select_related("account"):
        draft = fresh.draft_for(row.account.platform, row.account)
        lead = carrying.lead_s(row.account.platform, draft)
        other_words = row.draft and row.draft != draft_doc(draft)
        if other_words or lead != row.prepare_lead_s:
            row.prepare_anew(lead)
            if row.approvals_missing:
                # Nothing leaves ahead before it is approved.
                rows.filter(pk=row.pk).update(prepare_lead_s=lead)
        words = fingerprint(draft)
        kept = row.twice_allowed and row.fingerprint == words
        allowed = kept or (yes and row.account_id in repeated)
        if (row.fingerprint, row.twice_allowed) != (words, allowed):
            rows.filter(pk=row.pk).update(fingerprint=words, twice_allowed=allowed)
        if row.hold == Delivery.Hold.TWICE and (
            allowed or row.account_id not in repeated
        ):
            try:
                _again(row, post)
            except StaleState:
                result.too_late.append(row.account)


def _again(delivery: Delivery, post: Post) -> None:
    """A failed one whose post was mended goes at the post's time, or at once."""
    assert post.due_at is not None
    at = max(post.due_at, timezone.now())
    # Saving it is the person's yes to its age.
    delivery.retry(at, despite_age=True)


def close_if_cancelled(post: Post) -> None:
    """A post whose deliveries are all cancelled is cancelled itself."""
    with transaction.atomic():
        # Nobody schedules it between the look and the word.
        Post.objects.select_for_update().get(pk=post.pk)
        if not post.deliveries.exclude(status=Delivery.Status.CANCELLED).exists():
            Post.objects.filter(pk=post.pk).update(state=Post.State.CANCELLED)


def saved_files(post: Post) -> list[tuple[MediaAsset, str]]:
    return [(use.asset, use.alt_text) for use in files_of(post)]


_accounts_of = FixedQuery(
    lambda post: ConnectedAccount.objects.filter(
        pk__in=Post.accounts.through.objects.filter(post=post).values(
            "connectedaccount"
        )
    ).with_health(),
    SAMPLE_KEY,
)


_labels_of = FixedQuery(
    lambda post: Label.objects.filter(
        pk__in=Post.labels.through.objects.filter(post=post).values("label")
    ).values_list("name"),
    SAMPLE_KEY,
)


def saved_composition(post: Post) -> Composition:
    """A post as it stands, for showing its checks or copying it."""
    read_variants([post])
    return Composition(
        brand=post.brand,
        text=post.text,
        link_url=post.link_url,
        link_title=post.link_title,
        link_description=post.link_description,
        poll=polls.stored(post.poll),
        campaign=post.campaign,
        link_tags=post.link_tags,
        own={v.platform: v.text for v in post.variants.all() if v.has_text},
        options={v.platform: v.options for v in post.variants.all() if v.options},
        files=saved_files(post),
        parts={v.platform: saved_parts(v) for v in post.variants.all() if v.parts},
        comments={
            v.platform: v.first_comment for v in post.variants.all() if v.first_comment
        },
        accounts=_accounts_of.objects(post.pk),
        labels=sorted(name for (name,) in _labels_of.rows(post.pk)),
    )


def saved_parts(variant: Variant) -> list[PartText]:
    files: dict[int, list[tuple[MediaAsset, str]]] = {}
    for use in variant.part_media.select_related("asset"):
        files.setdefault(use.part, []).append((use.asset, use.alt_text))
    return [
        PartText(text, tuple(files.get(number, ())), str(number))
        for number, text in enumerate(variant.parts, 2)
    ]
