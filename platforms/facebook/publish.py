"""Facebook Pages: content rules, the publishing steps, and finding a lost post again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from .. import mentions
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
    PersonLeft,
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
from ..errors import Cause
from ..text import tidy, web_host, with_link
from . import videos
from .client import FacebookClient, form_of
from .graph import full_windows, graph_time
from .signed_request import person_left
from .spec import (
    LOOK_BACK_S,
    POST,
    REEL,
    REEL_VIDEOS,
    REELS,
    SPEC,
    STORIES,
    STORY,
    STORY_VIDEOS,
    TEXT_LIMIT,
    VIDEOS,
)

LOOK_COUNT = 25
LOOK_PAGES = 5
#: How a Page is mentioned. Shown is its name; for apps without the feature Page Mentioning
#: nothing at all, unless it is the Page itself (unverified).
#: https://developers.facebook.com/documentation/development/features-reference/page-mentioning
#: and github.com/gitroomhq/postiz-app/issues/1548 (2026-05-21)
PAGE_NAMED = re.compile(r"@\[(\d+)(?::[^\]\n]*)?\]")
#: Letters that the name of a Page has at most.
NAME_LENGTH = 75


#: A story shows one file.
STORY_SPEC = replace(
    SPEC,
    images=replace(SPEC.images, max_count=1),
    gifs=replace(SPEC.gifs, max_count=1) if SPEC.gifs else None,
    videos=STORY_VIDEOS,
    mixes=(),
)


class Facebook(Platform):
    spec = SPEC
    client_class = FacebookClient

    def person_left(self, signed: str, secret: str) -> PersonLeft:
        return person_left(signed, secret)

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """All that posting and figures need; with a review known, what it granted.

        A grant is frozen when it is given, so figures are asked for from the start.
        """
        if not granted_to_app:
            return SPEC.oauth.scopes if SPEC.oauth else ()
        names = [scope.name for scope in SPEC.scopes if scope.name != "public_profile"]
        return tuple(name for name in names if name in granted_to_app)

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        """A link has its own card, unless there are files: then it is in the text."""
        text = tidy(unicodedata.normalize("NFC", draft.text))
        return with_link(text, draft.link_url) if draft.media else text

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        return [Count("characters", len(self.text_as_sent(draft)), TEXT_LIMIT)]

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
        link = draft.link_url.strip()
        if not count.used and not link and not draft.media:
            refuse(Cause.TEXT_EMPTY, "text")
        if count.over:
            refuse(Cause.TEXT_TOO_LONG, "text", used=count.used, limit=count.limit)
        if not draft.media and _is_facebooks(link):
            # Known to fail when it is posted as a card (1609008).
            refuse(Cause.LINK_REFUSED, "link", link=link)
        where, spec = _placement(draft), self.spec
        if where == REEL:
            spec = replace(spec, videos=REEL_VIDEOS)
            if [media.kind for media in draft.media] != [MediaKind.VIDEO]:
                refuse(Cause.NOT_A_REEL, "media")
        if where == STORY:
            spec = STORY_SPEC
            if not draft.media:
                refuse(Cause.MEDIA_MISSING, "media")
            elif count.used:
                found.append(Finding(Level.WARNING, Cause.TEXT_NOT_SHOWN, "text"))
        return [
            *found,
            *self._lost_mentions(draft, account, limits or {}),
            *option_findings(draft, spec, account, limits),
            *link_findings(draft),
            *media_findings(draft, spec),
        ]

    def _lost_mentions(
        self, draft: Draft, account: Identity | None, limits: Mapping[str, Any]
    ) -> list[Finding]:
        """Other Pages, while nobody has said that our app may mention them."""
        if limits.get(mentions.PERMITTED):
            return []
        me = account.external_id if account else ""
        text = self.text_as_sent(draft)
        named = [m[0] for m in PAGE_NAMED.finditer(text) if m[1] != me]
        if not named:
            return []
        values = {"names": ", ".join(dict.fromkeys(named)), "how": ""}
        return [Finding(Level.WARNING, Cause.MENTION_TAKEN_OUT, "text", values)]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Store each photo unseen, then publish them by one call.

        Witness: "photo:N" {"id", "sha256"}. The photos' ids stand in the post as well:
        the look knows it by them. A video has steps of its own (videos.py).
        """
        api = cast(FacebookClient, client)
        if edge := _edge(job.draft):
            return videos.next_step(job, api, edge, self.text_as_sent(job.draft))
        for number, file in enumerate(job.draft.media, 1):
            if not _photo(job, number, file):
                return self._upload(job, api, number, file)
        if _placement(job.draft) == STORY:
            return Step("story", StepKind.COMMIT, lambda: self._story(job, api))
        return Step("post", StepKind.COMMIT, lambda: self._post(job, api))

    def unused_uploads(
        self, witness: Mapping[str, Any], limits: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """The photos; what is left of a video cannot be deleted before it is finished."""
        return tuple(
            str(stored["id"])
            for key, stored in witness.items()
            if key.startswith("photo:")
        )

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        """Facebook has taken the video, and publishes it by itself."""
        return bool(witness.get("finished"))

    def _upload(
        self, job: PublishJob, api: FacebookClient, number: int, file: MediaFile
    ) -> Step:
        def run() -> StepResult:
            photo = api.add_photo(job.account.external_id, file)
            return StepResult({f"photo:{number}": {"id": photo, "sha256": file.sha256}})

        return Step(f"upload_photo:{number}", StepKind.REPEATABLE, run)

    def _post(self, job: PublishJob, api: FacebookClient) -> StepResult:
        draft = job.draft
        form = form_of(self.text_as_sent(draft), draft.link_url.strip(), _photos(job))
        made = api.create_post(job.account.external_id, form)
        post_id = str(made["id"])
        permalink = str(made.get("permalink_url") or "") or api.address(post_id)
        return StepResult(remote=RemotePost(post_id, permalink))

    def _story(self, job: PublishJob, api: FacebookClient) -> StepResult:
        page, (photo,) = job.account.external_id, _photos(job)
        number = api.publish_photo_story(page, photo)
        return StepResult(remote=_story_of(page, number, "", api))

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        edge, is_story = _edge(job.draft), _placement(job.draft) == STORY
        if edge:
            return {"GET /:video": 1} if looking else videos.calls_ahead(job, edge)
        if looking and is_story:
            return {"GET /:page/stories": 1}
        if looking:
            # One page is read twice when our clock is ahead.
            return {"GET /:page/published_posts": LOOK_PAGES + 1}
        calls = {"POST /:page/photo_stories" if is_story else "POST /:page/feed": 1}
        files = enumerate(job.draft.media, 1)
        if uploads := sum(not _photo(job, number, file) for number, file in files):
            calls["POST /:page/photos"] = uploads
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        windows = {"app": "app_calls", "pages": "page_calls"}
        return full_windows(headers, now, windows, self.spec.call(key).draws)

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the Page's posts since the first commit: photos, else text and link.

        A duplicate refusal (506) names no post: it leads here as well. The same words
        through another app may be ours, sent before the account came to this app: a
        person tells. So they do where mentions leave more than one way to read a post
        that names no app.
        """
        api = cast(FacebookClient, client)
        if edge := _edge(job.draft):
            return videos.look(job, api, edge)
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        if _placement(job.draft) == STORY:
            return self._look_for_story(job, api, since)
        found: Mapping[str, Any] | None = None
        foreign: Mapping[str, Any] | None = None
        page, read, cursor = job.account.external_id, 0, ""
        for number in range(LOOK_PAGES):
            rows, cursor = api.published(page, since, LOOK_COUNT, cursor)
            if number == 0 and api.clock_offset < -timedelta(seconds=LOOK_BACK_S / 2):
                # Times are Meta's; look further back, for our clock is ahead.
                since += api.clock_offset
                rows, cursor = api.published(page, since, LOOK_COUNT)
            read += len(rows)
            for row in rows:
                # Newest first: the oldest match is the one that we sent first.
                if not self._matches(job, row, since):
                    continue
                if not _shares_photo(job, row) and (
                    _is_of_another_app(row, api)
                    or not (_is_of_our_app(row, api) or self._says_it(job, row))
                ):
                    foreign = row
                else:
                    found = row
            if not cursor:
                break
        if found:
            return _sighted(found, api)
        if foreign:
            return Look(
                Sighting.CANNOT_TELL,
                evidence=f"{foreign['id']} has the same content, but it is not certain "
                "that it is ours",
            )
        if cursor:
            return Look(
                Sighting.CANNOT_TELL, evidence=f"more than {read} posts since then"
            )
        return Look(
            Sighting.ABSENT,
            evidence=f"none of {read} posts since {since:%H:%M:%S} UTC matches",
        )

    def _look_for_story(
        self, job: PublishJob, api: FacebookClient, since: datetime
    ) -> Look:
        """A story names the photo that it shows: ours was stored for this one."""
        page = job.account.external_id
        rows = api.stories(page, since)
        for row in rows:
            if str(row.get("media_id") or "") in _photos(job):
                number = str(row.get("post_id") or row["media_id"])
                found = _story_of(page, number, str(row.get("url") or ""), api)
                return Look(Sighting.FOUND, found, f"story {number} shows our photo")
        return Look(
            Sighting.ABSENT, evidence=f"none of {len(rows)} stories shows our photo"
        )

    def _matches(
        self, job: PublishJob, row: Mapping[str, Any], since: datetime
    ) -> bool:
        made_at = graph_time(row.get("created_time"))
        if not row.get("id") or (made_at is not None and made_at < since):
            return False
        if str(row["id"]) in job.taken:
            return False
        if _shares_photo(job, row):
            return True
        if bool(_photos(job)) != bool(_has_photos(row)):
            return False
        sent = self.text_as_sent(job.draft)
        return _is_shown_as(sent, str(row.get("message") or ""))

    def _says_it(self, job: PublishJob, row: Mapping[str, Any]) -> bool:
        """To the letter: nobody's guess what has become of a mention."""
        said = _comparable(str(row.get("message") or ""))
        return said == _comparable(self.text_as_sent(job.draft))


def _placement(draft: Draft) -> str:
    return str(chosen(SPEC, draft, None, "placement"))


def _edge(draft: Draft) -> str:
    """Where the post's video goes; "" for a post without one."""
    if not draft.media or draft.media[0].kind is not MediaKind.VIDEO:
        return ""
    edges = {POST: VIDEOS, REEL: REELS, STORY: STORIES}
    return edges.get(_placement(draft), VIDEOS)


def _story_of(
    page: str, number: str, permalink: str, api: FacebookClient
) -> RemotePost:
    post_id = number if "_" in number else f"{page}_{number}"
    return RemotePost(post_id, permalink or api.address(post_id))


def _sighted(row: Mapping[str, Any], api: FacebookClient) -> Look:
    post_id = str(row["id"])
    remote = RemotePost(
        external_id=post_id,
        permalink=str(row.get("permalink_url") or "") or api.address(post_id),
        text=str(row.get("message") or ""),
        published_at=graph_time(row.get("created_time")),
    )
    return Look(Sighting.FOUND, remote, f"post {post_id} has the same content")


def _photo(job: PublishJob, number: int, file: MediaFile) -> str:
    stored = job.witness.get(f"photo:{number}") or {}
    return str(stored["id"]) if stored.get("sha256") == file.sha256 else ""


def _photos(job: PublishJob) -> list[str]:
    files = enumerate(job.draft.media, 1)
    return [photo for number, file in files if (photo := _photo(job, number, file))]


def _shares_photo(job: PublishJob, row: Mapping[str, Any]) -> bool:
    """A photo can be in one post only: the best key there is."""
    return bool(set(_photos(job)) & _targets(row))


def _is_facebooks(link: str) -> bool:
    host = web_host(link)
    return host == "facebook.com" or host.endswith(".facebook.com")


def _is_of_another_app(row: Mapping[str, Any], api: FacebookClient) -> bool:
    """Posts that people wrote at Facebook name Facebook's own apps, or none."""
    number = _application(row)
    return bool(number) and number != api.environment.client_id


def _is_of_our_app(row: Mapping[str, Any], api: FacebookClient) -> bool:
    number = _application(row)
    return bool(number) and number == api.environment.client_id


def _application(row: Mapping[str, Any]) -> str:
    application = row.get("application")
    return str(application.get("id") or "") if isinstance(application, dict) else ""


def _attachments(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The attachments of a post and those inside of an album."""
    found: list[Mapping[str, Any]] = []
    outer = row.get("attachments")
    for item in (outer.get("data") or []) if isinstance(outer, dict) else []:
        if isinstance(item, dict):
            found.append(item)
            found += _attachments({"attachments": item.get("subattachments")})
    return found


def _targets(row: Mapping[str, Any]) -> set[str]:
    targets = [item.get("target") for item in _attachments(row)]
    return {str(t["id"]) for t in targets if isinstance(t, dict) and t.get("id")}


def _has_photos(row: Mapping[str, Any]) -> bool:
    kinds = {str(item.get("media_type") or "").lower() for item in _attachments(row)}
    return bool(kinds & {"photo", "album"}) or row.get("status_type") == "added_photos"


def _is_shown_as(sent: str, message: str) -> bool:
    """Whether a message is this text. A mention may have become any name, or gone."""
    said = _comparable(message)
    first, *others = (_comparable(piece) for piece in PAGE_NAMED.split(sent)[::2])
    if not others:
        return said == first
    if not said.startswith(first):
        return False
    at, most = len(first), NAME_LENGTH + 2  # with a space on each side
    for piece in others[:-1]:
        found = said.find(piece, at, at + most + len(piece))
        if found < 0:
            return False
        at = found + len(piece)
    left = len(said) - len(others[-1]) - at
    return said.endswith(others[-1]) and 0 <= left <= most


def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
