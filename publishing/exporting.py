"""Export: everything of a brand, or of all, as one ZIP of open formats.

Long work of the cluster: tables first, row by row, then files block by block; what a
killed worker had in hand is cut off and written again. The ZIP gets the name under which
it is given out when it is whole, and not before.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.core import signing
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent, Brand
from accounts.reading import language_of, zone_of
from accounts.roles import can_write, is_admin

from . import export_posts, export_tables, hooks, incoming, jobs
from .crash_points import crash_point
from .export_tables import WHAT, Scope, Table, cell, plain
from .incoming import BLOCK, MB
from .job_models import KEPT_FOR, Job
from .jobs import Refused
from .models import MediaAsset
from .zip_writing import Lost, Place, is_whole, opened

KIND = "export"
#: Rows that are read at a time, and between two notes of how far it is.
STEP = 500
#: How long an address for fetching it is good.
LINK_LIFE_S = 3600
SALT = "publishing.export"
WHOLE, PART, SUMS = "export.zip", "export.part", "sums"
#: Files that could not be read which the README names; the rest are counted.
NAMED = 200
#: What a row takes at a guess, as CSV and JSON Lines together.
ROW_BYTES = 1500


class NotAllowed(Exception):
    """The person may not have that; the sentence says why."""


class Progress(Protocol):
    """`jobs.Turn`, or what a command shows."""

    @property
    def is_over(self) -> bool: ...

    def store(self, **changes: Any) -> None: ...

    def beat(self) -> None: ...


# ---------------------------------------------------------------- who may what


def brands_for(user: Any) -> list[Brand]:
    return list(Brand.objects.visible_to(user).distinct().order_by("name"))


def what_for(user: Any) -> dict[str, Any]:
    """key -> words of what the person may have."""
    return {
        key: words for key, words in WHAT.items() if key != "audit" or is_admin(user)
    }


def scope_for(user: Any, asked: Mapping[str, Any]) -> Scope:
    """What was asked for, as far as the person may have it now. NotAllowed.

    asked: {"which": brand or None, "what": [...], "begin": ISO time or "", "end": ...}
    """
    if not can_write(user):
        raise NotAllowed(_("Your role reads: somebody of marketing can export."))
    mine = {brand.pk for brand in brands_for(user)}
    if asked["which"] is None:
        if not is_admin(user):
            raise NotAllowed(_("Only admins export all brands at once. Choose one."))
        keys = mine
    elif asked["which"] in mine:
        keys = {asked["which"]}
    else:
        raise NotAllowed(_("You do not see this brand any more."))
    if not keys:
        raise NotAllowed(_("You see no brand yet. An admin can add you to one."))
    if extra := set(asked["what"]) - set(what_for(user)):
        raise NotAllowed(
            _("Only admins export “%(what)s”.") % {"what": WHAT[sorted(extra)[0]]}
        )
    everything = asked["which"] is None and user.is_superuser
    return scope_of(keys, asked, is_all=everything)


def scope_of(brands: Iterable[int], asked: Mapping[str, Any], *, is_all: bool) -> Scope:
    def at(name: str) -> datetime | None:
        return datetime.fromisoformat(asked[name]) if asked.get(name) else None

    return Scope(
        tuple(sorted(brands)), frozenset(asked["what"]), at("begin"), at("end"), is_all
    )


# ---------------------------------------------------------------- beginning


@dataclass(frozen=True)
class Size:
    """At a guess: rows exactly, bytes of files exactly, of tables roughly."""

    rows: int
    files: int
    file_bytes: int

    @property
    def bytes(self) -> int:
        return self.rows * ROW_BYTES + self.file_bytes

    @property
    def steps(self) -> int:
        """For the bar: a row, or a MB of a file."""
        return self.rows + self.files + self.file_bytes // MB


def size_of(scope: Scope) -> Size:
    rows = sum(table.rows(scope).count() for table in export_tables.tables(scope.what))
    files = total = 0
    if "media" in scope.what:
        found = scope.media()
        files = found.count()
        total = found.aggregate(total=Sum("size_bytes"))["total"] or 0
    return Size(rows, files, total)


def no_room(size: int) -> str:
    return _(
        "SocialHub's disk has no room for an export of about %(n)s MB. Choose a shorter "
        "time or leave media files out, delete an older export, or tell an operator."
    ) % {"n": max(1, size // MB)}


def begin(user: Any, asked: dict[str, Any]) -> Job:
    """Have it made. NotAllowed; Refused."""
    scope = scope_for(user, asked)
    if exports_of(user).live().exists():
        raise _one_at_a_time()
    size = size_of(scope)
    if not incoming.has_room(size.bytes):
        raise Refused(no_room(size.bytes))
    brand = Brand.objects.filter(pk=asked["which"] or 0).first()
    try:
        job = jobs.start(KIND, user, brand, **asked)
    except jobs.Busy:  # begun in the same instant
        raise _one_at_a_time() from None
    note(user, scope, job=job.pk)
    return job


def _one_at_a_time() -> Refused:
    return Refused(
        _("An export of yours is being made. Wait for it, or cancel it first.")
    )


def note(user: Any, scope: Scope, **more: Any) -> None:
    """Who exported what, at each brand."""
    detail = {
        "what": sorted(scope.what),
        "begin": plain(scope.begin),
        "end": plain(scope.end),
        **more,
    }
    brands = Brand.objects.filter(pk__in=scope.brands)
    AuditEvent.objects.bulk_create(
        AuditEvent.about(user, "export.asked", brand, **detail) for brand in brands
    )


def exports_of(user: Any) -> Any:
    return Job.objects.of(user).filter(kind=KIND)


# ---------------------------------------------------------------- making


class Maker:
    """Makes the ZIP in a folder, from where `at` stands.

    at: {"stage": "tables", "media" or "end"; "done": steps; "total"; "zip": a Place;
    "sums": bytes of the list of checksums; of the table in hand: "table", "after",
    "rows", "parts": [{"csv": bytes, "rows": rows}], "jsonl": bytes; of files: "after";
    "counts": table -> rows; "missing": [...], "lost": how many; "more": table -> columns of its own; "brands", "is_all": what is in it}.
    """

    def __init__(
        self,
        scope: Scope,
        folder: Path,
        at: dict[str, Any],
        turn: Progress,
        *,
        title: str,
        zone: str,
    ) -> None:
        self.scope, self.folder, self.at, self.turn = scope, folder, dict(at), turn
        self.title, self.zone = title, zone
        self.tables = export_tables.tables(scope.what)

    def run(self) -> bool:
        """True: there is more to do. Refused where the disk is full; Taken."""
        if self.at.get("stage") == "named":
            self._name()
            return False
        if not self.at:
            self._from_scratch()
        try:
            try:
                return self._open()
            except Lost:
                self._from_scratch()
                return self._open()
        except OSError as error:
            if error.errno in incoming.NO_ROOM:
                raise Refused(no_room(size_of(self.scope).bytes)) from error
            raise

    def _from_scratch(self) -> None:
        self.at = {
            "stage": "tables",
            "table": 0,
            "done": 0,
            "total": size_of(self.scope).steps,
            "began": timezone.now().isoformat(),
            "counts": {},
            "more": {},
            "missing": [],
            "lost": 0,
            "sums": 0,
        }

    def _open(self) -> bool:
        place = Place(**self.at.get("zip", {}))
        with (
            opened(self.folder / PART, place) as self.zip,
            (self.folder / SUMS).open("ab") as self.sums,
        ):
            self.sums.truncate(self.at["sums"])
            return self._go()

    def _go(self) -> bool:
        # A person's brands may change from turn to turn; what is written stays in it.
        self.at["brands"] = sorted({*self.at.get("brands", ()), *self.scope.brands})
        self.at["is_all"] = self.at.get("is_all", False) or self.scope.is_all
        if self.at["stage"] == "tables":
            while self.at["table"] < len(self.tables):
                if not self._table(self.tables[self.at["table"]]):
                    return True
            self.at |= {"stage": "media", "after": 0}
            self._keep()
        if self.at["stage"] == "media":
            if "media" in self.scope.what and not self._media():
                return True
            self.at |= {"stage": "end"}
            self._keep()
        self._end()
        return False

    def _keep(self, steps: int = 0, part: int = 0) -> None:
        """Note how far it is: what is noted is there, whoever goes on. part: steps of
        the file in hand."""
        self.sums.flush()
        os.fsync(self.sums.fileno())
        place = self.zip.flush()
        self.at["done"] += steps
        self.at |= {"zip": place.as_json(), "sums": self.sums.tell()}
        total = self.at["total"]
        done = min(total, self.at["done"] + part)
        self.turn.store(at=self.at, done=done, total=total)

    @property
    def _when(self) -> datetime:
        """Of all that was written for it: the clock of the person."""
        return timezone.localtime(datetime.fromisoformat(self.at["began"]))

    def _sum(self, digest: str, name: str) -> None:
        self.sums.write(f"{digest}  {name}\n".encode())

    # -- tables

    def _table(self, table: Table) -> bool:
        """False: the turn is over."""
        at = self.at
        if "jsonl" not in at:
            at |= {"jsonl": 0, "parts": [], "after": [], "rows": 0}
            at["more"] = {**at["more"], table.name: list(table.further(self.scope))}
        columns = self._columns(table)
        raw = Raw(self.folder / "tables", table, columns, at)
        rows = table.after(self.scope, at["after"])
        while found := list(rows[:STEP]):
            with raw:
                for record in table.records(found, self.scope):
                    if record is not None:
                        raw.write(record)
            at |= {"after": table.key(found[-1]), **raw.state()}
            crash_point("export_rows")
            self._keep(len(found))
            if self.turn.is_over:
                return False
            rows = table.after(self.scope, at["after"])
        with raw:
            raw.heads()
        for name, path in raw.files():
            digest = hashlib.sha256()

            def blocks(path: Path = path, digest: Any = digest) -> Iterator[bytes]:
                for data in incoming.blocks_of(path):
                    digest.update(data)
                    self.turn.beat()
                    yield data

            self.zip.add(name, self._when, blocks())
            self._sum(digest.hexdigest(), name)
        at["counts"] = {**at["counts"], table.name: at["rows"]}
        at["table"] += 1
        for key in ("jsonl", "parts", "after", "rows"):
            del at[key]
        self._keep()
        shutil.rmtree(self.folder / "tables", ignore_errors=True)
        return not self.turn.is_over

    def _columns(self, table: Table) -> list[str]:
        return [*table.columns, *self.at["more"].get(table.name, ())]

    # -- files

    def _media(self) -> bool:
        """False: the turn is over, or SocialHub is being stopped."""
        while True:
            rows = self.scope.media().filter(pk__gt=self.at["after"]).order_by("pk")
            found = list(rows[:STEP])
            if not found:
                return True
            for asset in found:
                if not self._file(asset):
                    return False
                self.at["after"] = asset.pk
                self._keep(1 + asset.size_bytes // MB)
                if self.turn.is_over:
                    return False

    def _file(self, asset: MediaAsset) -> bool:
        """Its bytes from the storage, block by block. False: to be gone on with."""
        name = export_posts.file_path(asset)
        if self.zip.in_hand and self.zip.in_hand != name:
            # What was in hand was deleted meanwhile.
            self.zip.drop()
        left = asset.size_bytes - self.zip.at.taken
        if not incoming.has_room(left, self.folder):
            raise Refused(no_room(size_of(self.scope).bytes))
        digest = None if self.zip.in_hand else hashlib.sha256()
        try:
            with asset.file.storage.open(str(asset.file.name), "rb") as source:
                if not self.zip.in_hand:
                    # Pictures and films are packed already.
                    self.zip.begin(
                        name, timezone.localtime(asset.created_at), packed=False
                    )
                source.seek(self.zip.at.taken)
                return self._copy(source, asset, digest)
        except OSError as error:
            if error.errno in incoming.NO_ROOM:
                raise
            self._lost(asset)
            return True

    def _copy(self, source: Any, asset: MediaAsset, digest: Any) -> bool:
        while data := source.read(BLOCK):
            self.zip.block(data)
            if digest is not None:
                digest.update(data)
            crash_point("export_block")
            whole = self.zip.at.taken >= asset.size_bytes
            if not whole and self.turn.is_over:
                self._keep(part=self.zip.at.taken // MB)
                return False
            self.turn.beat()
        wrong = digest is not None and digest.hexdigest() != asset.sha256
        if self.zip.at.taken != asset.size_bytes or wrong:
            self._lost(asset)
            return True
        self.zip.finish(timezone.localtime(asset.created_at))
        self._sum(asset.sha256, export_posts.file_path(asset))
        return True

    def _lost(self, asset: MediaAsset) -> None:
        """The storage does not have it as it was measured: that is said, and others go."""
        if self.zip.in_hand:
            self.zip.drop()
        self.at["lost"] += 1
        if len(self.at["missing"]) < NAMED:
            self.at["missing"] = [*self.at["missing"], export_posts.file_path(asset)]

    # -- the end

    def _end(self) -> None:
        self._whole("manifest.json", json.dumps(self._manifest(), indent=2) + "\n")
        # The byte order mark tells Windows that it is UTF-8.
        self._whole("README.txt", "\ufeff" + self._readme())
        self.sums.flush()
        sums = incoming.blocks_of(self.folder / SUMS)
        self.zip.add("SHA256SUMS", self._when, sums)
        files = self.zip.at.files
        self.zip.close()
        crash_point("export_end")
        path = self.folder / PART
        if not is_whole(path, files):
            raise OSError(errno.EIO, "the ZIP cannot be read back")
        self.turn.store(
            at={"stage": "named"},
            done=self.at["total"],
            total=self.at["total"],
            result={
                "size_bytes": path.stat().st_size,
                "files": files,
                "counts": self.at["counts"],
                "lost": self.at["lost"],
                "name": self.name,
                "brands": self.at["brands"],
                "is_all": self.at["is_all"],
            },
        )
        self._name()

    def _name(self) -> None:
        """It is whole: from now on it can be fetched. May be done twice."""
        if (self.folder / PART).exists():
            (self.folder / PART).rename(self.folder / WHOLE)
        for name in (SUMS, f"{PART}.list"):
            (self.folder / name).unlink(missing_ok=True)

    def _whole(self, name: str, text: str) -> None:
        data = text.encode()
        self.zip.add(name, self._when, [data])
        self._sum(hashlib.sha256(data).hexdigest(), name)

    @property
    def name(self) -> str:
        return f"socialhub-{slugify(self.title) or 'export'}-{self._when:%Y-%m-%d}.zip"

    def _manifest(self) -> dict[str, Any]:
        brands = Brand.objects.filter(pk__in=self.scope.brands).order_by("name")
        return {
            "format": "socialhub-export",
            "version": 1,
            "began_at": self.at["began"],
            "brands": [brand.name for brand in brands],
            "what": sorted(self.scope.what),
            "begin": plain(self.scope.begin),
            "end": plain(self.scope.end),
            "tables": [
                {
                    "name": table.name,
                    "rows": self.at["counts"].get(table.name, 0),
                    "columns": self._columns(table),
                }
                for table in self.tables
            ],
            "lost_files": self.at["lost"],
        }

    def _readme(self) -> str:
        scope = self.scope
        lines = [_("Export from SocialHub: %(title)s") % {"title": self.title}, ""]
        lines += [
            _("Made on %(when)s (%(zone)s).")
            % {"when": f"{self._when:%Y-%m-%d %H:%M}", "zone": self.zone}
        ]
        if scope.has_time:
            lines += [
                _("What lies from %(begin)s until before %(end)s.")
                % {
                    "begin": self._day(scope.begin),
                    "end": self._day(scope.end),
                }
            ]
        lines += [
            "",
            _(
                "Every table is there twice. The CSV (RFC 4180, UTF-8) is for spreadsheets: "
                "it begins with a byte order mark, because Excel reads letters such as ä "
                "wrongly without it, and a text that a spreadsheet would run as a formula "
                "has a ' before it. The JSON Lines (UTF-8 without a mark, a JSON object a "
                "line) is for programs and has every text as it is."
            ),
            "",
            _(
                "Times that end in Z are UTC. A wall clock stands beside its zone: a post "
                "is due when the clock of its zone says so, whatever its UTC is by then."
            ),
            "",
            _(
                "Not in here: passwords, keys, and the access to accounts. Whoever imports "
                "posts elsewhere connects the accounts there first."
            ),
            "",
            _(
                "SHA256SUMS holds a checksum of every file but itself: “sha256sum -c "
                "SHA256SUMS” checks them."
            ),
        ]
        if self.at["lost"]:
            lines += [
                "",
                _("Files that the storage did not have as they were added: %(n)s")
                % {"n": self.at["lost"]},
                *(f"  {name}" for name in self.at["missing"]),
            ]
        for table in self.tables:
            lines += ["", "", f"{table.name}.csv, {table.name}.jsonl", "-" * 40]
            if table.most_rows:
                lines += [
                    _("Of many rows: %(name)s.csv, %(name)s-2.csv and so on.")
                    % {"name": table.name}
                ]
            count = self.at["counts"].get(table.name, 0)
            lines += [str(table.about), _("Rows: %(n)s") % {"n": count}, ""]
            words = {**table.columns, **table.further(scope)}
            lines += [
                f"  {name}: {words.get(name, '')}" for name in self._columns(table)
            ]
        return "\n".join(lines) + "\n"

    def _day(self, at: datetime | None) -> str:
        if at is None:
            return "–"
        return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


class Raw:
    """A table on its way: its CSV files and its JSON Lines, cut off where the last note
    says. A worker that goes on writes behind that."""

    def __init__(
        self, folder: Path, table: Table, columns: Sequence[str], at: Mapping[str, Any]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.table, self.columns = folder, table, columns
        self.parts: list[dict[str, int]] = [dict(part) for part in at["parts"]]
        self.jsonl, self.rows = int(at["jsonl"]), int(at["rows"])

    def __enter__(self) -> Raw:
        self._lines = self._open(self.folder / "jsonl", self.jsonl)
        self._csv: Any = None
        if self.parts:
            self._csv = self._open(self._path(len(self.parts)), self.parts[-1]["csv"])
        return self

    def __exit__(self, *_error: Any) -> None:
        for file in (self._lines, self._csv):
            if file is not None:
                _to_disk(file)

    def state(self) -> dict[str, Any]:
        parts = [dict(part) for part in self.parts]
        return {"parts": parts, "jsonl": self.jsonl, "rows": self.rows}

    def heads(self) -> None:
        """A table without rows has its columns all the same."""
        if not self.parts:
            self._next()

    def write(self, record: Mapping[str, Any]) -> None:
        values = {key: plain(value) for key, value in record.items()}
        self.jsonl += self._lines.write(
            json.dumps(values, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        )
        cells = self.table.cells(dict(record)) if self.table.cells else record
        line = self._line([cell(cells.get(name)) for name in self.columns])
        last = self.parts[-1] if self.parts else None
        most_rows, most = self.table.most_rows, self.table.most_bytes
        if (
            last is None
            or (most_rows and last["rows"] == most_rows)
            or (most and last["csv"] + len(line) > most)
        ):
            last = self._next()
        last["csv"] += self._csv.write(line)
        last["rows"] += 1
        self.rows += 1

    def files(self) -> list[tuple[str, Path]]:
        """Names in the ZIP, and where they lie."""
        name = self.table.name
        numbers = range(1, len(self.parts) + 1)
        return [
            *(
                (f"{name}.csv" if n == 1 else f"{name}-{n}.csv", self._path(n))
                for n in numbers
            ),
            (f"{name}.jsonl", self.folder / "jsonl"),
        ]

    def _next(self) -> dict[str, int]:
        if self._csv is not None:
            _to_disk(self._csv)
        part = {"csv": 0, "rows": 0}
        self.parts.append(part)
        self._csv = self._open(self._path(len(self.parts)), 0)
        part["csv"] = self._csv.write("\ufeff".encode() + self._line(self.columns))
        return part

    def _path(self, number: int) -> Path:
        return self.folder / f"csv{number}"

    @staticmethod
    def _line(values: Sequence[str]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerow(values)
        return out.getvalue().encode("utf-8", "replace")

    @staticmethod
    def _open(path: Path, length: int) -> Any:
        path.touch()
        file = path.open("r+b")
        file.truncate(length)
        file.seek(length)
        return file


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


# ---------------------------------------------------------------- as long work


def title_of(asked: Mapping[str, Any], brand: Brand | None) -> str:
    return brand.name if brand else _("all brands")


def _work(job: Job, turn: jobs.Turn) -> bool:
    try:
        scope = scope_for(job.person, job.asked)
    except NotAllowed as refused:
        raise Refused(str(refused)) from None
    zone = zone_of(job.person)
    with translation.override(language_of(job.person)), timezone.override(zone):
        maker = Maker(
            scope,
            job.folder,
            job.at,
            turn,
            title=title_of(job.asked, job.brand),
            zone=str(zone),
        )
        return maker.run()


def _ended(job: Job) -> None:
    if job.state != Job.State.DONE:
        return

    def words() -> tuple[str, str]:
        said = _("It can be fetched for %(n)s days, by you alone.")
        subject = _("Your export is ready: %(what)s")
        title = title_of(job.asked, job.brand)
        return subject % {"what": title}, said % {"n": KEPT_FOR.days}

    hooks.tell([job.person], f"export:{job.pk}", words, reverse("export_list"))


def register() -> None:
    export_tables.register(
        export_posts.POSTS,
        export_tables.DELIVERIES,
        export_tables.ATTEMPTS,
        export_tables.NOTES,
        export_posts.MEDIA,
        export_tables.SNIPPETS,
        export_tables.LINK_RULES,
        export_tables.QUEUES,
        export_posts.SERIES,
        export_tables.ACCOUNTS,
        export_tables.NATIVES,
        export_tables.REVIEWS,
        export_tables.REMARKS,
        export_tables.AUDIT,
    )
    jobs.register(
        KIND,
        jobs.Kind(
            lambda job: (
                _("Export: %(what)s") % {"what": title_of(job.asked, job.brand)}
            ),
            _work,
            _ended,
            lambda job: reverse("export_list"),
            gettext_lazy("Nothing of it is kept."),
        ),
    )


# ---------------------------------------------------------------- fetching


def address(job: Job) -> str:
    """Where its person, and nobody else, fetches it within the hour."""
    token = signing.dumps([job.pk, job.person_id], salt=SALT)
    return reverse("export_fetch", args=[token])


def fetched(user: Any, token: str) -> Job | None:
    """The export of an address, for this person; None: too late, gone, or not theirs.

    NotAllowed: they may not have it any more.
    """
    try:
        pk, person = signing.loads(token, salt=SALT, max_age=LINK_LIFE_S)
    except (signing.BadSignature, ValueError):
        return None
    if person != user.pk:
        return None
    job: Job | None = exports_of(user).filter(pk=pk).first()
    if job is None or not is_there(job):
        return None
    scope = scope_for(user, job.asked)
    # “All” may be fewer brands by now than when it was made.
    others = set(job.result.get("brands", ())) - set(scope.brands)
    if Brand.objects.filter(pk__in=others).exists() or (
        job.result.get("is_all") and not scope.is_all
    ):
        raise NotAllowed(
            _("You do not see all brands of this export any more. Have a new one made.")
        )
    return job


def is_there(job: Job) -> bool:
    return job.state == Job.State.DONE and (job.folder / WHOLE).exists()
