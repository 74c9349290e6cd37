"""How a post goes to a Mastodon-compatible server, and how it is found again."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

import regex

from .. import quotes, without
from ..base import (
    AudioRule,
    Count,
    Draft,
    Finding,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaRule,
    Observation,
    Platform,
    PlatformClient,
    PlatformSpec,
    PollRule,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
    VideoRule,
    chosen,
)
from ..checks import link_findings, media_findings, option_findings
from ..errors import (
    AmbiguousOutcome,
    Cause,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    TransientError,
    as_kind,
)
from ..limits import header_number, meant_bucket
from ..text import find_urls, graphemes, tidy, web_host, with_link
from . import spec as facts_of
from .client import MastodonClient, Status
from .spec import (
    AUDIO_NAMES,
    AUDIOS,
    GIFS,
    HIDE_TOTALS,
    IMAGES,
    POLLS,
    QUOTE_API,
    QUOTE_POLICY,
    SPEC,
    VIDEOS,
)

VISIBILITIES = ("public", "unlisted", "private", "direct")

#: "@user@domain": only "@user" counts, and only "@user" may be shown.
MENTION = regex.compile(r"(?<![=/\w])(@\w+(?:[\w.-]*\w)?)@[\w.-]*\w")

#: As a server's own pages write it, also of posts that came from elsewhere.
QUOTED = regex.compile(r"https?://[^/\s]+/(?:\S*/)?@[^/\s]+/(\w{1,40})/?(?:[?#]\S*)?")

#: Between two questions whether a file is processed, and for how long we ask.
POLL_S = 3.0
MAX_POLLS = 100
#: "Error processing thumbnail" is tried again this often before it is a refusal.
MEDIA_TRIES = 3
MEDIA_PAUSE_S = 15.0

#: Pages of 40 posts that one look reads, and texts that it asks for one by one.
MAX_PAGES = 5
MAX_SOURCES = 5
#: A server's clock may be a little behind ours.
CLOCK_SLACK = timedelta(seconds=5)

R = TypeVar("R", bound=MediaRule)


class Mastodon(Platform):
    spec: ClassVar[PlatformSpec] = SPEC
    client_class: ClassVar[type[PlatformClient]] = MastodonClient

    # ------------------------------------------------------------ content

    def text_as_sent(self, draft: Draft) -> str:
        return with_link(draft.text, draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        limits = limits or {}
        limit = int(limits.get("max_characters") or facts_of.MAX_CHARACTERS)
        text = self.text_as_sent(draft)
        warning = tidy(str(draft.options.get("spoiler_text") or ""))
        per_url = int(limits.get("reserved_per_url") or facts_of.RESERVED_PER_URL)
        used = mastodon_length(text, per_url) + graphemes(warning)
        if limits.get("software", "mastodon") != "mastodon":
            # Other software counts code points, addresses at full length.
            used = max(used, len(text) + len(warning))
        return [Count("characters", used, limit)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found = link_findings(draft)
        if not self.text_as_sent(draft) and not draft.media and not draft.poll:
            found.append(Finding(Level.REFUSED, Cause.TEXT_EMPTY, "text"))
        for count in self.counts(draft, limits):
            if count.over:
                values = {"used": count.used, "limit": count.limit, "unit": count.unit}
                found.append(
                    Finding(Level.REFUSED, Cause.TEXT_TOO_LONG, "text", values)
                )
        spec = replace(
            self.spec,
            images=server_rule(IMAGES, limits or {}),
            gifs=server_rule(GIFS, limits or {}),
            videos=video_rule(limits or {}),
            audios=audio_rule(limits or {}),
        )
        found += option_findings(draft, spec, account, limits)
        found += _quote_findings(draft, account, limits or {})
        found += _left_out_findings(draft, account, limits or {})
        return found + media_findings(draft, spec)

    def poll_rule(self, limits: Mapping[str, Any] | None = None) -> PollRule:
        """The server's own limits over Mastodon's defaults, whole minutes within them."""
        limits = limits or {}
        least, most = limits.get("poll_min_s"), limits.get("poll_max_s")
        return replace(
            POLLS,
            max_options=int(limits.get("poll_options") or POLLS.max_options),
            max_option=int(limits.get("poll_characters") or POLLS.max_option),
            min_minutes=-(-int(least) // 60) if least else POLLS.min_minutes,
            max_minutes=int(most) // 60 if most else POLLS.max_minutes,
        )

    # ------------------------------------------------------------ steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Upload each file, wait until the server has made its own of it, then post.

        Witness: media = [{"id", "ready", "at"}] in the order of the draft's files and
        when each was sent, media_polls how often the last was asked for, media_tries how
        often the upload of the next failed, uploads:N how often a file was sent. What
        stands for a video or sound goes along with it; "no_thumbnail": not any more.
        """
        assert isinstance(client, MastodonClient)
        media = kept_media(job)
        for number, item in enumerate(media, 1):
            if not item["ready"]:
                return Step(
                    f"wait_media:{number}",
                    StepKind.REPEATABLE,
                    lambda number=number: self._wait(job, client, number),  # type: ignore[misc]
                )
        files = self.shown(job.draft)
        if len(media) < len(files):
            number = len(media) + 1
            return Step(
                f"upload_{files[number - 1].kind}:{number}",
                StepKind.REPEATABLE,
                lambda: self._upload(job, client, media),
            )
        return Step("post", StepKind.COMMIT, lambda: self._post(job, client))

    def unused_uploads(
        self, witness: Mapping[str, Any], limits: Mapping[str, Any]
    ) -> tuple[str, ...]:
        if int(limits.get("api_level") or 0) < facts_of.DISCARD_API:
            return ()
        return tuple(item["id"] for item in witness.get("media", ()))

    def _upload(
        self, job: PublishJob, client: MastodonClient, before: list[dict[str, Any]]
    ) -> StepResult:
        """Send the file that follows on those before."""
        number, thumbnail = len(before) + 1, self._thumbnail(job)
        try:
            media = client.upload_media(self.shown(job.draft)[number - 1], thumbnail)
        except InvalidContent as error:
            if thumbnail is None:
                raise
            return _without_thumbnail(job, error)
        except TransientError as error:
            if error.cause is not Cause.MEDIA_REFUSED:
                raise
            tries = int(job.witness.get("media_tries", 0)) + 1
            if tries >= MEDIA_TRIES and thumbnail is not None:
                return _without_thumbnail(job, error)
            if tries >= MEDIA_TRIES:
                raise InvalidContent(
                    error.detail,
                    cause=Cause.MEDIA_REFUSED,
                    status=error.status,
                    request_id=error.request_id,
                ) from error
            return StepResult({"media_tries": tries}, wait_s=MEDIA_PAUSE_S)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        item = {"id": media.id, "ready": media.ready, "at": at}
        return StepResult(
            {
                "media": [*before, item],
                "media_tries": 0,
                "media_polls": 0,
                f"uploads:{number}": job.witness.get(f"uploads:{number}", 0) + 1,
            },
            wait_s=None if media.ready else POLL_S,
        )

    def _thumbnail(self, job: PublishJob) -> MediaFile | None:
        """What stands for the post's video or sound; it is tried until it is refused."""
        if job.witness.get("no_thumbnail"):
            return None
        shown = self.shown(job.draft)
        beside = (file for file in job.draft.media if file not in shown)
        return next(beside, None)

    def _wait(self, job: PublishJob, client: MastodonClient, number: int) -> StepResult:
        items = stored_media(job)
        try:
            media = client.media(items[number - 1]["id"])
        except NotFound as error:
            raise upload_again(error.detail, Cause.MEDIA_EXPIRED) from error
        except InvalidContent as error:
            if job.witness.get(f"uploads:{number}", 0) >= MEDIA_TRIES:
                # It is the file, and not the server's bad moment.
                raise InvalidContent(
                    error.detail,
                    cause=Cause.MEDIA_REFUSED,
                    status=error.status,
                    request_id=error.request_id,
                ) from error
            raise upload_again(error.detail, Cause.MEDIA_REFUSED) from error
        if media.ready:
            items[number - 1]["ready"] = True
            return StepResult({"media": items, "media_polls": 0})
        polls = int(job.witness.get("media_polls", 0)) + 1
        if polls >= MAX_POLLS:
            raise upload_again("still being processed", Cause.MEDIA_NOT_READY)
        return StepResult({"media_polls": polls}, wait_s=POLL_S)

    def _post(self, job: PublishJob, client: MastodonClient) -> StepResult:
        ids = [item["id"] for item in stored_media(job)]
        try:
            status = client.post_status(self.fields(job, client), job.marker)
        except AmbiguousOutcome as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                # Attached to a post of ours, or collected by the server: the look
                # decides which, and if there is no post the files are sent anew.
                error.extra["forget"] = FORGET_MEDIA
            raise
        except NotFound as error:
            # Else it is the key of a post of ours that was deleted meanwhile.
            if job.replies_to and not job.first_sent_at:
                raise as_kind(NotFound, error, cause=Cause.PARENT_GONE) from error
            if quotes.typed(job.draft) and not job.first_sent_at:
                raise as_kind(InvalidContent, error, cause=Cause.QUOTE_GONE) from error
            raise
        # Releases before 4.4 leave out files they no longer have, without a word.
        lost = len(ids) - len(status.media_ids)
        remote = remote_post(status, media_missing=max(lost, 0))
        if said := job.witness.get("notes"):
            notes = [*said, *remote.extra.get("notes", ())]
            remote = replace(remote, extra={**remote.extra, "notes": notes})
        return StepResult(remote=remote)

    def fields(self, job: PublishJob, client: MastodonClient) -> dict[str, Any]:
        """The body of POST /api/v1/statuses."""
        draft = job.draft
        fields: dict[str, Any] = {"status": self.text_as_sent(draft)}
        if media := stored_media(job):
            fields["media_ids"] = [item["id"] for item in media]
        if poll := draft.poll:
            fields["poll"] = {
                "options": list(poll.options),
                "expires_in": poll.minutes * 60,
                "multiple": poll.multiple,
            }
            if chosen(SPEC, draft, job.account, HIDE_TOTALS):
                fields["poll"]["hide_totals"] = True
        if job.replies_to:
            fields["in_reply_to_id"] = job.replies_to
        if quoted := quoted_id(quotes.typed(draft)):
            fields["quoted_status_id"] = quoted
        if policy := chosen(SPEC, draft, job.account, QUOTE_POLICY):
            fields["quote_approval_policy"] = policy
        if draft.language:
            fields["language"] = draft.language.split("-")[0].lower()
        if warning := tidy(str(draft.options.get("spoiler_text") or "")):
            fields["spoiler_text"] = warning
        if draft.options.get("sensitive"):
            fields["sensitive"] = True
        visibility = draft.options.get("visibility") or client.access.extra.get(
            "visibility"
        )
        if visibility in VISIBILITIES:  # else the server takes the user's default
            fields["visibility"] = visibility
        return fields

    def id_of_link(self, permalink: str, account: Identity) -> str:
        found = regex.search(r"/@[^/]+/(\w+)/?$", permalink)
        return found[1] if found else ""

    # ------------------------------------------------------------ limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            return {
                "GET /api/v1/accounts/:id/statuses": 1,
                "GET /api/v1/accounts/:id/statuses?max_id": MAX_PAGES - 1,
                "GET /api/v1/statuses/:id/source": MAX_SOURCES,
            }
        calls = {"POST /api/v1/statuses": 1}
        media = kept_media(job)
        if uploads := len(self.shown(job.draft)) - len(media):
            calls["POST /api/v2/media"] = uploads
        # Each file may take time: then it is asked for once per claim.
        if waits := uploads + sum(not item["ready"] for item in media):
            calls["GET /api/v1/media/:id"] = waits
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """The tightest bucket of the call; for a new status, that of statuses."""
        limit = header_number(headers.get("x-ratelimit-limit"))
        remaining = header_number(headers.get("x-ratelimit-remaining"))
        try:
            resets_at = datetime.fromisoformat(headers.get("x-ratelimit-reset", ""))
        except ValueError:
            return ()
        if limit is None or remaining is None or resets_at.tzinfo is None:
            return ()
        draws = self.spec.call(key).draws
        names = ["statuses"] if "statuses" in draws else list(draws)
        left_s = (resets_at - now).total_seconds()
        rule = meant_bucket([self.spec.rules[n] for n in names], limit, left_s)
        if rule is None:
            return ()
        return (Observation(rule.key, limit, remaining, resets_at, now),)

    # ------------------------------------------------------------ reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the account's newest posts back to the time of the first attempt."""
        assert isinstance(client, MastodonClient)
        trusted = key_is_trusted(job, datetime.now(UTC))
        try:
            return self._look(job, client, trusted)
        except PermissionMissing as error:
            if error.cause is not Cause.SCOPE_MISSING:
                raise
            return Look(
                Sighting.CANNOT_TELL,
                evidence="the app may not read this account's posts",
                safe_to_repeat=trusted,
            )

    def _look(self, job: PublishJob, client: MastodonClient, trusted: bool) -> Look:
        account_id = job.account.external_id.rsplit("/", 1)[-1]
        since = (job.first_sent_at or job.created_at) - CLOCK_SLACK
        seen: dict[str, Status] = {}
        max_id, reached = "", False
        for _page in range(MAX_PAGES):
            page = client.account_statuses(account_id, max_id)
            if not max_id and page.server_time:
                # Times are the server's; look further back when its clock is slow.
                since += min(timedelta(), page.server_time - datetime.now(UTC))
            reached = not page.statuses or any(_before(s, since) for s in page.statuses)
            fresh = {s.id: s for s in page.statuses if s.id not in seen}
            seen |= fresh
            if reached or not fresh:
                break
            max_id = page.statuses[-1].id
        candidates = [
            s
            for s in seen.values()
            if not _before(s, since)
            and s.id not in job.taken
            and (not job.replies_to or s.replies_to == job.replies_to)
            and s.has_poll in (None, bool(job.draft.poll))
        ]
        found, how = self._match(job, client, candidates)
        if len(found) == 1 or (found and not trusted):
            return Look(Sighting.FOUND, remote_post(found[0]), evidence=how)
        if found:
            # Another delivery may have said the same; the key knows which is ours.
            how = f"{len(found)} posts with the {how}; the server still knows the key"
            return Look(Sighting.CANNOT_TELL, evidence=how, safe_to_repeat=True)
        if not reached:
            return Look(
                Sighting.CANNOT_TELL,
                evidence=f"more than {len(seen)} posts since the first attempt",
                safe_to_repeat=trusted,
            )
        evidence = f"not among {len(candidates)} posts since the first attempt"
        if trusted:
            evidence += "; the server still knows the key"
        return Look(Sighting.ABSENT, evidence=evidence, safe_to_repeat=trusted)

    def _match(
        self, job: PublishJob, client: MastodonClient, candidates: list[Status]
    ) -> tuple[list[Status], str]:
        """The posts that may be this job's, oldest first, and how that was told.

        The application's name only sets the order: a user may hide it, and our app may
        have had another name when it was registered.
        """
        sent = comparable(self.text_as_sent(job.draft))
        ids = tuple(item["id"] for item in stored_media(job))
        app = client.environment.app_name
        oldest_first = [s for s in reversed(candidates) if not s.is_reblog]
        possible = sorted(oldest_first, key=lambda s: s.application != app)
        for status in possible:
            if ids and status.media_ids == ids:
                return [status], "same media"
        alts = tuple(tidy(media.alt_text) for media in self.shown(job.draft))
        equal = [
            status
            for status in possible
            if tuple(tidy(alt) for alt in status.alt_texts) == alts
            and comparable(status.text) == sent
        ]
        if equal:
            named = [status for status in equal if status.application == app]
            return named or equal, "same text and time"
        unlike = [s for s in possible if len(s.media_ids) == len(alts)]
        for status in unlike[:MAX_SOURCES]:
            # The HTML may differ from what was written; the source does not.
            try:
                source = client.status_source(status.id)
            except NotFound:
                continue
            if comparable(source) == sent:
                return [status], "same source text"
        return [], ""

    # ------------------------------------------------------------ instances

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        return facts_of.scopes_to_ask(facts or {})

    def normalise_instance(
        self,
        typed: str,
        *,
        practice_url: str = "",
        allowed_hosts: Collection[str] = (),
    ) -> str:
        """Base URL of the server that a user typed: host, address or @user@host.

        practice_url: the practice network's address, whose Mastodon is let through.
        allowed_hosts: "host:port" entries that an operator trusts through, over http.
        Raises ValueError with a sentence for the user.
        """
        text = typed.strip().rstrip("/")
        bare = text.removeprefix("http://").removeprefix("https://").lower()
        if practice_url:
            practice = practice_url.rstrip("/") + SPEC.practice_paths["instance"]
            if bare == practice.split("://", 1)[-1].lower():
                return practice
        if bare in {host.lower() for host in allowed_hosts}:
            return f"http://{bare}"
        return "https://" + public_host(text)


FORGET_MEDIA = "media"


def _without_thumbnail(job: PublishJob, error: PlatformError) -> StepResult:
    left = without.with_one_more(job.witness, without.THUMBNAIL, error)
    return StepResult({**left, "no_thumbnail": True, "media_tries": 0})


def _before(status: Status, at: datetime) -> bool:
    return status.created_at is not None and status.created_at < at


def upload_again(detail: str, cause: Cause) -> TransientError:
    """The server has lost a file: the engine forgets them all and starts over."""
    return TransientError(detail, cause=cause, extra={"forget": FORGET_MEDIA})


def stored_media(job: PublishJob) -> list[dict[str, Any]]:
    """Uploaded files of the witness, as a copy that may be changed."""
    return [dict(item) for item in job.witness.get("media", [])]


def kept_media(job: PublishJob) -> list[dict[str, Any]]:
    """Those that the server still has. What no post shows it clears away after a day;
    releases before 4.4 would post without it, and without a word."""
    items = stored_media(job)
    oldest = datetime.now(UTC) - facts_of.MEDIA_LIFE
    is_kept = all(
        datetime.fromisoformat(item["at"]) > oldest for item in items if "at" in item
    )
    return items if is_kept else []


def remote_post(status: Status, media_missing: int = 0) -> RemotePost:
    """extra: media_missing, the number of files that the server left out, and a note
    that says so."""
    extra: dict[str, Any] = {}
    if media_missing:
        said = f"the server left {media_missing} of the files out of the post"
        extra = {"media_missing": media_missing, "notes": [said]}
    return RemotePost(
        external_id=status.id,
        permalink=status.url,
        text=status.text,
        published_at=status.created_at,
        extra=extra,
    )


def mastodon_length(text: str, per_url: int) -> int:
    """Characters as Mastodon counts them: each address per_url, mentions without host."""
    urls = find_urls(text)
    rest, at = [], 0
    for url in urls:
        rest.append(text[at : url.start])
        at = url.end
    rest.append(text[at:])
    # A control character as seam: it joins with nothing to one grapheme.
    shown = MENTION.sub(r"\1", "\x00".join(rest))
    return graphemes(shown) + len(urls) * (per_url - 1)


def server_rule(rule: R, limits: Mapping[str, Any]) -> R:
    """The server's own limits over Mastodon's defaults."""
    kinds = tuple(t for t in limits.get("mime_types", ()) if t.startswith("image/"))
    return replace(
        rule,
        mime_types=kinds or rule.mime_types,
        max_bytes=int(limits.get("image_size_limit") or rule.max_bytes),
        max_pixels=int(limits.get("image_matrix_limit") or rule.max_pixels or 0),
        max_alt=int(limits.get("description_limit") or rule.max_alt or 0),
        max_count=min(int(limits.get("max_media") or rule.max_count), rule.max_count),
    )


def video_rule(limits: Mapping[str, Any]) -> VideoRule | None:
    """The server's own limits for videos; None: it names its types, and none of them."""
    named = tuple(limits.get("mime_types", ()))
    kinds = tuple(t for t in named if t.startswith("video/"))
    if named and not kinds:
        return None
    return replace(
        VIDEOS,
        mime_types=kinds or VIDEOS.mime_types,
        max_bytes=int(limits.get("video_size_limit") or VIDEOS.max_bytes),
        max_pixels=int(limits.get("video_matrix_limit") or VIDEOS.max_pixels or 0),
        max_fps=float(limits.get("video_frame_rate_limit") or VIDEOS.max_fps or 0),
        max_alt=int(limits.get("description_limit") or VIDEOS.max_alt or 0),
    )


def audio_rule(limits: Mapping[str, Any]) -> AudioRule | None:
    """The same for audio, whatever a server calls a type; None: it names none of it."""
    named = set(limits.get("mime_types", ()))
    kinds = tuple(t for t, names in AUDIO_NAMES.items() if named.intersection(names))
    if named and not kinds:
        return None
    return replace(
        AUDIOS,
        mime_types=kinds or AUDIOS.mime_types,
        max_bytes=int(limits.get("video_size_limit") or AUDIOS.max_bytes),
        max_alt=int(limits.get("description_limit") or AUDIOS.max_alt or 0),
    )


def key_is_trusted(job: PublishJob, now: datetime) -> bool:
    """Would the server answer a repeated post with the first one?

    Only Mastodon keeps the key, for an hour, and only since 4.5 does it lock it: before,
    a repeat that overtakes the first request makes a second post, so there the two
    looks of any other server have to do.
    """
    limits = job.server_limits
    if limits.get("software") != "mastodon":
        return False
    if int(limits.get("api_level") or 0) < facts_of.LOCKED_KEY_API:
        return False
    if job.first_sent_at is None:
        return True
    return (now - job.first_sent_at).total_seconds() < facts_of.KEY_TRUSTED_S


def comparable(text: str) -> str:
    """What is left of a text after a server's rendering: for comparing only."""
    out, at = [], 0
    for url in find_urls(text):
        _, rest = url.value.split("://", 1)
        host, slash, path = rest.partition("/")
        out.append(text[at : url.start])
        out.append(ascii_host(host) + (slash + unquote(path)).rstrip("/"))
        at = url.end
    out.append(text[at:])
    plain = MENTION.sub(r"\1", "".join(out))
    return " ".join(unicodedata.normalize("NFC", plain).split())


def ascii_host(host: str) -> str:
    """A host in lower case and ASCII, as servers write it in a link."""
    try:
        return host.lower().encode("idna").decode()
    except UnicodeError:
        return host.lower()


#: Endings that never lead to a server in public.
PRIVATE_ENDINGS = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "onion",
)
LABEL = regex.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def public_host(typed: str) -> str:
    """The host in "social.example", an https address or "@user@social.example"."""
    if not typed:
        raise ValueError("Type the address of your server, such as social.example.")
    rest = typed
    if "://" in typed:
        scheme, rest = typed.split("://", 1)
        if scheme.lower() != "https":
            raise ValueError("Only servers with an https:// address can be connected.")
        rest = regex.split(r"[/?#]", rest)[0]
        if "@" in rest:
            raise ValueError("Leave the name and password out of the address.")
    elif "@" in typed:
        name, _, rest = typed.removeprefix("@").rpartition("@")
        if not name or "@" in name or "/" in name:
            raise ValueError("Write the account as @name@social.example.")
    rest = regex.split(r"[/?#]", rest)[0].lower().rstrip(".")
    if rest.startswith("["):
        raise ValueError("Type the server's name, not a number address.")
    host, _, port = rest.partition(":")
    if port and _is_ip(rest):
        raise ValueError("Type the server's name, not a number address.")
    if port or rest.endswith(":"):
        raise ValueError("Leave the port (the number after the colon) out.")
    if _is_ip(host):
        raise ValueError("Type the server's name, not a number address.")
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise ValueError(f"“{host}” is not the name of a server.") from error
    labels = host.split(".")
    private = any(host == end or host.endswith("." + end) for end in PRIVATE_ENDINGS)
    if private:
        raise ValueError(f"“{host}” is a name inside a private network.")
    if len(labels) < 2 or len(host) > 253 or not all(map(LABEL.fullmatch, labels)):
        raise ValueError(f"“{host}” is not the name of a server in public.")
    return host


def _is_ip(host: str) -> bool:
    """Any notation of a number address: 10.0.0.1, 127.1, 0x7f000001, 2130706433, ::1."""
    last = host.rsplit(".", 1)[-1]
    if last.isdecimal() or regex.fullmatch(r"0x[0-9a-f]*", last):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def quoted_id(address: str) -> str:
    """The number of a post by its address on the account's own server; "": none."""
    found = QUOTED.fullmatch(address)
    return found[1] if found else ""


def _quote_findings(
    draft: Draft, account: Identity | None, limits: Mapping[str, Any]
) -> list[Finding]:
    """Only the account's own server knows the number, and not every one takes quotes."""
    host = web_host(account.url) if account else ""

    def is_readable(address: str) -> bool:
        return bool(quoted_id(address)) and host in ("", web_host(address))

    found = quotes.findings(draft, is_readable)
    level = limits.get("api_level")
    too_old = level is not None and int(level) < QUOTE_API
    if quotes.typed(draft) and not found and too_old:
        values = {"option": SPEC.options_by_key[quotes.QUOTE].name}
        field = f"option:{quotes.QUOTE}"
        found = [Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, values)]
    return found


def _left_out_findings(
    draft: Draft, account: Identity | None, limits: Mapping[str, Any]
) -> Iterator[Finding]:
    """What makes no difference: of polls without one, of quotes on an older server."""
    level = limits.get("api_level")
    for key, is_lost in (
        (HIDE_TOTALS, draft.poll is None),
        (QUOTE_POLICY, level is not None and int(level) < QUOTE_API),
    ):
        if is_lost and chosen(SPEC, draft, account, key):
            values = {"option": SPEC.options_by_key[key].name}
            field = f"option:{key}"
            yield Finding(Level.WARNING, Cause.OPTION_LEFT_OUT, field, values)
