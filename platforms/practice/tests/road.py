"""A platform's client and its practice network over real HTTP, for tests of the whole
road: an account, files that can be fetched, steps as the engine runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from platforms import registry
from platforms.base import Access, Draft, Identity, Level, PublishJob
from platforms.errors import PlatformError
from platforms.practice.server import TWINS, PracticeServer, start_practice
from platforms.practice.tests.made_video import video


def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", (400, 600), "teal").save(out, "JPEG")
    return out.getvalue()


#: path -> type and bytes: an image, and a video of four seconds
FILES = {
    "/a.jpg": ("image/jpeg", jpeg()),
    "/a.mp4": (
        "video/mp4",
        video(120, size=(240, 360), rate=30, index_first=True),
    ),
}


class Shelf(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        mime_type, data = FILES[self.path]
        self.send_response(200)
        self.send_header("Content-Type", mime_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def shelf() -> Iterator[str]:
    """The address of a server that hands FILES out."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def network(slug: str, folder: Path) -> Iterator[PracticeServer]:
    server = start_practice(folder, twins={slug: TWINS[slug]})
    try:
        yield server
    finally:
        server.stop()


class Road:
    """An account of one twin, with our client of it.

    Fails where a step, a check or the answer is not as it would be for a person.
    """

    def __init__(self, slug: str, server: PracticeServer, **options: Any) -> None:
        self.server, self.slug, self.twin = server, slug, server.twins[slug]
        with server.world.transaction():
            self.twin.seed()
            made = self.twin.add_account("road", "Road", **options)
            number, secret = self.twin.app_credentials()
        self.environment = registry.environment(
            slug, practice_url=server.url, client_id=number, client_secret=secret
        )
        self.access = Access(
            token=made["access_token"],
            refresh_token=made["refresh_token"],
            external_id=made["external_id"],
            handle=made["handle"].removeprefix("@"),
            scopes=tuple(made["scopes"]),
            issued_at=datetime.now(UTC) - timedelta(days=2),
        )
        self.platform = registry.platform(slug)
        self.client = self.platform.client(self.environment, self.access)
        self.me = Identity(
            made["external_id"], "user", "Road", self.access.handle, made["url"]
        )

    def spoil(self, kind: str) -> None:
        """Spoil the next call that readers would see."""
        wanted = {"kind": kind, "platform": self.slug, "call": "commit", "times": 1}
        with self.server.world.transaction():
            self.server.faults.add(wanted, self.server.twins)

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            found = self.twin.posts()
        return [post for post in found if post["account"] == self.me.external_id]

    def clear(self) -> None:
        for post in self.posts():
            self.client.delete_post(post["id"])

    def job(self, draft: Draft) -> PublishJob:
        findings = self.platform.check(draft, self.me)
        assert [f for f in findings if f.level is Level.REFUSED] == []
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def publish(self, job: PublishJob) -> tuple[PublishJob, PlatformError | None]:
        """Up to the end (witness "remote" is the post) or the first refusal.

        A wait passes on the practice network's clock.
        """
        for _ in range(40):
            try:
                result = self.platform.next_step(job, self.client).run()
            except PlatformError as error:
                return job, error
            witness = {**job.witness, **result.witness}
            if result.remote:
                return replace(job, witness={**witness, "remote": result.remote}), None
            job = replace(job, witness=witness)
            self.pass_time(result.wait_s or 0)
        raise AssertionError("no end")

    def pass_time(self, seconds: float) -> None:
        world = self.server.world
        with world.transaction():
            later = {"shift_s": world.shift_s + seconds}
            world.put("panel", "setting", "clock", later)

    def post(self, draft: Draft) -> str:
        """Publish; the id of the post."""
        job, error = self.publish(self.job(draft))
        assert error is None
        return str(job.witness["remote"].external_id)
