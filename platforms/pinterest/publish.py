"""Pinterest: content rules, uploads and Pins, finding a lost Pin.

Images are fetched by Pinterest during the call, or stand in it; a video is sent, waited
for, and then pinned. Nothing keeps a Pin from doubling but looking.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from ..base import (
    Count,
    Draft,
    Finding,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaKind,
    Observation,
    Platform,
    PlatformClient,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
    chosen,
)
from ..checks import link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PlatformError,
    TransientError,
    as_kind,
)
from ..limits import header_number, meant_bucket
from ..text import is_web_link, tidy
from .client import PinterestClient, Upload, remote_of, utc
from .pictures import (
    AS_BYTES,
    are_sent,
    can_be_sent,
    film_of,
    findings,
    images_of,
    source,
)
from .spec import (
    ADVISED_DESCRIPTION,
    ADVISED_WIDTH,
    COLOUR,
    LOOK_BACK_S,
    MAX_DESCRIPTION,
    MAX_LINK,
    MAX_TALL,
    SPEC,
    UPLOAD_LIFE_S,
)
from .windows import TRIAL_SIZES

LOOK_COUNT = 50
LOOK_PAGES = 2
#: Seconds until a video is asked for again; after some 15 minutes it is given up.
POLLS_S = (5, 5, 5, 10, 15, 30, 60)
MAX_POLLS = 20
POLLS_AHEAD = 6
#: How often an image is fetched in vain before it is given up: its host may be slow.
MAX_FETCHES = 2
FETCH_AGAIN_S = 30
HEX_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
#: Name of the mark in a link.
MARK = "pin_ref"
#: Buckets in the order in which usage headers are likely to be about them. The days of
#: Trial access are known by their own sizes alone (`TRIAL_SIZES`).
TOLD_FIRST = ("org_analytics", "org_write", "org_read", "universal")
IMAGE, VIDEO, CAROUSEL = "REGULAR", "VIDEO", "CAROUSEL"


class Pinterest(Platform):
    spec = SPEC
    client_class = PinterestClient

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        """The description; title and link have fields of their own."""
        return unicodedata.normalize("NFC", tidy(draft.text))

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        used = len(self.text_as_sent(draft))
        return [Count("characters", used, MAX_DESCRIPTION)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def say(level: Level, cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(level, cause, field, values))

        (count,) = self.counts(draft)
        if count.over:
            values = {"used": count.used, "limit": count.limit}
            say(Level.REFUSED, Cause.TEXT_TOO_LONG, "text", **values)
        elif count.used > ADVISED_DESCRIPTION:
            values = {"used": count.used, "limit": ADVISED_DESCRIPTION}
            say(Level.WARNING, Cause.TEXT_TOO_LONG, "text", **values)
        if not draft.media:
            say(Level.REFUSED, Cause.MEDIA_MISSING, "media")
        if (used := len(self.link(draft, ""))) > MAX_LINK:
            say(Level.REFUSED, Cause.LINK_REFUSED, "link", used=used, limit=MAX_LINK)
        images = tuple(m for m in draft.media if m.kind is MediaKind.IMAGE)
        film = film_of(draft)
        for number, media in enumerate(draft.media, 1):
            is_image = media.kind is MediaKind.IMAGE
            is_pinned = is_image and film is None
            if is_pinned and media.height > MAX_TALL * media.width > 0:
                say(Level.WARNING, Cause.MEDIA_SHAPE, f"media:{number}")
            if is_image and 0 < media.width < ADVISED_WIDTH:
                values = {"used": media.width, "least": ADVISED_WIDTH}
                field, unit = f"media:{number}", {"unit": "pixels wide"}
                say(Level.WARNING, Cause.MEDIA_TOO_SMALL, field, **values, **unit)
        if film is None and len({(image.width, image.height) for image in images}) > 1:
            say(Level.REFUSED, Cause.MEDIA_SIZES_DIFFER, "media")
        return [
            *found,
            *findings(draft, account),
            *_colour_findings(draft),
            *option_findings(draft, self.spec, account, limits),
            *link_findings(draft),
            *media_findings(draft, self.spec),
        ]

    def link(self, draft: Draft, marker: str) -> str:
        """Where the Pin leads to, with our mark where a person wants it."""
        link = draft.link_url.strip()
        wants_mark = chosen(self.spec, draft, None, "mark_link")
        if not wants_mark or not is_web_link(link):
            return link
        parts = urlsplit(link)
        query = "&".join(filter(None, (parts.query, f"{MARK}={_mark(marker)}")))
        return urlunsplit(parts._replace(query=query))

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Of a video: register, upload, wait; then the Pin, which is out at once.

        Witness: "media" {"id", "of", "made_at", and until its bytes are there "url" and
        "fields"}, "ready" the id of a video that is done, "polls", "fetches" how often
        images were fetched in vain, and "as_bytes": now they are sent.
        """
        api = cast(PinterestClient, client)
        if _is_video(job.draft):
            stored = _stored(job)
            if not stored:
                return Step(
                    "register", StepKind.REPEATABLE, lambda: _register(job, api)
                )
            if stored.get("url"):
                return Step("upload", StepKind.REPEATABLE, lambda: _upload(job, api))
            if job.witness.get("ready") != stored["id"]:
                return Step("wait", StepKind.REPEATABLE, lambda: _wait(job, api))
        if are_sent(job):
            return Step("pin", StepKind.COMMIT, lambda: self._pin(job, api, sent=True))
        # Of a video, its cover's.
        given = tuple(image.public_url for image in images_of(job.draft))
        return Step(
            "pin",
            StepKind.COMMIT,
            lambda: self._pin(job, api),
            gives_out=given,
            instead=(lambda: self._pin(job, api, sent=True))
            if given and can_be_sent(job.draft)
            else None,
        )

    def body(self, job: PublishJob, *, sent: bool = False) -> dict[str, Any]:
        """The JSON of the Pin. sent: with the images themselves."""
        draft = job.draft
        board, section = self._place(job)
        media = source(job, sent=sent)
        body: dict[str, Any] = {"board_id": board, "media_source": media}
        for name, value in (
            ("board_section_id", section),
            ("title", self._title(draft)),
            ("description", self.text_as_sent(draft)),
            ("link", self.link(draft, job.marker)),
            ("alt_text", _shown(draft).alt_text.strip()),
            ("dominant_color", _colour(draft)),
        ):
            if value:
                body[name] = value
        return body

    def _board(self, job: PublishJob) -> str:
        return self._place(job)[0]

    def _place(self, job: PublishJob) -> tuple[str, str]:
        """Board and, where one was chosen, its section."""
        place = str(chosen(self.spec, job.draft, job.account, "board") or "")
        board, _slash, section = place.partition("/")
        return board, section

    def _title(self, draft: Draft) -> str:
        return str(chosen(self.spec, draft, None, "title") or "").strip()

    def _pin(
        self, job: PublishJob, api: PinterestClient, *, sent: bool = False
    ) -> StepResult:
        if not job.draft.media:
            raise InvalidContent("no image", cause=Cause.MEDIA_MISSING)
        if not self._board(job):
            raise InvalidContent("no board", cause=Cause.OPTION_MISSING)
        if sent and not can_be_sent(job.draft):
            raise InvalidContent("too many bytes", cause=Cause.IMAGES_TOO_LARGE)
        try:
            row = api.create(self.body(job, sent=sent))
        except TransientError as error:
            if error.cause is Cause.MEDIA_NOT_PUBLIC:
                return _fetch_again(job, error)
            # The state of a video is read before the next try.
            error.extra["forget"] = "ready"
            raise
        return StepResult(remote=remote_of(row, api))

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            return {"GET /boards/:id/pins": LOOK_PAGES}
        calls = {"POST /pins": 1}
        if not _is_video(job.draft):
            return calls
        stored = _stored(job)
        if not stored:
            calls["POST /media"] = 1
        if not stored or stored.get("url"):
            calls["POST {upload_url}"] = 1
        if not stored or job.witness.get("ready") != stored["id"]:
            calls["GET /media/:id"] = POLLS_AHEAD
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """Pinterest names no window; the seconds to its end are read as such."""
        limit = header_number(headers.get("x-ratelimit-limit"))
        remaining = header_number(headers.get("x-ratelimit-remaining"))
        left_s = header_number(headers.get("x-ratelimit-reset"))
        if limit is None or remaining is None:
            return ()
        draws = self.spec.call(key).draws
        rules = [self.spec.rules[name] for name in TOLD_FIRST if name in draws]
        rule = meant_bucket(rules, limit, left_s)
        trial = TRIAL_SIZES.get(limit, "")
        if trial in draws and (rule is None or rule.size != limit):
            # Apps with Standard access have no such day, so its rows name no size.
            rule = self.spec.rules[trial]
        if rule is None:
            return ()
        ends = None if left_s is None else now + timedelta(seconds=left_s)
        return (Observation(rule.key, limit, remaining, ends, now),)

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the board's Pins since the first commit; two pages, for their order is
        not documented."""
        api = cast(PinterestClient, client)
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        found: RemotePost | None = None
        times: list[datetime] = []
        bookmark = ""
        for number in range(LOOK_PAGES):
            try:
                rows, bookmark = api.pins_of(self._board(job), bookmark, LOOK_COUNT)
            except NotFound:
                # Deleted, or not public any more: then its Pins are out of our sight.
                return Look(Sighting.CANNOT_TELL, evidence="the board is not shown")
            if number == 0:
                # Times are Pinterest's; look further back when our clock is ahead.
                since += min(timedelta(), api.clock_offset)
            for row in rows:
                made_at = utc(row.get("created_at"))
                times += [made_at] if made_at else []
                if (made_at is None or made_at >= since) and self._matches(job, row):
                    # Newest first: the oldest match is the one that we sent first.
                    found = remote_of(row, api)
            if not bookmark:
                break
        if found is not None:
            evidence = f"{found.external_id} on the board has the same content"
            return Look(Sighting.FOUND, found, evidence)
        newest_first = times == sorted(times, reverse=True)
        if bookmark and not (newest_first and times and times[-1] < since):
            return Look(
                Sighting.CANNOT_TELL, evidence=f"more than {len(times)} Pins since then"
            )
        return Look(
            Sighting.ABSENT,
            evidence=f"none of {len(times)} Pins of the board matches",
        )

    def _matches(self, job: PublishJob, row: Mapping[str, Any]) -> bool:
        number, draft = str(row.get("id") or ""), job.draft
        if not number or number in job.taken or row.get("is_owner") is False:
            return False
        if str(row.get("board_id") or "") not in {"", self._board(job)}:
            return False
        kinds = {IMAGE, VIDEO, CAROUSEL}
        if row.get("creative_type") in kinds - {_creative_type(draft)}:
            return False
        link = str(row.get("link") or "")
        if chosen(self.spec, draft, None, "mark_link") and draft.link_url.strip():
            return f"{MARK}={_mark(job.marker)}" in link
        return (
            _plain_link(link) == _plain_link(draft.link_url)
            and _plain(row.get("title")) == _plain(self._title(draft))
            and _plain(row.get("description")) == _plain(self.text_as_sent(draft))
        )


def _shown(draft: Draft) -> MediaFile:
    return film_of(draft) or draft.media[0]


def _is_video(draft: Draft) -> bool:
    return film_of(draft) is not None


def _creative_type(draft: Draft) -> str:
    if _is_video(draft):
        return VIDEO
    return CAROUSEL if len(draft.media) > 1 else IMAGE


# ---------------------------------------------------------------- a video's way


def _stored(job: PublishJob) -> Mapping[str, Any]:
    """What was registered for this file and can still be used; {}: register."""
    stored: Mapping[str, Any] = job.witness.get("media") or {}
    if stored.get("of") != _shown(job.draft).sha256:
        return {}
    made_at = datetime.fromisoformat(stored["made_at"])
    is_over = datetime.now(UTC) > made_at + timedelta(seconds=UPLOAD_LIFE_S)
    return {} if stored.get("url") and is_over else stored


def _register(job: PublishJob, api: PinterestClient) -> StepResult:
    opened = api.register()
    media = {
        "id": opened.media_id,
        "of": _shown(job.draft).sha256,
        "made_at": datetime.now(UTC).isoformat(),
        "url": opened.url,
        "fields": dict(opened.fields),
    }
    return StepResult({"media": media, "ready": "", "polls": 0})


def _upload(job: PublishJob, api: PinterestClient) -> StepResult:
    stored = _stored(job)
    where = Upload(stored["id"], stored["url"], stored["fields"])
    try:
        api.upload(where, _shown(job.draft))
    except TransientError as error:
        if error.cause is Cause.MEDIA_EXPIRED:
            error.extra["forget"] = "media"
        raise
    # The signed fields are of no more use: they are not kept.
    kept = {name: stored[name] for name in ("id", "of", "made_at")}
    return StepResult({"media": kept})


def _wait(job: PublishJob, api: PinterestClient) -> StepResult:
    number = str(_stored(job)["id"])
    try:
        state = api.media_state(number)
    except TransientError as error:
        if error.cause is not Cause.MEDIA_NOT_READY:
            raise
        state = "unknown"
    if state == "succeeded":
        return StepResult({"ready": number})
    if state == "failed":
        raise InvalidContent("the video failed", cause=Cause.MEDIA_REFUSED)
    polls = int(job.witness.get("polls", 0)) + 1
    if polls >= MAX_POLLS:
        raise InvalidContent(f"the video stayed {state}", cause=Cause.MEDIA_REFUSED)
    wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
    return StepResult({"polls": polls}, wait_s=wait_s)


def _fetch_again(job: PublishJob, error: PlatformError) -> StepResult:
    """An image that could not be fetched made no Pin: it is sent. What is too large for
    that is fetched once more; then a person."""
    fetches = int(job.witness.get("fetches", 0)) + 1
    if can_be_sent(job.draft):
        return StepResult({"fetches": fetches, AS_BYTES: True})
    if fetches >= MAX_FETCHES:
        raise as_kind(InvalidContent, error, cause=error.cause) from error
    return StepResult({"fetches": fetches}, wait_s=FETCH_AGAIN_S)


# ---------------------------------------------------------------- small things


def _colour(draft: Draft) -> str:
    return str(chosen(SPEC, draft, None, COLOUR) or "").strip()


def _colour_findings(draft: Draft) -> Iterator[Finding]:
    if (typed := _colour(draft)) and not HEX_COLOUR.fullmatch(typed):
        values = {"option": SPEC.options_by_key[COLOUR].name}
        field = f"option:{COLOUR}"
        yield Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, values)


def _mark(marker: str) -> str:
    """12 digits of chance: the last ones, for a marker of version 7 begins with the time,
    which Pins of one moment share. Those of version 4 went out with their first ones.
    """
    marker = marker or "0" * 32
    return marker[:12] if marker[12] == "4" else marker[-12:]


def _plain(value: Any) -> str:
    return " ".join(unicodedata.normalize("NFC", str(value or "")).split())


def _plain_link(link: str) -> tuple[str, str, str]:
    """Host, path and query: Pinterest may write the rest in another way."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return "", link.strip(), ""
    host = parts.netloc.lower().removeprefix("www.")
    return host, parts.path.rstrip("/"), parts.query
