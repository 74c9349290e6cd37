"""Choices that the practice network tells of its posts: they arrive as they were made,
once, wherever the process ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platforms import parts
from platforms.base import Draft, Level, Poll
from platforms.tests.test_contract import (
    ENDS,
    decided,
    go_out,
    job,
    pass_time,
    picture,
    posts_of,
)
from platforms.tests.test_contract import connected as connected
from platforms.tests.test_contract import platform as platform
from platforms.tests.test_contract import practice as practice
from platforms.tests.test_contract import shelf as shelf

#: platform, choice, value, number of images
MADE = [
    ("bluesky", "reply_control", "nobody", 0),
    ("bluesky", "reply_control", "mentionRule+followerRule+followingRule", 1),
    ("bluesky", "label", "graphic-media", 1),
    ("bluesky", "tags", ["drill", "practice"], 0),
    ("mastodon", "quote_approval_policy", "followers", 0),
    ("mastodon", "visibility", "unlisted", 1),
    ("pinterest", "dominant_color", "#AABBCC", 1),
    ("pinterest", "item_titles", ["First", "", "Third"], 3),
]


@pytest.mark.parametrize(
    ("platform", "key", "value", "images"), MADE, indirect=["platform"]
)
@pytest.mark.parametrize("ended", ENDS)
def test_a_choice_arrives_with_its_post(
    platform, connected, practice, ended, key, value, images, shelf
):
    client, me = connected
    draft = Draft(
        "Hello",
        media=tuple(picture(n, shelf) for n in range(images)),
        options={**decided(platform, client), key: value},
    )
    found = parts.check(platform, draft, me, client.server_limits())
    client.http.drain()
    assert [f for f in found if f.level is Level.REFUSED] == []
    remote = go_out(platform, replace(job(draft), account=me), client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert post["choices"][key] == value
    assert remote.external_id == post["id"]


@pytest.mark.parametrize("platform", ["mastodon"], indirect=True)
@pytest.mark.parametrize("ended", ENDS)
def test_votes_are_hidden_until_the_poll_ends(platform, connected, practice, ended):
    client, me = connected
    poll, options = Poll(("Tea", "Coffee"), minutes=5), {"hide_totals": True}
    draft = Draft("What do you drink?", poll=poll, options=options)
    assert parts.check(platform, draft, me, client.server_limits()) == []
    client.http.drain()
    remote = go_out(platform, replace(job(draft), account=me), client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert post["choices"]["hide_totals"] is True
    votes = client.figures(remote.external_id).votes
    assert [vote.count for vote in votes] == [None, None]
    pass_time(practice, 600)
    votes = client.figures(remote.external_id).votes
    assert [vote.count for vote in votes] == [0, 0]


@pytest.mark.parametrize("platform", ["mastodon"], indirect=True)
def test_a_focus_arrives_with_its_image(platform, connected, practice, shelf):
    client, me = connected
    images = (replace(picture(1, shelf), focus=(0.25, 0.1)), picture(2, shelf))
    draft = Draft("Hello", media=images)
    go_out(platform, replace(job(draft), account=me), client, practice, "between steps")
    (post,) = posts_of(platform, practice)
    assert post["focus"] == [{"x": -0.5, "y": 0.8}, {"x": 0.0, "y": 0.0}]
