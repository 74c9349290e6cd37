"""Figures, comments and answers of X's posts, as the sheet has them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import Figure
from platforms.errors import Outcome, PlatformError
from platforms.x.client import XClient
from platforms.x.spec import SPEC

from .test_x_client import API, POSTS, problem

SEARCH = f"{API}/2/tweets/search/recent"
PUBLIC = {
    "retweet_count": 50,
    "reply_count": 12,
    "like_count": 234,
    "quote_count": 5,
    "bookmark_count": 8,
    "impression_count": 5432,
}
COUNTED = {
    Figure.IMPRESSIONS: 5432,
    Figure.LIKES: 234,
    Figure.COMMENTS: 12,
    Figure.SHARES: 55,
    Figure.SAVES: 8,
}


def born(ago: timedelta) -> str:
    """The id of a post of that age."""
    at = datetime.now(UTC) - ago
    return str((int(at.timestamp() * 1000) - 1_288_834_974_657) << 22)


def query(call: Any) -> dict[str, str]:
    found = parse_qs(urlsplit(str(call.request.url)).query)
    return {name: values[0] for name, values in found.items()}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


def test_figures_of_a_new_post_have_clicks_and_views(
    client: XClient, api: responses.RequestsMock
) -> None:
    number = born(timedelta(days=2))
    row = {"id": number, "public_metrics": PUBLIC}
    row["non_public_metrics"] = {"url_link_clicks": 89}
    media = [{"media_key": "7_1", "public_metrics": {"view_count": 900}}]
    api.get(POSTS, json={"data": [row], "includes": {"media": media}})
    assert client.figures(number).values == {
        **COUNTED,
        Figure.CLICKS: 89,
        Figure.VIEWS: 900,
    }
    assert query(api.calls[0])["ids"] == number
    assert "non_public_metrics" in query(api.calls[0])["tweet.fields"]


def test_of_an_old_post_what_only_its_author_sees_is_not_asked_for(
    client: XClient, api: responses.RequestsMock
) -> None:
    number = born(timedelta(days=31))
    api.get(POSTS, json={"data": [{"id": number, "public_metrics": PUBLIC}]})
    assert client.figures(number).values == COUNTED
    assert "non_public" not in query(api.calls[0])["tweet.fields"]


def test_figures_are_read_by_their_new_names_as_well(
    client: XClient, api: responses.RequestsMock
) -> None:
    said = "The query parameter 'tweet.fields' is not valid for this endpoint"
    api.get(
        POSTS,
        status=400,
        json={"errors": [{"message": said}], **problem(said, "x/invalid-request")},
    )
    new = {k: v for k, v in PUBLIC.items() if k != "retweet_count"}
    api.get(
        POSTS,
        json={"data": [{"id": "1", "public_metrics": {**new, "repost_count": 50}}]},
    )
    assert client.figures("1").values == COUNTED
    assert "post.fields" in query(api.calls[1])


@pytest.mark.trap("x", 12)
def test_a_post_that_is_gone_is_told_by_an_answer_of_200(
    client: XClient, api: responses.RequestsMock
) -> None:
    kind = "https://api.twitter.com/2/problems/resource-not-found"
    gone = {"value": "9", "detail": "Could not find tweet", "type": kind}
    api.get(POSTS, json={"errors": [gone]})
    error = raised(lambda: client.figures("9"))
    assert error.outcome is Outcome.NOT_FOUND
    assert not error.ends_access  # the post is gone, and not the account


def test_an_answer_without_a_post_is_no_data_and_not_gone(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.get(POSTS, json={"meta": {}})
    assert raised(lambda: client.figures("9")).outcome is Outcome.TRANSIENT


def test_comments_are_the_rest_of_the_conversation(
    client: XClient, api: responses.RequestsMock
) -> None:
    rows = [
        {
            "id": "12",
            "text": "Look: https://t.co/a &amp; more",
            "author_id": "7",
            "created_at": "2026-11-20T10:00:00.000Z",
            "referenced_tweets": [{"type": "replied_to", "id": "11"}],
            "entities": {
                "urls": [{"url": "https://t.co/a", "expanded_url": "https://a.example"}]
            },
        },
        {
            "id": "11",
            "text": "Nice",
            "author_id": "8",
            "referenced_posts": [{"type": "replied_to", "id": "10"}],
        },
        {"id": "10", "text": "The post itself"},
    ]
    users = [{"id": "7", "username": "ana"}, {"id": "8", "username": "bo"}]
    meta = {"result_count": 3, "next_token": "n1"}
    api.get(SEARCH, json={"data": rows, "includes": {"users": users}, "meta": meta})
    page = client.comments("10", after="n0")
    below, first = page.comments
    assert (below.text, below.author) == ("Look: https://a.example & more", "ana")
    assert (below.parent_id, first.parent_id) == ("11", "")
    assert first.permalink == "https://x.com/bo/status/11"
    assert page.after == "n1"
    asked = query(api.calls[0])
    assert (asked["query"], asked["next_token"]) == ("conversation_id:10", "n0")
    # What is paid for is what is asked for at most.
    price = SPEC.call("GET /2/tweets/search/recent").draws["post_reads"]
    assert int(asked["max_results"]) == price


def test_no_comments_are_no_error(client: XClient, api: responses.RequestsMock) -> None:
    api.get(SEARCH, json={"meta": {"result_count": 0}})
    assert client.comments("10").comments == ()


def test_replies_are_found_for_seven_days() -> None:
    assert SPEC.comments_for == timedelta(days=7)


def test_an_answer_is_a_post_that_names_what_it_answers(
    client: XClient, api: responses.RequestsMock
) -> None:
    api.post(POSTS, status=201, json={"data": {"id": "13", "text": "Thanks"}})
    assert client.reply("11", "Thanks") == "13"
    assert json.loads(api.calls[0].request.body or "") == {
        "text": "Thanks",
        "reply": {"in_reply_to_tweet_id": "11"},
    }


NOT_ASKED = (
    "Reply to this conversation is not allowed because you have not been mentioned or "
    "otherwise engaged by the author of the post you are replying to."
)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 403, "json": problem(NOT_ASKED)}, Outcome.PERMISSION),
        ({"status": 503, "json": problem("Service Unavailable")}, Outcome.AMBIGUOUS),
        ({"body": requests.ReadTimeout()}, Outcome.AMBIGUOUS),
    ],
    ids=["not mentioned", "trouble", "lost"],
)
def test_other_ends_of_an_answer(
    client: XClient,
    api: responses.RequestsMock,
    answer: dict[str, Any],
    outcome: Outcome,
) -> None:
    api.post(POSTS, **answer)
    error = raised(lambda: client.reply("11", "Thanks"))
    assert error.outcome is outcome
    assert outcome is not Outcome.PERMISSION or error.reach == "post"
