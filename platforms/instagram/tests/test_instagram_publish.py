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
    is_id,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.instagram.client import InstagramClient
from platforms.instagram.publish import MAX_POLLS, Instagram

FB = "https://graph.facebook.com/v26.0"
IG, BOX, MEDIA = "17841400000000001", "17889455560051444", "17920238422030506"
CREATE, PUBLISH, LIST = (f"{FB}/{IG}/{p}" for p in ("media", "media_publish", "media"))
WHERE = "https://www.instagram.com/p/DAbCdEfGhIj/"
Jobs = Callable[..., PublishJob]
Images = Callable[..., MediaFile]


def go(
    instagram: Instagram, job: PublishJob, client: InstagramClient
) -> tuple[list[str], PublishJob, Any]:
    """Run steps as the engine does; names, the last job and the remote post."""
    names: list[str] = []
    for _ in range(40):
        step = instagram.next_step(job, client)
        assert (step.kind is StepKind.COMMIT) == (step.name == "publish")
        names.append(step.name)
        result = step.run()
        job = replace(job, witness={**job.witness, **result.witness})
        if result.remote:
            return names, job, result.remote
    raise AssertionError("no end")


def state(
    api: responses.RequestsMock, number: str, *codes: str, said: str = ""
) -> None:
    for code in codes:
        api.get(f"{FB}/{number}", json={"status_code": code, "status": said})


def made(number: str = BOX, age: timedelta = timedelta(), of: str = "ab" * 32) -> dict:
    return {"id": number, "of": of, "made_at": (datetime.now(UTC) - age).isoformat()}


def fault(code: int, subcode: int = 0) -> dict[str, Any]:
    return {"error": {"code": code, "error_subcode": subcode, "message": "No"}}


def form(call: Any) -> dict[str, str]:
    return {name: v[0] for name, v in parse_qs(str(call.request.body)).items()}


# ------------------------------------------------------------------ content


def test_a_link_stands_in_the_caption(instagram: Instagram) -> None:
    draft = Draft(" Hi ", "https://acme.example/a")
    assert instagram.text_as_sent(draft) == "Hi\n\nhttps://acme.example/a"


@pytest.mark.parametrize(
    ("text", "hashtags", "mentions"),
    [
        ("#a #Été #日本 #1 #2b a#no &#39; ##x", 4, 0),
        ("@ana, @acme.co. mail@acme.example @@no @", 0, 2),
        ("#a_b#c", 1, 0),
    ],
)
def test_hashtags_and_mentions_are_counted(
    instagram: Instagram, text: str, hashtags: int, mentions: int
) -> None:
    _characters, tags, people = instagram.counts(Draft(text))
    assert (tags.used, people.used) == (hashtags, mentions)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a" * 2201, Cause.TEXT_TOO_LONG),
        ("#a " * 31, Cause.TOO_MANY_TAGS),
        ("@a " * 21, Cause.TOO_MANY_TAGS),
    ],
)
def test_a_caption_has_its_limits(
    instagram: Instagram, image: Images, text: str, cause: Cause
) -> None:
    (finding,) = instagram.check(Draft(text, media=(image(),)))
    assert (finding.level, finding.cause, finding.field) == (
        Level.REFUSED,
        cause,
        "text",
    )


def test_nothing_goes_without_an_image(instagram: Instagram) -> None:
    (finding,) = instagram.check(Draft("Hello"))
    assert (finding.cause, finding.field) == (Cause.MEDIA_MISSING, "media")


@pytest.mark.parametrize(
    ("changes", "field", "cause"),
    [
        ({"mime_type": "image/png"}, "media:1", Cause.MEDIA_TYPE),
        ({"size_bytes": 8 * 1024 * 1024 + 1}, "media:1", Cause.MEDIA_TOO_LARGE),
        ({"width": 799}, "media:1", Cause.MEDIA_SHAPE),
        ({"width": 1911}, "media:1", Cause.MEDIA_SHAPE),
        ({"alt_text": "a" * 1001}, "media:1", Cause.ALT_TEXT_TOO_LONG),
        ({"public_url": ""}, "media", Cause.MEDIA_NOT_PUBLIC),
    ],
)
def test_images_are_checked(
    instagram: Instagram, image: Images, changes: dict, field: str, cause: Cause
) -> None:
    (finding,) = instagram.check(Draft("Hi", media=(image(**changes),)))
    assert (finding.field, finding.cause) == (field, cause)


@pytest.mark.parametrize("width", [800, 1000, 1910])
def test_the_proportions_of_the_sheet_pass(
    instagram: Instagram, image: Images, width: int
) -> None:
    assert instagram.check(Draft("Hi", media=(image(width=width),))) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "is_refused"),
    [
        ("http://127.0.0.1:8000/a", "https://www.instagram.com/acme/", True),
        ("http://hub.local/a", "https://www.instagram.com/acme/", True),
        ("http://intranet/a", "https://www.instagram.com/acme/", True),
        ("https://hub.example.com/a", "https://www.instagram.com/acme/", False),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8100/instagram/www/a", False),
    ],
)
def test_an_address_that_instagram_cannot_reach_is_told_before(
    instagram: Instagram, image: Images, ours: str, theirs: str, is_refused: bool
) -> None:
    account = Identity(IG, "instagram", "Acme", "acme", theirs)
    draft = Draft("Hi", media=(image(public_url=ours),))
    causes = {finding.cause for finding in instagram.check(draft, account)}
    assert (Cause.MEDIA_NOT_PUBLIC in causes) == is_refused


# ------------------------------------------------------------------ steps


@pytest.mark.trap("instagram", 1)
@pytest.mark.trap("instagram", 8)
def test_one_image_is_made_waited_for_and_published(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    api.post(CREATE, json={"id": BOX})
    state(api, BOX, "IN_PROGRESS", "FINISHED")
    api.post(PUBLISH, json={"id": MEDIA})
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA, "permalink": WHERE, "caption": "Hi"})
    names, last, remote = go(instagram, job(Draft("Hi", media=(image(),))), client)
    assert names == [
        "container",
        "wait:container",
        "wait:container",
        "publish",
        "permalink",
    ]
    assert form(api.calls[0]) == {
        "image_url": "https://hub.example.com/media/public/abc.jpg",
        "caption": "Hi",
        "alt_text": "A red square",
    }
    assert form(api.calls[3]) == {"creation_id": BOX}
    assert (remote.external_id, remote.permalink) == (MEDIA, WHERE)
    assert last.witness["media_id"] == MEDIA


@pytest.mark.trap("instagram", 1)
def test_a_carousel_is_made_of_children_that_are_ready(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    for number in ("1", "2", BOX):
        api.post(CREATE, json={"id": number})
    state(api, "1", "FINISHED")
    state(api, "2", "FINISHED")
    state(api, BOX, "FINISHED")
    api.post(PUBLISH, json={"id": MEDIA})
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA, "permalink": WHERE})
    files = (image(), image(sha256="cd" * 32))
    names, _last, _remote = go(instagram, job(Draft("Hi", media=files)), client)
    assert names == [
        "child:1",
        "child:2",
        "wait:child:1",
        "wait:child:2",
        "container",
        "wait:container",
        "publish",
        "permalink",
    ]
    assert form(api.calls[0])["is_carousel_item"] == "true"
    assert "caption" not in form(api.calls[0])
    assert form(api.calls[4]) == {
        "media_type": "CAROUSEL",
        "children": "1,2",
        "caption": "Hi",
    }


def test_waiting_takes_no_worker_and_grows_longer(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    state(api, BOX, "IN_PROGRESS")
    draft, waits = Draft("Hi", media=(image(),)), []
    for polls in (0, 3, 9):
        witness = {"container": made(), "polls:container": polls}
        result = instagram.next_step(job(draft, witness=witness), client).run()
        waits.append(result.wait_s)
    assert waits == [5, 15, 60]
    late = {"container": made(), "polls:container": MAX_POLLS - 1}
    result = instagram.next_step(job(draft, witness=late), client).run()
    assert result.witness["container"] == {}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("EXPIRED", ""),
        ("ERROR", "Error: Media upload has failed with error code 2207053"),
        ("ERROR", "Error: something new"),
    ],
)
def test_a_container_that_failed_in_passing_is_made_anew_three_times_at_most(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    status: str,
    said: str,
) -> None:
    state(api, BOX, status, said=said)
    draft = Draft("Hi", media=(image(),))
    now = job(draft, witness={"container": made()})
    result = instagram.next_step(now, client).run()
    now = replace(now, witness={**now.witness, **result.witness})
    assert result.wait_s
    assert instagram.next_step(now, client).name == "container"
    last = job(draft, witness={"container": made(), "tries:container": 2})
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(last, client).run()
    assert caught.value.permanent


@pytest.mark.parametrize("code", [(24, 2207008), (100, 33)])
def test_a_container_that_is_not_known_is_asked_for_again_before_it_is_made_anew(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    code: tuple[int, int],
) -> None:
    api.get(f"{FB}/{BOX}", json=fault(*code), status=400)
    now, waits = job(Draft("Hi", media=(image(),)), witness={"container": made()}), []
    for _ in range(3):
        result = instagram.next_step(now, client).run()
        waits.append(result.wait_s)
        now = replace(now, witness={**now.witness, **result.witness})
    assert waits == [45, 45, 10]
    assert instagram.next_step(now, client).name == "container"
    api.post(CREATE, json={"id": "18"})
    assert instagram.next_step(now, client).run().witness["unknown:container"] == 0


@pytest.mark.trap("instagram", 5)
@pytest.mark.parametrize("when", ["made", "waited for"])
def test_of_a_carousel_only_the_child_is_made_anew_whose_file_was_not_fetched(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    when: str,
) -> None:
    files = (image(), image(sha256="cd" * 32))
    witness = {"child:1": made("1"), "ready:child:1": "1"}
    if when == "made":
        api.post(CREATE, json=fault(9004, 2207052), status=400)
    else:
        witness["child:2"] = made("2", of="cd" * 32)
        state(api, "2", "ERROR", said="Failed with error code 2207052")
    now = job(Draft("Hi", media=files), witness=witness)
    result = instagram.next_step(now, client).run()
    now = replace(now, witness={**now.witness, **result.witness})
    assert (result.wait_s, now.witness["child:1"]) == (10, witness["child:1"])
    assert instagram.next_step(now, client).name == "child:2"


def test_a_file_that_instagram_cannot_use_fails_at_once(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    state(api, BOX, "ERROR", said="Media upload has failed with error code 2207026")
    now = job(Draft("Hi", media=(image(),)), witness={"container": made()})
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(now, client).run()
    assert (caught.value.outcome, caught.value.cause) == (
        Outcome.INVALID_CONTENT,
        Cause.MEDIA_TYPE,
    )


@pytest.mark.trap("instagram", 5)
def test_a_fetch_that_failed_is_tried_three_times(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    api.post(CREATE, json=fault(9004, 2207052), status=400)
    now = job(Draft("Hi", media=(image(),)))
    for _ in range(2):
        result = instagram.next_step(now, client).run()
        assert result.wait_s == 10
        now = replace(now, witness={**now.witness, **result.witness})
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(now, client).run()
    assert (caught.value.permanent, caught.value.cause) == (
        True,
        Cause.MEDIA_NOT_PUBLIC,
    )


@pytest.mark.parametrize(
    ("witness", "name"),
    [
        ({"container": made(), "ready:container": BOX}, "publish"),
        ({"container": made(), "ready:container": "7"}, "wait:container"),
        (
            {"container": made(age=timedelta(hours=23)), "ready:container": BOX},
            "container",
        ),
        ({"container": made(of="cd" * 32), "ready:container": BOX}, "container"),
        ({"container": made(), "media_id": MEDIA}, "permalink"),
    ],
)
def test_work_is_taken_up_where_it_was_left(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    witness: dict,
    name: str,
) -> None:
    now = job(Draft("Hi", media=(image(),)), witness=witness)
    assert instagram.next_step(now, client).name == name


def test_without_a_public_address_nothing_is_sent(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    now = job(Draft("Hi", media=(image(public_url=""),)))
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(now, client).run()
    assert caught.value.cause is Cause.MEDIA_NOT_PUBLIC
    assert not api.calls


READY = {"container": made(), "ready:container": BOX}


@pytest.mark.trap("instagram", 1)
@pytest.mark.trap("instagram", 3)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"body": requests.ReadTimeout()}, Outcome.AMBIGUOUS),
        ({"json": fault(2), "status": 500}, Outcome.AMBIGUOUS),
        ({"json": fault(24, 2207008), "status": 400}, Outcome.AMBIGUOUS),
        ({"json": fault(9007, 2207027), "status": 400}, Outcome.TRANSIENT),
    ],
)
def test_after_a_publish_that_did_not_succeed_the_status_is_read_before_another(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    answer: dict,
    outcome: Outcome,
) -> None:
    api.post(PUBLISH, **answer)
    now = job(Draft("Hi", media=(image(),)), witness=READY)
    with pytest.raises(PlatformError) as caught:
        instagram.next_step(now, client).run()
    assert caught.value.outcome is outcome
    assert caught.value.extra["forget"] == "ready:container"


@pytest.mark.trap("instagram", 13)
def test_an_address_that_cannot_be_read_fails_no_post(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    api.get(f"{FB}/{MEDIA}", json=fault(2), status=500)
    now = job(Draft("Hi", media=(image(),)), witness={"media_id": MEDIA})
    remote = instagram.next_step(now, client).run().remote
    assert remote is not None
    assert (remote.external_id, remote.permalink) == (MEDIA, "")


def test_what_is_ahead_shrinks_with_the_witness(
    instagram: Instagram, job: Jobs, image: Images
) -> None:
    files = (image(), image(sha256="cd" * 32))
    ahead = instagram.calls_ahead(job(Draft("Hi", media=files)), looking=False)
    assert ahead["POST /:ig/media"] == 3
    units = instagram.draws(job(Draft("Hi", media=files)), looking=False)
    assert (units["posts"], units["containers"]) == (1, 3)
    out = job(Draft("Hi", media=files), witness={"media_id": MEDIA})
    assert instagram.calls_ahead(out, looking=False) == {"GET /:media": 1}


# ------------------------------------------------------------------ reconciliation


def row(**changes: Any) -> dict[str, Any]:
    facts = {
        "id": MEDIA,
        "caption": "Hi ana",  # without the @
        "timestamp": (datetime.now(UTC) - timedelta(seconds=30)).strftime(
            "%Y-%m-%dT%H:%M:%S+0000"
        ),
        "media_type": "IMAGE",
        "permalink": WHERE,
    }
    return {**facts, **changes}


def looking(job: Jobs, image: Images, ago_s: float = 40, **changes: Any) -> PublishJob:
    facts = {
        "first_sent_at": datetime.now(UTC) - timedelta(seconds=ago_s),
        "witness": {"container": made()},
    }
    return job(Draft("Hi @ana", media=(image(),)), **{**facts, **changes})


@pytest.mark.trap("instagram", 3)
@pytest.mark.parametrize("status", ["FINISHED", "IN_PROGRESS", "ERROR", "EXPIRED"])
def test_a_container_that_is_not_published_is_no_post(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    status: str,
) -> None:
    state(api, BOX, status)
    look = instagram.look(looking(job, image), client)
    assert look.sighting is Sighting.ABSENT
    assert status in look.evidence


@pytest.mark.trap("instagram", 3)
def test_a_published_container_is_a_post_and_the_list_tells_which(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    state(api, BOX, "PUBLISHED")
    rows = [
        row(id="1", caption="Else"),
        row(id="2", media_type="CAROUSEL_ALBUM"),
        row(id="3", timestamp="2020-01-01T00:00:00+0000"),
        row(id="4"),
        row(),
        row(id="5", caption=None),
    ]
    api.get(LIST, json={"data": rows})
    now = looking(job, image, taken=frozenset({"4"}))
    look = instagram.look(now, client)
    assert look.sighting is Sighting.FOUND
    assert look.remote is not None
    assert (look.remote.external_id, look.remote.permalink) == (MEDIA, WHERE)
    query = parse_qs(urlsplit(str(api.calls[-1].request.url)).query)
    assert now.first_sent_at is not None
    assert query["since"] == [str(int(now.first_sent_at.timestamp() - 120))]


@pytest.mark.parametrize(
    ("ago_s", "sighting"), [(40, Sighting.CANNOT_TELL), (140, Sighting.FOUND)]
)
def test_a_published_container_whose_post_is_not_listed_is_never_repeated(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    ago_s: float,
    sighting: Sighting,
) -> None:
    state(api, BOX, "PUBLISHED")
    api.get(LIST, json={"data": []})
    look = instagram.look(looking(job, image, ago_s), client)
    assert look.sighting is sighting
    assert not look.safe_to_repeat
    # The container's id is none by which the post could be read, or deleted.
    assert look.remote is None or not is_id(look.remote.external_id)


def test_a_container_that_is_gone_leaves_the_list_to_tell(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    api.get(f"{FB}/{BOX}", json=fault(100, 33), status=400)
    api.get(LIST, json={"data": [row()]})
    assert instagram.look(looking(job, image), client).sighting is Sighting.FOUND
    api.replace(responses.GET, LIST, json={"data": []})
    assert instagram.look(looking(job, image), client).sighting is Sighting.ABSENT
    more = {"cursors": {"after": "x"}, "next": "https://graph.facebook.com/y"}
    api.replace(responses.GET, LIST, json={"data": [], "paging": more})
    look = instagram.look(looking(job, image), client)
    assert look.sighting is Sighting.CANNOT_TELL


def test_a_post_whose_id_was_told_is_found_without_a_search(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA, "permalink": WHERE})
    look = instagram.look(looking(job, image, witness={"media_id": MEDIA}), client)
    assert look.sighting is Sighting.FOUND
    assert len(api.calls) == 1


def test_a_container_that_went_out_late_is_not_published_again(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
) -> None:
    state(api, BOX, "PUBLISHED")
    api.get(LIST, json={"data": [row()]})
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA, "permalink": WHERE})
    names, _last, remote = go(instagram, looking(job, image), client)
    assert names == ["wait:container", "permalink"]
    assert remote.external_id == MEDIA


@pytest.mark.parametrize("gone", [False, True], ids=["published", "gone"])
def test_what_a_lost_call_has_published_is_waited_for_in_the_list(
    instagram: Instagram,
    client: InstagramClient,
    job: Jobs,
    image: Images,
    api: responses.RequestsMock,
    gone: bool,
) -> None:
    """Made anew, it would be there twice; by the container's id, without its address."""
    if gone:
        api.get(f"{FB}/{BOX}", json=fault(100, 33), status=400)
    else:
        state(api, BOX, "PUBLISHED")
    api.get(LIST, json={"data": []})
    waits = instagram.next_step(looking(job, image), client).run()
    assert waits.wait_s
    assert "container" not in waits.witness
    api.replace(responses.GET, LIST, json={"data": [row()]})
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA, "permalink": WHERE})
    _names, _last, remote = go(instagram, looking(job, image), client)
    assert remote.external_id == MEDIA
