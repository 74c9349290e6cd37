"""What live tests of bench and drill commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from socialhub.ready_tables import FOLDER
from socialhub.sandbox import BASE_DIR


@pytest.fixture
def run_command(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run `manage.py ...` on the database of this test run; the figures it prints."""

    def run(*argv: str) -> dict[str, Any]:
        postgres = "postgresql" in settings.DATABASES["default"]["ENGINE"]
        names = {"PATH", "HOME", "TEST_POSTGRES_URL", FOLDER}
        env = {k: v for k, v in os.environ.items() if k in names} | {
            "SOCIALHUB_ENV_FILE": "/nonexistent",
            "SECRET_KEY": "x" * 50,
            "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
            "DATA_DIR": str(tmp_path),
        }
        database = ["--database", "postgres" if postgres else "sqlite"]
        done = subprocess.run(
            [sys.executable, "manage.py", *argv, *database],
            env=env,
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            timeout=400,
        )
        sys.stderr.write(
            done.stderr[-6000:]
        )  # shown where a figure is not as it should be
        assert done.returncode == 0, done.stderr[-6000:]
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    return run
