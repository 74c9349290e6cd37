"""The system check: each line says what was found and exactly how to cure it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_q.models import Schedule

from accounts import budgets
from accounts.fields import SecretUnreadable
from accounts.models import Credential, Network, PlatformApp
from monitoring.management.commands.make_schedules import SCHEDULES
from monitoring.models import Heartbeat
from platforms import registry
from platforms.base import PlatformSpec
from platforms.checks import is_outside
from publishing import public_media

from .shell import seconds_in_words

#: More than this between our clock and the database's makes leases unreliable.
CLOCK_TOLERANCE_S = 2.0

OK, BAD, NOTE = "ok", "bad", "note"


@dataclass(frozen=True)
class Line:
    """state: ok (green), bad (red, with its cure) or note (works, but look at it)."""

    key: str
    title: str
    state: str
    found: str
    cure: str = ""
    #: a value to copy, such as a redirect address
    copy: str = ""


def run(request: HttpRequest | None = None) -> list[Line]:
    """All lines. Without a request, what only a browser can tell is left out."""
    database = _database()
    lines = [database]
    if database.state != BAD:
        lines += [
            _migrations(),
            _cluster("publish", _("Publishing engine")),
            _cluster("monitor", _("Health checks")),
            _schedules(),
            _clock(),
            _keys(),
        ]
    lines += [_mail(), _storage(), _debug()]
    if request is not None:
        lines.append(_site_url(request))
        lines.append(_public_media())
    if settings.PRACTICE_NETWORK_URL:
        lines.append(_practice_network())
    if database.state != BAD:
        lines += _platform_apps()
    return lines


def is_red(lines: list[Line]) -> bool:
    return any(line.state == BAD for line in lines)


# ---------------------------------------------------------------- the lines


def _database() -> Line:
    title = _("Database")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as exc:
        return Line(
            "database",
            title,
            BAD,
            _("%(kind)s does not answer: %(error)s.")
            % {"kind": connection.display_name, "error": type(exc).__name__},
            _("Start the database, or correct DATABASE_URL."),
        )
    return Line("database", title, OK, connection.display_name)


def pending_migrations() -> list[str]:
    """Names of migrations that have not run; raises DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _backwards in plan]


def _migrations() -> Line:
    title = _("Tables")
    waiting = pending_migrations()
    if not waiting:
        return Line("migrations", title, OK, _("All migrations have run."))
    return Line(
        "migrations",
        title,
        BAD,
        _("%(n)d migrations have not run, the first is %(name)s.")
        % {"n": len(waiting), "name": waiting[0]},
        _("Run: python manage.py migrate"),
    )


def _cluster(name: str, title: str) -> Line:
    beat = Heartbeat.objects.filter(name=name).first()
    cure = _(
        "Start it: python manage.py cluster %(name)s (make run starts everything). "
        "If it runs, look into its output for the reason."
    ) % {"name": name}
    key = f"cluster_{name}"
    if beat is None:
        return Line(key, title, BAD, _("Never seen."), cure)
    found = _("Last seen %(ago)s ago on %(host)s, restarted %(n)d times.") % {
        "ago": seconds_in_words(beat.age_s),
        "host": beat.host or "?",
        "n": beat.restarts,
    }
    if beat.is_silent:
        return Line(key, title, BAD, found, cure)
    return Line(key, title, OK, found)


def _schedules() -> Line:
    title = _("Schedules")
    have = set(Schedule.objects.values_list("name", flat=True))
    missing = [job.name for job in SCHEDULES if job.name not in have]
    if not missing:
        found = _("%(n)d schedules are in place.") % {"n": len(SCHEDULES)}
        return Line("schedules", title, OK, found)
    return Line(
        "schedules",
        title,
        BAD,
        _("Missing: %(names)s.") % {"names": ", ".join(missing)},
        _("Run: python manage.py make_schedules"),
    )


def _clock() -> Line:
    title = _("Clock")
    sql = {
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    }[connection.vendor]
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute(sql)
        theirs = float(cursor.fetchone()[0])
        ours = (before + time.time()) / 2
    apart = abs(ours - theirs)
    found = _("%(n).1f s apart from the database's clock.") % {"n": apart}
    if apart <= CLOCK_TOLERANCE_S:
        return Line("clock", title, OK, found)
    return Line(
        "clock",
        title,
        BAD,
        found,
        _("Switch on time synchronisation (NTP) on this host and the database's."),
    )


def _keys() -> Line:
    """The newest and the oldest secret of each kind can be opened."""
    title = _("Keys for stored secrets")

    def unreadable(exc: SecretUnreadable) -> Line:
        cure = _("Put the old key behind the new one: CREDENTIAL_KEYS=new,old")
        return Line("keys", title, BAD, str(exc), cure)

    tried = 0
    for model, field in (
        (Credential, "access_token"),
        (Credential, "refresh_token"),
        (PlatformApp, "client_secret"),
        (PlatformApp, "hook_secret"),
    ):
        stored = model._default_manager.exclude(**{field: ""})
        for order in ("pk", "-pk"):
            try:
                value = stored.order_by(order).values_list(field, flat=True).first()
            except SecretUnreadable as exc:
                return unreadable(exc)
            tried += value is not None
    factor = Authenticator.objects.filter(type=Authenticator.Type.TOTP).last()
    if factor is not None:
        try:
            decrypt(factor.data["secret"])
        except SecretUnreadable as exc:
            return unreadable(exc)
        tried += 1
    found = _("Stored secrets can be read.") if tried else _("No secret is stored yet.")
    return Line("keys", title, OK, found)


def mail_goes_out() -> bool:
    """False while mails only lie somewhere on this host."""
    return settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")


def _mail() -> Line:
    title = _("Mail")
    if not mail_goes_out():
        where = str(settings.EMAIL_FILE_PATH or settings.EMAIL_BACKEND)
        return Line(
            "mail",
            title,
            NOTE,
            _("No mail server: mails lie in %(where)s.") % {"where": where},
            _(
                "Set EMAIL_URL, for example smtp+tls://user:password@mail.example.com:587"
            ),
        )
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if settings.DEFAULT_FROM_EMAIL.rstrip(">").endswith("@localhost"):
        return Line(
            "mail",
            title,
            BAD,
            _("%(server)s, but the sender is %(sender)s.")
            % {"server": server, "sender": settings.DEFAULT_FROM_EMAIL},
            _("Set DEFAULT_FROM_EMAIL to an address that your server may send from."),
        )
    return Line("mail", title, OK, server)


def _storage() -> Line:
    title = _("File storage")
    text = secrets.token_hex(8).encode()
    try:
        name = default_storage.save("system-check/probe.txt", ContentFile(text))
        try:
            with default_storage.open(name) as file:
                same = file.read() == text
        finally:
            default_storage.delete(name)
    except OSError as exc:
        return Line(
            "storage",
            title,
            BAD,
            _("Cannot be written: %(error)s.") % {"error": exc.strerror or str(exc)},
            _("Give the user that runs SocialHub the right to write in %(where)s.")
            % {"where": settings.MEDIA_ROOT},
        )
    if not same:
        return Line(
            "storage",
            title,
            BAD,
            _("A file came back changed."),
            _("Check the disk or the storage service behind %(where)s.")
            % {"where": settings.MEDIA_ROOT},
        )
    return Line("storage", title, OK, _("Files can be written and read."))


def _debug() -> Line:
    title = _("Debug mode")
    if settings.DEBUG:
        return Line(
            "debug",
            title,
            BAD,
            _("On: error pages show the inside of the program to everybody."),
            _("Set DEBUG=false and restart."),
        )
    return Line("debug", title, OK, _("Off."))


def _site_url(request: HttpRequest) -> Line:
    title = _("Address")
    used = f"{request.scheme}://{request.get_host()}"
    if _origin(used) == _origin(settings.SITE_URL):
        return Line("site_url", title, OK, settings.SITE_URL)
    return Line(
        "site_url",
        title,
        BAD,
        _(
            "You came by %(used)s, but SITE_URL is %(set)s: links in mails and sign-ins "
            "at platforms lead there."
        )
        % {"used": used, "set": settings.SITE_URL},
        _(
            "Set SITE_URL=%(used)s, or open the pages by SITE_URL. Behind a proxy with "
            "https, set BEHIND_PROXY=true as well."
        )
        % {"used": used},
    )


def _public_media() -> Line:
    """Networks fetch files from here: read by ourselves, at most once a minute."""
    title = _("Files for networks that fetch them")
    names = ", ".join(s.name for s in registry.all_specs() if s.fetches_files)
    if not is_outside(settings.SITE_URL):
        return Line(
            "public_media",
            title,
            NOTE,
            _("%(names)s fetch files from SITE_URL, which leads to no public address.")
            % {"names": names},
            _(
                "Needed for real accounts there alone: the practice network goes without."
            ),
        )
    verdict = public_media.look()
    if verdict is None:
        return Line(
            "public_media",
            title,
            NOTE,
            _("Not looked at: PUBLIC_MEDIA_SELF_CHECK is off."),
        )
    if verdict.why:
        return Line(
            "public_media",
            title,
            BAD,
            verdict.why,
            _(
                "%(names)s cannot fetch files until it can be read from outside: check "
                "SITE_URL, its certificate and the proxy in front. Where this machine "
                "cannot call its own address, set PUBLIC_MEDIA_SELF_CHECK=false."
            )
            % {"names": names},
        )
    return Line("public_media", title, OK, _("Can be read from outside."))


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        parts.hostname,
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def practice_network_answers() -> bool:
    """One bounded look whether the practice network is up."""
    try:
        answer = requests.get(
            f"{settings.PRACTICE_NETWORK_URL}/api/state",
            timeout=(2, 3),
            allow_redirects=False,
        )
    except requests.RequestException:
        return False
    return answer.ok


def _practice_network() -> Line:
    title = _("Practice network")
    if practice_network_answers():
        return Line("practice", title, OK, settings.PRACTICE_NETWORK_URL)
    return Line(
        "practice",
        title,
        BAD,
        _("%(url)s does not answer.") % {"url": settings.PRACTICE_NETWORK_URL},
        _("Start it (make run starts everything), or empty PRACTICE_NETWORK_URL."),
    )


def redirect_address(slug: str) -> str:
    """What the platform's developer portal wants to know."""
    return f"{settings.SITE_URL}/accounts/callback/{slug}/"


def _name_of(slug: str) -> str:
    return registry.spec(slug).name


def _platform_apps() -> Iterator[Line]:
    """One line per network where our app is registered by hand.

    Never reads the secret itself: an unreadable one has its own line.
    """
    rows = PlatformApp.objects.filter(network=Network.LIVE).defer(
        "client_secret", "hook_secret"
    )
    apps = {app.platform: app for app in rows}
    with_secret = set(rows.exclude(client_secret="").values_list("platform", flat=True))
    for spec in registry.all_specs():
        if not spec.wants_app:
            continue
        key = f"app_{spec.slug}"
        address = redirect_address(spec.slug) if spec.oauth else ""
        title = _("App at %(name)s") % {"name": spec.name}
        app = apps.get(spec.slug)
        if app is None or not (app.client_id or spec.slug in with_secret):
            yield Line(
                key,
                title,
                NOTE,
                _(
                    "Not set up: only accounts that come with %(names)s can be connected."
                )
                % {"names": ", ".join(map(_name_of, spec.also_through))}
                if spec.also_through
                else _("Not set up: real accounts cannot be connected yet."),
                _(
                    "Register our app there and enter its id and secret under Platforms."
                ),
                address,
            )
        elif not app.client_id or spec.slug not in with_secret:
            missing = _("secret") if app.client_id else _("client id")
            yield Line(
                key,
                title,
                BAD,
                _("The %(what)s is missing.") % {"what": missing},
                _("Enter it under Platforms."),
                address,
            )
        elif app.state == PlatformApp.State.SUSPENDED:
            yield Line(
                key,
                title,
                BAD,
                _("Suspended by the platform."),
                _("Read the platform's message in its developer portal."),
                address,
            )
        else:
            yield Line(key, title, OK, str(app.get_state_display()), copy=address)
            if budgets.without([app]):
                yield _no_budget(spec)


def _no_budget(spec: PlatformSpec) -> Line:
    post, with_link = map(budgets.dollars, budgets.prices(spec.slug))
    return Line(
        f"budget_{spec.slug}",
        _("Money for %(name)s") % {"name": spec.name},
        NOTE,
        _(
            "A post costs %(post)s there, one with a link %(link)s; no budget is set, so "
            "nothing stops the spending."
        )
        % {"post": post, "link": with_link},
        _("Set a budget for a month under Platforms, %(name)s.") % {"name": spec.name},
    )
