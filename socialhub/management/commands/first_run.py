"""`manage.py first_run`: bring database, files, schedules and first admin into being.

May run at every start: it changes only what is missing or older than the code.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from socialhub.supervisor import grace_s

FIRST_ADMIN = "admin"


def make_first_admin() -> str:
    """The password of the admin that was made, or "" when people exist already."""
    users = get_user_model()
    with transaction.atomic():
        if users.objects.exists():
            return ""
        password = secrets.token_urlsafe(12)
        # Without a mail server mails become files, so that the fire drill has a reader.
        address = f"{FIRST_ADMIN}@localhost" if settings.EMAIL_FILE_PATH else ""
        users.objects.create_superuser(FIRST_ADMIN, address, password)
    return password


def database_words() -> str:
    """Where the database is, without its password."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(config["NAME"])
    host = config["HOST"] or "this host"
    return f"{config['NAME']} on {host}:{config['PORT'] or 5432}"


class Command(BaseCommand):
    help = "Migrate, collect static files, make schedules and the first admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object for programs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        Path(settings.DATA_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            connection.ensure_connection()
            call_command("migrate", interactive=False, verbosity=0)
        except DatabaseError as exc:
            raise CommandError(
                f"The database {database_words()} cannot be used "
                f"({str(exc).strip().splitlines()[0]}): mend it, or set DATABASE_URL "
                "to another one."
            ) from exc
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("make_schedules", verbosity=0)
        password = make_first_admin()
        if options["json"]:
            answer = {
                "user": FIRST_ADMIN,
                "password": password,
                "sign_in_path": reverse(settings.LOGIN_URL),
                "grace_s": grace_s(),
            }
            self.stdout.write(json.dumps(answer))
        elif password:
            self.stdout.write(
                f"First sign-in: user {FIRST_ADMIN}, password {password} "
                "(shown only this once)."
            )
        else:
            self.stdout.write("Everything is in place.")
