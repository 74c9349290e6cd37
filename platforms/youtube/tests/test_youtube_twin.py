"""YouTube in the practice network behaves as Google's documentation says."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from platforms.practice.framework import Refusal
from platforms.youtube.twin_calls import FORCE_SSL, MANAGE, READONLY, UPLOAD
from platforms.youtube.twin_login import CLIENT_ID

from .conftest import ACME, CALLBACK, METADATA, UNIT, clip, query_of, reason

GARDEN = "UCpracticeAcmeGarden0002"
NOBODY = "107700000000000000003"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .decode()
    .rstrip("=")
)
MINE = "channels?part=id,snippet,contentDetails,statistics,status&mine=true"
UPLOADS = "playlistItems?part=snippet,contentDetails,status&playlistId=UU"


def snippet(**changes):
    return {**METADATA, "snippet": {**METADATA["snippet"], **changes}}


def status(**changes):
    return {**METADATA, "status": {**METADATA["status"], **changes}}


# ---------------------------------------------------------------- sign-in


def test_a_person_signs_in_for_one_channel(net):
    back = query_of(net.consent())
    assert back["state"] == "s1"
    assert back["code"].startswith("4/")
    answer = net.exchange(back["code"]).json()
    assert answer["scope"] == back["scope"] == f"{UPLOAD} {READONLY} {FORCE_SSL}"
    assert answer["expires_in"] == 3599
    assert answer["token_type"] == "Bearer"
    told = net.api("GET", MINE, token=answer["access_token"]).json()["items"][0]
    assert (told["id"], told["snippet"]["customUrl"]) == (ACME, "@acmetools")
    assert told["contentDetails"]["relatedPlaylists"]["uploads"] == "UU" + ACME[2:]
    assert told["statistics"]["videoCount"] == "0"
    assert told["status"]["longUploadsStatus"] == "allowed"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"redirect_uri": "https://hub.example.com/back"}, "redirect_uri_mismatch"),
        ({"redirect_uri": CALLBACK + "#x"}, "redirect_uri_mismatch"),
        ({"asked": "https://www.googleapis.com/auth/gmail"}, "invalid_scope"),
        ({"asked": ""}, "scope"),
        ({"response_type": "token"}, "response_type"),
        ({"access_type": "always"}, "access_type"),
        ({"prompt": "none consent"}, "prompt"),
        ({"person": "nobody"}, "Choose"),
    ],
)
def test_what_google_says_on_its_own_page(net, changes, words):
    answer = net.consent(**changes)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_refusal_comes_back_with_its_state(net):
    refused = {"error": "access_denied", "state": "s1"}
    assert query_of(net.consent(decision="cancel")) == refused
    assert query_of(net.consent(scope=[])) == refused


def test_single_rights_can_be_refused_and_one_alone_has_no_ticks(net):
    assert net.sign_in(scope=[UPLOAD])["scope"] == UPLOAD
    assert net.sign_in(asked=UPLOAD, scope=[])["scope"] == UPLOAD
    page = net.http.get(
        f"{net.url}/accounts/o/oauth2/v2/auth",
        params={
            "client_id": CLIENT_ID,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": f"{UPLOAD} {READONLY}",
        },
    )
    assert page.text.count('type="checkbox"') == 2


def test_rights_grow_with_include_granted_scopes(net):
    net.sign_in(asked=UPLOAD)
    both = net.sign_in(asked=READONLY, include_granted_scopes="true")
    assert both["scope"] == f"{UPLOAD} {READONLY}"


@pytest.mark.parametrize(
    ("first", "second", "comes"),
    [
        ({}, None, True),
        ({"access_type": "online"}, None, False),
        ({"prompt": ""}, None, True),
        ({}, {"prompt": ""}, False),
        ({}, {"prompt": "consent"}, True),
    ],
)
def test_a_refresh_token_comes_offline_and_at_a_first_or_repeated_consent(
    net, first, second, comes
):
    answer = net.sign_in(**first)
    if second is not None:
        answer = net.sign_in(**second)
    assert ("refresh_token" in answer) is comes


def test_a_code_counts_once_and_for_ten_minutes(net):
    code = query_of(net.consent())["code"]
    assert net.exchange(code).status_code == 200
    again = net.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    late = query_of(net.consent())["code"]
    net.later(601)
    assert net.exchange(late).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"redirect_uri": CALLBACK + "/"}, (400, "redirect_uri_mismatch")),
        ({"client_id": "other"}, (401, "invalid_client")),
        ({"client_secret": "wrong"}, (401, "invalid_client")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"code": ""}, (400, "invalid_request")),
        ({"code": "4/wrong"}, (400, "invalid_grant")),
    ],
)
def test_an_exchange_is_refused(net, changes, expected):
    answer = net.exchange(query_of(net.consent())["code"], **changes)
    assert (answer.status_code, answer.json()["error"]) == expected


@pytest.mark.parametrize(
    ("verifier", "code"), [(VERIFIER, 200), ("w" * 43, 400), ("", 400)]
)
def test_a_code_challenge_wants_its_verifier(net, verifier, code):
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    back = query_of(net.consent(**pkce))
    assert net.exchange(back["code"], code_verifier=verifier).status_code == code


def test_a_refresh_brings_an_access_token_alone_and_kills_none(net):
    first = net.sign_in()
    answer = net.refresh(first["refresh_token"]).json()
    assert "refresh_token" not in answer
    assert answer["scope"] == first["scope"]
    for secret in (first["access_token"], answer["access_token"]):
        assert net.api("GET", MINE, token=secret).status_code == 200
    net.later(3601)
    assert reason(net.api("GET", MINE, token=answer["access_token"])) == (
        401,
        "authError",
    )


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("revoke", "invalid_grant", "Token has been expired or revoked."),
        ("expire_grant", "invalid_grant", "Token has been expired or revoked."),
        ("invalid_rapt", "invalid_grant", "rapt"),
        ("admin_policy", "admin_policy_enforced", "policies"),
    ],
)
def test_each_end_of_an_access_has_its_words_and_can_be_undone(net, how, error, text):
    net.end(how)
    answer = net.refresh(net.account["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert text in answer.json()["error_description"]
    net.end("restore")
    assert net.refresh(net.account["refresh_token"]).status_code == 200


def test_in_testing_an_access_lives_seven_days(net):
    net.set(publishing_status="testing")
    answer = net.sign_in()
    assert answer["refresh_token_expires_in"] == 7 * 86_400
    net.later(7 * 86_400 - 60)
    assert net.refresh(answer["refresh_token"]).status_code == 200
    net.later(61)
    assert net.refresh(answer["refresh_token"]).json()["error"] == "invalid_grant"


def test_unused_for_half_a_year_and_one_too_many_end_a_refresh_token(net):
    net.set(refresh_tokens_kept=2)
    first, second, third = (net.sign_in()["refresh_token"] for _ in range(3))
    assert net.refresh(first).status_code == 400
    net.later(179 * 86_400)
    assert net.refresh(second).status_code == 200
    net.later(2 * 86_400)
    assert [net.refresh(s).status_code for s in (second, third)] == [200, 400]


def test_tokeninfo_tells_rights_and_a_revocation_ends_all_channels_of_a_person(net):
    acme, garden = net.sign_in(), net.sign_in(person=GARDEN)
    info = f"{net.url}/oauth2/tokeninfo"
    told = net.http.get(info, params={"access_token": acme["access_token"]}).json()
    assert (told["aud"], told["scope"]) == (CLIENT_ID, acme["scope"])
    assert 3500 < int(told["expires_in"]) <= 3600
    revoke = f"{net.url}/oauth2/revoke"
    assert net.http.post(revoke, data={"token": acme["refresh_token"]}).json() == {}
    dead = net.http.get(info, params={"access_token": garden["access_token"]})
    assert (dead.status_code, dead.json()["error"]) == (400, "invalid_token")
    assert net.refresh(garden["refresh_token"]).json()["error"] == "invalid_grant"
    assert net.http.post(revoke, data={"token": "x"}).status_code == 400


def test_a_deleted_client_refreshes_nothing(net):
    net.set(client_state="deleted")
    answer = net.refresh(net.account["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (401, "deleted_client")


# ---------------------------------------------------------------- who may call


def test_a_call_without_a_good_token_is_refused(net):
    assert reason(net.api("GET", MINE, token="")) == (401, "required")
    assert reason(net.api("GET", MINE, token="x")) == (401, "authError")
    keyed = net.api("GET", MINE + "&key=k", token="")
    assert reason(keyed) == (401, "authorizationRequired")


def test_the_upload_scope_cannot_read_and_the_header_names_what_is_missing(net):
    net.connect("uploader", scopes=[UPLOAD])
    answer = net.api("GET", MINE)
    assert reason(answer) == (403, "insufficientPermissions")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    detail = answer.json()["error"]["details"][0]
    assert detail["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    assert net.start().status_code == 200
    net.connect("manager", scopes=[MANAGE])
    threads = net.api("GET", "commentThreads?part=snippet&videoId=x")
    assert reason(threads) == (403, "insufficientPermissions")


def test_a_google_account_without_a_channel_differs_by_call(net):
    secret = net.sign_in(person=NOBODY)["access_token"]
    listed = net.api("GET", MINE, token=secret)
    assert listed.status_code == 200
    assert "items" not in listed.json()
    net.account = {"access_token": secret}
    assert reason(net.start()) == (401, "youtubeSignupRequired")
    net.set(no_channel_as="401")
    assert reason(net.api("GET", MINE)) == (401, "youtubeSignupRequired")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("suspend", (403, "authenticatedUserAccountSuspended")),
        ("close", (403, "authenticatedUserAccountClosed")),
        ("role_lost", (403, "forbidden")),
        (f"scope_lost:{READONLY}", (403, "insufficientPermissions")),
        ("expire", (401, "authError")),
        ("revoke", (401, "authError")),
    ],
)
def test_a_channel_or_its_access_can_be_lost(net, how, expected):
    if how.startswith("scope_lost"):
        net.connect("reader", scopes=[READONLY])
    assert net.end(how) > 0
    assert reason(net.api("GET", MINE)) == expected
    net.end("restore")
    assert net.api("GET", MINE).status_code == 200


def test_a_401_can_come_for_nothing(net):
    net.set(storm_of_401=1)
    seen = [net.api("GET", MINE).status_code for _ in range(2)]
    assert seen == [401, 200]


def test_a_password_change_ends_nothing(net):
    assert net.end("password_changed") == 0
    assert net.api("GET", MINE).status_code == 200


# ---------------------------------------------------------------- quota


def test_units_end_with_403_for_the_whole_project_until_pacific_midnight(net):
    net.set(units_per_day=51)
    id = net.upload()
    assert net.api("DELETE", f"videos?id={id}").status_code == 204
    assert net.api("GET", "videos?part=nonsense&id=x").status_code == 400
    other = net.connect("second")
    refused = net.api("GET", MINE, token=other["access_token"])
    assert reason(refused) == (403, "quotaExceeded")
    assert net.start().status_code == 200  # a bucket of its own
    net.later(86_400)
    net.connect("second")
    assert net.api("GET", MINE).status_code == 200


@pytest.mark.parametrize(
    ("before", "after", "is_new_day"),
    [  # daylight saving ends on 2026-11-01, begins on 2027-03-14
        ("2026-10-31T06:59", "2026-10-31T07:00", True),
        ("2026-11-02T07:01", "2026-11-02T07:59", False),
        ("2026-11-02T07:59", "2026-11-02T08:00", True),
        ("2027-03-15T06:59", "2027-03-15T07:00", True),
    ],
)
def test_the_quota_day_is_pacific(net, before, after, is_new_day):
    net.set(uploads_per_day=1)
    codes = []
    for moment in (before, after):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        net.later((at - net.server.world.now()).total_seconds() + 1)
        net.connect("same")
        codes.append(net.start().status_code)
    assert codes == [200, 200 if is_new_day else 429]


def test_the_refusals_of_uploads_differ_by_what_is_full(net):
    net.set(uploads_per_channel=1)
    assert net.start().status_code == 200
    assert reason(net.start()) == (400, "uploadLimitExceeded")
    net.connect("second")
    assert net.start().status_code == 200
    net.set(uploads_per_day=3)
    full = net.start()
    assert reason(full) == (429, "rateLimitExceeded")
    assert "per day" in full.json()["error"]["message"]
    net.set(api_enabled="no")
    assert reason(net.start()) == (403, "accessNotConfigured")


# ---------------------------------------------------------------- metadata


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (snippet(title=""), "invalidTitle"),
        (snippet(title="a" * 101), "invalidTitle"),
        (snippet(title="a < b"), "invalidTitle"),
        (snippet(description="ü" * 2501), "invalidDescription"),
        (snippet(description="a > b"), "invalidDescription"),
        (snippet(tags=["a" * 499, "b"]), "invalidTags"),
        (snippet(tags=["a" * 496 + " b"]), None),
        (snippet(tags=["a" * 497 + " b"]), "invalidTags"),
        (snippet(categoryId=22), "invalidCategoryId"),
        (snippet(categoryId="30"), "invalidCategoryId"),
        (snippet(titel="x"), "badRequest"),
        (status(privacyStatus="friends"), "invalidVideoMetadata"),
        (status(embeddable="yes"), "invalidVideoMetadata"),
        (status(publishAt="2099-01-01T00:00:00Z"), "invalidPublishAt"),
        (status(privacyStatus="private", publishAt="soon"), "invalidPublishAt"),
        ({**METADATA, "recordingDetails": {}}, "unexpectedPart"),
        (snippet(title="ü" * 100, description="ü" * 2500), None),
    ],
)
def test_metadata_is_judged_before_a_byte_is_sent(net, metadata, expected):
    answer = net.start(metadata)
    if expected is None:
        assert answer.status_code == 200
    else:
        assert reason(answer) == (400, expected)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"query": "uploadType=resumable"}, (400, "missingRequiredParameter")),
        ({"query": "uploadType=media&part=snippet"}, (400, "unexpectedParameter")),
        ({"X-Upload-Content-Type": "image/png"}, (400, "badContent")),
        ({"X-Upload-Content-Length": "274877906945"}, (413, "uploadTooLarge")),
        ({"Slug": "a/b.mp4"}, (400, "invalidFilename")),
    ],
)
def test_what_is_announced_is_judged_too(net, more, expected):
    assert reason(net.start(**more)) == expected


def test_privacy_can_be_refused_or_forced(net):
    net.set(privacy_refused="public", force_private="yes")
    assert reason(net.start()) == (403, "forbiddenPrivacySetting")
    id = net.upload(status(privacyStatus="unlisted"))
    assert net.video(id)["status"]["privacyStatus"] == "private"


def test_a_licence_can_be_refused(net):
    net.set(licenses_refused="creativeCommon")
    assert reason(net.start(status(license="creativeCommon"))) == (
        403,
        "forbiddenLicenseSetting",
    )
    assert net.start().status_code == 200


def test_omitted_privacy_is_public(net):
    id = net.upload({"snippet": {"title": "T"}, "status": {}})
    assert net.video(id)["status"]["privacyStatus"] == "public"


# ---------------------------------------------------------------- bytes


def test_a_file_in_one_piece_is_a_video(net):
    data = clip()
    begun = net.start(size=len(data), Slug="post-1.mp4")
    assert begun.status_code == 200
    assert begun.content == b""
    answer = net.put(begun.headers["Location"], data)
    assert answer.status_code == 201
    made = answer.json()
    assert made["kind"] == "youtube#video"
    assert made["status"]["uploadStatus"] == "uploaded"
    assert made["snippet"]["title"] == "My title"
    again = net.put(begun.headers["Location"], b"", f"*/{len(data)}")
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    details = net.video(made["id"], "fileDetails")["fileDetails"]
    assert details["fileName"] == "post-1.mp4"
    assert details["fileSize"] == str(len(data))
    (post,) = net.twin.posts()
    assert post["media_sha256"] == [hashlib.sha256(data).hexdigest()]
    assert post["text"] == "My title\n\nText"


def test_chunks_go_on_where_the_session_says(net):
    size = 2 * UNIT + 1000
    data = clip(size)
    where = net.start(size=size).headers["Location"]
    nothing = net.put(where, b"", f"*/{size}")
    assert nothing.status_code == 308
    assert "Range" not in nothing.headers
    first = net.put(where, data[:UNIT], f"0-{UNIT - 1}/{size}")
    assert (first.status_code, first.headers["Range"]) == (308, "bytes=0-262143")
    # Neither what it has already nor what leaves a gap is taken.
    for start in (0, 2 * UNIT):
        end = min(start + UNIT, size) - 1
        wrong = net.put(where, data[start : end + 1], f"{start}-{end}/{size}")
        assert wrong.status_code == 308
        assert wrong.headers["Range"] == "bytes=0-262143"
    last = net.put(where, data[UNIT:], f"{UNIT}-{size - 1}/{size}")
    assert last.status_code == 201
    assert net.twin.posts()[0]["media_sha256"] == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize(
    ("length", "about"),
    [
        (1000, "0-999/600000"),
        (UNIT, "0-262143/700000"),
        (UNIT, "0-262142/600000"),
        (UNIT, "nonsense"),
        (10, "*/600000"),
    ],
)
def test_a_chunk_that_contradicts_itself_is_a_bad_request(net, length, about):
    where = net.start(size=600_000).headers["Location"]
    assert net.put(where, bytes(length), about).status_code == 400


def test_chunks_can_be_kept_in_part_lost_or_kept_with_trouble(net):
    size = 4 * UNIT
    where = net.start(size=size).headers["Location"]
    net.set(lost_chunks=1)
    lost = net.put(where, bytes(2 * UNIT), f"0-{2 * UNIT - 1}/{size}")
    assert lost.status_code == 308
    assert "Range" not in lost.headers
    net.set(short_chunks=1)
    short = net.put(where, bytes(2 * UNIT), f"0-{2 * UNIT - 1}/{size}")
    assert short.headers["Range"] == f"bytes=0-{UNIT - 1}"
    net.set(unauthorized_chunks=1)
    chunk = f"{UNIT}-{2 * UNIT - 1}/{size}"
    assert net.put(where, bytes(UNIT), chunk).status_code == 401
    net.set(troubled_chunks=1)
    assert reason(net.put(where, bytes(UNIT), chunk)) == (503, "backendError")
    told = net.put(where, b"", f"*/{size}")
    assert told.headers["Range"] == f"bytes=0-{2 * UNIT - 1}"
    net.set(lost_sessions=1)
    rest = f"{2 * UNIT}-{size - 1}/{size}"
    assert net.put(where, bytes(2 * UNIT), rest).status_code == 404
    assert net.put(where, b"", f"*/{size}").status_code == 404


def test_a_session_ends_after_a_week_and_belongs_to_its_channel(net):
    mine = net.account
    where = net.start(size=100).headers["Location"]
    other = net.connect("second")
    foreign = net.put(where, b"", "*/100", token=other["access_token"])
    assert foreign.status_code == 403
    fresh = net.refresh(mine["refresh_token"]).json()["access_token"]
    assert net.put(where, b"", "*/100", token=fresh).status_code == 308
    assert net.put(where, b"x" * 100, "0-99/100", token=fresh).status_code == 201
    net.connect("ada.tests")
    half = net.start(size=2 * UNIT).headers["Location"]
    net.put(half, bytes(UNIT), f"0-{UNIT - 1}/{2 * UNIT}")
    folder = net.server.world.file("youtube", "x").parent
    assert len(list(folder.iterdir())) == 1
    net.later(7 * 86_400)
    net.connect("ada.tests")
    assert net.put(where, b"", "*/100").status_code == 404
    assert net.start().status_code == 200
    net.set(no_session="410")
    assert net.put(half, b"", f"*/{2 * UNIT}").status_code == 410
    assert list(folder.iterdir()) == []


def test_a_lost_last_answer_is_replayed(net):
    data = clip()
    where = net.start(size=len(data)).headers["Location"]
    fault = {"kind": "drop_answer", "platform": "youtube", "call": "commit"}
    with net.server.world.transaction():
        net.server.faults.add({**fault, "times": 1}, net.server.twins)
    told = net.put(where, b"", f"*/{len(data)}")  # changes nothing that others see
    assert told.status_code == 308
    with pytest.raises(OSError, match="Connection"):
        net.put(where, data)
    (post,) = net.twin.posts()
    replay = net.put(where, b"", f"*/{len(data)}")
    assert replay.json()["id"] == post["id"]


# ---------------------------------------------------------------- processing


def test_a_video_is_processed_by_the_clock_and_only_then_shown_to_others(net):
    id = net.upload()
    other = net.connect("second")
    assert net.api("GET", f"videos?part=status&id={id}").json()["items"] == []
    foreign = net.api("GET", f"videos?part=processingDetails&id={id}")
    assert reason(foreign) == (403, "forbidden")
    net.connect("ada.tests")
    net.later(10)
    told = net.video(id, "status,processingDetails")
    assert told["status"]["uploadStatus"] == "uploaded"
    assert told["processingDetails"]["processingStatus"] == "processing"
    assert told["processingDetails"]["processingProgress"]["partsTotal"] == "100"
    net.later(10)
    told = net.video(id, "status,processingDetails,contentDetails")
    assert told["status"]["uploadStatus"] == "processed"
    assert told["processingDetails"]["processingStatus"] == "succeeded"
    assert told["contentDetails"]["duration"] == "PT1S"
    seen = net.api("GET", f"videos?part=status&id={id}", token=other["access_token"])
    assert len(seen.json()["items"]) == 1


@pytest.mark.parametrize(
    ("switches", "data", "expected"),
    [
        ({}, b"no video", {"uploadStatus": "failed", "failureReason": "invalidFile"}),
        (
            {"processing_ends": "failed", "failure_reason": "codec"},
            None,
            {"uploadStatus": "failed", "failureReason": "codec"},
        ),
        (
            {"processing_ends": "rejected"},
            None,
            {"uploadStatus": "rejected", "rejectionReason": "duplicate"},
        ),
        ({"processing_ends": "never"}, None, {"uploadStatus": "uploaded"}),
    ],
)
def test_processing_can_end_badly(net, switches, data, expected):
    net.set(**switches)
    id = net.upload(data=data)
    net.later(60)
    assert expected.items() <= net.video(id)["status"].items()


def test_a_scheduled_video_becomes_public_at_its_time(net):
    at = (net.server.world.now() + timedelta(hours=1)).isoformat()
    id = net.upload(status(privacyStatus="private", publishAt=at))
    assert net.video(id)["status"]["publishAt"][:16] == at[:16]
    assert "My title" not in net.http.get(f"{net.url}/").text
    net.later(3600)
    net.connect("ada.tests")
    told = net.video(id)["status"]
    assert told["privacyStatus"] == "public"
    assert "publishAt" not in told
    assert "My title" in net.http.get(f"{net.url}/").text
    past = "2020-01-01T00:00:00Z"
    at_once = net.upload(status(privacyStatus="private", publishAt=past))
    assert net.video(at_once)["status"]["privacyStatus"] == "public"


# ---------------------------------------------------------------- afterwards


def test_an_upright_short_video_has_the_address_of_a_short(net):
    tall, wide = net.upload(data=clip(upright=True)), net.upload()
    urls = [post["url"] for post in net.twin.posts()]
    assert urls == [f"{net.url}/web/shorts/{tall}", f"{net.url}/web/watch?v={wide}"]
    for url in urls:
        page = net.http.get(url)
        assert page.status_code == 200
        assert "My title" in page.text
    assert net.http.get(f"{net.url}/web/file/{wide}").content == clip()
    assert net.http.get(f"{net.url}/web/watch?v=none").status_code == 404


def test_the_uploads_list_shows_a_video_late_and_private_ones_to_the_owner(net):
    path = UPLOADS + net.account["external_id"][2:]
    assert reason(net.api("GET", path)) == (404, "playlistNotFound")
    net.set(playlist_lag_s=60)
    ids = [net.upload(status(privacyStatus="private")) for _ in range(3)]
    assert net.api("GET", path).json()["items"] == []
    net.later(61)
    page = net.api("GET", path + "&maxResults=2").json()
    found = [item["contentDetails"]["videoId"] for item in page["items"]]
    assert found == [ids[2], ids[1]]
    assert page["items"][0]["snippet"]["resourceId"]["videoId"] == ids[2]
    assert page["items"][0]["status"] == {"privacyStatus": "private"}
    rest = net.api("GET", f"{path}&maxResults=2&pageToken={page['nextPageToken']}")
    assert [i["contentDetails"]["videoId"] for i in rest.json()["items"]] == [ids[0]]
    wrong = net.api("GET", f"{path}&pageToken=x")
    assert reason(wrong) == (400, "invalidPageToken")
    net.connect("second")
    assert net.api("GET", path).json()["items"] == []


def test_a_new_video_can_be_unknown_for_a_while(net):
    net.set(video_lag_s=30)
    id = net.upload()
    assert net.api("GET", f"videos?part=status&id={id}").json()["items"] == []
    assert reason(net.api("DELETE", f"videos?id={id}")) == (404, "videoNotFound")
    net.later(30)
    assert net.api("DELETE", f"videos?id={id}").status_code == 204
    assert net.twin.posts() == []


def test_an_edit_replaces_the_named_parts(net):
    id = net.upload(snippet(tags=["a"]))
    body = {"id": id, "snippet": {"title": "New", "categoryId": "27"}}
    answer = net.api("PUT", "videos?part=snippet", json=body)
    assert answer.status_code == 200, answer.text
    told = net.video(id)["snippet"]
    assert (told["title"], told["description"]) == ("New", "")
    assert "tags" not in told
    bare = {"id": id, "snippet": {"title": "New"}}
    refused = net.api("PUT", "videos?part=snippet", json=bare)
    assert reason(refused) == (400, "invalidVideoMetadata")
    when = {"privacyStatus": "private", "publishAt": "2099-01-01T00:00:00Z"}
    late = net.api("PUT", "videos?part=status", json={"id": id, "status": when})
    assert reason(late) == (400, "invalidPublishAt")
    net.later(20)
    net.connect("second")
    foreign = net.api("PUT", "videos?part=snippet", json=body)
    assert reason(foreign) == (403, "forbidden")


def picture(kind="JPEG"):
    out = io.BytesIO()
    Image.new("RGB", (64, 36), "teal").save(out, kind)
    return out.getvalue()


def test_a_thumbnail_is_set_and_shown(net):
    id = net.upload()
    path = f"/api/upload/youtube/v3/thumbnails/set?uploadType=media&videoId={id}"
    png = {"Content-Type": "image/png"}
    answer = net.call("POST", path, data=picture("PNG"), headers=dict(png))
    assert answer.status_code == 200, answer.text
    shown = answer.json()["items"][0]["high"]["url"]
    assert net.http.get(shown).content == picture("PNG")
    for data, expected in ((b"", "mediaBodyRequired"), (b"x", "invalidImage")):
        refused = net.call("POST", path, data=data, headers=dict(png))
        assert reason(refused) == (400, expected)
    net.set(thumbnails_per_channel=1)
    again = net.call("POST", path, data=picture(), headers=dict(png))
    assert reason(again) == (429, "uploadRateLimitExceeded")
    unknown = net.call("POST", path + "x", data=picture(), headers=dict(png))
    assert reason(unknown) == (404, "videoNotFound")


def test_a_channel_without_a_confirmed_telephone_has_no_thumbnails(net):
    net.connect("new.channel", confirmed=False)
    id = net.upload()
    path = f"/api/upload/youtube/v3/thumbnails/set?uploadType=media&videoId={id}"
    jpeg = {"Content-Type": "image/jpeg"}
    refused = net.call("POST", path, data=picture(), headers=jpeg)
    assert reason(refused) == (403, "forbidden")
    assert len(net.twin.posts()) == 1


def test_a_video_joins_a_list_also_where_the_answer_says_that_it_is_unknown(net):
    id = net.upload()
    mine = net.api("GET", "playlists?part=snippet&mine=true").json()["items"]
    playlist = mine[0]["id"]
    resource = {"kind": "youtube#video", "videoId": id}
    body = {"snippet": {"playlistId": playlist, "resourceId": resource}}
    net.set(playlist_404=1, playlist_404_added=1)
    path = "playlistItems?part=snippet"
    answers = [net.api("POST", path, json=body) for _ in range(3)]
    assert [reason(answer) for answer in answers[:2]] == [(404, "videoNotFound")] * 2
    assert answers[2].json()["snippet"]["resourceId"]["videoId"] == id
    listed = net.api("GET", f"{path}&playlistId={playlist}&videoId={id}")
    assert len(listed.json()["items"]) == 2


# ---------------------------------------------------------------- comments, figures


def say(net, video, text, **more):
    inner = {"snippet": {"textOriginal": text}}
    body = {"snippet": {"videoId": video, "topLevelComment": inner, **more}}
    return net.api("POST", "commentThreads?part=snippet", json=body)


def test_comments_are_written_read_answered_and_moderated(net):
    owner, id = net.account, net.upload()
    net.later(20)
    reader = net.connect("reader")
    first = say(net, id, "First!")
    assert first.status_code == 200, first.text
    thread = first.json()["id"]
    net.account = owner
    reply = {"snippet": {"parentId": thread, "textOriginal": "Thanks"}}
    answer = net.api("POST", "comments?part=snippet", json=reply)
    assert answer.status_code == 200, answer.text
    path = f"commentThreads?part=snippet,replies&videoId={id}&maxResults=100"
    (found,) = net.api("GET", path).json()["items"]
    top = found["snippet"]["topLevelComment"]["snippet"]
    assert top["authorChannelId"] == {"value": reader["external_id"]}
    assert found["replies"]["comments"][0]["snippet"]["textOriginal"] == "Thanks"
    replies = net.api("GET", f"comments?part=snippet&parentId={thread}").json()
    assert len(replies["items"]) == 1
    assert "Comment: First!" in net.http.get(f"{net.url}/web/watch?v={id}").text
    net.api("DELETE", f"comments?id={answer.json()['id']}")
    verb = f"comments/setModerationStatus?id={thread}&moderationStatus=rejected"
    assert net.api("POST", verb).status_code == 204
    assert net.api("GET", path).json()["items"] == []


@pytest.mark.parametrize(
    ("switches", "text", "expected"),
    [
        ({}, "", (400, "commentTextRequired")),
        ({}, "a" * 10_001, (400, "commentTextTooLong")),
        ({"comments_fail": 1}, "a", (400, "processingFailure")),
        ({"comments_off": "yes"}, "a", (403, "commentsDisabled")),
        ({"cannot_comment": "yes"}, "a", (403, "ineligibleAccount")),
    ],
)
def test_a_comment_is_refused(net, switches, text, expected):
    id = net.upload()
    net.set(**switches)
    assert reason(say(net, id, text)) == expected


def test_comments_need_a_video_that_takes_them(net):
    assert reason(say(net, "", "a")) == (400, "channelOrVideoIdMissing")
    assert reason(say(net, "none", "a")) == (404, "videoNotFound")
    assert reason(say(net, "x", "a", channelId="UCx")) == (404, "channelNotFound")
    private = net.upload(status(privacyStatus="private"))
    assert reason(say(net, private, "a")) == (403, "commentsDisabled")


def test_figures_grow_while_a_video_can_be_seen(net):
    public, private = net.upload(), net.upload(status(privacyStatus="private"))
    net.later(10 * 3600)
    net.connect("ada.tests")
    ids = f"{public},{private},none"
    found = net.api("GET", f"videos?part=statistics&id={ids}").json()["items"]
    assert [item["statistics"]["viewCount"] for item in found] == ["120", "0"]
    assert found[0]["statistics"]["likeCount"] == "6"
    assert "commentCount" not in found[1]["statistics"]
    stats = net.api("GET", f"videos:batchGetStats?part=statistics&id={ids}").json()
    assert stats["kind"] == "youtube#batchGetStatsResponse"
    assert len(stats["items"]) == 2
    assert reason(net.api("GET", "videos?part=id")) == (400, "missingRequiredParameter")


def test_reports_are_two_days_behind(net):
    id = net.upload()
    scopes = ["https://www.googleapis.com/auth/yt-analytics.readonly"]
    net.later(3 * 86_400)
    net.connect("ada.tests", scopes=scopes)
    today = net.server.world.now().date()
    path = (
        "/analytics/v2/reports?ids=channel==MINE&metrics=views,likes&dimensions=video"
        f"&startDate=2020-01-01&endDate={today}&filters=video=={id},none"
    )
    answer = net.call("GET", path)
    assert answer.json()["rows"] == [[id, 2 * 288, 28]]
    assert answer.json()["columnHeaders"][0]["name"] == "video"
    assert net.call("GET", path.replace("MINE", "x")).status_code == 400


# ---------------------------------------------------------------- the panel


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("rate_limited", 429),
        ("rate_limited_no_headers", 403),
        ("server_error", 503),
        ("bad_request_after_write", 400),
        ("duplicate", 409),
        ("content_refused", 400),
        ("version_ended", 410),
        ("app_suspended", 403),
        ("no_credits", 403),
    ],
)
def test_a_fault_has_googles_shape(net, kind, code):
    refusal = Refusal(kind, "PUT videos.insert", retry_after_s=7, status=503)
    for path, is_oauth in (("/api/youtube/v3/videos", False), ("/oauth2/token", True)):
        request = FakeRequest(f"/youtube{path}")
        answer = net.twin.refuse(request, refusal)
        error = answer.get_json()["error"]
        if is_oauth:
            assert isinstance(error, str)
        else:
            assert answer.status_code == error["code"] == code
        if kind == "rate_limited":
            assert answer.headers["Retry-After"] == "7"


class FakeRequest:
    def __init__(self, path):
        self.path = path


def test_the_panel_lists_tokens_without_their_secrets(net):
    net.sign_in()
    rows = net.twin.tokens()
    assert {row["state"] for row in rows} == {"live"}
    assert "Acme Tools" in {row["person"] for row in rows}
    assert "practice-" not in str(rows)
    with pytest.raises(ValueError, match="cannot end"):
        net.end("nonsense")
