"""The page for what went wrong on our side."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.utils import translation

from accounts.models import Profile
from socialhub.broken import broken


@pytest.mark.parametrize(
    ("asked", "language", "words"),
    [
        ("", "en", "Something broke on our side"),
        ("de-AT,de;q=0.9", "de", "Bei uns ist etwas kaputtgegangen"),
        ("fr", "en", "Something broke on our side"),
    ],
)
def test_it_speaks_as_the_browser_asks_without_a_database(asked, language, words):
    """No mark: pytest-django refuses each query."""
    request = RequestFactory().get("/", headers={"accept-language": asked})
    page = broken(request)
    assert page.status_code == 500
    text = page.content.decode()
    assert f'<html lang="{language}">' in text
    assert words in text
    assert translation.get_language() == "en"


def test_a_cookie_tells_the_language_too():
    factory = RequestFactory()
    factory.cookies["django_language"] = "de"
    assert '<html lang="de">' in broken(factory.get("/")).content.decode()


@pytest.mark.django_db
def test_a_person_reads_it_in_the_language_that_they_chose(
    monkeypatch, django_user_model
):
    person = django_user_model.objects.create_user("ana")
    Profile.objects.update_or_create(user=person, defaults={"language": "de"})
    client = Client(raise_request_exception=False)
    client.force_login(person)

    def fails(*_args, **_more):
        raise OSError("the disk is full")

    monkeypatch.setattr("socialhub.shell_rows.facts", fails)
    page = client.get("/", headers={"accept-language": "en"})
    assert page.status_code == 500
    assert "Bei uns ist etwas kaputtgegangen" in page.content.decode()
