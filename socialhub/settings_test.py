"""Settings of the test run: fixed toy secrets, own files, no mail leaves."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

os.environ.setdefault("SOCIALHUB_ENV_FILE", "/nonexistent")
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("CREDENTIAL_KEYS", Fernet.generate_key().decode())
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="socialhub-test-"))
os.environ.setdefault("SITE_URL", "http://testserver")

from .settings import *  # noqa: F403
from .settings import CACHES, DATA_DIR, DATABASES, STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"]["BACKEND"] = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)
CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
(Path(DATA_DIR) / "static").mkdir(exist_ok=True)
if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, so that tests with threads and processes see the same database.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(DATA_DIR) / "test.sqlite3")}
elif name := os.environ.get("TEST_DATABASE_NAME"):
    # Parts of a run that work on one server side by side (tests/run.py).
    DATABASES["default"]["TEST"] = {"NAME": name}
