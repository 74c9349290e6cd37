"""Tables of posts: read in every way that people save them, looked at, written once,
and undone."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Brand
from publishing import import_views, importing, jobs, measuring, table_reading
from publishing.import_models import Import, ImportRow
from publishing.models import (
    Delivery,
    Job,
    MediaAsset,
    Post,
    Queue,
    QueueSlot,
    Review,
    StaleState,
)

from .conftest import make_account, make_delivery, make_person, picture

SOON = (timezone.now() + timedelta(days=30)).date()
DAY = SOON.isoformat()


@pytest.fixture(autouse=True)
def no_wake_ups(monkeypatch):
    """Turns are taken by hand."""
    monkeypatch.setattr(jobs, "wake", lambda: None)


def finish() -> None:
    for _turn in range(200):
        if not jobs.take_turn():
            return
    pytest.fail("long work has no end")


def send(client, content: bytes, name="plan.csv", files=None, **fields) -> Import:
    world_brand = fields.pop("brand", None) or Brand.objects.get(name="Acme")
    data = {
        "table": SimpleUploadedFile(name, content),
        "brand": world_brand.pk,
        "zone": "Europe/Berlin",
        **fields,
    }
    if files is not None:
        data["files"] = SimpleUploadedFile("files.zip", files)
    answer = client.post(reverse("import_list"), data)
    assert answer.status_code == 302, answer.content.decode()
    finish()
    return Import.objects.latest("pk")


def csv_of(*rows: dict[str, str]) -> bytes:
    import csv

    heads = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, heads)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def good(**more) -> dict[str, str]:
    return {"accounts": "acmem", "date": DAY, "time": "09:00", "text": "Hello", **more}


def said(row: ImportRow) -> str:
    return " | ".join(f"{p['column']}: {p['said']} {p['cure']}" for p in row.problems)


def do(client, table: Import, action: str, **fields):
    answer = client.post(
        reverse("import_do", args=[table.pk]), {"action": action, **fields}, follow=True
    )
    finish()
    table.refresh_from_db()
    return answer


@pytest.mark.django_db(transaction=True)
def test_many_rows_are_read_while_others_write(world, ana, monkeypatch):
    """On SQLite a reader that is half-way through its rows may not write any more, once
    another process has written: each larger table was given up so."""
    judge = importing.judge_row

    def beat() -> None:
        try:
            Brand.objects.create(name="Meanwhile")
        finally:
            connection.close()

    def meanwhile(*arguments):
        if arguments[1].number == 5:
            other = threading.Thread(target=beat)
            other.start()
            other.join()
        return judge(*arguments)

    monkeypatch.setattr(importing, "judge_row", meanwhile)
    table = send(ana, csv_of(*(good(text=f"Hello {n}") for n in range(210))))
    assert table.state == "looked", table.problem
    assert not table.rows.filter(state="new").exists()


# ---------------------------------------------------------------- ways to save


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_as_spreadsheets_save_it(world, ana, codec, separator):
    lines = [
        ["accounts", "date", "time", "text"],
        ["acmem", DAY, "09:00", '"Grüße, „Käse“; heute\nund morgen"'],
    ]
    text = "\r\n".join(separator.join(line) for line in lines)
    table = send(ana, text.encode(codec))
    row = table.rows.get()
    assert (row.state, said(row)) == ("good", "")
    assert row.cells["text"] == "Grüße, „Käse“; heute\nund morgen"
    do(ana, table, "write")
    post = Post.objects.get()
    assert post.text == "Grüße, „Käse“; heute\nund morgen"
    assert (post.local_date, post.zone) == (SOON, "Europe/Berlin")
    assert post.deliveries.get().account == world.mastodon


def test_a_spreadsheet_gives_dates_and_values_of_formulas(world, ana):
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["accounts", "date", "time", "text"])
    sheet.append(
        ["acmem", SOON, timezone.datetime(2020, 1, 1, 9, 30).time(), "From Excel"]
    )
    sheet.append(["acmem", DAY, "09:00", '="never " & "worked out"'])
    out = io.BytesIO()
    book.save(out)
    table = send(ana, out.getvalue(), "plan.xlsx")
    first, second = table.rows.all()
    assert (first.state, said(first)) == ("good", "")
    assert first.cells["time"] == "09:30"
    assert "text: This formula has no value in the file." in said(second)
    # As a spreadsheet leaves it: the formula with its value beside it.
    packed = io.BytesIO()
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(packed, "w") as new:
        for part in old.infolist():
            body = old.read(part)
            if part.filename.endswith("sheet1.xml"):
                body = body.replace(b"<v></v>", b"<v>never worked out</v>").replace(
                    b"<v />", b"<v>never worked out</v>"
                )
                body = body.replace(b'<c r="D3">', b'<c r="D3" t="str">')
            new.writestr(part, body)
    table = send(ana, packed.getvalue(), "plan.xlsx")
    assert table.rows.all()[1].cells["text"] == "never worked out"


def test_a_merged_cell_counts_for_each_of_its_rows(world, ana):
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["accounts", "date", "time", "text", "labels"])
    for hour in (9, 11, 13):
        sheet.append([None, None, f"{hour}:00", f"At {hour}"])
    sheet["A2"], sheet["B2"] = "acmem", SOON
    sheet.append([None, None, None, None])
    sheet.append(["acmex", DAY, "09:00", "Alone"])
    # Over a row without anything of its own, and over columns.
    for merged in ("A2:A5", "B2:B5", "D6:E6"):
        sheet.merge_cells(merged)
    out = io.BytesIO()
    book.save(out)
    rows = list(send(ana, out.getvalue(), "plan.xlsx").rows.all())
    assert [(row.number, said(row)) for row in rows] == [
        (2, ""),
        (3, ""),
        (4, ""),
        (6, ""),
    ]
    assert {row.cells["date"] for row in rows} == {DAY}
    assert [row.cells["accounts"] for row in rows] == [*["acmem"] * 3, "acmex"]
    assert "labels" not in rows[3].cells


def test_what_fills_the_memory_is_refused_before_it_is_unpacked(
    world, ana, monkeypatch
):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        with packed.open("xl/worksheets/sheet1.xml", "w") as part:
            for _block in range(70):
                part.write(b"0" * (1 << 20))
    assert len(bomb.getvalue()) < 1 << 20
    table = send(ana, bomb.getvalue(), "plan.xlsx")
    assert table.state == "broken"
    assert "unpacks to more than 60 MB" in table.problem
    laughs = io.BytesIO()
    with zipfile.ZipFile(laughs, "w") as packed:
        packed.writestr(
            "[Content_Types].xml",
            '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Types>&b;</Types>',
        )
    assert "cannot be read" in send(ana, laughs.getvalue(), "plan.xlsx").problem


def changed(book: bytes, part: str, *swaps: tuple[bytes, bytes]) -> bytes:
    """The spreadsheet with something else in one of its files."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            body = old.read(name)
            if name == part:
                for was, becomes in swaps:
                    assert was in body
                    body = body.replace(was, becomes)
            new.writestr(name, body)
    return out.getvalue()


def test_a_spreadsheet_takes_no_more_time_and_text_than_it_may(world, ana, monkeypatch):
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["text", *(f"text:{slug}" for slug in ("x", "mastodon"))])
    for _row in range(80):
        book.active.append(["w" * 32_000, "x" * 32_000, "y" * 32_000])
    out = io.BytesIO()
    book.save(out)
    # Each text stands once in the file: some KB unfold to 8 MB, and to any more.
    monkeypatch.setattr(table_reading, "MOST_TEXT", 2_000_000)
    assert len(out.getvalue()) < 100_000
    assert (
        "more than 2 million characters"
        in send(ana, out.getvalue(), "plan.xlsx").problem
    )
    monkeypatch.undo()
    monkeypatch.setattr(jobs, "wake", lambda: None)

    book = Workbook()
    book.active.append(["text"])
    book.active.append(["Far below"])
    out = io.BytesIO()
    book.save(out)
    far = changed(
        out.getvalue(),
        "xl/worksheets/sheet1.xml",
        (b'r="A2"', b'r="A999999999"'),
        (b'row r="2"', b'row r="999999999"'),
        (b'ref="A1:A2"', b'ref="A1:A999999999"'),
    )
    assert "cannot be read as a spreadsheet" in send(ana, far, "plan.xlsx").problem
    # 6 KB that keep the library busy for half a minute, and a few more for hours.
    styles = b"<xf/>" * 100_000 + b"</cellXfs>"
    slow = changed(out.getvalue(), "xl/styles.xml", (b"</cellXfs>", styles))
    monkeypatch.setattr(measuring, "TIMEOUT_S", 2)
    assert "too much memory or time" in send(ana, slow, "plan.xlsx").problem


def test_a_broken_file_in_the_zip_is_named_and_the_others_are_taken(world, ana):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("broken.jpg", b"0123456789" * 500)
        files.writestr("sun.jpg", picture())
    body = bytearray(packed.getvalue())
    start = body.index(b"broken.jpg") + len(b"broken.jpg")
    body[start : start + 20] = b"\xff" * 20
    rows = (good(media="broken.jpg"), good(media="sun.jpg", text="Sun"))
    table = send(ana, csv_of(*rows), files=bytes(body))
    first, second = table.rows.all()
    assert "“broken.jpg” of the zip cannot be used." in said(first)
    assert said(second) == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"accounts,text\n", "has no rows"),
        ("a.csv", b"one,two\n1,2\n", "has no column"),
        ("a.csv", b"text,text\n1,2\n", "is there twice"),
        ("a.csv", b"\xff\xfe\x00", "no text that can be read"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + b"0" * 99, "old or locked Excel"),
        ("a.zip", b"PK\x03\x04rest", "is broken"),
    ],
)
def test_a_file_that_is_no_table_says_why(world, ana, name, content, words):
    # Browsers send empty files too.
    table = Import.objects.create(
        person=world.ana, brand=world.brand, name=name, sha256=""
    )
    table.folder.mkdir(parents=True)
    (table.folder / importing.TABLE).write_bytes(content)
    table.job = jobs.start("import_read", world.ana, world.brand, table=table.pk)
    table.save()
    finish()
    table.refresh_from_db()
    assert table.state == "broken"
    assert words in table.problem
    page = ana.get(table.get_absolute_url()).content.decode()
    assert "The table could not be read." in page


def test_too_many_rows_are_refused(world, ana, monkeypatch):
    monkeypatch.setattr(table_reading, "MOST_ROWS", 3)
    table = send(ana, csv_of(*(good(text=str(n)) for n in range(4))))
    assert "more than 3 rows" in table.problem


# ---------------------------------------------------------------- rows


def test_each_bad_cell_is_named_with_its_cure(world, ana):
    past = (timezone.now() - timedelta(days=2)).date().isoformat()
    rows = [
        good(brand="Nobody’s"),
        good(accounts="acmem; nobody"),
        good(date="someday"),
        good(date="2027-02-30"),
        good(date="9999-12-31"),
        good(time="25:00"),
        good(zone="Europe/Nowhere"),
        good(date=past),
        good(time=""),
        good(link="example.com"),
        good(media="none.jpg"),
        good(media="https://example.com/a.jpg"),
        good(queue="No such queue", date="", time=""),
        good(labels="x" * 31),
        good(text="x" * 600),
        good(text=""),
        good(accounts=""),
        good(**{"useful until": f"{DAY} 08:00"}),
        good(**{"options:mastodon": "[1]"}),
        good(state="finished"),
    ]
    table = send(ana, csv_of(*rows))
    expected = [
        "brand: You have no brand",
        "accounts: Acme has no connected account “nobody”. Write some of: mastodon:acmem",
        "date: “someday” is no date. Write it as 2026-12-03",
        "date: “2027-02-30” is a day that there is not.",
        "date: “9999-12-31” is too far away. Choose a date of this century.",
        "time: “25:00” is no time. Write it as 09:00",
        "zone: “Europe/Nowhere” is no time zone.",
        "time: ",
        "time: There is a date without a time. Write both",
        "link: “example.com” is no address. A link starts with https://",
        "media: “none.jpg” is neither in the zip nor in the library.",
        "is an address: files are not fetched",
        "queue: Acme has no queue",
        "labels: “",
        "text: Acme M (Mastodon):",
        "text: There is nothing to post.",
        "accounts: No account is named.",
        "useful until: The post would be useless",
        "options:mastodon: This is not how options are written.",
        "state: “finished” is no state.",
    ]
    for row, words in zip(table.rows.all(), expected, strict=True):
        assert row.state == "bad", row.cells
        assert words in said(row)
    assert "is past" in said(table.rows.all()[7])
    page = ana.get(table.get_absolute_url()).content.decode()
    assert "20 rows have to be mended first" in page
    assert "Row 2" in page


def test_good_rows_are_imported_alone_and_a_mended_one_follows(world, ana):
    table = send(ana, csv_of(good(), good(text="Late", time="9 o’clock")))
    do(ana, table, "write")
    assert Post.objects.get().text == "Hello"
    bad = table.rows.get(state="bad")
    address = reverse("import_row", args=[table.pk, bad.number])
    typed = {f"cell-{name}": text for name, text in bad.cells.items()}
    page = ana.post(
        address,
        {**typed, "cell-time": "10:00", "action": "save"},
        HTTP_HX_REQUEST="true",
    ).content.decode()
    assert "Can be imported" in page
    # The button and the tabs follow, or it would stay as it was until the next look.
    again = page[page.index('id="import-write"') :]
    assert 'hx-swap-oob="true"' in again
    assert "1 row can be imported." in again
    assert "disabled" not in again
    assert "To mend" not in again
    do(ana, table, "write")
    assert {post.text for post in Post.objects.all()} == {"Hello", "Late"}
    # Once more is no more.
    assert importing.write(table)
    finish()
    assert Post.objects.count() == 2


def test_after_mending_a_row_it_goes_on_at_the_next_one_with_a_problem(world, ana):
    late = good(text="Late", time="9 o’clock")
    table = send(ana, csv_of(late, good(text="Fine"), late))
    first, second = table.rows.filter(state="bad")

    def mend(row, at):
        typed = {f"cell-{name}": text for name, text in row.cells.items()}
        fields = {**typed, "cell-time": at, "action": "save", "tab": "bad", "page": "2"}
        return ana.post(reverse("import_row", args=[table.pk, row.number]), fields).url

    page = f"{table.get_absolute_url()}?tab=bad&page=2"
    assert mend(first, "still wrong") == f"{page}#row-{first.number}"
    assert mend(first, "10:00") == f"{page}#row-{second.number}"
    assert mend(second, "11:00") == f"{page}#write-note"


def test_a_date_that_can_be_read_in_two_ways_is_asked_about(world, ana):
    year = timezone.now().year + 1
    table = send(
        ana,
        csv_of(good(date=f"03/04/{year}"), good(date=f"25/04/{year}", text="Clear")),
    )
    unclear, clear = table.rows.all()
    assert (unclear.state, clear.state) == ("bad", "good")
    assert f"Is 03/04/{year} 3 April {year} or 4 March {year}?" in said(unclear)
    page = " ".join(ana.get(table.get_absolute_url()).content.decode().split())
    assert "How are the dates written?" in page
    assert f"(so is 25/04/{year} in row 3)" in page
    do(ana, table, "settings", date_order="dmy", zone="Europe/Berlin")
    do(ana, table, "write")
    assert {(p.local_date.day, p.local_date.month) for p in Post.objects.all()} == {
        (3, 4),
        (25, 4),
    }


def test_hours_that_a_clock_change_skips_or_repeats_are_named(world, ana):
    year = timezone.now().year + 1
    found = []
    for month, hour in ((3, "02:30"), (10, "02:30")):
        day = max(
            d for d in range(25, 32) if timezone.datetime(year, month, d).weekday() == 6
        )
        found.append(good(date=f"{year}-{month:02}-{day}", time=hour, text=f"m{month}"))
    table = send(ana, csv_of(*found))
    skipped, twice = table.rows.all()
    assert "The clocks go forward" in skipped.notes[0]["said"]
    assert "The clocks go back" in twice.notes[0]["said"]
    assert (skipped.state, twice.state) == ("good", "good")


def test_what_says_the_same_needs_a_yes(world, ana):
    table = send(ana, csv_of(good(), good()))
    first, second = table.rows.all()
    assert first.state == "good"
    assert "Row 2 says the same" in said(second)
    do(ana, table, "write")
    again = send(ana, csv_of(good()))
    row = again.rows.get()
    assert "Acme M says the same at" in said(row)
    address = reverse("import_row", args=[again.pk, row.number])
    typed = {f"cell-{name}": text for name, text in row.cells.items()}
    ana.post(address, {**typed, "repeat_ok": "1", "action": "save"})
    do(ana, again, "write", again="1")
    assert Delivery.objects.filter(twice_allowed=True).count() == 1


@pytest.mark.parametrize(
    ("action", "states"),
    [
        ("leave_repeats", ["left", "left", "good", "bad"]),
        ("take_repeats", ["good", "good", "good", "bad"]),
    ],
)
def test_all_that_says_the_same_is_left_out_or_taken_at_once(
    world, ana, action, states
):
    """A table that was sent before, with more rows in it now."""
    rows = [good(text="One"), good(text="Two")]
    do(ana, send(ana, csv_of(*rows)), "write")
    again = send(ana, csv_of(*rows, good(text="Three"), good(time="25:00")))
    page = ana.get(again.get_absolute_url()).content.decode()
    assert "2 rows say what is there already:" in page
    do(ana, again, action)
    assert [row.state for row in again.rows.all()] == states
    do(ana, again, "write")
    made = 1 if action == "leave_repeats" else 3
    assert Post.objects.count() == 2 + made
    page = ana.get(again.get_absolute_url()).content.decode()
    assert "rows say what is there already" not in page


@pytest.mark.parametrize(
    "column", ["media", "text:mastodon", "thread:mastodon", "poll"]
)
def test_rows_that_differ_in_one_thing_are_no_repeats(world, ana, column):
    """Posts of pictures alone, or with one text and other wordings, are not the same."""
    values = ["a.jpg", "b.jpg"] if column == "media" else ["one|two", "three|four"]
    rows = [
        {**good(date="", time="", state="draft"), column: value} for value in values
    ]
    files = io.BytesIO()
    with zipfile.ZipFile(files, "w") as packed:
        for place, name in enumerate(("a.jpg", "b.jpg")):
            packed.writestr(name, picture(size=(40 + place, 40)))
    table = send(ana, csv_of(*rows), files=files.getvalue())
    assert [(row.state, said(row)) for row in table.rows.all()] == [("good", "")] * 2
    same = send(
        ana,
        csv_of(*[rows[0]] * 2, {**rows[0], "labels": "spring"}),
        files=files.getvalue(),
    )
    assert [row.state for row in same.rows.all()] == ["good", "bad", "bad"]


def test_the_same_file_again_needs_a_yes(world, ana, sign_in):
    content = csv_of(good())
    do(ana, send(ana, content), "write")
    table = send(ana, content, name="again.csv")
    table.rows.update(state="good", repeat_ok=True)
    page = do(ana, table, "write").content.decode()
    assert "This very file is imported already, so nothing was imported." in page
    assert "You have imported this very file into Acme" in page
    assert (table.state, Post.objects.count()) == ("looked", 1)
    # A colleague is told whose it is.
    ben = sign_in(make_person("ben", "Marketing", brand=world.brand))
    theirs = send(ben, content)
    page = ben.get(theirs.get_absolute_url()).content.decode()
    assert "ana has imported this very file into Acme" in page
    do(ana, table, "write", again="1")
    assert (table.state, Post.objects.count()) == ("done", 2)
    # In another brand it is another import, and what was undone is no hindrance.
    for done in Import.objects.filter(state="done"):
        do(ana, done, "undo")
    theirs.rows.update(state="good")
    do(ben, theirs, "write")
    assert theirs.state == "done"


def test_of_two_imports_of_one_file_at_one_instant_one_is_refused(
    world, ana, monkeypatch
):
    content = csv_of(good())
    first, second = send(ana, content), send(ana, content)
    # Each has looked before the other began.
    monkeypatch.setattr(Import, "same_file", lambda table: None)
    assert importing.write(first)
    with pytest.raises(importing.SameFile):
        importing.write(second)
    finish()
    assert Post.objects.count() == 1


def test_what_waits_in_a_queue_is_not_put_there_again_without_a_yes(world, ana):
    queue = Queue.objects.create(brand=world.brand, name="News", zone="UTC")
    queue.accounts.add(world.mastodon)
    for day in range(7):
        QueueSlot.objects.create(queue=queue, weekday=day, wall="09:00")
    row = {"accounts": "acmem", "queue": "News", "text": "From the queue"}
    do(ana, send(ana, csv_of(row)), "write")
    again = send(ana, csv_of({**row, "labels": "spring"}))
    assert "says the same, and is still to come." in said(again.rows.get())
    do(ana, again, "write")
    assert Post.objects.count() == 1


def test_drafts_queues_labels_networks_and_comments(world, ana):
    x = world.x
    queue = Queue.objects.create(
        brand=world.brand, name="Mornings", zone="Europe/Berlin"
    )
    queue.accounts.add(world.mastodon)
    for weekday in range(7):
        QueueSlot.objects.create(queue=queue, weekday=weekday, wall="07:15")
    rows = [
        good(
            accounts="mastodon:acmem; x",
            labels="Spring; sale",
            **{"text:x": "Shorter", "useful until": f"{DAY} 20:00"},
        ),
        {"text": "No time", "accounts": "all"},
        {"text": "Slot one", "queue": "mornings"},
        {"text": "Slot two", "queue": "Mornings"},
        good(state="draft", text="A draft with a time"),
    ]
    rows[1]["accounts"] = ""
    table = send(ana, csv_of(*rows))
    assert [said(row) for row in table.rows.all()] == [""] * 5
    do(ana, table, "write")
    both = Post.objects.get(text="Hello")
    assert {d.account for d in both.deliveries.all()} == {world.mastodon, x}
    assert both.variants.get().text == "Shorter"
    assert sorted(label.name for label in both.labels.all()) == ["Spring", "sale"]
    assert both.useful_until.astimezone(timezone.get_fixed_timezone(0)).date() == SOON
    assert Post.objects.get(text="No time").state == "draft"
    slots = [Post.objects.get(text=f"Slot {n}").due_at for n in ("one", "two")]
    assert timedelta(hours=22) < slots[1] - slots[0] < timedelta(hours=26)
    kept = Post.objects.get(text="A draft with a time")
    assert (kept.state, kept.deliveries.count()) == ("draft", 0)
    assert kept.due_at is not None


def test_accounts_may_be_written_as_pages_name_them(world, ana):
    table = send(ana, csv_of(good(accounts=f"{world.x}; {world.mastodon}")))
    assert [said(row) for row in table.rows.all()] == [""]
    do(ana, table, "write")
    post = Post.objects.get(text="Hello")
    assert {d.account for d in post.deliveries.all()} == {world.mastodon, world.x}


def test_files_come_from_the_zip_or_the_library(world, ana):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("pictures/Sun.jpg", picture())
        files.writestr("../../evil.jpg", picture(size=(50, 50)))
        files.writestr("notes.txt", "hello")
        files.writestr("unused.jpg", picture(size=(60, 60)))
    table = send(
        ana,
        csv_of(
            good(media="sun.jpg", **{"alt text": "The sun"}),
            good(media="notes.txt", text="Notes"),
            good(media="evil.jpg", text="Out of its folder"),
        ),
        files=packed.getvalue(),
    )
    first, second, third = table.rows.all()
    assert (said(first), said(third)) == ("", "")
    assert "media: “notes.txt” of the zip cannot be used." in said(second)
    assert sorted(MediaAsset.objects.values_list("name", flat=True)) == [
        "Sun.jpg",
        "evil.jpg",
    ]
    do(ana, table, "write")
    use = Post.objects.get(text="Hello").media.get()
    assert (use.asset.name, use.alt_text) == ("Sun.jpg", "The sun")
    asset = use.asset
    again = send(ana, csv_of(good(media=f"library:{asset.pk}", text="Again")))
    do(ana, again, "write")
    assert Post.objects.get(text="Again").media.get().asset == asset


@pytest.mark.parametrize(
    ("product", "content"),
    [
        ("Buffer", f"Text,Image URL,Tags,Posting Time\nHello,,spring,{DAY} 09:00\n"),
        (
            "Sprout Social",
            f"date,time_24hr,message_text,tags\n{DAY},09:00,Hello,spring\n",
        ),
        ("Hootsuite", f"{DAY} 09:00,Hello,https://example.com/\n{DAY} 10:00,Second,\n"),
    ],
)
def test_other_products_files_are_read_as_they_are(world, ana, product, content):
    table = send(ana, content.encode())
    assert table.facts["format"] == product
    assert "No account is named" in said(table.rows.first())
    do(ana, table, "settings", accounts=[world.mastodon.pk], zone="Europe/Berlin")
    assert {row.state for row in table.rows.all()} == {"good"}
    do(ana, table, "write")
    post = Post.objects.get(text="Hello")
    assert f"{post.local_time:%H:%M}" == "09:00"
    assert post.deliveries.get().account == world.mastodon


# ---------------------------------------------------------------- once, and undone


def test_a_row_makes_its_post_once_however_often_it_is_asked(world, ana):
    table = send(ana, csv_of(good(), good(text="Two")))
    judge = importing.Judge(table)
    for row in table.rows.all():
        importing.write_row(judge, row.pk)
    for row in table.rows.all():
        assert importing.write_row(judge, row.pk) is None
    # Whoever forgot that it is done meets the key of import and row.
    ImportRow.objects.update(state="good", post=None, repeat_ok=True)
    with pytest.raises(IntegrityError):
        importing.write_row(judge, table.rows.first().pk)
    assert Post.objects.count() == 2


def test_undoing_takes_back_what_was_neither_sent_nor_changed(world, ana):
    texts = ("Goes", "Draft", "Edited", "Sent", "Sending")
    rows = [good(text=text, time=f"0{n}:00") for n, text in enumerate(texts, 1)]
    rows[1] |= {"date": "", "time": ""}
    table = send(ana, csv_of(*rows))
    do(ana, table, "write")
    assert Post.objects.count() == 5
    Post.objects.get(text="Edited").save()
    of = Delivery.objects.filter
    of(post__text="Sent").update(
        status="published", external_id="1", next_attempt_at=None
    )
    of(post__text="Sending").update(status="publishing")
    page = " ".join(ana.get(table.get_absolute_url()).content.decode().split())
    assert "2 posts would be taken back" in page
    assert "1 × Somebody has changed it since." in page
    assert "1 × It is published." in page
    assert "1 × Sending has begun." in page
    do(ana, table, "undo")
    assert table.state == "undone"
    states = dict(Post.objects.values_list("text", "state"))
    assert states == {
        "Goes": "cancelled",
        "Draft": "cancelled",
        "Edited": "scheduled",
        "Sent": "scheduled",
        "Sending": "scheduled",
    }
    assert of(post__text="Goes").get().status == "cancelled"
    assert AuditEvent.objects.filter(verb="post.cancelled").count() == 2


def test_undoing_leaves_posts_of_brands_that_one_has_left(world, ana):
    theirs = Brand.objects.create(name="Bolt")
    theirs.members.add(world.ana)
    rows = (good(), {"brand": "Bolt", "text": "Theirs now"})
    table = send(ana, csv_of(*rows))
    do(ana, table, "write")
    theirs.members.remove(world.ana)
    page = " ".join(ana.get(table.get_absolute_url()).content.decode().split())
    assert "1 × It belongs to a brand that is not yours." in page
    do(ana, table, "undo")
    states = dict(Post.objects.values_list("text", "state"))
    assert states == {"Hello": "cancelled", "Theirs now": "draft"}


# ---------------------------------------------------------------- people


def test_imports_are_for_those_who_write_and_of_ones_own(world, ana, sign_in):
    table = send(ana, csv_of(good()))
    rita = sign_in(world.rita)
    assert rita.get(reverse("import_list")).status_code == 403
    ben = sign_in(make_person("ben", "Marketing", brand=world.brand))
    for name, args in (("import_detail", [table.pk]), ("job_row", [table.job_id])):
        assert ben.get(reverse(name, args=args)).status_code == 404
    for name in ("import_do", "job_cancel"):
        key = table.job_id if name == "job_cancel" else table.pk
        assert (
            ben.post(reverse(name, args=[key]), {"action": "write"}).status_code == 404
        )
    other = Brand.objects.create(name="Hidden")
    make_account(other, "mastodon", "Secret")
    hidden = send(ana, csv_of(good(brand="Hidden", accounts="secret")))
    assert "You have no brand “Hidden”" in said(hidden.rows.get())
    world.brand.members.remove(world.ana)
    assert ana.get(table.get_absolute_url()).status_code == 404


def test_the_templates_are_read_as_they_are(world, ana):
    for name in ("import_template_csv", "import_template_xlsx"):
        answer = ana.get(reverse(name))
        table = send(ana, answer.content, "posts" + name[-4:])
        row = table.rows.get()
        assert (row.state, row.becomes, said(row)) == ("good", "draft", "")
        assert table.facts["ignored"] == []


def test_a_brand_named_like_a_formula_is_none_in_a_template(world, ana):
    from openpyxl import load_workbook

    world.brand.name = "=1+1"
    world.brand.save()
    assert "'=1+1" in ana.get(reverse("import_template_csv")).content.decode()
    answer = ana.get(reverse("import_template_xlsx"))
    book = load_workbook(io.BytesIO(answer.content))
    assert {cell.data_type for cell in book.worksheets[0][2] if cell.value} == {"s"}


def test_the_page_of_rows_costs_the_same_however_many(
    world, ana, django_assert_max_num_queries
):
    table = send(ana, csv_of(*(good(text=f"n{n}", accounts="?") for n in range(30))))
    with django_assert_max_num_queries(30):
        ana.get(table.get_absolute_url())
    do(ana, table, "settings")
    make_delivery(world.x, world.ana)
    assert os.path.isdir(table.folder)
    assert Job.objects.live().count() == 0


def test_who_stood_still_writes_nothing_into_an_import_that_was_cancelled(world, ana):
    table = send(ana, csv_of(good(), good(text="Two", time="10:00")))
    assert importing.write(table)
    turn = jobs.Turn(Job.objects.get(kind="import_write"))
    turn.job.claim(timezone.now())
    store = turn.store

    def stands_still(**changes):
        store(**changes)
        turn.store = store
        # Its lease runs out, and another worker ends what was cancelled meanwhile.
        Job.objects.filter(pk=turn.job.pk).update(
            lease_expires_at=None, cancel_asked_at=timezone.now()
        )
        finish()

    turn.store = stands_still
    with pytest.raises(StaleState):
        importing._write(turn.job, turn)
    table.refresh_from_db()
    assert (table.state, Post.objects.count()) == ("looked", 0)


@pytest.mark.parametrize("action", ["leave", "save"])
def test_a_row_that_is_written_meanwhile_stays_as_it_was_written(
    world, ana, monkeypatch, action
):
    table = send(ana, csv_of(good()))
    row, read = table.rows.get(), import_views.get_object_or_404

    def overtaken(*args, **kwargs):
        found = read(*args, **kwargs)
        if isinstance(found, ImportRow) and found.state == "good":
            # The person has pressed “Import” in another window.
            importing.write(table)
            finish()
        return found

    monkeypatch.setattr(import_views, "get_object_or_404", overtaken)
    address = reverse("import_row", args=[table.pk, row.number])
    typed = {f"cell-{name}": text for name, text in good(text="Mended").items()}
    page = ana.post(address, {**typed, "action": action}, follow=True)
    assert "This row cannot be changed just now." in page.content.decode()
    row.refresh_from_db()
    assert (row.state, row.cells["text"]) == ("done", "Hello")
    # What was made of it is taken back with the others.
    do(ana, table, "undo")
    assert (table.state, Post.objects.get().state) == ("undone", "cancelled")


def test_undoing_takes_the_rest_of_a_post_that_was_cancelled_in_part(world, ana):
    table = send(ana, csv_of(good(accounts="acmem, acmex")))
    do(ana, table, "write")
    first, second = Delivery.objects.order_by("pk")
    first.cancel()
    do(ana, table, "undo")
    second.refresh_from_db()
    assert (second.status, Post.objects.get().state) == ("cancelled", "cancelled")


def test_imported_posts_wait_for_approval_where_their_brand_asks(world, ana):
    world.brand.approval_steps = 1
    world.brand.save()
    table = send(ana, csv_of(good(), good(text="Draft", date="", time="")))
    do(ana, table, "write")
    row = Delivery.objects.get()
    assert (row.hold, row.approvals_missing) == ("approval", 1)
    waiting = Review.objects.waiting()
    assert [one.post for one in waiting] == [row.post]
    # What waits is taken back like anything else.
    do(ana, table, "undo")
    assert not Review.objects.waiting().exists()
    assert set(Post.objects.values_list("state", flat=True)) == {"cancelled"}


def test_the_list_of_work_costs_the_same_however_much_there_is(world, ana):
    counts = []
    for number in range(3):
        send(ana, csv_of(good(text=f"n{number}")), name=f"plan{number}.csv")
        with CaptureQueriesContext(connection) as seen:
            page = ana.get(reverse("job_list")).content.decode()
        assert all(f"plan{n}.csv" in page for n in range(number + 1))
        counts.append(len(seen))
    assert counts[1] == counts[2]


def test_a_row_says_what_was_sent_and_never_as_markup(world, ana):
    odd = '<b>"quoted" & it’s</b>'
    table = send(ana, csv_of(good(text=odd), good(text=odd, time=odd)))
    row = table.rows.get(state="bad")
    ImportRow.objects.filter(pk=row.pk).update(
        notes=[{"column": odd, "said": odd, "cure": odd}], is_repeat=True
    )
    url = f"{table.get_absolute_url()}?tab=all"
    for language in ("en", "de"):
        ana.cookies["django_language"] = language
        page = ana.get(url, headers={"accept-language": language}).content.decode()
        assert odd not in page
        assert "<b>" not in page
        assert page.count("&lt;b&gt;&quot;quoted&quot; &amp; it’s&lt;/b&gt;") >= 6
        assert page.count("<article ") == page.count("</article>") == 2
        assert f'<article class="sh-card sh-stack" id="row-{row.number}"' in page
        assert page.count('name="csrfmiddlewaretoken"') >= 4
        assert 'value="save"' in page
        assert 'name="repeat_ok" value="1"><span>' in page
        assert " data-fresh" not in page
    fresh = ana.post(
        reverse("import_row", args=[table.pk, row.number]),
        {"action": "leave", "tab": "all", "page": "1"},
        headers={"HX-Request": "true"},
    ).content.decode()
    assert " data-fresh>" in fresh
    assert '<p role="status">' in fresh
    assert 'value="back"' in fresh
    assert 'value="save"' not in fresh
    assert fresh.count("<article ") == 1
    assert "import-write" in fresh
    assert "import-tabs" in fresh


def test_tables_may_be_written_as_germans_do(world, ana):
    text = (
        "Konten;Datum;Uhrzeit;Beitrag;Zustand\n"
        "acmem;3.12.2099;9.30 Uhr;Eins;\n"
        "acmem;3.12.99;9 Uhr;Zwei;\n"
        "acmem;3. Dezember 2099;17:05;Drei;\n"
        "acmem;3. Dez. 2099;17:05;Vier;Entwurf\n"
        "acmem;3. März 2099;17:05;Fünf;\n"
    )
    table = send(ana, text.encode("cp1252"))
    assert table.facts["ignored"] == []
    rows = list(table.rows.all())
    assert [said(row) for row in rows] == [""] * 5
    walls = [timezone.localtime(row.due_at, ZoneInfo("Europe/Berlin")) for row in rows]
    assert [f"{wall:%d.%m.%Y %H:%M}" for wall in walls] == [
        "03.12.2099 09:30",
        "03.12.2099 09:00",
        "03.12.2099 17:05",
        "03.12.2099 17:05",
        "03.03.2099 17:05",
    ]
    assert rows[3].becomes == "draft"


def test_what_other_products_say_of_a_state_is_passed_over(world, ana):
    table = send(ana, csv_of(good(Status="Approved by Kim")))
    assert table.facts["ignored"] == ["Status"]
    assert table.rows.get().state == "good"


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("2099-12-03T08:30:00Z", "2099-12-03 08:30"),
        ("2099-12-03T08:30:00+02:00", "2099-12-03 06:30"),
        ("2099-12-03 10:30", "2099-12-03 09:30"),
        ("Dec 3, 2099 10:30 am", "2099-12-03 09:30"),
        ("3rd of December", ""),
        ("73022.4375", "2099-12-03 09:30"),
        # an hour that Berlin's clock shows twice: the first, and the second
        ("2099-10-25T00:30:00Z", "2099-10-25 00:30"),
        ("2099-10-25T01:30:00Z", "The clock shows 02:30 twice that day"),
    ],
)
def test_a_moment_is_read_as_machines_and_people_write_it(world, ana, cell, found):
    line = {"accounts": "acmem", "scheduled at": cell, "text": "Hello"}
    row = send(ana, csv_of(line)).rows.get()
    if found[:1].isdecimal():
        assert (said(row), f"{row.due_at:%Y-%m-%d %H:%M}") == ("", found)
    else:
        assert found in said(row)
        assert row.state == "bad"


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("0.395833333333333", "08:30"),
        ("0.5", "11:00"),
        ("0.25", ""),
        ("14h30", "13:30"),
    ],
)
def test_a_time_without_its_format_is_a_part_of_the_day(world, ana, cell, found):
    row = send(ana, csv_of(good(date="73022", time=cell))).rows.get()
    if found:
        assert (said(row), f"{row.due_at:%Y-%m-%d %H:%M}") == (
            "",
            f"2099-12-03 {found}",
        )
    else:
        assert "is no time" in said(row)
