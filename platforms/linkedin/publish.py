"""LinkedIn: content rules, the publishing steps, and what can be told afterwards."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from .. import cards, quotes
from ..base import (
    Count,
    Draft,
    Finding,
    HookAnswer,
    HookEvent,
    Identity,
    Level,
    Look,
    MediaFile,
    Platform,
    PlatformClient,
    Poll,
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
    DuplicateContent,
    InvalidContent,
    NotFound,
    Outcome,
    PermissionMissing,
    PlatformError,
    TransientError,
    as_kind,
)
from . import hook, media
from .client import LinkedInClient
from .little_text import as_read, escape, length, normalise, unescape
from .spec import (
    CONNECTIONS,
    DESCRIPTION_LIMIT,
    FULL_SCOPES,
    LOOK_BACK_S,
    POLL_DURATIONS,
    REPEAT_AFTER_S,
    REPEAT_BEFORE_S,
    SELF_SERVE_SCOPES,
    SPEC,
    TEXT_LIMIT,
    TITLE_LIMIT,
)

#: Option of a draft: False means that a person is asked instead of repeating.
#: What can be passed on, as it stands in an address.
PARENT = re.compile(r"urn:li:(?:share|ugcPost):\d{1,20}")
REPEAT_OPTION = "repeat_when_unsure"
#: seconds before each question what became of a Page's post with files
STATE_WAITS_S = (5, 20, 60, 120)
MAY_BE_READ_LATER = {
    Outcome.TRANSIENT,
    Outcome.RATE_LIMITED,
    Outcome.PLATFORM_DOWN,
    Outcome.NOT_FOUND,
}
LOOK_COUNT = 20
LOOK_PAGES = 5


class LinkedIn(Platform):
    spec = SPEC
    client_class = LinkedInClient

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret)

    def hook_challenge(
        self, query: Mapping[str, str], verify_token: str, secret: str
    ) -> HookAnswer:
        return hook.challenge(query, secret)

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """The one set of scopes to ask for, whoever connects and whatever for.

        granted_to_app: scopes that the app's products give; nothing known: the
        self-serve set. Another set in a later consent ends all earlier tokens of that
        member and app, and one scope too many refuses the whole sign-in, so members
        and Pages are connected with all that the app has and nothing else.
        """
        if not granted_to_app:
            return SELF_SERVE_SCOPES
        superset = dict.fromkeys(SELF_SERVE_SCOPES + FULL_SCOPES)
        return tuple(scope for scope in superset if scope in granted_to_app)

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        return as_read(self.written(draft))

    def written(self, draft: Draft) -> str:
        """Before escaping. A link with its own card is not repeated in it."""
        text = unicodedata.normalize("NFC", draft.text).replace("\r\n", "\n").strip()
        link = draft.link_url.strip()
        if not link or (text and not draft.media) or _contains(text, link):
            return text
        return f"{text}\n\n{link}" if text else link

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        return [Count("characters", length(self.written(draft)), TEXT_LIMIT)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def refuse(cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(Level.REFUSED, cause, field, values))

        (count,) = self.counts(draft)
        if not count.used and not draft.media and not quotes.typed(draft):
            refuse(Cause.TEXT_EMPTY, "text")
        if count.over:
            refuse(Cause.TEXT_TOO_LONG, "text", used=count.used, limit=count.limit)
        return [
            *found,
            *option_findings(draft, self.spec, account, limits),
            *_seen_findings(draft, account),
            *quotes.findings(draft, parent_of, stands_alone=True),
            *link_findings(draft),
            *media_findings(draft, self.spec),
        ]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Send each file (media.py), create the post, and ask of a Page's files."""
        api = cast(LinkedInClient, client)
        if self.is_out(job.witness):
            return Step("state", StepKind.REPEATABLE, lambda: self._state(job, api))
        before = media.next_step(job, api) or self._card_step(job, api)
        return before or Step("post", StepKind.COMMIT, lambda: self._post(job, api))

    def _card_step(self, job: PublishJob, api: LinkedInClient) -> Step | None:
        """Of the picture on a link's card (`cards`): "urn", and "url" until it is sent."""
        file, stored = job.draft.link_picture, cards.stored(job)

        def step(
            name: str, send: Callable[[MediaFile], dict[str, Any]], *, is_last: bool
        ) -> Step:
            if file is None or file.sha256 != stored.get("sha256", file.sha256):
                run = partial(cards.forgotten, job)
            else:
                run = partial(
                    cards.sending, job, file, lambda: send(file), is_last=is_last
                )
            return Step(name, StepKind.REPEATABLE, run)

        def init(file: MediaFile) -> dict[str, Any]:
            upload = api.init_upload("image", job.account.external_id)
            return {"urn": upload.urn, "url": upload.url}

        def put(file: MediaFile) -> dict[str, Any]:
            api.put_file(str(stored["url"]), file)
            return {"urn": stored["urn"]}

        if cards.left(job, SPEC):
            return step("init_card_picture", init, is_last=False)
        if stored.get("url") and not job.first_sent_at:
            return step("put_card_picture", put, is_last=True)
        return None

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("post"))

    def _post(self, job: PublishJob, api: LinkedInClient) -> StepResult:
        try:
            urn = api.create(self.body(job))
        except InvalidContent as error:
            if error.cause is Cause.MEDIA_EXPIRED and job.draft.media:
                raise media.refused(job, error) from error
            is_of_urn = str(error.code or "").startswith("INVALID_URN")
            if is_of_urn and quotes.typed(job.draft):
                raise as_kind(InvalidContent, error, cause=Cause.QUOTE_GONE) from error
            if _thumbnail(job):
                raise cards.once_more_without(error) from error
            raise
        except PermissionMissing as error:
            if error.cause is Cause.MEDIA_REFUSED and _thumbnail(job):
                raise cards.once_more_without(error) from error
            if error.cause is Cause.MEDIA_REFUSED and media.is_just_uploaded(job):
                raise TransientError(
                    error.detail,
                    cause=Cause.MEDIA_NOT_READY,
                    status=error.status,
                    request_id=error.request_id,
                    retry_after=5,
                ) from error
            raise
        except DuplicateContent as error:
            if self._names_another_post(job, api, error):
                error.extra.clear()
            raise
        if (job.draft.media or _thumbnail(job)) and _can_read(job, api):
            return StepResult({"post": urn}, wait_s=STATE_WAITS_S[0])
        return StepResult(remote=_remote(job, api, urn))

    def _state(self, job: PublishJob, api: LinkedInClient) -> StepResult:
        """Files may fail after the post was taken: then nobody ever sees it."""
        urn, asked = str(job.witness["post"]), int(job.witness.get("asked") or 0) + 1
        live = StepResult(remote=_remote(job, api, urn))
        try:
            state = str(api.post(urn).get("lifecycleState") or "")
        except PlatformError as error:
            if error.outcome not in MAY_BE_READ_LATER:
                return live  # it was taken, and nothing speaks against it
            state = ""
        if state == "PUBLISH_FAILED":
            # Whoever has it sent again sends its files again as well.
            files = [f"image:{n}" for n in range(1, len(media.urns(job)) + 1)]
            gone = {"forget": ",".join(["post", "asked", *files])}
            if _thumbnail(job):
                # Nobody has seen it, and without its picture it is another post.
                gone["forget"] += f",{cards.SHOWN}"
                raise TransientError(state, cause=Cause.MEDIA_REFUSED, extra=gone)
            raise InvalidContent(state, cause=Cause.MEDIA_REFUSED, extra=gone)
        if state == "PUBLISHED" or asked >= len(STATE_WAITS_S):
            return live
        return StepResult({"asked": asked}, wait_s=STATE_WAITS_S[asked])

    def _names_another_post(
        self, job: PublishJob, api: LinkedInClient, error: DuplicateContent
    ) -> bool:
        """For a day or two LinkedIn still names a post that was deleted."""
        urn = error.extra.get("external_id")
        if not urn or not _can_read(job, api):
            return False
        try:
            row = api.post(urn)
        except NotFound:
            return True
        except PlatformError:
            return False  # not told: what the refusal says stands
        if row.get("lifecycleState") == "PUBLISH_FAILED":
            return True
        said = normalise(str(row.get("commentary") or ""))
        return said != normalise(escape(self.text_as_sent(job.draft)))

    def body(self, job: PublishJob) -> dict[str, Any]:
        """The JSON of the create call; the same for every repetition."""
        draft, options = job.draft, job.draft.options
        visibilities = ["PUBLIC", "LOGGED_IN"]
        if job.account.kind == "member":
            visibilities.append(CONNECTIONS)
        visibility = options.get("visibility")
        body: dict[str, Any] = {
            "author": job.account.external_id,
            "commentary": escape(self.written(draft)),
            "visibility": visibility if visibility in visibilities else "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": bool(options.get("no_reshare", False)),
        }
        if content := _content(job):
            body["content"] = content
        if parent := parent_of(quotes.typed(draft)):
            body["reshareContext"] = {"parent": parent}
        return body

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        """LinkedIn tells no use: what is counted from here is all that is known."""
        if looking:
            pages = LOOK_PAGES if job.account.kind == "organization" else 0
            return {"GET /rest/posts": pages}
        picture, sent = cards.left(job, SPEC), cards.stored(job).get("urn")
        is_read = (
            job.draft.media or picture or sent
        ) and job.account.kind == "organization"
        states = {"GET /rest/posts/:urn": len(STATE_WAITS_S)} if is_read else {}
        if self.is_out(job.witness):
            return states
        calls = {**media.calls_ahead(job), "POST /rest/posts": 1, **states}
        if picture:
            calls["POST /rest/images"] = 1
        if picture or cards.stored(job).get("url"):
            calls["PUT {uploadUrl}"] = 1
        return calls

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Find a Page's post; tell whether a member's may be repeated as it is.

        No app may read members' posts. A create that is repeated exactly is refused
        with the live post's URN (DuplicateContent), within a window that LinkedIn does
        not document; inside the part of it that is known, repeating is safe.
        """
        api = cast(LinkedInClient, client)
        if _can_read(job, api):
            return self._search(job, api)
        if not job.draft.options.get(REPEAT_OPTION, True):
            return Look(
                Sighting.CANNOT_TELL,
                evidence="this account's posts cannot be read; a person decides",
            )
        if not media.is_uploaded(job):
            return Look(
                Sighting.CANNOT_TELL,
                evidence="this account's posts cannot be read, and a repetition with "
                "new files would not be noticed; a person decides",
            )
        sent_at = job.first_sent_at or job.created_at
        age_s = (datetime.now(UTC) - sent_at).total_seconds()
        if age_s < REPEAT_AFTER_S:
            return Look(
                Sighting.CANNOT_TELL,
                evidence="this account's posts cannot be read; too early to repeat",
            )
        if age_s > REPEAT_BEFORE_S:
            return Look(
                Sighting.CANNOT_TELL,
                evidence="this account's posts cannot be read, and the duplicate check "
                "may no longer notice a repetition; a person decides",
            )
        return Look(
            Sighting.CANNOT_TELL,
            evidence="this account's posts cannot be read; the same request again is "
            "refused with the post's address if it is there",
            safe_to_repeat=True,
        )

    def _search(self, job: PublishJob, api: LinkedInClient) -> Look:
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        found: Mapping[str, Any] | None = None
        read = 0
        for page in range(LOOK_PAGES):
            start = page * LOOK_COUNT
            rows = api.posts_by(job.account.external_id, start, LOOK_COUNT)
            if page == 0:
                # Times are LinkedIn's; look further back when our clock is ahead.
                since += min(timedelta(), api.clock_offset)
            since_ms = int(since.timestamp() * 1000)
            recent = [row for row in rows if _made_ms(row) >= since_ms]
            read += len(recent)
            for row in recent:
                # Newest first: the oldest match is the one that we sent first.
                if str(row.get("id")) not in job.taken and self._matches(job, row):
                    found = row
            if len(recent) < LOOK_COUNT:
                break
        else:
            if not found:
                return Look(
                    Sighting.CANNOT_TELL, evidence=f"more than {read} posts since then"
                )
        if not found:
            return Look(
                Sighting.ABSENT,
                evidence=f"none of {read} posts since {since:%H:%M:%S} UTC matches",
            )
        urn = str(found.get("id") or "")
        remote = RemotePost(
            external_id=urn,
            permalink=api.permalink(urn),
            text=unescape(str(found.get("commentary") or "")),
            published_at=_time_ms(found.get("publishedAt") or found.get("createdAt")),
            extra={"lifecycle_state": str(found.get("lifecycleState") or "")},
        )
        return Look(Sighting.FOUND, remote, f"{urn} has the same content")

    def _matches(self, job: PublishJob, row: Mapping[str, Any]) -> bool:
        if row.get("lifecycleState") == "PUBLISH_FAILED":
            return False  # nobody sees it
        ours, theirs = media.urns(job), _content_urns(row.get("content"))
        if ours or theirs:
            return ours == theirs  # unique per upload: the best key there is
        article = (row.get("content") or {}).get("article") or {}
        if article.get("source", "") != (_content(job).get("article") or {}).get(
            "source", ""
        ):
            return False
        poll = (row.get("content") or {}).get("poll") or {}
        asked = job.draft.poll.question if job.draft.poll else ""
        if str(poll.get("question") or "") != asked:
            return False
        sent = normalise(escape(self.text_as_sent(job.draft)))
        return normalise(str(row.get("commentary") or "")) == sent


def _seen_findings(draft: Draft, account: Identity | None) -> list[Finding]:
    """A Page has no connections."""
    is_page = account is not None and account.kind == "organization"
    if not is_page or draft.options.get("visibility") != CONNECTIONS:
        return []
    values = {"option": SPEC.options_by_key["visibility"].name}
    field = "option:visibility"
    return [Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, values)]


def parent_of(address: str) -> str:
    """The URN of the post at this address; "": it names none. That of an activity, as
    in most addresses that are copied, is no post's."""
    found = PARENT.search(unquote(address))
    return found[0] if found else ""


def _content(job: PublishJob) -> dict[str, Any]:
    draft = job.draft
    shown = []
    for urn, file in zip(media.urns(job), media.shown(draft), strict=True):
        row = {"id": urn}
        if media.kind_of(file) != "image":
            # Of a document it is demanded, and of a video shown.
            row["title"] = _title(draft, file)
        elif alt := file.alt_text.strip():
            row["altText"] = alt
        shown.append(row)
    if len(shown) == 1:
        return {"media": shown[0]}
    if shown:
        return {"multiImage": {"images": shown}}
    if draft.poll:
        return {"poll": _poll(draft.poll)}
    link = draft.link_url.strip()
    if not link:
        return {}
    # LinkedIn never fetches the page: what is not given is not shown.
    title = draft.link_title.strip() or urlsplit(link).hostname or link
    article = {"source": link, "title": title[:TITLE_LIMIT]}
    if description := draft.link_description.strip():
        article["description"] = description[:DESCRIPTION_LIMIT]
    if urn := _thumbnail(job):
        article["thumbnail"] = urn
    return {"article": article}


def _poll(poll: Poll) -> dict[str, Any]:
    duration = POLL_DURATIONS.get(poll.minutes)
    if duration is None:
        raise InvalidContent("no such length of a poll", cause=Cause.POLL_LENGTH)
    return {
        "question": poll.question,
        "options": [{"text": answer} for answer in poll.options],
        "settings": {"duration": duration},
    }


def _thumbnail(job: PublishJob) -> str:
    """The URN of the picture on the link's card, "": it goes without."""
    return str(cards.shown(job).get("urn") or "")


def _remote(job: PublishJob, api: LinkedInClient, urn: str) -> RemotePost:
    notes = cards.notes(job)
    return RemotePost(urn, api.permalink(urn), extra={"notes": notes} if notes else {})


def _can_read(job: PublishJob, api: LinkedInClient) -> bool:
    """Only Pages can be read, and only with the scope for it."""
    return (
        job.account.kind == "organization"
        and "r_organization_social" in api.access.scopes
    )


def _contains(text: str, link: str) -> bool:
    """The link stands in the text as a whole, not as the start of a longer one."""
    return re.search(rf"{re.escape(link)}(?![\w/?#&=%-])", text) is not None


def _title(draft: Draft, file: MediaFile) -> str:
    """What was written, else the file's name without its ending."""
    title = str(chosen(SPEC, draft, None, "title") or "").strip()
    return (title or PurePath(file.file_name).stem or file.key)[:TITLE_LIMIT]


def _content_urns(content: Any) -> list[str]:
    """URNs of the media of a post that was read."""
    if not isinstance(content, dict):
        return []
    media = content.get("media")
    images = (content.get("multiImage") or {}).get("images") or []
    rows = [media, *images] if media else images
    return [str(row["id"]) for row in rows if row.get("id")]


def _made_ms(row: Mapping[str, Any]) -> int:
    value = row.get("createdAt")
    return value if isinstance(value, int) else 0


def _time_ms(value: Any) -> datetime | None:
    if not isinstance(value, int):
        return None
    return datetime.fromtimestamp(value / 1000, UTC)
