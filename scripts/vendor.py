"""Renew the third-party front-end files that lie in this repository (`make vendor`).

Fetches the pinned package with npm, takes the files that we use, and writes their
version and licence beside them. Everything else of the front end (htmx, Alpine,
Chart.js, fonts, icons) comes with the pinned Python packages.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, VERSION, LICENCE = "simple-icons", "13.21.0", "CC0-1.0"
TARGET = ROOT / "templates" / "_partials" / "platforms"
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
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"],  # noqa: S607
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            for slug, name in MARKS.items():
                member = archive.extractfile(f"package/icons/{name}.svg")
                assert member is not None
                found = re.search(r'<path d="([^"]+)"', member.read().decode())
                assert found is not None
                (TARGET / f"{slug}.svg").write_text(
                    '<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
                    f'<path d="{found.group(1)}"/></svg>\n'
                )
            licence = archive.extractfile("package/LICENSE.md")
            assert licence is not None
            (TARGET / "LICENSE.md").write_bytes(licence.read())
    (TARGET / "VERSION").write_text(f"{PACKAGE} {VERSION} ({LICENCE})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
