"""Other images of an image: cut, smaller, in another format. The original stays.

`reshape` does it, in a process of its own; this says what a person can choose.
`recoding` does the same for videos, and `fitting` says what a network would take.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from django.utils.translation import gettext_lazy as _

from . import incoming, media, reshape
from .measuring import ask
from .models import MediaAsset

JPEG, PNG = "image/jpeg", "image/png"
#: What a person may cut to: key -> words, width / height.
SHAPES: dict[str, tuple[Any, float | None]] = {
    "": (_("As it is"), None),
    "1:1": (_("Square, 1:1"), 1.0),
    "4:5": (_("Upright, 4:5"), 4 / 5),
    "9:16": (_("Story, 9:16"), 9 / 16),
    "1.91:1": (_("Wide, 1.91:1"), 1.91),
    "16:9": (_("Film, 16:9"), 16 / 9),
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
        return media.keep_made(made, name + suffix, asset, user)


def may_edit(asset: MediaAsset) -> bool:
    return asset.kind == MediaAsset.Kind.IMAGE
