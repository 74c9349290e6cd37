"""Ayrshare: content rules, the one call that publishes, and how a post is found again."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from ..base import (
    Count,
    Draft,
    Finding,
    HookEvent,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaKind,
    Observation,
    Platform,
    PlatformClient,
    PlatformSpec,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
    chosen,
)
from ..behind import PLACEMENT, STORY, placement_findings, read_name
from ..checks import fetch_findings, link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    DuplicateContent,
    InvalidContent,
    Outcome,
    PlatformError,
)
from ..limits import header_number
from ..text import tidy, with_link
from . import hook
from .client import AyrshareClient, Sent
from .spec import (
    LINK_LIMIT,
    LOOK_BACK_S,
    NETWORKS,
    NOTES_COME_BACK,
    PLACED,
    SPEC,
    TITLED,
    WITH_COVER,
    WITH_TITLE,
    WITHOUT_COMMENTS,
    Network,
)
from .windows import POST, TO_NETWORK

#: Seconds between questions what became of a post.
POLLS_S = (15, 30, 60, 120, 300)
#: Asked so often in vain, it counts as out: Ayrshare has it, and the network works.
MAX_POLLS = 24
_UNKNOWN = Network("", "")
#: option -> the networks that have it
ONLY_OF: dict[str, frozenset[str]] = {
    "keep_off_feed": frozenset({"instagram"}),
    "collaborators": frozenset({"instagram"}),
    "tags": frozenset({"youtube"}),
    "visibility": frozenset({"youtube"}),
    "shorts": frozenset({"youtube"}),
    "no_comments": frozenset({"tiktok"}),
    "ai_generated": frozenset({"tiktok"}),
}


class Ayrshare(Platform):
    spec = SPEC
    client_class = AyrshareClient

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        return with_link(unicodedata.normalize("NFC", draft.text), draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        """By the network that was chosen for the post, where it is one for all."""
        value = draft.options.get("network")
        behind = NETWORKS.get(value, _UNKNOWN) if isinstance(value, str) else _UNKNOWN
        return behind.takes.counts(self.text_as_sent(draft))

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def refuse(cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(Level.REFUSED, cause, field, values))

        network = network_of(draft, account)
        behind = NETWORKS.get(network, _UNKNOWN)
        found += behind.takes.findings(self.text_as_sent(draft), draft)
        kinds = {file.kind for file in draft.media}
        cover = cover_of(draft, network)
        if network == "pinterest" and MediaKind.VIDEO in kinds and cover is None:
            refuse(Cause.COVER_MISSING, "media")
        if len(kinds) > 1 and cover is None:
            refuse(Cause.MEDIA_MIXED, "media")
        if network == "pinterest" and len(draft.link_url.strip()) > LINK_LIMIT:
            refuse(Cause.LINK_REFUSED, "link", link=draft.link_url)
        wanted = [("title", network in TITLED), ("subreddit", network == "reddit")]
        for key, is_wanted in wanted:
            if is_wanted and not chosen(SPEC, draft, account, key):
                name = SPEC.options_by_key[key].name
                refuse(Cause.OPTION_MISSING, f"option:{key}", option=name)
        sent = replace(draft, media=shown_files(draft, network))
        return [
            *found,
            *self._strangers(draft, account, network),
            *placement_findings(
                sent,
                str(chosen(SPEC, draft, account, PLACEMENT)),
                PLACED.get(network, {}),
            ),
            *option_findings(draft, SPEC, account, limits),
            *(fetch_findings(draft, account) if draft.media else ()),
            *link_findings(draft),
            *media_findings(draft, spec_for(network)),
        ]

    def _strangers(
        self, draft: Draft, account: Identity | None, network: str
    ) -> list[Finding]:
        """What was chosen for another network, or is no name."""
        found: list[Finding] = []

        def say(key: str, level: Level, cause: Cause) -> None:
            facts = {"option": SPEC.options_by_key[key].name}
            found.append(Finding(level, cause, f"option:{key}", facts))

        for key, networks in ONLY_OF.items():
            option = SPEC.options_by_key[key]
            value = chosen(SPEC, draft, account, key)
            if value and value != option.default and network not in networks:
                say(key, Level.WARNING, Cause.OPTION_LEFT_OUT)
        names = chosen(SPEC, draft, account, "collaborators")
        if network == "instagram" and names:
            if chosen(SPEC, draft, account, PLACEMENT) == STORY:
                say("collaborators", Level.WARNING, Cause.OPTION_LEFT_OUT)
            elif any(not read_name(name) for name in names):
                say("collaborators", Level.REFUSED, Cause.OPTION_UNKNOWN)
        return found

    def shown(self, draft: Draft) -> tuple[MediaFile, ...]:
        value = draft.options.get("network")
        networks = set(value.values()) if isinstance(value, Mapping) else {value}
        return shown_files(draft, str(*networks) if len(networks) == 1 else "")

    def takes_comment(self, draft: Draft, account: Identity | None) -> bool:
        network = network_of(draft, account)
        return network not in WITHOUT_COMMENTS and super().takes_comment(draft, account)

    def comment_limit(self, draft: Draft, account: Identity | None) -> int:
        """Where no limit of comments is known, that of posts."""
        takes = NETWORKS.get(network_of(draft, account), _UNKNOWN).takes
        return min(super().comment_limit(draft, account), takes.text)

    def write_comment(self, job: PublishJob, client: PlatformClient, text: str) -> str:
        api = cast(AyrshareClient, client)
        return api.comment(job.replies_to, text, network_of(job.draft, job.account))

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> list[HookEvent]:
        return hook.events(body, headers, secret, now)

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Choose a key, send with it, and ask until the network has it.

        Witness: "key" the idempotency key of the next try: used once it is seen, also
        by a try that failed, so a refusal ends it and a lost answer does not. "post"
        Ayrshare's id, from the moment on that it has the post. "polls".
        """
        api = cast(AyrshareClient, client)
        if job.witness.get("post"):
            return Step("ask", StepKind.REPEATABLE, lambda: self._ask(job, api))
        if not job.witness.get("key"):
            key = f"{job.marker}-{uuid4().hex[:8]}"
            return Step(
                "choose_key", StepKind.REPEATABLE, lambda: StepResult({"key": key})
            )
        given = tuple(file.public_url for file in job.draft.media if file.public_url)
        return Step(
            "post", StepKind.COMMIT, lambda: self._post(job, api), gives_out=given
        )

    def network_behind(self, draft: Draft, account: Identity | None) -> str:
        return _slug(network_of(draft, account))

    def networks_behind(self, account: Identity) -> frozenset[str]:
        return frozenset(_slug(str(n)) for n in account.extra.get("networks") or ())

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("post"))

    def body(self, job: PublishJob) -> dict[str, Any]:
        """The JSON of the call that publishes: one network, and our marker in a note."""
        draft, network = job.draft, network_of(job.draft, job.account)
        behind = NETWORKS.get(network, _UNKNOWN)
        body: dict[str, Any] = {
            "post": self.text_as_sent(draft),
            "platforms": [network],
            "idempotencyKey": job.witness["key"],
            "notes": job.marker,
        }
        if draft.media:
            files = shown_files(draft, network)
            body["mediaUrls"] = [file.public_url for file in files]
            if any(file.kind is MediaKind.VIDEO for file in draft.media):
                body["isVideo"] = True
        if behind.options and (options := self._options(job, network)):
            body[behind.options] = options
        return body

    def _options(self, job: PublishJob, network: str) -> dict[str, Any]:
        def of(key: str) -> Any:
            return chosen(SPEC, job.draft, job.account, key)

        def choice(key: str) -> str:
            return str(of(key) or "")

        found: dict[str, Any] = {}
        if network in WITH_TITLE and choice("title"):
            found["title"] = choice("title")
        if network == "reddit":
            found["subreddit"] = choice("subreddit")
        if network == "pinterest" and choice("board"):
            found["boardId"] = choice("board")
        if network == "pinterest" and (link := job.draft.link_url.strip()):
            found["link"] = link
        if cover := cover_of(job.draft, network):
            found["thumbNail"] = cover.public_url
        place = choice(PLACEMENT)
        if network == "instagram":
            names = [name for name in map(read_name, of("collaborators")) if name]
            if names and place != STORY:
                found["collaborators"] = list(dict.fromkeys(names))
            if of("keep_off_feed") and _is_film(job.draft) and place != STORY:
                found["shareReelsFeed"] = False
        if network == "tiktok":
            if of("no_comments"):
                found["disableComments"] = True
            if of("ai_generated"):
                found["isAIGenerated"] = True
        if job.draft.media and (name := PLACED.get(network, {}).get(place)):
            found[name] = True
        if network == "youtube":
            # Private when nothing is said: out, and seen by nobody.
            found["visibility"] = choice("visibility")
            if of("shorts"):
                found["shorts"] = True
            if tags := [tidy(str(tag)) for tag in of("tags") or ()]:
                found["tags"] = [tag for tag in tags if tag]
        files = shown_files(job.draft, network)
        alts = [file.alt_text.strip() for file in files]
        if network in ("instagram", "facebook", "linkedin", "pinterest") and any(alts):
            found["altText"] = alts
        return found

    def _post(self, job: PublishJob, api: AyrshareClient) -> StepResult:
        network = network_of(job.draft, job.account)
        try:
            sent = api.create(self.body(job), network)
        except DuplicateContent as error:
            if error.cause is Cause.ALREADY_THERE:
                return self._seen_before(job, api, error)
            error.extra["forget"] = "key"
            raise
        except PlatformError as error:
            if error.outcome is not Outcome.AMBIGUOUS:
                error.extra["forget"] = "key"
            raise
        return self._told(job, sent)

    def _seen_before(
        self, job: PublishJob, api: AyrshareClient, error: DuplicateContent
    ) -> StepResult:
        """An earlier try with this key arrived; the history tells what became of it."""
        found = self._in_history(job, api)
        if found is None:
            raise error
        if found.status == "error":
            raise _failure(found)
        return self._told(job, found)

    def _ask(self, job: PublishJob, api: AyrshareClient) -> StepResult:
        try:
            sent = api.post(job.witness["post"], network_of(job.draft, job.account))
        except PlatformError as error:
            polls = int(job.witness.get("polls", 0))
            if error.outcome is Outcome.RATE_LIMITED and polls < MAX_POLLS:
                raise  # a thousand of them in a day suspend the profile
            # It is out, whatever hinders the question.
            if polls < MAX_POLLS and not error.permanent:
                return self._again(job, {})
            return StepResult(remote=RemotePost(job.witness["post"], ""))
        return self._told(job, sent)

    def _told(self, job: PublishJob, sent: Sent) -> StepResult:
        witness = {"post": sent.post_id}
        if sent.is_out:
            return StepResult(witness, remote=_remote(sent))
        if sent.status == "error":
            raise _failure(sent)
        if int(job.witness.get("polls", 0)) >= MAX_POLLS:
            return StepResult(witness, remote=_remote(sent))
        return self._again(job, witness)

    def _again(self, job: PublishJob, witness: Mapping[str, Any]) -> StepResult:
        polls = int(job.witness.get("polls", 0)) + 1
        wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
        return StepResult({**witness, "polls": polls}, wait_s=wait_s)

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            return {"GET /history": 1}
        if job.witness.get("post"):
            return {"GET /post/:id": 1}
        more = {"GET /history": 1} if job.first_sent_at else {}
        return {"POST /post": 1, **more}

    def price(self, key: str, job: PublishJob) -> Mapping[str, int]:
        """A post draws on its own network's limits alone."""
        if key != "POST /post":
            return super().price(key, job)
        network = network_of(job.draft, job.account)
        place = chosen(SPEC, job.draft, job.account, PLACEMENT)
        more = TO_NETWORK.get(network) or TO_NETWORK.get(f"{network} {place}", {})
        return POST | more

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> list[Observation]:
        """How many of the five minutes' calls are used."""
        limit = header_number(headers.get("x-ratelimit-max"))
        used = header_number(headers.get("x-ratelimit-count"))
        if limit is None or used is None:
            return []
        return [Observation("requests", limit, max(0, limit - used), None, now)]

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the history. A repeat with the same key is refused if the first arrived."""
        api = cast(AyrshareClient, client)
        found = self._in_history(job, api)
        if found is None:
            return Look(
                Sighting.ABSENT,
                evidence="not in the history; the same key again is refused if it "
                "arrived",
                safe_to_repeat=bool(job.witness.get("key")),
            )
        if found.is_out:
            return Look(Sighting.FOUND, _remote(found), f"{found.post_id} is ours")
        if found.status == "error":
            # The next try is refused for its key, and then takes the failure for its own.
            return Look(
                Sighting.ABSENT,
                evidence=f"{found.post_id} is ours and failed",
                safe_to_repeat=bool(job.witness.get("key")),
            )
        return Look(Sighting.CANNOT_TELL, evidence=f"{found.post_id} is {found.status}")

    def _in_history(self, job: PublishJob, api: AyrshareClient) -> Sent | None:
        """The oldest post since the first try that is ours."""
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        days = max(1, (datetime.now(UTC) - since).days + 1)
        rows = api.history(network_of(job.draft, job.account), days)
        since += min(timedelta(), api.clock_offset)
        ours = None
        for row in rows:
            is_recent = row.created_at is None or row.created_at >= since
            if row.post_id not in job.taken and is_recent and self._is_ours(job, row):
                ours = row
        return ours

    def _is_ours(self, job: PublishJob, row: Sent) -> bool:
        if row.notes and NOTES_COME_BACK:
            return row.notes == job.marker
        return row.text.split() == self.text_as_sent(job.draft).split()


def network_of(draft: Draft, account: Identity | None) -> str:
    """The network behind that the post goes to: the chosen one, or the only one."""
    if value := chosen(SPEC, draft, account, "network"):
        return str(value)
    linked = (account.extra if account else {}).get("networks") or []
    return str(linked[0]) if len(linked) == 1 else ""


def cover_of(draft: Draft, network: str) -> MediaFile | None:
    """The image that stands for a video, at networks that have such."""
    kinds = [file.kind for file in draft.media]
    is_pair = sorted(kinds) == [MediaKind.IMAGE, MediaKind.VIDEO]
    if network not in WITH_COVER or not is_pair:
        return None
    return draft.media[kinds.index(MediaKind.IMAGE)]


def shown_files(draft: Draft, network: str) -> tuple[MediaFile, ...]:
    """What makes up the post, without the cover of a video."""
    cover = cover_of(draft, network)
    return tuple(file for file in draft.media if file is not cover)


def spec_for(network: str) -> PlatformSpec:
    return replace(SPEC, has_stills=network in WITH_COVER)


def _is_film(draft: Draft) -> bool:
    return [file.kind for file in draft.media] == [MediaKind.VIDEO]


def _slug(network: str) -> str:
    """Ours, of a network as Ayrshare calls it."""
    return {"twitter": "x"}.get(network, network)


def _remote(sent: Sent) -> RemotePost:
    return RemotePost(
        external_id=sent.post_id,
        permalink=sent.url,
        text=sent.text,
        published_at=sent.created_at,
        extra={"social_id": sent.social_id} if sent.social_id else {},
    )


def _failure(sent: Sent) -> PlatformError:
    """It arrived, and the network refused it."""
    said = str(sent.error.get("message") or sent.status)
    return InvalidContent(
        said,
        cause=Cause.TEXT_REFUSED,
        code=str(sent.error.get("code") or ""),
        extra={"forget": "key,post,polls"},
    )
