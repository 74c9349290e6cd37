"""The reliability report: what is counted, the page, the files, and the weekly mail."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader

from accounts import roles
from accounts.models import Brand, Network, Profile
from monitoring import reliability, report_mails, report_pdf
from monitoring.models import ReportMail, WeekFigures
from monitoring.tasks import count_weeks, mail_reports
from publishing.models import Attempt, Delivery, Post

pytestmark = pytest.mark.django_db

#: a Thursday
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Status = Delivery.Status


@pytest.fixture(autouse=True)
def thursday() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def add(brand: Brand, author: Any, make_account: Any) -> Any:
    account = make_account("x")

    def make(
        due_at: datetime = NOW - HOUR, late: timedelta | None = None, **fields: Any
    ) -> Delivery:
        """late: published so long after it was due."""
        if late is not None:
            fields |= {"status": Status.PUBLISHED, "published_at": due_at + late}
            fields |= {"external_id": uuid.uuid4().hex}
        where = fields.pop("account", account)
        post = Post.objects.create(brand=where.brand, author=author, text="Hi")
        return Delivery.objects.create(
            **{
                "post": post,
                "account": where,
                "due_at": due_at,
                "useful_until": due_at + HOUR,
                **fields,
            }
        )

    return make


def trouble(row: Delivery, number: int, at: datetime, cause: str) -> None:
    outcome = {"outcome": "transient", "cause": cause, "closed_at": at}
    Attempt.objects.create(delivery=row, number=number, opened_at=at, **outcome)


def counted(**where: Any) -> WeekFigures:
    count_weeks()
    return WeekFigures.objects.get(**where)


# ---------------------------------------------------------------- counting


def test_a_week_is_counted(add: Any) -> None:
    for seconds in (0, 10, 60, 61, 3600):
        add(late=timedelta(seconds=seconds))
    add(status=Status.FAILED, cause="text_refused")
    add(status=Status.HELD, hold="access")
    add(status=Status.CANCELLED)
    add(NOW + HOUR)  # not due yet
    row = counted()
    assert (row.week, row.due, row.on_time, row.late) == (MONDAY, 7, 3, 2)
    assert (row.failed, row.waiting, row.median_delay_s) == (1, 1, 60)
    assert row.causes == {"text_refused": 1, "hold:access": 1}
    assert (row.repaired, row.median_repair_s) == (0, None)


def test_the_time_to_repair_runs_from_the_first_trouble(add: Any) -> None:
    due = NOW - 5 * HOUR
    for took in (HOUR, 3 * HOUR):
        row = add(due, late=took)
        trouble(row, 1, due, "unreachable")
        trouble(row, 2, due + MINUTE, "timed_out")
    add(due, late=MINUTE)
    found = counted()
    assert (found.repaired, found.median_repair_s) == (2, 2 * 3600)
    assert found.causes == {"timed_out": 2}


def test_one_published_before_its_time_was_not_late(add: Any) -> None:
    add(late=-MINUTE)
    assert (counted().on_time, counted().median_delay_s) == (1, 0)


@pytest.mark.parametrize(
    ("zone", "week"),
    [("UTC", date(2026, 11, 16)), ("Pacific/Auckland", date(2026, 11, 23))],
)
def test_a_week_begins_on_monday_where_the_brand_is(
    add: Any, brand: Brand, zone: str, week: date
) -> None:
    Brand.objects.update(time_zone=zone)
    add(datetime(2026, 11, 22, 12, 30, tzinfo=UTC), late=MINUTE)
    assert counted().week == week


def test_what_is_repaired_later_changes_its_week(add: Any) -> None:
    row = add(NOW - 8 * DAY, status=Status.FAILED, cause="timed_out")
    assert counted().failed == 1
    Delivery.objects.filter(pk=row.pk).update(
        status=Status.PUBLISHED, published_at=NOW, external_id="1", cause=""
    )
    found = counted()
    assert (found.failed, found.late, found.causes) == (0, 1, {})
    Delivery.objects.filter(pk=row.pk).update(status=Status.CANCELLED)
    count_weeks()
    assert not WeekFigures.objects.exists()


def test_the_first_count_goes_back_half_a_year_and_the_next_a_month(add: Any) -> None:
    add(NOW - 100 * DAY, late=MINUTE)
    count_weeks()
    assert WeekFigures.objects.count() == 1
    add(NOW - 100 * DAY, late=MINUTE)
    add(NOW - 20 * DAY, late=MINUTE)
    count_weeks()
    assert [row.due for row in WeekFigures.objects.order_by("week")] == [1, 1]


def test_practice_is_counted_apart(add: Any, make_account: Any) -> None:
    add(late=MINUTE)
    add(late=2 * HOUR, account=make_account("x", "43", network="practice"))
    count_weeks()
    rows = {row.network: row.late for row in WeekFigures.objects.all()}
    assert rows == {"live": 0, "practice": 1}


def test_counting_makes_few_queries(add: Any) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            count_weeks()
        return len(caught)

    add(late=MINUTE)
    count_weeks()
    before = count()
    for number in range(20):
        trouble(add(late=HOUR), 1, NOW, f"cause {number}")
    assert count() == before


# ---------------------------------------------------------------- the report


def weeks_of(*pairs: tuple[int | None, int]) -> list[reliability.Line]:
    return [
        reliability.Line(MONDAY, "b", n, n, 0, 0, 0, value, n, value, {})
        for value, n in pairs
    ]


@pytest.mark.parametrize(
    ("pairs", "middle"),
    [
        ([], None),
        ([(None, 0)], None),
        ([(5, 10)], 5),
        ([(5, 10), (500, 1)], 5),
        ([(5, 1), (500, 10), (None, 90)], 500),
    ],
)
def test_the_median_of_brands_is_weighed_by_posts(pairs: Any, middle: Any) -> None:
    assert reliability._sum(MONDAY, weeks_of(*pairs)).median_delay_s == middle


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_500, "2 h 5 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_spans_are_said_in_words(seconds: int | None, words: str) -> None:
    assert reliability.span_words(seconds) == words


@pytest.fixture
def filled(add: Any, brand: Brand) -> Brand:
    for weeks in (0, 1, 3):
        add(NOW - HOUR - weeks * 7 * DAY, late=MINUTE)
        late = add(NOW - HOUR - weeks * 7 * DAY, late=HOUR)
        trouble(late, 1, late.due_at, "timed_out")
    add(status=Status.FAILED, cause="text_refused")
    count_weeks()
    return brand


@pytest.fixture
def reader(filled: Brand) -> Client:
    return signed_in(person("rita", roles.REVIEWER, filled))


def person(name: str, role: str, *brands: Brand) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", "x")
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    for brand in brands:
        brand.members.add(user)
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


PAGE = "/health/reports/reliability/"


def test_the_page_shows_the_weeks(reader: Client, filled: Brand) -> None:
    page = reader.get(PAGE)
    words = " ".join(page.content.decode().split())
    assert "7 posts were due, 42.9 % went out on time" in words
    assert "The platform did not answer in time (1)" in words
    report = page.context["report"]
    assert [line.due for line in report.weeks[-4:]] == [2, 0, 2, 3]
    assert report.causes[0] == ("The platform did not answer in time", 3)
    titles = [title for _name, title, _chart in page.context["charts"]]
    assert titles == [
        "On time (per cent)",
        "Median delay (seconds)",
        "Trouble by cause",
        "Median time to repair (minutes)",
    ]
    one = reader.get(PAGE, {"brand": filled.pk, "weeks": "4"})
    assert len(one.context["report"].weeks) == 4
    assert f"Reliability: {filled.name}" in one.content.decode()


def test_a_brand_may_be_called_anything(reader: Client, filled: Brand) -> None:
    odd = '<b>{0} & "x"</b>{'
    Brand.objects.filter(pk=filled.pk).update(name=odd)
    page = reader.get(PAGE).content.decode()
    assert odd not in page
    assert (
        '<td data-label="Brand">&lt;b&gt;{0} &amp; &quot;x&quot;&lt;/b&gt;{</td>'
        in page
    )
    rows = page.rpartition("<tbody>")[2].partition("</tbody>")[0]
    assert rows.count("<td ") == 9 * rows.count("<tr>") > 0


def test_a_fresh_installation_says_why_there_is_nothing(brand: Brand) -> None:
    client = signed_in(person("rita", roles.REVIEWER, brand))
    assert "Nothing was due in this time" in client.get(PAGE).content.decode()


@pytest.mark.parametrize("name", ["reliability", "reliability_csv", "reliability_pdf"])
def test_people_see_their_own_brands_alone(filled: Brand, name: str) -> None:
    url = reverse(name)
    other = Brand.objects.create(name="Other")
    sten = signed_in(person("sten", roles.MARKETING, other))
    assert sten.get(url, {"brand": filled.pk}).status_code == 404
    answer = sten.get(url)
    assert answer.status_code == 200
    if name == "reliability_csv":
        assert filled.name not in answer.content.decode()
    nobody = User.objects.create_user("nobody", "n@example.com", "x")
    assert signed_in(nobody).get(url).status_code == 403
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize(
    "query",
    [{"brand": "9" * 40}, {"brand": "x"}, {"weeks": "9" * 40}, {"network": "x"}],
)
def test_odd_addresses_are_no_fault(reader: Client, query: dict[str, str]) -> None:
    assert reader.get(PAGE, query).status_code in (200, 404)


def test_the_page_s_queries_do_not_grow(reader: Client, make_account: Any) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert reader.get(PAGE, {"weeks": "52"}).status_code == 200
        return len(caught)

    before = count()
    rita = User.objects.get(username="rita")
    for number in range(5):
        brand = Brand.objects.create(name=f"Brand {number}")
        brand.members.add(rita)
        for weeks in range(8):
            week = MONDAY - weeks * timedelta(weeks=1)
            WeekFigures.objects.create(
                brand=brand, week=week, network="live", due=1, computed_at=NOW
            )
    assert count() == before <= 20


# ---------------------------------------------------------------- files


def test_the_csv_has_a_line_per_week_and_brand(reader: Client, filled: Brand) -> None:
    Brand.objects.update(name="=1+1")
    answer = reader.get(reverse("reliability_csv"), {"weeks": "4"})
    assert "attachment" in answer["Content-Disposition"]
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["week"] for row in rows] == ["2026-11-23", "2026-11-16", "2026-11-02"]
    assert rows[0]["brand"] == "'=1+1"  # no formula
    assert rows[0]["due"] == "3"
    assert rows[0]["on_time_percent"] == "33.3"
    assert rows[0]["causes"] == "text_refused=1; timed_out=1"


def pdf_text(data: bytes) -> str:
    return " ".join(
        page.extract_text().replace("\n", " ")
        for page in PdfReader(io.BytesIO(data)).pages
    )


def test_the_pdf_can_be_read_with_names_of_every_script(
    reader: Client, filled: Brand
) -> None:
    Brand.objects.update(name="Łódź Пекарня & <Söhne>")
    answer = reader.get(reverse("reliability_pdf"))
    assert answer["Content-Type"] == "application/pdf"
    text = pdf_text(answer.content)
    assert "Reliability of all brands" in text
    assert "Łódź Пекарня & <Söhne>" in text
    assert "7 posts were due" in text
    assert len(answer.content) < 300_000


def test_the_pdf_has_no_empty_boxes_in_place_of_signs(
    reader: Client, filled: Brand
) -> None:
    Brand.objects.update(name="Café 🥐 👍🏽 🇩🇪 東京ベーカリー")
    text = pdf_text(reader.get(reverse("reliability_pdf")).content)
    # What no font here draws is named; what readers have fonts for is left to these.
    assert "Café [croissant] [thumbs up sign] DE 東京ベーカリー" in text


def test_the_pdf_writes_arabic_joined_and_from_right_to_left(
    reader: Client, filled: Brand
) -> None:
    Brand.objects.update(name="مخبز Acme")
    text = pdf_text(reader.get(reverse("reliability_pdf")).content)
    # what is read from right to left is put into the order of reading by the reader
    assert "\ufee3\ufea8\ufe92\ufeb0" in text
    assert "مخبز" not in text  # of single letters


def test_the_german_pdf_breaks_no_word_of_a_heading_and_says_its_language(
    reader: Client, filled: Brand
) -> None:
    Profile.objects.update_or_create(
        user=User.objects.get(username="rita"), defaults={"language": "de"}
    )
    data = reader.get(reverse("reliability_pdf")).content
    text = pdf_text(data)
    for word in ("Verspätet", "Fehlgeschlagen", "Pünktlich"):
        assert f" {word} " in text
    assert "Zuverlässigkeit aller Marken" in text
    assert PdfReader(io.BytesIO(data)).trailer["/Root"]["/Lang"] == "de"


def test_the_pdf_names_a_cause_once_however_many_answers_mean_it(
    reader: Client, filled: Brand
) -> None:
    names = ("one_we_do_not_know", "another_one")
    (words,) = {reliability.cause_words(name) for name in names}
    WeekFigures.objects.update(causes=dict(zip(names, (2, 3), strict=True)))
    text = pdf_text(reader.get(reverse("reliability_pdf")).content)
    assert f"{words} (5)" in text


def test_files_of_the_practice_network_say_so(reader: Client, filled: Brand) -> None:
    WeekFigures.objects.update(network=Network.PRACTICE)
    query = {"network": Network.PRACTICE, "brand": filled.pk}
    answer = reader.get(reverse("reliability_pdf"), query)
    assert "on the practice network" in pdf_text(answer.content)
    assert "reliability-practice-" in answer["Content-Disposition"]
    answer = reader.get(reverse("reliability_pdf"), {"brand": filled.pk})
    assert "practice" not in pdf_text(answer.content) + answer["Content-Disposition"]


def test_the_pdf_sums_up_rare_causes_as_the_page_does(
    reader: Client, filled: Brand
) -> None:
    names = [
        *("timed_out", "text_refused", "text_too_long", "media_type", "scope_missing"),
        *("token_revoked", "daily_limit", "unreachable", "account_gone", "app_gone"),
    ]
    WeekFigures.objects.update(causes={name: 1 for name in names})
    page = reader.get(reverse("reliability"))
    assert "Others" in page.content.decode()
    assert "Others" in pdf_text(reader.get(reverse("reliability_pdf")).content)


def test_a_year_of_many_brands_fits_on_pages(filled: Brand) -> None:
    found = reliability.report([filled], None, 52, "live", MONDAY)
    long = found.lines[0]
    many = reliability.Report(
        None, "live", found.first, found.last, [long] * 400, found.weeks, NOW, False
    )
    pages = PdfReader(io.BytesIO(report_pdf.to_pdf(many))).pages
    assert len(pages) > 5
    empty = reliability.report([], None, 4, "live", MONDAY)
    assert "Nothing was due in this time." in pdf_text(report_pdf.to_pdf(empty))


# ---------------------------------------------------------------- by mail


WISH = {"is_on": "on", "weekday": "0", "at": "08:00", "brand": ""}


def wish(reader: Client, **fields: str) -> ReportMail:
    answer = reader.post(reverse("reliability_mail"), WISH | fields)
    assert answer.status_code == 302, answer.content
    return ReportMail.objects.get()


def test_the_report_comes_by_mail_once_a_week(reader: Client, filled: Brand) -> None:
    row = wish(reader)
    assert row.next_at == datetime(2026, 11, 30, 8, tzinfo=UTC)
    mail_reports()
    assert mail.outbox == []
    with time_machine.travel(row.next_at + MINUTE, tick=False):
        mail_reports()
        mail_reports()
    (message,) = mail.outbox
    assert message.to == ["rita@example.com"]
    assert "Weeks of 7 Sep 2026 to 23 Nov 2026" in message.subject
    assert "7 posts were due" in message.body
    names = [name for name, _data, _mime in message.attachments]
    name = "reliability-2026-09-07-2026-11-23"
    assert names == [f"{name}.pdf", f"{name}.csv"]
    assert message.body.count("/health/reports/reliability/") == 1
    assert message.attachments[0][1][:5] == b"%PDF-"
    row.refresh_from_db()
    assert row.next_at == datetime(2026, 12, 7, 8, tzinfo=UTC)
    assert row.sent_at


def test_the_mail_of_one_brand_leads_to_its_page(reader: Client, filled: Brand) -> None:
    row = wish(reader)
    ReportMail.objects.update(brand=filled)
    with time_machine.travel(row.next_at + MINUTE, tick=False):
        mail_reports()
    (message,) = mail.outbox
    assert f"/health/reports/reliability/?brand={filled.pk}\n" in message.body


def test_a_refused_mail_is_tried_again(reader: Client, monkeypatch: Any) -> None:
    row = wish(reader)
    due = row.next_at
    assert due

    def refuse(self: EmailMessage) -> int:
        raise ConnectionRefusedError

    with time_machine.travel(due, tick=False):
        with monkeypatch.context() as patched:
            patched.setattr(EmailMessage, "send", refuse)
            mail_reports()
        row.refresh_from_db()
        assert row.next_at == due + report_mails.AGAIN_AFTER
    with time_machine.travel(due + HOUR, tick=False):
        mail_reports()
    assert len(mail.outbox) == 1


def test_what_a_dead_worker_took_is_sent_by_another(
    reader: Client, filled: Brand, monkeypatch: Any
) -> None:
    row = wish(reader)
    due = row.next_at
    assert due

    def die(self: EmailMessage) -> int:
        raise SystemExit

    with time_machine.travel(due, tick=False):
        with monkeypatch.context() as patched:
            patched.setattr(EmailMessage, "send", die)
            with pytest.raises(SystemExit):
                mail_reports()
        mail_reports()  # the dead one has it still, by all that is known
    assert mail.outbox == []
    with time_machine.travel(due + HOUR, tick=False):
        mail_reports()
        mail_reports()
    assert len(mail.outbox) == 1


def move(person: Any, zone: str) -> None:
    Profile.objects.update_or_create(user=person, defaults={"time_zone": zone})


@pytest.mark.parametrize(
    ("zone", "hour_utc"),
    [("America/New_York", 13), ("Asia/Tokyo", -1), ("Pacific/Kiritimati", -6)],
)
def test_the_report_follows_its_reader_into_another_zone(
    reader: Client, filled: Brand, zone: str, hour_utc: int
) -> None:
    """At eight on Monday by the clock over there, once that week."""
    row = wish(reader)
    monday = datetime(2026, 11, 30, tzinfo=UTC)
    move(row.user, zone)
    there = monday + hour_utc * HOUR
    with time_machine.travel(there - MINUTE, tick=False):
        mail_reports()
    assert mail.outbox == []
    with time_machine.travel(there + MINUTE, tick=False):
        mail_reports()
    assert len(mail.outbox) == 1
    with time_machine.travel(monday + 6 * DAY - 9 * HOUR, tick=False):
        mail_reports()
    assert len(mail.outbox) == 1
    row.refresh_from_db()
    assert row.next_at == there + 7 * DAY


def test_who_moves_when_it_came_does_not_get_it_twice_that_day(
    reader: Client, filled: Brand
) -> None:
    row = wish(reader)
    with time_machine.travel(row.next_at + MINUTE, tick=False):
        mail_reports()
        move(row.user, "America/New_York")
        mail_reports()
    with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC), tick=False):
        mail_reports()
    assert len(mail.outbox) == 1
    row.refresh_from_db()
    assert row.next_at == datetime(2026, 12, 7, 13, tzinfo=UTC)


def test_who_moves_past_the_hour_gets_it_at_once(reader: Client, filled: Brand) -> None:
    row = wish(reader)
    with time_machine.travel(datetime(2026, 11, 30, 5, tzinfo=UTC), tick=False):
        move(row.user, "Asia/Tokyo")  # where it is two in the afternoon
        mail_reports()
    assert len(mail.outbox) == 1


def test_an_odd_report_holds_up_none_of_the_others(
    reader: Client, filled: Brand, monkeypatch: Any
) -> None:
    odd = wish(reader).user
    ruth = person("ruth", roles.REVIEWER, filled)
    signed_in(ruth).post(reverse("reliability_mail"), WISH)
    send = EmailMessage.send

    def fail(self: EmailMessage) -> int:
        if self.to == [odd.email]:
            raise ValueError("odd")
        return send(self)

    monkeypatch.setattr(EmailMessage, "send", fail)
    with time_machine.travel(NOW + 7 * DAY, tick=False):
        mail_reports()
    assert [message.to for message in mail.outbox] == [["ruth@example.com"]]


@pytest.mark.parametrize("lost", ["role", "brand", "mail", "account"])
def test_nobody_gets_what_they_may_not_see(
    reader: Client, filled: Brand, lost: str
) -> None:
    row = wish(reader, brand=str(filled.pk))
    rita = row.user
    if lost == "role":
        rita.groups.clear()
    elif lost == "brand":
        filled.members.remove(rita)
        Brand.objects.create(name="Other").members.add(rita)
    else:
        fields: dict[str, Any] = {"email": ""} if lost == "mail" else {}
        User.objects.filter(pk=rita.pk).update(**(fields or {"is_active": False}))
    with time_machine.travel(NOW + 7 * DAY, tick=False):
        assert report_mails.send_due(NOW + 7 * DAY) == 0
    assert mail.outbox == []


def test_the_wish_keeps_to_the_clock_on_the_wall() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    row = ReportMail(weekday=6, at=datetime(2026, 1, 1, 8).time())
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the day before winter time
    first = row.after(before, berlin)
    assert first == datetime(2026, 10, 25, 7, tzinfo=UTC)
    assert row.after(first, berlin) == datetime(2026, 11, 1, 7, tzinfo=UTC)
    summer = datetime(2026, 10, 12, 12, tzinfo=UTC)
    assert row.after(summer, berlin) == datetime(2026, 10, 18, 6, tzinfo=UTC)


def test_a_wish_that_cannot_be_is_named_and_kept(reader: Client) -> None:
    answer = reader.post(reverse("reliability_mail"), WISH | {"at": "soon"})
    assert answer.status_code == 422
    assert "Enter a valid time." in answer.content.decode()
    foreign = Brand.objects.create(name="Foreign")
    sent = WISH | {"brand": str(foreign.pk)}
    answer = reader.post(reverse("reliability_mail"), sent)
    assert answer.status_code == 422
    assert not ReportMail.objects.exists()


def test_the_mail_can_be_switched_off(reader: Client) -> None:
    wish(reader)
    reader.post(reverse("reliability_mail"), WISH | {"is_on": ""})
    row = ReportMail.objects.get()
    assert (row.is_on, row.next_at) == (False, None)
    assert report_mails.send_due(NOW + 30 * DAY) == 0
