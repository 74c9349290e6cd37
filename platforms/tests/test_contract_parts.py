"""Threads: every part goes out once and in order, wherever the process ends."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from platforms import parts, registry
from platforms.base import (
    Draft,
    Level,
    MediaKind,
    Part,
    RemotePost,
    Sighting,
    StepKind,
)
from platforms.errors import Cause
from platforms.tests.test_contract import (
    ENDS,
    SLUGS,
    clip,
    connect,
    decided,
    job,
    media_of,
    pass_time,
    picture,
    posts_of,
)
from platforms.tests.test_contract import connected as connected
from platforms.tests.test_contract import platform as platform
from platforms.tests.test_contract import practice as practice
from platforms.tests.test_contract import shelf as shelf

RULES = {slug: registry.spec(slug).thread for slug in SLUGS}
WITH_THREADS = [slug for slug, rule in RULES.items() if rule and not rule.at_once]
#: whose threads are one send
AT_ONCE = [slug for slug, rule in RULES.items() if rule and rule.at_once]
threads = pytest.mark.parametrize("platform", WITH_THREADS, indirect=True)
TEXTS = ["One of three", "Two of three 🧵", "Three of three"]


WITH_COMMENTS = [slug for slug in SLUGS if registry.spec(slug).first_comment]
comments = pytest.mark.parametrize("platform", WITH_COMMENTS, indirect=True)
#: where a lost answer can be looked up
LISTED = [s for s in WITH_COMMENTS if registry.spec(s).first_comment.look_call]


def thread(shelf="https://hub.example.com"):
    """Of three parts; the second one has a picture."""
    return Draft(TEXTS[0], parts=(Part(TEXTS[1], (picture(1, shelf),)), Part(TEXTS[2])))


def go_out(platform, draft, client, me, practice, ended, at=0):
    """All parts with nothing but the stored witness, as the engine goes; the process
    ends as it is told, in part `at` (0: in each).

    The witness of all parts, and the calls that were made for each.
    """
    now = replace(job(draft), account=me)
    made = Counter()
    for _ in range(100):
        number = len(parts.out(now.witness)) + 1
        here = at in (0, number)
        step = parts.next_step(platform, now, client)
        commits = step.kind is StepKind.COMMIT
        result = step.run()
        if here and ended == "before a step is stored" and not commits:
            result = parts.next_step(platform, now, client).run()
        made[number] += len(client.http.drain())
        remote = result.remote
        if here and ended == "after the send" and commits:
            assert now.first_sent_at is None, f"part {number} was sent twice"
            now = replace(now, first_sent_at=datetime.now(UTC))
            remote = found(platform, now, client, practice)
            if remote is None:
                continue
        if remote is None:
            witness = {**now.witness, **result.witness}
            now = replace(now, witness=json.loads(json.dumps(witness)))
            pass_time(practice, result.wait_s or 0)
            continue
        witness = parts.arrived(draft, now.witness, remote, datetime.now(UTC))
        if parts.all_out(draft, witness):
            return witness
        witness = json.loads(json.dumps(witness))
        now = replace(now, witness=witness, first_sent_at=None)
    raise AssertionError("no end")


def found(platform, now, client, practice) -> RemotePost | None:
    for after_s in platform.spec.look_after_s:
        pass_time(practice, after_s)
        look = parts.look(platform, now, client)
        if look.sighting is Sighting.FOUND:
            return look.remote
    assert look.sighting is Sighting.ABSENT, look.evidence
    return None


@threads
@pytest.mark.parametrize("ended", ENDS)
def test_a_thread_goes_out_once_and_in_order_wherever_the_process_ends(
    platform, connected, practice, shelf, ended
):
    client, me = connected
    draft = thread(shelf)
    assert [
        f for f in parts.check(platform, draft, me) if f.level is Level.REFUSED
    ] == []
    witness = go_out(platform, draft, client, me, practice, ended)
    there = {post["id"]: post for post in posts_of(platform, practice)}
    first, second, third = (there[one.external_id] for one in parts.out(witness))
    assert len(there) == 3
    assert [post["text"] for post in (first, second, third)] == TEXTS
    assert (second["reply_to"], third["reply_to"]) == (first["id"], second["id"])
    assert [post["media"] for post in (first, second, third)] == [0, 1, 0]
    assert not first["reply_to"]


@pytest.mark.parametrize("platform", AT_ONCE, indirect=True)
@pytest.mark.parametrize("ended", ENDS)
def test_a_thread_that_goes_at_once_is_one_send_wherever_the_process_ends(
    platform, practice, shelf, ended
):
    client, me = connect(platform, practice, network="x")
    draft = thread(shelf)
    refused = [f for f in parts.check(platform, draft, me) if f.level is Level.REFUSED]
    assert refused == []
    witness = go_out(platform, draft, client, me, practice, ended)
    there = posts_of(platform, practice)
    assert [post["text"] for post in there] == TEXTS
    assert [post["media"] for post in there] == [0, 1, 0]
    assert len({one.external_id for one in parts.out(witness)}) == 3


@threads
def test_parts_that_say_the_same_are_told_apart(platform, connected, practice):
    """By what they reply to: a look for the third must not take the second for it."""
    client, me = connected
    draft = Draft("Again", parts=(Part("And again"), Part("And again")))
    witness = go_out(platform, draft, client, me, practice, "after the send")
    assert len({one.external_id for one in parts.out(witness)}) == 3
    assert len(posts_of(platform, practice)) == 3


@threads
def test_a_part_that_never_arrived_is_not_found(platform, connected, practice):
    client, me = connected
    draft = Draft(TEXTS[0], parts=(Part(TEXTS[1]),))
    now = replace(job(draft), account=me)
    while True:
        result = parts.next_step(platform, now, client).run()
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    witness = parts.arrived(draft, now.witness, result.remote, datetime.now(UTC))
    now = replace(now, witness=witness, first_sent_at=datetime.now(UTC))
    while (step := parts.next_step(platform, now, client)).kind is not StepKind.COMMIT:
        result = step.run()
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    assert found(platform, now, client, practice) is None
    assert len(posts_of(platform, practice)) == 1


@threads
def test_what_a_thread_draws_is_foretold_part_by_part(
    platform, connected, practice, shelf
):
    client, me = connected
    draft = thread(shelf)
    now = replace(job(draft), account=me)
    ahead, calls = parts.draws(platform, now, looking=False), []
    while True:
        number = len(parts.out(now.witness)) + 1
        result = parts.next_step(platform, now, client).run()
        calls += [(log.call, number) for log in client.http.drain()]
        witness = {**now.witness, **result.witness}
        pass_time(practice, result.wait_s or 0)
        if result.remote:
            witness = parts.arrived(draft, witness, result.remote, datetime.now(UTC))
            if parts.all_out(draft, witness):
                break
        now = replace(now, witness=witness)
    used = parts.draws_of_calls(platform, calls, now)
    assert all(units <= ahead.get(bucket, 0) for bucket, units in used.items()), used


@pytest.mark.parametrize("slug", WITH_THREADS)
def test_a_thread_is_checked_part_by_part(slug):
    one = registry.platform(slug)
    draft = Draft("Fine", parts=(Part("word " * 20_000), Part("")))
    refused = [f for f in parts.check(one, draft) if f.level is Level.REFUSED]
    assert {(f.part, f.cause) for f in refused} == {
        (2, Cause.TEXT_TOO_LONG),
        (3, Cause.TEXT_EMPTY),
    }
    rule = one.spec.thread
    endless = Draft("Fine", parts=(Part("More"),) * rule.max_parts)
    assert Cause.TOO_MANY_PARTS in {f.cause for f in parts.check(one, endless)}


@pytest.mark.parametrize("slug", SLUGS)
def test_parts_are_refused_where_there_are_no_threads(slug):
    one = registry.platform(slug)
    found = parts.check(one, Draft("Hello", parts=(Part("More"),)))
    causes = {finding.cause for finding in found}
    assert (Cause.THREAD_IMPOSSIBLE in causes) == (one.spec.thread is None)


def test_a_text_is_cut_at_sentences_then_words_then_letters():
    def cut(text, most=30):
        return parts.split(text, lambda words: len(words) <= most)

    assert cut("Short.") == ["Short."]
    assert cut("One sentence is here. Another is there! And more?") == [
        "One sentence is here.",
        "Another is there! And more?",
    ]
    assert cut("A first paragraph\n\nand a second one") == [
        "A first paragraph",
        "and a second one",
    ]
    words = "many words without any end of a sentence anywhere"
    assert " ".join(cut(words)) == words
    assert all(len(piece) <= 30 for piece in cut(words))
    assert cut("x" * 70) == ["x" * 30, "x" * 30, "x" * 10]
    assert cut("👩‍👩‍👧" * 3, most=5) == ["👩‍👩‍👧"] * 3
    assert cut("") == []


def test_the_last_piece_has_all_the_rest():
    pieces = parts.split("a b c d e f", lambda words: len(words) < 2, most=3)
    assert pieces == ["a", "b", "c d e f"]


@pytest.mark.parametrize("slug", WITH_THREADS)
def test_what_is_split_for_a_network_fits_it(slug):
    one = registry.platform(slug)
    text = "A sentence with https://example.com/page and 👩‍👩‍👧 in it. " * 60
    pieces = parts.split(
        text, lambda words: not any(c.over for c in one.counts(Draft(words)))
    )
    assert len(pieces) > 3
    assert not any(c.over for piece in pieces for c in one.counts(Draft(piece)))


@pytest.mark.parametrize("platform", LISTED, indirect=True)
@pytest.mark.parametrize("ended", ["between steps", "after the send"])
def test_the_first_comment_is_written_once_below_the_post(
    platform, connected, practice, shelf, ended
):
    client, me = connected
    words = "What do you think?"
    media = media_of(platform, int(platform.spec.needs_media), shelf)
    if platform.spec.needs_video:
        media = (clip(platform, MediaKind.VIDEO, shelf),)
    draft = Draft(
        "Hello", media=media, options=decided(platform, client), first_comment=words
    )
    refused = [f for f in parts.check(platform, draft, me) if f.level is Level.REFUSED]
    assert refused == []
    witness = go_out(platform, draft, client, me, practice, ended, at=2)
    post, comment = parts.out(witness)
    assert len(posts_of(platform, practice)) == 1
    below = client.comments(post.external_id).comments
    assert [(one.external_id, one.text) for one in below] == [
        (comment.external_id, words)
    ]
    (listed,) = practice.twins[platform.spec.slug].own_comments()
    assert (listed["text"], listed["account"]) == (words, me.external_id)
    if platform.spec.slug != "ayrshare":
        # Whose ids are others than those of the networks behind it.
        ids = listed["id"], listed["post"]
        assert ids == (comment.external_id, post.external_id)


@comments
def test_a_first_comment_has_its_own_rules(platform):
    rule = platform.spec.first_comment
    rows = {row.key for row in platform.spec.calls}
    assert {rule.call, rule.look_call} - {""} <= rows
    assert platform.spec.call(rule.call).mutates
    long = Draft("Hello", first_comment="x" * (rule.max_length + 1))
    found = [f.cause for f in parts.check(platform, long) if f.field == "comment"]
    assert found == [Cause.TEXT_TOO_LONG]
    for key, value in rule.without:
        draft = Draft("Hello", options={key: value}, first_comment="First")
        found = {f.cause for f in parts.check(platform, draft)}
        assert Cause.COMMENT_IMPOSSIBLE in found


@pytest.mark.parametrize("slug", SLUGS)
def test_a_first_comment_is_refused_where_there_is_none(slug):
    one = registry.platform(slug)
    found = parts.check(one, Draft("Hello", first_comment="First"))
    causes = {finding.cause for finding in found}
    assert (Cause.COMMENT_IMPOSSIBLE in causes) == (one.spec.first_comment is None)
