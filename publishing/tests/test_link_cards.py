"""The picture of a link's card: known when the post is taken, and read shortly before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from platforms.base import MediaRule
from publishing import link_facts
from publishing.models import Delivery, LinkFacts, draft_doc
from publishing.tests.test_engine import turn
from tests.scripted_platform import Scripted

URL = "https://acme.example/bread"
JPEG = b"\xff\xd8 a small picture"
NOW = timezone.now


def known(url: str = URL, card: bytes = JPEG, **fields: Any) -> LinkFacts:
    fields = {"title": "Bread", "read_at": NOW(), **fields}
    return LinkFacts.objects.create(
        key=LinkFacts.key_of(url), url=url, card=card, **fields
    )


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


@pytest.mark.parametrize("facts", [None, {"card": b""}, {"url": f"{URL}/other"}])
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
