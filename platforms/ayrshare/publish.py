"""Ayrshare: content rules, the one call that publishes, and how a post is found again."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from ..base import (
    Count,
    Draft,
    Finding,
    Identity,
    Level,
    Look,
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
from ..behind import PLACEMENT, placement_findings
from ..checks import fetch_findings, link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    DuplicateContent,
    InvalidContent,
    Outcome,
    PlatformError,
)
from ..limits import header_number
from ..text import with_link
from .client import AyrshareClient, Sent
from .spec import (
    LOOK_BACK_S,
    NETWORKS,
    NOTES_COME_BACK,
    PLACED,
    SPEC,
    TITLED,
    Network,
)

#: Seconds between questions what became of a post.
POLLS_S = (15, 30, 60, 120, 300)
#: Asked so often in vain, it counts as out: Ayrshare has it, and the network works.
MAX_POLLS = 24
_UNKNOWN = Network("", "")


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
        if network == "pinterest" and MediaKind.VIDEO in kinds:
            # It wants the address of a picture for it (thumbNail), which is not sent yet.
            values = {"kind": str(MediaKind.VIDEO), "network": behind.name}
            refuse(Cause.MEDIA_KIND, "media:1", **values)
        wanted = [("title", network in TITLED), ("subreddit", network == "reddit")]
        for key, is_wanted in wanted:
            if is_wanted and not chosen(SPEC, draft, account, key):
                name = SPEC.options_by_key[key].name
                refuse(Cause.OPTION_MISSING, f"option:{key}", option=name)
        return [
            *found,
            *placement_findings(
                draft,
                str(chosen(SPEC, draft, account, PLACEMENT)),
                PLACED.get(network, {}),
            ),
            *option_findings(draft, SPEC, account, limits),
            *(fetch_findings(draft, account) if draft.media else ()),
            *link_findings(draft),
            *media_findings(draft, SPEC),
        ]

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
            body["mediaUrls"] = [file.public_url for file in draft.media]
            if any(file.kind is MediaKind.VIDEO for file in draft.media):
                body["isVideo"] = True
        if behind.options and (options := self._options(job, network)):
            body[behind.options] = options
        return body

    def _options(self, job: PublishJob, network: str) -> dict[str, Any]:
        def choice(key: str) -> str:
            return str(chosen(SPEC, job.draft, job.account, key) or "")

        found: dict[str, Any] = {}
        if network in ("youtube", "reddit", "pinterest") and choice("title"):
            found["title"] = choice("title")
        if network == "reddit":
            found["subreddit"] = choice("subreddit")
        if network == "pinterest" and choice("board"):
            found["boardId"] = choice("board")
        place = choice(PLACEMENT)
        if job.draft.media and (name := PLACED.get(network, {}).get(place)):
            found[name] = True
        if network == "youtube":
            # Private when nothing is said: out, and seen by nobody.
            found["visibility"] = "public"
        alts = [file.alt_text.strip() for file in job.draft.media]
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
        extra={"forget": "key,post"},
    )
