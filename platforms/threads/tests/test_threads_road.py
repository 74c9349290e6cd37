"""Our client and the practice network's Threads, over real HTTP: each kind of post goes
out, is found again when its answer is lost, and can be counted, answered and deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from platforms import registry
from platforms.base import (
    Access,
    Draft,
    Figure,
    Identity,
    Level,
    MediaFile,
    PublishJob,
    Sighting,
)
from platforms.errors import AmbiguousOutcome, Outcome, PlatformError
from platforms.practice.server import TWINS, PracticeServer, start_practice
from platforms.practice.tests.made_video import video as made_video
from platforms.threads.client import ThreadsClient
from platforms.threads.publish import Threads

Files = Callable[..., MediaFile]


def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", (320, 320), "teal").save(out, "JPEG")
    return out.getvalue()


class Shelf(BaseHTTPRequestHandler):
    """Hands our files out."""

    files = {"/a.jpg": jpeg(), "/a.mp4": made_video(30, rate=30, index_first=True)}

    def do_GET(self) -> None:
        data = self.files[self.path]
        self.send_response(200)
        is_video = self.path.endswith("4")
        self.send_header("Content-Type", "video/mp4" if is_video else "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Road:
    """An account of the practice network, with our client of it."""

    def __init__(self, server: PracticeServer) -> None:
        self.server, self.twin = server, server.twins["threads"]
        with server.world.transaction():
            self.twin.seed()
            made = self.twin.add_account("road", "Road")
            number, secret = self.twin.app_credentials()
        environment = registry.environment(
            "threads", practice_url=server.url, client_id=number, client_secret=secret
        )
        access = Access(
            token=made["access_token"],
            refresh_token=made["refresh_token"],
            external_id=made["external_id"],
            scopes=tuple(made["scopes"]),
            issued_at=datetime.now(UTC) - timedelta(days=2),
        )
        self.client = ThreadsClient(environment, access)
        self.me = Identity(
            made["external_id"], "user", "Road", made["handle"][1:], made["url"]
        )
        self.threads = Threads()

    def fault(self, kind: str) -> None:
        """Spoil the next call that readers would see."""
        wanted = {"kind": kind, "platform": "threads", "call": "commit", "times": 1}
        with self.server.world.transaction():
            self.server.faults.add(wanted, self.server.twins)

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            found = self.twin.posts()
        return [post for post in found if post["account"] == self.me.external_id]

    def job(self, draft: Draft) -> PublishJob:
        findings = self.threads.check(draft, self.me)
        assert [f for f in findings if f.level is Level.REFUSED] == []
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def publish(self, job: PublishJob) -> tuple[PublishJob, PlatformError | None]:
        """As the engine does, up to the end or the first refusal."""
        for _ in range(40):
            try:
                result = self.threads.next_step(job, self.client).run()
            except PlatformError as error:
                return job, error
            if result.remote:
                job = replace(job, witness={**job.witness, "remote": result.remote})
                return job, None
            job = replace(job, witness={**job.witness, **result.witness})
        raise AssertionError("no end")

    def post(self, text: str) -> str:
        job, error = self.publish(self.job(Draft(text)))
        assert error is None
        return str(job.witness["remote"].external_id)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder: Path = tmp_path_factory.mktemp("threads")
    server = start_practice(folder, twins={"threads": TWINS["threads"]})
    yield server
    server.stop()


@pytest.fixture
def road(network: PracticeServer) -> Iterator[Road]:
    made = Road(network)
    yield made
    for post in made.posts():
        made.client.delete_post(post["id"])


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
        road.fault("drop_answer")
    job, error = road.publish(road.job(draft))
    if lost:
        assert isinstance(error, AmbiguousOutcome)
        sent = replace(job, first_sent_at=datetime.now(UTC))
        look = road.threads.look(sent, road.client)
        assert look.sighting is Sighting.FOUND
        remote = look.remote
        # The same road for a process that ended before it could look.
        left = {k: v for k, v in sent.witness.items() if k != "ready:container"}
        sent, error = road.publish(replace(sent, witness=left))
        assert sent.witness["remote"] == remote
    else:
        remote = job.witness["remote"]
    assert error is None
    (post,) = road.posts()
    assert remote is not None
    assert (remote.external_id, remote.permalink) == (post["id"], post["url"])
    assert (post["text"], post["link"]) == (draft.text, draft.link_url)
    assert post["media_kinds"] == list(KINDS[kind])
    assert post["alt_texts"] == [file.alt_text for file in draft.media]


def test_what_was_not_applied_is_found_absent_and_sent_again(road: Road) -> None:
    road.fault("cut")
    job, error = road.publish(road.job(Draft("Hello")))
    assert isinstance(error, AmbiguousOutcome)
    look = road.threads.look(replace(job, first_sent_at=datetime.now(UTC)), road.client)
    assert look.sighting is Sighting.ABSENT
    job, error = road.publish(job)
    assert error is None
    assert len(road.posts()) == 1


def test_a_post_is_counted_answered_and_deleted(road: Road) -> None:
    number = road.post("Hello")
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
    before = road.client.quotas(road.client.access.scopes)["posts"][0]
    road.post("Hello")
    proof = road.client.prove()
    assert {v.ok for v in proof.abilities.values()} == {True}
    assert proof.identity is not None
    assert proof.identity.external_id == road.me.external_id
    assert proof.identity.url == road.me.url
    assert proof.scopes is not None
    assert set(road.client.access.scopes) == set(proof.scopes)
    assert road.client.quotas(proof.scopes)["posts"] == (before + 1, 250)
