"""Figures, comments and answers of Bluesky's posts, as the sheet has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from platforms.base import Figure
from platforms.bluesky.client import BlueskyClient
from platforms.errors import Outcome, PlatformError

from .conftest import DID, XRPC

PUBLIC = "https://public.api.bsky.app/xrpc"
VIEWS = f"{PUBLIC}/app.bsky.feed.getPosts"
THREAD = f"{PUBLIC}/app.bsky.feed.getPostThread"
RECORD = f"{XRPC}/com.atproto.repo.getRecord"
PUT = f"{XRPC}/com.atproto.repo.putRecord"
POST = f"at://{DID}/app.bsky.feed.post/3mbk5xq2s7c2a"
THEIRS = "at://did:plc:ana/app.bsky.feed.post/3mbk5xq2s7c2b"
GONE = {"error": "RecordNotFound", "message": "Could not locate record"}
ROOT = {"uri": POST, "cid": "bafyroot"}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


def view(uri: str = THEIRS, **changes: Any) -> dict[str, Any]:
    facts = {
        "uri": uri,
        "cid": "bafytheirs",
        "author": {"did": "did:plc:ana", "handle": "ana.example"},
        "record": {"text": "Nice", "createdAt": "2026-02-03T09:10:11Z"},
    }
    return {**facts, **changes}


def test_figures_are_those_of_the_public_view(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    counts = {"likeCount": 4, "replyCount": 1, "repostCount": 2, "quoteCount": 3}
    server.get(VIEWS, json={"posts": [{"uri": POST, **counts, "bookmarkCount": 5}]})
    assert client.figures(POST).values == {
        Figure.LIKES: 4,
        Figure.COMMENTS: 1,
        Figure.SHARES: 5,
        Figure.SAVES: 5,
    }
    assert "Authorization" not in server.calls[0].request.headers


def test_what_the_public_view_has_not_is_gone_only_by_the_servers_word(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(VIEWS, json={"posts": []})
    server.get(RECORD, json={"uri": POST, "cid": "c", "value": {"text": "Hello"}})
    assert client.figures(POST).values == {}
    server.replace(responses.GET, RECORD, status=400, json=GONE)
    assert raised(lambda: client.figures(POST)).outcome is Outcome.NOT_FOUND


def test_comments_are_flat_and_leave_out_what_is_gone_or_blocked(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    below = {"post": view(f"{THEIRS}c", record={"text": "Two"}, indexedAt="2026-02-04")}
    gone = {"$type": "app.bsky.feed.defs#notFoundPost", "uri": "x", "notFound": True}
    thread = {
        "post": {"uri": POST},
        "replies": [{"post": view(), "replies": [below, gone]}, gone],
    }
    server.get(THREAD, json={"thread": thread})
    first, second = client.comments(POST).comments
    assert (first.text, first.author, first.parent_id) == ("Nice", "ana.example", "")
    assert first.permalink == (
        "https://bsky.app/profile/ana.example/post/3mbk5xq2s7c2b"
    )
    assert (second.text, second.parent_id) == ("Two", THEIRS)
    assert second.published_at is not None


@pytest.mark.trap("bluesky", 13)
def test_a_thread_that_is_not_found_is_gone_only_by_the_servers_word(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(THREAD, status=400, json={"error": "NotFound", "message": "Not found"})
    server.get(RECORD, json={"uri": POST, "cid": "c", "value": {"text": "Hello"}})
    assert client.comments(POST).comments == ()
    server.replace(responses.GET, RECORD, status=400, json=GONE)
    assert raised(lambda: client.comments(POST)).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize(
    ("above", "root"),
    [({}, None), ({"reply": {"root": ROOT, "parent": ROOT}}, ROOT)],
    ids=["a post", "a reply"],
)
def test_an_answer_names_its_parent_and_the_first_post(
    client: BlueskyClient,
    server: responses.RequestsMock,
    above: dict[str, Any],
    root: dict[str, str] | None,
) -> None:
    server.get(VIEWS, json={"posts": [view(record={"text": "Nice", **above})]})
    server.post(PUT, json={"uri": f"at://{DID}/app.bsky.feed.post/new", "cid": "c"})
    answer = client.reply(THEIRS, "Grüße https://acme.example")
    assert answer.endswith("/new")
    sent = json.loads(server.calls[1].request.body or "")
    parent = {"uri": THEIRS, "cid": "bafytheirs"}
    assert sent["record"]["reply"] == {"root": root or parent, "parent": parent}
    # Offsets are bytes of the text.
    assert sent["record"]["facets"][0]["index"] == {"byteStart": 8, "byteEnd": 28}
    assert re.fullmatch(r"[2-7a-j][2-7a-z]{12}", sent["rkey"])
    assert sent["swapRecord"] is None


def test_an_answer_that_is_lost_leaves_nobody_wiser(
    client: BlueskyClient, server: responses.RequestsMock
) -> None:
    server.get(VIEWS, json={"posts": [view()]})
    server.post(PUT, body=requests.ReadTimeout())
    assert raised(lambda: client.reply(THEIRS, "Hi")).outcome is Outcome.AMBIGUOUS
    server.replace(responses.GET, VIEWS, json={"posts": []})
    assert raised(lambda: client.reply(THEIRS, "Hi")).outcome is Outcome.NOT_FOUND
