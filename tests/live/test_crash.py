"""`manage.py drill crash`, small: the database of this run with each broker."""

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
from tests import needs

pytestmark = pytest.mark.live

POSTGRES = "postgresql" in settings.DATABASES["default"]["ENGINE"]
#: Seeds whose blows are quickly over: nothing has to stand still. Redis is for several
#: hosts, as PostgreSQL is.
SEEDS = {"orm": 199, "redis": 53} if POSTGRES else {"orm": 199}


@pytest.mark.parametrize("broker", list(SEEDS))
def test_no_crash_doubles_or_loses_a_post(tmp_path, broker):
    if broker == "redis" and "redis" in needs.missing():
        pytest.skip(needs.missing()["redis"])
    names = {"PATH", "HOME", "TEST_POSTGRES_URL", "TEST_REDIS_URL", FOLDER}
    env = {k: v for k, v in os.environ.items() if k in names} | {
        "SOCIALHUB_ENV_FILE": "/nonexistent",
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(tmp_path),
    }
    argv = ["--deliveries", "60", "--seed", str(SEEDS[broker]), "--broker", broker]
    argv += ["--database", "postgres" if POSTGRES else "sqlite"]
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", "crash", *argv],
        env=env,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["doubled"], figures["lost"], figures["uncertain_left"]) == (0, 0, 0)
    assert figures["deliveries"] == 60
    assert figures["published"] >= 40
    assert figures["kills"] >= 1
    assert figures["broker"] == broker
