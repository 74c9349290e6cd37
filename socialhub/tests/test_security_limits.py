"""The limits of sign-in tries hold for all web processes together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a line of Python in a process with the settings of an installation."""
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "socialhub.settings",
        "SOCIALHUB_ENV_FILE": str(tmp_path / "none"),
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path / "data"),
    }

    def line(code: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup(); {code}"],
            cwd=settings.BASE_DIR,
            env=environment | more,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    return line


def test_a_try_that_one_process_counts_is_known_to_the_others(run: Run) -> None:
    run("from django.core.cache import cache; cache.set('tries', [1, 2])")

    seen = run("from django.core.cache import cache; print(cache.get('tries'))")

    assert seen == "[1, 2]"


def test_behind_a_proxy_tries_are_counted_by_who_asks_the_proxy(run: Run) -> None:
    code = (
        "from django.test import RequestFactory as F;"
        "from allauth.core.internal.httpkit import get_client_ip;"
        "print(get_client_ip(F().get('/', headers={'X-Forwarded-For': "
        "'6.6.6.6, 7.7.7.7'}, REMOTE_ADDR='10.0.0.1')))"
    )

    assert run(code, BEHIND_PROXY="true") == "7.7.7.7"
    assert run(code) == "10.0.0.1"
