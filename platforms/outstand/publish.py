"""Outstand: content rules, handing a post over, and what became of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from ..base import (
    UNNAMED,
    Count,
    Draft,
    Finding,
    HookEvent,
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
from ..behind import PLACEMENT, STORY, UNKNOWN, placement_findings, read_name
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
from . import hook
from .client import LOOK_PAGE, OutstandClient, Sent, moment
from .spec import KEY_LIFE, LOOK_BACK_S, NETWORKS, SPEC, THREADED
from .windows import POST

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
            *self._of_instagram(draft, account),
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

    def _of_instagram(self, draft: Draft, account: Identity | None) -> list[Finding]:
        """What Instagram alone has; a trial is refused where everybody would see it."""
        found: list[Finding] = []
        is_there = account is not None and account.kind == "instagram"
        is_story = chosen(SPEC, draft, account, PLACEMENT) == STORY
        is_film = [file.kind for file in draft.media] == [MediaKind.VIDEO]

        def say(key: str, cause: Cause, level: Level = Level.REFUSED) -> None:
            facts = {"option": SPEC.options_by_key[key].name}
            found.append(Finding(level, cause, f"option:{key}", facts))

        for key in ("collaborators", "location", "trial", "ai_generated"):
            value = chosen(SPEC, draft, account, key)
            if not value:
                continue
            if not is_there or (is_story and key in ("collaborators", "location")):
                say(key, Cause.OPTION_LEFT_OUT, Level.WARNING)
            elif (
                (key == "trial" and draft.media and (is_story or not is_film))
                or (key == "location" and not str(value).strip().isdecimal())
                or (key == "collaborators" and not all(map(read_name, value)))
            ):
                say(key, Cause.OPTION_UNKNOWN)
        return found

    def takes_thread(self, draft: Draft, account: Identity | None) -> bool:
        return account is None or account.kind in THREADED

    def takes_comment(self, draft: Draft, account: Identity | None) -> bool:
        """Below a thread it is not said where it would stand."""
        return not draft.parts and super().takes_comment(draft, account)

    def comment_limit(self, draft: Draft, account: Identity | None) -> int:
        """Where no limit of comments is known, that of posts."""
        behind = NETWORKS.get(account.kind if account else "", UNKNOWN)
        return min(super().comment_limit(draft, account), behind.text)

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret)

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Choose a key, hand the post over with it, and ask what became of it.

        Witness: "key" and "key_at" of the next try: the same one after a lost answer, a
        new one after a refusal. "post" Outstand's id, as soon as it is known: then
        Outstand has it and sends it. "polls". A thread is handed over with its first
        part; with that the others are out.
        """
        api = cast(OutstandClient, client)
        if job.earlier:
            return Step("follows", StepKind.REPEATABLE, lambda: _follows(job))
        if job.witness.get("post"):
            return Step("ask", StepKind.REPEATABLE, lambda: self._ask(job, api))
        if not job.witness.get("key"):
            made = {"key": str(uuid4()), "key_at": datetime.now(UTC).isoformat()}
            return Step("choose_key", StepKind.REPEATABLE, lambda: StepResult(made))
        files = [file for part in _whole(job) for file in part.media]
        given = tuple(file.public_url for file in files if file.public_url)
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
        body: dict[str, Any] = {
            "accounts": [job.account.external_id],
            "containers": [self._container(part) for part in _whole(job)],
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
            facts |= self._labels(job, is_story)
            if facts and draft.media:
                body["instagram"] = facts
        return body

    def _container(self, part: Draft) -> dict[str, Any]:
        container: dict[str, Any] = {"content": self.text_as_sent(part)}
        if part.media:
            container["media"] = [
                {"url": file.public_url, "filename": file.file_name[:255]}
                for file in part.media
            ]
        return container

    def _labels(self, job: PublishJob, is_story: bool) -> dict[str, Any]:
        def choice(key: str) -> Any:
            return chosen(SPEC, job.draft, job.account, key)

        found: dict[str, Any] = {}
        if choice("ai_generated"):
            found["isAiGenerated"] = True
        if is_story:
            return found
        names = [name for name in map(read_name, choice("collaborators") or ()) if name]
        if names:
            found["collaborators"] = list(dict.fromkeys(names))
        if place := str(choice("location") or "").strip():
            found["locationId"] = place
        if trial := choice("trial"):
            found["trialReel"] = {"graduationStrategy": str(trial)}
        return found

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
            # Of a thread, at which part is not told: those before it may be out.
            cause = Cause.THREAD_HALTED if job.later else Cause.TEXT_REFUSED
            raise InvalidContent(
                sent.error or "failed",
                cause=cause,
                extra={"forget": "key,key_at,post,polls"},
            )
        return self._again(job, witness)

    def _again(self, job: PublishJob, witness: Mapping[str, Any]) -> StepResult:
        polls = int(job.witness.get("polls", 0)) + 1
        wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
        return StepResult({**witness, "polls": polls}, wait_s=wait_s)

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        """It is asked once per claim what became of a post."""
        if job.earlier:
            return {}
        if looking:
            return {"GET /posts": LOOK_PAGES}
        if job.witness.get("post"):
            return {"GET /posts/:id": 1}
        return {"POST /posts": 1}

    def price(self, key: str, job: PublishJob) -> Mapping[str, int]:
        """Instagram alone has a limit of its own that is known."""
        if key == "POST /posts" and job.account.kind != "instagram":
            return POST
        return super().price(key, job)

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
        said = " ".join(self.text_as_sent(part) for part in _whole(job))
        return row.text.split() == said.split()


def _whole(job: PublishJob) -> list[Draft]:
    """This part and those that go out with it."""
    later = [Draft(part.text, media=part.media) for part in job.later]
    return [job.draft, *later]


def _follows(job: PublishJob) -> StepResult:
    """A part that is out with the first; nobody tells its number."""
    number = f"{UNNAMED}{job.earlier[0].external_id}:{len(job.earlier) + 1}"
    return StepResult(remote=RemotePost(number, ""))


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
