"""`manage.py bench health`, small: real clusters look after a few credentials."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from socialhub.ready_tables import FOLDER
from socialhub.sandbox import BASE_DIR

pytestmark = pytest.mark.live


def test_looks_and_posts_side_by_side_are_counted_and_all_come_to_an_end(tmp_path):
    postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    names = {"PATH", "HOME", "TEST_POSTGRES_URL", FOLDER}
    env = {k: v for k, v in os.environ.items() if k in names} | {
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
    }
    argv = ["--credentials", "8", "--rounds", "1"]
    argv += ["--database", "postgres" if postgres else "sqlite"]
    done = subprocess.run(
        [sys.executable, "manage.py", "bench", "health", *argv],
        env=env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["unproven"], figures["doubled"], figures["lost"]) == (0, 0, 0)
    assert (figures["credentials"], figures["posts"]) == (8, 16)
    assert figures["looks"] == 4, "the others were the warm-up"
    assert figures["looks_beside"] >= 8
    assert figures["memory_mb"] > 50
    measured = ("calls_per_s", "cost_growth", "publishing_lateness_ratio")
    assert all(figures[key] > 0 for key in measured)
