"""Outstand: content rules, handing a post over, and what became of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from ..base import (
    Count,
    Draft,
    Finding,
    Identity,
    Look,
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
from ..behind import PLACEMENT, STORY, UNKNOWN, placement_findings
from ..checks import fetch_findings, link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    InvalidContent,
    Outcome,
    PermissionMissing,
    PlatformError,
)
from ..limits import header_number
from ..text import with_link
from .client import LOOK_PAGE, OutstandClient, Sent, moment
from .spec import KEY_LIFE, LOOK_BACK_S, NETWORKS, SPEC

#: Seconds between questions what became of a post: mostly it is there in ten.
POLLS_S = (3, 5, 10, 30, 60, 120, 300)
MAX_POLLS = 40
LOOK_PAGES = 3


class Outstand(Platform):
    spec = SPEC
    client_class = OutstandClient

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        return with_link(unicodedata.normalize("NFC", draft.text), draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        """limits: `Identity.extra` of the account, for its network."""
        network = str((limits or {}).get("network") or "")
        return NETWORKS.get(network, UNKNOWN).counts(self.text_as_sent(draft))

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        behind = NETWORKS.get(account.kind if account else "", UNKNOWN)
        return [
            *behind.findings(self.text_as_sent(draft), draft),
            *placement_findings(
                draft,
                str(chosen(SPEC, draft, account, PLACEMENT)),
                (STORY,) if account and account.kind == "instagram" else (),
            ),
            *option_findings(draft, SPEC, account, limits),
            *(fetch_findings(draft, account) if draft.media else ()),
            *link_findings(draft),
            *media_findings(draft, SPEC),
        ]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Choose a key, hand the post over with it, and ask what became of it.

        Witness: "key" and "key_at" of the next try: the same one after a lost answer, a
        new one after a refusal. "post" Outstand's id, as soon as it is known: then
        Outstand has it and sends it. "polls".
        """
        api = cast(OutstandClient, client)
        if job.witness.get("post"):
            return Step("ask", StepKind.REPEATABLE, lambda: self._ask(job, api))
        if not job.witness.get("key"):
            made = {"key": str(uuid4()), "key_at": datetime.now(UTC).isoformat()}
            return Step("choose_key", StepKind.REPEATABLE, lambda: StepResult(made))
        given = tuple(file.public_url for file in job.draft.media if file.public_url)
        return Step(
            "post", StepKind.COMMIT, lambda: self._post(job, api), gives_out=given
        )

    def network_behind(self, draft: Draft, account: Identity | None) -> str:
        return account.kind if account else ""

    def networks_behind(self, account: Identity) -> frozenset[str]:
        return frozenset({account.kind})

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("post"))

    def body(self, job: PublishJob) -> dict[str, Any]:
        draft = job.draft
        media = [
            {"url": file.public_url, "filename": file.file_name[:255]}
            for file in draft.media
        ]
        container: dict[str, Any] = {"content": self.text_as_sent(draft)}
        if media:
            container["media"] = media
        body: dict[str, Any] = {
            "accounts": [job.account.external_id],
            "containers": [container],
        }
        if job.account.kind == "tiktok":
            # Else it is a draft, which a person has to finish in the app.
            body["tiktok"] = {"postMode": "DIRECT_POST"}
        board = chosen(SPEC, draft, job.account, "board")
        if job.account.kind == "pinterest" and board:
            body["pinterest"] = {"board_id": str(board)}
        alts = [file.alt_text.strip() for file in draft.media]
        if job.account.kind == "instagram":
            is_story = chosen(SPEC, draft, job.account, PLACEMENT) == STORY
            facts: dict[str, Any] = {"publishAsStory": True} if is_story else {}
            if alts and alts[0]:
                facts["altText"] = alts[0]
            if facts and media:
                body["instagram"] = facts
        return body

    def _post(self, job: PublishJob, api: OutstandClient) -> StepResult:
        try:
            sent = api.create(self.body(job), job.witness["key"])
        except PlatformError as error:
            if error.outcome is not Outcome.AMBIGUOUS:
                error.extra["forget"] = "key,key_at"
            raise
        if not sent.status:
            # Accounts that it does not know are dropped without a word.
            raise PermissionMissing(
                "the answer does not name the account",
                cause=Cause.NETWORK_UNLINKED,
                extra={"forget": "key,key_at"},
            )
        return self._told(job, sent)

    def _ask(self, job: PublishJob, api: OutstandClient) -> StepResult:
        post_id = str(job.witness["post"])
        try:
            sent = api.post(post_id)
        except PlatformError as error:
            if error.permanent or int(job.witness.get("polls", 0)) >= MAX_POLLS:
                return StepResult(remote=RemotePost(post_id, ""))
            return self._again(job, {})
        return self._told(job, sent)

    def _told(self, job: PublishJob, sent: Sent) -> StepResult:
        witness = {"post": sent.post_id}
        late = int(job.witness.get("polls", 0)) >= MAX_POLLS
        if sent.status == "published" or late:
            return StepResult(witness, remote=_remote(sent))
        if sent.status == "failed":
            raise InvalidContent(
                sent.error or "failed",
                cause=Cause.TEXT_REFUSED,
                extra={"forget": "key,key_at,post"},
            )
        return self._again(job, witness)

    def _again(self, job: PublishJob, witness: Mapping[str, Any]) -> StepResult:
        polls = int(job.witness.get("polls", 0)) + 1
        wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
        return StepResult({**witness, "polls": polls}, wait_s=wait_s)

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        """It is asked once per claim what became of a post."""
        if looking:
            return {"GET /posts": LOOK_PAGES}
        if job.witness.get("post"):
            return {"GET /posts/:id": 1}
        return {"POST /posts": 1}

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """What is left of the minute."""
        limit = header_number(headers.get("x-ratelimit-limit"))
        left = header_number(headers.get("x-ratelimit-remaining"))
        if limit is None or left is None:
            return ()
        return (Observation("requests_minute", limit, left, None, now),)

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the account's posts. For a day the same key gives the first answer."""
        api = cast(OutstandClient, client)
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        found: Sent | None = None
        complete = False
        for page in range(LOOK_PAGES):
            rows = api.posts_since(since, page)
            # Newest first: the oldest match is the one that we sent first.
            found = next((r for r in reversed(rows) if self._is_ours(job, r)), found)
            if len(rows) < LOOK_PAGE:
                complete = True
                break
        trusted = _key_is_known(job)
        if found is not None and found.status == "published":
            evidence = f"{found.post_id} has the same text"
            return Look(Sighting.FOUND, _remote(found), evidence)
        if found is not None:
            # The same key leads to it, and to what becomes of it.
            evidence = f"{found.post_id} has the same text and is {found.status}"
            return Look(Sighting.CANNOT_TELL, None, evidence, safe_to_repeat=trusted)
        if not complete:
            evidence = "too many posts since then"
            return Look(Sighting.CANNOT_TELL, None, evidence, safe_to_repeat=trusted)
        evidence = "no post since then has the same text"
        return Look(Sighting.ABSENT, None, evidence, safe_to_repeat=trusted)

    def _is_ours(self, job: PublishJob, row: Sent) -> bool:
        if row.post_id in job.taken or not row.status:
            return False
        return row.text.split() == self.text_as_sent(job.draft).split()


def _key_is_known(job: PublishJob) -> bool:
    at = moment(job.witness.get("key_at"))
    return bool(job.witness.get("key") and at and datetime.now(UTC) - at < KEY_LIFE)


def _remote(sent: Sent) -> RemotePost:
    return RemotePost(
        external_id=sent.post_id,
        permalink=sent.url,
        text=sent.text,
        published_at=sent.published_at,
    )
