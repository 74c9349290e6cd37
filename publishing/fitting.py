"""What would make a file one that a network takes, told by the network's own checks.

Nothing here knows a network's rules: the checks name what is wrong, with numbers. What
is worked out from them is held against the same checks before it is offered, so that
what is made does fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.db.models import Min
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.causes import finding_sentence
from accounts.fixed_query import SAMPLE_KEY, FixedQuery
from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import Draft, Finding, Level, MediaFile, MediaKind, PlatformSpec
from platforms.errors import Cause

from . import editing, examine, recode, recoding, reshape
from .editing import JPEG, PNG
from .measuring import TYPES
from .models import MediaAsset, PostMedia

#: Networks make videos smaller than this anyway; a person may choose otherwise.
USUAL_SIDE = 1920
MOST_RATE = 60
USUAL_RATE = 30
#: A GIF counts in hundredths of a second and shows nothing for less than two: so none
#: of its pictures is lost. Those that repeat cost next to nothing.
ANIMATION_RATE = 50.0
#: Bits for a pixel of a picture: more than this nobody sees, less shows blocks.
RICH_BITS, POOR_BITS = 0.2, 0.02
#: Below this a video is no picture any more.
MIN_SIDE = 144
#: The rest of a file besides pictures and sound, and what a rate may be over at times.
ROOM = 0.92
#: Rounds of checking what one check has let be made.
ROUNDS = 8

AnyRecipe = editing.Recipe | recoding.Recipe
#: what a network says of the file, were it another one: only what it refuses
Judge = Callable[[MediaFile], Sequence[Finding]]


@dataclass
class Wish:
    """What the findings so far let pass; None: nothing is known of that."""

    mime_types: set[str] | None = None
    video_codecs: set[str] | None = None
    audio_codecs: set[str] | None = None
    pixel_formats: set[str] | None = None
    max_bytes: float | None = None
    max_pixels: float | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None
    min_width: float | None = None
    max_width: float | None = None
    min_height: float | None = None
    max_height: float | None = None
    min_s: float | None = None
    max_s: float | None = None
    min_fps: float | None = None
    max_fps: float | None = None
    max_bitrate: float | None = None
    max_channels: float | None = None
    max_hertz: float | None = None
    #: nothing of the pictures has to change
    only_outside: bool = True

    #: unit of a finding -> the end of its field's name
    UNITS = {
        "bytes": "bytes",
        "pixels": "pixels",
        "wide to high": "ratio",
        "pixels wide": "width",
        "pixels high": "height",
        "seconds": "s",
        "per second": "fps",
        "bits per second": "bitrate",
        "channels": "channels",
        "hertz": "hertz",
    }

    def note(self, finding: Finding) -> bool:
        """False: what it says cannot be mended here."""
        values = finding.values
        lists = {
            Cause.MEDIA_TYPE: "mime_types",
            Cause.VIDEO_CODEC: "video_codecs",
            Cause.SOUND_CODEC: "audio_codecs",
            Cause.VIDEO_COLOURS: "pixel_formats",
        }
        if finding.cause == Cause.VIDEO_INDEX_LAST:
            return True
        if finding.cause == Cause.VIDEO_INTERLACED:
            self.only_outside = False  # what is encoded anew has whole pictures
            return True
        if finding.cause in lists and "allowed" in values:
            self.only_outside &= finding.cause == Cause.MEDIA_TYPE
            allowed = set(str(values["allowed"]).split(", "))
            setattr(self, lists[finding.cause], allowed)
            return True
        self.only_outside = False
        what = self.UNITS.get(str(values.get("unit", "")))
        name = f"max_{what}" if "limit" in values else f"min_{what}"
        if what is None or not hasattr(self, name):
            return False
        setattr(self, name, float(values.get("limit", values.get("least", 0))))
        return True


def cure(file: MediaFile, judge: Judge, focus: tuple[float, float]) -> AnyRecipe | None:
    """What makes of a file one that the judge lets pass; None: nothing that we can do.

    focus: what stays when it is cut, from 0 to 1.
    """
    plans = {MediaKind.IMAGE: _image, MediaKind.VIDEO: _video}
    wish, recipe, now = Wish(), None, file
    if file.kind is MediaKind.GIF and judge(file):
        # What is refused of the animation says nothing of the video that it becomes.
        file = as_video(file)
        recipe, now = _video(file, wish, focus) or (None, file)
    plan = plans.get(file.kind)
    if plan is None:
        return None
    for _round in range(ROUNDS):
        found = judge(now)
        if not found:
            return recipe
        if not all([wish.note(finding) for finding in found]):
            return None
        made = plan(file, wish, focus)
        if made is None or made[1] == now:
            return None
        recipe, now = made
    return None


# ---------------------------------------------------------------- what to make


def _image(
    file: MediaFile, wish: Wish, focus: tuple[float, float]
) -> tuple[AnyRecipe, MediaFile] | None:
    types = wish.mime_types or {JPEG, PNG}
    if not file.height or wish.min_width or wish.min_height:
        return None  # made larger, it would be no better
    mime_type = PNG if file.mime_type == PNG and PNG in types else JPEG
    if wish.max_bytes and JPEG in types:
        mime_type = JPEG  # a photo in a tenth of the bytes
    if mime_type not in types:
        return None
    cut_to = _cut_to(file, wish)
    shape = cut_to or file.width / file.height
    width, height = _box(file, cut_to)
    long = max(width, height)
    limits = [
        float(long),
        (wish.max_width or long) * (long / width),
        (wish.max_height or long) * (long / height),
    ]
    if wish.max_pixels:
        # A little less: the shorter side may be rounded up.
        across = max(shape, 1 / shape)
        limits.append((wish.max_pixels * across) ** 0.5 - across)
    side = _within(int(min(limits)), (width, height), wish)
    recipe = editing.Recipe(
        ratio=cut_to,
        focus=focus,
        max_side=side if side < long else None,
        mime_type=mime_type,
        max_bytes=int(wish.max_bytes) if wish.max_bytes else None,
    )
    scale = side / long
    size = min(file.size_bytes, recipe.max_bytes or file.size_bytes)
    predicted = replace(
        file,
        mime_type=mime_type,
        width=max(1, round(width * scale)),
        height=max(1, round(height * scale)),
        size_bytes=size,
    )
    return recipe, predicted


def _within(side: int, box: tuple[int, int], wish: Wish) -> int:
    """The longest side up to this with which rounding leaves the proportions allowed."""
    for less in range(min(60, side - 1)):
        scale = (side - less) / max(box)
        ratio = round(round(box[0] * scale) / max(1, round(box[1] * scale)), 3)
        if (wish.min_ratio or 0) <= ratio <= (wish.max_ratio or ratio):
            return side - less
    return side


def as_video(file: MediaFile) -> MediaFile:
    """An animated image, as the source of a video: which codec it has is still open."""
    return replace(
        file,
        kind=MediaKind.VIDEO,
        duration_s=file.duration_s or (file.frames or 1) * examine.TOO_FAST_S,
        frame_rate=ANIMATION_RATE,
    )


def _video(
    file: MediaFile, wish: Wish, focus: tuple[float, float]
) -> tuple[AnyRecipe, MediaFile] | None:
    if wish.mime_types and recoding.MP4 not in wish.mime_types:
        return None
    if wish.only_outside and _may_copy(file):
        copied = replace(
            file, mime_type=recoding.MP4, container="mp4", index_first=True
        )
        return recoding.Recipe(copy=True), copied
    recipe = video_recipe(file, wish, focus)
    return (recipe, predicted(file, recipe)) if recipe else None


def _may_copy(file: MediaFile) -> bool:
    """Codecs that stand well in an MP4."""
    heard = file.audio_codec in {"", "aac", "mp3"}
    return heard and file.video_codec in {"h264", "hevc"}


def video_recipe(
    file: MediaFile,
    wish: Wish,
    focus: tuple[float, float],
    start_s: float = 0.0,
    side: int = USUAL_SIDE,
) -> recoding.Recipe | None:
    """None: it cannot be so. side: at most so many pixels, unless more are wanted."""
    if not (file.width and file.height and file.duration_s):
        return None
    if wish.video_codecs and "h264" not in wish.video_codecs:
        return None
    if wish.audio_codecs and "aac" not in wish.audio_codecs:
        return None
    if wish.pixel_formats and recode.PIXELS not in wish.pixel_formats:
        return None
    if (wish.max_channels or 2) < 2 or (wish.max_hertz or 1e6) < recode.SOUND_RATE:
        return None
    cut_to = _cut_to(file, wish)
    scale = _scale(_box(file, cut_to), wish, side)
    if scale is None:
        return None
    length_s = file.duration_s - start_s
    if file.frames and wish.min_s and 0 < length_s < wish.min_s:
        length_s *= ceil(wish.min_s / length_s)  # an animation begins again
    if wish.max_s and length_s > wish.max_s:
        # Sound comes in blocks, and may be a little longer than the pictures.
        length_s = wish.max_s - 0.1
    if length_s <= 0:
        return None
    rate = _rate(file.frame_rate or USUAL_RATE, wish)
    sound_bits = recode.SOUND_BITS if file.has_audio else 0
    for _smaller in range(12):
        size = _even(_box(file, cut_to), scale, wish)
        if min(size) < min(MIN_SIDE, file.width, file.height):
            return None
        pixels = size[0] * size[1] * float(rate)
        bits = [RICH_BITS * pixels]
        if wish.max_bitrate:
            bits.append(wish.max_bitrate * ROOM - sound_bits)
        if wish.max_bytes:
            bits.append(wish.max_bytes * 8 * ROOM / length_s - sound_bits)
        if min(bits) >= POOR_BITS * pixels:
            break
        scale *= 0.85
    else:
        return None
    return recoding.Recipe(
        size=size,
        rate=(rate.numerator, rate.denominator),
        start_s=start_s,
        length_s=round(length_s, 3),
        ratio=cut_to,
        focus=focus,
        bitrate=int(min(bits)),
        sound=file.has_audio,
    )


def predicted(file: MediaFile, recipe: recoding.Recipe) -> MediaFile:
    """The file that the recipe makes, at its heaviest."""
    sound_bits = recode.SOUND_BITS if recipe.sound else 0
    bitrate = int((recipe.bitrate + sound_bits) / ROOM)
    return replace(
        file,
        mime_type=recoding.MP4,
        container="mp4",
        size_bytes=int(bitrate * recipe.length_s / 8),
        width=recipe.size[0],
        height=recipe.size[1],
        duration_s=recipe.length_s,
        frame_rate=round(recipe.rate[0] / recipe.rate[1], 3),
        video_codec="h264",
        audio_codec="aac" if recipe.sound else "",
        audio_channels=2 if recipe.sound else None,
        audio_rate=recode.SOUND_RATE if recipe.sound else None,
        bitrate=bitrate,
        index_first=True,
        pixel_format=recode.PIXELS,
        interlaced=False,
        hdr="",
        frames=None,
    )


def _cut_to(file: MediaFile, wish: Wish) -> float | None:
    ratio = file.width / file.height
    if wish.min_ratio and ratio < wish.min_ratio:
        return wish.min_ratio
    if wish.max_ratio and ratio > wish.max_ratio:
        return wish.max_ratio
    return None


def _box(file: MediaFile, cut_to: float | None) -> tuple[int, int]:
    """Width and height of what stays of a picture when it is cut."""
    size = (file.width, file.height)
    if cut_to is None:
        return size
    left, top, right, bottom = reshape.cut(size, cut_to, (0.5, 0.5))
    return right - left, bottom - top


def _scale(box: tuple[int, int], wish: Wish, side: int) -> float | None:
    width, height = box
    least = max((wish.min_width or 0) / width, (wish.min_height or 0) / height)
    most = min(
        (wish.max_width or width) / width,
        (wish.max_height or height) / height,
        ((wish.max_pixels or width * height) / (width * height)) ** 0.5,
    )
    if wish.max_width is None and wish.max_height is None and not wish.max_pixels:
        most = max(1.0, least)
    if least > most:
        return None
    return max(min(most, side / max(box)), least)


def _even(box: tuple[int, int], scale: float, wish: Wish) -> tuple[int, int]:
    """Pixels that an encoder takes, within what is wanted of their proportions."""
    width = max(2, 2 * round(box[0] * scale / 2))
    height = max(2, 2 * round(box[1] * scale / 2))
    if wish.min_width:
        width = max(width, 2 * -int(-wish.min_width // 2))
    if wish.min_height:
        height = max(height, 2 * -int(-wish.min_height // 2))
    if wish.max_width:
        width = min(width, 2 * int(wish.max_width // 2))
    if wish.max_height:
        height = min(height, 2 * int(wish.max_height // 2))
    if wish.max_ratio and width / height > wish.max_ratio:
        width = 2 * int(height * wish.max_ratio / 2)
    elif wish.min_ratio and width / height < wish.min_ratio:
        height = 2 * int(width / wish.min_ratio / 2)
    return max(2, width), max(2, height)


def _rate(rate: float, wish: Wish) -> Fraction:
    most = min(MOST_RATE, wish.max_fps or MOST_RATE)
    if wish.min_fps and rate < wish.min_fps:
        rate = max(wish.min_fps, min(USUAL_RATE, most))
    return Fraction(min(rate, most)).limit_denominator(1001)


# ---------------------------------------------------------------- for pages


@dataclass(frozen=True)
class Fit:
    """Whether a network takes a file as it is.

    problems: sentences; empty: it does. recipe: what would make it fit; None: nothing
    that can be done here.
    """

    spec: PlatformSpec
    problems: Sequence[str]
    asset: MediaAsset
    recipe: AnyRecipe | None = None

    @cached_property
    def doing(self) -> str:
        return doing(self.recipe, self.asset) if self.recipe else ""

    @property
    def look(self) -> str:
        return look_of(self.asset, self.recipe) if self.recipe else ""

    @property
    def film(self) -> Film | None:
        return film_of(self.asset, self.recipe)


def look_of(asset: MediaAsset, recipe: AnyRecipe) -> str:
    """Address of a small picture of what the recipe makes, "" without one."""
    if not asset.preview:
        return ""
    left, top = recipe.focus
    wanted = {
        "ratio": recipe.ratio or "",
        "x": round(left * 100),
        "y": round(top * 100),
        "mime_type": getattr(recipe, "mime_type", ""),
    }
    return f"{reverse('media_cut', args=[asset.pk])}?{urlencode(wanted)}"


@dataclass(frozen=True)
class Film:
    """The video as it is, shown by the browser as the recipe would cut it: what moves
    out of the picture is seen before anything is made. style: of the player."""

    address: str
    style: str


#: What browsers play, by FFmpeg's names.
PLAYED = {"h264", "vp8", "vp9", "av1"}


def film_of(asset: MediaAsset, recipe: AnyRecipe | None) -> Film | None:
    """None: it does not move, stays whole, or no browser plays it."""
    if not isinstance(recipe, recoding.Recipe) or recipe.copy:
        return None
    if asset.kind != MediaAsset.Kind.VIDEO:
        return None
    if asset.facts.get("video_codec") not in PLAYED:
        return None
    begins, ends = recipe.start_s, recipe.start_s + recipe.length_s
    left, top = (round(share * 100) for share in recipe.focus)
    wide, high = recipe.size
    return Film(
        f"{reverse('media_file', args=[asset.pk])}#t={begins:g},{ends:g}",
        f"aspect-ratio: {wide} / {high}; object-position: {left}% {top}%",
    )


def doing(recipe: AnyRecipe, asset: MediaAsset) -> str:
    """What the recipe does with the file, in words."""
    if isinstance(recipe, recoding.Recipe):
        return _doing_to_video(recipe, asset.facts)
    words = []
    if recipe.ratio:
        words.append(_("cut to %(ratio)s : 1") % {"ratio": f"{recipe.ratio:g}"})
    words.append(_("saved as %(kind)s") % {"kind": TYPES[recipe.mime_type][0]})
    if recipe.max_bytes:
        size = f"{recipe.max_bytes / 1_000_000:g}"
        words.append(_("at most %(size)s MB") % {"size": size})
    return ", ".join(words)


def _doing_to_video(recipe: recoding.Recipe, facts: Mapping[str, Any]) -> str:
    kind = _("saved as %(kind)s") % {"kind": TYPES[recoding.MP4][0]}
    if recipe.copy:
        same = _("pictures and sound as they are")
        return f"{kind}, {same}"
    words = []
    if recipe.ratio:
        words.append(_("cut to %(ratio)s : 1") % {"ratio": f"{recipe.ratio:.3g}"})
    words.append("{} × {}".format(*recipe.size))
    seconds = int(recipe.length_s)
    words.append(_("%(time)s long") % {"time": f"{seconds // 60}:{seconds % 60:02}"})
    if facts.get("hdr"):
        words.append(_("HDR in the colours of every screen"))
    if facts.get("interlaced"):
        words.append(_("whole pictures"))
    return ", ".join([*words, kind])


#: What an account's `identity` is made of.
IDENTITY = ("external_id", "kind", "name", "handle", "url", "avatar_url", "extra")
#: The first account of each network, with what networks ask of one.
_first_of_each = FixedQuery(
    lambda brand: (
        ConnectedAccount.objects.filter(
            pk__in=ConnectedAccount.objects.connected()
            .filter(brand=brand)
            .order_by()
            .values("platform")
            .annotate(first=Min("pk"))
            .values("first")
        )
        .only("platform", "server_limits", *IDENTITY)
        .order_by("platform")
    ),
    SAMPLE_KEY,
)


def fits_of_brand(asset: MediaAsset) -> list[Fit]:
    """`fits` of all that its brand has connected."""
    return fits(asset, _first_of_each.objects(asset.brand_id))


def fits(asset: MediaAsset, accounts: Sequence[ConnectedAccount]) -> list[Fit]:
    """Each network of these accounts once, with what it says of this one file.

    An account's own server may have other limits: then the first account's count.
    """
    use = PostMedia(asset=asset, position=0, alt_text=asset.alt_text)
    file = use.as_file()
    found: dict[str, Fit] = {}
    for account in accounts:
        slug = account.platform
        if slug in found:
            continue
        judge = judge_of(account, Draft(text="", media=(file,)), 1)
        problems = [str(finding_sentence(one.cause, one.values)) for one in judge(file)]
        recipe = cure(file, judge, (asset.focus_x, asset.focus_y)) if problems else None
        found[slug] = Fit(registry.spec(slug), problems, asset, recipe)
    return list(found.values())


#: What a file loses where it is taken all the same.
SPOILT = {Cause.ANIMATION_LOST}


def judge_of(
    account: ConnectedAccount, draft: Draft, number: int, part: int = 1
) -> Judge:
    """What the account's network refuses or spoils of the draft's file of that number
    in that part, both from 1; and of all files, what another one there would add."""
    platform = registry.platform(account.platform)
    who, served = account.identity(), account.server_limits
    piece = parts.piece(draft, part)

    def found_with(file: MediaFile) -> list[Finding]:
        media = (*piece.media[: number - 1], file, *piece.media[number:])
        return [
            finding
            for finding in platform.check(replace(piece, media=media), who, served)
            if finding.level == Level.REFUSED or finding.cause in SPOILT
        ]

    def of_all(findings: Sequence[Finding]) -> set[Cause]:
        return {finding.cause for finding in findings if finding.field == "media"}

    before = of_all(found_with(piece.media[number - 1]))

    def judge(file: MediaFile) -> Sequence[Finding]:
        findings = found_with(file)
        added = of_all(findings) - before
        return [
            finding
            for finding in findings
            if finding.field == f"media:{number}"
            or (finding.field == "media" and finding.cause in added)
        ]

    return judge


@dataclass(frozen=True)
class Cure:
    """How a file of a post becomes one that a network takes.

    ready: one that was made of it before and fits. percent: of one that is being made.
    account, part_key: who wants it, and in which part of the form ("": the first).
    """

    asset: MediaAsset
    network: str
    recipe: AnyRecipe | None = None
    ready: MediaAsset | None = None
    percent: int | None = None
    account: int = 0
    part_key: str = ""

    @property
    def doing(self) -> str:
        return doing(self.recipe, self.asset) if self.recipe else ""

    @property
    def action(self) -> str:
        """What the button for it says in the form."""
        place = f":{self.part_key}" if self.part_key else ""
        return f"fit:{self.asset.pk}:{self.account}{place}"

    @property
    def look(self) -> str:
        return look_of(self.asset, self.recipe) if self.recipe else ""

    @property
    def film(self) -> Film | None:
        return film_of(self.asset, self.recipe)


def cure_in_post(
    account: ConnectedAccount,
    draft: Draft,
    number: int,
    asset: MediaAsset,
    part: int = 1,
) -> Cure | None:
    """What can be done about the part's file of that number; None: nothing here."""
    media = parts.piece(draft, part).media
    if number > len(media):  # captions
        return None
    file = media[number - 1]
    judge, name = judge_of(account, draft, number, part), account.spec.name
    recipe = cure(file, judge, (asset.focus_x, asset.focus_y))
    for made in asset.made.all():
        use = PostMedia(asset=made, position=0, alt_text=file.alt_text)
        if not judge(use.as_file()):
            return Cure(asset, name, recipe, ready=made)
    if recipe is None:
        return None
    going = recoding.going_on(asset) if isinstance(recipe, recoding.Recipe) else []
    for job in going:
        if recoding.Recipe.read(job.asked["recipe"]) == recipe:
            return Cure(asset, name, recipe, percent=job.percent)
    return Cure(asset, name, recipe)


def make(asset: MediaAsset, recipe: AnyRecipe, person: Any) -> MediaAsset | None:
    """The new image; None: a video, which the cluster makes. Raises UploadRefused."""
    if isinstance(recipe, recoding.Recipe):
        recoding.start(asset, recipe, person)
        return None
    return editing.make(asset, recipe, person)
