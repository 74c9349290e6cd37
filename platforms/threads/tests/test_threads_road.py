"""Our client and the practice network's Threads, over real HTTP: each kind of post goes
out, is found again when its answer is lost, and can be counted, answered and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from platforms.base import Draft, Figure, MediaFile, Sighting
from platforms.errors import AmbiguousOutcome, Outcome, PlatformError
from platforms.practice.server import PracticeServer
from platforms.practice.tests import road as practice
from platforms.practice.tests.road import Road
from platforms.threads.client import ThreadsClient

Files = Callable[..., MediaFile]


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    with practice.shelf() as address:
        yield address


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    with practice.network("threads", tmp_path_factory.mktemp("threads")) as server:
        yield server


@pytest.fixture
def road(network: PracticeServer) -> Iterator[Road]:
    made = Road("threads", network)
    yield made
    made.clear()


KINDS: dict[str, tuple[str, ...]] = {
    "text": (),
    "link": (),
    "image": ("image",),
    "video": ("video",),
    "carousel": ("image", "video", "image"),
}


@pytest.mark.parametrize("lost", [False, True], ids=["told", "answer lost"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_out_once_and_is_known_by_its_id(
    road: Road, image: Files, video: Files, shelf: str, kind: str, lost: bool
) -> None:
    files = {
        "image": image(public_url=f"{shelf}/a.jpg"),
        "video": video(public_url=f"{shelf}/a.mp4"),
    }
    draft = Draft(
        "Bread 🙂 is out",
        "https://acme.example/bread" if kind == "link" else "",
        media=tuple(files[name] for name in KINDS[kind]),
        options={"topic_tag": "#Bread", "reply_control": "mentioned_only"},
    )
    if lost:
        road.spoil("drop_answer")
    job, error = road.publish(road.job(draft))
    if lost:
        assert isinstance(error, AmbiguousOutcome)
        sent = replace(job, first_sent_at=datetime.now(UTC))
        look = road.platform.look(sent, road.client)
        assert look.sighting is Sighting.FOUND
        # The same road for a process that ended before it could look.
        left = {k: v for k, v in sent.witness.items() if k != "ready:container"}
        job, error = road.publish(replace(sent, witness=left))
        assert job.witness["remote"] == look.remote
    assert error is None
    (post,) = road.posts()
    remote = job.witness["remote"]
    assert (remote.external_id, remote.permalink) == (post["id"], post["url"])
    assert (post["text"], post["link"]) == (draft.text, draft.link_url)
    assert post["media_kinds"] == list(KINDS[kind])
    assert post["alt_texts"] == [file.alt_text for file in draft.media]


def test_what_was_not_applied_is_found_absent_and_sent_again(road: Road) -> None:
    road.spoil("cut")
    job, error = road.publish(road.job(Draft("Hello")))
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    assert road.platform.look(sent, road.client).sighting is Sighting.ABSENT
    _job, error = road.publish(job)
    assert error is None
    assert len(road.posts()) == 1


def test_a_post_is_counted_answered_and_deleted(road: Road) -> None:
    number = road.post(Draft("Hello"))
    answer = road.client.reply(number, "And good morning")
    below = road.client.reply(answer, "To you too")
    figures = road.client.figures(number).values
    assert figures[Figure.COMMENTS] >= 1
    assert {Figure.IMPRESSIONS, Figure.LIKES, Figure.SHARES} <= set(figures)
    found = {one.external_id: one for one in road.client.comments(number).comments}
    assert found[answer].text == "And good morning"
    assert (found[answer].parent_id, found[below].parent_id) == ("", answer)
    assert found[answer].author == road.me.handle
    assert found[answer].published_at is not None
    road.client.delete_post(number)
    road.client.delete_post(number)
    with pytest.raises(PlatformError) as caught:
        road.client.figures(number)
    assert caught.value.outcome is Outcome.NOT_FOUND


def test_the_access_is_proven_and_its_quota_told(road: Road) -> None:
    client = cast(ThreadsClient, road.client)
    before = client.quotas(client.access.scopes)["posts"][0]
    road.post(Draft("Hello"))
    proof = client.prove()
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.identity is not None
    assert proof.identity.external_id == road.me.external_id
    assert proof.identity.url == road.me.url
    assert proof.scopes is not None
    assert set(client.access.scopes) == set(proof.scopes)
    assert client.quotas(proof.scopes)["posts"] == (before + 1, 250)
