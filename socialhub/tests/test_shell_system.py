"""The system check: which line turns red for what, and health for load balancers."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import responses
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.fernet import Fernet
from django.core import mail
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from accounts.models import PlatformApp, RateBucket
from monitoring.models import Heartbeat
from socialhub import system


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


def test_an_smtp_server_with_a_local_sender_is_red(sound: Any) -> None:
    sound.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    sound.DEFAULT_FROM_EMAIL = "SocialHub <socialhub@localhost>"
    assert red() == ["mail"]
    sound.DEFAULT_FROM_EMAIL = "SocialHub <social@example.com>"
    assert red() == []


def test_half_an_app_is_red_and_none_is_only_noted(sound: Any) -> None:
    assert states()["app_x"] == system.NOTE
    app = PlatformApp.objects.create(platform="x", client_id="id")
    assert red() == ["app_x"]
    app.client_secret = "top-secret"
    app.save()
    assert states()["app_x"] == system.OK
    app.state = PlatformApp.State.SUSPENDED
    app.save()
    assert red() == ["app_x"]


def test_an_app_that_spends_money_without_a_budget_is_noted(sound: Any) -> None:
    app = PlatformApp.objects.create(platform="x", client_id="id", client_secret="s")
    line = next(line for line in system.run() if line.key == "budget_x")
    assert line.state == system.NOTE
    assert "$0.20" in line.found
    assert "Set a budget" in line.cure
    RateBucket.objects.create(
        platform="x", key="credits", subject=f"app:{app.pk}", size_set=50_000
    )
    assert "budget_x" not in states()


def test_each_app_line_has_the_redirect_address_to_copy(sound: Any) -> None:
    lines = {line.key: line for line in system.run()}
    assert lines["app_x"].copy == "http://testserver/accounts/callback/x/"


def test_the_redirect_address_is_that_of_the_callback_page(sound: Any) -> None:
    callback = reverse("connect_callback", args=["x"])
    assert system.redirect_address("x") == "http://testserver" + callback


def test_the_page_never_shows_a_secret(sound: Any, author: Any, client: Client) -> None:
    PlatformApp.objects.create(
        platform="x", client_id="id", client_secret="top-secret-1"
    )
    client.force_login(author)
    page = client.get(reverse("system_check")).content.decode()
    assert "App at X" in page
    assert "top-secret-1" not in page


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
