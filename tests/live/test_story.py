"""`manage.py drill story` from start to end, on the database of this run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from socialhub.ready_tables import FOLDER
from socialhub.sandbox import BASE_DIR, bluesky_installed

pytestmark = pytest.mark.live


def test_the_story_is_told_without_loss_or_double(tmp_path):
    postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    env = {
        k: v
        for k, v in os.environ.items()
        if k in {"PATH", "HOME", "TEST_POSTGRES_URL", FOLDER}
    } | {
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
    }
    kind = "postgres" if postgres else "sqlite"
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", "story", "--database", kind],
        env=env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["doubled"], figures["lost"]) == (0, 0)
    assert (figures["held"], figures["released"], figures["checked"]) == (1, 1, 1)
    assert figures["published"] >= 9
    assert figures["real_bluesky"] is bluesky_installed()
