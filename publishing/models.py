"""Posts, their deliveries to accounts, and every attempt that was made."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import IO, Any, ClassVar
from unicodedata import combining, is_normalized

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.addresses import address
from accounts.models import Brand, ConnectedAccount
from accounts.zones import zone_called
from platforms import captions, registry
from platforms import parts as parts_of
from platforms.base import (
    ABSENT_AT,
    CENTRE,
    Draft,
    MediaFile,
    MediaKind,
    Part,
    RemotePost,
)

from . import carrying, languages, polls, public_media, tagging
from .fingerprints import fingerprint
from .markers import new_marker

#: No part of a delivery may change the platform more often than this, whatever happens.
MAX_COMMITS = 5
#: Nor may all of its parts together be sent more often again than one may.
MAX_REPEATS = MAX_COMMITS - 1
#: Tries that ended in a transient refusal before a person has to look.
MAX_ATTEMPTS = 20
USEFUL_FOR = timedelta(hours=2)


class InvalidTransition(Exception):
    """The table has no such road."""


class StaleState(Exception):
    """Somebody else was first: normal, not an error to log."""


class PostQuerySet(models.QuerySet["Post"]):
    def visible_to(self, user: Any) -> PostQuerySet:
        if user.is_superuser:
            return self
        # Not joined, as for deliveries.
        member = Brand.members.through.objects.filter(
            brand=OuterRef("brand"), user=user.pk
        )
        return self.filter(Exists(member))


def at_wall(day: date, wall: time, zone: str) -> datetime:
    """The instant, in UTC.

    An hour that the clock change repeats means its first pass; one that it skips means
    the instant that the same offset as before would give (one hour later on the wall).
    """
    return datetime.combine(day, wall, zone_called(zone)).astimezone(UTC)


def _in_short(text: str) -> str:
    """Its first 60 characters. Lists have hundreds; Django looks at each character."""
    head = text[:61]
    if not is_normalized("NFC", text) or any(map(combining, head)):
        return Truncator(text).chars(60)
    return text if len(text) <= 60 else f"{text[:59]}…"


class Post(models.Model):
    """What a person wrote, once."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SCHEDULED = "scheduled", _("Scheduled")
        CANCELLED = "cancelled", _("Cancelled")
        #: what the posts of a series are copied from; never sent itself
        PATTERN = "pattern", _("Pattern of a series")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="posts")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="posts"
    )
    #: who looks after it; null: its author
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    #: whose words or files it has besides its author's, since it was last approved: they
    #: do not approve it where somebody else has to
    writers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="+", editable=False
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    text = models.TextField(_("text"), blank=True)
    link_url = models.URLField(_("link"), max_length=2000, blank=True)
    link_title = models.CharField(_("link title"), max_length=300, blank=True)
    link_description = models.CharField(_("teaser"), max_length=500, blank=True)
    #: what people vote on below it, as `polls.doc` has it; {}: nothing
    poll = models.JSONField(_("poll"), default=dict, blank=True)
    #: what statistics call it ({campaign} of the brand's link rule)
    campaign = models.CharField(_("name of the campaign"), max_length=60, blank=True)
    #: what its links get when it is sent, as the brand had it when it was saved
    #: (`tagging`); {}: nothing
    link_tags = models.JSONField(default=dict, blank=True, editable=False)
    accounts = models.ManyToManyField(
        ConnectedAccount, blank=True, related_name="posts", verbose_name=_("accounts")
    )
    labels = models.ManyToManyField(
        "publishing.Label", blank=True, related_name="posts", verbose_name=_("labels")
    )
    #: The wall clock that the author meant; `due_at` is computed from it.
    local_date = models.DateField(_("date"), null=True, blank=True)
    local_time = models.TimeField(_("time"), null=True, blank=True)
    zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    useful_until = models.DateTimeField(
        _("useful until"),
        null=True,
        blank=True,
        help_text=_("After this time it is not sent without a person's yes."),
    )
    #: the series that has made it, and for which of its days
    series = models.ForeignKey(
        "publishing.Series",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="posts",
        db_index=False,
    )
    occurrence_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    objects = PostQuerySet.as_manager()

    class Meta:
        ordering = ["-due_at", "-pk"]
        verbose_name = _("post")
        constraints = [
            # However often a series is asked for its posts: one a day. Small, for
            # most posts are in no series.
            models.UniqueConstraint(
                fields=["series", "occurrence_on"],
                name="post_once_per_occurrence",
                condition=Q(series__isnull=False),
            )
        ]
        # Drafts, among very many that went out.
        indexes = [models.Index(fields=["state", "due_at"], name="post_by_state")]

    def __str__(self) -> str:
        return _in_short(self.text.strip() or self.link_url or str(_("Post")))

    def get_absolute_url(self) -> str:
        return address("post_detail", self.pk)

    @property
    def looked_after_by(self) -> Any:
        return self.owner or self.author

    def set_time(self, date: Any, time: Any, zone: str) -> None:
        """Keep the wall clock and compute the instant."""
        self.local_date, self.local_time, self.zone = date, time, zone
        self.due_at = at_wall(date, time, zone)
        self.useful_until = self.due_at + USEFUL_FOR

    def draft_for(
        self, platform: str, account: ConnectedAccount | None = None
    ) -> Draft:
        """The wording, link and media for one platform. Reads variants and media.

        account: to which it goes, where links are to name it.
        """
        variant = next((v for v in self.variants.all() if v.platform == platform), None)
        draft = Draft(
            text=variant.text if variant and variant.has_text else self.text,
            link_url=self.link_url,
            link_title=self.link_title,
            link_description=self.link_description,
            options=variant.options if variant else {},
            parts=variant.further_parts() if variant else (),
            first_comment=variant.first_comment if variant else "",
            poll=polls.stored(self.poll),
            **beside(m.as_file() for m in self.media.all()),
        )
        return tagging.tagged(draft, self.link_tags, platform, account)


def beside(files: Iterable[MediaFile]) -> dict[str, Any]:
    """`media` and `captions` of a draft, or of a part: which of the files are which."""
    listed = tuple(files)
    return {
        "media": tuple(f for f in listed if f.kind is not MediaKind.CAPTIONS),
        "captions": tuple(f for f in listed if f.kind is MediaKind.CAPTIONS),
    }


class Variant(models.Model):
    """What one platform gets of its own: wording that differs, its options, what follows
    in a thread, and the first comment.

    has_text False: the wording is the post's, and `text` says nothing. parts: the texts
    of what follows, in order; their files are `PartMedia`.
    """

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="variants")
    platform = models.CharField(max_length=30)
    text = models.TextField(blank=True)
    has_text = models.BooleanField(default=True)
    options = models.JSONField(default=dict, blank=True)
    parts = models.JSONField(default=list, blank=True)
    first_comment = models.TextField(_("first comment"), blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["post", "platform"], name="variant_once_per_platform"
            )
        ]

    def __str__(self) -> str:
        return f"{self.platform}: {self.text[:40]}"

    def further_parts(self) -> tuple[Part, ...]:
        """What follows in the thread. Reads `part_media` where there are parts."""
        if not self.parts:
            return ()
        files: dict[int, list[MediaFile]] = {}
        for use in self.part_media.all():
            files.setdefault(use.part, []).append(use.as_file())
        return tuple(
            Part(str(text), **beside(files.get(number, ())))
            for number, text in enumerate(self.parts, 2)
        )


def prefetch_parts(posts: Iterable[Post]) -> None:
    """Of posts whose variants are prefetched, the files of what follows in threads: two
    queries, and none where nobody has any."""
    threads = {v.pk: v for post in posts for v in post.variants.all() if v.parts}
    models.prefetch_related_objects(list(threads.values()), "part_media__asset")


def media_path(asset: MediaAsset, filename: str) -> str:
    return f"assets/{asset.sha256[:2]}/{asset.sha256}{asset.suffix}"


def preview_path(asset: MediaAsset, filename: str) -> str:
    return f"previews/{asset.sha256[:2]}/{asset.sha256}.webp"


#: What else was measured, by the names that `MediaFile` has for it.
MEASURED = (
    "duration_s",
    "frame_rate",
    "frames",
    "pages",
    "container",
    "video_codec",
    "audio_codec",
    "bitrate",
    "has_audio",
    "index_first",
    "audio_channels",
    "audio_rate",
    "pixel_format",
    "interlaced",
    "hdr",
    "language",
)


OFFICE = "application/vnd.openxmlformats-officedocument."


class MediaQuerySet(models.QuerySet["MediaAsset"]):
    def visible_to(self, user: Any) -> MediaQuerySet:
        if user.is_superuser:
            return self
        return self.filter(brand__members=user.pk)

    def unused(self) -> MediaQuerySet:
        """Those that stand in no post."""
        for places in FileUse.__subclasses__():
            used = places._default_manager.filter(asset=OuterRef("pk"))
            self = self.filter(~Exists(used))
        return self

    def loose(self) -> MediaQuerySet:
        """Those that nobody used and nobody kept: they are deleted after a while."""
        return self.unused().filter(is_kept=False)


class MediaAsset(models.Model):
    """A file as measured by us, never as its name claims."""

    SUFFIXES = {
        "image/jpeg": ".jpg",
        "image/png": ".png",
        "image/gif": ".gif",
        "image/webp": ".webp",
        "video/mp4": ".mp4",
        "video/quicktime": ".mov",
        "video/webm": ".webm",
        "audio/mpeg": ".mp3",
        "audio/ogg": ".ogg",
        "audio/wav": ".wav",
        "audio/flac": ".flac",
        "audio/aac": ".aac",
        "audio/mp4": ".m4a",
        "audio/webm": ".weba",
        "application/pdf": ".pdf",
        f"{OFFICE}wordprocessingml.document": ".docx",
        f"{OFFICE}presentationml.presentation": ".pptx",
        captions.SRT: ".srt",
        captions.VTT: ".vtt",
    }

    class Kind(models.TextChoices):
        IMAGE = MediaKind.IMAGE.value, _("Image")
        GIF = MediaKind.GIF.value, _("Animated image")
        VIDEO = MediaKind.VIDEO.value, _("Video")
        AUDIO = MediaKind.AUDIO.value, _("Audio")
        DOCUMENT = MediaKind.DOCUMENT.value, _("Document")
        CAPTIONS = MediaKind.CAPTIONS.value, _("Captions")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="media")
    file = models.FileField(upload_to=media_path)
    #: a small picture of it (WebP): of a video, one of its pictures
    preview = models.FileField(upload_to=preview_path, blank=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.IMAGE)
    mime_type = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    #: the rest of what was measured, by the names in MEASURED
    facts = models.JSONField(default=dict, blank=True)
    sha256 = models.CharField(max_length=64, db_index=True)
    alt_text = models.TextField(_("alternative text"), blank=True)
    folder = models.CharField(
        _("folder"),
        max_length=80,
        blank=True,
        help_text=_("Files with the same word lie together. Empty: in none."),
    )
    #: what has to stay when it is cut, from 0 (left, top) to 1
    focus_x = models.FloatField(default=0.5, editable=False)
    focus_y = models.FloatField(default=0.5, editable=False)
    #: the file that this one was made of
    original = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="made",
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    #: a person wants it although no post has it
    is_kept = models.BooleanField(default=False, editable=False)
    #: since when it was seen to be in no post, and kept by nobody
    loose_since = models.DateTimeField(null=True, blank=True, editable=False)

    objects = MediaQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("media file")
        indexes = [models.Index(fields=["brand", "folder"], name="media_by_folder")]

    def __str__(self) -> str:
        return self.name

    @property
    def goes_at(self) -> datetime | None:
        """When it is deleted unless somebody uses or keeps it; None: it is not."""
        days = int(settings.MEDIA_UNUSED_DAYS)
        if self.loose_since is None or self.is_kept or not days:
            return None
        return self.loose_since + timedelta(days=days)

    @property
    def suffix(self) -> str:
        return self.SUFFIXES.get(self.mime_type, ".bin")

    @property
    def public_name(self) -> str:
        """What platforms call the file; it tells nothing of its owner."""
        return f"{self.sha256[:12]}{self.suffix}"

    @property
    def measured(self) -> dict[str, Any]:
        """What `MediaFile` takes besides type, bytes and pixels."""
        return {name: self.facts[name] for name in MEASURED if name in self.facts}

    @property
    def is_captions(self) -> bool:
        return self.kind == self.Kind.CAPTIONS

    @property
    def language(self) -> str:
        """Of captions; "": not known."""
        return str(self.facts.get("language") or "")

    @property
    def languages(self) -> list[tuple[str, str]]:
        """Codes and names to choose from."""
        return languages.choices(self.language)

    def say_language(self, code: str) -> bool:
        """Take it for captions of this language, "" for unknown. True: of another one
        than before. Nothing is saved."""
        if not self.is_captions or code == self.language:
            return False
        if code and not languages.CODE.fullmatch(code):
            return False
        self.facts = {**self.facts, "language": code}
        return True

    @property
    def details(self) -> str:
        """What was measured, in a line for people: "0:15, 1280 × 720, H264, AAC"."""
        facts = self.facts
        parts = []
        if seconds := facts.get("duration_s"):
            whole = max(1, round(seconds))
            parts.append(f"{whole // 60}:{whole % 60:02}")
        if self.width and self.height:
            parts.append(f"{self.width} × {self.height}")
        if pages := facts.get("pages"):
            parts.append(ngettext("%(n)s page", "%(n)s pages", pages) % {"n": pages})
        parts += [
            str(facts[codec]).upper().partition("_")[0]
            for codec in ("video_codec", "audio_codec")
            if facts.get(codec)
        ]
        if facts.get("hdr"):
            parts.append("HDR")
        if facts.get("interlaced"):
            parts.append(gettext("interlaced"))
        if self.is_captions:
            named = self.language and languages.name(self.language)
            parts.append(named or gettext("language not known"))
        if self.kind == self.Kind.VIDEO and not facts.get("has_audio"):
            parts.append(gettext("no sound"))
        return ", ".join(parts)

    def take_facts(self, facts: dict[str, Any]) -> None:
        """Take over what was measured."""
        for name in ("kind", "mime_type", "width", "height"):
            setattr(self, name, facts[name])
        self.facts = {
            name: facts[name] for name in MEASURED if facts.get(name) is not None
        }


class FileUse(models.Model):
    """A file at its place: it cannot be deleted while it stands there."""

    #: the road from a place to its post
    POST: ClassVar[str]

    asset = models.ForeignKey(
        MediaAsset, on_delete=models.PROTECT, related_name="%(class)s_uses"
    )
    position = models.PositiveSmallIntegerField()
    alt_text = models.TextField(_("alternative text"), blank=True)

    class Meta:
        abstract = True
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.asset_id}"

    def as_file(self) -> MediaFile:
        asset = self.asset
        return MediaFile(
            key=f"a{asset.pk}",
            mime_type=asset.mime_type,
            size_bytes=asset.size_bytes,
            width=asset.width,
            height=asset.height,
            alt_text=self.alt_text or asset.alt_text,
            sha256=asset.sha256,
            file_name=asset.public_name,
            open=lambda: asset.file.storage.open(str(asset.file.name), "rb"),
            public_url=public_media.address(asset.pk, asset.public_name),
            kind=MediaKind(asset.kind),
            focus=(asset.focus_x, asset.focus_y),
            **asset.measured,
        )


class PostMedia(FileUse):
    """A file at its place in a post."""

    POST = "post"

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="media")

    class Meta(FileUse.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["post", "position"], name="media_once_per_place"
            )
        ]


class PartMedia(FileUse):
    """A file at its place in a part of a thread. part: from 2."""

    POST = "variant__post"

    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, related_name="part_media"
    )
    part = models.PositiveSmallIntegerField()

    class Meta(FileUse.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["variant", "part", "position"], name="part_media_once_per_place"
            )
        ]


def draft_doc(draft: Draft) -> dict[str, Any]:
    """A draft as JSON values, files by their facts. `draft_from` leads back."""
    doc = {
        "text": draft.text,
        "link_url": draft.link_url,
        "link_title": draft.link_title,
        "link_description": draft.link_description,
        "language": draft.language,
        "options": dict(draft.options),
        **_files_of(draft),
    }
    # A post of one part says nothing of others: what was stored before there were any
    # is still the same.
    if draft.parts:
        doc["parts"] = [{"text": part.text, **_files_of(part)} for part in draft.parts]
    if draft.first_comment:
        doc["first_comment"] = draft.first_comment
    if draft.poll:
        doc["poll"] = polls.doc(draft.poll)
    plain: dict[str, Any] = json.loads(json.dumps(doc))
    return plain


def _files_of(said: Draft | Part) -> dict[str, Any]:
    """Captions only where there are some, as with parts."""
    doc: dict[str, Any] = {"media": _facts_of(said.media)}
    if said.captions:
        doc["captions"] = _facts_of(said.captions)
    return doc


def _facts_of(media: Iterable[MediaFile]) -> list[dict[str, Any]]:
    """A focus only where one was chosen, as with parts."""
    return [
        {name: getattr(file, name) for name in _FILE_FACTS}
        | ({"focus": file.focus} if file.focus != CENTRE else {})
        for file in media
    ]


_FILE_FACTS = (
    "key",
    "mime_type",
    "size_bytes",
    "width",
    "height",
    "alt_text",
    "sha256",
    "file_name",
    "kind",
    *MEASURED,
)


def draft_from(doc: dict[str, Any]) -> Draft:
    """The draft that was stored. Reads the assets, which may be gone: then a file
    cannot be opened, only compared."""
    assets = MediaAsset.objects.in_bulk(assets_of(doc))

    def opener(pk: int) -> Callable[[], IO[bytes]]:
        def open_file() -> IO[bytes]:
            asset = assets.get(pk)
            if asset is None:
                raise FileNotFoundError(f"media file {pk} was deleted")
            opened: IO[bytes] = asset.file.storage.open(str(asset.file.name), "rb")
            return opened

        return open_file

    def address(pk: int) -> str:
        asset = assets.get(pk)
        return public_media.address(pk, asset.public_name) if asset else ""

    def files(listed: list[dict[str, Any]]) -> tuple[MediaFile, ...]:
        return tuple(
            MediaFile(
                **{
                    **facts,
                    "kind": MediaKind(facts.get("kind", MediaKind.IMAGE)),
                    "focus": tuple(facts.get("focus", CENTRE)),
                },
                open=opener(_asset_pk(facts)),
                public_url=address(_asset_pk(facts)),
            )
            for facts in listed
        )

    def both(said: dict[str, Any]) -> dict[str, tuple[MediaFile, ...]]:
        return {name: files(said.get(name, [])) for name in ("media", "captions")}

    parts = tuple(Part(part["text"], **both(part)) for part in doc.get("parts", ()))
    poll = polls.stored(doc.get("poll", {}))
    return Draft(**{**doc, **both(doc), "parts": parts, "poll": poll})


def assets_of(doc: dict[str, Any]) -> set[int]:
    """The keys of all files of a stored draft."""
    said = [doc, *doc.get("parts", ())]
    places = [one.get(name, ()) for one in said for name in ("media", "captions")]
    return {_asset_pk(facts) for files in places for facts in files}


def _asset_pk(facts: dict[str, Any]) -> int:
    return int(facts["key"].removeprefix("a"))


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: Any) -> DeliveryQuerySet:
        if user.is_superuser:
            return self
        # Asked of each row that is found otherwise: a join lets SQLite begin with the
        # person's brands, and so with all posts there are.
        member = Brand.members.through.objects.filter(
            brand=OuterRef("post__brand"), user=user.pk
        )
        return self.filter(Exists(member))

    def due(self, now: datetime) -> DeliveryQuerySet:
        """Waiting for work whose time has come: a try, a poll or a look."""
        return self.filter(status__in=Delivery.WAITING, next_attempt_at__lte=now)

    def open(self) -> DeliveryQuerySet:
        # By what they are, not by what they are not: so an index leads to them.
        return self.filter(status__in=Delivery.OPEN)

    def needs_person(self) -> DeliveryQuerySet:
        """What waits for a decision of a person (the failure desk's first tab)."""
        return self.filter(Delivery.needs_person_if())

    def awake(self, now: datetime | Now) -> DeliveryQuerySet:
        """Without those that somebody put aside for a while."""
        return self.exclude(care__snoozed_until__gt=now)

    def access_renewed(self, account_id: int) -> int:
        """The account has other access: a permission that the former lacked holds
        nothing back any more. What waits for access alone goes out by itself."""
        return self.filter(
            account=account_id,
            status=Delivery.Status.HELD,
            hold=Delivery.Hold.PERMISSION,
        ).update(hold=Delivery.Hold.ACCESS)

    def ask_now(self, now: datetime) -> int:
        """Those at which a platform works are asked for at once, not at their time."""
        waiting = self.filter(
            status=Delivery.Status.PROCESSING,
            lease_expires_at=None,
            next_attempt_at__gt=now,
        )
        return waiting.update(next_attempt_at=now)

    def unasked(self) -> DeliveryQuerySet:
        """Still to be sent, and nobody was ever asked about it. Of threads that have
        begun the rest goes on."""
        return self.filter(
            status__in=(Delivery.Status.SCHEDULED, Delivery.Status.HELD),
            approvals_missing=0,
            approved_as__in=("", Delivery.LET_GO),
            repeat_is_safe=False,
            published_at=None,
        )

    def await_approval(self, missing: int, now: datetime) -> int:
        """The same as a delivery's own verb, for many; call it on what is locked."""
        return self.update(
            **Delivery.waiting_changes(missing, now), fence=models.F("fence") + 1
        )

    def for_pages(self) -> DeliveryQuerySet:
        return self.select_related("post__brand", "post__author", "account__credential")


class Delivery(models.Model):
    """One post on its way to one connected account."""

    class Status(models.TextChoices):
        SCHEDULED = "scheduled", _("Scheduled")
        PUBLISHING = "publishing", _("Sending")
        PROCESSING = "processing", _("The platform is working")
        HELD = "held", _("Held")
        UNCERTAIN = "uncertain", _("Checking whether it went out")
        PUBLISHED = "published", _("Published")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Hold(models.TextChoices):
        """Why it cannot go now. Each has a way out (`hold_way_out`)."""

        ACCESS = "access", _("Access has ended: waits for a reconnect")
        PERMISSION = "permission", _("A permission is missing")
        LIMIT = "limit", _("A limit is reached")
        PLATFORM = "platform", _("The platform has trouble")
        STOPPED = "stopped", _("Publishing is stopped")
        TOO_LATE = "too_late", _("Past its useful time: a person decides")
        DISCONNECTED = "disconnected", _("The account is disconnected")
        TWICE = "twice", _("The same post went out lately: a person decides")
        APPROVAL = "approval", _("Waiting for approval")

    ANSWERED = {
        Status.PUBLISHED,
        Status.SCHEDULED,
        Status.FAILED,
        Status.HELD,
        Status.PROCESSING,
    }
    TRANSITIONS: dict[str, set[str]] = {
        Status.SCHEDULED: {
            Status.PUBLISHING,
            Status.HELD,
            Status.CANCELLED,
            Status.UNCERTAIN,  # only with repeat_is_safe
        },
        Status.PUBLISHING: {*ANSWERED, Status.UNCERTAIN, Status.PUBLISHING},
        Status.PROCESSING: {
            Status.PUBLISHING,
            Status.HELD,
            Status.CANCELLED,
            Status.UNCERTAIN,  # only with repeat_is_safe
        },
        Status.HELD: {Status.SCHEDULED, Status.HELD, Status.CANCELLED},
        Status.UNCERTAIN: {
            Status.UNCERTAIN,
            Status.PUBLISHED,
            Status.PROCESSING,  # it is there, and something is to be done to it
            Status.SCHEDULED,
            Status.FAILED,  # the platform refused it, and it is not there
        },
        Status.FAILED: {Status.SCHEDULED, Status.FAILED, Status.CANCELLED},
        Status.PUBLISHED: set(),
        Status.CANCELLED: set(),
    }
    WAITING = (Status.SCHEDULED, Status.PROCESSING, Status.UNCERTAIN)
    #: Once a part of it is out, the rest may be left; nothing is on its way.
    LEAVABLE = (Status.SCHEDULED, Status.PROCESSING, Status.HELD, Status.FAILED)
    ENDED = (Status.PUBLISHED, Status.FAILED, Status.CANCELLED)
    OPEN = (
        Status.SCHEDULED,
        Status.PUBLISHING,
        Status.PROCESSING,
        Status.HELD,
        Status.UNCERTAIN,
    )

    #: `approved_as` of what an admin let go without approval, as their brand began to ask
    LET_GO = "let go"

    #: the stop that holds it, or held it: set by `stops.name_holds`
    stop: Stop | None = None

    # Both are found by indexes that begin with them: each post writes all indexes of its
    # row twice, which is most of what it costs the database.
    post = models.ForeignKey(
        Post, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    account = models.ForeignKey(
        ConnectedAccount,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
    )
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.SCHEDULED
    )
    due_at = models.DateTimeField()
    useful_until = models.DateTimeField()
    #: when a worker should next take it; null: nothing happens by itself
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    hold = models.CharField(max_length=15, choices=Hold.choices, blank=True)
    held_at = models.DateTimeField(null=True, blank=True)
    #: a hold that ends by itself; null: by a reconnect or a person
    release_at = models.DateTimeField(null=True, blank=True)

    #: The fencing token: counted up by each claim, so that a worker that wakes up after
    #: its lease was taken over cannot overwrite its successor's result.
    fence = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=40, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    #: refusals in a row that may mend themselves; a person's retry sets it to 0
    transient_count = models.PositiveIntegerField(default=0)

    #: Written and committed before a commit leaves; cleared by its answer.
    intent_at = models.DateTimeField(null=True, blank=True)
    first_sent_at = models.DateTimeField(null=True, blank=True)
    commit_count = models.PositiveSmallIntegerField(default=0)
    #: the same of all parts together, and how many parts it has, at the most that were
    #: written since it first left
    total_commit_count = models.PositiveIntegerField(default=0)
    part_count = models.PositiveSmallIntegerField(default=1)
    #: looks since the last lost answer, and how many of them in a row said "absent"
    look_count = models.PositiveSmallIntegerField(default=0)
    absent_count = models.PositiveSmallIntegerField(default=0)
    #: A commit's answer was lost, and now the platform itself keeps the same request
    #: from doubling. Only a repeat as it was, and soon, leads out of here: never a
    #: hold, an edit or a cancellation, for it may be live.
    repeat_is_safe = models.BooleanField(default=False)
    #: unique, but not as a field: PostgreSQL would get a second index, for LIKE
    marker = models.CharField(max_length=32, editable=False)
    #: what earlier steps stored: media ids, session addresses
    witness = models.JSONField(default=dict, blank=True)
    #: What marker and witness belong to: the wording and files of the last try. People
    #: may change the post meanwhile; a look must search for what was sent.
    draft = models.JSONField(default=dict, blank=True, editable=False)

    #: Of wording, link and files: the same again to one account within a day needs a
    #: person's yes, which is `twice_allowed`.
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    twice_allowed = models.BooleanField(default=False)

    #: People who have yet to say yes; a constraint keeps it from being sent until then.
    approvals_missing = models.PositiveSmallIntegerField(default=0, editable=False)
    #: What they said yes to (`fingerprints.exact` of the draft), and the engine sends
    #: nothing else; "" where nobody asks; LET_GO: it goes without.
    approved_as = models.CharField(max_length=64, blank=True, editable=False)

    #: When its files may leave before it does (`carrying`); null: not, or not any more.
    prepare_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: how long before the due time that is; 0: they go with it
    prepare_lead_s = models.PositiveIntegerField(default=0, editable=False)
    #: since when the platform has all that this wording needs; null: it has not
    prepared_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: of its files, as far as they have been sent beside its lane
    sent_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    external_id = models.CharField(max_length=300, blank=True)
    permalink = models.CharField(max_length=1000, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    #: since when it is deleted at the platform, because a person wanted it so here
    taken_down_at = models.DateTimeField(null=True, blank=True, editable=False)

    #: of the last refusal; sentences come from accounts.causes
    outcome = models.CharField(max_length=20, blank=True)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "pk"]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(fields=["marker"], name="delivery_marker_once"),
            models.UniqueConstraint(
                fields=["post", "account"], name="delivery_once_per_account"
            ),
            models.UniqueConstraint(
                fields=["account", "external_id"],
                condition=~Q(external_id=""),
                name="delivery_remote_post_once",
            ),
            models.CheckConstraint(
                condition=Q(commit_count__lte=MAX_COMMITS),
                name="delivery_commit_ceiling",
            ),
            models.CheckConstraint(
                condition=Q(
                    total_commit_count__lte=models.F("part_count") + MAX_REPEATS
                ),
                name="delivery_commit_ceiling_of_all_parts",
            ),
            models.CheckConstraint(
                condition=~Q(status="published") | ~Q(external_id=""),
                name="delivery_published_has_id",
            ),
            models.CheckConstraint(
                condition=Q(approvals_missing=0)
                | Q(status__in=["held", "failed", "cancelled"]),
                name="delivery_sent_only_approved",
            ),
        ]
        indexes = [
            # The claim: small, because finished rows are not in it. SQLite takes a
            # partial index only where the query's own words imply its condition, and
            # values that are bound later imply nothing.
            models.Index(
                fields=["next_attempt_at"],
                name="delivery_due",
                condition=Q(next_attempt_at__isnull=False),
            ),
            models.Index(
                fields=["lease_expires_at"],
                name="delivery_leases",
                condition=Q(lease_expires_at__isnull=False),
            ),
            models.Index(
                fields=["prepare_at"],
                name="delivery_ahead",
                condition=Q(prepare_at__isnull=False),
            ),
            models.Index(
                fields=["hold", "release_at"],
                name="delivery_held",
                condition=Q(status="held"),
            ),
            # What went out lately, of everybody.
            models.Index(
                fields=["published_at"],
                name="delivery_published",
                condition=Q(published_at__isnull=False),
            ),
            models.Index(fields=["account", "fingerprint"], name="delivery_same_again"),
            models.Index(fields=["status", "due_at"], name="delivery_by_status"),
            # The few that needed more than one try, for the failure desk.
            models.Index(
                fields=["status", "due_at"],
                name="delivery_tried_again",
                condition=Q(attempt_count__gt=1),
            ),
            models.Index(
                fields=["status", "due_at"],
                name="delivery_put_off",
                condition=Q(transient_count__gt=0),
            ),
            # The list of all, newest first, whatever their state.
            models.Index(fields=["due_at"], name="delivery_by_time"),
            models.Index(fields=["account", "due_at"], name="delivery_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.post} → {self.account}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.marker = self.marker or new_marker()
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return address("delivery_detail", self.pk)

    @classmethod
    def needs_person_if(cls) -> Q:
        return (
            Q(status=cls.Status.FAILED, dismissed_at=None)
            | Q(status=cls.Status.HELD, release_at=None)
            # Those stand on the reviewers' page.
            & ~Q(hold=cls.Hold.APPROVAL)
            | Q(status=cls.Status.UNCERTAIN, next_attempt_at=None)
        )

    # -- verbs of people

    def cancel(self) -> None:
        """Not to be sent. InvalidTransition or StaleState once sending has begun.

        Of a thread whose first parts are out, the rest is not sent.
        """
        self._not_in_doubt()
        if self.parts_out:
            self.leave()
            return
        self._move(
            self.Status.CANCELLED,
            next_attempt_at=None,
            hold="",
            release_at=None,
            # Its files may be on their way: whoever sends them gives up.
            prepare_at=None,
            **self._no_lease(),
        )

    def uncancel(self, fence: int, *, is_late: bool) -> None:
        """Undo `cancel`: it goes at its time, or waits for whom it waited for before.

        fence: what it had when it was cancelled; StaleState when it has another one.
        is_late: its time is over, so nothing sends it without a person's yes.
        """
        if self.status != self.Status.CANCELLED or self.fence != fence:
            raise StaleState(f"delivery {self.pk} has changed since")
        self._not_in_doubt()
        if self.parts_out:
            raise InvalidTransition("a part of it is out")
        # Not by the table of transitions: the engine has no such road. Whoever had it
        # in hand as it was cancelled (files on their way) is fenced off.
        changes: dict[str, Any] = {"fence": self.fence + 1, "transient_count": 0}
        if self.approvals_missing:
            missing, now = self.approvals_missing, timezone.now()
            self._write(**{**changes, **self.waiting_changes(missing, now)})
            return
        changes |= {
            "release_at": None,
            **self._no_lease(),
            **self._no_error(),
            **carrying.plan(self.prepare_lead_s, self.due_at),
        }
        if is_late:
            self._write(
                self.Status.HELD,
                hold=self.Hold.TOO_LATE,
                held_at=timezone.now(),
                next_attempt_at=None,
                **{**changes, "prepare_at": None},
            )
            return
        # Stops, limits and access are judged anew when it is due.
        self._write(
            self.Status.SCHEDULED,
            hold="",
            held_at=None,
            next_attempt_at=self.due_at,
            **changes,
        )

    def reschedule(self, due_at: datetime, useful_until: datetime) -> None:
        """Another time, before sending has begun; a held one is judged anew then."""
        if self.status not in (self.Status.SCHEDULED, self.Status.HELD):
            raise InvalidTransition(f"{self.status} cannot be moved")
        self._not_in_doubt()
        changes: dict[str, Any] = {}
        if self.prepare_lead_s and due_at > timezone.now():
            # What is there already may do: the platform's own end of it decides.
            changes["prepare_at"] = due_at - timedelta(seconds=self.prepare_lead_s)
        if self.approvals_missing:
            self._write(
                self.Status.HELD, due_at=due_at, useful_until=useful_until, **changes
            )
            return
        self._write(
            self.Status.SCHEDULED,
            due_at=due_at,
            useful_until=useful_until,
            next_attempt_at=due_at,
            hold="",
            release_at=None,
            **changes,
        )

    def move_back(
        self, moved_to: datetime, fence: int, status: str, was: dict[str, Any]
    ) -> None:
        """Undo `reschedule`: the status and times it had before it went to `moved_to`.

        StaleState when anything has happened to it since.
        """
        same = Delivery.objects.filter(
            pk=self.pk,
            due_at=moved_to,
            lease_expires_at=None,
        )
        if self.approvals_missing:
            # It waits for approval there; whether it does here is found out after. Its
            # fence went up as it began to wait.
            same = same.filter(
                fence=self.fence, status=self.Status.HELD, hold=self.Hold.APPROVAL
            )
            times = ("due_at", "useful_until", "prepare_at")
            was = {name: was[name] for name in times}
            status = self.Status.HELD
        else:
            same = same.filter(
                fence=fence, status=self.Status.SCHEDULED, next_attempt_at=moved_to
            )
            if was["hold"] == self.Hold.APPROVAL:
                # It was let go meanwhile, and nothing has to wait for that again.
                was = {**was, "hold": "", "next_attempt_at": was["due_at"]}
                status = self.Status.SCHEDULED
        if not same.update(status=status, **was):
            raise StaleState(f"delivery {self.pk} has changed since")

    def retry(
        self,
        at: datetime | None = None,
        *,
        despite_age: bool = False,
        allow_twice: bool = False,
    ) -> None:
        """A person sends a failed or held one again, from its stored witnesses.

        despite_age: the person has said yes to one that is past its useful time.
        allow_twice: and to one that says what the account has just said.
        """
        at = at or timezone.now()
        self._move(
            self.Status.SCHEDULED, **self.retry_changes(at, despite_age, allow_twice)
        )

    def retry_changes(
        self, at: datetime, despite_age: bool = False, allow_twice: bool = False
    ) -> dict[str, Any]:
        """What `retry` changes besides the status, for those who write many at once."""
        if self.status not in (self.Status.FAILED, self.Status.HELD):
            # The table knows more roads to SCHEDULED; they are the engine's.
            raise InvalidTransition(f"{self.status} cannot be sent again")
        if self.approvals_missing:
            raise InvalidTransition("it waits for approval")
        changes: dict[str, Any] = {}
        if despite_age and self.useful_until < at + USEFUL_FOR:
            changes["useful_until"] = at + USEFUL_FOR
        if allow_twice:
            changes["twice_allowed"] = True
        return {
            "next_attempt_at": at,
            "hold": "",
            # The mark of what is let out over time: it keeps its distance to the others.
            "held_at": self.held_at or timezone.now(),
            "release_at": None,
            "transient_count": 0,
            "dismissed_at": None,
            "failed_at": None,
            "outcome": "",
            "cause": "",
            "detail": "",
            **changes,
        }

    def prepare_anew(self, lead: int) -> None:
        """Its wording or files were changed: what was sent ahead is discarded.

        lead: seconds before its time at which its files may leave, 0: with it.
        """
        if self.status != self.Status.SCHEDULED or self.has_begun:
            return
        changes: dict[str, Any] = carrying.plan(lead, self.due_at)
        if self.cause and not self.transient_count:
            # The platform's refusal ahead of time was of the old ones.
            changes |= self._no_error()
        if self.lease_expires_at:
            changes |= {"fence": self.fence + 1, **self._no_lease()}
        if all(getattr(self, name) == value for name, value in changes.items()):
            return
        self._write(self.status, **changes)

    def put_off(self, at: datetime) -> None:
        """Scheduled, and waits for its turn until `at`; its due time stays."""
        same = Delivery.objects.filter(
            pk=self.pk,
            status=self.Status.SCHEDULED,
            fence=self.fence,
            lease_expires_at=None,
            next_attempt_at=self.next_attempt_at,
            repeat_is_safe=False,
        )
        if not same.update(next_attempt_at=at):
            raise StaleState(f"delivery {self.pk} goes on already")
        self.next_attempt_at = at

    def dismiss(self) -> None:
        """Off the desk; it stays failed."""
        if self.status != self.Status.FAILED:
            raise InvalidTransition(f"{self.status} cannot be dismissed")
        self._move(self.Status.FAILED, dismissed_at=timezone.now())

    def leave(self) -> None:
        """A person leaves a post as it is, of which not all parts are out."""
        self._not_in_doubt()
        if not self.parts_out or self.status not in self.LEAVABLE:
            raise InvalidTransition(f"{self.status} cannot be left as it is")
        self._write(
            self.Status.PUBLISHED,
            next_attempt_at=None,
            hold="",
            release_at=None,
            dismissed_at=None,
            failed_at=None,
            intent_at=None,
            **self._no_lease(),
            **self._no_error(),
        )

    def confirm_live(self, permalink: str) -> None:
        """A person saw it there: the platform could not tell us. Of a post of several
        parts it is the one whose answer was lost."""
        if self.status != self.Status.UNCERTAIN or self.next_attempt_at is not None:
            raise InvalidTransition("only a delivery that nobody can check")
        if self.parts_total > 1:
            self._confirm_part(permalink)
            self.is_not_native(permalink)
            return
        self._move(
            self.Status.PUBLISHED,
            external_id=self.external_id or permalink[:300],
            permalink=permalink,
            published_at=self.first_sent_at or timezone.now(),
            next_attempt_at=None,
            **self._no_lease(),
            **self._no_error(),
        )
        self.is_not_native(permalink)

    def is_not_native(self, permalink: str, external_id: str = "") -> None:
        """What was taken for a post of somebody at the network is this one."""
        platform = registry.platform(self.account.platform)
        number = external_id or platform.id_of_link(permalink, self.account.identity())
        same = Q(external_id=number) if number else Q(permalink=permalink)
        self.account.native_posts.filter(same).delete()

    def _confirm_part(self, permalink: str) -> None:
        draft, now = draft_from(self.draft), timezone.now()
        platform = registry.platform(self.account.platform)
        number = platform.id_of_link(permalink, self.account.identity())
        at = self.first_sent_at or now
        remote = RemotePost(number or permalink[:300], permalink, published_at=at)
        witness = parts_of.arrived(draft, self.witness, remote, now)
        thread = platform.spec.thread
        if thread and thread.at_once:
            witness = parts_of.followed(draft, witness, remote, now)
        changes = self.part_arrived(remote, now)
        if number and not parts_of.all_out(draft, witness):
            to, changes["next_attempt_at"] = self.Status.SCHEDULED, now
        else:
            # Nothing can follow a post whose id nobody knows.
            to, changes["next_attempt_at"] = self.Status.PUBLISHED, None
        self._move(
            to, **changes, witness=witness, **self._no_lease(), **self._no_error()
        )

    def confirm_absent(self) -> None:
        """A person looked and it is not there: safe to send again."""
        if self.status != self.Status.UNCERTAIN or self.next_attempt_at is not None:
            raise InvalidTransition("only a delivery that nobody can check")
        self._move(
            self.Status.SCHEDULED,
            next_attempt_at=timezone.now(),
            intent_at=None,
            look_count=0,
            absent_count=0,
            witness={**self.witness, ABSENT_AT: timezone.now().isoformat()},
            **self._no_lease(),
            **self._no_error(),
        )

    # -- verbs of approval

    def await_approval(self, missing: int) -> None:
        """It waits for so many people's yes, and nothing sends it before."""
        changes = self.waiting_changes(missing, timezone.now())
        self._write(**changes, fence=self.fence + 1)

    @classmethod
    def waiting_changes(cls, missing: int, now: datetime) -> dict[str, Any]:
        """Fields of one that waits for approval. The fence goes up with them: whoever
        carries its files ahead gives up."""
        return {
            "status": cls.Status.HELD,
            "hold": cls.Hold.APPROVAL,
            "approvals_missing": missing,
            "approved_as": "",
            "held_at": now,
            "release_at": None,
            "next_attempt_at": None,
            "prepare_at": None,
            **cls._no_lease(),
        }

    def approve(self, approved_as: str) -> None:
        """Everybody who was asked has said yes to this (`fingerprints.exact`); "" when
        nobody is asked any more. Past its useful time a person decides, as always."""
        self._write(
            self.Status.SCHEDULED,
            hold="",
            approvals_missing=0,
            approved_as=approved_as,
            held_at=None,
            release_at=None,
            next_attempt_at=max(self.due_at, timezone.now()),
            **self._no_error(),
            **carrying.plan(self.prepare_lead_s, self.due_at),
        )

    # -- verbs of the engine

    def part_arrived(self, remote: RemotePost, now: datetime) -> dict[str, Any]:
        """What changes when a part is out: the next has its own tries and looks, and
        the post is where its first part is."""
        changes: dict[str, Any] = {
            "intent_at": None,
            "first_sent_at": None,
            "commit_count": 0,
            "look_count": 0,
            "absent_count": 0,
            "transient_count": 0,
            "repeat_is_safe": False,
        }
        if not self.parts_out:
            changes |= {
                "external_id": remote.external_id,
                "permalink": remote.permalink,
                "published_at": remote.published_at or now,
            }
        return changes

    def hold_for(
        self,
        reason: str,
        *,
        release_at: datetime | None = None,
        cause: str = "",
        detail: str = "",
    ) -> None:
        """It cannot go now and we know why. Never a failure."""
        self._move(
            self.Status.HELD,
            hold=reason,
            held_at=timezone.now(),
            release_at=release_at,
            next_attempt_at=None,
            cause=cause or self.cause,
            detail=detail or self.detail,
            **self._no_lease(),
        )

    def release(self, at: datetime) -> None:
        """The reason is gone: back into the queue."""
        if self.approvals_missing:
            raise InvalidTransition("it waits for approval")
        self._move(
            self.Status.SCHEDULED,
            hold="",
            release_at=None,
            next_attempt_at=at,
            **self._no_error(),
        )

    @property
    def is_in_doubt(self) -> bool:
        """It may be live, or is: only the platform's answer decides."""
        return self.repeat_is_safe or self.is_out

    @property
    def has_begun(self) -> bool:
        """Whether any of it is out, or may be: it goes on, whatever holds back others."""
        return bool(self.is_in_doubt or self.parts_out)

    def _not_in_doubt(self) -> None:
        if self.is_in_doubt:
            raise InvalidTransition(
                "it may be live: only the platform's answer decides"
            )

    @staticmethod
    def _no_lease() -> dict[str, Any]:
        return {"lease_expires_at": None, "lease_owner": ""}

    @staticmethod
    def _no_error() -> dict[str, Any]:
        return {"outcome": "", "cause": "", "detail": ""}

    def _move(self, to: str, **changes: Any) -> None:
        if to not in self.TRANSITIONS.get(self.status, ()):
            raise InvalidTransition(f"{self.status} -> {to}")
        self._write(to, **changes)

    def _write(self, status: str, **changes: Any) -> None:
        """To a state, if the row is still as it was read."""
        same = Delivery.objects.filter(pk=self.pk, status=self.status, fence=self.fence)
        if not same.update(status=status, **changes):
            raise StaleState(f"delivery {self.pk} is no longer {self.status}")
        for field, value in {"status": status, **changes}.items():
            setattr(self, field, value)

    # -- reading

    def draft_now(self) -> Draft:
        """What a try would send: the post as it is written, behind the parts that are
        out, which stay as they were sent. Reads the post's variants and media."""
        draft = self.post.draft_for(self.account.platform, self.account)
        if done := self.parts_out:
            thread = registry.spec(self.account.platform).thread
            if thread and thread.at_once:
                # The whole of the thread went out with its first part.
                done = max(done, self.parts_total - ("first_comment" in self.draft))
            draft = parts_of.merged(draft_from(self.draft), draft, done)
        return draft

    def may_commit(self, parts: int) -> bool:
        """Whether one more commit stays below the ceilings, of a draft of so many parts."""
        most = max(self.part_count, parts) + MAX_REPEATS
        return self.commit_count < MAX_COMMITS and self.total_commit_count < most

    @property
    def parts_out(self) -> int:
        """Of a post of several parts, how many are out; 0 for a post of one."""
        return len(self.witness.get(parts_of.OUT, ()))

    @property
    def parts_total(self) -> int:
        """Parts of what was sent, the first comment among them; 1 before a try."""
        return 1 + len(self.draft.get("parts", ())) + ("first_comment" in self.draft)

    @property
    def is_at_comment(self) -> bool:
        """Nothing but the first comment is left to be sent."""
        has_comment = "first_comment" in self.draft
        return has_comment and self.parts_out == self.parts_total - 1

    @property
    def is_partly_out(self) -> bool:
        return 0 < self.parts_out < self.parts_total

    @property
    def is_carried(self) -> bool:
        """Its files are on their way, and it waits for them or for its time."""
        return self.status == self.Status.SCHEDULED and bool(self.lease_expires_at)

    @property
    def sent_percent(self) -> int:
        """Of its files, as far as they were sent beside its lane: 0 to 100."""
        size = carrying.size_of(self.draft) if self.draft else 0
        return min(100, self.sent_bytes * 100 // size) if size else 0

    @property
    def is_out(self) -> bool:
        """The platform has all of it and works on it: nothing calls it back."""
        return bool(self.witness) and registry.platform(self.account.platform).is_out(
            self.witness
        )

    @property
    def is_late(self) -> bool:
        return bool(
            self.published_at and self.published_at > self.due_at + timedelta(minutes=1)
        )

    @property
    def waits_for_person(self) -> bool:
        return (
            (self.status == self.Status.FAILED and not self.dismissed_at)
            or (
                self.status == self.Status.HELD
                and self.release_at is None
                and self.hold != self.Hold.APPROVAL
            )
            or (self.status == self.Status.UNCERTAIN and self.next_attempt_at is None)
        )


class Attempt(models.Model):
    """One try (or one look) of a delivery; opened before the call, closed once."""

    class Kind(models.TextChoices):
        PUBLISH = "publish", _("Send")
        LOOK = "look", _("Look whether it is there")

    # Found by the index of its unique number.
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False
    )
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PUBLISH)
    worker = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    #: one of platforms.errors.Outcome, or found, absent, cannot_tell, abandoned, waiting,
    #: sent_ahead, put_off
    outcome = models.CharField(max_length=20, blank=True)
    cause = models.CharField(max_length=40, blank=True)
    #: the last step that was begun
    step = models.CharField(max_length=60, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    code = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=200, blank=True)
    #: the platform's own answer, secrets removed
    detail = models.TextField(blank=True)
    #: [{"step", "call", "at", "ms", "status", "request_id"}], oldest first
    calls = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("attempt")
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="attempt_numbered_once"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"


class PumpQuerySet(models.QuerySet["Pump"]):
    def running(self, now: datetime) -> PumpQuerySet:
        """Those that gave a sign of life lately."""
        return self.filter(ended_at=None, beat_at__gt=now - Pump.SILENT_AFTER)


class Pump(models.Model):
    """A running publishing worker: who holds leases, and whether it still lives."""

    #: A pump without a sign of life for so long does not count as running.
    SILENT_AFTER = timedelta(seconds=15)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    handled = models.PositiveIntegerField(default=0)

    objects = PumpQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


def drafts(post: Post, platforms: Iterable[str]) -> dict[str, Draft]:
    """By platform, as the post is written now. Reads variants and media once."""
    # A row of its own: what was prefetched on `post` may be older than its last change.
    fresh = Post.objects.prefetch_related("variants", "media__asset").get(pk=post.pk)
    return {slug: fresh.draft_for(slug) for slug in platforms}


def schedule(post: Post, accounts: Any) -> list[Delivery]:
    """Make the deliveries of a scheduled post; accounts that have one keep it."""
    assert post.due_at is not None
    assert post.useful_until is not None
    with transaction.atomic():
        have = set(post.deliveries.values_list("account_id", flat=True))
        accounts = list(accounts)
        says = drafts(post, {account.platform for account in accounts})
        missing = post.brand.approval_steps
        start: dict[str, Any] = {"next_attempt_at": post.due_at}
        if missing:
            # Until people have said yes (`approving.bind`).
            start = {
                "status": Delivery.Status.HELD,
                "hold": Delivery.Hold.APPROVAL,
                "held_at": timezone.now(),
                "approvals_missing": missing,
            }
        made = [
            Delivery(
                post=post,
                account=account,
                due_at=post.due_at,
                useful_until=post.useful_until,
                **start,
                marker=new_marker(),
                fingerprint=fingerprint(says[account.platform]),
                **carrying.plan(
                    carrying.lead_s(account.platform, says[account.platform]),
                    post.due_at,
                ),
            )
            for account in accounts
            if account.pk not in have
        ]
        Delivery.objects.bulk_create(made)
        post.state = Post.State.SCHEDULED
        post.save(update_fields=["state", "changed_at"])
    return made


# Rows of the same app in modules of their own.
from .bulk_models import BulkChange as BulkChange  # noqa: E402
from .care_models import Care as Care  # noqa: E402
from .care_models import Note as Note  # noqa: E402
from .import_models import Import as Import  # noqa: E402
from .import_models import ImportRow as ImportRow  # noqa: E402
from .job_models import Job as Job  # noqa: E402
from .left_models import LeftUpload as LeftUpload  # noqa: E402
from .native_models import NativePost as NativePost  # noqa: E402
from .planning_models import Label as Label  # noqa: E402
from .planning_models import Queue as Queue  # noqa: E402
from .planning_models import QueueSlot as QueueSlot  # noqa: E402
from .planning_models import SavedView as SavedView  # noqa: E402
from .review_models import Approval as Approval  # noqa: E402
from .review_models import Remark as Remark  # noqa: E402
from .review_models import Review as Review  # noqa: E402
from .risk_models import Judgement as Judgement  # noqa: E402
from .series_models import Series as Series  # noqa: E402
from .stop_models import Stop as Stop  # noqa: E402
from .upload_models import Upload as Upload  # noqa: E402
from .wording_models import LinkFacts as LinkFacts  # noqa: E402
from .wording_models import LinkRule as LinkRule  # noqa: E402
from .wording_models import Snippet as Snippet  # noqa: E402
