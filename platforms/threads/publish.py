"""Threads: content rules, containers and their publishing, finding a lost post.

Every post is a container first, a text as well: its status tells whether it went out.
Files are fetched by Threads.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from .. import quotes
from ..base import (
    Count,
    Draft,
    Finding,
    HookAnswer,
    HookEvent,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    Observation,
    PersonLeft,
    PlatformClient,
    PublishJob,
    RemotePost,
    Step,
    StepKind,
    StepResult,
    chosen,
)
from ..checks import (
    fetch_findings,
    link_findings,
    media_findings,
    option_findings,
)
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    TransientError,
)
from ..facebook.containers import LOOK_COUNT, LOOK_PAGES, TOP, Container, Containers
from ..facebook.graph import full_windows, graph_time
from ..facebook.signed_request import person_left
from ..text import find_urls, tidy, with_link
from . import hook
from .client import (
    QUOTA,
    QUOTE_PAGES,
    REPOST,
    ThreadsClient,
    remote_of,
)
from .counting import length
from .spec import (
    MAX_LINKS,
    MAX_RATIO,
    SPEC,
    TAG_REFUSES,
    TEXT_LIMIT,
    USAGE_TYPES,
)

#: Seconds until a container is asked for again: texts and images are there at once,
#: mostly; of videos Threads advises to ask once a minute.
POLLS_S = (3, 5, 10, 20, 30, 60)
#: Asked so often in vain, a container is given up and made anew.
MAX_POLLS = 15
#: The same of one that is not known: it may be a matter of seconds, but not of minutes.
MAX_POLLS_UNKNOWN = 5
#: Polls of one container that are foreseen.
POLLS_AHEAD, POLLS_AHEAD_OF_VIDEO = 3, 6

MEDIA_TYPES = {MediaKind.IMAGE: "IMAGE", MediaKind.VIDEO: "VIDEO"}
#: what a container was made as -> what its post is called
LISTED_TYPES = {
    "TEXT": "TEXT_POST",
    "IMAGE": "IMAGE",
    "VIDEO": "VIDEO",
    "CAROUSEL": "CAROUSEL_ALBUM",
}
QUOTED = re.compile(r"https?://[^/\s]+/(?:\S*/)?@[^/\s]+/post/[\w-]+/?")
OTHER_TYPES = {REPOST}
#: why a container failed -> what is wrong with the file; the spelling is Threads' own
FAULTS = {
    "INVALID_ASPEC_RATIO": Cause.VIDEO_SHAPE,
    "INVALID_ASPECT_RATIO": Cause.VIDEO_SHAPE,
    "INVALID_BIT_RATE": Cause.VIDEO_BITRATE,
    "INVALID_DURATION": Cause.VIDEO_TOO_LONG,
    "INVALID_FRAME_RATE": Cause.VIDEO_FRAME_RATE,
    "INVALID_AUDIO_CHANNEL": Cause.SOUND_CHANNELS,
}


class Threads(Containers):
    spec = SPEC
    client_class = ThreadsClient

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret, now)

    def hook_challenge(
        self, query: Mapping[str, str], verify_token: str, secret: str
    ) -> HookAnswer:
        return HookAnswer(hook.challenge(query, verify_token))

    def person_left(self, signed: str, secret: str) -> PersonLeft:
        return person_left(signed, secret)

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        known = [s.name for s in SPEC.scopes if s.name in granted_to_app]
        return tuple(known or (s.name for s in SPEC.scopes if s.asked))

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        """A link without files has its own card and does not stand in the text."""
        text = unicodedata.normalize("NFC", tidy(draft.text))
        return with_link(text, draft.link_url) if draft.media else text

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        text = self.text_as_sent(draft)
        links = {span.value for span in find_urls(text)} | {draft.link_url.strip()}
        return [
            Count("characters", length(text), TEXT_LIMIT),
            Count("links", len(links - {""}), MAX_LINKS),
        ]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def refuse(cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(Level.REFUSED, cause, field, values))

        text, links = self.counts(draft)
        if not (text.used or draft.link_url.strip() or draft.media):
            refuse(Cause.TEXT_EMPTY, "text")
        for count, cause in (
            (text, Cause.TEXT_TOO_LONG),
            (links, Cause.TOO_MANY_LINKS),
        ):
            if count.over:
                refuse(cause, "text", used=count.used, limit=count.limit)
        for number, media in enumerate(draft.media, 1):
            sides = sorted((media.width, media.height))
            if media.kind is MediaKind.IMAGE and sides[1] > MAX_RATIO * sides[0]:
                refuse(Cause.MEDIA_SHAPE, f"media:{number}")
        if any(letter in _topic(draft) for letter in TAG_REFUSES):
            name = self.spec.options_by_key["topic_tag"].name
            refuse(Cause.TEXT_REFUSED, "option:topic_tag", option=name)
        return [
            *found,
            *option_findings(draft, self.spec, account, limits),
            *quotes.findings(draft, QUOTED.fullmatch),
            *fetch_findings(draft, account),
            *link_findings(draft),
            *media_findings(draft, self.spec),
        ]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """A container per file, one over them for a carousel; wait; publish; look up.

        Witness: "child:N" and "container" {"id", "of", "made_at"}, "ready:<name>" the
        id of a container that is FINISHED, "polls:<name>", "tries:<name>", and
        "media_id" from the moment the post is out. The address of a post is a step of
        its own: what is out stays out, whatever becomes of it.
        """
        api = cast(ThreadsClient, client)
        if media_id := job.witness.get("media_id"):
            return self._permalink(api, str(media_id))
        if quotes.is_to_read(job):
            return Step(
                "read_quote",
                StepKind.REPEATABLE,
                lambda: quotes.read(job, lambda link: {"id": api.quoted(link)}),
            )
        children = [name for name, _file in _children(job)]
        for name in children:
            if not self._container(job, name):
                return self._make(job, api, name)
        for name in children:
            if not self._is_ready(job, name):
                return self._wait(job, api, name)
        if not self._container(job, TOP):
            return self._make(job, api, TOP)
        if not self._is_ready(job, TOP):
            return self._wait(job, api, TOP)
        return Step(
            "publish",
            StepKind.COMMIT,
            lambda: self._publish(
                lambda: api.publish(
                    self._container(job, TOP), is_reply=bool(job.replies_to)
                )
            ),
        )

    def form(self, job: PublishJob, name: str) -> dict[str, str]:
        """What creates a container; text and choices are of the one that goes out."""
        if name != TOP:
            return {**_file_form(_file(job, name)), "is_carousel_item": "true"}
        draft = job.draft
        form = {"media_type": _media_type(draft)}
        if len(draft.media) > 1:
            ids = [self._container(job, child) for child, _file in _children(job)]
            form["children"] = ",".join(ids)
        elif draft.media:
            form |= _file_form(draft.media[0])
        elif link := draft.link_url.strip():
            form["link_attachment"] = link
        if poll := draft.poll:
            named = zip("abcd", poll.options, strict=False)
            answers = {f"option_{letter}": answer for letter, answer in named}
            form["poll_attachment"] = json.dumps(answers, ensure_ascii=False)
        if text := self.text_as_sent(draft):
            form["text"] = text
        if who := chosen(self.spec, draft, job.account, "reply_control"):
            form["reply_control"] = str(who)
        if quoted := quotes.known(job).get("id"):
            form["quote_post_id"] = str(quoted)
        if job.replies_to:
            form["reply_to_id"] = job.replies_to
        elif topic := _topic(draft):
            form["topic_tag"] = topic
        if draft.media and chosen(self.spec, draft, job.account, "is_spoiler_media"):
            form["is_spoiler_media"] = "true"
        return form

    def _make(self, job: PublishJob, api: ThreadsClient, name: str) -> Step:
        form = self.form(job, name)

        def run() -> StepResult:
            if "" in (form.get("image_url"), form.get("video_url")):
                raise InvalidContent(
                    "the file has no public address", cause=Cause.MEDIA_NOT_PUBLIC
                )
            try:
                number = api.create_container(form)
            except TransientError as error:
                if error.cause is Cause.MEDIA_NOT_PUBLIC:
                    return self._again(job, name, error)
                raise
            made = self._made(job, name, number)
            return StepResult({name: made, f"ready:{name}": "", f"polls:{name}": 0})

        fetched = tuple(form[k] for k in ("image_url", "video_url") if form.get(k))
        return Step(name, StepKind.REPEATABLE, run, gives_out=fetched)

    def _wait(self, job: PublishJob, api: ThreadsClient, name: str) -> Step:
        def run() -> StepResult:
            number = self._container(job, name)
            seen = self._seen(api, number)
            if seen.status == "FINISHED":
                return StepResult({f"ready:{name}": number})
            if seen.status == "PUBLISHED":
                return self._published(job, api, name, number)
            if seen.status in {"ERROR", "EXPIRED"}:
                return self._again(job, name, _failure(seen))
            polls = int(job.witness.get(f"polls:{name}", 0)) + 1
            if polls < (MAX_POLLS if seen.status else MAX_POLLS_UNKNOWN):
                wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
                return StepResult({f"polls:{name}": polls}, wait_s=wait_s)
            if name == TOP and job.first_sent_at and not seen.status:
                # One that went out may be gone as well: only the list tells.
                listed = self._listed(job, api, job.first_sent_at)
                if listed is not None:
                    return listed
            late = TransientError(seen.said, cause=Cause.MEDIA_NOT_READY)
            return self._again(job, name, late)

        return Step(f"wait:{name}", StepKind.REPEATABLE, run)

    # --- the witness

    def _of(self, job: PublishJob, name: str) -> str:
        """What a container was made of, whatever the address of its file is today."""
        form = self.form(job, name)
        facts = {k: v for k, v in form.items() if not k.endswith("_url")}
        if job.draft.media and "children" not in form:
            facts["sha256"] = _file(job, name).sha256
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        is_reply = bool(job.earlier)
        if looking:
            of_kind = "GET /me/replies" if is_reply else "GET /me/threads"
            return {"GET /:container": 1, "GET /:media": 1, of_kind: LOOK_PAGES + 1}
        if job.witness.get("media_id"):
            return {"GET /:media": 1}
        part = " (part)" if is_reply else ""
        calls = {f"POST /:user/threads_publish{part}": 1, "GET /:media": 1}
        if quotes.is_to_read(job):
            calls["GET /me/threads"] = QUOTE_PAGES
        creates = waits = 0
        for name in [*(name for name, _file in _children(job)), TOP]:
            if not self._container(job, name):
                creates += name != TOP
                if name == TOP:
                    calls[f"POST /:user/threads{part}"] = 1
            if not self._is_ready(job, name):
                waits += _polls_ahead(job, name)
        if creates:
            key = "POST /:user/threads"
            calls[key] = calls.get(key, 0) + creates
        if waits:
            calls["GET /:container"] = waits
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        found = full_windows(headers, now, USAGE_TYPES, self.spec.call(key).draws)
        for bucket, (used, total) in json.loads(headers.get(QUOTA, "{}")).items():
            left = max(0, total - used)
            found.append(Observation(bucket, total, left, None, now))
        return found

    # --- reconciliation

    def _seen(self, api: ThreadsClient, number: str) -> Container:
        try:
            return api.container(number)
        except NotFound:
            return Container("", "")
        except TransientError as error:
            if error.cause is Cause.MEDIA_NOT_READY:
                return Container("", "")
            raise

    def _search(
        self, job: PublishJob, api: ThreadsClient
    ) -> tuple[RemotePost | None, bool]:
        is_reply = bool(job.replies_to)
        try:
            return self._oldest(
                job,
                api,
                lambda since, cursor: api.posts_since(
                    since, LOOK_COUNT, cursor, replies=is_reply
                ),
            )
        except PermissionMissing:
            if not is_reply:
                raise
            return None, False  # replies are not ours to read

    def _named(self, row: Mapping[str, Any]) -> RemotePost:
        return remote_of(row)

    def _matches(
        self, job: PublishJob, row: Mapping[str, Any], since: datetime
    ) -> bool:
        made_at = graph_time(row.get("timestamp"))
        if not row.get("id") or (made_at is not None and made_at < since):
            return False
        if str(row["id"]) in job.taken:
            return False
        is_quote = row.get("is_quote_post")
        if is_quote is not None and is_quote is not bool(quotes.typed(job.draft)):
            return False
        above = row.get("replied_to")
        if job.replies_to and (
            not isinstance(above, dict) or str(above.get("id")) != job.replies_to
        ):
            return False
        # The list of types is not complete: one that nobody knows says nothing.
        kind = row.get("media_type")
        others = {*LISTED_TYPES.values(), *OTHER_TYPES}
        if kind in others - {LISTED_TYPES[_media_type(job.draft)]}:
            return False
        said = _comparable(str(row.get("text") or ""))
        return said == _comparable(self.text_as_sent(job.draft))


def _topic(draft: Draft) -> str:
    return str(draft.options.get("topic_tag") or "").strip().removeprefix("#").strip()


def _media_type(draft: Draft) -> str:
    if len(draft.media) > 1:
        return "CAROUSEL"
    return MEDIA_TYPES.get(draft.media[0].kind, "IMAGE") if draft.media else "TEXT"


def _file_form(file: MediaFile) -> dict[str, str]:
    kind = MEDIA_TYPES.get(file.kind, "IMAGE")
    form = {"media_type": kind, f"{kind.lower()}_url": file.public_url}
    if alt := file.alt_text.strip():
        form["alt_text"] = alt
    return form


def _children(job: PublishJob) -> Iterator[tuple[str, MediaFile]]:
    """The containers below a carousel; none for a single file."""
    if len(job.draft.media) > 1:
        for number, file in enumerate(job.draft.media, 1):
            yield f"child:{number}", file


def _file(job: PublishJob, name: str) -> MediaFile:
    return dict(_children(job)).get(name) or job.draft.media[0]


def _polls_ahead(job: PublishJob, name: str) -> int:
    of_file = name != TOP or len(job.draft.media) == 1
    is_video = of_file and _file(job, name).kind is MediaKind.VIDEO
    return POLLS_AHEAD_OF_VIDEO if is_video else POLLS_AHEAD


def _failure(seen: Container) -> PlatformError:
    """Why a container failed. Raises InvalidContent where another would fail alike."""
    for word, cause in FAULTS.items():
        if word in seen.said:
            raise InvalidContent(seen.said, cause=cause, code=seen.said[:50])
    if seen.status == "EXPIRED":
        return TransientError(seen.said or seen.status, cause=Cause.MEDIA_EXPIRED)
    fetched = "DOWNLOADING" not in seen.said
    cause = Cause.MEDIA_REFUSED if fetched else Cause.MEDIA_NOT_PUBLIC
    return TransientError(seen.said or seen.status, cause=cause)


def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", tidy(text)).split())
