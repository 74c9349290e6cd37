"""X: content rules, the publishing steps, and how a lost post is found again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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
    VideoRule,
)
from ..checks import link_findings, media_findings, option_findings
from ..errors import Cause, InvalidContent, NotFound, as_kind
from ..limits import header_number, header_time, meant_bucket
from . import hook, media, subtitles
from .client import XClient, created_at, moment, unescape, written
from .spec import (
    LONG_TEXT_LIMIT,
    LONG_TEXT_PLANS,
    LONG_VIDEOS,
    LOOK_BACK_S,
    MAX_CASHTAGS,
    PRICE_CREATE_WITH_LINK,
    SPEC,
    TEXT_LIMIT,
    VIDEOS,
)
from .weighted import find_urls, has_forbidden, weight

CASHTAG = re.compile(r"(?<![A-Za-z0-9_$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?\b")
#: One look reads at most so many pages of five posts.
LOOK_PAGES = 10
#: What two clocks may differ without a word.
CLOCK_SLACK = timedelta(seconds=5)
#: headers -> the buckets that they may be about, the likelier first
LIMIT_HEADERS = {
    "x-rate-limit": ("{call}:user", "{call}:app"),
    "x-user-limit-24hour": ("posts:user:24h",),
    "x-app-limit-24hour": ("{call}:app",),
}
#: The practice network's are not at x.com.
QUOTED = re.compile(r"https?://[^/\s]+/\S*?\w+/status/(\d{1,19})(?:[/?#]\S*)?")
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")


class X(Platform):
    spec = SPEC
    client_class = XClient

    # --- content

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret)

    def hook_challenge(
        self, query: Mapping[str, str], verify_token: str, secret: str
    ) -> HookAnswer:
        return hook.challenge(query, secret)

    def text_as_sent(self, draft: Draft) -> str:
        text = unicodedata.normalize("NFC", draft.text).strip()
        link = draft.link_url.strip()
        if not link or _contains(text, link):
            return text
        return f"{text} {link}" if text else link

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        """Weighted characters. limits: `Identity.extra` of the account, for its plan."""
        used = weight(self.text_as_sent(draft))
        return [Count("characters", used, text_limit(limits))]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def refuse(cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(Level.REFUSED, cause, field, values))

        text = self.text_as_sent(draft)
        plan = {**(account.extra if account else {}), **(limits or {})}
        (count,) = self.counts(draft, plan)
        if not text and not draft.media:
            refuse(Cause.TEXT_EMPTY, "text")
        if count.over:
            refuse(Cause.TEXT_TOO_LONG, "text", used=count.used, limit=count.limit)
        if has_forbidden(text):
            refuse(Cause.TEXT_REFUSED, "text", reason="forbidden characters")
        if len(CASHTAG.findall(text)) > MAX_CASHTAGS:
            refuse(Cause.TEXT_REFUSED, "text", reason="more than one cashtag")
        spec = replace(self.spec, videos=video_rule(plan))
        found += option_findings(draft, spec, account, limits)
        if draft.media or draft.poll:  # a link is text at X
            found += quotes.findings(draft, quoted_id, stands_alone=True)
        else:
            found += quotes.findings(draft, quoted_id)
        return found + link_findings(draft) + media_findings(draft, spec)

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Upload and describe each file, then create the post (witness: `media` and
        `subtitles`)."""
        x = cast(XClient, client)
        before = media.next_step(job, x) or subtitles.next_step(job, x)
        return before or Step("post", StepKind.COMMIT, lambda: self._post(job, x))

    def _post(self, job: PublishJob, x: XClient) -> StepResult:
        try:
            data = x.create(self.body(job))
        except InvalidContent as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                raise media.refused(job, error) from error
            raise
        except NotFound as error:
            if quotes.typed(job.draft) and not job.replies_to:
                raise as_kind(InvalidContent, error, cause=Cause.QUOTE_GONE) from error
            raise
        post_id = str(data["id"])
        return StepResult(
            remote=RemotePost(
                external_id=post_id,
                permalink=x.permalink(post_id, job.account.handle),
                text=unescape(str(data.get("text") or "")),
                published_at=created_at(post_id),
                extra=_notes(job),
            )
        )

    def body(self, job: PublishJob) -> dict[str, Any]:
        """The JSON of the create call; X refuses keys that it does not know."""
        body: dict[str, Any] = {}
        if text := self.text_as_sent(job.draft):
            body["text"] = text
        if job.draft.media:
            body["media"] = {"media_ids": media.media_ids(job)}
        if poll := job.draft.poll:
            body["poll"] = {
                "options": list(poll.options),
                "duration_minutes": poll.minutes,
            }
        for name in ("made_with_ai", "paid_partnership"):
            if job.draft.options.get(name):
                body[name] = True
        if quoted := quoted_id(quotes.typed(job.draft)):
            body["quote_tweet_id"] = quoted
        if job.replies_to:
            body["reply"] = {"in_reply_to_tweet_id": job.replies_to}
        elif (who := job.draft.options.get("reply_settings")) in REPLY_SETTINGS:
            # Who may answer a thread is said once, at its head.
            body["reply_settings"] = who
        return body

    def id_of_link(self, permalink: str, account: Identity) -> str:
        found = re.search(r"/status/(\d+)", permalink)
        return found[1] if found else ""

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            # One page is read twice when our clock is ahead.
            return {"GET /2/users/:id/tweets": LOOK_PAGES + 1}
        calls = media.calls_ahead(job) + subtitles.calls_ahead(job)
        return {**calls, "POST /2/tweets": 1}

    def price(self, key: str, job: PublishJob) -> Mapping[str, int]:
        """A post with a link costs many times more."""
        draws = self.spec.call(key).draws
        if key == "POST /2/tweets" and find_urls(self.text_as_sent(job.draft)):
            return {**draws, "credits": PRICE_CREATE_WITH_LINK}
        return draws

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """X tells the tightest of the call's short windows, and days under own names."""
        draws = self.spec.call(key).draws
        found = []
        for prefix, names in LIMIT_HEADERS.items():
            limit = header_number(headers.get(f"{prefix}-limit"))
            remaining = header_number(headers.get(f"{prefix}-remaining"))
            if limit is None or remaining is None:
                continue
            resets_at = header_time(headers.get(f"{prefix}-reset"))
            left_s = (resets_at - now).total_seconds() if resets_at else None
            keys = [name.format(call=key) for name in names]
            rules = [self.spec.rules[name] for name in keys if name in draws]
            if rule := meant_bucket(rules, limit, left_s):
                found.append(Observation(rule.key, limit, remaining, resets_at, now))
        return found

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the account's posts since the first commit (1 to 50 Post reads)."""
        x = cast(XClient, client)
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        read, page = 0, ""
        found: RemotePost | None = None
        for number in range(LOOK_PAGES):
            rows, page = x.posts_since(job.account.external_id, since, page)
            if number == 0 and x.clock_offset < -CLOCK_SLACK:
                # Times are X's; look further back, for our clock is ahead.
                since += x.clock_offset
                rows, page = x.posts_since(job.account.external_id, since)
            read += len(rows)
            for row in rows:
                # Newest first: the oldest match is the one that we sent first.
                found = self._match(job, x, row, since) or found
            if not page:
                break
        if found:
            return Look(
                Sighting.FOUND, found, f"post {found.external_id} has the same content"
            )
        if page:
            return Look(
                Sighting.CANNOT_TELL,
                evidence=f"more than {read} posts since {since:%H:%M:%S} UTC",
            )
        return Look(
            Sighting.ABSENT,
            evidence=f"none of {read} posts since {since:%H:%M:%S} UTC matches",
        )

    def _match(
        self, job: PublishJob, x: XClient, row: Mapping[str, Any], since: datetime
    ) -> RemotePost | None:
        made_at = moment(row.get("created_at"))
        if (made_at and made_at < since) or str(row.get("id")) in job.taken:
            return None
        ours = [("replied_to", job.replies_to)] if job.replies_to else []
        quoted = quoted_id(quotes.typed(job.draft))
        ours += [("quoted", quoted)] if quoted else []
        if _references(row) != ours:
            return None  # another reply, quote or repost is none of ours
        keys = (row.get("attachments") or {}).get("media_keys")
        if keys is not None and len(keys) != len(job.draft.media):
            return None
        text = written(row, without_media=bool(job.draft.media))
        if quoted:
            # X may write the address of what is quoted behind the text.
            text = re.sub(rf"\s*https?://\S+/status/{quoted}\S*$", "", text)
        if fingerprint(self.text_as_sent(job.draft)) != fingerprint(text):
            return None
        post_id = str(row.get("id") or "")
        return RemotePost(
            external_id=post_id,
            permalink=x.permalink(post_id, job.account.handle),
            text=text,
            published_at=made_at or created_at(post_id),
        )


def _notes(job: PublishJob) -> dict[str, Any]:
    """What of it could not be had."""
    notes = job.witness.get("notes")
    return {"notes": notes} if notes else {}


def quoted_id(address: str) -> str:
    """The number of the post at this address of X; "": it is none."""
    found = QUOTED.fullmatch(address)
    return found[1] if found else ""


def _references(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a post replies to, quotes or repeats: (how, id)."""
    found = row.get("referenced_tweets") or row.get("referenced_posts") or []
    return [(str(one.get("type")), str(one.get("id"))) for one in found]


def text_limit(limits: Mapping[str, Any] | None) -> int:
    """280, or what the plan of the account allows ("subscription_type" in limits)."""
    plan = (limits or {}).get("subscription_type")
    return LONG_TEXT_LIMIT if plan in LONG_TEXT_PLANS else TEXT_LIMIT


def video_rule(facts: Mapping[str, Any] | None) -> VideoRule:
    """X takes longer and larger videos of those who pay, or whom it has verified."""
    facts = facts or {}
    paying = str(facts.get("subscription_type") or "") in LONG_TEXT_PLANS
    verified = str(facts.get("verified_type") or "none").lower() != "none"
    return LONG_VIDEOS if paying or verified else VIDEOS


def fingerprint(text: str) -> str:
    """What two spellings of one post have in common: X trims, and completes URLs."""
    text = unicodedata.normalize("NFC", text)
    parts, at = [], 0
    for span in find_urls(text):
        url = re.sub(r"^https?://", "", span.url, flags=re.IGNORECASE).rstrip("/")
        host, slash, rest = url.partition("/")
        parts += [text[at : span.start], host.lower(), slash, rest]
        at = span.end
    return " ".join("".join([*parts, text[at:]]).split())


def _contains(text: str, link: str) -> bool:
    """The link stands in the text as a whole, not as the start of a longer one."""
    if any(span.url == link for span in find_urls(text)):
        return True
    return re.search(rf"(?<!\S){re.escape(link)}(?!\S)", text) is not None
