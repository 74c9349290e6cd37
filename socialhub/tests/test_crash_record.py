"""The crash drill's judge must see what is wrong, or its zeros mean nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from publishing.models import Delivery, Variant
from socialhub.drills import crash_record
from socialhub.drills.crash_record import Verdict

pytestmark = pytest.mark.django_db

Status = Delivery.Status


class Network:
    """Answers as the practice network does, with these posts."""

    def __init__(self) -> None:
        self.live: list[dict[str, Any]] = []
        self.below: list[dict[str, Any]] = []

    def posts(self, platform: str) -> list[dict[str, Any]]:
        return self.live

    def comments(self, platform: str) -> list[dict[str, Any]]:
        return self.below

    def record(self, platform: str = "", account: str = "") -> list[dict[str, Any]]:
        return [
            {
                "commit": True,
                "arrived_at": "12:00",
                "call": "POST /posts",
                "status": 200,
                "applied": True,
                "fault": "drop_answer",
            }
        ]

    def show(self, row: Delivery, **changes: Any) -> None:
        self.live.append(
            {
                "id": f"remote-{row.pk}",
                "account": row.account.external_id,
                "text": row.post.text,
                "media": 0,
                **changes,
            }
        )


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def judge(network):
    def look(unreadable: set[int] = frozenset()) -> Verdict:
        return crash_record.judge(network, ["x"], unreadable, timezone.now())

    return look


@pytest.fixture
def row(make_account, make_delivery):
    return make_delivery(make_account("x"))


def say(row: Delivery, status: str, **more: Any) -> None:
    if status == Status.PUBLISHED:
        more.setdefault("external_id", f"remote-{row.pk}")
    if status in Delivery.ENDED:
        more.setdefault("next_attempt_at", None)
    Delivery.objects.filter(pk=row.pk).update(status=status, **more)


def test_one_post_live_and_published_is_as_it_should_be(row, network, judge):
    say(row, Status.PUBLISHED)
    network.show(row)
    assert judge() == Verdict(published=1)


def test_each_post_too_many_is_counted(row, network, judge):
    say(row, Status.PUBLISHED)
    for number in range(3):
        network.show(row, id=f"remote-{row.pk}" if number == 0 else f"other{number}")
    found = judge()
    assert (found.doubled, found.lost) == (2, 0)


def test_a_post_on_another_account_is_one_too_many(row, network, judge):
    say(row, Status.PUBLISHED)
    network.show(row)
    network.show(row, account="somebody else")
    assert judge().doubled == 1


def test_a_post_that_no_delivery_owns_is_one_too_many(row, network, judge):
    say(row, Status.PUBLISHED)
    network.show(row)
    network.show(row, text="nobody wrote this")
    assert judge().doubled == 1


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PUBLISHING])
def test_what_comes_to_no_end_is_lost(row, judge, status):
    say(row, status, next_attempt_at=timezone.now())
    assert judge().lost == 1


def test_what_is_to_go_later_waits_unless_it_is_live(row, network, judge):
    say(row, Status.SCHEDULED, next_attempt_at=timezone.now() + timedelta(minutes=5))
    found = judge()
    assert (found.waiting, found.lost) == (1, 0)
    network.show(row)
    assert judge().lost == 1


def test_published_without_a_post_is_lost(row, judge):
    say(row, Status.PUBLISHED)
    assert judge().lost == 1


def test_published_with_the_address_of_another_post_is_lost(row, network, judge):
    say(row, Status.PUBLISHED, external_id="another")
    network.show(row)
    assert judge().lost == 1


def test_a_post_without_its_picture_is_lost(row, network, judge):
    say(row, Status.PUBLISHED)
    network.show(row, media=1)
    assert judge().lost == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.HELD, Status.CANCELLED])
def test_a_live_post_whose_row_says_otherwise_is_lost(row, network, judge, status):
    say(row, status)
    assert judge().lost == 0
    network.show(row)
    assert judge().lost == 1


def test_doubt_counts_where_the_account_can_be_read(row, judge):
    say(row, Status.UNCERTAIN, next_attempt_at=None)
    found = judge()
    assert (found.uncertain_left, found.person_decides) == (1, 0)
    found = judge({row.account_id})
    assert (found.uncertain_left, found.person_decides, found.lost) == (0, 1, 0)


def test_doubt_waits_while_the_network_refuses_to_be_asked(row, judge):
    later = timezone.now() + timedelta(hours=1)
    say(row, Status.UNCERTAIN, next_attempt_at=later)
    assert judge().uncertain_left == 1
    row.attempts.create(number=1, outcome="rate_limited")
    found = judge()
    assert (found.uncertain_left, found.waiting) == (0, 1)
    say(row, Status.UNCERTAIN, next_attempt_at=timezone.now())
    assert judge().uncertain_left == 1


def test_the_story_of_a_wrong_delivery_is_told(row, network, judge, capsys):
    say(row, Status.PUBLISHED)
    crash_record.tell(judge(), network)
    told = capsys.readouterr().err
    assert f"delivery {row.pk}" in told
    assert "drop_answer" in told


# ---------------------------------------------------------------- parts


@pytest.fixture
def thread(row) -> Delivery:
    """Of three parts, of which two are out as our row has it."""
    Variant.objects.create(
        post=row.post, platform="x", has_text=False, parts=["second", "third"]
    )
    return row


@pytest.fixture
def commented(make_account, make_delivery) -> Delivery:
    row = make_delivery(make_account("facebook", "42"), "With a comment")
    Variant.objects.create(
        post=row.post, platform="facebook", has_text=False, first_comment="below"
    )
    return row


def out(row: Delivery, *ids: str) -> dict[str, Any]:
    parts = [{"id": id, "link": "", "at": "", "extra": {}} for id in ids]
    return {"witness": {"parts_out": parts}, "external_id": ids[0] if ids else ""}


def show_thread(row: Delivery, network: Network, count: int = 3) -> None:
    texts = [row.post.text, "second", "third"][:count]
    for number, text in enumerate(texts, 1):
        above = str(number - 1) if number > 1 else ""
        network.show(row, id=str(number), text=text, reply_to=above)


def test_a_thread_that_is_out_part_by_part_is_as_it_should_be(thread, network, judge):
    say(thread, Status.PUBLISHED, **out(thread, "1", "2", "3"))
    show_thread(thread, network)
    assert judge() == Verdict(published=1, parts=2, parts_live=2)


def test_a_part_that_is_live_twice_is_one_too_many(thread, network, judge):
    say(thread, Status.PUBLISHED, **out(thread, "1", "2", "3"))
    show_thread(thread, network)
    network.show(thread, id="4", text="second", reply_to="1")
    found = judge()
    assert (found.doubled, found.lost, found.misplaced) == (1, 0, 0)


def test_a_part_that_is_missing_is_lost(thread, network, judge):
    say(thread, Status.PUBLISHED, **out(thread, "1", "2", "3"))
    show_thread(thread, network, 2)
    assert judge().lost == 1
    say(thread, Status.PUBLISHED, **out(thread, "1", "2"))
    assert judge().lost == 1, "published is said of the whole"


def test_a_part_that_follows_another_one_is_misplaced(thread, network, judge):
    say(thread, Status.PUBLISHED, **out(thread, "1", "2", "3"))
    show_thread(thread, network, 2)
    network.show(thread, id="3", text="third", reply_to="1")
    assert judge().misplaced == 1


def test_what_follows_the_parts_that_are_out_is_for_the_state_to_say(
    thread, network, judge
):
    say(thread, Status.FAILED, **out(thread, "1"))
    show_thread(thread, network, 1)
    assert judge() == Verdict(refused=1, parts=2)
    network.show(thread, id="2", text="second", reply_to="1")
    assert judge().lost == 1


def test_a_first_comment_stands_once_below_its_post(commented, network):
    def judge() -> Verdict:
        return crash_record.judge(network, ["facebook"], set(), timezone.now())

    say(commented, Status.PUBLISHED, **out(commented, "p", "c"))
    network.show(commented, id="p")
    assert judge().lost == 1
    comment = {"id": "c", "account": "42", "post": "p", "text": "below"}
    network.below.append(comment)
    assert judge() == Verdict(published=1, parts=1, parts_live=1)
    network.below.append({**comment, "id": "d"})
    assert judge().doubled == 1
