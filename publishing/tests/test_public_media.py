"""Our own public addresses are read by ourselves before a platform gets one."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from platforms.base import Step, StepKind, StepResult
from platforms.errors import Cause
from platforms.http import Answer, Http
from publishing import composing, public_media
from publishing import work as travelling
from publishing.public_media import Unreadable
from socialhub import system

SITE = "https://social.example.com"


@pytest.fixture(autouse=True)
def outside(settings):
    settings.SITE_URL = SITE
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def web(monkeypatch):
    """What the internet answers at SITE_URL; a list of what was asked."""
    asked = []

    class Web:
        def says(self, status=200, body=b"x", kind="image/jpeg", error=None):
            def request(self, method, url, **kwargs):
                asked.append((method, url, kwargs["headers"].get("Range")))
                if error:
                    raise error
                return Answer(status, {"content-type": kind}, body)

            monkeypatch.setattr(public_media.Http, "request", request)
            return asked

    return Web()


def address(number=7):
    return public_media.address(number, "a.jpg")


def test_a_file_is_asked_for_once_in_a_while_whatever_its_token(web, time_machine):
    asked = web.says()
    now = timezone.now()
    time_machine.move_to(now, tick=False)
    public_media.must_be_readable([address()])
    time_machine.move_to(now + timedelta(minutes=2), tick=False)
    public_media.must_be_readable([address(), address()])
    assert [(method, part) for method, _url, part in asked] == [("GET", "bytes=0-1023")]
    public_media.must_be_readable([address(8)])
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 502}, "answers 502"),
        pytest.param(
            {"status": 302},
            "answers 302",
            # TikTok follows no redirects, and takes verified addresses alone.
            marks=pytest.mark.trap("tiktok", 12),
        ),
        ({"kind": "text/html; charset=utf-8"}, "Something else than SocialHub"),
        (
            {"error": Unreadable("x", cause=Cause.ADDRESS_REFUSED)},
            "not https, or leads into a private network",
        ),
        ({"error": Unreadable("x", cause=Cause.TIMED_OUT)}, "did not answer within"),
        ({"error": Unreadable("no route", cause=Cause.UNREACHABLE)}, "no route"),
    ],
)
def test_what_is_wrong_is_said_and_asked_again_only_later(web, answer, words):
    asked = web.says(**answer)
    for _ in range(3):
        with pytest.raises(Unreadable) as caught:
            public_media.must_be_readable([address()])
        assert words in caught.value.detail
        assert caught.value.cause is Cause.MEDIA_NOT_PUBLIC
    assert len(asked) == 1
    verdict = public_media.last_verdict()
    assert verdict is not None
    assert words in verdict.why


def test_a_step_that_can_go_without_addresses_does_where_they_cannot_be_read(web):
    step = Step(
        "pin",
        StepKind.COMMIT,
        lambda: StepResult({"by": "address"}),
        gives_out=(address(),),
        instead=lambda: StepResult({"by": "bytes"}),
    )
    web.says(status=502)
    assert travelling.way_of(step)().witness == {"by": "bytes"}
    cache.clear()
    web.says()
    assert travelling.way_of(step)().witness == {"by": "address"}


@pytest.mark.parametrize(
    "changes",
    [{"SITE_URL": "http://127.0.0.1:8000"}, {"PUBLIC_MEDIA_SELF_CHECK": False}],
)
def test_where_a_look_says_nothing_none_is_made(web, settings, changes):
    asked = web.says(status=502)
    for name, value in changes.items():
        setattr(settings, name, value)
    public_media.must_be_readable([address()])
    assert public_media.look() is None
    assert asked == []


def test_the_probe_is_what_we_answer_and_nothing_else_passes(web):
    path = public_media.probe_address().removeprefix(SITE)
    answer = Client().get(path)
    assert answer.content.decode() == public_media.PROBE_TEXT
    asked = web.says(body=answer.content, kind="text/plain")
    assert public_media.look().why == ""
    assert public_media.look().why == ""
    assert [url.rsplit("/", 1)[-1] for _m, url, _r in asked] == [
        public_media.PROBE_NAME,
        "robots.txt",
    ]
    web.says(body=b"It works!", kind="text/plain")
    assert "Something else" in public_media.look(fresh=True).why


@pytest.mark.trap("facebook", 13)
@pytest.mark.parametrize(
    ("rules", "forbids"),
    [
        ("User-agent: *\nDisallow: /", True),
        ("User-agent: facebookexternalhit\nDisallow: /media/", True),
        ("User-agent: *\nDisallow: /admin/", False),
        (
            "User-agent: *\nDisallow: /\n\nUser-agent: facebookexternalhit\nAllow: /",
            False,
        ),
        ("<!doctype html><title>Not found</title>", False),
        ("", False),
    ],
)
def test_what_robots_may_not_fetch_is_said_and_keeps_nothing_back(
    web, monkeypatch, rules, forbids
):
    def request(self, method, url, **kwargs):
        text = rules if url == f"{SITE}/robots.txt" else public_media.PROBE_TEXT
        return Answer(200, {"content-type": "text/plain"}, text.encode())

    monkeypatch.setattr(public_media.Http, "request", request)
    assert ("robots.txt" in public_media.look().why) is forbids
    public_media.must_be_readable([address()])
    assert ("robots.txt" in public_media.last_verdict().why) is forbids


@pytest.mark.parametrize("commits", [False, True])
def test_a_step_that_gives_an_address_out_does_not_run_before(web, commits, make_work):
    web.says(status=403)
    ran = []
    kind = StepKind.COMMIT if commits else StepKind.REPEATABLE
    step = Step(
        "pin",
        kind,
        lambda: ran.append(1) or StepResult(),
        gives_out=(address(),),
    )
    done = make_work(step)
    assert isinstance(done.result, Unreadable)
    assert done.is_ours  # no breaker hears of it
    assert ran == []


@pytest.fixture
def make_work():
    """Run one step as an I/O thread does."""

    def make(step):
        work = SimpleNamespace(
            step=step,
            looking=False,
            committing=step.kind is StepKind.COMMIT,
            may_commit=True,
            carried=False,
            start_by=float("inf"),
            client=SimpleNamespace(http=Http()),
            job=SimpleNamespace(witness={}),
            calls=[],
            usage={},
            delivery_id=1,
        )
        return travelling.perform(work)

    return make


@pytest.mark.django_db
def test_the_system_page_tells_it_with_the_cure(web, rf, settings):
    settings.ALLOWED_HOSTS = ["*"]
    web.says(status=502)
    request = rf.get("/system/", headers={"host": "social.example.com"})
    (line,) = [row for row in system.run(request) if row.key == "public_media"]
    assert line.state == system.BAD
    assert "answers 502" in line.found
    assert "PUBLIC_MEDIA_SELF_CHECK=false" in line.cure


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("platform", "network", "told"),
    [
        ("threads", "live", True),
        ("threads", "practice", False),
        ("mastodon", "live", False),
    ],
)
def test_the_composer_warns_by_the_last_look_and_asks_nobody(
    web, make_account, platform, network, told
):
    asked = web.says(status=502)
    public_media.look()
    account = make_account(platform)
    account.network = network
    draft = SimpleNamespace(media=[1], parts=())
    lines = composing._reach_lines(account, draft)
    assert [line.refused for line in lines] == ([False] if told else [])
    assert all("answers 502" in line.sentence for line in lines)
    assert len(asked) == 1
