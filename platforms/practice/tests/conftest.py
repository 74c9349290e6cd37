from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from platforms.practice.framework import (
    Doc,
    Person,
    Refusal,
    Route,
    Twin,
    arrived_at,
    body_of,
    json_response,
    route,
)
from platforms.practice.server import PracticeServer, start_practice


class ToyTwin(Twin):
    """The smallest twin: it stores what it is told, for whoever says who they are."""

    slug = "toy"
    name = "Toy"

    @route("POST", "/say", call="POST /say", commit=True)
    def say(self, request: Request) -> Response:
        if not request.get_data():
            return json_response({"error": "say something"}, 422)
        id = f"{self.world.count(self.slug, 'post') + 1:06}"
        self.put(
            "post",
            id,
            {
                "text": request.get_data(as_text=True),
                "account": self.account_of(request),
                "arrived_at": arrived_at(request),
            },
        )
        return json_response({"id": id})

    @route("POST", "/say/<id>", call="POST /say/:id", commit=True)
    def say_twice(self, request: Request, id: str) -> Response:
        return json_response({"prepared": request.environ.get("toy.prepared")})

    def call_of(self, route: Route, request: Request) -> Route:
        if request.path.endswith("/say/draft"):
            return replace(route, call="POST /say/:draft", commit=False)
        return route

    def prepare(self, route: Route, request: Request) -> None:
        if route.call.startswith("POST /say/:"):
            with ThreadPoolExecutor(1) as pool:  # whoever held the world would wait
                request.environ["toy.prepared"] = pool.submit(self._count).result(10)

    def _count(self) -> int:
        with self.world.transaction():
            return self.world.count(self.slug, "post")

    @route("PUT", "/file", call="PUT /file", commit=True, large=True)
    def keep(self, request: Request) -> Response:
        with self.world.file(self.slug, "kept").open("wb") as kept:
            shutil.copyfileobj(body_of(request), kept)
            return json_response({"size": kept.tell()})

    @route("GET", "/heard", call="GET /heard")
    def heard(self, request: Request) -> Response:
        return json_response({"posts": len(self.posts())})

    @route("POST", "/broken", call="POST /broken")
    def broken(self, request: Request) -> Response:
        self.put("post", "half", {"text": "half", "account": "", "arrived_at": ""})
        raise RuntimeError("on purpose")

    @route("GET", "/page", browser=True)
    def a_page(self, request: Request) -> Response:
        return Response("a page")

    def account_of(self, request: Request) -> str:
        return request.headers.get("X-Account", "")

    def seed(self) -> None:
        self.put("person", "1", {"name": "Ana"})

    def people(self) -> list[Person]:
        return [Person(id, doc["name"], "ana") for id, doc in self.all("person")]

    def tokens(self) -> list[Doc]:
        return [
            {"id": "t1", "account": "1", "person": "<b>Ana</b>", "state": "live"},
        ]

    def end_tokens(self, account: str, how: str) -> int:
        if how not in dict(self.endings):
            raise ValueError(f"Toy has no {how}")
        self.put("ended", account, {"how": how})
        return 1

    def app_credentials(self) -> tuple[str, str]:
        return "toy-id", "toy-secret"

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        self.put("person", handle, {"name": name})
        return {"external_id": handle}

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        return json_response(
            {"refused": refusal.kind, "retry_after_s": refusal.retry_after_s}, 400
        )

    def posts(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": doc["account"],
                "text": doc["text"],
                "url": f"{self.url}/page",
                "created_at": doc["arrived_at"],
                "arrived_at": doc["arrived_at"],
                "media": 0,
                "alt_texts": [],
                "link": "",
                "marker": "",
            }
            for id, doc in self.all("post")
        ]


Start = Callable[..., PracticeServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start practice networks on the same folder; all are stopped at the end."""
    running: list[PracticeServer] = []

    def begin(**options: Any) -> PracticeServer:
        options.setdefault("twins", {"toy": ToyTwin})
        server = start_practice(tmp_path / "practice", **options)
        running.append(server)
        return server

    yield begin
    for server in running:
        server.stop()


@pytest.fixture
def server(start: Start) -> PracticeServer:
    return start()


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Practice"] = "1"
        yield session
