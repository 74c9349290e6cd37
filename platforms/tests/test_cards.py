"""The picture on a link's card is brought along where nobody else does, and costs no
post anything."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest

from platforms import cards, registry
from platforms.base import Draft, Poll, StepKind
from platforms.errors import (
    InvalidContent,
    PermissionMissing,
    RateLimited,
    TransientError,
)
from platforms.linkedin.spec import FULL_SCOPES
from platforms.tests.test_contract import (
    ENDS,
    JPEG,
    SLUGS,
    connect,
    go_out,
    job,
    pass_time,
    picture,
    posts_of,
)
from platforms.tests.test_contract import connected as connected
from platforms.tests.test_contract import platform as platform
from platforms.tests.test_contract import practice as practice

WITH_CARDS = [slug for slug in SLUGS if registry.spec(slug).card_picture]
carded = pytest.mark.parametrize("platform", WITH_CARDS, indirect=True)
SUM = hashlib.sha256(JPEG).hexdigest()
PAGE = replace(picture(1), sha256=SUM, key="link1", alt_text="")
LINKED = Draft("Look", "https://acme.example/a", "Bread", link_picture=PAGE)
#: a call of sending the picture -> the client's method
SENDING = {"bluesky": ["upload_blob"], "linkedin": ["init_upload", "put_file"]}
BROKEN = [(slug, method) for slug in WITH_CARDS for method in SENDING[slug]]


def go_out_in_spite(platform, now, client, practice):
    """As the engine goes on after trouble, with what the error says is not sure left."""
    for _ in range(20):
        step = platform.next_step(now, client)
        try:
            result = step.run()
        except TransientError as error:
            gone = error.extra["forget"].split(",")
            left = {k: v for k, v in now.witness.items() if k not in gone}
            now = replace(now, witness=left)
            continue
        if result.remote:
            return result.remote
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    raise AssertionError("no end")


def test_each_platform_that_reads_no_page_is_here():
    assert SENDING.keys() == set(WITH_CARDS)


@pytest.mark.trap("linkedin", 13)
@carded
@pytest.mark.parametrize("ended", ENDS)
def test_the_picture_goes_out_with_its_card_once(platform, connected, practice, ended):
    client, me = connected
    now = replace(job(LINKED), account=me)
    remote = go_out(platform, now, client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert (post["link"], post["card_picture"]) == (LINKED.link_url, SUM)
    assert not remote.extra.get("notes")


@pytest.mark.parametrize(
    ("platform", "method"), BROKEN, indirect=["platform"], ids=lambda v: str(v)[:30]
)
@pytest.mark.parametrize(
    "error", [InvalidContent("no"), PermissionMissing("no"), RateLimited("later")]
)
def test_without_the_picture_the_post_still_goes(
    platform, connected, practice, monkeypatch, method, error
):
    client, me = connected

    def refuse(*args, **more):
        raise error

    monkeypatch.setattr(client, method, refuse)
    remote = go_out(platform, replace(job(LINKED), account=me), client, practice, "")
    (post,) = posts_of(platform, practice)
    assert (post["link"], post["card_picture"]) == (LINKED.link_url, "")
    assert remote.extra["notes"] == [f"without the picture of the link: {error}"]


@carded
def test_a_post_that_is_refused_with_its_picture_goes_without(
    platform, connected, practice, monkeypatch
):
    client, me = connected
    name = {"bluesky": "put_post", "linkedin": "create"}[platform.spec.slug]
    create, said = getattr(client, name), []

    def refuse_once(*args):
        said.append(str(args))
        if len(said) == 1:
            raise InvalidContent("not this picture")
        return create(*args)

    monkeypatch.setattr(client, name, refuse_once)
    now = replace(job(LINKED), account=me)
    remote = go_out_in_spite(platform, now, client, practice)
    assert [("thumb" in words) for words in said] == [True, False]
    assert remote.extra["notes"] == [
        "without the picture of the link: the post was refused with it"
    ]
    # What is wrong with the post itself is still said.
    said.clear()
    plain = replace(LINKED, text="Other", link_picture=None)
    with pytest.raises(InvalidContent):
        go_out(platform, replace(job(plain), account=me), client, practice, "")


@carded
def test_what_left_is_repeated_as_it_was(platform, connected, practice):
    """Whatever the page shows by then."""
    client, me = connected
    now = replace(job(LINKED), account=me)
    while (step := platform.next_step(now, client)).kind is not StepKind.COMMIT:
        now = replace(now, witness={**now.witness, **step.run().witness})
    gone = replace(now, draft=replace(LINKED, link_picture=None))
    other = replace(PAGE, sha256="f" * 64)
    changed = replace(now, draft=replace(LINKED, link_picture=other))
    bodies = [
        platform.record(one) if platform.spec.slug == "bluesky" else platform.body(one)
        for one in (now, gone, changed)
    ]
    assert bodies[0] == bodies[1] == bodies[2]
    # One that went out without is not given a picture afterwards.
    sent = replace(job(LINKED), account=me, first_sent_at=job(LINKED).created_at)
    assert cards.left(sent, platform.spec) is None


@pytest.mark.parametrize("slug", SLUGS)
def test_only_a_card_of_our_own_wants_one(slug):
    spec = registry.spec(slug)
    has_cards = slug in WITH_CARDS
    assert (cards.left(job(LINKED), spec) is PAGE) == has_cards
    for draft in (
        replace(LINKED, link_url=""),
        replace(LINKED, media=(picture(2),)),
        replace(LINKED, link_picture=replace(PAGE, mime_type="image/webp")),
        replace(LINKED, link_picture=replace(PAGE, size_bytes=9_000_000)),
    ):
        assert cards.left(job(draft), spec) is None
    polled = replace(LINKED, poll=Poll(("a", "b")))
    shows = has_cards and (spec.poll is None or spec.poll.has_card)
    assert (cards.left(job(polled), spec) is PAGE) == shows


@pytest.mark.parametrize("platform", ["linkedin"], indirect=True)
@pytest.mark.parametrize("fails", [False, True])
def test_a_page_whose_picture_fails_later_gets_its_post_all_the_same(
    platform, practice, fails
):
    """Nobody would see a post with such a picture."""
    way = {"kind": "organization", "scopes": FULL_SCOPES}
    client, me = connect(platform, practice, **way)
    if fails:
        bad = b"no picture"
        page = replace(PAGE, size_bytes=len(bad), open=lambda: io.BytesIO(bad))
    else:
        page = PAGE
    now = replace(job(replace(LINKED, link_picture=page)), account=me)
    remote = go_out_in_spite(platform, now, client, practice)
    (post,) = posts_of(platform, practice)
    assert post["card_picture"] == ("" if fails else SUM)
    assert bool(remote.extra.get("notes")) == fails
