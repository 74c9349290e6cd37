"""Client and practice network, each written from the documentation, over real HTTP."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from platforms import registry
from platforms.base import (
    Access,
    Draft,
    Figure,
    Identity,
    MediaFile,
    PublishJob,
    RemotePost,
    Sighting,
    StepKind,
)
from platforms.errors import (
    AmbiguousOutcome,
    Cause,
    InvalidContent,
    PlatformError,
    TransientError,
)
from platforms.practice.server import TWINS, PracticeServer, start_practice
from platforms.practice.tests.made_video import video as made_video
from platforms.snapchat.client import SnapchatClient
from platforms.snapchat.publish import Snapchat
from platforms.snapchat.spec import PART_BYTES

from .conftest import draft, image, video

HOUR = 3600


@cache
def long_clip() -> bytes:
    """A spotlight whose file fills three parts: free space counts as well."""
    clip = made_video(90, size=(540, 960), rate=15)
    free = 2 * PART_BYTES + 5 - len(clip)
    return clip + struct.pack(">I4s", free, b"free") + bytes(free - 8)


@cache
def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", (108, 192), "teal").save(out, "JPEG")
    return out.getvalue()


def three_parts() -> MediaFile:
    data = long_clip()
    return video(
        len(data), open=lambda: BytesIO(data), duration_s=6.0, width=540, height=960
    )


def picture() -> MediaFile:
    return image(size_bytes=len(jpeg()), open=lambda: BytesIO(jpeg()))


class Road:
    """A profile at the practice network, its client, and the panel."""

    def __init__(self, server: PracticeServer) -> None:
        self.server, self.snapchat = server, Snapchat()
        with server.world.transaction():
            twin = server.twins["snapchat"]
            twin.seed()
            made = twin.add_account("cakes", "Cakes")
            client_id, secret = twin.app_credentials()
        self.access = Access(
            token=made["access_token"],
            refresh_token=made["refresh_token"],
            external_id=made["external_id"],
            kind=made["kind"],
            handle=made["handle"],
            scopes=tuple(made["scopes"]),
        )
        self.environment = registry.environment(
            "snapchat",
            practice_url=server.url,
            client_id=client_id,
            client_secret=secret,
        )
        self.me = Identity(made["external_id"], "profile", "Cakes", "cakes", "")

    def client(self) -> SnapchatClient:
        """A new one for each step, as after a kill."""
        return SnapchatClient(self.environment, self.access)

    def panel(self, path: str, **body: Any) -> None:
        url = f"{self.server.url}/api/{path}"
        sent = requests.post(url, json=body, headers={"X-Practice": "1"}, timeout=10)
        assert sent.ok, sent.text

    def switch(self, name: str, value: str) -> None:
        self.panel("switches", platform="snapchat", name=name, value=value)

    def lose(self, kind: str) -> None:
        self.panel("faults", platform="snapchat", kind=kind, call="commit", times=1)

    def pass_time(self, seconds: float) -> None:
        self.panel("clock", shift_s=self.server.world.shift_s + seconds)

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            return self.server.twins["snapchat"].posts()

    def job(self, draft: Draft) -> PublishJob:
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def go(
        self, job: PublishJob, lost: Callable[[str], bool] = lambda name: False
    ) -> RemotePost:
        """As the engine goes: steps, waits, looks after a lost commit.

        lost: whether the process ends after a step, before its result is stored.
        """
        for _ in range(60):
            client = self.client()
            step = self.snapchat.next_step(job, client)
            try:
                result = step.run()
            except AmbiguousOutcome:
                result = None
            except TransientError as error:
                gone = error.extra.get("forget", "").split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                job = replace(job, witness=left)
                self.pass_time(error.retry_after or 5)
                continue
            if result and lost(step.name):
                if step.kind is not StepKind.COMMIT:
                    continue
                result = None
            if result is None:
                job = replace(job, first_sent_at=datetime.now(UTC))
                look = self.snapchat.look(job, client)
                if look.sighting is Sighting.FOUND:
                    assert look.remote
                    return look.remote
                assert look.sighting is Sighting.ABSENT, look
                continue
            if result.remote:
                return result.remote
            witness = json.loads(json.dumps({**job.witness, **result.witness}))
            job = replace(job, witness=witness)
            if result.wait_s:
                self.pass_time(result.wait_s)
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder = tmp_path_factory.mktemp("practice")
    started = start_practice(folder, twins={"snapchat": TWINS["snapchat"]})
    yield started
    started.stop()


@pytest.fixture
def road(server: PracticeServer) -> Road:
    url = f"{server.url}/api/reset"
    requests.post(url, json={}, headers={"X-Practice": "1"}, timeout=10)
    made = Road(server)
    # Steps follow each other here without the time that they take.
    made.switch("token_calls", "1000")
    made.switch("app_calls", "1000")
    return made


@pytest.mark.parametrize(
    "ends",
    [
        ("announce",),
        ("upload:1", "upload:2", "upload:3"),
        ("finish",),
        ("post",),
        ("state",),
    ],
)
def test_a_spotlight_in_parts_is_out_once_wherever_the_process_ends(
    road: Road, ends: tuple[str, ...]
) -> None:
    left = set(ends)

    def lost(name: str) -> bool:
        is_now = name in left
        left.discard(name)
        return is_now

    remote = road.go(road.job(draft(three_parts(), place="spotlights")), lost)
    road.pass_time(120)
    (post,) = road.posts()
    assert not left
    assert remote.external_id == f"spotlights/{post['id']}"
    assert post["text"] == "Sow now #plants"
    # What was encrypted part by part is the file again.
    assert post["media_sha256"] == [hashlib.sha256(long_clip()).hexdigest()]
    assert requests.get(remote.permalink, timeout=10).ok


@pytest.mark.parametrize("switch", ["part_again", "finalize_again"])
def test_what_is_told_twice_may_be_refused(road: Road, switch: str) -> None:
    road.switch(switch, "refused")
    left = {"upload:2", "finish"}

    def lost(name: str) -> bool:
        is_now = name in left
        left.discard(name)
        return is_now

    road.go(road.job(draft(three_parts())), lost)
    assert len(road.posts()) == 1


@pytest.mark.parametrize("status", ["200", "400"])
def test_a_video_that_is_transcoded_for_long_is_posted_in_the_end(
    road: Road, status: str
) -> None:
    road.switch("logical_status", status)
    road.switch("processing_s", "60")
    road.go(road.job(draft(three_parts())))
    assert len(road.posts()) == 1


@pytest.mark.parametrize("place", ["stories", "saved_stories"])
def test_an_image_is_posted_and_has_no_link(road: Road, place: str) -> None:
    remote = road.go(road.job(draft(picture(), place=place)))
    (post,) = road.posts()
    assert remote.permalink == ""
    assert post["media_sha256"] == [hashlib.sha256(jpeg()).hexdigest()]
    if place == "saved_stories":
        assert remote.external_id == f"saved_stories/{post['id']}"
        assert Figure.VIEWS in road.client().figures(remote.external_id).values
        road.client().delete_post(remote.external_id)
        road.client().delete_post(remote.external_id)
        assert road.posts() == []


@pytest.mark.parametrize("kind", ["drop_answer", "server_error"])
@pytest.mark.parametrize("place", ["stories", "spotlights", "saved_stories"])
def test_a_post_whose_answer_was_lost_is_out_once(
    road: Road, kind: str, place: str
) -> None:
    road.lose(kind)
    road.go(road.job(draft(three_parts(), place=place)))
    road.pass_time(120)
    assert len(road.posts()) == 1


@pytest.mark.parametrize("kind", ["", "drop_answer"])
def test_several_snaps_are_one_saved_story(road: Road, kind: str) -> None:
    if kind:
        road.lose(kind)
    road.go(road.job(draft(three_parts(), picture(), place="saved_stories")))
    road.pass_time(120)
    (post,) = road.posts()
    assert post["media_kinds"] == ["video", "image"]


def test_a_spotlight_that_is_rejected_fails(road: Road) -> None:
    road.switch("moderation_ends", "REJECTED")
    with pytest.raises(InvalidContent) as caught:
        road.go(road.job(draft(three_parts(), place="spotlights")))
    assert caught.value.cause is Cause.MEDIA_REFUSED


def test_an_app_that_is_not_on_the_list_is_denied(road: Road) -> None:
    road.switch("allow_listed", "no")
    verdicts = road.client().prove().abilities.values()
    assert {verdict.ok for verdict in verdicts} == {False}


@pytest.mark.trap("snapchat", 10)
def test_an_access_of_an_hour_is_renewed(road: Road) -> None:
    road.pass_time(HOUR + 5)
    with pytest.raises(PlatformError) as caught:
        road.client().prove()
    assert caught.value.cause is Cause.TOKEN_EXPIRED
    tokens = road.client().refresh()
    road.access = replace(road.access, token=tokens.access_token)
    assert road.client().prove().identity
