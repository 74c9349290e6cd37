"""`manage.py write_messages`: the translators' catalogues anew, and compiled."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from socialhub import messages


class Command(BaseCommand):
    help = "Bring locale/*/LC_MESSAGES/django.po up to date with the code; compile it."

    def handle(self, *args: Any, **options: Any) -> None:
        if missing := messages.missing_tools():
            raise CommandError(
                f"{', '.join(missing)} is not installed: install GNU gettext "
                "(Debian: apt install gettext)."
            )
        messages.gather()
        messages.compile_all()
        for language in messages.languages():
            self.stdout.write(f"Written: {messages.catalog(language)}")
