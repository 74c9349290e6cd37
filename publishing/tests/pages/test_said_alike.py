"""Calendar, its day, the plain calendar, the list and the failure desk say the same of
a post, keep as text what people and platforms wrote, and show each person their own."""

from __future__ import annotations

import functools
import gc
import html
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from accounts import roles
from accounts.models import Brand, Credential, Profile
from publishing import jobs
from publishing.care_models import Care, Note
from publishing.listing import instants
from publishing.models import Delivery, NativePost, Post, Stop

from .conftest import make_account, make_delivery, make_person
from .test_calendar import cards, share
from .test_importing import csv_of, send
from .test_queues import make_queue

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WEEK = {"view": "week", "start": "2026-11-25", "end": "2026-11-26"}


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def page(client, name, **asked) -> str:
    answer = client.get(reverse(name), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def words(text: str) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"(?s)<(script|style|head).*?</\1>|<[^>]+>", " ", text)
    return " ".join(html.unescape(text).split())


def part(number: int) -> dict[str, object]:
    return {"id": f"p{number}", "link": "", "text": "", "at": "", "extra": {}}


#: what is known of a thread of three parts of which one is out
BEGUN = {
    "witness": {"parts_out": [part(1)]},
    "draft": {"text": "Hello", "parts": [{"text": "b"}, {"text": "c"}]},
    "external_id": "p1",
}
OUT = {"status": "published", "published_at": NOON - HOUR, "next_attempt_at": None}

STATES = {
    "goes": ({}, "Scheduled"),
    "goes on": (BEGUN, "Scheduled"),
    "held": ({"status": "held", "hold": "access"}, "Held"),
    "waits": (
        {"status": "held", "hold": "approval", "approvals_missing": 1},
        "Waiting for approval 0/1",
    ),
    "out": ({**OUT, "external_id": "1"}, "Published"),
    "partly out": (
        {**BEGUN, "status": "failed", "cause": "text_refused"},
        "1 of 3 parts are out",
    ),
    "left": ({**BEGUN, **OUT}, "1 of 3 parts are out"),
    "taken down": (
        {**OUT, "external_id": "1", "taken_down_at": NOON},
        "Deleted at the platform",
    ),
    "failed": ({"status": "failed", "cause": "text_refused"}, "Failed"),
}


def said_everywhere(client) -> dict[str, str]:
    today = timezone.localdate()
    (card,) = cards(client)
    assert card["id"] == Post.objects.get().pk
    return {
        "card": card["w"],
        "day": words(page(client, "calendar_day", day=today.isoformat())),
        "plain": words(page(client, "calendar", plain=1)),
        "list": words(page(client, "post_list", tab="all")),
    }


@pytest.mark.parametrize("state", STATES)
def test_lists_and_calendars_have_the_same_word_for_a_state(world, ana, state):
    fields, word = STATES[state]
    make_delivery(world.x, world.ana, hours=3, **fields)
    for place, said in said_everywhere(ana).items():
        assert word in said, place


@pytest.mark.parametrize("fields", [{}, BEGUN])
@pytest.mark.parametrize("why", ["broken", "stopped"])
def test_what_is_at_risk_is_so_everywhere_also_when_it_has_begun(
    world, ana, fields, why
):
    row = make_delivery(world.x, world.ana, hours=3, **fields)
    if why == "broken":
        Credential.objects.filter(pk=world.x.credential_id).update(
            state="broken", cause="token_revoked"
        )
        reason = "Will be held"
    else:
        Stop.objects.create(scope="everything", reason="Fire", started_by=world.adam)
        reason = "Fire"
    for place, said in said_everywhere(ana).items():
        assert "At risk" in said, place
    (card,) = cards(ana)
    assert reason in card["y"]
    assert [one["id"] for one in cards(ana, status="at_risk")] == [row.post_id]


def test_what_a_stop_holds_says_so_on_the_desk_as_well(world, ana):
    stop = Stop.objects.create(scope="everything", reason="Fire", started_by=world.adam)
    make_delivery(
        world.x, world.ana, hours=-1, status="held", hold="stopped", held_at=NOON
    )
    for place, said in said_everywhere(ana).items():
        assert "Held" in said, place
        if place in ("day", "plain"):
            assert "Fire" in said, place
    assert "Fire" in words(page(ana, "failure_desk"))
    Stop.objects.filter(pk=stop.pk).update(ended_at=NOON, ended_by=world.adam)
    assert "Was stopped" in said_everywhere(ana)["plain"]


def test_a_post_of_which_all_was_taken_down_is_not_called_published(world, ana):
    gone = {**OUT, "external_id": "1"}
    row = make_delivery(world.x, world.ana, hours=-1, **gone, taken_down_at=NOON)
    other = share(row.post, world.mastodon, **gone)
    (card,) = cards(ana)
    assert card["w"] == "Published"
    Delivery.objects.filter(pk=other.pk).update(taken_down_at=NOON)
    (card,) = cards(ana)
    assert card["w"] == "Deleted at the platform"
    page = ana.get(row.post.get_absolute_url()).content.decode()
    head = page[page.index("<h1") : page.index("written by")]
    assert "Deleted at the platform" in head


# ---------------------------------------------------------------- markup

#: It would be an element, end an attribute, or fill a place of its own.
EVIL = """<script>alert(1)</script>"><b onclick='x'>{} {0} %(n)s %s"""


class Tags(HTMLParser):
    """What a browser would make of it: elements and attributes that EVIL names."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.bad += [name for name, _value in attrs if name.startswith("on")]
        for name, value in attrs:
            self.text.append(value or "")
            if name in ("href", "src", "action") and value:
                if value.strip().lower().startswith("javascript:"):
                    self.bad.append(value)

    def handle_data(self, data):
        if self.lasttag == "script" and "alert(1)" in data:
            self.bad.append(data)
        self.text.append(data)


def shown(text: str) -> str:
    found = Tags()
    found.feed(text)
    assert found.bad == []
    return "\n".join(found.text)


@pytest.fixture
def hostile(world):
    """All that people and platforms may write is markup."""
    Brand.objects.filter(pk=world.brand.pk).update(name=EVIL)
    User.objects.filter(pk=world.rita.pk).update(
        first_name=EVIL, last_name=EVIL, username=EVIL
    )
    account = make_account(world.brand, "x", EVIL, handle=EVIL)
    row = make_delivery(
        account,
        world.rita,
        text=EVIL,
        hours=-1,
        status="failed",
        cause="text_refused",
        detail=EVIL,
    )
    Post.objects.update(link_url="javascript:alert(1)")
    row.attempts.create(
        number=1, http_status=400, code=EVIL, request_id=EVIL, detail=EVIL
    )
    Care.objects.create(delivery=row, assignee=world.rita)
    Note.objects.create(delivery=row, author=world.rita, text=EVIL)
    stop = Stop.objects.create(scope="everything", reason=EVIL, started_by=world.rita)
    make_delivery(account, world.rita, text=EVIL, hours=2)
    make_delivery(account, world.rita, text="-", status="held", hold="stopped", hours=3)
    NativePost.objects.create(
        account=account, external_id=EVIL, text=EVIL, posted_at=NOON - HOUR
    )
    draft = Post.objects.create(brand=world.brand, author=world.rita, text=EVIL)
    draft.set_time(NOON.date(), NOON.time(), "UTC")
    draft.save()
    make_queue(world.brand, "17:00", accounts=[account], name=EVIL)
    return stop


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("failure_desk", {}),
        ("failure_desk", {"whose": "nobody"}),
        ("calendar", {"plain": 1}),
        ("calendar", {"plain": 1, "view": "week"}),
        ("calendar", {}),
        ("calendar_day", {"day": NOON.date().isoformat()}),
        ("post_list", {"tab": "all"}),
        ("post_list", {"tab": "drafts"}),
        ("post_list", {"tab": "native"}),
        ("held_posts", {}),
        ("queue_list", {}),
        ("stop_list", {}),
    ],
)
def test_whatever_was_written_is_text_on_pages(hostile, world, sign_in, name, asked):
    for person in (world.ana, world.adam):
        assert "<script>alert(1)</script>" in shown(
            page(sign_in(person), name, **asked)
        )


def test_links_lead_to_the_web(world, ana):
    """A post of files and a link says its link, and leads nowhere else."""
    row = make_delivery(
        world.x, world.ana, text="", hours=-1, status="failed", cause="text_refused"
    )
    Post.objects.filter(pk=row.post_id).update(link_url="javascript:alert(1)")
    for name, asked in (
        ("failure_desk", {}),
        ("calendar", {"plain": 1}),
        ("post_list", {"tab": "all"}),
        ("calendar_day", {"day": NOON.date().isoformat()}),
    ):
        assert "javascript:alert(1)" in shown(page(ana, name, **asked)), name


def test_the_calendars_answer_is_json_with_the_words_as_they_were_written(hostile, ana):
    found = cards(ana)
    assert {card["a"] for card in found if "u" in card or card["p"]} == {EVIL}
    answer = ana.get(reverse("calendar_posts"), WEEK)
    assert answer["Content-Type"] == "application/json"
    ((at, queue, url),) = answer.json()["open"]
    assert (at, queue) == ("2026-11-25T17:00", EVIL)
    assert url.startswith(reverse("compose"))


@pytest.mark.parametrize("text", [EVIL, f"</textarea>{EVIL}"])
def test_whatever_stands_in_a_table_is_text_in_its_fields(
    world, ana, monkeypatch, text
):
    monkeypatch.setattr(jobs, "wake", lambda: None)
    cells = dict.fromkeys(("text", "labels", "queue", "link", "accounts"), text)
    table = send(ana, csv_of(cells), name=f"{EVIL[8:20]}.csv")
    answer = ana.get(table.get_absolute_url(), {"tab": "all"})
    fields = Fields()
    fields.feed(answer.content.decode())
    assert shown(answer.content.decode())
    for name, value in cells.items():
        assert fields.values[f"cell-{name}"] == value


class Fields(HTMLParser):
    """What a form's fields would send."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._open = ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        name = found.get("name") or ""
        if tag == "textarea":
            self._open = name
            self.values[name] = ""
        elif tag == "input":
            self.values[name] = found.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._open = ""

    def handle_data(self, data):
        if self._open:
            self.values[self._open] += data


# ---------------------------------------------------------------- whose it is


def test_each_person_sees_their_own_brands_by_the_same_queries(world, sign_in):
    other = Brand.objects.create(name="Umbra", time_zone="UTC")
    olga = make_person("olga", roles.MARKETING, roles.REVIEWER, brand=other)
    chief = User.objects.create_superuser("chief", "chief@example.com", "x")
    theirs = make_account(other, "x", "Umbra X")
    failed = {"status": "failed", "cause": "text_refused"}
    for account, author, text in ((world.x, world.ana, "A"), (theirs, olga, "U")):
        make_delivery(account, author, text=f"{text}-failed", hours=-1, **failed)
        mine = make_delivery(account, author, text=f"{text}-mine", hours=-1, **failed)
        Care.objects.create(delivery=mine, assignee=author)
        away = make_delivery(account, author, text=f"{text}-away", hours=-1, **failed)
        Care.objects.create(delivery=away, snoozed_until=NOON + HOUR)
        make_delivery(account, author, text=f"{text}-retry", hours=1, transient_count=1)
        make_delivery(
            account, author, text=f"{text}-look", hours=-1, status="uncertain"
        )
        make_delivery(
            account,
            author,
            text=f"{text}-solved",
            hours=-1,
            **{**OUT, "external_id": text, "attempt_count": 2},
        )
        NativePost.objects.create(
            account=account,
            external_id=text,
            text=f"{text}-native",
            posted_at=NOON - 25 * HOUR,
        )
        draft = Post.objects.create(
            brand=account.brand, author=author, text=f"{text}-draft"
        )
        draft.set_time(NOON.date(), NOON.time(), "UTC")
        draft.save()
        make_queue(account.brand, "17:00", accounts=[account], name=f"{text}-queue")

    def texts(client, name, **asked):
        return set(re.findall(r"\b[AU]-[a-z]+", words(page(client, name, **asked))))

    desk = {
        (("whose", ""),): {"failed", "mine"},
        (("whose", "mine"),): {"mine"},
        (("whose", "nobody"),): {"failed"},
        (("whose", "snoozed"),): {"away"},
        (("tab", "retrying"),): {"retry"},
        (("tab", "checking"),): {"look"},
        (("tab", "solved"),): {"solved"},
    }
    people = [(world.ana, "A"), (olga, "U"), (chief, "AU"), (world.ana, "A")]
    for _turn in range(2):
        for person, brands in people:
            client = sign_in(person)
            for asked, kinds in desk.items():
                # The chief looks after none of them.
                is_none = person is chief and kinds == {"mine"}
                expected = {f"{b}-{kind}" for b in brands for kind in kinds}
                found = texts(client, "failure_desk", **dict(asked))
                assert found == (set() if is_none else expected), (person, asked)
            listed = page(client, "post_list", tab="published")
            assert texts(client, "post_list", tab="published") == {
                f"{b}-solved" for b in brands
            }
            counts = re.findall(r'sh-count--muted">(\d+)<', listed)
            assert [int(n) for n in counts] == [
                len(brands) * n for n in (3, 2, 1, 1, 6, 1)
            ]
            plain = texts(client, "calendar", plain=1)
            everything = cards(client, view="list")
            for kind in ("failed", "native", "draft"):
                expected = {f"{b}-{kind}" for b in brands}
                named = {one["x"] for one in everything}
                assert {text for text in named if kind in text} == expected
            assert {text[0] for text in plain} == set(brands)
            answer = client.get(reverse("calendar_posts"), WEEK)
            queues = {name for _at, name, _url in answer.json()["open"]}
            assert queues == {f"{b}-queue" for b in brands}


# ---------------------------------------------------------------- when


def places(client, first, last, **asked) -> dict[str, str]:
    """By text the hour on the calendar's clock."""
    found = client.get(
        reverse("calendar_posts"),
        {"view": "list", "start": first, "end": last, **asked},
    ).json()
    return {one["x"]: one["s"] for one in found["cards"]}


@pytest.mark.parametrize(
    ("zone", "on", "hours"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Asia/Kathmandu", date(2026, 10, 25), 24),
        ("America/Santiago", date(2026, 9, 6), 23),
    ],
)
def test_a_day_begins_and_ends_on_the_readers_clock_to_the_microsecond(
    world, ana, zone, on, hours
):
    tick = timedelta(microseconds=1)
    with timezone.override(zone):
        start, stop = instants(on, on)
    assert stop - start == hours * HOUR
    times = {
        "before": start - tick,
        "begin": start,
        "just begun": start + tick,
        "half": start + timedelta(seconds=0.5),
        "second": start + timedelta(seconds=1),
        "last": stop - tick,
        "after": stop,
    }
    for text, at in times.items():
        NativePost.objects.create(
            account=world.x, external_id=text, text=text, posted_at=at
        )
        row = make_delivery(world.mastodon, world.ana, text=f"our {text}")
        Delivery.objects.filter(pk=row.pk).update(due_at=at)
    inside = ["begin", "just begun", "half", "second", "last"]
    tomorrow = on + timedelta(days=1)
    found = places(ana, on, tomorrow, zone=zone)
    assert set(found) == {*inside, *(f"our {text}" for text in inside)}
    assert {at[:10] for at in found.values()} == {on.isoformat()}
    # A week of the script's is put into hours, a month of the plain one into days.
    week = ana.get(
        reverse("calendar_posts"),
        {"view": "week", "start": on, "end": tomorrow, "zone": zone},
    ).json()
    first_hour = next(at for text, at in found.items() if text == "begin")[:13]
    assert week["total"] == 10
    assert week["more"] == [[f"{first_hour}:00", 6]]
    panel = words(
        page(ana, "calendar_day", day=on.isoformat(), zone=zone, native="only")
    )
    assert re.findall(r"begin|just begun|half|second|last", panel) == inside


def test_the_plain_calendar_puts_them_on_the_same_days(world, sign_in):
    Profile.objects.create(user=world.ana, time_zone="America/New_York")
    client = sign_in(world.ana)
    # The clocks went back on 1 November at 06:00 UTC.
    for text, at in {
        "saturday": "2026-11-01T03:59:59.999999Z",
        "sunday": "2026-11-01T04:00:00Z",
        "sunday late": "2026-11-02T04:59:59.5Z",
        "monday": "2026-11-02T05:00:00.000001Z",
    }.items():
        NativePost.objects.create(
            account=world.x,
            external_id=text,
            text=text,
            posted_at=datetime.fromisoformat(at),
        )
    said = page(client, "calendar", plain=1, date="2026-11-01")
    days = re.split(r'<td class="pub-day', said)[1:]
    per_day = {
        match[1]: re.findall(r"sunday late|saturday|sunday|monday", cell)
        for cell in days
        if (match := re.search(r'datetime="([^"T]+)T', cell))
    }
    assert per_day == {
        "2026-10-31": ["saturday"],
        "2026-11-01": ["sunday", "sunday late"],
        "2026-11-02": ["monday"],
    }


# ---------------------------------------------------------------- what is kept


def kept() -> list[object]:
    """All that a process remembers of what it has drawn or worded."""
    gc.unfreeze()  # the root conftest.py
    found = [
        one
        for one in gc.get_objects()
        if isinstance(one, functools._lru_cache_wrapper)
        and one.__module__
        and one.__module__.split(".")[0] in {"accounts", "publishing", "socialhub"}
        and one.__module__ != "accounts.zones"
    ]
    gc.freeze()
    assert "publishing.wording" in {one.__module__ for one in found}
    return found


def test_what_is_kept_of_one_reader_is_not_shown_to_another(hostile, world, sign_in):
    """Each in their language and zone, and with what they may press."""
    readers = [
        (world.ana, "en", "UTC"),
        (world.adam, "de", "America/New_York"),
        (world.guest, "de", "UTC"),
        (world.rita, "en", "America/New_York"),
        (make_person("gerd", roles.ADMIN, brand=world.brand), "en", "UTC"),
    ]
    for person, language, zone in readers:
        Profile.objects.create(user=person, time_zone=zone, language=language)
    pages = [
        ("failure_desk", {}),
        ("calendar", {"plain": 1}),
        ("calendar_day", {"day": NOON.date().isoformat()}),
        ("calendar_posts", WEEK),
        ("post_list", {"tab": "all"}),
        ("account_list", {}),
        ("limits", {}),
        ("permissions", {}),
        ("queue_list", {}),
        ("compose", {}),
        ("home", {}),
    ]

    def draw(client, name, asked) -> str:
        text = client.get(reverse(name), asked).content.decode()
        # But for what is new with each answer.
        return re.sub(
            r'csrfmiddlewaretoken" value="[^"]+"|[0-9a-f]{32}|X-CSRF[^}]+', "", text
        )

    clients = [sign_in(person) for person, _language, _zone in readers]
    for name, asked in pages:
        for client in clients:
            draw(client, name, asked)
    caches = kept()
    for name, asked in pages:
        alone = []
        for client in clients:
            for one in caches:
                one.cache_clear()
            alone.append(draw(client, name, asked))
        assert len(set(alone)) > 1
        for client, before in zip(clients, alone, strict=True):
            assert draw(client, name, asked) == before, name


def test_a_new_post_of_the_plain_calendar_begins_on_the_clock_that_is_shown(world, ana):
    asked = {"plain": 1, "zone": "Asia/Tokyo", "brand": world.brand.pk}
    links = re.findall(
        r'class="pub-add" href="([^"]+)"', page(ana, "calendar", **asked)
    )
    assert links
    link = html.unescape(links[0])
    query = parse_qs(urlsplit(link).query)
    assert query["zone"] == ["Asia/Tokyo"]
    assert query["brand"] == [str(world.brand.pk)]
    assert query["date"] == ["2026-11-25"]
    assert 'value="Asia/Tokyo" selected' in ana.get(link).content.decode()
