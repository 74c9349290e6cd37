import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from platforms.base import (
    Draft,
    Identity,
    Level,
    MediaFile,
    PublishJob,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, DuplicateContent, Outcome, PlatformError
from platforms.facebook.client import FacebookClient
from platforms.facebook.publish import Facebook

GRAPH = "https://graph.facebook.com/v26.0"
PAGE = "104455667788990"
FEED, PHOTOS = f"{GRAPH}/{PAGE}/feed", f"{GRAPH}/{PAGE}/photos"
PUBLISHED = f"{GRAPH}/{PAGE}/published_posts"
POST = f"{PAGE}_122100000000000123"
SENT_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
LINK = "https://acme.example/a"


def publish(
    facebook: Facebook, job: PublishJob, client: FacebookClient
) -> tuple[list[tuple[str, StepKind]], Any]:
    steps = []
    for _ in range(20):
        step = facebook.next_step(job, client)
        steps.append((step.name, step.kind))
        result = step.run()
        if result.remote:
            return steps, result
        job = replace(job, witness={**job.witness, **result.witness})
    raise AssertionError("no end")


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


# ------------------------------------------------------------------ content


@pytest.mark.parametrize(
    ("text", "link", "pictures", "sent"),
    [
        (" Launch\r\nday ", LINK, 0, "Launch\nday"),
        ("Launch", LINK, 1, f"Launch\n\n{LINK}"),
        (f"At {LINK}", LINK, 1, f"At {LINK}"),
        ("", LINK, 0, ""),
    ],
)
def test_a_link_has_its_card_and_beside_photos_it_is_in_the_text(
    facebook: Facebook,
    image: Callable[..., MediaFile],
    text: str,
    link: str,
    pictures: int,
    sent: str,
) -> None:
    draft = Draft(text, link, media=(image(),) * pictures)
    assert facebook.text_as_sent(draft) == sent
    assert [f for f in facebook.check(draft) if f.level is Level.REFUSED] == []


@pytest.mark.trap("facebook", 13)
@pytest.mark.parametrize(
    ("draft", "field", "cause"),
    [
        (Draft(" "), "text", Cause.TEXT_EMPTY),
        (Draft("a" * 63_207), "text", Cause.TEXT_TOO_LONG),
        (Draft("a", "acme.example"), "link", Cause.LINK_REFUSED),
        (Draft("a", "https://www.facebook.com/acme"), "link", Cause.LINK_REFUSED),
        (Draft("a", "https://m.facebook.com/acme"), "link", Cause.LINK_REFUSED),
    ],
)
def test_what_facebook_refuses_is_found_before(
    facebook: Facebook, draft: Draft, field: str, cause: Cause
) -> None:
    (finding,) = facebook.check(draft)
    assert (finding.level, finding.field, finding.cause) == (
        Level.REFUSED,
        field,
        cause,
    )


@pytest.mark.parametrize(
    ("changes", "number", "cause"),
    [
        ({"mime_type": "image/webp"}, 1, Cause.MEDIA_TYPE),
        ({"size_bytes": 4 * 1024 * 1024}, 1, Cause.MEDIA_TOO_LARGE),
        ({}, 11, Cause.TOO_MANY_MEDIA),
        ({"alt_text": ""}, 1, Cause.ALT_TEXT_MISSING),
    ],
)
def test_photos_are_checked(
    facebook: Facebook,
    image: Callable[..., MediaFile],
    changes: dict,
    number: int,
    cause: Cause,
) -> None:
    draft = Draft("a", media=(image(**changes),) * number)
    assert {f.cause for f in facebook.check(draft)} == {cause}


def test_with_a_review_known_what_it_granted_is_asked_for(facebook: Facebook) -> None:
    granted = ["pages_manage_engagement", "pages_show_list", "public_profile", "else"]
    assert facebook.scopes_to_ask(granted) == (
        "pages_show_list",
        "pages_manage_engagement",
    )
    asked = facebook.scopes_to_ask()
    assert {"read_insights", "instagram_content_publish"} <= set(asked)
    assert "pages_messaging" not in asked


# ------------------------------------------------------------------ steps


def test_text_and_link_are_one_call_that_reads_its_address_back(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    where = "https://www.facebook.com/acmebakery/posts/pfbid0abc"
    api.post(FEED, json={"id": POST, "permalink_url": where})
    steps, result = publish(facebook, job(Draft("Hello", LINK)), page)
    assert steps == [("post", StepKind.COMMIT)]
    assert form(api.calls[0]) == {
        "message": "Hello",
        "link": LINK,
        "published": "true",
    }
    query = parse_qs(urlsplit(str(api.calls[0].request.url)).query)
    assert query["fields"] == ["id,permalink_url"]
    assert (result.remote.external_id, result.remote.permalink) == (POST, where)


def test_a_post_without_an_address_gets_the_general_one(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    api.post(FEED, json={"id": POST})
    _steps, result = publish(facebook, job("Hello"), page)
    assert result.remote.permalink == f"https://www.facebook.com/{POST}"


@pytest.mark.parametrize("pictures", [1, 3])
def test_photos_are_stored_unseen_and_published_by_the_last_call(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    api: responses.RequestsMock,
    pictures: int,
) -> None:
    files = tuple(image(sha256=f"{n:064x}") for n in range(pictures))
    for number in range(pictures):
        api.post(PHOTOS, json={"id": f"12220000000000077{number}"})
    api.post(FEED, json={"id": POST})
    steps, _result = publish(facebook, job(Draft("Hello", LINK, media=files)), page)
    assert [kind for _, kind in steps] == [StepKind.REPEATABLE] * pictures + [
        StepKind.COMMIT
    ]
    body = api.calls[0].request.body
    text = body.read() if hasattr(body, "read") else body
    assert b'name="published"\r\n\r\nfalse' in text
    assert b'name="alt_text_custom"\r\n\r\nA red square' in text
    assert b'name="source"; filename="a.jpg"' in text
    sent = form(api.calls[-1])
    assert sent["message"] == f"Hello\n\n{LINK}"
    assert "link" not in sent
    ids = [json.loads(sent[f"attached_media[{n}]"]) for n in range(pictures)]
    assert ids == [{"media_fbid": f"12220000000000077{n}"} for n in range(pictures)]


def test_a_stored_photo_is_not_sent_again_unless_it_is_another_file(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
) -> None:
    draft = Draft("Hello", media=(image(),))
    known = {"photo:1": {"id": "1222", "sha256": "ab" * 32}}
    assert facebook.next_step(job(draft, witness=known), page).name == "post"
    other = Draft("Hello", media=(image(sha256="cd" * 32),))
    assert facebook.next_step(job(other, witness=known), page).name == "upload_photo:1"


def test_what_is_ahead_shrinks_with_the_witness(
    facebook: Facebook, job: Callable[..., PublishJob], image: Callable[..., MediaFile]
) -> None:
    draft = Draft("Hello", media=(image(), image(sha256="cd" * 32)))
    known = {"photo:1": {"id": "1222", "sha256": "ab" * 32}}
    assert facebook.calls_ahead(job(draft, witness=known), looking=False) == {
        "POST /:page/feed": 1,
        "POST /:page/photos": 1,
    }
    assert facebook.draws(job(draft), looking=False) == {"page_calls": 3}


# ------------------------------------------------------------------ limits


def usage(call_count: int, minutes: int) -> str:
    row = {
        "type": "pages",
        "call_count": call_count,
        "total_time": 3,
        "estimated_time_to_regain_access": minutes,
    }
    return json.dumps({"77": [row]})


@pytest.mark.parametrize(
    ("headers", "key", "ends_in_s"),
    [
        ({"x-business-use-case-usage": usage(101, 7)}, "page_calls", 420),
        ({"x-business-use-case-usage": usage(100, 0)}, "page_calls", 3600),
    ],
)
def test_a_full_window_is_seen_with_its_end(
    facebook: Facebook, headers: dict, key: str, ends_in_s: int
) -> None:
    (told,) = facebook.observe("POST /:page/feed", headers, SENT_AT)
    assert (told.bucket_key, told.limit, told.remaining) == (key, None, 0)
    assert told.resets_at == SENT_AT + timedelta(seconds=ends_in_s)


@pytest.mark.trap("facebook", 14)
def test_all_entries_are_searched_for_the_page_s_own_window(
    facebook: Facebook,
) -> None:
    """Whatever they are filed under: a business, or the Instagram account."""
    rows = json.loads(usage(100, 5))["77"]
    others = [{"type": "instagram", "call_count": 100}, {"type": "ads_insights"}]
    headers = {"x-business-use-case-usage": json.dumps({"1": others, "2": rows})}
    (told,) = facebook.observe("POST /:page/feed", headers, SENT_AT)
    assert told.bucket_key == "page_calls"
    assert told.resets_at == SENT_AT + timedelta(minutes=5)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-business-use-case-usage": usage(97, 0)},
        {"x-app-usage": '{"call_count":101}'},  # a Page's call does not draw on it
        {"x-app-usage": "not json"},
        {"x-business-use-case-usage": '{"77":"odd"}'},
        {"x-business-use-case-usage": "[1]"},
        {},
    ],
)
def test_per_cent_of_an_open_window_teach_nothing(
    facebook: Facebook, headers: dict
) -> None:
    assert facebook.observe("POST /:page/feed", headers, SENT_AT) == []


def test_the_app_s_window_is_told_by_calls_of_people(facebook: Facebook) -> None:
    headers = {"x-app-usage": '{"call_count":28,"total_time":100}'}
    (told,) = facebook.observe("GET /me/accounts", headers, SENT_AT)
    assert told.bucket_key == "app_calls"


# ------------------------------------------------------------------ reconciliation


def row(**changes: Any) -> dict[str, Any]:
    facts = {
        "id": POST,
        "message": "Hello",
        "created_time": "2026-11-20T10:00:03+0000",
        "permalink_url": "https://www.facebook.com/acmebakery/posts/pfbid0abc",
        "application": {"id": "1234567890", "name": "SocialHub"},
    }
    return {**facts, **changes}


def album(*photos: str) -> dict[str, Any]:
    inner = [{"media_type": "photo", "target": {"id": photo}} for photo in photos]
    return {"data": [{"media_type": "album", "subattachments": {"data": inner}}]}


def test_the_same_text_since_then_is_found(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    newer = row(id=f"{PAGE}_9", created_time="2026-11-20T10:05:00+0000")
    api.get(PUBLISHED, json={"data": [newer, row(message="Else"), row()]})
    look = facebook.look(job("Hello", first_sent_at=SENT_AT), page)
    query = parse_qs(urlsplit(str(api.calls[0].request.url)).query)
    assert query["since"] == [str(int(SENT_AT.timestamp()) - 120)]
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert look.remote.external_id == POST
    assert look.remote.published_at == datetime(2026, 11, 20, 10, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "shown", "sighting"),
    [
        ("Thanks @[1234] a lot", "Thanks Acme & Sons a lot", Sighting.FOUND),
        ("Thanks @[1234] a lot", "Thanks  a lot", Sighting.FOUND),
        ("Thanks @[1234:1:Acme]!", "Thanks Acme!", Sighting.FOUND),
        ("@[1234] and @[5678]", "Acme and Rye.co", Sighting.FOUND),
        ("@[1234]", "", Sighting.FOUND),
        ("Thanks @[1234] a lot", "Thanks Acme a bit", Sighting.ABSENT),
        ("Thanks @[1234] a lot", f"Thanks {'a' * 99} a lot", Sighting.ABSENT),
        ("1 + 1 (a*b)", "1 + 1 (a*b)", Sighting.FOUND),
    ],
)
def test_a_post_is_found_although_its_mentions_are_shown_otherwise(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    sent: str,
    shown: str,
    sighting: Sighting,
) -> None:
    """Taken for absent, it would be sent once more."""
    api.get(PUBLISHED, json={"data": [row(message=shown)]})
    look = facebook.look(job(sent, first_sent_at=SENT_AT), page)
    assert look.sighting is sighting


@pytest.mark.parametrize(
    ("shown", "application", "sighting"),
    [
        # Somebody at Facebook: taken for ours, ours would be lost.
        ("Thanks to all of you, today was great!", None, Sighting.CANNOT_TELL),
        ("Thanks Acme!", {"id": "999"}, Sighting.CANNOT_TELL),
        ("Thanks @[1234]!", None, Sighting.FOUND),
        ("Thanks Acme!", {"id": "1234567890"}, Sighting.FOUND),
    ],
)
def test_what_only_may_be_ours_with_a_mention_is_a_persons_to_tell(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    shown: str,
    application: Any,
    sighting: Sighting,
) -> None:
    api.get(PUBLISHED, json={"data": [row(message=shown, application=application)]})
    look = facebook.look(job("Thanks @[1234]!", first_sent_at=SENT_AT), page)
    assert look.sighting is sighting


def test_a_mention_that_may_vanish_is_said(facebook: Facebook) -> None:
    """Of its own Page any app may make a link."""
    me = Identity(PAGE, "page", "Acme", "", "")
    draft = Draft(f"Thanks @[1234] and @[{PAGE}], @[1234] again")
    (finding,) = facebook.check(draft, me)
    assert (finding.level, finding.cause, finding.field) == (
        Level.WARNING,
        Cause.MENTION_TAKEN_OUT,
        "text",
    )
    assert finding.values["names"] == "@[1234]"
    assert facebook.check(Draft("Thanks @[Acme](urn:li:organization:12)"), me) == []


def test_nothing_is_said_where_our_app_may_mention_others(facebook: Facebook) -> None:
    me = Identity(PAGE, "page", "Acme", "", "")
    draft = Draft("Thanks @[1234]")
    assert facebook.check(draft, me, {"may_mention": True}) == []
    assert facebook.check(draft, me, {"may_mention": False})


@pytest.mark.parametrize(
    "other",
    [
        row(message="Hello!"),
        row(created_time="2026-11-20T09:50:00+0000"),
        row(application={"id": "99"}, message="Hello!"),
        row(attachments=album("1")),
        row(id=f"{PAGE}_taken"),
    ],
    ids=["text", "time", "application", "photos", "taken"],
)
def test_another_post_is_not_taken_for_ours(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    other: dict,
) -> None:
    api.get(PUBLISHED, json={"data": [other]})
    look = facebook.look(
        job("Hello", first_sent_at=SENT_AT, taken=frozenset({f"{PAGE}_taken"})), page
    )
    assert look.sighting is Sighting.ABSENT


def test_the_same_words_through_another_app_may_be_ours(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    """Sent again they would double, had the account changed its app meanwhile."""
    api.get(PUBLISHED, json={"data": [row(application={"id": "99"})]})
    look = facebook.look(job("Hello", first_sent_at=SENT_AT), page)
    assert look.sighting is Sighting.CANNOT_TELL
    assert POST in look.evidence


@pytest.mark.parametrize(
    ("attachments", "message", "sighting"),
    [
        (album("1222", "1223"), "Edited meanwhile", Sighting.FOUND),
        (album("7", "8"), "Hello", Sighting.FOUND),  # ids are not shown as we know them
        (None, "Hello", Sighting.ABSENT),
    ],
)
def test_a_post_with_photos_is_known_by_them(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    image: Callable[..., MediaFile],
    api: responses.RequestsMock,
    attachments: Any,
    message: str,
    sighting: Sighting,
) -> None:
    draft = Draft("Hello", media=(image(), image(sha256="cd" * 32)))
    witness = {
        "photo:1": {"id": "1222", "sha256": "ab" * 32},
        "photo:2": {"id": "1223", "sha256": "cd" * 32},
    }
    shown = row(message=message) | ({"attachments": attachments} if attachments else {})
    api.get(PUBLISHED, json={"data": [shown]})
    now = job(draft, first_sent_at=SENT_AT, witness=witness)
    assert facebook.look(now, page).sighting is sighting


def test_pages_are_read_on_and_too_many_posts_tell_nothing(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    paging = {"cursors": {"after": "QVFI"}, "next": "https://graph.facebook.com/x"}
    api.get(PUBLISHED, json={"data": [], "paging": paging})
    look = facebook.look(job("Hello", first_sent_at=SENT_AT), page)
    assert look.sighting is Sighting.CANNOT_TELL
    assert len(api.calls) == 5
    assert "after=QVFI" in str(api.calls[1].request.url)


def test_an_unreadable_list_is_no_absence(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    api.get(PUBLISHED, json={})
    with pytest.raises(PlatformError) as caught:
        facebook.look(job("Hello", first_sent_at=SENT_AT), page)
    assert caught.value.outcome is Outcome.TRANSIENT


def test_a_duplicate_names_no_post_so_that_it_is_looked_for(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    refusal = {"error": {"code": 506, "message": "(#506) Duplicate status message"}}
    api.post(FEED, json=refusal, status=400)
    with pytest.raises(DuplicateContent) as caught:
        publish(facebook, job("Hello", first_sent_at=SENT_AT), page)
    assert "external_id" not in caught.value.extra


@pytest.mark.trap("facebook", 1)
def test_a_lost_answer_is_a_doubt(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
) -> None:
    api.post(FEED, body=requests.ReadTimeout("slow"))
    with pytest.raises(PlatformError) as caught:
        publish(facebook, job("Hello"), page)
    assert caught.value.outcome is Outcome.AMBIGUOUS


@pytest.mark.trap("facebook", 1)
@pytest.mark.parametrize("code", [1, 4, 190, 6001])
def test_trouble_of_the_server_is_a_doubt_whatever_its_words_say(
    facebook: Facebook,
    page: FacebookClient,
    job: Callable[..., PublishJob],
    api: responses.RequestsMock,
    code: int,
) -> None:
    refusal = {"error": {"code": code, "message": "Try again"}}
    api.post(FEED, json=refusal, status=500)
    with pytest.raises(PlatformError) as caught:
        publish(facebook, job("Hello"), page)
    assert caught.value.outcome is Outcome.AMBIGUOUS
