"""A running SocialHub, the people in it, and a browser that notices every fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from socialhub.drills.visitor import Visitor, visible
from socialhub.drills.visitor import consent as allow
from socialhub.drills.world import APP_PASSWORD, Practice
from socialhub.sandbox import BASE_DIR, Sandbox
from tests import needs
from tests.browser.guide import BLUESKY, PASSWORD, sign_in
from tests.browser.inspection import DESKTOP, faults_of

HERE = Path(__file__).parent
# A busy machine is slow, which is no fault of a page.
expect.set_options(timeout=20_000)
ARTIFACTS = BASE_DIR / "artifacts"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Site:
    box: Sandbox
    url: str

    @property
    def practice(self) -> str:
        return self.box.practice_url

    def rows(self, script: str) -> Any:
        """Run Python inside the sandbox (its own settings); the JSON that it prints."""
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=self.box.env,
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The real thing: web, both clusters and the practice network, as `make run`.

    Each file has one of its own: which files share a process changes from run to run,
    and no test may find what another file has left.
    """
    with Sandbox(os.environ.get("DATABASE_URL", ""), {"DEBUG": "false"}) as box:
        box.migrate()
        box.collect_static()
        box.start_practice()
        url = box.start_web()
        box.start_clusters()
        box.run(sys.executable, str(HERE / "people.py"))
        made = Site(box, url)
        try:
            yield made
        finally:
            logs = ARTIFACTS / "browser-logs" / request.path.stem
            logs.mkdir(parents=True, exist_ok=True)
            for name in list(box.processes):
                (logs / f"{name}.log").write_text(box.log(name, 200_000))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ends with its file: while it runs, Django takes this process for an asynchronous
    one, and refuses its database to the files that come after."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=needs.chromium(), args=ARGS)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a browser may not meet: script errors, failed requests, foreign hosts."""

    hosts: set[str]
    #: answers that a test provokes on purpose, e.g. {404}
    expected: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"script: {error.stack}"))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # A refused answer is judged once, as a response.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws"} and parts.netloc not in self.hosts:
            self.faults.append(f"asks a foreign host: {request.url}")

    def _failed(self, request: Request) -> None:
        # Leaving a page ends what it was still asking for.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.faults.append(f"{response.status} at {response.url}")


Window = tuple[BrowserContext, Page, Watch]


@pytest.fixture(scope="module")
def opened(site: Site, chromium: Browser) -> Callable[..., Window]:
    """Open a watched browser window as somebody ("": as nobody)."""
    #: signed-in sessions, so that each person signs in once in a run
    states: dict[str, Any] = {}

    def open_as(name: str = "", **options: Any) -> Window:
        width, height = options.pop("size", DESKTOP)
        watch = Watch(
            {urlsplit(site.url).netloc, urlsplit(site.practice).netloc},
            options.pop("expected", set()),
        )
        context = chromium.new_context(
            base_url=site.url,
            viewport={"width": width, "height": height},
            storage_state=states.get(name) if name else None,
            timezone_id="UTC",
            locale="en-GB",
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(20_000)
        page = context.new_page()
        watch.over(page)
        if name and name not in states:
            sign_in(page, name)
            page.wait_for_url(f"{site.url}/")
            states[name] = context.storage_state()
        return context, page, watch

    return open_as


@pytest.fixture(scope="module")
def connected(site: Site) -> None:
    """Ada has connected an account of each kind, on the pages and at the platforms, but
    without a browser: with one, test_story.py shows it."""
    practice = Practice(site.practice)
    page = Visitor(site.url)
    page.go("/sign-in/login/")
    page.submit(page.form("login", "password"), login="ada", password=PASSWORD)
    for platform, name in (
        ("linkedin", "Ana Lopez"),
        ("mastodon", "Acme Tools"),
        ("x", "Acme Tools"),
        ("bluesky", BLUESKY[1]),
    ):
        person = next(p for p in practice.people(platform) if p["name"] == name)
        page.go(f"/accounts/connect/{platform}/?network=practice")
        form = page.form("brand")
        acme = next(value for key, value in form.choices if key == "brand" and value)
        signs_in = {"identifier": person["handle"], "app_password": APP_PASSWORD}
        page.submit(form, brand=acme, **(signs_in if platform == "bluesky" else {}))
        allow(page, site.practice, person["id"])
        assert "connected" in visible(page.page.text), page.page.url


@pytest.fixture(scope="module")
def furnished(site: Site, connected: None) -> dict[str, str]:
    """Addresses of posts in every state that waits for people."""
    found: dict[str, str] = site.rows((HERE / "rows.py").read_text())
    return found


@pytest.fixture(scope="module")
def seats(opened: Callable[..., Window]) -> Iterator[Callable[[str], Window]]:
    """One window per person that stays open, so that what is loaded stays loaded."""
    windows: dict[str, Window] = {}

    def seat_of(name: str) -> Window:
        if name not in windows:
            windows[name] = opened(name)
        return windows[name]

    yield seat_of
    for context, *_ in windows.values():
        context.close()


@pytest.fixture
def visit(
    opened: Callable[..., Window],
    seats: Callable[[str], Window],
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Page]]:
    """`visit("mara")` is a page signed in as Mara; at the end nothing may have failed.

    seat=True: her window that stays open, for tests that leave nothing behind in it.
    """
    own: list[Window] = []
    used: list[Window] = []

    def open_as(name: str = "", *, seat: bool = False, **options: Any) -> Page:
        if seat:
            used.append(seats(name))
        else:
            own.append(opened(name, **options))
            used.append(own[-1])
        return used[-1][1]

    yield open_as
    if request.node.stash.get(FAILED, False):
        for number, (_context, page, _watch) in enumerate(used):
            shot(
                page,
                f"failures/{re.sub(r'[^A-Za-z0-9_-]+', '-', request.node.name)}-{number}",
            )
    for context, *_ in own:
        context.close()
    faults = [fault for *_, watch in used for fault in watch.faults]
    for *_, watch in used:
        watch.faults.clear()
    assert not faults, "\n".join(faults)


def shot(page: Page, name: str) -> None:
    path = ARTIFACTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=path, full_page=True)


@pytest.fixture
def inspect() -> Iterator[Callable[[Page, str], None]]:
    """`inspect(page, name)`: both themes and widths; faults fail the test."""
    found: list[str] = []

    def look(page: Page, name: str) -> None:
        found.extend(faults_of(page, name, shot))

    yield look
    assert not found, "\n".join(found)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    if report.when in {"setup", "call"} and report.failed:
        item.stash[FAILED] = True
    return report
