import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from platforms.base import Draft, Level, MediaFile, PublishJob, Sighting, StepKind
from platforms.errors import Cause, Outcome, PlatformError
from platforms.x.client import XClient
from platforms.x.publish import X, fingerprint

API = "https://api.x.com"
POSTS = API + "/2/tweets"
UPLOAD = API + "/2/media/upload"
METADATA = API + "/2/media/metadata"
TIMELINE = API + "/2/users/1234500001/tweets"
POST_ID = "2080761390344937796"
SENT_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


def publish(x: X, job: PublishJob, client: XClient) -> tuple[list[str], Any]:
    """Run steps as the engine does; return their names and the last result."""
    names: list[str] = []
    for _ in range(20):
        step = x.next_step(job, client)
        names.append(step.name)
        result = step.run()
        if result.remote:
            return names, result
        job = replace(job, witness={**job.witness, **result.witness})
    raise AssertionError("no end")


def created(text: str = "Hello") -> dict[str, Any]:
    return {"data": {"id": POST_ID, "text": text, "edit_history_tweet_ids": [POST_ID]}}


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("draft", "sent"),
    [
        (Draft("Launch day "), "Launch day"),
        (Draft("Launch", "https://a.example.com/x"), "Launch https://a.example.com/x"),
        (Draft("", "https://a.example.com/x"), "https://a.example.com/x"),
        (
            Draft("See https://a.example.com/x!", "https://a.example.com/x"),
            "See https://a.example.com/x!",
        ),
        (
            Draft("See https://a.example.com/xy", "https://a.example.com/x"),
            "See https://a.example.com/xy https://a.example.com/x",
        ),
        (Draft("e\u0301"), "é"),
    ],
)
def test_the_link_stands_at_the_end_unless_it_is_there(
    x: X, draft: Draft, sent: str
) -> None:
    assert x.text_as_sent(draft) == sent


def test_a_link_costs_23_and_its_space(x: X) -> None:
    (count,) = x.counts(Draft("a" * 256, "https://example.com/" + "b" * 100))
    assert (count.used, count.limit, count.over) == (280, 280, False)


def test_the_plan_of_the_account_decides_the_limit(x: X) -> None:
    draft = Draft("a" * 281)
    assert x.counts(draft)[0].over
    assert not x.counts(draft, {"subscription_type": "Premium"})[0].over
    assert x.counts(draft, {"subscription_type": "None"})[0].over


def test_check_counts_with_the_account_it_is_given(
    x: X, job: Callable[..., PublishJob]
) -> None:
    account = job("a").account
    draft = Draft("a" * 281)
    assert [f.cause for f in x.check(draft, account)] == [Cause.TEXT_TOO_LONG]
    premium = replace(account, extra={"subscription_type": "PremiumPlus"})
    assert x.check(draft, premium) == []


@pytest.mark.parametrize(
    ("draft", "field", "cause"),
    [
        (Draft("  "), "text", Cause.TEXT_EMPTY),
        (Draft("漢" * 141), "text", Cause.TEXT_TOO_LONG),
        (Draft("a\ufffe"), "text", Cause.TEXT_REFUSED),
        (Draft("Buy $ACME and $XYZ"), "text", Cause.TEXT_REFUSED),
        (Draft("a", "ftp://example.com"), "link", Cause.LINK_REFUSED),
        (Draft("a", "example.com"), "link", Cause.LINK_REFUSED),
    ],
)
def test_what_x_refuses_is_found_before(
    x: X, draft: Draft, field: str, cause: Cause
) -> None:
    (finding,) = x.check(draft)
    assert (finding.level, finding.field, finding.cause) == (
        Level.REFUSED,
        field,
        cause,
    )


def test_one_cashtag_and_an_amount_of_money_are_fine(x: X) -> None:
    assert x.check(Draft("$ACME is worth $5")) == []


@pytest.mark.parametrize(
    ("changes", "level", "cause"),
    [
        ({"mime_type": "image/gif"}, Level.REFUSED, Cause.MEDIA_TYPE),
        ({"size_bytes": 5_242_881}, Level.REFUSED, Cause.MEDIA_TOO_LARGE),
        ({"alt_text": " "}, Level.WARNING, Cause.ALT_TEXT_MISSING),
        ({"alt_text": "a" * 1001}, Level.REFUSED, Cause.ALT_TEXT_TOO_LONG),
    ],
)
def test_an_image_that_x_refuses_is_found_before(
    x: X,
    image: Callable[..., MediaFile],
    changes: dict[str, Any],
    level: Level,
    cause: Cause,
) -> None:
    (finding,) = x.check(Draft("a", media=(image(), image(**changes))))
    assert (finding.level, finding.field, finding.cause) == (level, "media:2", cause)


def test_a_fifth_image_is_one_too_many(x: X, image: Callable[..., MediaFile]) -> None:
    assert x.check(Draft("", media=(image(),) * 4)) == []
    (finding,) = x.check(Draft("", media=(image(),) * 5))
    assert (finding.cause, finding.values["limit"]) == (Cause.TOO_MANY_MEDIA, 4)


# ------------------------------------------------------------------ steps


def test_text_and_link_go_out_in_one_commit(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    api.post(POSTS, json=created("Hi &amp; https://t.co/AbCdEf1234"), status=201)
    work = job(Draft("Hi &", "https://example.com/a"))
    assert x.next_step(work, client).kind is StepKind.COMMIT
    names, result = publish(x, work, client)
    assert names == ["post"]
    assert json.loads(api.calls[0].request.body) == {
        "text": "Hi & https://example.com/a"
    }
    assert api.calls[0].request.headers["Authorization"] == "Bearer test-access-token"
    assert result.remote.external_id == POST_ID
    assert result.remote.permalink == f"https://x.com/acmetools/status/{POST_ID}"
    assert result.remote.published_at is not None


def test_images_are_sent_and_described_before_the_post(
    x: X,
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    for media_id in ("11", "12"):
        api.post(UPLOAD, json={"data": {"id": media_id, "expires_after_secs": 86400}})
    api.post(METADATA, json={"data": {"id": "11"}})
    api.post(POSTS, json=created(), status=201)
    files = (image(), image(alt_text="", sha256="cd" * 32))
    work = job(Draft("Hello", media=files, options={"made_with_ai": True}))
    names, _ = publish(x, work, client)
    assert names == ["upload_image:1", "alt_text:1", "upload_image:2", "post"]
    assert b"tweet_image" in api.calls[0].request.body
    assert b"\x89PNG" in api.calls[0].request.body
    assert json.loads(api.calls[1].request.body) == {
        "id": "11",
        "metadata": {"alt_text": {"text": "A red square"}},
    }
    assert json.loads(api.calls[3].request.body) == {
        "text": "Hello",
        "media": {"media_ids": ["11", "12"]},
        "made_with_ai": True,
    }


def stored(media_id: str, sha256: str, ends_at: datetime) -> dict[str, Any]:
    return {"media_id": media_id, "sha256": sha256, "ends_at": ends_at.isoformat()}


def test_a_stored_upload_is_used_until_it_ends_or_the_file_changes(
    x: X,
    client: XClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    work = job(Draft("a", media=(image(),)))

    def step(sha256: str, ends_at: datetime) -> str:
        witness = {"image:1": stored("11", sha256, ends_at), "alt:1": "11"}
        return x.next_step(replace(work, witness=witness), client).name

    assert step("ab" * 32, tomorrow) == "post"
    assert step("ef" * 32, tomorrow) == "upload_image:1"
    assert step("ab" * 32, datetime.now(UTC)) == "upload_image:1"


def test_a_new_upload_is_described_anew(
    x: X,
    client: XClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    ends_at = datetime.now(UTC) + timedelta(hours=20)
    witness = {"image:1": stored("12", "ab" * 32, ends_at), "alt:1": "11"}
    work = job(Draft("a", media=(image(),)), witness=witness)
    assert x.next_step(work, client).name == "alt_text:1"


@pytest.mark.trap("x", 11)
@pytest.mark.parametrize(
    ("uploads", "outcome", "cause"),
    [
        (1, Outcome.TRANSIENT, Cause.MEDIA_EXPIRED),
        (2, Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
    ],
)
def test_refused_media_ids_are_uploaded_again_once(
    x: X,
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    uploads: int,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(POSTS, json={"detail": "Your media IDs are invalid."}, status=400)
    witness = {
        "image:1": stored("11", "ab" * 32, datetime.now(UTC) + timedelta(hours=20)),
        "alt:1": "11",
        "uploads:1": uploads,
    }
    work = job(Draft("a", media=(image(),)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        publish(x, work, client)
    error = caught.value
    assert (error.outcome, error.cause) == (outcome, cause)
    if outcome is Outcome.TRANSIENT:
        assert error.retry_after == 5
        left = set(witness) - set(error.extra["forget"].split(","))
        assert left == {"uploads:1"}


# ------------------------------------------------------------------ reconciliation


def remote(**changes: Any) -> dict[str, Any]:
    post = {
        "id": POST_ID,
        "text": "Launch day https://t.co/AbCdEf1234",
        "created_at": "2026-11-20T10:00:02.000Z",
        "entities": {
            "urls": [
                {
                    "url": "https://t.co/AbCdEf1234",
                    "expanded_url": "https://acme.example/launch",
                }
            ]
        },
    }
    return {**post, **changes}


def timeline(*posts: dict[str, Any], next_token: str = "") -> dict[str, Any]:
    meta: dict[str, Any] = {"result_count": len(posts)}
    if next_token:
        meta["next_token"] = next_token
    return {"meta": meta, **({"data": list(posts)} if posts else {})}


LINKED = Draft("Launch day", "https://acme.example/launch")


@pytest.mark.trap("x", 13)
def test_a_post_is_found_although_x_rewrote_its_link(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    api.get(TIMELINE, json=timeline(remote()))
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == POST_ID
    assert look.remote.text == "Launch day https://acme.example/launch"
    assert api.calls[0].request.params["start_time"] == "2026-11-20T09:59:00Z"


@pytest.mark.trap("x", 13)
def test_escapes_media_link_and_composition_do_not_hide_a_post(
    x: X,
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    row = remote(
        text="Caf\u00e9 &lt;3 &amp; more https://t.co/Media12345",
        entities={
            "urls": [
                {
                    "url": "https://t.co/Media12345",
                    "expanded_url": f"https://x.com/acmetools/status/{POST_ID}/photo/1",
                }
            ]
        },
        attachments={"media_keys": ["3_11"]},
    )
    api.get(TIMELINE, json=timeline(row))
    draft = Draft("Cafe\u0301 <3 & more", media=(image(),))
    look = x.look(job(draft, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.FOUND


def test_a_typed_link_to_somebodys_photo_is_text(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    photo = "https://x.com/other/status/1/photo/1"
    urls = [{"url": "https://t.co/AbCdEf1234", "expanded_url": photo}]
    row = remote(text="See https://t.co/AbCdEf1234", entities={"urls": urls})
    api.get(TIMELINE, json=timeline(row))
    look = x.look(job(f"See {photo}", first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.FOUND


@pytest.mark.parametrize("name", ["note_tweet", "note_post"])
def test_a_long_post_is_compared_in_full(
    x: X,
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    name: str,
) -> None:
    text = "long words " * 60
    row = remote(text=text[:279] + "…", entities={}, **{name: {"text": text.strip()}})
    api.get(TIMELINE, json=timeline(row))
    assert x.look(job(text, first_sent_at=SENT_AT), client).sighting is Sighting.FOUND


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Launch day https://t.co/AbCdEf1234 again"},
        {"created_at": "2026-11-20T09:58:00.000Z"},
        {"referenced_tweets": [{"type": "replied_to", "id": "1"}]},
        {"referenced_posts": [{"type": "retweeted", "id": "1"}]},
        {"attachments": {"media_keys": ["3_11"]}},
    ],
)
def test_another_post_is_not_taken_for_ours(
    x: X,
    client: XClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    changes: dict[str, Any],
) -> None:
    api.get(TIMELINE, json=timeline(remote(**changes)))
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.ABSENT
    assert not look.safe_to_repeat


def test_all_pages_since_the_first_commit_are_read(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    api.get(TIMELINE, json=timeline(remote(text="other"), next_token="p2"))
    api.get(TIMELINE, json=timeline(remote()))
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.FOUND
    assert api.calls[1].request.params["pagination_token"] == "p2"


def test_the_oldest_of_two_equal_posts_is_the_one_that_was_sent_first(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    later = remote(id="2080761390344999999", created_at="2026-11-20T10:05:00.000Z")
    api.get(TIMELINE, json=timeline(later, remote()))
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.remote is not None
    assert look.remote.external_id == POST_ID


def test_too_many_posts_to_read_is_no_proof_of_absence(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    api.get(TIMELINE, json=timeline(remote(text="other"), next_token="more"))
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.CANNOT_TELL


def test_an_empty_timeline_is_absence(
    x: X, client: XClient, api: responses.RequestsMock, job: Callable[..., PublishJob]
) -> None:
    api.get(TIMELINE, json={"meta": {"result_count": 0}})
    look = x.look(job(LINKED, first_sent_at=SENT_AT), client)
    assert look.sighting is Sighting.ABSENT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("See example.com/A", "See http://example.com/A"),
        ("See https://EXAMPLE.com", "See https://example.com/"),
        ("two\n\nlines ", "two lines"),
    ],
)
def test_spellings_of_one_post_have_one_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_different_paths_have_different_fingerprints() -> None:
    assert fingerprint("https://example.com/A") != fingerprint("https://example.com/a")
