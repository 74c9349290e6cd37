"""Renew the third-party files that lie in this repository (`make vendor`).

Fetches the pinned packages with npm, takes the files that we use, and writes their
version and licence beside them. Everything else of the front end (htmx, Alpine,
Chart.js, fonts, icons) comes with the pinned Python packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: package, version, licence
ICONS = ("simple-icons", "13.21.0", "CC0-1.0")
CALENDAR = ("fullcalendar", "6.1.21", "MIT")
MARKS_TO = ROOT / "static" / "vendor" / "simple-icons"
CALENDAR_TO = ROOT / "static" / "vendor" / "fullcalendar"
#: what PDF reports are written with: each carries the letters that it uses
FONTS = ("dejavu-fonts-ttf", "2.37.3", "Bitstream-Vera")
FONTS_TO = ROOT / "publishing" / "fonts"
FACES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
#: our slug -> the name there
MARKS = {
    "mastodon": "mastodon",
    "bluesky": "bluesky",
    "x": "x",
    "linkedin": "linkedin",
    "facebook": "facebook",
    "instagram": "instagram",
    "threads": "threads",
    "tiktok": "tiktok",
    "snapchat": "snapchat",
    "youtube": "youtube",
    "pinterest": "pinterest",
}


def main() -> int:
    with fetched(ICONS, MARKS_TO) as package:
        marks = ['<svg xmlns="http://www.w3.org/2000/svg">']
        for slug, name in MARKS.items():
            drawing = package(f"icons/{name}.svg").decode()
            found = re.search(r'<path d="([^"]+)"', drawing)
            assert found is not None
            marks.append(
                f'<symbol id="{slug}" viewBox="0 0 24 24">'
                f'<path d="{found.group(1)}"/></symbol>'
            )
        (MARKS_TO / "marks.svg").write_text("\n".join([*marks, "</svg>\n"]))
    with fetched(CALENDAR, CALENDAR_TO) as package:
        # Its own icons are not used, and our policy refuses a font inside a style.
        font = r"@font-face\{font-family:fcicons;[^}]*\}"
        whole = package("index.global.min.js").decode()
        code, number = re.subn(font, "", whole)
        assert number == 1
        (CALENDAR_TO / "fullcalendar.min.js").write_text(code)
    with fetched(FONTS, FONTS_TO, "LICENSE") as package:
        for face in FACES:
            (FONTS_TO / face).write_bytes(package(f"ttf/{face}"))
    return 0


@contextmanager
def fetched(
    package: tuple[str, str, str], target: Path, licence_file: str = "LICENSE.md"
) -> Iterator[Callable[[str], bytes]]:
    """Reads files of a package by their path in it; version and licence are kept."""
    name, version, licence = package
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", f"{name}@{version}"],  # noqa: S607
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:

            def read(path: str) -> bytes:
                member = archive.extractfile(f"package/{path}")
                assert member is not None
                return member.read()

            (target / licence_file).write_bytes(read(licence_file))
            yield read
    (target / "VERSION").write_text(f"{name} {version} ({licence})\n")


if __name__ == "__main__":
    sys.exit(main())
