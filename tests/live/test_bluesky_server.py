"""The running cluster publishes to the official Bluesky server, read back by its API."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import requests
from django.conf import settings

from socialhub.sandbox import BASE_DIR, Sandbox
from tests import needs

pytestmark = [pytest.mark.bluesky_server, pytest.mark.live]
HANDLE = "grower.test"
GATE = "app.bsky.feed.threadgate"


@pytest.fixture(scope="module")
def published():
    """(server addresses, what the child printed, records by text)."""
    postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    with Sandbox(needs.postgres_url() if postgres else "") as box:
        server = box.start_bluesky()
        xrpc = f"{server['pds']}/xrpc/com.atproto."
        who = {"handle": HANDLE, "email": "g@example.com", "password": "main-password"}
        made = requests.post(f"{xrpc}server.createAccount", json=who, timeout=20)
        made.raise_for_status()
        secret = requests.post(
            f"{xrpc}server.createAppPassword",
            json={"name": "socialhub"},
            headers={"Authorization": f"Bearer {made.json()['accessJwt']}"},
            timeout=20,
        ).json()["password"]
        box.env["ALLOWED_PRIVATE_HOSTS"] = ",".join(
            url.split("://", 1)[1] for url in server.values()
        )
        box.env["BLUESKY"] = json.dumps(server)
        box.migrate()
        box.start_clusters(["publish"])
        child = subprocess.run(
            [sys.executable, "tests/live/bluesky_child.py", HANDLE, secret],
            env=box.env,
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert child.returncode == 0, child.stderr + box.log("cluster-publish")
        told = json.loads(child.stdout.splitlines()[-1])
        records = requests.get(
            f"{xrpc}repo.listRecords",
            params={"repo": told["did"], "collection": "app.bsky.feed.post"},
            timeout=20,
        ).json()["records"]
        told["gates"] = requests.get(
            f"{xrpc}repo.listRecords",
            params={"repo": told["did"], "collection": GATE},
            timeout=20,
        ).json()["records"]
        blobs = {}
        for record in records:
            for image in record["value"].get("embed", {}).get("images", []):
                blobs[record["uri"]] = requests.get(
                    f"{xrpc}sync.getBlob",
                    params={"did": told["did"], "cid": image["image"]["ref"]["$link"]},
                    timeout=20,
                ).content
        yield told, records, blobs


def linked(value):
    """The words that each link facet covers, and where it leads."""
    raw = value["text"].encode()
    return [
        (raw[f["index"]["byteStart"] : f["index"]["byteEnd"]].decode(), feature)
        for f in value.get("facets", [])
        for feature in f["features"]
    ]


def test_all_posts_are_there_once_under_the_stored_ids(published):
    told, records, _ = published
    assert [row["status"] for row in told["rows"]] == ["published"] * 3, told
    ids = [id for row in told["rows"] for id in row["parts"] or [row["external_id"]]]
    assert sorted(ids) == sorted(record["uri"] for record in records)
    assert all(
        row["permalink"].startswith("https://bsky.app/profile/") for row in told["rows"]
    )


def test_each_part_of_a_thread_replies_to_the_one_before(published):
    told, records, _ = published
    found = {record["uri"]: record for record in records}
    first, second, third = (found[uri] for uri in told["rows"][2]["parts"])
    assert [part["value"]["text"] for part in (first, second, third)] == [
        "One of three 🧵",
        "Two of three",
        "Three of three",
    ]
    root, parent = ({"uri": r["uri"], "cid": r["cid"]} for r in (first, second))
    assert second["value"]["reply"] == {"root": root, "parent": root}
    assert third["value"]["reply"] == {"root": root, "parent": parent}


def test_who_may_reply_stands_beside_the_thread_and_warnings_in_it(published):
    """As the server's own lexicons have it: it refuses what does not follow them."""
    told, records, _ = published
    first, *_ = told["rows"][2]["parts"]
    (gate,) = told["gates"]
    assert gate["uri"].rsplit("/", 1)[-1] == first.rsplit("/", 1)[-1]
    assert gate["value"]["post"] == first
    rules = [rule["$type"] for rule in gate["value"]["allow"]]
    assert rules == [f"{GATE}#mentionRule", f"{GATE}#followingRule"]
    values = {r["uri"]: r["value"] for r in records}
    assert values[first]["labels"]["values"] == [{"val": "nudity"}]
    tagged = [uri for uri, value in values.items() if value.get("tags") == ["practice"]]
    assert tagged == [first]


def test_a_link_becomes_a_card_and_a_hashtag_a_facet(published):
    _, records, _ = published
    (card,) = [r["value"] for r in records if "card" in r["value"]["text"]]
    external = card["embed"]["external"]
    assert (external["uri"], external["title"]) == (
        "https://acme.example/sow",
        "How to sow",
    )
    assert [words for words, _ in linked(card)] == ["#spring"]


def test_beside_an_image_the_link_stands_in_the_text_by_byte_offsets(published):
    _, records, blobs = published
    (record,) = [r for r in records if "seedlings" in r["value"]["text"]]
    value = record["value"]
    ((words, feature),) = linked(value)
    assert feature["uri"] == "https://acme.example/s"
    assert words == "https://acme.example/s"
    (image,) = value["embed"]["images"]
    assert image["alt"] == "Green field"
    assert image["aspectRatio"] == {"width": 640, "height": 480}
    assert blobs[record["uri"]].startswith(b"\x89PNG")
