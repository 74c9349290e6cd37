"""A board that an account has not yet is made from the composer."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import AuditEvent
from platforms.errors import Cause, DuplicateContent, TransientError
from platforms.pinterest.client import PinterestClient
from publishing.tests.pages.conftest import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def pinterest(world):
    """One without any board."""
    return make_account(world.brand, "pinterest", "Acme P", server_limits={})


@pytest.fixture
def made(monkeypatch):
    """Names of the boards that were made at Pinterest; `made.error` refuses."""

    class Made(list):
        error = None
        shown: dict[str, str] = {}

    found = Made()

    def make(self, key, name, below=""):
        if found.error:
            raise found.error
        found.append(f"{below}/{name}" if below else name)
        return f"{below}/s{len(found)}" if below else f"b{len(found)}", name

    monkeypatch.setattr(PinterestClient, "make_choice", make)
    monkeypatch.setattr(
        PinterestClient, "server_limits", lambda self: {"boards": found.shown}
    )
    return found


@pytest.fixture
def press(ana, world, pinterest):
    field = f"option_pinterest_board_{pinterest.pk}"

    def make(name, url="compose_choice", **more):
        data = {
            "brand": world.brand.pk,
            "text": "Hello",
            "accounts": [pinterest.pk],
            "options_pinterest": "1",
            "action": f"choice:{field}",
            f"new_{field}": name,
            **more,
        }
        answer = ana.post(reverse(url), data)
        assert answer.status_code == 200
        return answer.content.decode()

    return make


@pytest.mark.trap("pinterest", 5)
@pytest.mark.parametrize("url", ["compose_choice", "compose"])
def test_a_board_is_made_and_chosen(press, made, pinterest, url):
    page = press(" Spring ", url)
    assert made == ["Spring"]
    assert '<option value="b1" selected>Spring</option>' in page
    pinterest.refresh_from_db()
    assert pinterest.server_limits == {"boards": {"b1": "Spring"}}
    assert AuditEvent.objects.filter(verb="account.choice_made").count() == 1
    # Pressed again, nothing is made twice.
    assert "selected>Spring" in press("spring", url)
    assert made == ["Spring"]


def test_a_board_that_we_had_not_heard_of_is_taken_up(press, made):
    made.error = DuplicateContent("taken", cause=Cause.ALREADY_THERE)
    made.shown = {"b7": "Spring"}
    assert '<option value="b7" selected>Spring</option>' in press("Spring")
    made.shown = {}
    assert "exists at Pinterest already, but is not shown" in press("Plans")


def test_what_is_in_the_way_is_said_beside_the_field(press, made, pinterest):
    assert "Write a name first." in press("  ")
    assert "is longer than 50 characters" in press("a" * 51)
    made.error = TransientError("no answer", cause=Cause.UNREACHABLE)
    assert 'role="alert"' in press("Spring")
    credential = pinterest.credential
    credential.granted_scopes = ["boards:read"]
    credential.save()
    assert "A permission is missing: boards:write" in press("Spring")
    credential.state = "broken"
    credential.save()
    page = press("Spring")
    assert "access has ended. Reconnect it first." in page
    assert made == []


def test_a_strangers_account_makes_no_board(ana, world, made, press):
    press("Spring", action="choice:option_pinterest_board_0", url="compose")
    assert made == []
    data = {"brand": world.brand.pk, "action": "choice:option_pinterest_board_0"}
    assert ana.post(reverse("compose_choice"), data).status_code == 404


@pytest.mark.parametrize("typed", ["Recipes › Bread", "recipes>Bread"])
def test_a_section_is_made_below_its_board(press, made, pinterest, typed):
    pinterest.server_limits = {"boards": {"b7": "Recipes"}}
    pinterest.save()
    page = press(typed)
    assert made == ["b7/Bread"]
    assert '<option value="b7/s1" selected>Recipes › Bread</option>' in page
    press("Recipes › bread")
    assert made == ["b7/Bread"]
    assert "There is no “Cakes” yet" in press("Cakes › Bread")
    assert "Write a name first" in press("Recipes ›")
    assert made == ["b7/Bread"]
