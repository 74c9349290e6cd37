"""Polls: what each platform would refuse is said before anything is sent, and what it
takes goes out once with all its answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platforms import parts, registry
from platforms.base import Draft, Level, Part, Poll
from platforms.errors import Cause, InvalidContent
from platforms.kinds import POLL, kinds_of
from platforms.linkedin.spec import FULL_SCOPES
from platforms.tests.test_contract import (
    ENDS,
    ME,
    SLUGS,
    connect,
    go_out,
    job,
    picture,
    posts_of,
)
from platforms.tests.test_contract import connected as connected
from platforms.tests.test_contract import platform as platform
from platforms.tests.test_contract import practice as practice

POLLED = [slug for slug in SLUGS if registry.spec(slug).poll]
polled = pytest.mark.parametrize("platform", POLLED, indirect=True)
ANSWERS = ("Tea", "Coffee", "Wasser mit Kohlensäure")
ASKED = Poll(ANSWERS, question="What do you drink?")
DAY = 1440


def causes(slug: str, draft: Draft, **limits: object) -> dict[str, Cause]:
    """Field -> cause, of what is refused."""
    found = parts.check(registry.platform(slug), draft, ME, limits)
    return {f.field: f.cause for f in found if f.level is Level.REFUSED}


def poll(slug: str, answers: tuple[str, ...] = ANSWERS, **more: object):
    """What is refused of it below a text."""
    asked = Poll(answers, **{"question": "Which?", **more})
    return causes(slug, Draft("Which?", poll=asked))


@polled
@pytest.mark.parametrize("ended", ENDS)
def test_a_poll_goes_out_once_with_its_answers(platform, connected, practice, ended):
    client, me = connected
    draft = Draft("What do you drink?", poll=ASKED)
    refused = [f for f in parts.check(platform, draft, me) if f.level is Level.REFUSED]
    assert refused == []
    remote = go_out(platform, replace(job(draft), account=me), client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert (tuple(post["poll"]), post["text"]) == (ANSWERS, "What do you drink?")
    # Of members' posts on LinkedIn nobody but a person can tell.
    assert remote.external_id in (post["id"], "told by a person")


@pytest.mark.parametrize("platform", ["mastodon", "linkedin"], indirect=True)
@pytest.mark.parametrize("first", [None, ASKED], ids=["text first", "poll first"])
def test_of_two_posts_with_one_text_a_look_finds_the_right_one(
    platform, practice, first
):
    way = {"kind": "organization", "scopes": FULL_SCOPES}
    client, me = connect(
        platform, practice, **(way if platform.spec.slug == "linkedin" else {})
    )
    made = []
    for number, asked in enumerate((first, None if first else ASKED)):
        draft, marker = Draft("Which?", poll=asked), str(number) * 32
        now = replace(job(draft), account=me, marker=marker)
        made.append(go_out(platform, now, client, practice, "after the send"))
    found = {post["id"]: bool(post["poll"]) for post in posts_of(platform, practice)}
    assert [found[one.external_id] for one in made] == [bool(first), not first]


@pytest.mark.parametrize("slug", SLUGS)
def test_where_there_are_none_a_poll_is_refused(slug):
    has_polls = slug in POLLED
    assert (POLL in kinds_of(registry.spec(slug))) == has_polls
    found = causes(slug, Draft("Which?", poll=ASKED))
    assert (found.get("poll") is Cause.POLL_IMPOSSIBLE) != has_polls


@pytest.mark.parametrize("slug", POLLED)
def test_files_and_a_poll_exclude_each_other(slug):
    draft = Draft("Which?", media=(picture(1),), poll=ASKED)
    assert causes(slug, draft)["poll"] is Cause.POLL_WITH_FILES


def test_linkedin_shows_either_a_poll_or_a_card():
    draft = Draft("Which?", link_url="https://acme.example", poll=ASKED)
    assert causes("linkedin", draft) == {"link": Cause.POLL_WITH_LINK}
    assert causes("mastodon", draft) == causes("x", draft) == {}


@pytest.mark.parametrize("slug", ["x", "linkedin"])
def test_a_poll_and_a_quote_exclude_each_other_where_a_quote_stands_alone(slug):
    where = {
        "x": "https://x.com/acme/status/20",
        "linkedin": "https://www.linkedin.com/feed/update/urn:li:share:20/",
    }
    draft = Draft("Which?", options={"quote": where[slug]})
    assert Cause.QUOTE_ALONE not in causes(slug, draft).values()
    asked = replace(draft, poll=ASKED)
    assert causes(slug, asked)["option:quote"] is Cause.QUOTE_ALONE


@pytest.mark.parametrize(
    ("slug", "longest", "most"),
    [("x", 25, 4), ("mastodon", 50, 4), ("linkedin", 30, 4), ("threads", 25, 4)],
)
def test_answers_have_the_limits_of_their_platform(slug, longest, most):
    good = tuple(f"{n}".ljust(longest, "x") for n in range(most))
    assert poll(slug, good) == {}
    assert poll(slug, (*good, "one more")) == {"poll": Cause.POLL_TOO_MANY}
    assert poll(slug, good[:1]) == {"poll": Cause.POLL_TOO_FEW}
    long = (good[0], f"{good[1]}x")
    assert poll(slug, long) == {"poll:2": Cause.POLL_ANSWER_TOO_LONG}
    assert poll(slug, ("a", "b", "a")) == {"poll:3": Cause.POLL_ANSWER_TWICE}


@pytest.mark.parametrize(
    ("slug", "good", "bad"),
    [
        ("x", [5, 10_080], [4, 10_081]),
        ("mastodon", [5, 43_829], [4, 43_830]),
        ("linkedin", [DAY, 3 * DAY, 7 * DAY, 14 * DAY], [60, 2 * DAY, 15 * DAY]),
        ("threads", [1, DAY], []),
    ],
)
def test_it_lasts_as_long_as_its_platform_lets_it(slug, good, bad):
    for minutes in good:
        assert poll(slug, minutes=minutes) == {}
    for minutes in bad:
        assert poll(slug, minutes=minutes) == {"poll:minutes": Cause.POLL_LENGTH}


def test_only_linkedin_wants_a_question_of_its_own():
    assert poll("linkedin", question="") == {
        "poll:question": Cause.POLL_QUESTION_MISSING
    }
    assert poll("linkedin", question="q" * 140) == {}
    long = {"poll:question": Cause.POLL_QUESTION_TOO_LONG}
    assert poll("linkedin", question="q" * 141) == long
    for slug in ("x", "mastodon", "threads"):
        assert poll(slug, question="") == poll(slug, question="q" * 200) == {}


def test_linkedin_counts_in_utf16():
    assert poll("linkedin", ("👍" * 15, "no")) == {}
    found = poll("linkedin", ("👍" * 16, "no"))
    assert found == {"poll:1": Cause.POLL_ANSWER_TOO_LONG}
    assert poll("x", ("👍" * 25, "no")) == {}


@pytest.mark.parametrize("slug", POLLED)
def test_what_a_platform_leaves_out_of_a_poll_is_said(slug):
    asked = Poll(ANSWERS, multiple=True, question="Which?")
    found = parts.check(registry.platform(slug), Draft("Which?", poll=asked), ME)
    said = {f.field: f.cause for f in found if f.level is Level.WARNING}
    one, lost = Cause.POLL_ONE_CHOICE, Cause.POLL_LENGTH_LOST
    assert (said.get("poll:multiple") is one) == (slug != "mastodon")
    assert (said.get("poll:minutes") is lost) == (slug == "threads")


def test_a_server_s_own_limits_count():
    six = tuple("abcdef")
    limits = {
        "poll_options": 6,
        "poll_characters": 10,
        "poll_min_s": 3600,
        "poll_max_s": 7230,
    }
    asked = Draft("Which?", poll=Poll(six, 60))
    assert causes("mastodon", asked, **limits) == {}
    for changed, field in (
        (replace(asked.poll, minutes=59), "poll:minutes"),
        (replace(asked.poll, minutes=121), "poll:minutes"),
        (replace(asked.poll, options=("a", "b" * 11)), "poll:2"),
    ):
        assert list(causes("mastodon", Draft("?", poll=changed), **limits)) == [field]


def test_mastodon_alone_takes_a_poll_without_a_text():
    draft = Draft("", poll=ASKED)
    assert causes("mastodon", draft) == {}
    for slug in ("x", "linkedin", "threads"):
        assert causes(slug, draft)["text"] is Cause.TEXT_EMPTY


def test_a_poll_belongs_to_the_first_part_of_a_thread():
    draft = Draft("Which?", poll=ASKED, parts=(Part("More"),))
    assert [one.poll for one in parts.pieces(draft)] == [ASKED, None]
    changed = replace(draft, poll=Poll(("Other", "Words")))
    assert parts.merged(draft, changed, 1).poll == ASKED
    assert parts.merged(draft, changed, 0).poll == changed.poll
    assert causes("mastodon", draft) == causes("x", draft) == {}


def test_a_length_that_linkedin_has_not_is_not_sent_as_another():
    linkedin = registry.platform("linkedin")
    with pytest.raises(InvalidContent) as refused:
        linkedin.body(job(Draft("Which?", poll=replace(ASKED, minutes=60))))
    assert refused.value.cause is Cause.POLL_LENGTH
