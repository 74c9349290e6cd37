"""The picture of a link's card: known when the post is taken, and read shortly before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from platforms.base import Draft, MediaRule
from platforms.errors import TransientError
from publishing import ahead, link_facts
from publishing.kept import planned, waiting
from publishing.models import Delivery, LinkFacts, draft_doc
from publishing.tests.test_engine import turn
from tests.scripted_platform import Scripted

URL = "https://acme.example/bread"
JPEG = b"\xff\xd8 a small picture"
NOW = timezone.now


def known(url: str = URL, card: bytes = JPEG, **fields: Any) -> LinkFacts:
    fields = {"title": "Bread", "read_at": NOW(), **link_facts.card_of(card), **fields}
    return LinkFacts.objects.create(key=LinkFacts.key_of(url), url=url, **fields)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, script: Any) -> list[Any]:
    """What the platform was to publish; it has cards whose picture we bring."""
    seen: list[Any] = []
    plan = Scripted.next_step

    def next_step(self: Any, job: Any, client: Any) -> Any:
        seen.append(job)
        return plan(self, job, client)

    monkeypatch.setattr(Scripted, "next_step", next_step)
    rule = MediaRule(("image/jpeg",), 1_000_000)
    monkeypatch.setattr(Scripted, "spec", replace(Scripted.spec, card_picture=rule))
    return seen


def test_a_post_is_sent_with_what_its_page_shows_and_says_nothing_of_it(
    account: Any, make_delivery: Any, jobs: list[Any]
) -> None:
    known()
    row = turn(make_delivery(account, link_url=URL))
    assert row.status == "published"
    (picture,) = {job.draft.link_picture for job in jobs}
    assert picture.sha256 == hashlib.sha256(JPEG).hexdigest()
    with picture.open() as stream:
        assert stream.read() == JPEG
    # Nobody's wording: another picture asks for no new approval and is no other post.
    assert "link_picture" not in row.draft
    assert draft_doc(jobs[0].draft) == row.draft
    assert jobs[0].draft == replace(jobs[0].draft, link_picture=None)


@pytest.mark.parametrize("facts", [None, {"card_sum": ""}, {"url": f"{URL}/other"}])
def test_what_is_not_known_holds_nothing_back(
    account: Any, make_delivery: Any, jobs: list[Any], facts: Any
) -> None:
    if facts is not None:
        known(**facts)
    assert turn(make_delivery(account, link_url=URL)).status == "published"
    assert [job.draft.link_picture for job in jobs] == [None]


def test_the_link_that_is_tagged_has_the_picture_of_its_page(
    account: Any, make_delivery: Any, jobs: list[Any]
) -> None:
    known()
    tags = {"params": {"utm_source": "hub"}, "hosts": []}
    turn(make_delivery(account, link_url=URL, link_tags=tags))
    assert "utm_source=hub" in jobs[0].draft.link_url
    assert jobs[0].draft.link_picture is not None


def test_many_posts_cost_one_query_and_those_without_links_none(
    db: Any, django_assert_num_queries: Any
) -> None:
    urls = [f"{URL}/{n}" for n in range(5)]
    for url in urls:
        known(url)
    with django_assert_num_queries(1):
        assert link_facts.pictures(urls).keys() == set(urls)
    with django_assert_num_queries(0):
        assert link_facts.pictures(["", ""]) == {}


def test_a_picture_is_read_by_what_sends_it_and_not_before(
    db: Any, django_assert_max_num_queries: Any
) -> None:
    """Of a hundred posts that are taken at once, a hundred would be in memory."""
    row = known()
    with django_assert_max_num_queries(1) as asked:
        picture = link_facts.pictures([URL])[URL]
    assert '"card_sum"' in asked[0]["sql"]
    assert '"card",' not in asked[0]["sql"]
    assert picture.size_bytes == len(JPEG)
    with picture.open() as stream:
        assert stream.read() == JPEG
    # The page was read anew meanwhile: what is sent is what was said, or nothing.
    LinkFacts.objects.filter(pk=row.pk).update(**link_facts.card_of(b"another"))
    with pytest.raises(TransientError):
        picture.open()
    LinkFacts.objects.all().delete()
    with pytest.raises(TransientError):
        picture.open()


@pytest.mark.parametrize(
    ("facts", "pictures"),
    [
        (None, 1),  # not read yet: there may be one
        ({"read_at": None, "card": b""}, 1),
        ({"card": JPEG}, 1),
        ({"card": b""}, 0),
        ({"card": b"", "trouble": "gone"}, 0),
    ],
)
def test_a_forecast_counts_the_calls_of_the_picture(
    make_account: Any, make_delivery: Any, facts: Any, pictures: int
) -> None:
    if facts is not None:
        known(**facts)
    make_delivery(make_account("linkedin"), due_in=timedelta(hours=3), link_url=URL)
    make_delivery(make_account("bluesky"), due_in=timedelta(hours=4), link_url=URL)
    make_delivery(make_account("x"), due_in=timedelta(hours=5), link_url=URL)
    plans = planned(waiting(NOW() + timedelta(days=1)))
    linkedin, bluesky, x = (plan.need.draws for plan in plans)
    assert linkedin.get("POST /rest/images:member", 0) == pictures
    # The record itself, and what is uploaded before it.
    assert bluesky["ip"] == 1 + pictures
    assert not [key for key in x if "media" in key]


def test_the_composer_foresees_it_as_well(
    make_account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, seen = make_account("linkedin"), []
    monkeypatch.setattr(
        ahead, "foresee", lambda until, now, besides, post: seen.extend(besides) or {}
    )
    draft = Draft("Look", link_url=URL)
    due_at = NOW() + timedelta(hours=3)
    ahead.of_draft([account], lambda _slug: draft, due_at, due_at, None, NOW())
    assert seen[0].need.draws["POST /rest/images:member"] == 1


def test_cards_that_were_kept_before_have_their_sums(db: Any) -> None:
    row, none = known(), known(f"{URL}/none", b"")
    LinkFacts.objects.update(card_sum="", card_bytes=0)
    import_module("publishing.migrations.0042_sums_of_cards_that_are_there").sum_up(
        apps, None
    )
    row.refresh_from_db()
    none.refresh_from_db()
    assert row.card_sum == hashlib.sha256(JPEG).hexdigest()
    assert (row.card_bytes, none.card_sum) == (len(JPEG), "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(link_facts, "_have_read", found.append)
    return found


def test_pages_are_read_shortly_before_their_post_where_the_picture_is_ours_to_bring(
    make_account: Any, make_delivery: Any, asked: list[int]
) -> None:
    linkedin = make_account("linkedin")
    soon, later = timedelta(minutes=10), timedelta(hours=3)
    make_delivery(linkedin, due_in=soon, link_url=URL)
    make_delivery(linkedin, due_in=soon, link_url=URL)
    make_delivery(linkedin, due_in=soon)
    make_delivery(linkedin, due_in=later, link_url=f"{URL}/later")
    make_delivery(make_account("mastodon"), due_in=soon, link_url=f"{URL}/theirs")
    assert link_facts.ask_ahead(NOW()) == 1
    assert [row.url for row in LinkFacts.objects.all()] == [URL]
    assert asked == [LinkFacts.objects.get().pk]
    # What was read within a day stays as it is.
    LinkFacts.objects.update(read_at=NOW())
    link_facts.ask_ahead(NOW())
    assert len(asked) == 1
    Delivery.objects.update(status="cancelled")
    LinkFacts.objects.all().delete()
    assert link_facts.ask_ahead(NOW()) == 0
