"""Client and practice network, each written from the documentation, over real HTTP."""

import json
import re
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pytest
import requests

from platforms import registry
from platforms.base import (
    Access,
    Draft,
    Figure,
    Identity,
    Level,
    MediaFile,
    PublishJob,
    RemotePost,
    Sighting,
    StepKind,
)
from platforms.errors import AmbiguousOutcome, AuthRevoked, Cause, PlatformError
from platforms.practice.server import TWINS, PracticeServer, start_practice
from platforms.practice.tests.made_video import video as made_video
from platforms.tiktok.client import TikTokClient
from platforms.tiktok.publish import DRAFT_WAITS, TikTok
from platforms.tiktok.spec import PART_BYTES

from .conftest import draft, photo, video

HOUR = 3600


@cache
def long_clip() -> bytes:
    """A video whose file fills three parts: free space counts as well."""
    clip = made_video(90, size=(360, 640), rate=30)
    free = 3 * PART_BYTES + 5 - len(clip)
    return clip + struct.pack(">I4s", free, b"free") + bytes(free - 8)


@cache
def jpeg() -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "JPEG")
    return out.getvalue()


class Shelf(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(jpeg())

    def log_message(self, format: str, *args: Any) -> None: ...


class Road:
    """An account at the practice network, its client, and the panel."""

    def __init__(self, server: PracticeServer, shelf: str, **options: Any) -> None:
        self.server, self.shelf = server, shelf
        self.tiktok = TikTok()
        with server.world.transaction():
            twin = server.twins["tiktok"]
            twin.seed()
            self.made = twin.add_account("cake", "Cake", **options)
            client_id, secret = twin.app_credentials()
        self.environment = registry.environment(
            "tiktok",
            practice_url=server.url,
            client_id=client_id,
            client_secret=secret,
        )
        self.me = Identity(
            self.made["external_id"], "user", "Cake", "cake", self.made["url"]
        )

    def client(self, **changes: Any) -> TikTokClient:
        facts = {
            "token": self.made["access_token"],
            "refresh_token": self.made["refresh_token"],
            "external_id": self.made["external_id"],
            "handle": "cake",
            "scopes": tuple(self.made["scopes"]),
        }
        return TikTokClient(self.environment, Access(**{**facts, **changes}))

    def panel(self, path: str, **body: Any) -> Any:
        url = f"{self.server.url}/api/{path}"
        sent = requests.post(url, json=body, headers={"X-Practice": "1"}, timeout=10)
        assert sent.ok, sent.text
        return sent.json()

    def switch(self, name: str, value: str) -> None:
        self.panel("switches", platform="tiktok", name=name, value=value)

    def lose(self, call: str, kind: str = "drop_answer") -> None:
        self.panel("faults", platform="tiktok", kind=kind, call=call, times=1)

    def pass_time(self, seconds: float) -> None:
        shift = self.server.world.shift_s + seconds
        self.panel("clock", shift_s=shift)

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            return self.server.twins["tiktok"].posts()

    def photo(self, number: int = 1) -> MediaFile:
        return photo(number, public_url=f"{self.shelf}/{number}.jpg")

    def job(self, draft: Draft) -> PublishJob:
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def go(
        self,
        job: PublishJob,
        client: TikTokClient | None = None,
        lost: Callable[[str], bool] = lambda name: False,
    ) -> RemotePost:
        """As the engine goes: steps, waits, looks after a lost commit.

        lost: whether the process ends after a step, before its result is stored.
        """
        client = client or self.client()
        for _ in range(60):
            step = self.tiktok.next_step(job, client)
            try:
                result = step.run()
            except AmbiguousOutcome:
                result = None
            except PlatformError as error:
                if "forget" not in error.extra:
                    raise
                gone = error.extra["forget"].split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                job = replace(job, witness=left)
                continue
            if result and lost(step.name):
                if step.kind is not StepKind.COMMIT:
                    continue
                result = None
            if result is None:
                job = replace(job, first_sent_at=datetime.now(UTC))
                look = self.tiktok.look(job, client)
                if look.sighting is Sighting.FOUND:
                    assert look.remote
                    return look.remote
                assert look.safe_to_repeat, look
                continue
            if result.remote:
                return result.remote
            witness = json.loads(json.dumps({**job.witness, **result.witness}))
            job = replace(job, witness=witness)
            if result.wait_s:
                self.pass_time(result.wait_s)
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder = tmp_path_factory.mktemp("practice")
    started = start_practice(folder, twins={"tiktok": TWINS["tiktok"]})
    yield started
    started.stop()


@pytest.fixture
def road(server: PracticeServer, shelf: str) -> Road:
    url = f"{server.url}/api/reset"
    requests.post(url, json={}, headers={"X-Practice": "1"}, timeout=10)
    return Road(server, shelf)


def three_parts() -> MediaFile:
    data = long_clip()
    return video(len(data), open=lambda: BytesIO(data), duration_s=3.0)


PARTS = ("upload_video:1", "upload_video:2")


@pytest.mark.parametrize(
    "ends",
    [(), ("begin_video",), PARTS, ("finish_video",), (*PARTS, "finish_video", "state")],
)
def test_a_video_in_parts_is_out_once_wherever_the_process_ends(
    road: Road, ends: tuple[str, ...]
) -> None:
    left = set(ends)

    def lost(name: str) -> bool:
        is_now = name in left
        left.discard(name)
        return is_now

    remote = road.go(road.job(draft(three_parts())), lost=lost)
    (post,) = road.posts()
    assert not left
    assert (post["text"], post["media_kinds"]) == ("Hello #cats", ["video"])
    assert remote.external_id in {post["id"], remote.external_id}
    shown = requests.get(post["url"], timeout=10)
    assert shown.ok


@pytest.mark.parametrize("kind", ["drop_answer", "delayed_apply", "server_error"])
def test_a_last_part_whose_answer_was_lost_publishes_once(
    road: Road, kind: str
) -> None:
    road.lose("commit", kind)
    road.go(road.job(draft(three_parts())))
    road.pass_time(60)
    assert len(road.posts()) == 1


def test_photos_whose_number_was_lost_are_found_when_they_are_listed(
    road: Road,
) -> None:
    road.switch("photos_listed", "yes")
    now, client = road.job(draft(road.photo())), road.client()
    now = replace(now, witness=road.tiktok.next_step(now, client).run().witness)
    road.lose("commit")
    with pytest.raises(AmbiguousOutcome):
        road.tiktok.next_step(now, client).run()
    now = replace(now, first_sent_at=datetime.now(UTC))
    look = road.tiktok.look(now, client)
    assert look.sighting is Sighting.CANNOT_TELL  # in moderation
    road.pass_time(60)
    look = road.tiktok.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote
    assert look.remote.external_id == road.posts()[0]["id"]


def test_photos_are_fetched_in_their_order(road: Road) -> None:
    remote = road.go(road.job(draft(road.photo(1), road.photo(2), title="Cats")))
    (post,) = road.posts()
    assert (post["media"], post["id"]) == (2, remote.external_id)
    assert remote.permalink == post["url"]
    assert road.client().figures(remote.external_id).values == {}
    road.switch("photos_listed", "yes")
    assert Figure.VIEWS in road.client().figures(remote.external_id).values


def test_a_post_for_the_creator_alone_is_out_without_a_link(road: Road) -> None:
    remote = road.go(road.job(draft(road.photo(), privacy_level="SELF_ONLY")))
    assert remote.permalink == ""
    assert remote.external_id.startswith("p_pub_url~")
    assert road.client().figures(remote.external_id).values == {}


def test_before_the_audit_only_private_accounts_post_only_for_themselves(
    server: PracticeServer, shelf: str, road: Road
) -> None:
    road.switch("audited", "no")
    client = road.client()
    now = road.job(draft(road.photo()))
    now = replace(now, witness=road.tiktok.next_step(now, client).run().witness)
    with pytest.raises(PlatformError) as caught:
        road.tiktok.next_step(now, client).run()
    assert caught.value.cause is Cause.APP_UNREVIEWED
    with server.world.transaction():
        made = server.twins["tiktok"].add_account("shy", "Shy", private=True)
    road.made = made
    road.go(road.job(draft(road.photo(), privacy_level="SELF_ONLY")), road.client())


def test_an_upload_of_more_than_an_hour_begins_anew(road: Road) -> None:
    now, client = road.job(draft(three_parts())), road.client()
    for _ in range(3):
        result = road.tiktok.next_step(now, client).run()
        now = replace(now, witness={**now.witness, **result.witness})
    road.pass_time(HOUR + 5)
    road.go(now, client)
    assert len(road.posts()) == 1


def test_each_renewal_ends_the_token_before_it_and_the_last_can_be_revoked(
    road: Road,
) -> None:
    first = road.client()
    road.pass_time(3 * HOUR)
    with pytest.raises(PlatformError) as caught:
        first.creator()
    assert caught.value.cause is Cause.TOKEN_EXPIRED
    tokens = first.refresh()
    with pytest.raises(AuthRevoked):
        first.refresh()
    second = road.client(token=tokens.access_token, refresh_token=tokens.refresh_token)
    assert second.prove().identity
    # Its time is over again: it is renewed to be revoked.
    road.pass_time(3 * HOUR)
    second.revoke()
    with pytest.raises(AuthRevoked):
        second.refresh()


def publish_by_hand(road: Road, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whenever time passes, a person looks into the app and publishes what is there."""
    seen: list[str] = []
    inbox = f"{road.server.url}/tiktok/www/inbox"
    passes = road.pass_time

    def pass_time(seconds: float) -> None:
        passes(seconds)
        page = requests.get(inbox, timeout=10).text
        for number in re.findall(r'name="publish_id" value="([^"]+)"', page):
            if seen.count(number) == 1:  # not at its first sight: it has to wait
                requests.post(inbox, data={"publish_id": number}, timeout=10)
            seen.append(number)

    monkeypatch.setattr(road, "pass_time", pass_time)
    return seen


@pytest.mark.parametrize("kind", ["video", "photo"])
@pytest.mark.parametrize("ended", ["", "finish_video", "begin_video"])
def test_a_draft_is_out_once_a_person_has_published_it(
    road: Road, monkeypatch: pytest.MonkeyPatch, kind: str, ended: str
) -> None:
    seen = publish_by_hand(road, monkeypatch)
    files = (three_parts(),) if kind == "video" else (road.photo(1), road.photo(2))
    chosen = Draft("Hello", media=files, options={"handover": "draft"})
    told = road.tiktok.check(chosen, road.me)
    assert not [one for one in told if one.level is Level.REFUSED]
    left_out = Cause.TEXT_NOT_SHOWN in [one.cause for one in told]
    assert left_out is (kind == "video")
    once = iter([True])
    client = road.client()
    remote = road.go(
        road.job(chosen), client, lambda name: name == ended and next(once, False)
    )
    (post,) = road.posts()
    assert remote.external_id == post["id"]
    assert remote.permalink
    assert post["text"] == ("" if kind == "video" else "Hello")
    assert len(set(seen)) == 1  # one draft, however often something was lost
    foretold = road.tiktok.calls_ahead(road.job(chosen), looking=False)
    assert "POST /v2/post/publish/creator_info/query/" not in foretold
    assert {call.call for call in client.http.drain()} <= {
        *foretold,
        "POST /v2/video/list/",
    }


@pytest.mark.trap("tiktok", 14)
def test_a_draft_that_nobody_publishes_is_told_as_left(road: Road) -> None:
    chosen = Draft("", media=(road.photo(),), options={"handover": "draft"})
    job = road.job(chosen)
    client = road.client()
    for _ in range(4):
        result = road.tiktok.next_step(job, client).run()
        job = replace(job, witness={**job.witness, **result.witness})
        road.pass_time(result.wait_s or 0)
    assert "somebody has to publish it there" in road.tiktok.waits_for(job.witness)
    assert road.tiktok.is_out(job.witness)
    long_ago = (datetime.now(UTC) - DRAFT_WAITS).isoformat()
    job = replace(job, witness={**job.witness, "inbox_at": long_ago})
    with pytest.raises(PlatformError) as caught:
        road.tiktok.next_step(job, client).run()
    assert caught.value.cause is Cause.DRAFT_LEFT
    assert road.posts() == []
