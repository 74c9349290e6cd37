"""`make env`: write `.env` with fresh keys. Never changes a value that is there.

The standard library only, and no settings: it must work when they are missing.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

NEW_FILE = """\
# Settings of this SocialHub. `.env.example` explains all of them.
# Keep a copy of this file in a safe place: without CREDENTIAL_KEYS the stored
# access to social networks cannot be read any more.

# Address that people type; redirect addresses at the networks start with it.
# SITE_URL=http://127.0.0.1:8000

# Address of the practice network. `make run` starts one on PRACTICE_PORT and sets
# this by itself.
# PRACTICE_NETWORK_URL=http://127.0.0.1:8801
"""


def make_keys() -> dict[str, str]:
    """Fresh values of the settings that must be secret."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CREDENTIAL_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }


def env_path() -> Path:
    default = Path(__file__).resolve().parent.parent / ".env"
    return Path(os.environ.get("SOCIALHUB_ENV_FILE", default))


def names_in(text: str) -> set[str]:
    """Names that have a value in the text of a `.env`."""
    names = set()
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and value.strip() and not name.startswith("#"):
            names.add(name.strip())
    return names


def make_env(path: Path) -> list[str]:
    """Add the keys that neither the file nor the environment has; returns their names.

    Raises OSError and UnicodeDecodeError when the file cannot be read or written.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    known = names_in(text) | {name for name, value in os.environ.items() if value}
    missing = {
        name: key
        for name, key in make_keys().items()
        if name not in known and f"{name}_FILE" not in known
    }
    if not missing and path.exists():
        return []
    whole = text or NEW_FILE
    if not whole.endswith("\n"):
        whole += "\n"
    whole += "".join(f"{name}={key}\n" for name, key in missing.items())
    # Beside it and then renamed: a full disk must not cost the keys that were there.
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as f:
        f.write(whole)
    fresh.replace(path)
    return list(missing)


def main() -> int:
    path = env_path()
    try:
        made = make_env(path)
    except (OSError, UnicodeDecodeError) as exc:
        sys.stderr.write(
            f"{path} cannot be read or written ({exc}): make the file and its folder "
            "writable.\n"
        )
        return 2
    if made:
        sys.stdout.write(f"{path}: made {' and '.join(made)}. Keep a copy of it.\n")
    else:
        sys.stdout.write(f"{path}: nothing was missing.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
