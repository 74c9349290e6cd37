"""`manage.py write_coverage`: docs/coverage.md anew, from the registry."""

from typing import Any

from django.core.management.base import BaseCommand

from socialhub import coverage


class Command(BaseCommand):
    help = "Write docs/coverage.md, which tells what each platform can."

    def handle(self, *args: Any, **options: Any) -> None:
        coverage.FILE.write_text(coverage.page(), encoding="utf-8")
        self.stdout.write(f"Written: {coverage.FILE}")
