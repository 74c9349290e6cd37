"""Forms as nobody fills them in by hand."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse

from publishing import composing

pytestmark = pytest.mark.django_db

ENDLESS = "9" * 5000


def test_the_checks_never_run_over_more_than_the_longest_text(
    ana: Client, world: SimpleNamespace
) -> None:
    data = {
        "text": "ab " * 400_000,
        "link_url": "https://example.com/" + "a" * 300_000,
        "link_title": "t" * 300_000,
        "link_description": "d" * 300_000,
        "brand": world.brand.pk,
    }

    with mock.patch.object(composing, "check", return_value=[]) as check:
        answer = ana.post(reverse("compose_check"), data)

    assert answer.status_code == 200
    assert "50000" in answer.content.decode()  # the form says the limit
    seen = check.call_args.args[0]
    assert len(seen.text) <= 50_000
    assert len(seen.link_url + seen.link_title + seen.link_description) <= 3000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("compose_check", {"post": ENDLESS}),
        ("compose_check", {"media": ENDLESS}),
        ("compose_check", {"media": "9" * 30}),
        ("media_upload", {"action": f"remove:{ENDLESS}"}),
        ("desk_send", {"delivery": ENDLESS}),
        ("desk_send", {"delivery": "9" * 30}),
    ],
)
def test_a_number_without_end_is_a_row_that_is_not_there(
    ana: Client, name: str, data: dict[str, str]
) -> None:
    answer = ana.post(reverse(name), data)

    assert answer.status_code in {200, 302, 404}


def test_copying_a_post_with_a_number_without_end_is_not_found(ana: Client) -> None:

    assert ana.get(reverse("compose"), {"copy": ENDLESS}).status_code == 404
