"""`manage.py write_coverage`: docs/coverage.md and docs/traps.md anew."""

from typing import Any

from django.core.management.base import BaseCommand

from socialhub import coverage, traps


class Command(BaseCommand):
    help = (
        "Write docs/coverage.md, which tells what each platform can, and "
        "docs/traps.md, which tells what of its oddities is tested."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for document in (coverage, traps):
            document.FILE.write_text(document.page(), encoding="utf-8")
            self.stdout.write(f"Written: {document.FILE}")
