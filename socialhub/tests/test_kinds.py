"""The platforms drill must see what is offered and what is wrong, or its zeros mean
nothing."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest

from platforms import registry
from platforms.kinds import kinds_of
from platforms.quotes import QUOTE
from publishing.models import Delivery, MediaAsset
from socialhub.drills import kinds_record
from socialhub.drills.kinds import NO_PLACES, SORTS
from socialhub.drills.kinds_breaks import (
    COMMIT,
    CUT,
    KILLED,
    SLOW_S,
    Break,
    Breaker,
    Chooser,
    Step,
)
from socialhub.drills.kinds_ways import SAMPLES, Way

Status = Delivery.Status
UPLOAD, POST = Step("POST /media", False), Step("POST /posts", True)


# ---------------------------------------------------------------- what there is


def test_kinds_are_what_the_spec_has_rules_for():
    assert list(kinds_of(registry.spec("mastodon"))) == [
        "text",
        "link",
        "poll",
        "image",
        "images",
        "gif",
        "video",
        "audio",
        "image+video",
        "image+audio",
    ]
    youtube = kinds_of(registry.spec("youtube"))
    assert list(youtube) == ["video", "image+video"]
    assert "document" in kinds_of(registry.spec("linkedin"))


def test_the_sorts_of_account_are_those_of_the_specs():
    made = {by.get("kind") for by in SORTS["linkedin"]}
    assert made == set(registry.spec("linkedin").account_kinds)
    made = {by["network"] for by in SORTS["outstand"]}
    kinds = {("outstand", kind) for kind in registry.spec("outstand").account_kinds}
    assert made == {kind for _, kind in kinds - NO_PLACES}


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_every_text_to_choose_has_a_sample(slug):
    for option in registry.spec(slug).options:
        if option.kind in ("text", "list", "date"):
            # What is quoted the drill makes itself.
            assert option.key in {*SAMPLES, QUOTE}


# ---------------------------------------------------------------- where it breaks


def test_each_call_of_a_flow_is_met_in_both_manners():
    chosen = Chooser().breaks_of("x", [UPLOAD, POST], least=0)
    assert Counter((how, step.call) for how, step in chosen) == Counter(
        {
            (KILLED, UPLOAD.call): 1,
            (CUT, UPLOAD.call): 1,
            (KILLED, POST.call): 1,
            (CUT, POST.call): 1,
        }
    )


def test_a_flow_whose_calls_were_met_is_broken_once_in_each_manner():
    chooser = Chooser()
    chooser.breaks_of("x", [UPLOAD, POST], least=0)
    assert [how for how, _ in chooser.breaks_of("x", [UPLOAD, POST], 0)] == [
        KILLED,
        CUT,
    ]
    assert len(chooser.breaks_of("x", [UPLOAD, POST], least=5)) == 5


def test_what_the_audience_sees_is_never_applied_after_its_sender_died():
    chooser = Chooser()
    faults = set()
    for _ in range(4):
        chooser.breaks_of("x", [POST], least=0)
        faults.add(chooser.fault("x", KILLED, POST))
    assert faults == {"slow_answer"}


def test_a_break_that_its_call_does_not_meet_comes_at_the_commit(make_break):
    rules = make_break(KILLED, UPLOAD.call, "latency").rules()
    assert {call: rule["kind"] for call, rule in rules.items()} == {
        UPLOAD.call: "latency",
        COMMIT: "slow_answer",
    }
    assert all(rule["seconds"] == SLOW_S for rule in rules.values())
    rules = make_break(CUT, UPLOAD.call, "cut").rules()
    assert rules[COMMIT]["kind"] == "drop_answer"


def test_what_was_not_broken_is_tried_again_once_for_each_call_and_kind(make_break):
    image, link = Way("x", "image", None), Way("x", "link", None)
    ways = {1: image, 2: image, 3: image, 4: image, 5: link, 6: image}
    breaks = {
        1: make_break(KILLED, UPLOAD.call, "latency", met=UPLOAD.call, died=True),
        2: make_break(CUT, UPLOAD.call, "cut", delivery=2),
        3: make_break(CUT, UPLOAD.call, "cut", delivery=3),
        4: make_break(KILLED, UPLOAD.call, "latency", delivery=4),
        5: make_break(KILLED, UPLOAD.call, "latency", delivery=5, met=UPLOAD.call),
        6: make_break(CUT, POST.call, "cut", delivery=6, met=COMMIT),
    }
    # 4 is met in 1, and 5 was not: its pump lived on.
    assert kinds_record.missed(ways, breaks) == [2, 5, 6]


@pytest.fixture
def make_break():
    from django.utils import timezone

    def make(how: str, call: str, fault: str, delivery: int = 1, **more: Any) -> Break:
        return Break(how, delivery, "x", "42", timezone.now(), call, fault, **more)

    return make


# ---------------------------------------------------------------- what came of it


class Network:
    def __init__(self) -> None:
        self.live: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.said: list[dict[str, Any]] = []

    def remove_fault(self, id: str) -> None:
        self.removed.append(id)

    def posts(self, platform: str) -> list[dict[str, Any]]:
        return self.live

    def comments(self, platform: str) -> list[dict[str, Any]]:
        return self.said


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def asset():
    return MediaAsset(name="a.jpg", kind="image", sha256="a" * 64)


@pytest.fixture
def row(make_delivery, make_account):
    delivery = make_delivery(make_account("mastodon", "kinds"))
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Status.PUBLISHED,
        external_id="7",
        permalink="https://example.com/7",
        next_attempt_at=None,
    )
    delivery.refresh_from_db()
    return delivery


@pytest.fixture
def judge(network, row, asset):
    def look(**changes: Any) -> kinds_record.Verdict:
        network.live = [
            {
                "id": "7",
                "account": row.account.external_id,
                "text": row.post.text,
                "url": "https://example.com/7",
                "media": 1,
                "media_kinds": ["image"],
                "media_sha256": [asset.sha256],
                "link": "",
                **changes,
            }
        ]
        return again()

    def again(comment: str = "") -> kinds_record.Verdict:
        way = Way("mastodon", "image", None, ("image0",), comment=comment)
        return kinds_record.judge(network, {row.pk: way}, {"image0": asset})

    look.again = again
    return look


@pytest.mark.django_db
def test_whom_a_breaker_holds_goes_whole(make_break, network, row):
    """Else each of its trials would be broken, and it would never close."""
    breaker = Breaker(network, [])
    armed, waiting = (make_break(CUT, POST.call, "cut", row.pk) for _ in range(2))
    breaker.armed, breaker.waiting = [(armed, {POST.call: "f1"})], deque([waiting])
    breaker._spare()
    assert (len(breaker.armed), len(breaker.waiting)) == (1, 1)
    Delivery.objects.filter(pk=row.pk).update(status=Status.HELD, hold="platform")
    breaker._spare()
    assert (breaker.armed, breaker.waiting) == ([], deque())
    assert network.removed == ["f1"]


@pytest.mark.django_db
def test_what_stands_there_once_as_it_was_made_is_published(judge, row):
    verdict = judge()
    assert (verdict.published, verdict.wrong) == ({row.pk}, {})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"id": "8", "url": "https://example.com/8"},
        {"media": 0, "media_sha256": [], "media_kinds": []},
        {"media_sha256": ["b" * 64]},
        {"text": "something else"},
        {"account": "somebody else"},
    ],
)
def test_what_stands_there_otherwise_is_lost(judge, row, changes):
    verdict = judge(**changes)
    assert verdict.lost == {row.pk}


@pytest.mark.django_db
def test_a_second_post_on_the_account_is_doubled(judge, network):
    judge()
    network.live *= 2
    assert judge.again().doubled == 1


@pytest.mark.django_db
def test_what_came_to_no_end_has_failed(judge, row):
    Delivery.objects.update(status=Status.HELD, hold="limit")
    verdict = judge()
    assert verdict.failed == {row.pk}
    assert verdict.published == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "published", "lost", "doubled"),
    [
        (["Hi"], 1, 0, 0),
        ([], 0, 1, 0),
        (["Something else"], 0, 1, 0),
        (["Hi", "Hi"], 1, 0, 1),
    ],
)
def test_a_first_comment_stands_once_below_its_post(
    judge, network, row, said, published, lost, doubled
):
    judge()
    mine, other = row.account.external_id, "somebody else"
    network.said = [{"account": mine, "text": text} for text in said]
    network.said.append({"account": other, "text": "Hi"})
    verdict = judge.again(comment="Hi")
    found = len(verdict.published), len(verdict.lost), verdict.doubled
    assert found == (published, lost, doubled)
