"""YouTube of the practice network over real HTTP, one server for all tests; and our
client alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import (
    Access,
    Draft,
    Environment,
    Identity,
    MediaFile,
    MediaKind,
    PublishJob,
)
from platforms.practice.server import PracticeServer, start_practice
from platforms.practice.tests.made_video import video
from platforms.youtube.client import YouTubeClient
from platforms.youtube.publish import YouTube
from platforms.youtube.spec import SPEC
from platforms.youtube.twin import YouTubeTwin
from platforms.youtube.twin_calls import FORCE_SSL, READONLY, UPLOAD
from platforms.youtube.twin_login import CLIENT_ID, CLIENT_SECRET

CALLBACK = "http://localhost:8000/back"
ACME = "UCpracticeAcmeTools00001"
UNIT = 262_144
CHANNEL = "UCabc123"
BYTES = bytes(range(256)) * 10
OPTIONS = {"title": "My title", "made_for_kids": "no"}
METADATA = {
    "snippet": {"title": "My title", "description": "Text", "categoryId": "22"},
    "status": {"privacyStatus": "public", "selfDeclaredMadeForKids": False},
}


@cache
def clip(size: int = 0, upright: bool = False) -> bytes:
    """A real video, with so many empty bytes that it has `size`."""
    data = video(size=(48, 64) if upright else (64, 48))
    if size > len(data):
        room = size - len(data)
        data += struct.pack(">I", room) + b"free" + bytes(room - 8)
    return data


class Network:
    """What a client of YouTube needs, for one connected channel."""

    def __init__(self, server: PracticeServer) -> None:
        self.server, self.url = server, f"{server.url}/youtube"
        self.twin: Any = server.twins["youtube"]
        self.http = requests.Session()
        self.connect("ada.tests")

    def connect(self, handle: str, **options: Any) -> dict[str, Any]:
        with self.server.world.transaction():
            self.account = self.twin.add_account(handle, "Ada", **options)
        return dict(self.account)

    def set(self, **switches: Any) -> None:
        with self.server.world.transaction():
            for name, value in switches.items():
                self.twin.set_switch(name, str(value))

    def later(self, seconds: float) -> None:
        world = self.server.world
        with world.transaction():
            shift = world.shift_s + seconds
            world.put("panel", "setting", "clock", {"shift_s": shift})

    def end(self, how: str, account: str = "") -> int:
        with self.server.world.transaction():
            chosen = account or self.account["external_id"]
            return int(self.twin.end_tokens(chosen, how))

    def call(
        self, method: str, path: str, *, token: str | None = None, **kwargs: Any
    ) -> requests.Response:
        """path: below the API, or a whole address."""
        address = path if path.startswith("http") else f"{self.url}{path}"
        headers = kwargs.pop("headers", {})
        secret = self.account["access_token"] if token is None else token
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return self.http.request(
            method, address, headers=headers, allow_redirects=False, **kwargs
        )

    def api(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.call(method, f"/api/youtube/v3/{path}", **kwargs)

    # ------------------------------------------------------------ uploads

    def start(
        self,
        metadata: dict[str, Any] | None = None,
        size: int | None = None,
        query: str = "uploadType=resumable&part=snippet,status",
        **headers: str,
    ) -> requests.Response:
        sent = {"X-Upload-Content-Type": "video/mp4", **headers}
        if size is not None:
            sent["X-Upload-Content-Length"] = str(size)
        return self.call(
            "POST",
            f"/api/upload/youtube/v3/videos?{query}",
            data=json.dumps(METADATA if metadata is None else metadata),
            headers={"Content-Type": "application/json; charset=UTF-8", **sent},
        )

    def put(
        self, where: str, data: bytes = b"", about: str = "", **kwargs: Any
    ) -> requests.Response:
        headers = {"Content-Range": f"bytes {about}"} if about else {}
        return self.call("PUT", where, data=data, headers=headers, **kwargs)

    def upload(
        self, metadata: dict[str, Any] | None = None, data: bytes | None = None
    ) -> str:
        """Publish in one piece and return the video's id."""
        data = clip() if data is None else data
        where = self.start(metadata, len(data)).headers["Location"]
        answer = self.put(where, data)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def video(self, id: str, parts: str = "snippet,status") -> dict[str, Any]:
        answer = self.api("GET", f"videos?part={parts}&id={id}")
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        return dict(item)

    # ------------------------------------------------------------ sign-in

    def consent(self, **changes: Any) -> requests.Response:
        scopes = f"{UPLOAD} {READONLY} {FORCE_SSL}"
        form = {
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "access_type": "offline",
            "prompt": "consent",
            "state": "s1",
            "asked": scopes,
            "scope": scopes.split(),
            "person": ACME,
            "decision": "allow",
        } | changes
        return self.http.post(
            f"{self.url}/accounts/o/oauth2/v2/auth", data=form, allow_redirects=False
        )

    def token(self, **form: str) -> requests.Response:
        app = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return self.http.post(f"{self.url}/oauth2/token", data={**app, **form})

    def exchange(self, code: str, /, **changes: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
        }
        return self.token(**(form | changes))

    def refresh(self, secret: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=secret)

    def sign_in(self, **changes: Any) -> dict[str, Any]:
        answer = self.exchange(query_of(self.consent(**changes))["code"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def query_of(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def reason(answer: requests.Response) -> tuple[int, str]:
    """(HTTP status, the first error's reason)."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["errors"][0]["reason"]


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder: Path = tmp_path_factory.mktemp("youtube")
    server = start_practice(folder, twins={"youtube": YouTubeTwin})
    yield server
    server.stop()


@pytest.fixture
def net(one_server: PracticeServer) -> Network:
    with one_server.world.transaction():
        one_server.world.clear()
        one_server.twins["youtube"].seed()
    return Network(one_server)


# ---------------------------------------------------------------- our client


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client_for() -> Callable[..., YouTubeClient]:
    def make(**changes: Any) -> YouTubeClient:
        facts: dict[str, Any] = {
            "token": "test-access-token",
            "refresh_token": "test-refresh-token",
            "external_id": CHANNEL,
            "scopes": SPEC.oauth.scopes if SPEC.oauth else (),
            "issued_at": datetime.now(UTC) - timedelta(minutes=30),
        }
        environment = Environment(
            SPEC.hosts, client_id="cid", client_secret="test-client-secret"
        )
        return YouTubeClient(environment, Access(**{**facts, **changes}))

    return make


@pytest.fixture
def client(client_for: Callable[..., YouTubeClient]) -> YouTubeClient:
    return client_for()


@pytest.fixture
def youtube() -> YouTube:
    return YouTube()


@pytest.fixture(name="video")
def video_maker() -> Callable[..., MediaFile]:
    def make(**changes: Any) -> MediaFile:
        facts: dict[str, Any] = {
            "key": "asset-1",
            "mime_type": "video/mp4",
            "size_bytes": len(BYTES),
            "width": 1280,
            "height": 720,
            "alt_text": "",
            "sha256": "ab" * 32,
            "file_name": "clip.mp4",
            "open": lambda: BytesIO(BYTES),
            "kind": MediaKind.VIDEO,
            "duration_s": 12.0,
        }
        return MediaFile(**{**facts, **changes})

    return make


@pytest.fixture
def thumbnail(video: Callable[..., MediaFile]) -> MediaFile:
    return video(
        key="asset-2",
        kind=MediaKind.IMAGE,
        mime_type="image/png",
        file_name="cover.png",
        sha256="cd" * 32,
        duration_s=None,
        size_bytes=4,
        open=lambda: BytesIO(b"\x89PNG"),
    )


@pytest.fixture
def job(video: Callable[..., MediaFile]) -> Callable[..., PublishJob]:
    def make(*media: MediaFile, **changes: Any) -> PublishJob:
        options = {**OPTIONS, **changes.pop("options", {})}
        facts: dict[str, Any] = {
            "marker": "0" * 32,
            "created_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
            "draft": Draft("Text", media=media or (video(),), options=options),
            "account": Identity(CHANNEL, "channel", "Ada", "@ada", ""),
        }
        return PublishJob(**{**facts, **changes})

    return make
