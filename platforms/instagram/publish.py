"""Instagram: content rules, containers and their publishing, finding a lost post.

A container is fetched by Instagram, waited for, and published once. Its status is the
key of a post: nothing else tells as surely whether one went out. Accounts that come
through a Page have the bytes of their videos sent instead, which needs no address.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from .. import without
from ..base import (
    ABSENT_AT,
    Count,
    Draft,
    Finding,
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
    is_silent,
    link_findings,
    media_findings,
    option_findings,
)
from ..errors import (
    AmbiguousOutcome,
    Cause,
    InvalidContent,
    NotFound,
    PlatformError,
    TransientError,
)
from ..facebook.containers import (
    LOOK_COUNT,
    LOOK_PAGES,
    TOP,
    Container,
    Containers,
    since_of,
)
from ..facebook.graph import full_windows, graph_time
from ..facebook.signed_request import person_left
from ..facebook.upload import send_rest
from ..text import cover_ms, tidy, with_link
from . import people
from .client import (
    PLACE_UNKNOWN,
    QUOTA,
    SUBCODES,
    InstagramClient,
    remote_of,
)
from .spec import (
    CAPTION_LIMIT,
    FACEBOOK,
    MAX_HASHTAGS,
    MAX_MENTIONS,
    MAX_TAGGED,
    POST,
    REEL,
    SPEC,
    STORY,
    STORY_LIFE,
    STORY_VIDEOS,
)

HASHTAG = re.compile(r"(?<![\w&#])#(?=\w*[^\W\d])\w+")
MENTION = re.compile(r"(?<![\w.@])@[A-Za-z0-9_](?:[A-Za-z0-9_.]*[A-Za-z0-9_])?")
#: The subcode in the words of a container that failed.
SUBCODE = re.compile(r"\b(22\d{5})\b")
#: Seconds until a container is asked for again: images are there at once, mostly.
POLLS_S = (5, 5, 10, 15, 30, 60)
#: Asked so often in vain, a container is given up and made anew; one with a video is
#: worked on for longer.
MAX_POLLS, MAX_VIDEO_POLLS = 12, 30
#: A container that is not known may be so for a moment only: asked for again so often,
#: and after so many seconds, before it is made anew.
MAX_UNKNOWN, UNKNOWN_S = 2, 45
#: Polls of one container that are foreseen.
POLLS_AHEAD, VIDEO_POLLS_AHEAD = 3, 7

#: fields of a container that name an address from which a file is fetched
FETCHED = ("image_url", "video_url", "cover_url")
UPRIGHT = 9 / 16
#: the number of a Page
PLACE = re.compile(r"[0-9]{1,30}")
#: option -> field that says it
FLAGS = {"ai_generated": "is_ai_generated", "paid_partnership": "is_paid_partnership"}


class Instagram(Containers):
    compared = "content"
    spec = SPEC
    client_class = InstagramClient

    def person_left(self, signed: str, secret: str) -> PersonLeft:
        return person_left(signed, secret)

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """Scopes of Instagram's own sign-in; figures too, for a grant is frozen."""
        own = [s for s in SPEC.scopes if s.name.startswith("instagram_business_")]
        known = [s.name for s in own if s.name in granted_to_app]
        return tuple(known or (s.name for s in own if s.asked))

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        text = unicodedata.normalize("NFC", draft.text)
        return with_link(text, draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        text = self.text_as_sent(draft)
        return [
            Count("characters", len(text), CAPTION_LIMIT),
            Count("hashtags", len(HASHTAG.findall(text)), MAX_HASHTAGS),
            Count("mentions", len(MENTION.findall(text)), MAX_MENTIONS),
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

        for count in self.counts(draft):
            if count.over:
                is_length = count.unit == "characters"
                cause = Cause.TEXT_TOO_LONG if is_length else Cause.TOO_MANY_TAGS
                values = {} if is_length else {"unit": count.unit}
                refuse(cause, "text", used=count.used, limit=count.limit, **values)
        if not draft.media:
            refuse(Cause.MEDIA_MISSING, "media")
        where, cover = _placement(draft), cover_of(draft)
        if where == REEL and [m.kind for m in shown(draft)] != [MediaKind.VIDEO]:
            refuse(Cause.NOT_A_REEL, "media")
        if where == STORY and self.text_as_sent(draft):
            found.append(Finding(Level.WARNING, Cause.TEXT_NOT_SHOWN, "text"))
        spec, through_page = self.spec, _is_through_page(account)
        if where == STORY:
            images = replace(spec.images, max_count=1, min_ratio=None, max_ratio=None)
            spec = replace(spec, images=images, videos=STORY_VIDEOS, mixes=())
        if cover is not None:
            # Upright as the reel, and whatever its shape: that is warned of.
            images = replace(spec.images, max_count=1, min_ratio=None, max_ratio=None)
            spec = replace(spec, images=images, has_stills=True)
            if cover.height and abs(cover.width / cover.height - UPRIGHT) > 0.02:
                field = f"media:{draft.media.index(cover) + 1}"
                found.append(Finding(Level.WARNING, Cause.MEDIA_SHAPE, field))
        fetched = [m for m in draft.media if not _is_sent_there(m, through_page)]
        return [
            *found,
            *option_findings(draft, spec, account, limits),
            *_choice_findings(draft, account),
            *fetch_findings(replace(draft, media=tuple(fetched)), account),
            *link_findings(draft),
            *media_findings(draft, spec),
        ]

    def shown(self, draft: Draft) -> tuple[MediaFile, ...]:
        return shown(draft)

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """A container per file, one over them for a carousel; wait; publish; look up.

        Witness: "child:N" and "container" {"id", "of", "made_at", "bytes" (of a video
        that we send)}, "sent:<name>" {"id", "bytes"} how much of it is there,
        "ready:<name>" the id of a container that is FINISHED, "polls:<name>",
        "unknown:<name>" how often it was not known, "tries:<name>", and "media_id" from the
        moment the post is out. The address of a post is a step of its own: what is out
        stays out, whatever becomes of it.
        """
        api = cast(InstagramClient, client)
        if media_id := job.witness.get("media_id"):
            return self._permalink(api, str(media_id))
        children = [name for name, _file in _children(job)]
        for names in (children, [TOP]):
            for name in names:
                if not self._container(job, name):
                    return self._make(job, api, name)
                if _left(job, name):
                    return self._send(job, api, name)
            for name in names:
                if not self._is_ready(job, name):
                    return self._wait(job, api, name)
        return Step("publish", StepKind.COMMIT, lambda: self._publish_top(job, api))

    def form(self, job: PublishJob, name: str, through_page: bool) -> dict[str, str]:
        """What creates a container; the caption belongs to the one that is published."""
        where, caption = _placement(job.draft), self.text_as_sent(job.draft)
        form = (
            {"caption": caption} if name == TOP and where != STORY and caption else {}
        )
        if name == TOP and where != STORY and (names := collaborators(job.draft)):
            form["collaborators"] = json.dumps(names)
        if name == TOP:
            form |= self._labels(job, where)
        if _is_carousel(job, name):
            ids = [self._container(job, child) for child, _file in _children(job)]
            return form | {"media_type": "CAROUSEL", "children": ",".join(ids)}
        file = _file(job, name)
        form |= self._tags(job, name, file)
        if name != TOP:
            form["is_carousel_item"] = "true"
        if where == STORY:
            form["media_type"] = "STORIES"
        if file.kind is MediaKind.IMAGE:
            alt = file.alt_text.strip()
            described = {"alt_text": alt} if alt and where != STORY else {}
            return form | {"image_url": file.public_url} | described
        form.setdefault("media_type", "REELS" if name == TOP else "VIDEO")
        if form["media_type"] == "REELS":
            form |= self._cover(job, file) | self._sound_and_trial(job)
            # Whether a trial stands among the posts is Instagram's own business.
            if where == POST and "trial_params" not in form:
                form["share_to_feed"] = "true"
        if _is_sent_there(file, through_page):
            return form | {"upload_type": "resumable"}
        return form | {"video_url": file.public_url}

    def _tags(self, job: PublishJob, name: str, file: MediaFile) -> dict[str, str]:
        """Who is seen in a file; a place in it belongs to images alone."""
        number = int(name.partition(":")[2] or 1)
        tags = people.by_file(_listed(job.draft, "user_tags")).get(number, [])
        is_image = file.kind is MediaKind.IMAGE
        if not tags or (name != TOP and not is_image):
            return {}
        rows = [tag.as_sent(with_place=is_image) for tag in tags]
        return {"user_tags": json.dumps(rows)}

    def _labels(self, job: PublishJob, where: str) -> dict[str, str]:
        """What is said of the whole post."""
        found = {
            field: "true"
            for key, field in FLAGS.items()
            if chosen(SPEC, job.draft, None, key)
        }
        place = place_of(job.draft)
        left = {one.what for one in without.read(job.witness.get(without.WITHOUT))}
        if place and where != STORY and without.PLACE not in left:
            found["location_id"] = place
        return found

    def _sound_and_trial(self, job: PublishJob) -> dict[str, str]:
        found = {}
        if sound := tidy(str(chosen(SPEC, job.draft, None, "audio_name") or "")):
            found["audio_name"] = sound
        if trial := _trial(job.draft):
            found["trial_params"] = json.dumps({"graduation_strategy": trial})
        return found

    def _cover(self, job: PublishJob, file: MediaFile) -> dict[str, str]:
        """An image wins over a second of the video, of which 0 is one."""
        if cover := cover_of(job.draft):
            return {"cover_url": cover.public_url}
        typed = chosen(SPEC, job.draft, None, "cover_at")
        at_ms = None if typed is None else cover_ms(typed, file.duration_s)
        return {} if at_ms is None else {"thumb_offset": str(at_ms)}

    def _of(self, job: PublishJob, name: str) -> str:
        """Its files, and for a carousel its children."""
        if _is_carousel(job, name):
            ids = (self._container(job, child) for child, _file in _children(job))
            return ",".join(ids)
        if not job.draft.media:
            return ""
        cover = cover_of(job.draft)
        sums = (_file(job, name).sha256, cover.sha256 if cover else "")
        return "+".join(filter(None, sums))

    def _make(self, job: PublishJob, api: InstagramClient, name: str) -> Step:
        fetched: tuple[str, ...] = ()
        if job.draft.media:
            form = self.form(job, name, api.variant == FACEBOOK)
            fetched = tuple(form[k] for k in FETCHED if form.get(k))
        return Step(
            name,
            StepKind.REPEATABLE,
            lambda: self._create(job, api, name),
            gives_out=fetched,
        )

    def _create(self, job: PublishJob, api: InstagramClient, name: str) -> StepResult:
        if not job.draft.media:
            raise InvalidContent("no file", cause=Cause.MEDIA_MISSING)
        through_page = api.variant == FACEBOOK
        file = _file(job, name)
        is_sent = _is_sent_there(file, through_page) and not _is_carousel(job, name)
        # With the cover of a reel, which is fetched as well.
        files = job.draft.media if name == TOP else (file,)
        if not all(f.public_url or _is_sent_there(f, through_page) for f in files):
            raise InvalidContent(
                "the file has no public address", cause=Cause.MEDIA_NOT_PUBLIC
            )
        form = self.form(job, name, through_page)
        try:
            number = api.create_container(form)
        except TransientError as error:
            if error.cause is Cause.MEDIA_NOT_PUBLIC:
                return self._again(job, name, error)
            raise
        except InvalidContent as error:
            if "location_id" in form and PLACE_UNKNOWN in error.detail:
                return StepResult(
                    without.with_one_more(job.witness, without.PLACE, error)
                )
            raise
        made = self._made(job, name, number)
        if is_sent:
            made["bytes"] = file.size_bytes
        fresh = {f"ready:{name}": "", f"polls:{name}": 0, f"unknown:{name}": 0}
        return StepResult({name: made, **fresh})

    def _send(self, job: PublishJob, api: InstagramClient, name: str) -> Step:
        """The bytes of a video, from where they stopped; a session that is over anew."""
        number, file = self._container(job, name), _file(job, name)
        offset = file.size_bytes - _left(job, name)

        def run() -> StepResult:
            try:
                return send_rest(
                    file,
                    offset,
                    lambda start: api.send_video(number, file, start),
                    lambda: api.sent_bytes(number),
                    lambda there: {f"sent:{name}": {"id": number, "bytes": there}},
                )
            except TransientError as error:
                if error.cause is Cause.MEDIA_EXPIRED:
                    return self._again(job, name, error)
                raise

        return Step(f"send:{name}", StepKind.RESUMABLE, run)

    def _wait(self, job: PublishJob, api: InstagramClient, name: str) -> Step:
        def run() -> StepResult:
            number = self._container(job, name)
            try:
                seen = api.container(number)
            except NotFound as error:
                if name == TOP and job.first_sent_at:
                    # One that went out may be gone as well: only the list tells.
                    listed = self._listed(job, api, job.first_sent_at)
                    if listed is not None:
                        return listed
                    if _trial(job.draft) and not _is_said_absent(job, name):
                        # Whether lists tell of trials is not known: a person looks.
                        raise AmbiguousOutcome(
                            f"container {number} is gone, and its trial reel not listed",
                            cause=Cause.NOT_THERE,
                            extra={"of_commit": "yes"},
                        ) from error
                unknown = int(job.witness.get(f"unknown:{name}") or 0) + 1
                if unknown > MAX_UNKNOWN:
                    return self._again(job, name, error)
                return StepResult({f"unknown:{name}": unknown}, wait_s=UNKNOWN_S)
            if seen.status == "FINISHED":
                return StepResult({f"ready:{name}": number})
            if seen.status == "PUBLISHED":
                return self._published(job, api, name, number)
            if seen.status in {"ERROR", "EXPIRED"}:
                return self._again(job, name, _failure(seen))
            polls = int(job.witness.get(f"polls:{name}", 0)) + 1
            if polls >= (MAX_VIDEO_POLLS if _has_video(job, name) else MAX_POLLS):
                late = TransientError(seen.said, cause=Cause.MEDIA_NOT_READY)
                return self._again(job, name, late)
            wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
            return StepResult({f"polls:{name}": polls}, wait_s=wait_s)

        return Step(f"wait:{name}", StepKind.REPEATABLE, run)

    def _publish_top(self, job: PublishJob, api: InstagramClient) -> StepResult:
        try:
            return self._publish(lambda: api.publish(self._container(job, TOP)))
        except TransientError as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                error.extra["forget"] += f",{TOP}"
            raise

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            return {
                "GET /:container": 1,
                "GET /:media": 1,
                "GET /:ig/media": LOOK_PAGES + 1,
                "GET /:ig/stories": 1,
            }
        if job.witness.get("media_id"):
            return {"GET /:media": 1}
        names = [*(name for name, _file in _children(job)), TOP]
        # Not known here is who sends bytes; they draw on nothing.
        films = [name for name in names if _has_video(job, name)]
        calls = {"POST /:ig/media_publish": 1, "GET /:media": 1}
        if creates := sum(not self._container(job, name) for name in names):
            calls["POST /:ig/media"] = creates
        waits = [name for name in names if not self._is_ready(job, name)]
        if polls := sum(
            VIDEO_POLLS_AHEAD if name in films else POLLS_AHEAD for name in waits
        ):
            calls["GET /:container"] = polls
        if sends := sum(
            not self._container(job, n) or bool(_left(job, n)) for n in films
        ):
            calls["POST rupload /ig-api-upload/:container"] = sends
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        windows = {"app": "app_calls", "instagram": "calls"}
        found = full_windows(headers, now, windows, self.spec.call(key).draws)
        if told := headers.get(QUOTA):
            quota = json.loads(told)
            left = max(0, quota["total"] - quota["used"])
            found.append(Observation("posts", quota["total"], left, None, now))
        return found

    # --- reconciliation

    def _seen(self, api: InstagramClient, number: str) -> Container:
        try:
            return api.container(number)
        except NotFound:
            return Container("", "")

    def _why_unclear(
        self, job: PublishJob, found: RemotePost | None, complete: bool
    ) -> str:
        if found is not None:
            # Without a caption it may be anybody's.
            is_story = _placement(job.draft) == STORY
            return "a story may be this one" if is_story else ""
        if not complete:
            return "not all posts since then are listed"
        if _trial(job.draft):
            return "its container is gone, and trial reels may not be listed"
        return ""

    def _search(
        self, job: PublishJob, api: InstagramClient
    ) -> tuple[RemotePost | None, bool]:
        if _placement(job.draft) != STORY:
            return self._oldest(
                job,
                api,
                lambda since, cursor: api.media_since(since, LOOK_COUNT, cursor),
            )
        since = since_of(job)
        rows = [row for row in api.stories() if self._matches(job, row, since)]
        # One that has ended is listed no more.
        complete = len(rows) < 2 and since > datetime.now(UTC) - STORY_LIFE
        return (remote_of(rows[0]) if len(rows) == 1 else None), complete

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
        kind = "VIDEO" if _has_video(job, TOP) else "IMAGE"
        kind = "CAROUSEL_ALBUM" if _is_carousel(job, TOP) else kind
        if row.get("media_type") not in (None, kind):
            return False
        if _placement(job.draft) == STORY:
            return True  # it has no caption
        said = _comparable(str(row.get("caption") or ""))
        return said == _comparable(self.text_as_sent(job.draft))


def _placement(draft: Draft) -> str:
    return str(chosen(SPEC, draft, None, "placement"))


def _is_through_page(account: Identity | None) -> bool:
    return account is not None and account.extra.get("variant") == FACEBOOK


def _is_sent_there(file: MediaFile, through_page: bool) -> bool:
    """Whether we send its bytes, rather than have it fetched."""
    return through_page and file.kind is MediaKind.VIDEO


def cover_of(draft: Draft) -> MediaFile | None:
    """The image that stands for a reel: the one beside its video."""
    kinds = [file.kind for file in draft.media]
    if _placement(draft) != REEL or sorted(kinds) != [MediaKind.IMAGE, MediaKind.VIDEO]:
        return None
    return draft.media[kinds.index(MediaKind.IMAGE)]


def shown(draft: Draft) -> tuple[MediaFile, ...]:
    """The files that make up the post, without the cover of a reel."""
    cover = cover_of(draft)
    return tuple(file for file in draft.media if file is not cover)


def _listed(draft: Draft, key: str) -> tuple[str, ...]:
    return tuple(chosen(SPEC, draft, None, key) or ())


def collaborators(draft: Draft) -> list[str]:
    names = map(people.read_name, _listed(draft, "collaborators"))
    return list(dict.fromkeys(filter(None, names)))


def place_of(draft: Draft) -> str:
    """The number of a place; "": none, or it is no number."""
    typed = str(chosen(SPEC, draft, None, "location") or "").strip()
    return typed if PLACE.fullmatch(typed) else ""


def _trial(draft: Draft) -> str:
    return str(chosen(SPEC, draft, None, "trial") or "")


def _choice_findings(draft: Draft, account: Identity | None) -> list[Finding]:
    """What the choices mean for these files."""
    found: list[Finding] = []

    def say(
        key: str,
        cause: Cause = Cause.OPTION_UNKNOWN,
        level: Level = Level.REFUSED,
        **values: Any,
    ) -> None:
        facts = {"option": SPEC.options_by_key[key].name, **values}
        found.append(Finding(level, cause, f"option:{key}", facts))

    where, files = _placement(draft), shown(draft)
    typed = chosen(SPEC, draft, None, "cover_at")
    is_reel = [file.kind for file in files] == [MediaKind.VIDEO] and where != STORY
    if typed is not None:
        if not is_reel or cover_of(draft):
            if any(file.kind is MediaKind.VIDEO for file in files):
                say("cover_at", Cause.OPTION_LEFT_OUT, Level.WARNING)
        elif cover_ms(typed, files[0].duration_s) is None:
            say("cover_at")
    sound = chosen(SPEC, draft, None, "audio_name")
    if sound and any(file.kind is MediaKind.VIDEO for file in files):
        if not is_reel or is_silent(files[0]):
            say("audio_name", Cause.OPTION_LEFT_OUT, Level.WARNING)
    if _trial(draft) and files and not is_reel:
        # Everybody would see what only some were to see first.
        say("trial")
    place = str(chosen(SPEC, draft, None, "location") or "").strip()
    if place and not place_of(draft):
        say("location")
    elif place and where == STORY:
        say("location", Cause.OPTION_LEFT_OUT, Level.WARNING)
    names = _listed(draft, "collaborators")
    if names and where == STORY:
        say("collaborators", Cause.OPTION_LEFT_OUT, Level.WARNING)
    elif any(not people.read_name(name) for name in names):
        say("collaborators")
    entries = _listed(draft, "user_tags")
    tags = people.by_file(entries)
    is_readable = all(people.read_tag(entry) for entry in entries)
    if not is_readable or not all(_takes_tags(files, number) for number in tags):
        say("user_tags")
    for listed in tags.values():
        if len(listed) > MAX_TAGGED:
            used, limit = len(listed), MAX_TAGGED
            say("user_tags", Cause.OPTION_TOO_LONG, used=used, limit=limit, unit="")
    return found


def _takes_tags(files: Sequence[MediaFile], number: int) -> bool:
    """Of a carousel's videos Instagram does not say that anybody can be seen in them."""
    if not files:
        return True
    if number > len(files):
        return False
    return len(files) == 1 or files[number - 1].kind is MediaKind.IMAGE


def _is_carousel(job: PublishJob, name: str) -> bool:
    return name == TOP and len(shown(job.draft)) > 1


def _has_video(job: PublishJob, name: str) -> bool:
    """Whether the container is one of a video, not over several."""
    if _is_carousel(job, name) or not job.draft.media:
        return False
    return _file(job, name).kind is MediaKind.VIDEO


def _left(job: PublishJob, name: str) -> int:
    """Bytes that a container still waits for."""
    stored = job.witness.get(name) or {}
    sent = job.witness.get(f"sent:{name}") or {}
    there = int(sent.get("bytes") or 0) if sent.get("id") == stored.get("id") else 0
    return max(0, int(stored.get("bytes") or 0) - there)


def _children(job: PublishJob) -> Iterator[tuple[str, MediaFile]]:
    """The containers below a carousel; none for a single file."""
    files = shown(job.draft)
    if len(files) > 1:
        for number, file in enumerate(files, 1):
            yield f"child:{number}", file


def _file(job: PublishJob, name: str) -> MediaFile:
    return dict(_children(job)).get(name) or shown(job.draft)[0]


def _is_said_absent(job: PublishJob, name: str) -> bool:
    """A person has looked for what this container came to."""
    if not (said := job.witness.get(ABSENT_AT)):
        return False
    made_at = str(job.witness[name]["made_at"])
    return datetime.fromisoformat(made_at) < datetime.fromisoformat(str(said))


def _failure(seen: Container) -> PlatformError:
    """Why a container failed, by the subcode in its words."""
    match = SUBCODE.search(seen.said)
    means = SUBCODES.get(int(match[1])) if match else None
    if seen.status == "EXPIRED" or means is None:
        cause = Cause.MEDIA_EXPIRED if seen.status == "EXPIRED" else Cause.MEDIA_REFUSED
        return TransientError(seen.said or seen.status, cause=cause)
    error = means.make(seen.said, {"code": match[1] if match else ""})
    if error.permanent:
        raise error
    return error


def _comparable(caption: str) -> str:
    """Without "@", which Instagram takes out for people who are no administrators."""
    text = unicodedata.normalize("NFC", tidy(caption)).replace("@", "")
    return " ".join(text.split())
