"""Makes another image of one: cut, smaller, in another format. A process of its own.

    python -I reshape.py PATH OUTPUT_FOLDER RECIPE

RECIPE is JSON: `ratio` (width / height to cut to, null: as it is), `focus` ([x, y] from
0 to 1: what stays when it is cut), `max_side` (pixels, null), `mime_type` (image/jpeg or
image/png), `max_bytes` (null: any). The result is `made` in the output folder, upright,
in the colours of every screen (sRGB) and without the notes of the camera; the answer is
`examine`'s, its facts the new width and height. What cannot be made small enough is refused ("stays_large").
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

#: Each is tried while the file is too heavy; then it is made smaller.
QUALITIES = (92, 85, 78)
SMALLER = 0.85
#: Shorter sides than this are no picture any more.
MIN_SIDE = 64


def cut(
    size: tuple[int, int], ratio: float, focus: tuple[float, float]
) -> tuple[int, int, int, int]:
    """The largest box of this ratio; focus as in CSS's object-position, from 0 to 1.

    Rounded to the inside: cut to the widest that is allowed, it is never wider.

    Returns left, top, right, bottom in pixels.
    """
    width, height = size
    box_width, box_height = width, height
    if width / height > ratio:
        box_width = max(1, int(height * ratio))
    else:
        box_height = max(1, int(width / ratio))
    left = round((width - box_width) * focus[0])
    top = round((height - box_height) * focus[1])
    return left, top, left + box_width, top + box_height


def reshaped(image: Any, recipe: dict[str, Any]) -> Any:
    """The image, which is upright, cut and not larger than `max_side`."""
    if recipe["ratio"]:
        image = image.crop(cut(image.size, recipe["ratio"], recipe["focus"]))
    if recipe["max_side"]:
        image.thumbnail((recipe["max_side"], recipe["max_side"]))
    return image


def on_paper(image: Any) -> Any:
    """What knows no transparency shows white where something shines through."""
    from PIL import Image

    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, "white")
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def save(image: Any, recipe: dict[str, Any], path: Path, refused: Any) -> None:
    is_jpeg = recipe["mime_type"] == "image/jpeg"
    if is_jpeg:
        image = on_paper(image)
    while True:
        for quality in QUALITIES if is_jpeg else (None,):
            if is_jpeg:
                image.save(path, "JPEG", quality=quality, optimize=True)
            else:
                image.save(path, "PNG", optimize=True)
            if path.stat().st_size <= (recipe["max_bytes"] or sys.maxsize):
                return
        smaller = [round(side * SMALLER) for side in image.size]
        if min(smaller) < MIN_SIDE:
            raise refused("stays_large", limit=recipe["max_bytes"] >> 10)
        image = image.resize(smaller)


def reshape(examine: Any, path: Path, out: Path, recipe: dict[str, Any]) -> Any:
    from PIL import ImageOps

    with path.open("rb") as file:
        image = examine.open_image(file)
        try:
            image.load()
        except examine.BROKEN:
            raise examine.Refused("damaged") from None
        image = examine.ordinary(ImageOps.exif_transpose(image))
        image = reshaped(image, recipe)
        save(image, recipe, out / "made", examine.Refused)
    return {"width": image.width, "height": image.height}


def main() -> None:
    # Started alone (-I), a program does not find its neighbours by name.
    beside = Path(__file__).with_name("examine.py")
    found = importlib.util.spec_from_file_location("examine", beside)
    assert found is not None
    assert found.loader is not None
    examine = importlib.util.module_from_spec(found)
    found.loader.exec_module(examine)
    path, out, recipe = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    examine.answer_with(lambda: reshape(examine, path, out, recipe))


if __name__ == "__main__":
    main()
