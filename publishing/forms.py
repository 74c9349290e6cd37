"""The composer's form and the small forms of a delivery's decisions."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.validators import URLValidator
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.fixed_query import SAMPLE_KEY, FixedQuery
from accounts.models import Brand, ConnectedAccount
from accounts.zones import zone_names
from platforms import registry
from platforms.base import PlatformSpec, Poll
from platforms.text import tidy, web_host

from . import own_choices, part_forms, polls, stops
from .access import row_number
from .composing import (
    CHANGEABLE,
    MAX_FILES,
    Composition,
    Timing,
    timing,
    will_be_held,
)
from .listing import FIRST_YEAR, LAST_YEAR
from .models import Delivery, Label, LinkRule, MediaAsset, Post, Queue, Snippet, Stop
from .wording import parts_words

NOW, AT = "now", "at"
#: Above the longest text of any network; counting takes seconds for millions.
MAX_TEXT = 50_000


#: What a brand has, by its key.
_accounts_of = FixedQuery(
    lambda brand: ConnectedAccount.objects.filter(brand=brand).with_health(), SAMPLE_KEY
)
_queues = FixedQuery(lambda brand: Queue.objects.filter(brand=brand), SAMPLE_KEY)
_in_queues = FixedQuery(
    lambda brand: (
        Queue.accounts.through.objects.filter(queue__brand=brand)
        .order_by("connectedaccount__platform", "connectedaccount__name")
        .values_list("queue", "connectedaccount")
    ),
    SAMPLE_KEY,
)
_rules = FixedQuery(lambda brand: LinkRule.objects.filter(brand=brand), SAMPLE_KEY)
_snippets = FixedQuery(lambda brand: Snippet.objects.filter(brand=brand), SAMPLE_KEY)
_of_post = FixedQuery(
    lambda post: Post.accounts.through.objects.filter(post=post).values_list(
        "connectedaccount"
    ),
    SAMPLE_KEY,
)
_labels = FixedQuery(lambda brand: Label.objects.filter(brand=brand), SAMPLE_KEY)


class PostForm(forms.Form):
    """Reads the whole composer. Needs the reader's brands; keeps what was typed.

    Per network: `own_<slug>` (box), `text_<slug>`, and `options_<slug>` where its
    options are asked for (`composing.option_anchor` names them); parts of a thread and
    the first comment as `part_forms` says. Files: `media` (asset
    ids in order), `alt_<id>` and, of captions, `language_<id>`.
    """

    token = forms.CharField(max_length=64, required=False)
    version = forms.CharField(max_length=40, required=False)
    seen = forms.CharField(max_length=40, required=False)
    brand = forms.ModelChoiceField(Brand.objects.none(), label=gettext_lazy("Brand"))
    text = forms.CharField(
        label=gettext_lazy("Text"), required=False, max_length=MAX_TEXT, strip=False
    )
    link_url = forms.CharField(
        label=gettext_lazy("Link"), required=False, max_length=2000
    )
    link_title = forms.CharField(
        label=gettext_lazy("Link title"), required=False, max_length=300
    )
    link_description = forms.CharField(
        label=gettext_lazy("Teaser"), required=False, max_length=500
    )
    poll_question = forms.CharField(
        label=gettext_lazy("Question"), required=False, max_length=polls.MAX_QUESTION
    )
    poll_minutes = forms.CharField(
        label=gettext_lazy("How long"), required=False, max_length=6
    )
    poll_multiple = forms.BooleanField(required=False)
    campaign = forms.CharField(
        label=gettext_lazy("Campaign"), required=False, max_length=60
    )
    labels = forms.CharField(
        label=gettext_lazy("Labels"), required=False, max_length=300
    )
    when = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            (AT, gettext_lazy("At a date and time")),
            (NOW, gettext_lazy("Now")),
        ],
        initial=AT,
        required=False,
    )
    date = forms.DateField(
        label=gettext_lazy("Date"), required=False, input_formats=["%Y-%m-%d"]
    )
    time = forms.TimeField(
        label=gettext_lazy("Time"), required=False, input_formats=["%H:%M", "%H:%M:%S"]
    )
    zone = forms.CharField(
        label=gettext_lazy("Time zone"), required=False, max_length=64
    )
    useful_until = forms.DateTimeField(
        label=gettext_lazy("Useful until"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )
    repeat_ok = forms.BooleanField(required=False)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        user: Any,
        post: Post | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.user = user
        self.post = post
        #: captions of which the form says another language than their row
        self.languages_said: list[MediaAsset] = []
        brands = Brand.objects.visible_to(user)
        if post is not None and post.deliveries.exists():
            # Its deliveries belong to accounts of this brand.
            brands = brands.filter(pk=post.brand_id)
        field = self.fields["brand"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = brands.distinct()
        # The wall clock is read in the zone of the form, not in the reader's.
        self.fields["useful_until"].clean = self._clean_wall  # type: ignore[method-assign]

    def _clean_wall(self, value: Any) -> dt.datetime | None:
        text = str(value or "").strip()
        for pattern in ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"):
            try:
                return dt.datetime.strptime(text, pattern)
            except ValueError:
                continue
        if text:
            raise forms.ValidationError(_("Write it as 2026-11-24 18:00."))
        return None

    def clean_date(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["date"]
        _want_this_century(day)
        return day

    def clean_useful_until(self) -> dt.datetime | None:
        until: dt.datetime | None = self.cleaned_data["useful_until"]
        _want_this_century(until)
        return until

    # -- the typed values, valid or not

    @cached_property
    def brands(self) -> list[Brand]:
        field = self.fields["brand"]
        assert isinstance(field, forms.ModelChoiceField)
        return list(field.queryset or ())

    @property
    def approval_steps(self) -> int:
        """How many people have to say yes before it goes out."""
        return self.brand_now.approval_steps if self.brand_now else 0

    @cached_property
    def brand_now(self) -> Brand | None:
        """The brand as chosen; the first one when nothing valid is chosen."""
        typed = str(self["brand"].value() or "")
        for brand in self.brands:
            if str(brand.pk) == typed:
                return brand
        return self.brands[0] if self.brands else None

    @cached_property
    def zone_now(self) -> str:
        typed = str(self["zone"].value() or "")
        if typed in zone_names():
            return typed
        return self.brand_now.time_zone if self.brand_now else "UTC"

    @cached_property
    def choosable(self) -> list[ConnectedAccount]:
        """The brand's connected accounts, and those of the post that are no longer."""
        if self.brand_now is None:
            return []
        rows = _accounts_of.objects(self.brand_now.pk)
        used = self._used_accounts
        return [row for row in rows if row.disconnected_at is None or row.pk in used]

    @cached_property
    def _used_accounts(self) -> set[int]:
        if self.post is None:
            return set()
        return {pk for (pk,) in _of_post.rows(self.post.pk)} | set(self.deliveries)

    @cached_property
    def deliveries(self) -> dict[int, Delivery]:
        """The post's deliveries by account."""
        if self.post is None:
            return {}
        return {row.account_id: row for row in self.post.deliveries.all()}

    @cached_property
    def chosen(self) -> list[ConnectedAccount]:
        if self.is_bound:
            ticked = set(self._list("accounts"))
        else:
            ticked = {str(pk) for pk in self.initial.get("accounts", ())}
        return [
            row
            for row in self.choosable
            if str(row.pk) in ticked and not _locked(self.deliveries.get(row.pk))
        ]

    @property
    def shown_open(self) -> set[int]:
        """Accounts of which the page had said that they can still be changed."""
        return {row_number(pk) for pk in self._list("open")}

    @cached_property
    def attached(self) -> list[tuple[MediaAsset, str]]:
        """Assets that the person may see, in form order, with their alt texts."""
        if not self.is_bound:
            return part_forms.in_order(self.initial.get("media", ()))
        ids = [row_number(v) for v in self._list("media")][: MAX_FILES * 2]
        visible = MediaAsset.objects.filter(brand__in=self._all_brands).in_bulk(ids)
        for pk, asset in visible.items():
            said = str(self.data.get(f"language_{pk}", asset.language))
            if asset.say_language(said):
                self.languages_said.append(asset)
        return part_forms.in_order(
            (visible[pk], tidy(str(self.data.get(f"alt_{pk}", ""))[:5000]))
            for pk in dict.fromkeys(ids)
            if pk in visible
        )

    @cached_property
    def _all_brands(self) -> list[int]:
        rows = Brand.objects.visible_to(self.user)
        return list(rows.values_list("pk", flat=True).distinct())

    @cached_property
    def own(self) -> dict[str, str]:
        """Wordings of their own, by platform slug; boxes that are ticked."""
        if not self.is_bound:
            return dict(self.initial.get("own", {}))
        return {
            slug: str(self.data.get(f"text_{slug}", ""))[:MAX_TEXT]
            for slug in registry.PLATFORMS
            if self.data.get(f"own_{slug}")
        }

    def typed_own(self, slug: str) -> str:
        """What stands in a network's own text, whether its box is ticked or not."""
        if not self.is_bound:
            return self.own.get(slug, "")
        return str(self.data.get(f"text_{slug}", ""))

    @cached_property
    def options(self) -> dict[str, dict[str, Any]]:
        """What was chosen for each network, where it is not the default."""
        saved: dict[str, dict[str, Any]] = self.initial.get("options", {})
        if not self.is_bound:
            return saved
        found: dict[str, dict[str, Any]] = {}
        for slug, accounts in self._by_network.items():
            if self.data.get(f"options_{slug}"):
                chosen = own_choices.read(registry.spec(slug), accounts, self.data)
                if chosen:
                    found[slug] = chosen
        return found

    @cached_property
    def parts(self) -> dict[str, list[part_forms.PartText]]:
        """What follows in a thread, by network."""
        if not self.is_bound:
            return dict(self.initial.get("parts", {}))
        return part_forms.read(self.data, self._all_brands)

    def typed_poll(self, name: str) -> str:
        """What stands in a field of the poll."""
        return str((self.data if self.is_bound else self.initial).get(name) or "")

    @cached_property
    def poll(self) -> Poll | None:
        return polls.read(self.typed_poll)

    @cached_property
    def poll_rows(self) -> list[tuple[int, str]]:
        """Number of an answer and what is typed, of as many as there is room for."""
        most = polls.rows_for(self.choosable, self.poll)
        return [(n, self.typed_poll(f"poll_option_{n}")) for n in range(1, most + 1)]

    @property
    def poll_lengths(self) -> list[tuple[str, str]]:
        return polls.lengths(self.poll_lasts)

    @property
    def poll_lasts(self) -> int:
        return polls.as_minutes(self.typed_poll("poll_minutes")) or polls.USUAL

    @property
    def poll_networks(self) -> list[PlatformSpec]:
        """Those of the brand's networks that have polls."""
        return [row.spec for row in self.sections if row.spec.poll]

    @property
    def poll_names(self) -> str:
        return ", ".join(spec.name for spec in self.poll_networks)

    @property
    def poll_questions(self) -> str:
        """Names of those whose polls have a question of their own."""
        specs = [spec for spec in self.poll_networks if spec.poll]
        return ", ".join(s.name for s in specs if s.poll and s.poll.max_question)

    @cached_property
    def comments(self) -> dict[str, str]:
        """First comments, by network."""
        if not self.is_bound:
            return dict(self.initial.get("comments", {}))
        return part_forms.comments(self.data)

    @cached_property
    def _by_network(self) -> dict[str, list[ConnectedAccount]]:
        by_slug: dict[str, list[ConnectedAccount]] = {}
        for account in self.choosable:
            by_slug.setdefault(account.platform, []).append(account)
        return by_slug

    def _list(self, name: str) -> list[str]:
        getlist = getattr(self.data, "getlist", None)
        if getlist is not None:
            return [str(value) for value in getlist(name)]
        value = self.data.get(name, ())
        return [str(v) for v in (value if isinstance(value, Iterable) else [value])]

    def _typed(self, name: str) -> str:
        """What stands in a text field, and no more of it than may stand there."""
        return str(self[name].value() or "")[: self.fields[name].max_length]  # type: ignore[attr-defined]

    def composition(self) -> Composition | None:
        """What stands in the form, as far as it can be read; None without a brand."""
        if self.brand_now is None:
            return None
        return Composition(
            brand=self.brand_now,
            text=tidy(self._typed("text")),
            link_url=self._typed("link_url").strip(),
            link_title=self._typed("link_title").strip(),
            link_description=self._typed("link_description").strip(),
            poll=self.poll,
            own=self.own,
            options=self.options,
            files=self.attached,
            parts=self.parts,
            comments=self.comments,
            accounts=self.chosen,
            labels=self.label_names,
            campaign=self._typed("campaign").strip(),
            link_tags=self.link_tags,
        )

    @cached_property
    def label_names(self) -> list[str]:
        """As typed between commas, each once, as the brand spells those that it has."""
        words = [" ".join(word.split()) for word in self._typed("labels").split(",")]
        spelt = {label.name.lower(): label.name for label in self.known_labels}
        found = {word.lower(): spelt.get(word.lower(), word) for word in words if word}
        return sorted(found.values())

    @cached_property
    def queues(self) -> list[Queue]:
        """The brand's."""
        return _queues.objects(self.brand_now.pk) if self.brand_now else []

    @cached_property
    def link_rule(self) -> LinkRule | None:
        if self.brand_now is None:
            return None
        return next(iter(_rules.objects(self.brand_now.pk)), None)

    @property
    def link_tags(self) -> dict[str, Any]:
        """What the post's links get, as the brand has it now (`tagging`)."""
        if self.link_rule is None:
            return {}
        assert self.brand_now is not None
        return self.link_rule.tags_of(self.brand_now.name, self._typed("campaign"))

    @property
    def asks_campaign(self) -> bool:
        """A rule names it, or the post has one."""
        patterns = self.link_tags.get("params", {}).values()
        named = any("{campaign}" in pattern for pattern in patterns)
        return named or bool(self["campaign"].value())

    @cached_property
    def snippets(self) -> list[Snippet]:
        """Text templates and hashtag sets of the brand."""
        return _snippets.objects(self.brand_now.pk) if self.brand_now else []

    @cached_property
    def groups(self) -> list[tuple[str, str]]:
        """Queues whose accounts can be ticked at once: their names, and the keys of the
        accounts, with spaces between."""
        if self.brand_now is None:
            return []
        keys: dict[int, list[str]] = {}
        for queue, account in _in_queues.rows(self.brand_now.pk):
            keys.setdefault(queue, []).append(str(account))
        return [(q.name, " ".join(keys[q.pk])) for q in self.queues if q.pk in keys]

    @cached_property
    def known_labels(self) -> list[Label]:
        return _labels.objects(self.brand_now.pk) if self.brand_now else []

    # -- rules

    def clean_zone(self) -> str:
        zone = str(self.cleaned_data.get("zone") or "")
        if not zone:
            return self.zone_now
        if zone not in zone_names():
            raise forms.ValidationError(
                _("Unknown time zone. Write one such as Europe/Berlin.")
            )
        return zone

    def clean_labels(self) -> str:
        long = [name for name in self.label_names if len(name) > Label.MOST_CHARS]
        if long:
            raise forms.ValidationError(
                _("“%(name)s” is longer than %(n)s characters: write a shorter one.")
                % {"name": long[0], "n": Label.MOST_CHARS}
            )
        return ", ".join(self.label_names)

    def clean_link_url(self) -> str:
        link = str(self.cleaned_data.get("link_url") or "").strip()
        if link:
            URLValidator(
                schemes=["http", "https"],
                message=_("A link starts with https:// and has no spaces."),
            )(link)
        return link

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if len(self.attached) > MAX_FILES:
            self.add_error(
                None, _("At most %(n)s files. Remove some.") % {"n": MAX_FILES}
            )
        return cleaned

    @property
    def is_now(self) -> bool:
        return str(self["when"].value()) == NOW

    def wall(self) -> tuple[dt.date | None, dt.time | None, str]:
        """Date, time and zone as typed. After is_valid()."""
        cleaned = self.cleaned_data
        return (
            cleaned.get("date"),
            cleaned.get("time"),
            cleaned.get("zone") or self.zone_now,
        )

    def timing(self, now: dt.datetime | None = None) -> Timing | None:
        """The instant that is meant; None while date or time is missing. After is_valid.

        now: the moment of sending, used when "Now" was chosen.
        """
        useful = self.cleaned_data.get("useful_until")
        day, wall, zone = self.wall()
        if self.is_now:
            return timing(
                day or dt.date.min,
                wall or dt.time.min,
                zone,
                useful,
                now=now or timezone.now(),
            )
        if day is None or wall is None:
            return None
        return timing(day, wall, zone, useful)

    # -- what the page shows

    @cached_property
    def active_stops(self) -> Sequence[Stop]:
        return stops.active()

    @cached_property
    def sections(self) -> list[NetworkSection]:
        """The brand's networks with their accounts and own wordings."""
        ticked = {account.pk for account in self.chosen}
        active = self.active_stops
        by_slug: dict[str, list[Choice]] = {}
        for account in self.choosable:
            delivery = self.deliveries.get(account.pk)
            by_slug.setdefault(account.platform, []).append(
                Choice(
                    account,
                    account.pk in ticked,
                    _locked(delivery),
                    will_be_held(account, active),
                    delivery is not None and delivery.status == Delivery.Status.FAILED,
                    parts_words(delivery) if delivery is not None else "",
                    delivery is not None and not _locked(delivery),
                )
            )
        return [
            NetworkSection(
                registry.spec(slug),
                rows,
                slug in self.own,
                self.typed_own(slug),
                own_choices.fields(
                    registry.spec(slug),
                    [row.account for row in rows],
                    self.options.get(slug, {}),
                ),
                self.parts.get(slug, []),
                self.comments.get(slug, ""),
            )
            for slug, rows in by_slug.items()
        ]


@dataclass(frozen=True)
class Choice:
    """An account in the composer. locked: why it can no longer be changed."""

    account: ConnectedAccount
    is_ticked: bool
    locked: str
    held: str
    is_failed: bool
    #: how much of it is out, where that is not all
    partly: str
    #: a delivery is there, and can still be changed
    is_open: bool


@dataclass(frozen=True)
class NetworkSection:
    spec: PlatformSpec
    choices: list[Choice]
    has_own: bool
    own_text: str
    options: list[own_choices.Field]
    parts: list[part_forms.PartText]
    comment: str

    @property
    def all_accounts(self) -> str:
        """What its button ticks."""
        return _("accounts on %(name)s") % {"name": self.spec.name}

    @property
    def is_open(self) -> bool:
        more = self.parts or self.comment
        decided = (field.is_asked or field.is_chosen for field in self.options)
        return bool(self.has_own or more or any(decided))

    @property
    def common(self) -> list[own_choices.Field]:
        return [field for field in self.options if not field.option.is_rare]

    @property
    def rare(self) -> list[own_choices.Field]:
        return [field for field in self.options if field.option.is_rare]

    @property
    def is_rare_open(self) -> bool:
        """Nothing that is chosen is folded away."""
        return any(field.is_chosen for field in self.rare)

    @property
    def is_shown_by(self) -> Hashable:
        """All that its part of the page is made of, so that what is equal need not be
        made again; None where files are among it."""
        if self.parts:
            return None
        # What a network asks of all is told by its name.
        options = tuple(
            (field.name, field.text, field.account and (field.label, *field.choices))
            for field in self.options
        )
        own = (self.has_own, self.own_text, self.comment)
        return (self.spec.slug, self.is_open, own, options)


def _locked(delivery: Delivery | None) -> str:
    if delivery is None or delivery.status in (*CHANGEABLE, Delivery.Status.FAILED):
        return ""
    if delivery.status == Delivery.Status.PUBLISHED:
        return _("Published: it stays as it is.")
    if delivery.status == Delivery.Status.CANCELLED:
        return _("Cancelled: copy the post to send it here.")
    return _("Sending has begun: it stays as it is.")


def _want_this_century(day: dt.date | None) -> None:
    """Far beyond it no instant can be worked out."""
    if day and not FIRST_YEAR <= day.year < LAST_YEAR:
        raise forms.ValidationError(_("Choose a date of this century."))


def new_token() -> str:
    return uuid.uuid4().hex


class LiveForm(forms.Form):
    """ "It is live, here is the link": the link has to be one of that network."""

    permalink = forms.CharField(
        label=gettext_lazy("Link to the post on the network"), max_length=1000
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, delivery: Delivery
    ) -> None:
        super().__init__(data)
        self.delivery = delivery

    def clean_permalink(self) -> str:
        link = self._plausible(str(self.cleaned_data["permalink"]).strip())
        others = Delivery.objects.filter(account=self.delivery.account_id).exclude(
            pk=self.delivery.pk
        )
        if others.filter(Q(permalink=link) | Q(external_id=link[:300])).exists():
            raise forms.ValidationError(
                _("This link belongs to another post of this account.")
            )
        return link

    def _plausible(self, link: str) -> str:
        """The link, when it can lead to a post of the account's network."""
        try:
            parts = urlsplit(link)
            host, netloc = parts.hostname or "", parts.netloc
        except ValueError:
            raise forms.ValidationError(_("This is not an address.")) from None
        account = self.delivery.account
        practice = urlsplit(settings.PRACTICE_NETWORK_URL)
        if account.is_practice and practice.netloc:
            if (parts.scheme, netloc) == (practice.scheme, practice.netloc):
                return link
            raise forms.ValidationError(
                _("The post is on the practice network: its link starts with %(url)s.")
                % {"url": settings.PRACTICE_NETWORK_URL}
            )
        URLValidator(
            schemes=["https"], message=_("The link has to start with https://.")
        )(link)
        if "@" in netloc or parts.path in {"", "/"}:
            raise forms.ValidationError(
                _("This is not the link of one post. Open the post there and copy it.")
            )
        known = _hosts_of(account)
        if not any(_same_site(host, other) for other in known):
            raise forms.ValidationError(
                _("This link leads to %(host)s. Expected is a post on %(known)s.")
                % {"host": host, "known": ", ".join(sorted(known)) or account.spec.name}
            )
        return link


def _hosts_of(account: ConnectedAccount) -> set[str]:
    addresses = [account.url, *account.spec.hosts.values()]
    if account.credential is not None:
        app = account.credential.app
        addresses += [app.instance_url, *app.hosts.values()]
    return {host for address in addresses if (host := web_host(address))}


def _same_site(host: str, other: str) -> bool:
    host = host.removeprefix("www.")
    if "." not in host:
        return False
    return host == other or host.endswith(f".{other}") or other.endswith(f".{host}")
