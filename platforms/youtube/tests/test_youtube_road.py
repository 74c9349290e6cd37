"""Our client and the practice network's YouTube, over real HTTP: from the sign-in to a
video that is out once, whatever happens to its parts and answers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from platforms import registry
from platforms.base import (
    Ability,
    Access,
    Draft,
    Figure,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    PublishJob,
    Sighting,
    TokenSet,
)
from platforms.errors import Cause, Outcome, PlatformError
from platforms.youtube import media
from platforms.youtube.client import YouTubeClient, pacific_midnight
from platforms.youtube.publish import YouTube
from platforms.youtube.spec import FORCE_SSL, READONLY, SPEC, UPLOAD

from .conftest import (
    ACME,
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    OPTIONS,
    UNIT,
    Network,
    clip,
    query_of,
)


@cache
def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(out, "PNG")
    return out.getvalue()


class Road:
    """A channel of the practice network, with our client of it."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.youtube = YouTube()
        self.environment = registry.environment(
            "youtube",
            practice_url=net.server.url,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        )
        account = net.account
        self.client = self.acting(
            token=account["access_token"],
            refresh_token=account["refresh_token"],
            external_id=account["external_id"],
            scopes=tuple(account["scopes"]),
        )
        self.me = Identity(account["external_id"], "channel", "Ada", "@ada", "")

    def acting(self, **facts: Any) -> YouTubeClient:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        access = Access(**{"issued_at": long_ago, **facts})
        return YouTubeClient(self.environment, access)

    def fault(self, kind: str) -> None:
        """Spoil the next call that people would see."""
        wanted = {"kind": kind, "platform": "youtube", "call": "commit", "times": 1}
        with self.net.server.world.transaction():
            self.net.server.faults.add(wanted, self.net.server.twins)

    def posts(self) -> list[dict[str, Any]]:
        with self.net.server.world.transaction():
            found = self.net.twin.posts()
        return [post for post in found if post["account"] == self.me.external_id]

    def job(self, *files: MediaFile, **options: Any) -> PublishJob:
        chosen = {**OPTIONS, **options}
        draft = Draft("Bread is out", media=files or (film(),), options=chosen)
        findings = self.youtube.check(draft, self.me)
        assert [f for f in findings if f.level is Level.REFUSED] == []
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def publish(self, job: PublishJob) -> tuple[PublishJob, Any]:
        """As the engine does, up to the end or the first refusal."""
        for _ in range(60):
            try:
                result = self.youtube.next_step(job, self.client).run()
            except PlatformError as error:
                gone = error.extra.get("forget", "").split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                return replace(job, witness=left), error
            job = replace(job, witness={**job.witness, **result.witness})
            if result.remote:
                return job, result.remote
            if result.wait_s:
                self.net.later(result.wait_s)
        raise AssertionError("no end")

    def out(self, *files: MediaFile, **options: Any) -> Any:
        _job, remote = self.publish(self.job(*files, **options))
        assert not isinstance(remote, PlatformError), remote
        return remote


@pytest.fixture
def road(net: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    monkeypatch.setattr(media, "PART_BYTES", 2 * UNIT)
    return Road(net)


def film(size: int = 0, *, upright: bool = False) -> MediaFile:
    data = clip(size, upright)
    return MediaFile(
        key="film",
        mime_type="video/mp4",
        size_bytes=len(data),
        width=48 if upright else 64,
        height=64 if upright else 48,
        alt_text="",
        sha256=hashlib.sha256(data).hexdigest(),
        file_name="bread.mp4",
        open=lambda: io.BytesIO(data),
        kind=MediaKind.VIDEO,
        duration_s=1.0,
    )


def cover() -> MediaFile:
    return replace(
        film(),
        key="cover",
        mime_type="image/png",
        size_bytes=len(png()),
        file_name="cover.png",
        open=lambda: io.BytesIO(png()),
        kind=MediaKind.IMAGE,
        width=1280,
        height=720,
    )


#: three parts and a bit
LONG = 6 * UNIT + 1000


# ---------------------------------------------------------------- sign-in and health


def signed_in(road: Road, **changes: Any) -> TokenSet:
    code = query_of(road.net.consent(**changes))["code"]
    return road.acting().exchange_code(code, CALLBACK, None)


def test_from_the_sign_in_to_the_end_of_an_access(road: Road) -> None:
    assert SPEC.oauth is not None
    address = road.client.authorize_url()
    assert address == f"{road.net.url}/accounts/o/oauth2/v2/auth"
    tokens = signed_in(road, **SPEC.oauth.extra_params)
    assert tokens.refresh_token
    assert set(tokens.scopes) == {UPLOAD, READONLY, FORCE_SSL}
    client = road.acting(token=tokens.access_token, refresh_token=tokens.refresh_token)
    (me,) = client.identities()
    assert (me.external_id, me.kind) == (ACME, "channel")
    proof = client.prove()
    assert {verdict.ok for verdict in proof.abilities.values()} == {True}
    assert proof.identity == me
    limits = client.server_limits()
    assert list(limits["playlists"].values()) == ["Our videos"]
    assert "22" in limits["categories"]
    renewed = client.refresh()
    assert renewed.access_token != tokens.access_token
    assert renewed.refresh_token == ""
    client.revoke()
    client.revoke()
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert caught.value.outcome is Outcome.AUTH_REVOKED


@pytest.mark.trap("youtube", 3)
def test_without_consent_there_is_no_permission_to_renew_again(road: Road) -> None:
    """Why we ask for it each time (trap 3)."""
    signed_in(road)
    assert signed_in(road, prompt="").refresh_token == ""


def test_a_person_may_leave_out_a_part(road: Road) -> None:
    tokens = signed_in(road, scope=[UPLOAD])
    assert tokens.scopes == (UPLOAD,)
    client = road.acting(token=tokens.access_token, external_id=ACME)
    says = {ability: v.ok for ability, v in client.prove().abilities.items()}
    assert says == {
        Ability.PUBLISH: True,
        Ability.READ: False,
        Ability.FIGURES: False,
    }


@pytest.mark.trap("youtube", 2)
def test_an_app_in_testing_has_accesses_that_live_a_week(road: Road) -> None:
    road.net.set(publishing_status="testing")
    tokens = signed_in(road)
    client = road.acting(token=tokens.access_token, refresh_token=tokens.refresh_token)
    road.net.later(7 * 86_400 + 60)
    with pytest.raises(PlatformError) as caught:
        client.refresh()
    assert caught.value.outcome is Outcome.AUTH_REVOKED


@pytest.mark.trap("youtube", 4)
@pytest.mark.trap("youtube", 16)
@pytest.mark.parametrize(
    ("how", "outcome"),
    [("expire", Outcome.AUTH_EXPIRED), ("revoke", Outcome.AUTH_EXPIRED)],
)
def test_only_the_refusal_of_a_renewal_says_that_an_access_is_over(
    road: Road, how: str, outcome: Outcome
) -> None:
    road.net.end(how)
    with pytest.raises(PlatformError) as caught:
        road.client.prove()
    assert caught.value.outcome is outcome
    if how == "revoke":
        with pytest.raises(PlatformError) as caught:
            road.client.refresh()
        assert caught.value.outcome is Outcome.AUTH_REVOKED
    else:
        assert road.client.refresh().access_token


def test_a_suspended_channel_is_told(road: Road) -> None:
    road.net.end("suspend")
    with pytest.raises(PlatformError) as caught:
        road.client.prove()
    assert caught.value.cause is Cause.ACCOUNT_SUSPENDED


@pytest.mark.parametrize("told_as", ["403", "no channel"])
def test_a_lost_role_is_told_in_either_way(road: Road, told_as: str) -> None:
    road.net.set(role_lost_as=told_as)
    road.net.end("role_lost")
    verdict = road.client.prove().abilities[Ability.PUBLISH]
    assert (verdict.ok, verdict.cause) == (False, Cause.ROLE_LOST)


# ---------------------------------------------------------------- publishing


@pytest.mark.parametrize("lost", [False, True], ids=["told", "answer lost"])
@pytest.mark.parametrize("upright", [False, True], ids=["long", "short"])
def test_a_video_goes_out_once_with_all_that_belongs_to_it(
    road: Road, upright: bool, lost: bool
) -> None:
    (playlist,) = road.client.playlists()
    file = film(LONG, upright=upright)
    options = {
        "playlist": playlist,
        "tags": ["bread", "new oven"],
        "license": "creativeCommon",
        "no_embedding": True,
        "recorded_on": "2026-10-01",
    }
    if lost:
        road.fault("drop_answer")
    job, remote = road.publish(road.job(file, cover(), **options))
    if lost:
        assert isinstance(remote, PlatformError)
        assert remote.outcome is Outcome.AMBIGUOUS
        sent = replace(job, first_sent_at=datetime.now(UTC))
        look = road.youtube.look(sent, road.client)
        assert look.sighting is Sighting.FOUND
        # The same road for a process that ended before it could look.
        job, remote = road.publish(sent)
        assert look.remote is not None
        assert look.remote.external_id == remote.external_id
    (post,) = road.posts()
    assert post["id"] == remote.external_id
    assert post["media_sha256"] == [file.sha256]
    assert post["privacy"] == "public"
    assert remote.extra == {}
    assert ("/shorts/" in remote.permalink) is upright
    assert urlsplit(remote.permalink).path == urlsplit(post["url"]).path
    shown = road.net.video(remote.external_id)
    assert shown["snippet"]["title"] == "My title"
    assert shown["snippet"]["description"] == "Bread is out"
    assert shown["snippet"]["tags"] == ["bread", "new oven"]
    assert shown["status"]["selfDeclaredMadeForKids"] is False
    assert shown["status"]["license"] == "creativeCommon"
    assert shown["status"]["embeddable"] is False
    assert shown["status"]["publicStatsViewable"] is True
    assert post["choices"]["recorded_on"] == "2026-10-01"
    rows, _page = road.client.playlist_items(playlist)
    ids = [row["contentDetails"]["videoId"] for row in rows]
    assert ids == [remote.external_id]


@pytest.mark.parametrize(
    ("switch", "number", "refusals"),
    [
        ("short_chunks", 2, 0),
        ("lost_chunks", 2, 2),
        ("troubled_chunks", 2, 2),
        ("unauthorized_chunks", 2, 2),
        ("lost_sessions", 1, 1),
    ],
)
def test_whatever_happens_to_the_parts_the_whole_film_is_there_once(
    road: Road, switch: str, number: int, refusals: int
) -> None:
    road.net.set(**{switch: number})
    file = film(LONG)
    job, remote = road.publish(road.job(file))
    seen = 0
    while isinstance(remote, PlatformError):
        seen += 1
        assert remote.outcome in {Outcome.TRANSIENT, Outcome.AUTH_EXPIRED}
        job, remote = road.publish(job)
    assert seen == refusals
    (post,) = road.posts()
    assert post["media_sha256"] == [file.sha256]


@pytest.mark.parametrize("fault", ["cut", "server_error"])
def test_a_last_part_that_never_arrived_is_sent_again(road: Road, fault: str) -> None:
    road.fault(fault)
    job, error = road.publish(road.job(film(LONG)))
    assert error.outcome is Outcome.AMBIGUOUS
    sent = replace(job, first_sent_at=datetime.now(UTC))
    look = road.youtube.look(sent, road.client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)
    _job, remote = road.publish(sent)
    (post,) = road.posts()
    assert post["id"] == remote.external_id


@pytest.mark.parametrize("fault", ["server_error_after_write", "drop_answer"])
@pytest.mark.parametrize("has_name", ["yes", "no"])
def test_a_session_that_is_over_leaves_the_list_of_uploads(
    road: Road, fault: str, has_name: str
) -> None:
    road.net.set(slug_is_file_name=has_name, session_life_s=60, playlist_lag_s=600)
    road.fault(fault)
    job, error = road.publish(road.job())
    assert error.outcome is Outcome.AMBIGUOUS
    sent = replace(job, first_sent_at=datetime.now(UTC))
    road.net.later(120)
    # The list is late (trap 13): one look is not enough.
    look = road.youtube.look(sent, road.client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, False)
    road.net.later(600)
    look = road.youtube.look(sent, road.client)
    assert look.sighting is Sighting.FOUND
    (post,) = road.posts()
    assert look.remote is not None
    assert look.remote.external_id == post["id"]


@pytest.mark.parametrize("ends", ["failed", "rejected"])
def test_a_video_that_youtube_makes_nothing_of_has_failed(
    road: Road, ends: str
) -> None:
    road.net.set(processing_ends=ends)
    _job, error = road.publish(road.job())
    assert (error.outcome, error.cause) == (
        Outcome.INVALID_CONTENT,
        Cause.MEDIA_REFUSED,
    )


@pytest.mark.parametrize(
    ("switches", "said"),
    [
        ({"force_private": "yes"}, "YouTube made it private, not public"),
        ({"thumbnails_per_channel": 0}, "without thumbnail"),
        ({"playlist_404": 9}, "without playlist"),
        ({"video_lag_s": 100_000}, "YouTube does not list it yet"),
    ],
)
def test_what_cannot_be_had_leaves_the_video_as_it_is(
    road: Road, switches: dict[str, Any], said: str
) -> None:
    (playlist,) = road.client.playlists()
    road.net.set(**switches)
    remote = road.out(film(), cover(), playlist=playlist)
    assert any(note.startswith(said) for note in remote.extra["notes"]), remote.extra
    (post,) = road.posts()
    assert post["id"] == remote.external_id


def test_an_addition_that_was_refused_and_made_is_not_made_twice(road: Road) -> None:
    (playlist,) = road.client.playlists()
    road.net.set(playlist_404_added=1)
    remote = road.out(film(), playlist=playlist)
    rows, _page = road.client.playlist_items(playlist)
    assert [row["contentDetails"]["videoId"] for row in rows] == [remote.external_id]


@pytest.mark.parametrize(
    ("switch", "reach"),
    [("uploads_per_day", "app"), ("uploads_per_channel", "token")],
)
def test_a_day_that_is_full_is_told_before_anything_is_sent(
    road: Road, switch: str, reach: str
) -> None:
    road.net.set(**{switch: 1})
    road.out()
    _job, error = road.publish(road.job())
    assert (error.outcome, error.cause) == (Outcome.RATE_LIMITED, Cause.DAILY_LIMIT)
    assert error.reach == reach
    midnight = pacific_midnight(datetime.now(UTC))
    assert error.reset_at == (midnight if reach == "app" else None)
    assert len(road.posts()) == 1


# ---------------------------------------------------------------- afterwards


def test_what_is_out_can_be_counted_answered_and_deleted(road: Road) -> None:
    number = road.out().external_id
    assert road.client.figures(number).values[Figure.VIEWS] >= 0
    channel = road.me.external_id
    top = {"snippet": {"textOriginal": "When?"}}
    body = {"channelId": channel, "videoId": number, "topLevelComment": top}
    path = "commentThreads?part=snippet"
    assert road.net.api("POST", path, json={"snippet": body}).ok
    (comment,) = road.client.comments(number).comments
    assert comment.text == "When?"
    made = road.client.reply(comment.external_id, "At eight")
    first, second = road.client.comments(number).comments
    assert (second.external_id, second.parent_id) == (made, first.external_id)
    assert parse_qs(urlsplit(second.permalink).query)["lc"] == [made]
    road.client.delete_post(number)
    road.client.delete_post(number)
    assert road.posts() == []
    with pytest.raises(PlatformError) as caught:
        road.client.figures(number)
    assert caught.value.outcome is Outcome.NOT_FOUND
