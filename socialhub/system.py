"""The system check: each line says what was found and exactly how to cure it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.models import Failure, Schedule

from monitoring.management.commands.make_schedules import SCHEDULES
from monitoring.models import Heartbeat
from platforms import registry
from platforms.checks import is_outside
from publishing import public_media

from . import probes
from .app_checks import BAD, NOTE, OK, AppCheck
from .probes import Finding
from .shell import seconds_in_words

#: More than this between our clock and the database's makes leases unreliable.
CLOCK_TOLERANCE_S = 2.0
#: Date headers have whole seconds, and the answer was on its way.
OUTSIDE_TOLERANCE_S = 10.0
#: A job of every minute that is later than this: nobody looks at the schedules.
SCHEDULER_LATE = timedelta(minutes=3)
#: Failed jobs of so long are counted.
LATELY = timedelta(days=1)

CLUSTERS = ("publish", "monitor")

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Line:
    """state: ok (green), bad (red, with its cure), note (works, but look at it) or
    unknown (nobody has looked yet; the cure says how)."""

    key: str
    title: str
    state: str
    found: str
    cure: str = ""
    #: when somebody looked, of what is not looked at each time
    at: datetime | None = None


def run(request: HttpRequest | None = None, *, deep: bool = True) -> list[Line]:
    """All lines. Without a request, what only a browser can tell is left out.

    deep: ask other machines and write to the disk now; else what the last such look
    found stands there, with its time.
    """
    database = _database()
    found = probes.remembered([*probes.LOOKS, "mail"])
    if deep:
        found |= probes.look_at_all(reads_rows=database.state != BAD)
    lines = [database]
    if database.state != BAD:
        lines += [
            _migrations(deep),
            *_clusters(),
            *_schedules(),
            _clock(),
            _clock_outside(found.get("clock_outside")),
            _keys(found.get("keys")),
        ]
    lines += [_mail(found.get("mail")), _storage(found.get("storage")), _disk()]
    lines.append(_debug())
    if request is not None:
        lines.append(_site_url(request))
        lines.append(_public_media(deep))
    if settings.REDIS_URL:
        lines.append(_redis(found.get("redis")))
    if settings.PRACTICE_NETWORK_URL:
        lines.append(_practice_network(found.get("practice")))
    return [_in_time(line, found.get(line.key)) for line in lines]


def _in_time(line: Line, found: Finding | None) -> Line:
    """As it is, unless its look had told nothing when the others were over."""
    if not found or not found.get("late"):
        return line
    text = _("No answer within %(n)d seconds.") % {"n": probes.BOUND_S}
    cure = _("Something in its way is slow or hangs. Look again in a minute.")
    return _looked(replace(line, state=BAD, found=text, cure=cure), found)


def _looked(line: Line, found: Finding | None) -> Line:
    """With the time of the look; unknown where there was none."""
    if found is None:
        cure = _("Press “Look now”.")
        return replace(line, state=UNKNOWN, found=_("Not looked at yet."), cure=cure)
    return replace(line, at=probes.at_of(found))


def is_red(lines: Iterable[Line | AppCheck]) -> bool:
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
    if connection.vendor != "sqlite":
        return Line("database", title, OK, connection.display_name)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = str(cursor.fetchone()[0])
    if mode in ("wal", "memory"):
        return Line("database", title, OK, _("SQLite, in WAL mode."))
    return Line(
        "database",
        title,
        BAD,
        _("SQLite in the mode “%(mode)s”: pages and engine wait for each other.")
        % {"mode": mode},
        _(
            "Stop SocialHub, put the file on a local disk (network disks cannot do WAL) "
            "and start it again."
        ),
    )


def pending_migrations() -> list[str]:
    """Names of migrations that have not run; raises DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _backwards in plan]


#: Whether this process saw that all have run: the code of a process does not change.
_all_have_run = False


def _migrations(deep: bool) -> Line:
    """Reading what there is takes longer than a page: seen in order once is enough."""
    global _all_have_run
    title = _("Tables")
    waiting = [] if _all_have_run and not deep else pending_migrations()
    _all_have_run = not waiting
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


def _clusters() -> list[Line]:
    beats = {beat.name: beat for beat in Heartbeat.objects.filter(name__in=CLUSTERS)}
    titles = {"publish": _("Publishing engine"), "monitor": _("Health checks")}
    return [_cluster(name, title, beats.get(name)) for name, title in titles.items()]


def _cluster(name: str, title: str, beat: Heartbeat | None) -> Line:
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
    if beat.sent_at is not None:
        asked = (timezone.now() - beat.sent_at).total_seconds()
        found += " " + _("Its supervisor asked %(ago)s ago.") % {
            "ago": seconds_in_words(asked)
        }
    if beat.is_silent:
        return Line(key, title, BAD, found, cure)
    return Line(key, title, OK, found)


def _schedules() -> list[Line]:
    """That all are there, and of each cluster that its Sentinel starts them."""
    title = _("Schedules")
    rows = list(Schedule.objects.values_list("name", "cluster", "minutes", "next_run"))
    have = {name for name, *_rest in rows}
    missing = [job.name for job in SCHEDULES if job.name not in have]
    if missing:
        line = Line(
            "schedules",
            title,
            BAD,
            _("Missing: %(names)s.") % {"names": ", ".join(missing)},
            _("Run: python manage.py make_schedules"),
        )
    else:
        found = _("%(n)d schedules are in place.") % {"n": len(SCHEDULES)}
        line = Line("schedules", title, OK, found)
    titles = {
        "publish": _("Scheduler of the publishing engine"),
        "monitor": _("Scheduler of the health checks"),
    }
    failed = Failure.objects.filter(stopped__gte=timezone.now() - LATELY).count()
    lines = [line]
    for name in CLUSTERS:
        due = [at for _n, where, minutes, at in rows if (where, minutes) == (name, 1)]
        if due:  # else the line above names what is missing
            lines.append(_scheduler(name, titles[name], min(due)))
    if failed:
        lines.append(
            Line(
                "failed_jobs",
                _("Failed jobs"),
                NOTE,
                _("%(n)d in the last 24 hours.") % {"n": failed},
                _("Read the reason in the admin, under failed tasks."),
            )
        )
    return lines


def _scheduler(name: str, title: str, due_at: datetime) -> Line:
    """due_at: when a job of every minute is to start next."""
    late = timezone.now() - due_at
    last = max(timedelta(0), late + timedelta(minutes=1))
    found = _("Last run about %(ago)s ago.") % {
        "ago": seconds_in_words(last.total_seconds())
    }
    if late <= SCHEDULER_LATE:
        return Line(f"scheduler_{name}", title, OK, found)
    return Line(
        f"scheduler_{name}",
        title,
        BAD,
        found,
        _(
            "The Sentinel of the cluster %(name)s starts nothing: restart the cluster, "
            "and look into its output for the reason."
        )
        % {"name": name},
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


def _clock_outside(found: Finding | None) -> Line:
    line = Line("clock_outside", _("Clock, seen from outside"), OK, "")
    if found is None:
        return _looked(line, found)
    if not found["platform"]:
        why = _("No network is connected whose clock could be asked.")
        return replace(line, state=NOTE, found=why)
    apart = float(found["apart_s"])
    words = _("%(n)d s apart from the clock of %(name)s.") % {
        "n": round(abs(apart)),
        "name": registry.spec(found["platform"]).name,
    }
    line = _looked(replace(line, found=words), found)
    if abs(apart) <= OUTSIDE_TOLERANCE_S:
        return line
    cure = _(
        "Switch on time synchronisation (NTP) on this host: posts would go out at the "
        "wrong time, and sign-ins be refused."
    )
    return replace(line, state=BAD, cure=cure)


def _keys(found: Finding | None) -> Line:
    line = Line("keys", _("Keys for stored secrets"), OK, "")
    if found is None:
        return _looked(line, found)
    if not found["ok"]:
        cure = _("Put the old key behind the new one: CREDENTIAL_KEYS=new,old")
        line = replace(line, state=BAD, found=str(found["error"]), cure=cure)
    elif found["tried"]:
        line = replace(line, found=_("Stored secrets can be read."))
    else:
        line = replace(line, found=_("No secret is stored yet."))
    return _looked(line, found)


def mail_goes_out() -> bool:
    """False while mails only lie somewhere on this host."""
    return settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")


def _mail(found: Finding | None) -> Line:
    """found: what became of the last test mail."""
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
    if found is None:
        return Line(
            "mail",
            title,
            UNKNOWN,
            _("%(server)s; no test mail was sent yet.") % {"server": server},
            _("Press “Send me a test mail”."),
        )
    values = {"server": server, "email": found["email"]}
    if not found["ok"]:
        return Line(
            "mail",
            title,
            BAD,
            _("%(server)s refused the test mail: %(why)s")
            % {"server": server, "why": found["error"]},
            _("Correct EMAIL_URL or the mail server, and send another test mail."),
            at=probes.at_of(found),
        )
    return Line(
        "mail",
        title,
        OK,
        _("%(server)s took the test mail to %(email)s.") % values,
        at=probes.at_of(found),
    )


def _storage(found: Finding | None) -> Line:
    line = Line("storage", _("File storage"), OK, "")
    if found is None or found["ok"]:
        text = _("Files can be written and read.")
        return _looked(replace(line, found=text), found)
    where = {"where": settings.MEDIA_ROOT}
    if error := found.get("error"):
        text = _("Cannot be written: %(error)s.") % {"error": error}
        cure = _("Give the user that runs SocialHub the right to write in %(where)s.")
    else:
        text = _("A file came back changed.")
        cure = _("Check the disk or the storage service behind %(where)s.")
    line = replace(line, state=BAD, found=text, cure=cure % where)
    return _looked(line, found)


def _disk() -> Line:
    """Room for uploads, and what they leave for database and logs."""
    title = _("Room on the disk")
    folder = Path(settings.MEDIA_ROOT)
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    keep = int(settings.MEDIA_KEEP_FREE_MB) << 20
    found = _("%(free)s GB free of %(all)s GB.") % {
        "free": f"{usage.free / (1 << 30):.1f}",
        "all": f"{usage.total / (1 << 30):.1f}",
    }
    if usage.free < keep:
        cure = _("Uploads are refused: make room, or lower MEDIA_KEEP_FREE_MB.")
        return Line("disk", title, BAD, found, cure)
    if usage.free < 2 * keep:
        cure = _("Uploads stop at %(mb)d MB free: make room soon.")
        mb = {"mb": settings.MEDIA_KEEP_FREE_MB}
        return Line("disk", title, NOTE, found, cure % mb)
    return Line("disk", title, OK, found)


def _redis(found: Finding | None) -> Line:
    line = Line("redis", "Redis", OK, "")
    if found is None:
        return _looked(line, found)
    if not found["ok"]:
        text = _("Does not answer: %(error)s.") % {"error": found["error"]}
        cure = _("Start Redis, or correct REDIS_URL.")
        return _looked(replace(line, state=BAD, found=text, cure=cure), found)
    text = _("Redis %(version)s answers.") % {"version": found["version"]}
    if found["policy"]:
        text += " " + _("When its memory is full it drops keys (%(policy)s).") % {
            "policy": found["policy"]
        }
        cure = _("Set maxmemory-policy to noeviction: the queue lies there.")
        return _looked(replace(line, state=NOTE, found=text, cure=cure), found)
    return _looked(replace(line, found=text), found)


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


def _public_media(deep: bool) -> Line:
    """Networks fetch files from here; the health checks read it by themselves, too."""
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
    if not public_media.can_tell():
        return Line(
            "public_media",
            title,
            NOTE,
            _("Not looked at: PUBLIC_MEDIA_SELF_CHECK is off."),
        )
    verdict = public_media.look() if deep else public_media.last_verdict()
    if verdict is None:
        return _looked(Line("public_media", title, UNKNOWN, ""), None)
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
            at=verdict.at,
        )
    outside = _("Can be read from outside.")
    return Line("public_media", title, OK, outside, at=verdict.at)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        parts.hostname,
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def _practice_network(found: Finding | None) -> Line:
    line = Line("practice", _("Practice network"), OK, settings.PRACTICE_NETWORK_URL)
    if found is not None and not found["ok"]:
        line = replace(
            line,
            state=BAD,
            found=_("%(url)s does not answer.")
            % {"url": settings.PRACTICE_NETWORK_URL},
            cure=_(
                "Start it (make run starts everything), or empty PRACTICE_NETWORK_URL."
            ),
        )
    return _looked(line, found)
