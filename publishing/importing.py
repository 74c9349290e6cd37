"""Tables of posts: read, looked at, written, undone; each step as long work.

What is done is in the rows: a killed worker's successor reads them and goes on.
"""

from __future__ import annotations

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent, Brand
from accounts.roles import can_write

from . import composing, incoming, jobs, media, slots, table_columns, table_reading
from .composing import CHANGEABLE
from .crash_points import crash_point
from .import_models import Import, ImportRow
from .job_models import KEPT_FOR, Job
from .jobs import Refused, Turn
from .judging import Judge, Said, Verdict, all_file_names, base_name
from .measuring import UploadRefused
from .models import Delivery, InvalidTransition, Post, StaleState
from .table_cells import tells_order
from .table_columns import HOOTSUITE, WHEN
from .table_reading import Unreadable

#: Rows between two notes of how far it is.
STEP = 20
#: Files of a zip beside the table, and what is written of each into the library.
MOST_FILES = 50_000
TABLE, ZIP = "table", "files.zip"
#: What unpacking makes of files that are not what their zip says.
BROKEN_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
)

State, RowState = Import.State, ImportRow.State


# ---------------------------------------------------------------- beginning


def begin(
    user: Any,
    brand: Brand,
    table: UploadedFile,
    files: UploadedFile | None,
    *,
    zone: str,
    schedules: bool,
) -> Import:
    """Keep what was sent and have it read. UploadRefused."""
    made = Import(
        person=user,
        brand=brand,
        name=media.short_name(table.name),
        size_bytes=table.size or 0,
        zone=zone,
        schedules=schedules,
    )
    if (table.size or 0) > table_reading.MOST_BYTES:
        raise UploadRefused(
            _("%(name)s is larger than %(n)s MB. Split it into several files.")
            % {"name": made.name, "n": table_reading.MOST_BYTES // table_reading.MB}
        )
    made.sha256 = incoming.digest(table.chunks())
    with transaction.atomic():
        made.save()
        try:
            made.folder.mkdir(parents=True, exist_ok=True)
            _store(table, made.folder / TABLE)
            if files is not None:
                made.facts = {"zip": media.short_name(files.name)}
                _store(files, made.folder / ZIP)
            made.job = jobs.start("import_read", user, brand, table=made.pk)
            made.save()
        except OSError as error:
            shutil.rmtree(made.folder, ignore_errors=True)
            if error.errno in incoming.NO_ROOM:
                raise UploadRefused(incoming.no_room(made.name)) from error
            raise
    return made


def _store(file: UploadedFile, path: Path) -> None:
    with path.open("wb") as copy:
        for block in file.chunks():
            copy.write(block)


def look_again(table: Import) -> bool:
    """Judge all rows anew: an answer or a choice was given. False: it is busy."""
    return _go_on(table, (State.LOOKED,), State.READING, "import_read", stage="check")


class SameFile(Exception):
    """The very file is imported already, or just now."""


def write(table: Import, *, again: bool = False) -> bool:
    """Import the good rows. False: it is busy or over.

    SameFile, unless a person wants it again: what says the same is found row by row, but
    not what was written into the next slots of a queue, nor what comes at this instant.
    """
    if again:
        Import.objects.filter(pk=table.pk).update(again_ok=True)
    elif table.state == State.LOOKED and not table.again_ok and table.same_file():
        raise SameFile
    before = (State.LOOKED, State.DONE)
    try:
        return _go_on(table, before, State.WRITING, "import_write")
    except IntegrityError as error:
        raise SameFile from error


def undo(table: Import) -> bool:
    return _go_on(table, (State.DONE,), State.UNDOING, "import_undo")


def _go_on(
    table: Import, before: Iterable[str], state: str, kind: str, **asked: Any
) -> bool:
    with transaction.atomic():
        rows = Import.objects.filter(pk=table.pk, state__in=list(before))
        if not rows.update(state=state):
            return False
        job = jobs.start(kind, table.person, table.brand, table=table.pk, **asked)
        Import.objects.filter(pk=table.pk).update(job=job)
    table.state, table.job = state, job
    return True


def _table(job: Job) -> Import:
    rows = Import.objects.select_related("person", "brand")
    table = rows.filter(pk=job.asked["table"]).first()
    if table is None:
        raise Refused(_("The import was deleted meanwhile."))
    return table


# ---------------------------------------------------------------- reading


def _read(job: Job, turn: Turn) -> bool:
    table = _table(job)
    stage = job.at.get("stage") or job.asked.get("stage") or "rows"
    if stage == "rows":
        try:
            _take_rows(table)
        except Unreadable as unreadable:
            raise Refused(str(unreadable)) from None
        stage = "files"
        turn.store(at={"stage": stage}, total=table.rows.count())
    if stage == "files":
        if (table.folder / ZIP).exists():
            try:
                if not _take_files(table, turn):
                    return True
            except Unreadable as unreadable:
                raise Refused(str(unreadable)) from None
        stage = "check"
        turn.store(at={"stage": stage, "after": 0})
    return _check(table, job, turn)


def _take_rows(table: Import) -> None:
    """Unreadable. All or nothing, so that it may be done again."""
    found = table_reading.read(table.folder / TABLE, table.name)
    number, heads = found.rows[0]
    headless = bool(tells_when(heads))
    if headless:
        product, columns = (
            "Hootsuite",
            [
                *HOOTSUITE[: len(heads)],
                *([""] * (len(heads) - len(HOOTSUITE))),
            ],
        )
        body = found.rows
    else:
        product, columns = table_columns.understand(heads)
        body = found.rows[1:]
    if "text" not in columns and "media" not in columns and "link" not in columns:
        raise Unreadable(
            _(
                "%(name)s has no column “text” in row %(row)s; its columns are: "
                "%(heads)s. Name the columns as in the template."
            )
            % {
                "name": table.name,
                "row": number,
                "heads": ", ".join(head[:30] for head in heads[:12] if head),
            }
        )
    if not body:
        raise Unreadable(
            _("%(name)s has no rows below its heads.") % {"name": table.name}
        )
    twice = {c for c in columns if c and columns.count(c) > 1 and c != "media"}
    if twice:
        raise Unreadable(
            _("The column “%(column)s” is there twice. Take one away, or rename it.")
            % {"column": sorted(twice)[0]}
        )
    rows = [
        ImportRow(table=table, number=row, cells=_cells(columns, cells))
        for row, cells in body
    ]
    table.facts = {
        **table.facts,
        "format": product,
        "encoding": found.encoding,
        "separator": table_reading.SEPARATORS.get(found.separator, found.separator),
        "sheet": found.sheet,
        "columns": [column for column in columns if column],
        "ignored": []
        if headless
        else [h for h, c in zip(heads, columns, strict=True) if h.strip() and not c],
        **_orders(rows),
    }
    with transaction.atomic():
        table.rows.all().delete()
        ImportRow.objects.bulk_create(rows, batch_size=200)
        table.save(update_fields=["facts"])


def tells_when(heads: list[str]) -> bool:
    """The first row is a post already: it begins with a date (Hootsuite's files)."""
    first = heads[0].strip() if heads else ""
    return bool(first[:1].isdecimal() and any(mark in first for mark in "/-.:"))


def _cells(columns: list[str], cells: list[str]) -> dict[str, str]:
    """Several columns of files are one."""
    found: dict[str, str] = {}
    for column, text in zip(columns, cells, strict=False):
        if not column or not text.strip():
            continue
        if column == "media" and column in found:
            text = f"{found[column]};{text}"
        found[column] = text.replace("\x00", "")
    return found


def _orders(rows: list[ImportRow]) -> dict[str, Any]:
    """Dates that can be read one way only: {"dmy": [row, text], "mdy": [row, text]}."""
    found: dict[str, Any] = {}
    for row in rows:
        for column in ("date", WHEN, "useful until"):
            order = tells_order(row.cells.get(column, ""))
            if order:
                found.setdefault(order, [row.number, row.cells[column]])
    return {"orders": found}


def _take_files(table: Import, turn: Turn) -> bool:
    """Files of the zip that rows name, into the library. False: the turn is over.

    A file that was taken is known again by its bytes, so that doing it twice is once.
    """
    path = table.folder / ZIP
    try:
        parts = {base_name(p.filename): p for p in table_reading.zip_files(path)}
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Unreadable(
            _("%(name)s is no zip file. Pack the files anew and choose it again.")
            % {"name": table.facts.get("zip", "")}
        ) from None
    if len(parts) > MOST_FILES:
        raise Unreadable(
            _("%(name)s holds more than %(n)s files. Split it.")
            % {"name": table.facts.get("zip", ""), "n": MOST_FILES}
        )
    judge = Judge(table)
    with zipfile.ZipFile(path) as packed:
        for row in table.rows.all():
            for key, part, brand in _wanted(judge, row, parts):
                _note_file(table, packed, part, brand, key, turn.beat)
                turn.store()
                if turn.is_over:
                    return False
    return True


def _wanted(
    judge: Judge, row: ImportRow, parts: dict[str, zipfile.ZipInfo]
) -> Iterator[tuple[str, zipfile.ZipInfo, Brand]]:
    """What the zip has of the files that a row names, and that was not taken yet."""
    word = str(row.cells.get("brand") or judge.table.brand.name)
    brand = judge.brands.get(word.strip().lower())
    for name in all_file_names(row.cells) if brand else ():
        assert brand is not None
        base = base_name(name)
        key = f"{brand.pk}:{base}"
        facts = judge.table.facts
        known = key in facts.get("taken", {}) or base in facts.get("zipped", {})
        if base in parts and not known:
            yield key, parts[base], brand


def _note_file(
    table: Import,
    packed: zipfile.ZipFile,
    part: zipfile.ZipInfo,
    brand: Brand,
    key: str,
    beat: Callable[[], None],
) -> None:
    """Take a file into the library, and note which it was or why not."""
    try:
        asset = _take_file(packed, part, brand, table.person, beat)
        found = {"taken": {**table.facts.get("taken", {}), key: asset.pk}}
    except UploadRefused as refused:
        base = key.partition(":")[2]
        found = {"zipped": {**table.facts.get("zipped", {}), base: str(refused)}}
    table.facts = {**table.facts, **found}
    table.save(update_fields=["facts"])


def take_files_of(table: Import, row: ImportRow) -> None:
    """The same for one row, after its names were mended."""
    path = table.folder / ZIP
    if not path.exists():
        return
    parts = {base_name(p.filename): p for p in table_reading.zip_files(path)}
    with zipfile.ZipFile(path) as packed:
        for key, part, brand in _wanted(Judge(table), row, parts):
            _note_file(table, packed, part, brand, key, lambda: None)


def _take_file(
    packed: zipfile.ZipFile,
    part: zipfile.ZipInfo,
    brand: Brand,
    user: Any,
    beat: Callable[[], None],
) -> Any:
    """UploadRefused. Unpacked block by block, no further than its announced size."""
    name = media.short_name(part.filename)
    if part.file_size > incoming.max_bytes():
        raise UploadRefused(incoming.too_large(name))
    media.check_allowance(user, name, part.file_size)
    media.check_quota(brand, name, part.file_size)
    if not incoming.has_room(part.file_size):
        raise UploadRefused(incoming.no_room(name))
    with tempfile.TemporaryDirectory(prefix="zip-", dir=incoming.folder()) as folder:
        path = Path(folder) / "file"
        try:
            with packed.open(part) as source, path.open("wb") as copy:
                while block := source.read(incoming.BLOCK):
                    copy.write(block)
                    beat()
        except BROKEN_ZIP as error:
            raise UploadRefused(
                _("%(name)s cannot be unpacked. Pack it anew.") % {"name": name}
            ) from error
        return media.keep(path, name, brand, user)


def _check(table: Import, job: Job, turn: Turn) -> bool:
    after = job.at.get("after", 0)
    judge = Judge(table)
    seen = _said_before(table, after)
    open_states = (RowState.NEW, RowState.GOOD, RowState.BAD)
    rows = table.rows.filter(number__gt=after, state__in=open_states)
    done = table.rows.filter(number__lte=after).count()
    total = table.rows.count()
    # Whole pieces, never a cursor that stays open: SQLite lets nobody write who is
    # half-way through reading while others write.
    keys = list(rows.values_list("pk", flat=True))
    for start in range(0, len(keys), STEP):
        piece = list(table.rows.filter(pk__in=keys[start : start + STEP]))
        for row in piece:
            judge_row(judge, row, seen)
        turn.store(
            at={"stage": "check", "after": piece[-1].number},
            done=done + start + len(piece),
            total=total,
        )
        if turn.is_over:
            return True
    turn.store(done=total, total=total)
    return False


def can_change(table: Import, row: ImportRow) -> bool:
    """Whether a person may mend it, leave it out, or take it in again."""
    waits = row.state in (RowState.NEW, RowState.GOOD, RowState.BAD, RowState.LEFT)
    return waits and table.state in (State.LOOKED, State.DONE)


def leave_out(table: Import, row: ImportRow) -> bool:
    """False: its post is there by now, or is being made."""
    with _alone_with(table, row) as still:
        if still:
            row.state = RowState.LEFT
            row.save(update_fields=["state"])
    return still


def leave_repeats(table: Import) -> bool:
    """Leave out all rows that say what another one or a post says. False: it is busy."""
    return _change_repeats(table, (State.LOOKED, State.DONE), state=RowState.LEFT)


def take_repeats(table: Import) -> bool:
    """A person wants all of them all the same. False: it is busy, or rows of it were
    imported already."""
    with transaction.atomic():
        taken = _change_repeats(table, (State.LOOKED,), repeat_ok=True)
        return taken and look_again(table)


def _change_repeats(table: Import, states: Iterable[str], **changes: Any) -> bool:
    with transaction.atomic():
        # Whoever sets it to work says so in this row first.
        rows = Import.objects.select_for_update().filter(pk=table.pk)
        if not rows.filter(state__in=list(states)).exists():
            return False
        table.rows.filter(state=RowState.BAD, is_repeat=True).update(**changes)
    return True


def mend(table: Import, row: ImportRow, cells: dict[str, str], repeat_ok: bool) -> bool:
    """Give it these cells, and look at it again. False as for `leave_out`."""
    row.cells, row.repeat_ok = cells, repeat_ok
    # Before the lock: it takes its time, and belongs to the library whatever comes.
    take_files_of(table, row)
    with _alone_with(table, row) as still:
        if still:
            row.state = RowState.NEW
            row.save(update_fields=["cells", "repeat_ok", "state"])
            judge_row(Judge(table), row, said_by_others(table, row))
    return still


@contextmanager
def _alone_with(table: Import, row: ImportRow) -> Iterator[bool]:
    """Whether it can still be changed; then nobody writes it until the end."""
    with transaction.atomic():
        now = ImportRow.objects.select_for_update().get(pk=row.pk)
        # After the lock: who writes rows says so first.
        table.refresh_from_db(fields=["state"])
        yield can_change(table, now)


Seen = dict[tuple[str, ...], int]


def _said_before(table: Import, after: int) -> Seen:
    rows = table.rows.filter(number__lte=after).exclude(state=RowState.LEFT)
    return {_key(cells): n for n, cells in rows.values_list("number", "cells")}


def said_by_others(table: Import, row: ImportRow) -> Seen:
    """What other rows say, for judging this one."""
    rows = table.rows.exclude(pk=row.pk).exclude(state=RowState.LEFT)
    return {_key(cells): n for n, cells in rows.values_list("number", "cells")}


def forget(table: Import) -> None:
    shutil.rmtree(table.folder, ignore_errors=True)
    table.delete()


#: What two rows may differ in and still say the same: how it is found and measured.
_ASIDE = {"labels", "campaign", "link tags", "useful until", "state", "alt text"}


def _key(cells: dict[str, str]) -> tuple[str, ...]:
    names = sorted(cells.keys() - _ASIDE)
    return tuple(f"{name}={text}" for name in names if (text := cells[name].strip()))


def judge_row(judge: Judge, row: ImportRow, seen: Seen | None = None) -> Verdict:
    """Look at a row and store what was found."""
    found = judge.judge(row.cells)
    if seen is not None:
        first = seen.setdefault(_key(row.cells), row.number)
        if first != row.number:
            found.repeats.append(
                Said(
                    "text",
                    _("Row %(n)s says the same, for the same time.") % {"n": first},
                    _("Take one of them away, or tick “import all the same”."),
                )
            )
    show(row, found)
    row.save(
        update_fields=["state", "problems", "notes", "is_repeat", "becomes", "due_at"]
    )
    return found


def show(row: ImportRow, found: Verdict) -> None:
    problems = list(found.problems)
    row.is_repeat = bool(found.repeats)
    if not row.repeat_ok:
        problems += found.repeats
    row.problems = [said.as_json() for said in problems]
    notes = found.notes + (found.repeats if row.repeat_ok else [])
    row.notes = [said.as_json() for said in notes]
    row.state = RowState.BAD if problems else RowState.GOOD
    row.becomes = found.becomes
    row.due_at = found.when.due_at if found.when else None


def _read_ended(job: Job) -> None:
    rows = Import.objects.filter(pk=job.asked["table"], state=State.READING)
    if job.state == Job.State.DONE:
        rows.update(state=State.LOOKED)
    elif job.asked.get("stage") == "check":
        # It had been read before: only the second look was broken off.
        rows.update(state=State.LOOKED)
    else:
        said = job.problem or _("Reading was cancelled.")
        rows.update(state=State.BROKEN, problem=said)


def tidy(now: datetime) -> None:
    """Take tables and zips away that were sent a week ago; their rows stay."""
    home = Path(settings.MEDIA_ROOT) / "imports"
    edge = (now - KEPT_FOR).timestamp()
    for path in home.iterdir() if home.is_dir() else ():
        if path.stat().st_mtime < edge:
            shutil.rmtree(path, ignore_errors=True)


# ---------------------------------------------------------------- writing


def _write(job: Job, turn: Turn) -> bool:
    table = _table(job)
    if not can_write(table.person):
        raise Refused(_("Your role reads: somebody of marketing can import posts."))
    judge = Judge(table)
    good = table.rows.filter(state=RowState.GOOD)
    turn.store(total=good.count() + job.done)
    for pk in list(good.values_list("pk", flat=True)):
        with transaction.atomic():
            # First: who stood still and lost the work writes no row any more, for its
            # import may be cancelled and undone by now.
            turn.store(done=job.done + 1)
            write_row(judge, pk)
        crash_point("import_row")
        if turn.is_over:
            break
    return good.exists()


def write_row(judge: Judge, pk: int) -> Post | None:
    """Make the row's post, once, whoever asks and however often; None: not now.

    Row and post are one transaction. The row is locked and says whether it has its
    post; the key of the form, made of import and row, is unique besides.
    """
    with transaction.atomic():
        row = ImportRow.objects.select_for_update().get(pk=pk)
        if row.state != RowState.GOOD or row.post_id is not None:
            return None
        found = judge.judge(row.cells)
        when = found.when
        if found.queue is not None and not found.problems and not found.is_draft:
            assert found.composition is not None
            keys = [account.pk for account in found.composition.accounts]
            slot = slots.next_free(found.queue, keys, timezone.now())
            if slot is None:
                said = _("No slot of “%(name)s” is free in the next twelve weeks.")
                cure = _("Write date and time, or another queue.")
                name = {"name": found.queue.name}
                found.problems.append(Said("queue", said % name, cure))
            else:
                when = slot.when
        show(row, found)
        if row.state != RowState.GOOD:
            row.save()
            return None
        assert found.composition is not None
        result = composing.save(
            found.composition,
            judge.user,
            post=None,
            token=f"import-{row.table_id}-{row.number}",
            when=when,
            wall=found.wall,
            go=not found.is_draft,
            twice_ok=row.repeat_ok,
        )
        post = Post.objects.get(pk=result.post.pk)
        row.post, row.post_version = post, post.changed_at
        row.state, row.due_at = RowState.DONE, post.due_at
        row.save()
    return post


def _write_ended(job: Job) -> None:
    rows = Import.objects.filter(pk=job.asked["table"], state=State.WRITING)
    for table in rows:
        written = table.rows.filter(state=RowState.DONE).exists()
        rows.update(state=State.DONE if written else State.LOOKED)


# ---------------------------------------------------------------- undoing


def why_stays(
    row: ImportRow,
    post: Post | None,
    deliveries: list[Delivery],
    brands: Container[int],
) -> str:
    """Why undoing leaves a post alone; "": it goes. brands: the person's, by key."""
    if post is None:
        return _("It is gone already.")
    if post.brand_id not in brands:
        return _("It belongs to a brand that is not yours.")
    if post.state == Post.State.CANCELLED:
        return _("It is cancelled already.")
    if post.changed_at != row.post_version:
        return _("Somebody has changed it since.")
    if any(d.status == Delivery.Status.PUBLISHED for d in deliveries):
        return _("It is published.")
    going = [d for d in deliveries if d.status != Delivery.Status.CANCELLED]
    if any(
        d.status not in CHANGEABLE
        or d.repeat_is_safe
        or d.parts_out
        or (d.lease_expires_at and not d.is_carried)
        or d.is_out
        for d in going
    ):
        return _("Sending has begun.")
    return ""


def _brands_of(table: Import) -> set[int]:
    """What the person sees now, which may be less than when the table was sent."""
    return set(Brand.objects.visible_to(table.person).values_list("pk", flat=True))


def undo_effects(table: Import) -> tuple[int, dict[str, int]]:
    """How many posts would go, and sentence -> how many stay. Four queries."""
    goes, brands = 0, _brands_of(table)
    stays: dict[str, int] = {}
    rows = table.rows.filter(state=RowState.DONE).select_related("post")
    for row in rows.prefetch_related("post__deliveries__account"):
        deliveries = list(row.post.deliveries.all()) if row.post else []
        if why := why_stays(row, row.post, deliveries, brands):
            stays[why] = stays.get(why, 0) + 1
        else:
            goes += 1
    return goes, stays


def _undo(job: Job, turn: Turn) -> bool:
    table = _table(job)
    if not can_write(table.person):
        raise Refused(_("Your role reads: somebody of marketing can undo it."))
    brands = _brands_of(table)
    rows = table.rows.filter(state=RowState.DONE)
    turn.store(total=rows.count() + job.done)
    for pk in list(rows.values_list("pk", flat=True)):
        with transaction.atomic():
            turn.store(done=job.done + 1)
            undo_row(table, pk, brands)
        if turn.is_over:
            break
    return rows.exists()


def undo_row(table: Import, pk: int, brands: Container[int]) -> None:
    """Take the post back, or note why it stays."""
    with transaction.atomic():
        row = ImportRow.objects.select_for_update().get(pk=pk)
        if row.state != RowState.DONE:
            return
        posts = Post.objects.select_for_update(of=("self",))
        post = posts.filter(pk=row.post_id or 0).first()
        deliveries = []
        if post is not None:
            locked = post.deliveries.select_for_update(of=("self",))
            deliveries = list(locked.select_related("account").order_by("pk"))
        why = why_stays(row, post, deliveries, brands)
        if not why and post is not None:
            try:
                with transaction.atomic():
                    left = [d for d in deliveries if d.status in CHANGEABLE]
                    for delivery in left:
                        delivery.cancel()
                    Post.objects.filter(pk=post.pk).update(state=Post.State.CANCELLED)
                    count = len(left)
                    AuditEvent.write(
                        table.person, "post.cancelled", post, deliveries=count
                    )
            except (InvalidTransition, StaleState):
                why = _("Sending has begun.")
        row.state = RowState.STAYS if why else RowState.UNDONE
        row.notes = [Said("text", why).as_json()] if why else []
        row.save(update_fields=["state", "notes"])


def _undo_ended(job: Job) -> None:
    rows = Import.objects.filter(pk=job.asked["table"], state=State.UNDOING)
    for table in rows:
        left = table.rows.filter(state=RowState.DONE).exists()
        rows.update(state=State.DONE if left else State.UNDONE)


# ---------------------------------------------------------------- kinds


def _know(listed: Sequence[Job]) -> None:
    tables = Import.objects.in_bulk({job.asked["table"] for job in listed})
    for job in listed:
        job.table = tables.get(job.asked["table"])  # type: ignore[attr-defined]


def known(job: Job, table: Import) -> Job:
    """The job, with the table that it is about."""
    job.table = table  # type: ignore[attr-defined]
    return job


def _table_of(job: Job) -> Import | None:
    if not hasattr(job, "table"):
        _know([job])
    table: Import | None = job.table  # type: ignore[attr-defined]
    return table


def _title(words: Any) -> Any:
    def title(job: Job) -> str:
        table = _table_of(job)
        return words % {"name": table.name if table else "–"}

    return title


def _address(job: Job) -> str:
    table = _table_of(job)
    return table.get_absolute_url() if table else ""


def register() -> None:
    jobs.register(
        "import_read",
        jobs.Kind(
            _title(gettext_lazy("Reading %(name)s")),
            _read,
            _read_ended,
            _address,
            know=_know,
        ),
    )
    jobs.register(
        "import_write",
        jobs.Kind(
            _title(gettext_lazy("Importing %(name)s")),
            _write,
            _write_ended,
            _address,
            gettext_lazy("What was imported so far stays, and can be undone."),
            _know,
        ),
    )
    jobs.register(
        "import_undo",
        jobs.Kind(
            _title(gettext_lazy("Undoing %(name)s")),
            _undo,
            _undo_ended,
            _address,
            gettext_lazy("What was undone so far stays undone."),
            _know,
        ),
    )
