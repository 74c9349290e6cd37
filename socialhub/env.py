"""Typed values from the environment. A bad one stops the start and names itself.

Each value may also come from a file whose path is in NAME_FILE (for secrets).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured


class SettingError(ImproperlyConfigured):
    """One sentence: which setting, what is wrong with it, what to write instead."""


class Env:
    """Reads `.env` (values that are already in the environment win) and converts."""

    def __init__(self, dotenv: Path) -> None:
        self.dotenv = dotenv
        if dotenv.exists():
            self._check_lines(dotenv)
            environ.Env.read_env(dotenv)
        self._env = environ.Env()

    def _check_lines(self, dotenv: Path) -> None:
        try:
            text = dotenv.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingError(
                f"{dotenv} cannot be read ({exc}). Make it readable UTF-8 text, "
                "or move it away to start with fresh settings."
            ) from exc
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip().removeprefix("export ")
            if bare and not bare.startswith("#"):
                name = bare.split("=", 1)[0].strip()
                if "=" not in bare or not name.replace("_", "").isalnum():
                    raise SettingError(
                        f"{dotenv.name}, line {number}: expected NAME=value, "
                        f"found {bare[:20]!r}. Mend or delete that line."
                    )

    def raw(self, name: str, default: str | None = None) -> str:
        """The text of a setting; from NAME_FILE when NAME is not set."""
        path = os.environ.get(f"{name}_FILE", "")
        if name not in os.environ and path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as exc:
                raise SettingError(
                    f"{name}_FILE points to {path}, which cannot be read: "
                    f"{exc.strerror}."
                ) from exc
        value = os.environ.get(name, "").strip() or default
        if value is None:
            raise SettingError(
                f"{name} is not set. Write {name}=... into .env, or run "
                "`make env` to have it made."
            )
        return value

    def text(self, name: str, default: str | None = None) -> str:
        return self.raw(name, default)

    def flag(self, name: str, default: bool) -> bool:
        value = self.raw(name, "true" if default else "false").lower()
        if value in {"true", "1", "yes", "on"}:
            return True
        if value in {"false", "0", "no", "off"}:
            return False
        raise SettingError(f"{name} is {value!r}; write true or false.")

    def number(
        self, name: str, default: int, *, low: int = 0, high: int = 10**9
    ) -> int:
        value = self.raw(name, str(default))
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingError(
                f"{name} is {value!r}; write a whole number from {low} to {high}."
            )
        return number

    def seconds(self, name: str, value: str) -> float:
        """One of several numbers of seconds in a setting."""
        try:
            number = float(value)
        except ValueError:
            number = -1
        if not 0 < number < 10**6:
            raise SettingError(
                f"{name} holds {value!r}; write seconds such as 5,30,120."
            )
        return number

    def words(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [w.strip() for w in self.raw(name, default).split(",") if w.strip()]

    def url(self, name: str, default: str = "") -> str:
        """An http(s) address without a trailing slash, or ""."""
        value = self.raw(name, default).rstrip("/")
        if value:
            parts = urlsplit(value)
            try:
                good = parts.scheme in {"http", "https"} and bool(parts.hostname)
                _ = parts.port
            except ValueError:
                good = False
            if not good:
                raise SettingError(
                    f"{name} is {value!r}; write an address such as "
                    "https://social.example.com."
                )
        return value

    def host(self, name: str) -> str:
        """A host's name; the machine's own when it is not set."""
        return self.raw(name, socket.gethostname())[:40]

    def redis(self, name: str) -> str:
        """Address of a Redis server, or ""."""
        value = self.raw(name, "")
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise SettingError(
                f"{name} is not a Redis address; write redis://host:6379/0."
            )
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        value = self.raw(name, default)
        try:
            config = dict(self._env.db_url_config(value))
        except Exception as exc:
            raise SettingError(f"{name} is not a database address: {exc}.") from exc
        engine = config.get("ENGINE", "")
        if engine not in {
            "django.db.backends.sqlite3",
            "django.db.backends.postgresql",
        }:
            raise SettingError(
                f"{name} must start with sqlite:/// or postgres://; "
                f"found {value.split(':', 1)[0]!r}."
            )
        return config

    def email(self, name: str, default: str) -> dict[str, Any]:
        value = self.raw(name, default)
        try:
            return dict(self._env.email_url_config(value))
        except Exception as exc:
            raise SettingError(
                f"{name} is not a mail server address such as "
                f"smtp+tls://user:password@mail.example.com:587 ({exc})."
            ) from exc

    def fernet_keys(self, name: str, default: str | None = None) -> list[str]:
        keys = [k.strip() for k in self.raw(name, default).split(",") if k.strip()]
        for position, key in enumerate(keys, 1):
            try:
                Fernet(key)
            except (ValueError, TypeError) as exc:
                raise SettingError(
                    f"{name}, key {position}: not a Fernet key (32 bytes, url-safe "
                    "base64). `make env` makes one."
                ) from exc
        if not keys:
            raise SettingError(f"{name} is empty; at least one key is needed.")
        return keys

    def one_of(self, name: str, default: str, values: Sequence[str]) -> str:
        value = self.raw(name, default)
        if value not in values:
            known = " or ".join(values)
            raise SettingError(f"{name} is {value!r}; write {known}.")
        return value

    def zone(self, name: str, default: str) -> str:
        from zoneinfo import ZoneInfo

        value = self.raw(name, default)
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as exc:
            raise SettingError(
                f"{name} is {value!r}; write a zone such as Europe/Berlin."
            ) from exc
        return value
