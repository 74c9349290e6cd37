"""Our client and the practice network's Pinterest, over real HTTP: each kind of Pin goes
out, is found again when its answer is lost, and can be counted and deleted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from platforms.base import Draft, MediaFile, Sighting
from platforms.errors import AmbiguousOutcome, Cause, Outcome, PlatformError, Reach
from platforms.pinterest.spec import SPEC
from platforms.practice.server import PracticeServer
from platforms.practice.tests import road as practice
from platforms.practice.tests.road import FILES, Road

Files = Callable[..., MediaFile]
LINK = "https://acme.example/sow?from=hub"


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    with practice.shelf() as address:
        yield address


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    with practice.network("pinterest", tmp_path_factory.mktemp("pins")) as server:
        yield server


@pytest.fixture
def road(network: PracticeServer) -> Iterator[Road]:
    made = Road("pinterest", network)
    yield made
    made.clear()


@pytest.fixture
def pin(road: Road, image: Files, video: Files, shelf: str) -> Callable[..., Draft]:
    _type, film = FILES["/a.mp4"]
    _type, photo = FILES["/a.jpg"]
    files = {
        "image": image(
            public_url=f"{shelf}/a.jpg",
            size_bytes=len(photo),
            width=400,
            height=600,
            open=lambda: BytesIO(photo),
        ),
        "video": video(
            size_bytes=len(film),
            width=240,
            height=360,
            duration_s=4.0,
            open=lambda: BytesIO(film),
        ),
    }

    def make(*kinds: str, **options: Any) -> Draft:
        (board,) = road.client.server_limits()["boards"]
        chosen = {"board": {road.me.external_id: board}, "title": "Sow tomatoes"}
        media = tuple(files[kind] for kind in kinds or ("image",))
        return Draft("How we sow.", LINK, media=media, options={**chosen, **options})

    return make


KINDS: dict[str, tuple[str, ...]] = {
    "image": ("image",),
    "carousel": ("image", "image", "image"),
    "video": ("video",),
}


def set_tier(road: Road, tier: str) -> None:
    with road.server.world.transaction():
        road.twin.set_switch("tier", tier)


@pytest.mark.trap("pinterest", 1)
def test_an_app_in_trial_access_is_found_out_by_its_first_pin(
    road: Road, pin: Callable[..., Draft]
) -> None:
    """All else is well until then, and it is no fault of the account."""
    draft = pin()
    set_tier(road, "trial")
    try:
        assert road.client.prove().identity
        _job, error = road.publish(road.job(draft))
    finally:
        set_tier(road, "standard")
    assert error is not None
    assert (error.outcome, error.reach) == (Outcome.PERMISSION, Reach.APP)
    assert road.posts() == []


@pytest.mark.trap("pinterest", 1)
def test_who_registers_an_app_is_told_of_trial_access() -> None:
    assert "every Pin is refused" in " ".join(SPEC.register_steps)


@pytest.mark.parametrize("mark", [False, True], ids=["", "marked"])
@pytest.mark.parametrize("lost", [False, True], ids=["told", "answer lost"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_out_once_and_is_known_by_its_id(
    road: Road, pin: Callable[..., Draft], kind: str, lost: bool, mark: bool
) -> None:
    draft = pin(*KINDS[kind], mark_link=mark)
    if lost:
        road.spoil("drop_answer")
    job, error = road.publish(road.job(draft))
    (post,) = road.posts()
    remote = job.witness.get("remote")
    if lost:
        assert isinstance(error, AmbiguousOutcome)
        sent = replace(job, first_sent_at=datetime.now(UTC))
        look = road.platform.look(sent, road.client)
        assert look.sighting is Sighting.FOUND
        remote = look.remote
    else:
        assert error is None
    assert remote is not None
    assert (remote.external_id, remote.permalink) == (post["id"], post["url"])
    assert remote.published_at is not None
    there = datetime.now(UTC) + road.client.clock_offset
    assert abs((remote.published_at - there).total_seconds()) < 10
    assert post["text"] == "Sow tomatoes\n\nHow we sow."
    assert post["link"] == (f"{LINK}&pin_ref=aaaaaaaaaaaa" if mark else LINK)
    assert post["media_kinds"] == list(KINDS[kind])
    assert post["alt_texts"] == [draft.media[0].alt_text]


@pytest.mark.parametrize("kind", ["image", "carousel", "cover"])
def test_images_that_cannot_be_fetched_are_sent(
    road: Road, pin: Callable[..., Draft], kind: str
) -> None:
    with road.server.world.transaction():
        road.twin.set_switch("fetch_fails", "1")
    files = {**KINDS, "cover": ("image", "video")}[kind]
    _job, error = road.publish(road.job(pin(*files)))
    assert error is None
    (post,) = road.posts()
    assert post["sent_images"] == files.count("image")


def test_images_that_are_read_while_they_are_sent_arrive_as_they_are(
    road: Road, pin: Callable[..., Draft]
) -> None:
    made = pin("image", "image")
    files = []
    for number, file in enumerate(made.media):
        noise = random.Random(number).randbytes(3 * 700 * 500)
        out = BytesIO()
        Image.frombytes("RGB", (700, 500), noise).save(out, "PNG")
        data = out.getvalue()
        facts = {"width": 700, "height": 500, "mime_type": "image/png"}
        sent = replace(file, public_url="", size_bytes=len(data), **facts)
        files.append(replace(sent, open=lambda data=data: BytesIO(data)))
    road.post(replace(made, media=tuple(files)))
    (post,) = road.posts()
    sums = []
    for file in files:
        with file.open() as stream:
            sums.append(hashlib.sha256(stream.read()).hexdigest())
    assert post["media_sha256"] == sums


def test_words_of_a_carousel_arrive_with_their_images(
    road: Road, pin: Callable[..., Draft]
) -> None:
    words = {"item_titles": ["A", "", "C"], "item_links": [LINK], "cover_photo": "1"}
    road.post(pin(*KINDS["carousel"], **words))
    (post,) = road.posts()
    assert post["choices"]["item_titles"] == ["A", "", "C"]
    assert post["choices"]["item_links"] == [LINK, "", ""]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_applied_is_found_absent_and_sent_again(
    road: Road, pin: Callable[..., Draft], kind: str
) -> None:
    road.spoil("cut")
    job, error = road.publish(road.job(pin(*KINDS[kind])))
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    assert road.platform.look(sent, road.client).sighting is Sighting.ABSENT
    _job, error = road.publish(job)
    assert error is None
    assert len(road.posts()) == 1


def test_a_board_that_is_gone_wants_another(
    road: Road, pin: Callable[..., Draft]
) -> None:
    _job, error = road.publish(road.job(pin(board="549755999999")))
    assert error is not None
    assert (error.outcome, error.cause) == (Outcome.NOT_FOUND, Cause.OPTION_UNKNOWN)


def test_a_pin_is_counted_and_deleted(road: Road, pin: Callable[..., Draft]) -> None:
    number = road.post(pin())
    assert all(value >= 0 for value in road.client.figures(number).values.values())
    road.client.delete_post(number)
    road.client.delete_post(number)
    with pytest.raises(PlatformError) as caught:
        road.client.figures(number)
    assert caught.value.outcome is Outcome.NOT_FOUND


def test_the_access_is_proven_and_renewed_with_the_new_token_only(road: Road) -> None:
    proof = road.client.prove()
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.identity is not None
    assert proof.identity.external_id == road.me.external_id
    assert proof.identity.url == road.me.url
    tokens = road.client.refresh()
    assert tokens.refresh_token not in ("", road.access.refresh_token)
    assert set(tokens.scopes) == set(road.access.scopes)
    renewed = replace(
        road.access, token=tokens.access_token, refresh_token=tokens.refresh_token
    )
    fresh = road.platform.client(road.environment, renewed)
    assert fresh.identities()[0].external_id == road.me.external_id
    assert fresh.refresh().access_token != tokens.access_token


def test_a_new_board_and_its_section_take_a_pin(
    road: Road, pin: Callable[..., Draft]
) -> None:
    name, draft = "Herbs and seeds", pin()
    board, words = road.client.make_choice("board", name)
    assert words == name
    with pytest.raises(PlatformError) as caught:
        road.client.make_choice("board", name.upper())
    assert caught.value.outcome is Outcome.DUPLICATE
    place, words = road.client.make_choice("board", "Basil", below=board)
    assert words == "Basil"
    with pytest.raises(PlatformError) as caught:
        road.client.make_choice("board", "Basil", below=board)
    assert caught.value.outcome is Outcome.DUPLICATE
    section = place.rpartition("/")[2]
    assert road.client.server_limits()["boards"][place] == f"{name} › Basil"
    place = {road.me.external_id: place}
    job, error = road.publish(road.job(replace(draft, options={"board": place})))
    assert error is None
    number = job.witness["remote"].external_id
    row = road.client.api("GET /pins/:id", f"pins/{number}").data()
    assert (row["board_id"], row["board_section_id"]) == (board, section)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    assert road.platform.look(sent, road.client).sighting is Sighting.FOUND
