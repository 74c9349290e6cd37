"""What tests may need beyond Python, whether this machine has it, and how to get it."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

NODE_MODULES = Path(__file__).resolve().parent / "node" / "node_modules"
AXE = NODE_MODULES / "axe-core" / "axe.min.js"
NPM_CURE = "install Node 20 and run `make test-servers`"


def postgres_url() -> str:
    return os.environ.get(
        "TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    )


def redis_url() -> str:
    return os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


def chromium() -> str:
    """Path of a Chromium, or "". The one that has no window does the same for a quarter
    less work."""
    named = os.environ.get("CHROMIUM", "")
    windowless = "chromium-headless-shell"
    for name in (named, windowless, "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    return ""


def _postgres() -> bool:
    import psycopg

    try:
        psycopg.connect(postgres_url(), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis() -> bool:
    import redis

    try:
        with redis.Redis.from_url(redis_url(), socket_connect_timeout=3) as server:
            return bool(server.ping())
    except redis.RedisError:
        return False


@cache
def missing() -> dict[str, str]:
    """name -> what would mend it, for everything that is not here."""
    found: dict[str, str] = {}
    if not chromium():
        found["browser"] = (
            "install Chromium (Debian: apt install chromium-headless-shell)"
        )
    if not AXE.exists():
        found["axe"] = NPM_CURE
    if not all(shutil.which(name) for name in ("xgettext", "msgmerge", "msgfmt")):
        found["gettext"] = "install GNU gettext (Debian: apt install gettext)"
    if not (NODE_MODULES / "@atproto" / "dev-env").is_dir() or not shutil.which("node"):
        found["bluesky_server"] = NPM_CURE
    if not _postgres():
        found["postgres"] = "start PostgreSQL, or name one in TEST_POSTGRES_URL"
    if not _redis():
        found["redis"] = "start Redis, or name one in TEST_REDIS_URL"
    return found


def asks_for_database(item: pytest.Item) -> bool:
    """Whether this test may reach Django's database: all others are refused it."""
    fixtures = set(getattr(item, "fixturenames", ()))
    marked = item.get_closest_marker("django_db") is not None
    return marked or not fixtures.isdisjoint({"db", "transactional_db"})
