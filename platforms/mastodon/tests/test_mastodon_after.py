"""Figures, comments and answers of Mastodon's posts, as the sheet has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from platforms.base import Figure, Vote
from platforms.errors import Outcome, PlatformError
from platforms.mastodon.client import MastodonClient

from .conftest import BASE

POST = "115999000111222333"
STATUS = f"{BASE}/api/v1/statuses/{POST}"
CREATE = f"{BASE}/api/v1/statuses"
ANSWER = {"id": "8", "url": f"{BASE}/@acme/8", "content": "<p>Thanks</p>"}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


def theirs(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "7",
        "content": "<p>Nice</p>",
        "url": "https://far.example/@ana/7",
        "created_at": "2026-02-03T09:10:11.197Z",
        "in_reply_to_id": POST,
        "visibility": "unlisted",
        "account": {"id": "99", "acct": "ana@far.example"},
    }
    return {**row, **changes}


def test_figures_are_counters_and_older_servers_know_no_quotes(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    counts = {"favourites_count": 3, "reblogs_count": 2, "replies_count": 0}
    server.get(STATUS, json={"id": POST, **counts, "quotes_count": 4})
    server.get(STATUS, json={"id": POST, **counts})
    assert client.figures(POST).values == {
        Figure.LIKES: 3,
        Figure.COMMENTS: 0,
        Figure.SHARES: 6,
    }
    assert client.figures(POST).values[Figure.SHARES] == 2


@pytest.mark.parametrize(
    ("poll", "votes", "voters"),
    [
        (None, (), None),
        ("odd", (), None),
        (
            {
                "options": [
                    {"title": "Tea", "votes_count": 6},
                    {"title": "Coffee", "votes_count": 0},
                ],
                "votes_count": 6,
                "voters_count": None,
            },
            (Vote("Tea", 6), Vote("Coffee", 0)),
            None,
        ),
        (
            {
                "options": [{"title": "Tea", "votes_count": 6}, {"title": "Coffee"}],
                "voters_count": 4,
            },
            (Vote("Tea", 6), Vote("Coffee", None)),
            4,
        ),
    ],
    ids=["none", "odd", "one answer", "several, one hidden"],
)
def test_a_polls_votes_come_with_the_figures(
    client: MastodonClient,
    server: responses.RequestsMock,
    poll: Any,
    votes: tuple[Vote, ...],
    voters: int | None,
) -> None:
    """What is hidden is not zero."""
    server.get(STATUS, json={"id": POST, "favourites_count": 3, "poll": poll})
    told = client.figures(POST)
    assert (told.votes, told.voters) == (votes, voters)
    assert told.values == {Figure.LIKES: 3}


def test_a_post_is_gone_in_the_servers_words_and_not_in_a_proxys(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(STATUS, status=404, json={"error": "Record not found"})
    assert raised(lambda: client.figures(POST)).outcome is Outcome.NOT_FOUND
    server.replace(responses.GET, STATUS, status=404, body="<h1>Not Found</h1>")
    assert raised(lambda: client.figures(POST)).outcome is Outcome.TRANSIENT
    server.replace(responses.GET, STATUS, json={})
    assert raised(lambda: client.figures(POST)).outcome is Outcome.TRANSIENT


def test_comments_are_plain_text_of_every_depth(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    below = theirs(id="8", in_reply_to_id="7", content="<p>One<br>two</p>")
    rows = {"ancestors": [theirs(id="1")], "descendants": [theirs(), below, "?"]}
    server.get(f"{STATUS}/context", json=rows)
    first, second = client.comments(POST).comments
    assert (first.text, first.author, first.parent_id) == (
        "Nice",
        "ana@far.example",
        "",
    )
    assert first.permalink == "https://far.example/@ana/7"
    assert (second.text, second.parent_id) == ("One\ntwo", "7")


def test_an_answer_names_the_author_and_is_seen_by_no_more_people(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/api/v1/statuses/7", json=theirs())
    server.post(CREATE, json=ANSWER)
    assert client.reply("7", "Thanks") == "8"
    assert json.loads(server.calls[1].request.body or "") == {
        "status": "@ana@far.example Thanks",
        "in_reply_to_id": "7",
        "visibility": "unlisted",
    }
    client.reply("7", "Thanks")
    client.reply("7", "Other words")
    keys = [
        call.request.headers["Idempotency-Key"]
        for call in server.calls
        if call.request.method == "POST"
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (theirs(account={"id": "14715", "acct": "acme"}), "Thanks"),
        (theirs(visibility="mutuals_only"), "@ana@far.example Thanks"),
    ],
    ids=["our own", "a narrow circle"],
)
def test_answers_to_ourselves_and_to_narrow_circles(
    client: MastodonClient,
    server: responses.RequestsMock,
    row: dict[str, Any],
    text: str,
) -> None:
    server.get(f"{BASE}/api/v1/statuses/7", json=row)
    server.post(CREATE, json=ANSWER)
    client.reply("7", "Thanks")
    sent = json.loads(server.calls[1].request.body or "")
    assert sent["status"] == text
    assert sent["visibility"] == ("unlisted" if text == "Thanks" else "direct")


def test_an_answer_that_is_lost_leaves_nobody_wiser(
    client: MastodonClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/api/v1/statuses/7", json=theirs())
    server.post(CREATE, body=requests.ReadTimeout())
    assert raised(lambda: client.reply("7", "Thanks")).outcome is Outcome.AMBIGUOUS
    server.replace(
        responses.GET,
        f"{BASE}/api/v1/statuses/7",
        status=404,
        json={"error": "Record not found"},
    )
    assert raised(lambda: client.reply("7", "Thanks")).outcome is Outcome.NOT_FOUND
