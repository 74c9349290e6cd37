"""Choices that the practice network tells of its posts: they arrive as they were made,
once, wherever the process ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platforms import parts
from platforms.base import Draft, Level
from platforms.tests.test_contract import (
    ENDS,
    decided,
    go_out,
    job,
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
