"""Other images of an image: cut, smaller, in another format. The original stays.

`reshape` does it, in a process of its own; this says what is wanted, for a person's own
choice and for what a network takes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.causes import finding_sentence
from accounts.models import ConnectedAccount
from platforms import registry
from platforms.base import Draft, Level, MediaRule, PlatformSpec

from . import incoming, media, reshape
from .measuring import TYPES, ask
from .models import MediaAsset, PostMedia

JPEG, PNG = "image/jpeg", "image/png"
#: What a person may cut to: key -> words, width / height.
SHAPES: dict[str, tuple[Any, float | None]] = {
    "": (gettext_lazy("As it is"), None),
    "1:1": (gettext_lazy("Square, 1:1"), 1.0),
    "4:5": (gettext_lazy("Upright, 4:5"), 4 / 5),
    "9:16": (gettext_lazy("Story, 9:16"), 9 / 16),
    "1.91:1": (gettext_lazy("Wide, 1.91:1"), 1.91),
    "16:9": (gettext_lazy("Film, 16:9"), 16 / 9),
}
#: What a person may make it smaller to: the longer side, in pixels.
SIDES = (4096, 2048, 1080)


@dataclass(frozen=True)
class Recipe:
    """What to make of an image; fields as in `reshape`."""

    ratio: float | None = None
    focus: tuple[float, float] = (0.5, 0.5)
    max_side: int | None = None
    mime_type: str = JPEG
    max_bytes: int | None = None


def make(asset: MediaAsset, recipe: Recipe, user: Any) -> MediaAsset:
    """A new file of the same brand beside this one. Raises UploadRefused."""
    suffix = MediaAsset.SUFFIXES[recipe.mime_type]
    with tempfile.TemporaryDirectory(prefix="made-", dir=incoming.folder()) as folder:
        source, out = Path(folder) / "source", Path(folder)
        with (
            asset.file.storage.open(str(asset.file.name), "rb") as stored,
            source.open("wb") as copy,
        ):
            while block := stored.read(incoming.BLOCK):
                copy.write(block)
        program = Path(reshape.__file__)
        wanted = json.dumps(asdict(recipe))
        size = ask(program, str(source), str(out), wanted, name=asset.name)
        made = out / "made"
        name = f"{PurePath(asset.name).stem[:150]} {size['width']}x{size['height']}"
        media.check_allowance(user, name, made.stat().st_size)
        media.check_quota(asset.brand, name, made.stat().st_size)
        new = media.keep(made, name + suffix, asset.brand, user)
    if new.original_id is None and new.pk != asset.pk:
        new.original = asset
        new.alt_text = new.alt_text or asset.alt_text
        new.folder = new.folder or asset.folder
        new.focus_x, new.focus_y = asset.focus_x, asset.focus_y
        new.save()
    return new


def may_edit(asset: MediaAsset) -> bool:
    return asset.kind == MediaAsset.Kind.IMAGE


@dataclass(frozen=True)
class Fit:
    """Whether a network takes a file as it is.

    problems: sentences; empty: it does. recipe: what would make it fit; None: nothing
    that can be done here.
    """

    spec: PlatformSpec
    problems: Sequence[str]
    recipe: Recipe | None = None

    @cached_property
    def doing(self) -> str:
        """What the recipe does, in words."""
        if self.recipe is None:
            return ""
        words = []
        if self.recipe.ratio:
            words.append(
                _("cut to %(ratio)s : 1") % {"ratio": f"{self.recipe.ratio:g}"}
            )
        kind = TYPES[self.recipe.mime_type][0]
        words.append(_("saved as %(kind)s") % {"kind": kind})
        if self.recipe.max_bytes:
            size = f"{self.recipe.max_bytes / 1_000_000:g}"
            words.append(_("at most %(size)s MB") % {"size": size})
        return ", ".join(words)


def fits(asset: MediaAsset, accounts: Sequence[ConnectedAccount]) -> list[Fit]:
    """Each network of these accounts once, with what it says of this one file.

    An account's own server may have other limits: then the first account's count.
    """
    use = PostMedia(asset=asset, position=0, alt_text=asset.alt_text)
    draft = Draft(text="", media=(use.as_file(),))
    found = {}
    for account in accounts:
        slug = account.platform
        if slug in found:
            continue
        spec, platform = registry.spec(slug), registry.platform(slug)
        findings = platform.check(draft, account.identity(), account.server_limits)
        problems = [
            str(finding_sentence(one.cause, one.values))
            for one in findings
            if one.level == Level.REFUSED and one.field == "media:1"
        ]
        recipe = recipe_for(asset, spec.images) if problems else None
        found[slug] = Fit(spec, problems, recipe)
    return list(found.values())


def recipe_for(asset: MediaAsset, rule: MediaRule | None) -> Recipe | None:
    """What makes an image one that the rule lets pass; None: it cannot be told."""
    if rule is None or not may_edit(asset) or not asset.height:
        return None
    ratio = asset.width / asset.height
    cut_to = None
    if rule.min_ratio and ratio < rule.min_ratio:
        cut_to = rule.min_ratio
    elif rule.max_ratio and ratio > rule.max_ratio:
        cut_to = rule.max_ratio
    mime_type = PNG if asset.mime_type == PNG and PNG in rule.mime_types else JPEG
    if asset.size_bytes > rule.max_bytes and JPEG in rule.mime_types:
        mime_type = JPEG  # a photo in a tenth of the bytes
    if mime_type not in rule.mime_types:
        return None
    side = None
    if rule.max_pixels and asset.width * asset.height > rule.max_pixels:
        shape = cut_to or ratio
        long = max(shape, 1 / shape)
        # A little less: the shorter side may be rounded up.
        side = int((rule.max_pixels * long) ** 0.5 - long)
    return Recipe(
        ratio=cut_to,
        focus=(asset.focus_x, asset.focus_y),
        max_side=side,
        mime_type=mime_type,
        max_bytes=rule.max_bytes,
    )
