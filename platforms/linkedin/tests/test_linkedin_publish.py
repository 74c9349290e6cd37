import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses

from platforms.base import Draft, Level, MediaFile, PublishJob, Sighting, StepKind
from platforms.errors import Cause, Outcome, PlatformError
from platforms.linkedin.client import LinkedInClient
from platforms.linkedin.publish import REPEAT_OPTION, LinkedIn
from platforms.linkedin.spec import SELF_SERVE_SCOPES, SPEC

PERSON = "urn:li:person:a1B2c3D4e5"
PAGE = "urn:li:organization:1234567"
SHARE = "urn:li:share:7295588489876647936"
API = "https://api.linkedin.com"
POSTS = API + "/rest/posts"
IMAGES = API + "/rest/images"
UPLOADS = "https://www.linkedin.com/dms-uploads/"
SENT_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
SENT_MS = int(SENT_AT.timestamp() * 1000)


def publish(
    linkedin: LinkedIn, job: PublishJob, client: LinkedInClient
) -> tuple[list[str], Any]:
    """Run steps as the engine does; return their names and the last result."""
    names: list[str] = []
    for _ in range(20):
        step = linkedin.next_step(job, client)
        names.append(step.name)
        result = step.run()
        if result.remote:
            return names, result
        job = replace(job, witness={**job.witness, **result.witness})
    raise AssertionError("no end")


def opened(number: int, ends_in: timedelta = timedelta(hours=20)) -> dict[str, Any]:
    ends_at = datetime.now(UTC) + ends_in
    return {
        "value": {
            "image": f"urn:li:image:C{number}",
            "uploadUrl": f"{UPLOADS}C{number}?ut=x",
            "uploadUrlExpiresAt": int(ends_at.timestamp() * 1000),
        }
    }


def stored(number: int, put_ago: timedelta | None = None, **more: Any) -> dict:
    image: dict[str, Any] = {
        "urn": f"urn:li:image:C{number}",
        "sha256": "ab" * 32,
        "url": f"{UPLOADS}C{number}",
        "ends_at": (datetime.now(UTC) + timedelta(hours=20)).isoformat(),
        **more,
    }
    if put_ago is not None:
        image["put_at"] = (datetime.now(UTC) - put_ago).isoformat()
    return image


def posted(api: responses.RequestsMock) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(api.calls[-1].request.body)
    return sent


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("draft", "sent"),
    [
        (Draft(" Launch\r\nday "), "Launch\nday"),
        (Draft("Launch", "https://acme.example/a"), "Launch"),
        (Draft("", "https://acme.example/a"), "https://acme.example/a"),
    ],
)
def test_a_link_with_its_own_card_is_not_in_the_text(
    linkedin: LinkedIn, draft: Draft, sent: str
) -> None:
    assert linkedin.text_as_sent(draft) == sent


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Launch", "Launch\n\nhttps://acme.example/a"),
        ("At https://acme.example/a.", "At https://acme.example/a."),
        (
            "At https://acme.example/ab",
            "At https://acme.example/ab\n\nhttps://acme.example/a",
        ),
    ],
)
def test_a_link_beside_an_image_stands_in_the_text(
    linkedin: LinkedIn, image: Callable[..., MediaFile], text: str, sent: str
) -> None:
    draft = Draft(text, "https://acme.example/a", media=(image(),))
    assert linkedin.text_as_sent(draft) == sent


def test_the_counter_counts_what_is_sent(linkedin: LinkedIn) -> None:
    (count,) = linkedin.counts(Draft("(" * 1500))
    assert (count.used, count.limit, count.over) == (3000, 3000, False)
    (finding,) = linkedin.check(Draft("(" * 1501))
    assert finding.cause is Cause.TEXT_TOO_LONG
    assert finding.values["used"] == 3002


@pytest.mark.parametrize(
    ("draft", "field", "cause"),
    [
        (Draft(" "), "text", Cause.TEXT_EMPTY),
        (Draft("a", "javascript:alert(1)"), "link", Cause.LINK_REFUSED),
        (Draft("a", "acme.example"), "link", Cause.LINK_REFUSED),
    ],
)
def test_what_linkedin_refuses_is_found_before(
    linkedin: LinkedIn, draft: Draft, field: str, cause: Cause
) -> None:
    (finding,) = linkedin.check(draft)
    assert (finding.level, finding.field, finding.cause) == (
        Level.REFUSED,
        field,
        cause,
    )


@pytest.mark.parametrize(
    ("changes", "level", "cause"),
    [
        ({"mime_type": "image/webp"}, Level.REFUSED, Cause.MEDIA_TYPE),
        ({"size_bytes": 8_000_001}, Level.REFUSED, Cause.MEDIA_TOO_LARGE),
        ({"width": 36_152_320, "height": 1}, Level.REFUSED, Cause.MEDIA_TOO_LARGE),
        ({"alt_text": ""}, Level.WARNING, Cause.ALT_TEXT_MISSING),
        ({"alt_text": "a" * 4087}, Level.REFUSED, Cause.ALT_TEXT_TOO_LONG),
    ],
)
def test_an_image_that_linkedin_refuses_is_found_before(
    linkedin: LinkedIn,
    image: Callable[..., MediaFile],
    changes: dict[str, Any],
    level: Level,
    cause: Cause,
) -> None:
    (finding,) = linkedin.check(Draft("", media=(image(), image(**changes))))
    assert (finding.level, finding.field, finding.cause) == (level, "media:2", cause)


def test_more_images_than_linkedin_takes_are_found_before(
    linkedin: LinkedIn, image: Callable[..., MediaFile]
) -> None:
    assert linkedin.check(Draft("a", media=(image(),) * 20)) == []
    (finding,) = linkedin.check(Draft("a", media=(image(),) * 21))
    assert finding.cause is Cause.TOO_MANY_MEDIA


# ------------------------------------------------------------------ steps


@pytest.mark.trap("linkedin", 2)
def test_text_goes_out_escaped_in_one_commit(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    work = job("Launch day (finally) #launch")
    assert linkedin.next_step(work, client).kind is StepKind.COMMIT
    names, result = publish(linkedin, work, client)
    assert names == ["post"]
    assert posted(api) == {
        "author": PERSON,
        "commentary": r"Launch day \(finally\) #launch",
        "visibility": "PUBLIC",
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": False,
    }
    assert result.remote.external_id == SHARE
    assert result.remote.permalink == f"https://www.linkedin.com/feed/update/{SHARE}/"
    headers = api.calls[0].request.headers
    assert headers["Authorization"] == "Bearer test-access-token"
    assert headers["Linkedin-Version"] == "202609"


@pytest.mark.trap("linkedin", 13)
def test_a_link_becomes_an_article_with_a_title_of_its_own(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    link = "https://acme.example/a"
    publish(linkedin, job(Draft("Read", link, "Title", "Teaser")), client)
    article = {"source": link, "title": "Title", "description": "Teaser"}
    assert posted(api)["content"] == {"article": article}
    publish(linkedin, job(Draft("Read", link)), client)
    article = {"source": link, "title": "acme.example"}
    assert posted(api)["content"] == {"article": article}


@pytest.mark.trap("linkedin", 3)
def test_one_image_is_sent_before_the_post_that_shows_it(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    api.post(IMAGES, json=opened(1))
    api.put(UPLOADS + "C1", status=201)
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    work = job(Draft("Hello", media=(image(),)))
    names, _ = publish(linkedin, work, client)
    assert names == ["init_image:1", "put_image:1", "post"]
    init, put, _ = (call.request for call in api.calls)
    assert str(init.url).endswith("/rest/images?action=initializeUpload")
    assert json.loads(init.body) == {"initializeUploadRequest": {"owner": PERSON}}
    assert put.headers["Authorization"] == "Bearer test-access-token"
    assert "Linkedin-Version" not in put.headers
    assert put.headers["Content-Length"] == "4"
    assert posted(api)["content"] == {
        "media": {"id": "urn:li:image:C1", "altText": "A red square"}
    }


def test_several_images_keep_their_order(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    for number in (1, 2):
        api.post(IMAGES, json=opened(number))
        api.put(f"{UPLOADS}C{number}", status=201)
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    files = (image(), image(alt_text="", sha256="cd" * 32))
    api.get(f"{POSTS}/{ENCODED}", json=row())
    names, _ = publish(linkedin, job(Draft("", media=files), page=True), page_client)
    assert names == [
        "init_image:1",
        "put_image:1",
        "init_image:2",
        "put_image:2",
        "post",
        "state",
    ]
    body = json.loads(api.calls[-2].request.body)
    assert (body["author"], body["commentary"]) == (PAGE, "")
    assert body["content"] == {
        "multiImage": {
            "images": [
                {"id": "urn:li:image:C1", "altText": "A red square"},
                {"id": "urn:li:image:C2"},
            ]
        }
    }


@pytest.mark.parametrize(
    ("is_page", "wanted", "sent"),
    [
        (False, "CONNECTIONS", "CONNECTIONS"),
        (True, "CONNECTIONS", "PUBLIC"),
        (True, "LOGGED_IN", "LOGGED_IN"),
        (False, "EVERYBODY", "PUBLIC"),
    ],
)
def test_visibility_is_what_the_kind_of_account_allows(
    linkedin: LinkedIn,
    job: Callable[..., PublishJob],
    is_page: bool,
    wanted: str,
    sent: str,
) -> None:
    work = job(Draft("a", options={"visibility": wanted}), page=is_page)
    assert linkedin.body(work)["visibility"] == sent


def test_what_was_uploaded_is_used_again_and_its_address_not_kept(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    api.put(UPLOADS + "C1", status=200)
    work = job(Draft("a", media=(image(),)), witness={"image:1": stored(1)})
    result = linkedin.next_step(work, client).run()
    assert result.witness["image:1"]["url"] == ""
    work = replace(work, witness=result.witness)
    assert linkedin.next_step(work, client).name == "post"
    other = replace(work, draft=Draft("a", media=(image(sha256="ef" * 32),)))
    assert linkedin.next_step(other, client).name == "init_image:1"


def test_an_upload_address_that_ended_is_asked_for_anew(
    linkedin: LinkedIn,
    client: LinkedInClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    old = stored(1, ends_at=datetime.now(UTC).isoformat())
    work = job(Draft("a", media=(image(),)), witness={"image:1": old})
    assert linkedin.next_step(work, client).name == "init_image:1"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"status":400,"code":"EXPIRED_UPLOAD_URL"}'),
        (400, '{"status":400,"code":"UPDATING_ASSET_FAILED"}'),
        (403, "<html>Forbidden</html>"),
    ],
)
def test_an_upload_that_must_restart_names_what_to_forget(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    status: int,
    body: str,
) -> None:
    api.put(UPLOADS + "C1", body=body, status=status)
    work = job(Draft("a", media=(image(),)), witness={"image:1": stored(1)})
    with pytest.raises(PlatformError) as caught:
        linkedin.next_step(work, client).run()
    assert (caught.value.outcome, caught.value.cause) == (
        Outcome.TRANSIENT,
        Cause.MEDIA_EXPIRED,
    )
    assert caught.value.extra["forget"] == "image:1"


@pytest.mark.parametrize(
    ("uploads", "outcome", "cause"),
    [
        (1, Outcome.TRANSIENT, Cause.MEDIA_EXPIRED),
        (2, Outcome.INVALID_CONTENT, Cause.MEDIA_REFUSED),
    ],
)
def test_an_unknown_image_is_uploaded_again_once(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    uploads: int,
    outcome: Outcome,
    cause: Cause,
) -> None:
    api.post(POSTS, json={"status": 400, "code": "INVALID_IMAGE_ID"}, status=400)
    witness = {"image:1": stored(1, timedelta(hours=1)), "uploads:1": uploads}
    work = job(Draft("a", media=(image(),)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, work, client)
    assert (caught.value.outcome, caught.value.cause) == (outcome, cause)
    if outcome is Outcome.TRANSIENT:
        assert caught.value.extra == {"forget": "image:1"}


@pytest.mark.parametrize(
    ("put_ago", "outcome"),
    [
        (timedelta(seconds=5), Outcome.TRANSIENT),
        (timedelta(minutes=2), Outcome.PERMISSION),
    ],
)
def test_a_forbidden_image_is_only_new_for_a_minute(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    put_ago: timedelta,
    outcome: Outcome,
) -> None:
    body = {"status": 403, "message": "Accessing this image resource is forbidden"}
    api.post(POSTS, json=body, status=403)
    witness = {"image:1": stored(1, put_ago)}
    work = job(Draft("a", media=(image(),)), witness=witness)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, work, client)
    assert caught.value.outcome is outcome


DUPLICATE = {
    "message": f"Content is a duplicate of {SHARE}",
    "errorDetails": {"inputErrors": [{"code": "DUPLICATE_POST"}]},
    "status": 422,
}
ENCODED = "urn%3Ali%3Ashare%3A7295588489876647936"


@pytest.mark.trap("linkedin", 12)
@pytest.mark.parametrize(
    ("status", "commentary", "is_named"),
    [
        (200, r"Day \(1\)", True),
        (200, "Another day", False),
        (404, "", False),
        (503, "", True),
        (403, "", True),
    ],
)
def test_a_page_does_not_adopt_a_duplicate_that_was_deleted_or_is_another(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    status: int,
    commentary: str,
    is_named: bool,
) -> None:
    api.post(POSTS, json=DUPLICATE, status=422)
    body = {"id": SHARE, "commentary": commentary}
    api.get(f"{POSTS}/{ENCODED}", json=body, status=status)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, job("Day (1)", page=True), page_client)
    assert caught.value.outcome is Outcome.DUPLICATE
    assert ("external_id" in caught.value.extra) is is_named


def test_a_members_duplicate_is_taken_at_its_word(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.post(POSTS, json=DUPLICATE, status=422)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, job("a"), client)
    assert caught.value.extra["external_id"] == SHARE


# ------------------------------------------------------------------ reconciliation


def sent_ago(**ago: float) -> datetime:
    return datetime.now(UTC) - timedelta(**ago)


@pytest.mark.trap("linkedin", 5)
@pytest.mark.parametrize(
    ("age_s", "options", "is_safe"),
    [
        (20, {}, False),
        (90, {}, True),
        (90, {REPEAT_OPTION: False}, False),
        (3600, {}, False),
    ],
)
def test_a_members_post_is_repeated_only_while_linkedin_would_notice(
    linkedin: LinkedIn,
    client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    age_s: float,
    options: dict[str, Any],
    is_safe: bool,
) -> None:
    # Counted from now, not from when the tests were collected.
    sent_at = sent_ago(seconds=age_s)
    work = job(Draft("a", options=options), first_sent_at=sent_at)
    look = linkedin.look(work, client)
    assert look.sighting is Sighting.CANNOT_TELL
    assert look.safe_to_repeat is is_safe
    assert look.evidence
    assert len(api.calls) == 0


def test_the_first_look_comes_when_repeating_is_safe(
    linkedin: LinkedIn, client: LinkedInClient, job: Callable[..., PublishJob]
) -> None:
    work = job("a", first_sent_at=sent_ago(seconds=SPEC.look_after_s[0]))
    assert linkedin.look(work, client).safe_to_repeat


def test_a_repeat_with_new_images_is_not_offered(
    linkedin: LinkedIn,
    client: LinkedInClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    draft = Draft("a", media=(image(),))
    sent = {"first_sent_at": sent_ago(seconds=SPEC.look_after_s[0])}
    put = {"image:1": {**stored(1), "put_at": "2026-11-20T09:00:00+00:00"}}
    assert linkedin.look(job(draft, witness=put, **sent), client).safe_to_repeat
    assert not linkedin.look(job(draft, **sent), client).safe_to_repeat


def test_a_page_without_the_reading_scope_is_treated_like_a_member(
    linkedin: LinkedIn,
    client_for: Callable[..., LinkedInClient],
    job: Callable[..., PublishJob],
) -> None:
    client = client_for(
        kind="organization",
        scopes=(*SELF_SERVE_SCOPES, "w_organization_social"),
    )
    work = job("a", page=True, first_sent_at=sent_ago(seconds=90))
    assert linkedin.look(work, client).sighting is Sighting.CANNOT_TELL


def row(**changes: Any) -> dict[str, Any]:
    post = {
        "id": SHARE,
        "author": PAGE,
        "commentary": r"Launch day \(finally\) {hashtag|\#|launch}",
        "lifecycleState": "PUBLISHED",
        "createdAt": SENT_MS + 2000,
        "publishedAt": SENT_MS + 2500,
    }
    return {**post, **changes}


TEXT = "Launch day (finally) #launch"


def test_a_pages_post_is_found_in_little_text(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.get(POSTS, json={"elements": [row()]})
    look = linkedin.look(job(TEXT, page=True, first_sent_at=SENT_AT), page_client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == SHARE
    assert look.remote.text == TEXT
    assert look.remote.published_at == SENT_AT + timedelta(seconds=2.5)


@pytest.mark.parametrize("kind", ["media", "multiImage"])
def test_images_are_the_best_key(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    kind: str,
) -> None:
    files = (image(),) if kind == "media" else (image(), image())
    witness = {
        f"image:{n}": stored(n, timedelta(minutes=5)) for n in range(1, len(files) + 1)
    }
    shown = [{"id": f"urn:li:image:C{n}"} for n in range(1, len(files) + 1)]
    content = {"media": shown[0]} if kind == "media" else {kind: {"images": shown}}
    rows = [
        row(content={"media": {"id": "urn:li:image:OTHER"}}),
        row(commentary="cut", content=content),
    ]
    api.get(POSTS, json={"elements": rows})
    draft = Draft(TEXT, media=files)
    work = job(draft, page=True, witness=witness, first_sent_at=SENT_AT)
    look = linkedin.look(work, page_client)
    assert look.remote is not None
    assert look.remote.text == "cut"


@pytest.mark.parametrize(
    "changes",
    [
        {"commentary": "Launch day"},
        {"createdAt": SENT_MS - 61_000},
        {"content": {"media": {"id": "urn:li:image:C9"}}},
        {"content": {"article": {"source": "https://acme.example/other"}}},
    ],
)
def test_another_post_is_not_taken_for_ours(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    changes: dict[str, Any],
) -> None:
    api.get(POSTS, json={"elements": [row(**changes)]})
    look = linkedin.look(job(TEXT, page=True, first_sent_at=SENT_AT), page_client)
    assert look.sighting is Sighting.ABSENT
    assert not look.safe_to_repeat


def test_pages_of_posts_are_read_until_before_the_first_commit(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    others = [row(commentary="other")] * 20
    api.get(POSTS, json={"elements": others})
    api.get(POSTS, json={"elements": [row()]})
    work = job(TEXT, page=True, first_sent_at=SENT_AT)
    assert linkedin.look(work, page_client).sighting is Sighting.FOUND
    assert "start=20" in str(api.calls[1].request.url)


def test_too_many_posts_to_read_is_no_proof_of_absence(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.get(POSTS, json={"elements": [row(commentary="other")] * 20})
    work = job(TEXT, page=True, first_sent_at=SENT_AT)
    assert linkedin.look(work, page_client).sighting is Sighting.CANNOT_TELL


def test_an_unreadable_list_is_not_an_empty_one(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
) -> None:
    api.get(POSTS, body="<html>")
    with pytest.raises(PlatformError) as caught:
        linkedin.look(job(TEXT, page=True, first_sent_at=SENT_AT), page_client)
    assert caught.value.outcome is Outcome.TRANSIENT


# ------------------------------------------------------------------ files of Pages

READ = f"{POSTS}/{ENCODED}"


def shown(
    job: Callable[..., PublishJob], image: Callable[..., MediaFile]
) -> PublishJob:
    witness = {"image:1": stored(1, timedelta(minutes=5))}
    return job(Draft(TEXT, media=(image(),)), page=True, witness=witness)


@pytest.mark.trap("linkedin", 18)
def test_a_pages_post_with_a_file_is_asked_for_until_it_is_seen(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    api.get(READ, json={"status": 404, "code": "NOT_FOUND"}, status=404)
    api.get(READ, json=row(lifecycleState="PUBLISH_REQUESTED"))
    api.get(READ, json=row())
    names, result = publish(linkedin, shown(job, image), page_client)
    assert names == ["post", "state", "state", "state"]
    assert result.remote.external_id == SHARE
    api.assert_call_count(POSTS, 1)


@pytest.mark.trap("linkedin", 18)
def test_a_post_that_nobody_sees_is_a_refused_file(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    content = {"media": {"id": "urn:li:image:C1"}}
    failed = row(lifecycleState="PUBLISH_FAILED", content=content)
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    api.get(READ, json=failed)
    work = shown(job, image)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, work, page_client)
    error = caught.value
    assert (error.outcome, error.cause) == (
        Outcome.INVALID_CONTENT,
        Cause.MEDIA_REFUSED,
    )
    assert error.extra["forget"] == "post,asked,image:1"
    for post, sighting in (
        (failed, Sighting.ABSENT),
        ({**failed, "lifecycleState": "PUBLISHED"}, Sighting.FOUND),
    ):
        api.get(POSTS, json={"elements": [post]})
        look = linkedin.look(replace(work, first_sent_at=SENT_AT), page_client)
        assert look.sighting is sighting


@pytest.mark.parametrize("status", [403, 503])
def test_a_post_whose_state_is_not_told_counts_as_published(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    status: int,
) -> None:
    api.post(POSTS, status=201, headers={"x-restli-id": SHARE})
    api.get(READ, json={"status": status}, status=status)
    names, result = publish(linkedin, shown(job, image), page_client)
    assert len(names) == (2 if status == 403 else 5)
    assert result.remote.external_id == SHARE


@pytest.mark.trap("linkedin", 19)
def test_a_role_that_may_upload_no_files_is_not_lost(
    linkedin: LinkedIn,
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    said = (
        "Unpermitted fields present in REQUEST_BODY: Data Processing Exception while "
        "processing fields [/author]"
    )
    body = {"status": 403, "serviceErrorCode": 100, "message": said}
    api.post(IMAGES, json=body, status=403)
    with pytest.raises(PlatformError) as caught:
        publish(linkedin, job(Draft(TEXT, media=(image(),)), page=True), page_client)
    error = caught.value
    assert (error.outcome, error.cause) == (
        Outcome.PERMISSION,
        Cause.FILES_NOT_ALLOWED,
    )


@pytest.mark.parametrize(
    ("kind", "visibility", "refused"),
    [
        ("member", "CONNECTIONS", set()),
        ("organization", "CONNECTIONS", {Cause.OPTION_UNKNOWN}),
        ("organization", "LOGGED_IN", set()),
        ("member", "CONTAINER", {Cause.OPTION_UNKNOWN}),
    ],
)
def test_who_can_see_it_is_chosen_of_what_the_kind_of_account_has(
    linkedin, job, kind, visibility, refused
):
    draft = Draft("Hello", options={"visibility": visibility, "no_reshare": True})
    account = replace(job(draft).account, kind=kind)
    found = linkedin.check(draft, account)
    assert {f.cause for f in found if f.level is Level.REFUSED} == refused
    if not refused:
        body = linkedin.body(replace(job(draft), account=account))
        assert body["visibility"] == visibility
        assert body["isReshareDisabledByAuthor"] is True
