"""Settings, all from the environment or `.env`; `.env.example` explains each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.urls import reverse_lazy

from .env import Env, SettingError

# Lets generic classes be written as the type checker wants them (ModelForm[Post]).
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(Path(os.environ.get("SOCIALHUB_ENV_FILE", BASE_DIR / ".env")))

DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
if len(SECRET_KEY) < 32:
    raise SettingError("SECRET_KEY is too short; write at least 32 characters.")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
#: First encrypts, all decrypt: put a new key in front to rotate.
CREDENTIAL_KEYS = env.fernet_keys("CREDENTIAL_KEYS")

#: Where the app is reached by people; OAuth redirect addresses start with it.
SITE_URL = env.url("SITE_URL", "http://127.0.0.1:8000")
_site = urlsplit(SITE_URL)
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS", ",".join({str(_site.hostname), "127.0.0.1", "localhost"})
)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", SITE_URL)

DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()

# --- database -----------------------------------------------------------------
_db = env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'socialhub.sqlite3'}")
if "sqlite3" in _db["ENGINE"]:
    # Measured: with anything less, writers of web and clusters meet "database is
    # locked" (no transaction here may wait for anything).
    _db["ENGINE"] = "socialhub.sqlite"  # Django's, without long naps
    _db["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
# CONN_MAX_AGE 0 would cost a reconnect per queue query, of which an idle cluster makes
# five a second: on SQLite, too, most of what it does.
_db |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
DATABASES: dict[str, dict[str, Any]] = {"default": _db}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- applications -------------------------------------------------------------
#: A cluster serves no pages: it loads those of the admin when it has to name one.
IN_CLUSTER = sys.argv[1:2] in (["cluster"], ["qcluster"])
INSTALLED_APPS = [
    "socialhub.apps.ShellConfig",
    "socialhub.apps.SkinConfig",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig"
    if IN_CLUSTER
    else "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "django_q",
    "accounts",
    "publishing",
    "monitoring",
]
MIDDLEWARE = [
    "socialhub.middleware.RoomMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "socialhub.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "socialhub.middleware.ReaderMiddleware",
    "socialhub.middleware.BodyLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "socialhub.middleware.UnreadableSecretMiddleware",
    "socialhub.middleware.MfaRequiredMiddleware",
]
ROOT_URLCONF = "socialhub.urls"
WSGI_APPLICATION = "socialhub.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "socialhub.template_loader.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "socialhub.shell.context",
            ],
        },
    },
]

# --- signing in ---------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = reverse_lazy("home")
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # people are invited by an admin, not signed up
ACCOUNT_ADAPTER = "socialhub.adapters.StaffAccountAdapter"
SOCIALACCOUNT_ADAPTER = "socialhub.adapters.StaffSocialAccountAdapter"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to addresses that nobody here has
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 1  # the one that an admin entered
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "SocialHub"
MFA_ADAPTER = "socialhub.adapters.StaffMfaAdapter"
# The rule is against strangers who sign up with somebody's address; nobody signs up.
MFA_ALLOW_UNVERIFIED_EMAIL = True
#: Admins must set up a second factor before they get any further.
MFA_REQUIRED_FOR_ADMINS = env.flag("MFA_REQUIRED_FOR_ADMINS", False)

OIDC_SERVER_URL = env.url("OIDC_SERVER_URL", "")
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "APPS": [
            {
                "provider_id": "company",
                "name": env.text("OIDC_NAME", "Company sign-in"),
                "client_id": env.text("OIDC_CLIENT_ID"),
                "secret": env.text("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_SERVER_URL},
            }
        ],
        "OAUTH_PKCE_ENABLED": True,
    }

# --- safety -------------------------------------------------------------------
_https = _site.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # OAuth callbacks come back from other sites
SECURE_HSTS_SECONDS = env.number("SECURE_HSTS_SECONDS", 3600 if _https else 0)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.flag("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Limits of sign-in tries count the proxy's visitors, not the proxy.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1

#: Address of the practice network; empty: there is none.
PRACTICE_NETWORK_URL = env.url("PRACTICE_NETWORK_URL", "")
#: host:port entries that may be called although they are private (a server of one's own).
ALLOWED_PRIVATE_HOSTS = env.words("ALLOWED_PRIVATE_HOSTS")
#: Read our own public addresses before a network is told to fetch from them. Off where
#: this machine cannot call its own address although others can.
PUBLIC_MEDIA_SELF_CHECK = env.flag("PUBLIC_MEDIA_SELF_CHECK", True)

# --- time and language ----------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
#: Shown to people who have not chosen a zone of their own.
DEFAULT_READER_TIME_ZONE = env.zone("DEFAULT_TIME_ZONE", "UTC")
#: In their own words, so that people find theirs on a page that they cannot read.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
#: Of mails to people, and of chat rooms, that have chosen none.
LANGUAGE_CODE = env.one_of("DEFAULT_LANGUAGE", "en", [code for code, _ in LANGUAGES])
FORMAT_MODULE_PATH = ["socialhub.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- files ----------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "media/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "publishing.incoming.FormFileHandler",
]
#: the largest file that may be added to a post
MEDIA_MAX_MB = env.number("MEDIA_MAX_MB", 4096, low=1, high=1024 * 1024)
#: what one person may add within 24 hours; 0: any amount
MEDIA_DAILY_MB = env.number("MEDIA_DAILY_MB", 20 * 1024, low=0, high=1024 * 1024 * 1024)
#: what the files of one brand may take together; 0: any amount
MEDIA_BRAND_MB = env.number("MEDIA_BRAND_MB", 0, low=0, high=1024 * 1024 * 1024)
#: Files that no post has and nobody kept are deleted after so many days; 0: never.
MEDIA_UNUSED_DAYS = env.number("MEDIA_UNUSED_DAYS", 30, low=0, high=3650)
#: what uploads leave free on the disk of DATA_DIR/media for database and logs
MEDIA_KEEP_FREE_MB = env.number("MEDIA_KEEP_FREE_MB", 1024, low=0, high=1024 * 1024)

# --- mail -----------------------------------------------------------------------
EMAIL_FILE_PATH = str(DATA_DIR / "mail")
if env.text("EMAIL_URL", "file"):
    _mail = env.text("EMAIL_URL", "file")
    if _mail == "file":
        #: Without a mail server, mails lie as files in DATA_DIR/mail.
        EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    else:
        globals().update(env.email("EMAIL_URL", "file"))
        EMAIL_FILE_PATH = ""
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "SocialHub <socialhub@localhost>")

# --- the queue --------------------------------------------------------------------
REDIS_URL = env.redis("REDIS_URL")
#: Begins every key in Redis, so that several installations can share one.
REDIS_PREFIX = env.text("REDIS_PREFIX", "socialhub")
#: Shared by all web processes of a host (limits on sign-in tries are counted here).
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_PREFIX,
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": DATA_DIR / "cache",
    },
    # The queue writes its own state here twice a second; nobody else reads it.
    "queue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
#: this host's name among all that share a database: its pumps and heartbeats carry it
HOST_NAME = env.host("HOST_NAME")
#: pumps of this host, each a process with threads of its own
PUBLISH_PUMPS = env.number("PUBLISH_PUMPS", 2, low=1, high=8)
#: how far looks, renewals and figures stand back from posts for the processor, as of
#: `nice`
MONITOR_NICE = env.number("MONITOR_NICE", 5, low=0, high=19)
#: threads that publish side by side in one pump
PUBLISH_THREADS = env.number("PUBLISH_THREADS", 50, low=1, high=500)
#: files that one pump sends beside its lanes and ahead of time
PUBLISH_UPLOADS = env.number("PUBLISH_UPLOADS", 4, low=1, high=50)
#: seconds a pump works before it hands over to a fresh one
PUMP_SECONDS = env.number("PUMP_SECONDS", 45, low=5, high=55)
#: seconds that one whole call to a network may take, connecting included
HTTP_TIMEOUT_S = env.number("HTTP_TIMEOUT_S", 60, low=1, high=60)
#: seconds that a claimed delivery belongs to its pump; each stored step renews them
PUBLISH_LEASE_S = env.number("PUBLISH_LEASE_S", 100, low=3, high=100)
if PUBLISH_LEASE_S < HTTP_TIMEOUT_S * 1.5:
    raise SettingError(
        f"PUBLISH_LEASE_S is {PUBLISH_LEASE_S}; write at least one and a half times "
        f"HTTP_TIMEOUT_S, which is {HTTP_TIMEOUT_S}."
    )
#: for drills: seconds after a lost answer at which is looked; empty: as each network
#: needs it
PUBLISH_LOOK_AFTER_S = [
    env.seconds("PUBLISH_LOOK_AFTER_S", word)
    for word in env.words("PUBLISH_LOOK_AFTER_S")
]
#: looks and renewals side by side in one round of the monitor cluster
HEALTH_THREADS = env.number("HEALTH_THREADS", 24, low=1, high=200)
#: one for each pump, one for the successor of one, one for what is short
_workers = PUBLISH_PUMPS + 2
_timeout = 180  # a pump's time and the longest call after it, with room
Q_CLUSTER: dict[str, Any] = {
    "name": "publish",
    "workers": _workers,
    "queue_limit": _workers,
    "timeout": _timeout,
    # Counted from fetching, so the wait in the cluster's own queue is in it.
    "retry": _timeout * 3 + 30,
    "bulk": 1,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": 20,
    "guard_cycle": 0.5,
    "recycle": 500,
    "poll": 0.2,
    "label": "Queue",
    "cache": "queue",
    "ALT_CLUSTERS": {"publish": {}, "monitor": {"workers": 2, "queue_limit": 2}},
    **(
        {"redis": REDIS_URL, "broker_class": "socialhub.broker.RedisBroker"}
        if REDIS_URL
        else {"orm": "default"}
    ),
}
#: a cluster without an end-to-end sign of life for so long is restarted
CLUSTER_SILENT_AFTER_S = env.number("CLUSTER_SILENT_AFTER_S", 30, low=10, high=600)

# --- logging ----------------------------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise SettingError("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}
    },
    "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["err"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL}
        for name in ("socialhub", "accounts", "publishing", "monitoring", "platforms")
    },
}

# --- the shell ----------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "SocialHub",
    "SITE_HEADER": "SocialHub",
    "SITE_SYMBOL": "campaign",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "STYLES": ["socialhub.shell.stylesheet"],
    "SCRIPTS": [],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
    },
}
