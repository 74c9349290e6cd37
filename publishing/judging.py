"""One row of a table of posts: what would become of it, and what stands against it.

Every problem names its column and a cure. Rows are judged when the table is read, when
somebody mends one, and once more right before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Brand, ConnectedAccount
from accounts.zones import zone_called, zone_names
from platforms import registry
from platforms.base import Poll
from platforms.text import tidy

from . import composing, polls, table_cells
from .composing import MAX_FILES, Composition, Timing, clock_note, timing
from .import_models import Import
from .models import Label, LinkRule, MediaAsset, Post, Queue
from .part_forms import MAX_PARTS, MAX_TEXT, PartText
from .table_cells import Ambiguous, Unclear
from .table_columns import WHEN, network
from .table_reading import NO_VALUE


@dataclass(frozen=True)
class Said:
    """A problem or a note. column: ours; cure "": nothing has to be done."""

    column: str
    said: str
    cure: str = ""

    def as_json(self) -> dict[str, str]:
        return {"column": self.column, "said": self.said, "cure": self.cure}


@dataclass
class Verdict:
    """when None: a draft without time, or a queue's next slot."""

    composition: Composition | None = None
    when: Timing | None = None
    wall: tuple[date | None, time | None, str] = (None, None, "UTC")
    queue: Queue | None = None
    is_draft: bool = False
    problems: list[Said] = field(default_factory=list)
    notes: list[Said] = field(default_factory=list)
    #: what says the same; needs the person's yes
    repeats: list[Said] = field(default_factory=list)
    #: a date that has to be asked about
    ambiguous: Ambiguous | None = None

    @property
    def becomes(self) -> str:
        if self.is_draft:
            return "draft"
        return "queue" if self.queue else "scheduled"


class Judge:
    """Judges the rows of one table. Reads brands, accounts, queues and labels once."""

    def __init__(self, table: Import) -> None:
        self.table = table
        self.user = table.person
        #: base name in the zip beside the table -> why it cannot be used, or ""
        self.zipped: Mapping[str, str] = table.facts.get("zipped", {})
        #: "brand:base name" -> the library's file that it was made
        self.taken: Mapping[str, int] = table.facts.get("taken", {})
        brands = Brand.objects.visible_to(self.user).distinct()
        self.brands = {brand.name.lower(): brand for brand in brands}
        rows = ConnectedAccount.objects.with_health().filter(
            brand__in=list(self.brands.values()), disconnected_at=None
        )
        self.accounts: dict[int, list[ConnectedAccount]] = {}
        for account in rows.order_by("platform", "name"):
            self.accounts.setdefault(account.brand_id, []).append(account)
        self.chosen = set(table.accounts.values_list("pk", flat=True))
        self.queues: dict[tuple[int, str], Queue] = {
            (queue.brand_id, queue.name.lower()): queue
            for queue in Queue.objects.filter(
                brand__in=list(self.brands.values())
            ).prefetch_related("slots", "accounts")
        }
        self.labels: dict[int, dict[str, str]] = {}
        for label in Label.objects.filter(brand__in=list(self.brands.values())):
            spelt = self.labels.setdefault(label.brand_id, {})
            spelt[label.name.lower()] = label.name
        self.rules: dict[int, LinkRule] = {
            rule.brand_id: rule
            for rule in LinkRule.objects.filter(brand__in=list(self.brands.values()))
        }
        self._files: dict[tuple[int, str, str], list[MediaAsset]] = {}

    # -- the row

    def judge(
        self, cells: Mapping[str, str], *, now: datetime | None = None
    ) -> Verdict:
        now = now or timezone.now()
        found = Verdict()
        for column, text in cells.items():
            if text == NO_VALUE:
                found.problems.append(
                    Said(
                        column,
                        _("This formula has no value in the file."),
                        _("Open it in the spreadsheet, save it, and choose it again."),
                    )
                )
        cells = {k: "" if v == NO_VALUE else v.strip() for k, v in cells.items()}
        brand = self._brand(cells.get("brand", ""), found)
        self._time(cells, found)
        if brand is None:
            return found
        made = Composition(brand=brand)
        found.composition = made
        made.accounts = self._accounts(cells.get("accounts", ""), brand, found)
        self._queue(cells.get("queue", ""), brand, made, found)
        self._words(cells, made, found)
        made.files = self._media(cells, brand, found)
        made.labels = self._labels(cells.get("labels", ""), brand, found)
        self._statistics(cells, made, found)
        self._becomes(cells, found)
        self._content(made, found)
        if found.when is not None and not found.is_draft:
            if found.when.due_at < now.replace(second=0, microsecond=0):
                found.problems.append(
                    Said(
                        "time",
                        _("%(when)s is past.") % {"when": _said(found.when)},
                        _("Choose a later time, or none for a draft."),
                    )
                )
        if not found.problems:
            self._repeats(made, found)
        return found

    def _brand(self, text: str, found: Verdict) -> Brand | None:
        if not text:
            return self.brands.get(self.table.brand.name.lower())
        brand = self.brands.get(text.lower())
        if brand is None:
            names = ", ".join(sorted(b.name for b in self.brands.values())[:8])
            found.problems.append(
                Said(
                    "brand",
                    _("You have no brand “%(name)s”.") % {"name": text[:60]},
                    _("Write one of: %(names)s.") % {"names": names},
                )
            )
        return brand

    # -- accounts

    def _accounts(
        self, text: str, brand: Brand, found: Verdict
    ) -> list[ConnectedAccount]:
        have = self.accounts.get(brand.pk, [])
        if not text:
            return [account for account in have if account.pk in self.chosen]
        chosen: dict[int, ConnectedAccount] = {}
        for word in table_cells.words(text):
            if _matching(word, have):
                parts = [word]
            else:
                parts = table_cells.words(word, ",")
            for part in parts:
                fits = _matching(part, have)
                if not fits:
                    found.problems.append(_no_account(part, brand, have))
                elif len(fits) > 1 and not network(part):
                    names = "; ".join(f"{a.platform}:{account_word(a)}" for a in fits)
                    found.problems.append(
                        Said(
                            "accounts",
                            _("“%(name)s” are several accounts.") % {"name": part},
                            _("Write which: %(names)s") % {"names": names},
                        )
                    )
                else:
                    chosen |= {account.pk: account for account in fits}
        return list(chosen.values())

    # -- time

    def _time(self, cells: Mapping[str, str], found: Verdict) -> None:
        zone = cells.get("zone") or self.table.zone
        order = self.table.date_order
        if zone not in zone_names():
            found.problems.append(
                Said(
                    "zone",
                    _("“%(zone)s” is no time zone.") % {"zone": zone[:60]},
                    _("Write one such as Europe/Berlin."),
                )
            )
            zone = self.table.zone
        clock = zone_called(zone)
        day = wall = useful = None
        column = "date"
        try:
            if cells.get(WHEN):
                column = WHEN
                day, wall = table_cells.moment(cells[WHEN], order, clock)
            elif cells.get("date"):
                day, wall = table_cells.moment(cells["date"], order, clock)
            if cells.get("time"):
                column = "time"
                wall = table_cells.clock(cells["time"])
            if cells.get("useful until"):
                column = "useful until"
                useful = table_cells.naive(cells["useful until"], order, clock)
        except Unclear as unclear:
            found.problems.append(Said(column, str(unclear), unclear.cure))
        except Ambiguous as two:
            found.ambiguous = two
            found.problems.append(
                Said(
                    column,
                    _("Is %(text)s %(one)s or %(other)s?")
                    % {
                        "text": cells.get(column, ""),
                        "one": date_format(two.day_first, "j F Y"),
                        "other": date_format(two.month_first, "j F Y"),
                    },
                    _("Say above how the dates are written, or write it as %(iso)s.")
                    % {"iso": two.day_first.isoformat()},
                )
            )
        else:
            if (day is None) != (wall is None):
                has, lacks = ("time", "date") if day is None else ("date", "time")
                found.problems.append(
                    Said(
                        lacks,
                        _("There is a %(has)s without a %(lacks)s.")
                        % {"has": _(has), "lacks": _(lacks)},
                        _("Write both, or neither for a draft."),
                    )
                )
        found.wall = (day, wall, zone)
        if day is None or wall is None or found.problems:
            return
        found.when = timing(day, wall, zone, useful)
        if found.when.useful_until <= found.when.due_at:
            found.problems.append(
                Said(
                    "useful until",
                    _("The post would be useless before it goes out."),
                    _("Write a later time, or none for two hours."),
                )
            )
        if note := clock_note(day, wall, zone):
            found.notes.append(Said("time", note))

    def _queue(
        self, text: str, brand: Brand, made: Composition, found: Verdict
    ) -> None:
        if not text:
            return
        queue = self.queues.get((brand.pk, text.lower()))
        if queue is None:
            names = [q.name for (pk, _n), q in self.queues.items() if pk == brand.pk]
            found.problems.append(
                Said(
                    "queue",
                    _("%(brand)s has no queue “%(name)s”.")
                    % {"brand": brand.name, "name": text[:60]},
                    _("Write one of: %(names)s.") % {"names": ", ".join(names[:8])}
                    if names
                    else _("Make it on the page “Queues”, or write date and time."),
                )
            )
        elif found.wall[0] or found.wall[1]:
            found.problems.append(
                Said(
                    "queue",
                    _("There are a queue and a time."),
                    _("Take one of them away."),
                )
            )
        else:
            found.queue = queue
            if not made.accounts:
                made.accounts = [
                    account
                    for account in self.accounts.get(brand.pk, [])
                    if account.pk in {a.pk for a in queue.accounts.all()}
                ]
            found.notes.append(
                Said(
                    "queue",
                    _("Takes the next free slot of “%(name)s” when it is imported.")
                    % {"name": queue.name},
                )
            )

    # -- words

    def _words(
        self, cells: Mapping[str, str], made: Composition, found: Verdict
    ) -> None:
        made.text = tidy(cells.get("text", ""))
        made.link_title = cells.get("link title", "")[:300]
        made.link_description = cells.get("link description", "")[:500]
        link = cells.get("link", "")
        if link:
            try:
                URLValidator(schemes=["http", "https"])(link)
                made.link_url = link
            except ValidationError:
                found.problems.append(
                    Said(
                        "link",
                        _("“%(link)s” is no address.") % {"link": link[:60]},
                        _("A link starts with https:// and has no spaces."),
                    )
                )
        self._poll(cells, made, found)
        slugs = {account.platform for account in made.accounts}
        for column, text in cells.items():
            kind, _sep, slug = column.partition(":")
            if not slug or not text:
                continue
            if kind == "text":
                made.own[slug] = tidy(text)
            elif kind == "first comment":
                made.comments[slug] = tidy(text)
            elif kind == "thread":
                self._thread(cells, slug, made, found)
            elif kind == "thread files" and f"thread:{slug}" not in cells:
                said = _("There are files without a thread.")
                cure = _("Write the thread, or empty this cell.")
                found.problems.append(Said(column, said, cure))
            elif kind == "options":
                self._options(column, text, made, found)
        if comment := cells.get("first comment", ""):
            having = {s for s in slugs if registry.spec(s).first_comment}
            for slug in having - set(made.comments):
                made.comments[slug] = tidy(comment)
            if slugs and not having:
                found.notes.append(
                    Said(
                        "first comment",
                        _(
                            "None of these networks has a first comment: it is left out."
                        ),
                    )
                )
        long = [c for c, text in cells.items() if len(text) > MAX_TEXT]
        for column in long:
            found.problems.append(
                Said(
                    column,
                    _("This is longer than %(n)s characters.") % {"n": MAX_TEXT},
                    _("Write less."),
                )
            )

    def _poll(
        self, cells: Mapping[str, str], made: Composition, found: Verdict
    ) -> None:
        cell, length = cells.get("poll", ""), cells.get("poll minutes", "")
        answers = table_cells.listed(cell) if cell else []
        answers = cell.split("|") if answers is None else answers
        minutes = polls.as_minutes(length.removesuffix(".0"))
        if length and minutes is None:
            said = _("“%(length)s” is no number of minutes.") % {"length": length[:20]}
            cure = _("Write one such as 1440 for a day, or empty this cell.")
            found.problems.append(Said("poll minutes", said, cure))
        several = cells.get("poll multiple", "").lower()
        if several not in {*YES, *NO}:
            said = _("“%(word)s” is neither yes nor no.") % {"word": several[:20]}
            cure = _("Write “yes”, or empty this cell.")
            found.problems.append(Said("poll multiple", said, cure))
        if len(answers) > polls.MOST_ROWS:
            said = _("These are more than %(n)s answers.") % {"n": polls.MOST_ROWS}
            found.problems.append(Said("poll", said, _("Write less.")))
        typed = polls.fields(
            Poll(
                tuple(map(str, answers)),
                minutes or polls.USUAL,
                several in YES,
                cells.get("poll question", ""),
            )
        )
        made.poll = polls.read(typed.get)

    def _thread(
        self, cells: Mapping[str, str], slug: str, made: Composition, found: Verdict
    ) -> None:
        column = f"thread:{slug}"
        text = cells[column]
        listed = table_cells.listed(text)
        if listed is None:
            parts = [part.strip() for part in f"\n{text}\n".split("\n---\n")]
        else:
            parts = [tidy(str(part)) for part in listed]
        if registry.spec(slug).thread is None:
            said = _("%(name)s has no threads.") % {"name": registry.spec(slug).name}
            found.problems.append(Said(column, said, _("Empty this cell.")))
        elif len(parts) > MAX_PARTS:
            said = _("These are more than %(n)s parts.") % {"n": MAX_PARTS}
            found.problems.append(Said(column, said, _("Write less.")))
        else:
            files = self._thread_files(cells, slug, made.brand, len(parts), found)
            made.parts[slug] = [
                PartText(part, tuple(files[place]), str(place + 2))
                for place, part in enumerate(parts)
            ]

    def _thread_files(
        self,
        cells: Mapping[str, str],
        slug: str,
        brand: Brand,
        parts: int,
        found: Verdict,
    ) -> list[list[tuple[MediaAsset, str]]]:
        """For each part its files."""
        column = f"thread files:{slug}"
        files: list[list[tuple[MediaAsset, str]]] = [[] for _part in range(parts)]
        if not cells.get(column):
            return files
        listed = thread_files(cells, slug)
        if listed is None or len(listed) > parts:
            found.problems.append(
                Said(
                    column,
                    _("This is not how files of a thread are written."),
                    _("Take it as an export has it, or empty this cell."),
                )
            )
            return files
        for place, uses in enumerate(listed):
            for use in uses:
                asset = self._file(
                    use["name"], brand, found, use.get("sha256", ""), column
                )
                if asset is not None:
                    files[place].append((asset, tidy(use.get("alt", ""))))
        return files

    def _options(
        self, column: str, text: str, made: Composition, found: Verdict
    ) -> None:
        slug = column.partition(":")[2]
        known = registry.spec(slug).options_by_key
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict) or not set(values) <= set(known):
            found.problems.append(
                Said(
                    column,
                    _("This is not how options are written."),
                    _(
                        "Empty this cell, and choose in the composer; it knows: %(keys)s."
                    )
                    % {"keys": ", ".join(sorted(known))},
                )
            )
        else:
            made.options[slug] = values

    def _labels(self, text: str, brand: Brand, found: Verdict) -> list[str]:
        spelt = self.labels.get(brand.pk, {})
        names: dict[str, str] = {}
        for word in table_cells.words(text, ";|,\n"):
            name = " ".join(word.split())
            if len(name) > Label.MOST_CHARS:
                found.problems.append(
                    Said(
                        "labels",
                        _("“%(name)s” is longer than %(n)s characters.")
                        % {"name": name[:60], "n": Label.MOST_CHARS},
                        _("Write a shorter one."),
                    )
                )
                continue
            names.setdefault(name.lower(), spelt.get(name.lower(), name))
        return sorted(names.values())

    # -- files

    def _media(
        self, cells: Mapping[str, str], brand: Brand, found: Verdict
    ) -> list[tuple[MediaAsset, str]]:
        names = file_names(cells)
        cell = cells.get("alt text", "")
        alts = [tidy(str(alt)) for alt in table_cells.listed(cell) or cell.split("|")]
        alts = alts if any(alts) else []
        sums = table_cells.words(cells.get("media sha256", "").lower())
        if len(names) > MAX_FILES:
            found.problems.append(
                Said(
                    "media",
                    _("At most %(n)s files.") % {"n": MAX_FILES},
                    _("Take some away."),
                )
            )
            return []
        if len(alts) > len(names):
            found.problems.append(
                Said(
                    "alt text",
                    ngettext(
                        "There are more alternative texts than the %(n)s file.",
                        "There are more alternative texts than the %(n)s files.",
                        len(names),
                    )
                    % {"n": len(names)},
                    _("Write one for each file, a | between them."),
                )
            )
        files = []
        for place, name in enumerate(names):
            sha256 = sums[place] if place < len(sums) else ""
            asset = self._file(name, brand, found, sha256)
            if asset is not None:
                alt = alts[place] if place < len(alts) else ""
                files.append((asset, alt))
        return files

    def _file(
        self,
        name: str,
        brand: Brand,
        found: Verdict,
        sha256: str = "",
        column: str = "media",
    ) -> MediaAsset | None:
        fits = self.library(name, brand, sha256)
        if len(fits) == 1:
            return fits[0]
        if fits:
            said = _("Several files of the library are called “%(name)s”.")
            keys = "; ".join(f"library:{asset.pk}" for asset in fits[:6])
            cure = _("Write which: %(keys)s") % {"keys": keys}
        elif name.lower().startswith(("http://", "https://")):
            said = _("“%(name)s” is an address: files are not fetched from elsewhere.")
            cure = _("Put the file into the zip or the library, and write its name.")
        elif base_name(name) in self.zipped:
            said = _("“%(name)s” of the zip cannot be used.")
            cure = self.zipped[base_name(name)] or _("Choose the table and zip again.")
        else:
            said = _("“%(name)s” is neither in the zip nor in the library.")
            cure = _("Add it to the library, or mend the name.")
        found.problems.append(Said(column, said % {"name": name[:80]}, cure))
        return None

    def library(self, name: str, brand: Brand, sha256: str = "") -> list[MediaAsset]:
        """The brand's files that are meant by a name, or by a checksum before that: with
        one, another file of the same name is not meant. One or two queries per name."""
        key = (brand.pk, name.lower(), sha256)
        if key not in self._files:
            rows = MediaAsset.objects.filter(brand=brand)
            taken = self.taken.get(f"{brand.pk}:{base_name(name)}")
            mine = list(rows.filter(pk=taken)) if taken else []
            if not mine and sha256:
                mine = list(rows.filter(sha256=sha256)[:1])
            elif not mine:
                mine = _library(name, brand)
            self._files[key] = mine
        return self._files[key]

    # -- statistics

    def _statistics(
        self, cells: Mapping[str, str], made: Composition, found: Verdict
    ) -> None:
        """Name of the campaign, and what links get: as the table says, else by the
        brand's rule."""
        made.campaign = " ".join(cells.get("campaign", "").split())[:60]
        text = cells.get("link tags", "")
        if text:
            try:
                made.link_tags = _tags(json.loads(text))
            except (ValueError, TypeError, AttributeError):
                found.problems.append(
                    Said(
                        "link tags",
                        _("This is not how link tags are written."),
                        _("Take them as an export has them, or empty this cell."),
                    )
                )
        elif rule := self.rules.get(made.brand.pk):
            made.link_tags = rule.tags_of(made.brand.name, made.campaign)

    # -- what it becomes

    def _becomes(self, cells: Mapping[str, str], found: Verdict) -> None:
        text = cells.get("state", "")
        word = text.strip().lower()
        timed = any(cells.get(column) for column in (WHEN, "date", "time", "queue"))
        found.is_draft = not (self.table.schedules and timed) or word in DRAFTS
        if word and word not in STATES:
            found.problems.append(
                Said(
                    "state",
                    _("“%(state)s” is no state.") % {"state": text[:40]},
                    _("Write “draft”, or nothing."),
                )
            )

    def _content(self, made: Composition, found: Verdict) -> None:
        one = made.text or made.link_url or made.files or made.poll
        if not (one or any(made.own.values())):
            found.problems.append(
                Said(
                    "text",
                    _("There is nothing to post."),
                    _("Write a text, a link or a file, or take the row away."),
                )
            )
        if not found.is_draft and not made.accounts:
            if not any(said.column == "accounts" for said in found.problems):
                found.problems.append(
                    Said(
                        "accounts",
                        _("No account is named."),
                        _("Write accounts, or choose above those of rows without any."),
                    )
                )
        for checks in composing.check(made):
            name = f"{checks.account.name} ({checks.account.spec.name})"
            for line in checks.lines:
                column = "media" if line.anchor.startswith("media") else "text"
                if line.anchor.startswith("id_poll"):
                    column = "poll"
                said = Said(column, f"{name}: {line.sentence}", line.cure)
                harmless = found.is_draft or not line.refused
                (found.notes if harmless else found.problems).append(said)
            if checks.held and not found.is_draft:
                found.notes.append(Said("accounts", f"{name}: {checks.held}"))

    def _repeats(self, made: Composition, found: Verdict) -> None:
        cure = _("Tick “import all the same” if that is meant.")
        if found.when is not None and not found.is_draft:
            elsewhere = composing.said_elsewhere(made, found.when.due_at, None)
            for line in elsewhere.values():
                found.notes.append(Said("text", line.sentence, line.cure))
            for other in composing.repeats(made, found.when.due_at, None):
                found.repeats.append(
                    Said(
                        "text",
                        _("%(account)s says the same at %(when)s.")
                        % {
                            "account": other.account.name,
                            "when": date_format(
                                timezone.localtime(other.due_at), "j M Y, H:i"
                            ),
                        },
                        cure,
                    )
                )
        if found.repeats or not made.text:
            return
        same = Post.objects.filter(brand=made.brand, text=made.text)
        if found.queue is not None and not found.is_draft:
            # In another slot each time: no day tells that it is the same.
            coming = same.filter(
                state=Post.State.SCHEDULED, due_at__gt=timezone.now()
            ).first()
            words = _("Post %(n)s says the same, and is still to come.")
        else:
            coming = same.filter(
                state__in=(Post.State.DRAFT, Post.State.SCHEDULED),
                due_at=found.when.due_at if found.when else None,
            ).first()
            words = _("Draft %(n)s says the same.")
            if found.when:
                words = _("Post %(n)s says the same, for the same time.")
        if coming is not None:
            found.repeats.append(Said("text", words % {"n": coming.pk}, cure))


#: Of a cell that asks whether; spreadsheets write their own for a ticked box.
YES = {"yes", "ja", "true", "wahr", "1", "x"}
NO = {"", "no", "nein", "false", "falsch", "0"}
#: These stay drafts, although they have a time.
DRAFTS = {Post.State.DRAFT.value, Post.State.CANCELLED.value, "entwurf"}
#: What an export says in its column "state".
STATES = {
    *Post.State.values,
    *(str(label).lower() for label in Post.State.labels),
    *DRAFTS,
}


def file_names(cells: Mapping[str, str]) -> list[str]:
    """Names of a row's files, in order."""
    text = cells.get("media", "")
    return [] if text == NO_VALUE else table_cells.words(text)


def all_file_names(cells: Mapping[str, str]) -> list[str]:
    """Those of its threads as well."""
    further = [
        str(use["name"])
        for column in cells
        if column.startswith("thread files:")
        for uses in thread_files(cells, column.partition(":")[2]) or ()
        for use in uses
    ]
    return [*file_names(cells), *further]


def thread_files(
    cells: Mapping[str, str], slug: str
) -> list[list[dict[str, str]]] | None:
    """For each part of a thread its files: {"name", "sha256", "alt"}; None: unreadable."""
    listed = table_cells.listed(cells.get(f"thread files:{slug}", "").strip())
    if listed is None or len(listed) > MAX_PARTS:
        return None
    for uses in listed:
        if not isinstance(uses, list) or len(uses) > MAX_FILES:
            return None
        for use in uses:
            if not isinstance(use, dict) or not isinstance(use.get("name"), str):
                return None
            if not all(isinstance(value, str) for value in use.values()):
                return None
    return listed


def _tags(found: Any) -> dict[str, Any]:
    """What `tagging` reads, and nothing else. ValueError; TypeError."""
    if found == {}:
        return {}
    if set(found) - {"params", "hosts", "values"} or "params" not in found:
        raise ValueError("other keys")
    texts = [*found["params"].items(), *found.get("values", {}).items()]
    words = [word for pair in texts for word in pair] + list(found.get("hosts", ()))
    if not all(isinstance(word, str) and len(word) <= 200 for word in words):
        raise ValueError("other values")
    if not all(name.startswith("utm_") for name in found["params"]):
        raise ValueError("other parameters")
    return dict(found)


def base_name(name: str) -> str:
    """A file's name without folders, in small letters."""
    return name.replace("\\", "/").rpartition("/")[2].strip().lower()


def account_word(account: ConnectedAccount) -> str:
    """What an account is called in a table."""
    return account.handle or account.external_id


def _matching(word: str, have: Sequence[ConnectedAccount]) -> list[ConnectedAccount]:
    word = word.strip()
    if slug := network(word):
        return [account for account in have if account.platform == slug]
    head, sep, rest = word.partition(":")
    if sep and (slug := network(head)):
        have = [account for account in have if account.platform == slug]
        word = rest.strip()
    elif by_name := [account for account in have if str(account) == word]:
        return by_name  # as pages write it, "Acme Tools (X)"
    same = [account for account in have if account.external_id == word]
    if same:
        return same
    plain = word.lower().lstrip("@")
    return [
        account
        for account in have
        if plain in (account.name.lower(), account.handle.lower().lstrip("@"))
    ]


def _no_account(word: str, brand: Brand, have: Sequence[ConnectedAccount]) -> Said:
    names = "; ".join(f"{a.platform}:{account_word(a)}" for a in have[:8])
    return Said(
        "accounts",
        _("%(brand)s has no connected account “%(name)s”.")
        % {"brand": brand.name, "name": word[:60]},
        _("Write some of: %(names)s") % {"names": names}
        if names
        else _("Connect it first, on the page “Accounts”."),
    )


def _library(name: str, brand: Brand) -> list[MediaAsset]:
    rows = MediaAsset.objects.filter(brand=brand)
    word = name.strip()
    head, _sep, rest = word.partition(":")
    if head.lower() == "library":
        number = rest.strip()
        fits = number.isdecimal() and len(number) <= 18
        return list(rows.filter(pk=int(number))) if fits else []
    base = word.replace("\\", "/").rpartition("/")[2]
    found = list(rows.filter(name__iexact=base).order_by("-pk")[:20])
    if found:
        return found
    # As an export calls it: "12-picture.jpg".
    number, _sep, rest = base.partition("-")
    if number.isdecimal() and len(number) <= 18 and rest:
        return list(rows.filter(pk=int(number), name__iexact=rest))
    return []


def _said(when: Timing) -> str:
    return f"{when.day.isoformat()} {when.wall:%H:%M} ({when.zone})"
