"""`manage.py drill platforms`, small: one platform, killed and cut."""

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


def test_each_kind_comes_through_whatever_dies_meanwhile(tmp_path):
    postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    names = {"PATH", "HOME", "TEST_POSTGRES_URL", FOLDER}
    env = {k: v for k, v in os.environ.items() if k in names} | {
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
    }
    argv = ["--only", "pinterest", "--clusters", "1"]
    argv += ["--database", "postgres" if postgres else "sqlite"]
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", "platforms", *argv],
        env=env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["platforms"], figures["kinds"]) == (1, 3)
    assert figures["published"] == figures["deliveries"]
    assert figures["resumed"] >= 6
    assert figures["kills"] >= 1
    assert (figures["failed"], figures["doubled"], figures["lost"]) == (0, 0, 0)
    assert figures["not_made"] == 0
