"""The system check: which line turns red for what, and health for load balancers."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import responses
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.fernet import Fernet
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import http_date
from django_q.models import Schedule

from accounts.models import PlatformApp, RateBucket
from monitoring.hook_models import WebhookEvent
from monitoring.models import Heartbeat
from platforms.http import Answer
from socialhub import app_checks, probes, system


@pytest.fixture
def sound(db: Any, settings: Any) -> Any:
    """An installation in which nothing is wrong."""
    settings.DEBUG = False
    settings.PRACTICE_NETWORK_URL = ""
    Heartbeat.beat("publish")
    Heartbeat.beat("monitor")
    call_command("make_schedules", verbosity=0)
    return settings


def states(request: Any = None) -> dict[str, str]:
    return {line.key: line.state for line in system.run(request)}


def red(request: Any = None) -> list[str]:
    found = [line for line in system.run(request) if line.state == system.BAD]
    assert all(line.cure for line in found), "a red line without its cure"
    return [line.key for line in found]


def test_a_sound_installation_has_no_red_line(sound: Any) -> None:
    assert red(RequestFactory().get("/", headers={"host": "testserver"})) == []


@pytest.mark.parametrize("name", ["publish", "monitor"])
def test_a_cluster_that_is_silent_or_was_never_seen_is_red(
    sound: Any, name: str
) -> None:
    beats = Heartbeat.objects.filter(name=name)
    beats.update(beat_at=timezone.now() - timedelta(minutes=5))
    assert red() == [f"cluster_{name}"]
    beats.delete()
    assert red() == [f"cluster_{name}"]


def test_a_missing_schedule_is_red_and_named(sound: Any) -> None:
    Schedule.objects.filter(name="check credentials").delete()
    assert red() == ["schedules"]
    line = next(line for line in system.run() if line.key == "schedules")
    assert "check credentials" in line.found


def test_debug_mode_is_red(sound: Any) -> None:
    sound.DEBUG = True
    assert red() == ["debug"]


def test_a_migration_that_has_not_run_is_red(sound: Any) -> None:
    with mock.patch.object(system, "pending_migrations", return_value=["shop.0002"]):
        assert red() == ["migrations"]


def test_secrets_that_no_key_opens_are_red(sound: Any, make_account: Any) -> None:
    make_account("x")
    assert red() == []
    sound.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    assert red() == ["keys"]


def test_a_second_factor_that_no_key_opens_is_red(sound: Any, author: Any) -> None:
    TOTP.activate(author, generate_totp_secret())
    assert red() == []
    sound.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    assert red() == ["keys"]


def test_another_address_than_site_url_is_red(sound: Any) -> None:
    sound.ALLOWED_HOSTS = ["*"]
    request = RequestFactory().get("/", headers={"host": "other.example"})
    assert red(request) == ["site_url"]


def test_a_storage_that_cannot_be_written_is_red(sound: Any, tmp_path: Any) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    sound.MEDIA_ROOT = str(blocked)
    assert red() == ["storage"]


def test_a_clock_that_is_off_is_red(sound: Any) -> None:
    with mock.patch("socialhub.system.time.time", return_value=time.time() + 60):
        assert red() == ["clock"]


@responses.activate
def test_a_practice_network_that_does_not_answer_is_red(sound: Any) -> None:
    sound.PRACTICE_NETWORK_URL = "http://127.0.0.1:9"
    assert red() == ["practice"]
    responses.get("http://127.0.0.1:9/api/state", json={})
    assert red() == []


def test_an_smtp_server_with_a_local_sender_is_red(
    sound: Any, author: Any, client: Client
) -> None:
    sound.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    sound.DEFAULT_FROM_EMAIL = "SocialHub <socialhub@localhost>"
    assert red() == ["mail"]
    sound.DEFAULT_FROM_EMAIL = "SocialHub <social@example.com>"
    cache.clear()
    assert states()["mail"] == system.UNKNOWN
    client.force_login(author)
    refused = ConnectionRefusedError("refused")
    for trouble, state in ((refused, system.BAD), (None, system.OK)):
        with mock.patch("socialhub.views.send_mail", side_effect=trouble):
            client.post(reverse("system_test_mail"))
        assert states()["mail"] == state


def app_of(slug: str) -> Any:
    return next(app for app in app_checks.run() if app.spec.slug == slug)


def test_half_an_app_is_red_and_none_is_only_noted(sound: Any) -> None:
    assert app_of("x").state == system.NOTE
    app = PlatformApp.objects.create(platform="x", client_id="id")
    assert app_of("x").state == system.BAD
    app.client_secret = "top-secret"
    app.save()
    money = RateBucket.objects.create(
        platform="x", key="credits", subject=f"app:{app.pk}", size_set=50_000
    )
    assert app_of("x").state == system.OK
    money.delete()
    assert app_of("x").state == system.NOTE
    assert "$0.20" in app_of("x").found
    assert "Set a budget" in app_of("x").cure
    app.state = PlatformApp.State.SUSPENDED
    app.save()
    assert app_of("x").state == system.BAD


def test_an_app_tells_what_to_enter_there_what_it_lacks_and_what_was_heard(
    sound: Any, author: Any, client: Client
) -> None:
    callback = "http://testserver" + reverse("connect_callback", args=["threads"])
    assert ("Redirect address", callback) in app_of("threads").copies
    app = PlatformApp.objects.create(
        platform="threads",
        client_id="id",
        client_secret="top-secret-1",
        granted_scopes=["threads_basic"],
    )
    found = app_of("threads")
    lacking = {one.scope.name: one.effect for one in found.missing}
    assert "publishing off" in lacking["threads_content_publish"]
    assert "threads_basic" not in lacking
    assert found.needed == found.granted + len(found.missing)
    hook = "http://testserver" + reverse("platform_hook", args=["live", "threads"])
    assert hook in dict(found.copies).values()
    assert found.hooked_at is None
    for minutes in (9, 4):
        WebhookEvent.objects.create(
            app=app,
            digest=str(minutes),
            what="comments",
            received_at=timezone.now() - timedelta(minutes=minutes),
        )
    newest = WebhookEvent.objects.get(digest="4").received_at
    assert app_of("threads").hooked_at == newest
    client.force_login(author)
    page = client.get(reverse("system_check")).content.decode()
    assert hook in page
    assert "top-secret-1" not in page


def test_opening_the_page_looks_at_rows_only_and_the_button_at_the_rest(
    sound: Any, author: Any, client: Client, django_assert_max_num_queries: Any
) -> None:
    sound.REDIS_URL = "redis://127.0.0.1:9/0"
    sound.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    cache.clear()
    client.force_login(author)
    url = reverse("system_check")
    client.get(url)
    refuse = mock.Mock(side_effect=AssertionError("a deep look"))
    with (
        mock.patch.dict(probes.LOOKS, dict.fromkeys(probes.LOOKS, refuse)),
        django_assert_max_num_queries(20),
    ):
        page = client.get(url)
    lines = {line.key: line for line in page.context["lines"]}
    assert lines["storage"].state == lines["redis"].state == system.UNKNOWN
    looked = client.post(reverse("system_look"), headers={"hx-request": "true"})
    assert "<html" not in looked.content.decode()
    lines = {line.key: line for line in client.get(url).context["lines"]}
    assert (lines["storage"].state, lines["redis"].state) == (system.OK, system.BAD)
    assert lines["storage"].at is not None
    assert "REDIS_URL" in lines["redis"].cure


def test_a_look_that_hangs_holds_up_no_other_and_is_told(
    sound: Any, monkeypatch: Any
) -> None:
    hangs = threading.Event()
    monkeypatch.setitem(probes.LOOKS, "storage", lambda: hangs.wait(60) and {})
    monkeypatch.setattr(probes, "BOUND_S", 0.5)
    try:
        lines = {line.key: line for line in system.run()}
    finally:
        hangs.set()
    assert lines["storage"].state == system.BAD
    assert lines["storage"].found.startswith("No answer within")
    assert lines["keys"].state == system.OK
    assert lines["clock_outside"].state == system.NOTE


def test_looks_speak_the_language_of_who_asked(sound: Any, monkeypatch: Any) -> None:
    said = []

    def look() -> probes.Finding:
        said.append(translation.get_language())
        return {"ok": True}

    monkeypatch.setitem(probes.LOOKS, "storage", look)
    with translation.override("de"):
        system.run()
    assert said == ["de"]


def test_a_scheduler_that_stands_still_is_red_and_its_sentinel_named(
    sound: Any,
) -> None:
    late = timezone.now() - timedelta(minutes=4)
    Schedule.objects.filter(cluster="monitor", minutes=1).update(next_run=late)
    assert red() == ["scheduler_monitor"]
    line = next(line for line in system.run() if line.key == "scheduler_monitor")
    assert "Sentinel of the cluster monitor" in line.cure


def test_a_disk_that_is_nearly_full_is_red_before_uploads_take_the_rest(
    sound: Any,
) -> None:
    room = mock.Mock(total=100 << 30, free=1 << 20)
    with mock.patch("socialhub.system.shutil.disk_usage", return_value=room):
        assert red() == ["disk"]
        room.free = (sound.MEDIA_KEEP_FREE_MB + 5) << 20
        assert states()["disk"] == system.NOTE


def test_a_clock_that_a_platform_contradicts_is_red(
    sound: Any, make_account: Any
) -> None:
    assert states()["clock_outside"] == system.NOTE
    make_account("x")
    there = http_date(time.time() + 300)
    answer = Answer(404, {"date": there})
    with mock.patch("socialhub.probes.Http.request", return_value=answer):
        assert red() == ["clock_outside"]


def test_the_command_tells_by_its_exit_code(sound: Any, capsys: Any) -> None:
    call_command("system_check")
    Heartbeat.objects.all().delete()
    with pytest.raises(SystemExit) as stopped:
        call_command("system_check", "--json")
    assert stopped.value.code == 1
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["red"] is True


def test_a_database_that_does_not_answer_leaves_one_red_line_of_it() -> None:
    with mock.patch.object(
        system.connection, "cursor", side_effect=DatabaseError("gone")
    ):
        keys = [line.key for line in system.run()]
        assert keys[0] == "database"
        assert "cluster_publish" not in keys
        assert system.run()[0].state == system.BAD


def test_a_test_mail_goes_to_the_reader(author: Any, client: Client) -> None:
    client.force_login(author)
    answer = client.post(reverse("system_test_mail"), follow=True)
    assert [message.to for message in mail.outbox] == [["ana@example.com"]]
    assert "ana@example.com" in answer.content.decode()


def test_a_mail_server_that_refuses_is_told(author: Any, client: Client) -> None:
    client.force_login(author)
    with mock.patch(
        "socialhub.views.send_mail", side_effect=ConnectionRefusedError("refused")
    ):
        answer = client.post(reverse("system_test_mail"), follow=True)
    assert "The mail was not sent: refused" in answer.content.decode()


@pytest.mark.django_db
def test_load_balancers_get_plain_answers(client: Client) -> None:
    for path in ("/healthz", "/healthz/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, b"ok")
    with mock.patch.object(
        system, "pending_migrations", side_effect=DatabaseError("gone")
    ):
        assert client.get("/healthz/ready").status_code == 503
    with mock.patch.object(system, "pending_migrations", return_value=["shop.0002"]):
        assert client.get("/healthz/ready").content == b"migrations wait"


@pytest.mark.django_db
def test_health_fails_without_a_database(client: Client) -> None:
    with mock.patch(
        "socialhub.views.connection.cursor", side_effect=DatabaseError("gone")
    ):
        assert client.get("/healthz").status_code == 503
