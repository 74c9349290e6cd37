"""`manage.py drill health`, small: some days of a few accesses on this run's database."""

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


def test_each_dead_access_is_found_before_its_next_post_and_no_other(tmp_path):
    postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
    names = {"PATH", "HOME", "TEST_POSTGRES_URL", FOLDER}
    env = {k: v for k, v in os.environ.items() if k in names} | {
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
    }
    argv = ["--credentials", "14", "--days", "4", "--seed", "3"]
    argv += ["--database", "postgres" if postgres else "sqlite"]
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", "health", *argv],
        env=env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["deaths"] >= 5
    assert (figures["detected_share"], figures["named_share"]) == (1.0, 1.0)
    assert (figures["false_alarms"], figures["lost_by_refresh"]) == (0, 0)
    assert figures["alerts_per_incident"] == 1.0
    assert figures["not_mended"] == 0
