"""The first start makes one admin with a password of its own; later ones make none."""

import json

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django_q.models import Schedule

from socialhub.management.commands.first_run import make_first_admin

pytestmark = pytest.mark.django_db


@pytest.fixture
def _own_static(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path / "static"


@pytest.mark.usefixtures("_own_static")
def test_a_first_run_prepares_everything_and_tells_the_password_once(capsys):
    call_command("first_run", "--json")
    first = json.loads(capsys.readouterr().out)
    assert authenticate(username=first["user"], password=first["password"]).is_superuser
    assert first["sign_in_path"].startswith("/sign-in/")
    assert first["grace_s"] > 0
    assert Schedule.objects.exists()
    call_command("first_run", "--json")
    assert json.loads(capsys.readouterr().out)["password"] == ""
    assert get_user_model().objects.count() == 1


@pytest.mark.usefixtures("_own_static")
def test_a_person_reads_the_first_sign_in_in_words(capsys):
    call_command("first_run")
    assert "First sign-in: user admin, password " in capsys.readouterr().out
    call_command("first_run")
    assert capsys.readouterr().out == "Everything is in place.\n"


def test_no_admin_is_made_where_people_exist():
    get_user_model().objects.create_user("ana")
    assert make_first_admin() == ""
    assert not get_user_model().objects.filter(is_superuser=True).exists()
