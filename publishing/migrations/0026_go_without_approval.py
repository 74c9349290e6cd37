"""What was scheduled before its brand began to ask goes as it did until now."""

from __future__ import annotations

from typing import Any

from django.db import migrations

LET_GO = "let go"


def let_go(apps: Any, schema_editor: Any) -> None:
    brands = apps.get_model("accounts", "Brand").objects.filter(approval_steps__gt=0)
    rows = apps.get_model("publishing", "Delivery").objects.filter(
        post__brand__in=brands, approvals_missing=0, approved_as=""
    )
    rows.exclude(status__in=["published", "cancelled"]).update(approved_as=LET_GO)


def forget(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("publishing", "Delivery").objects.filter(approved_as=LET_GO)
    rows.update(approved_as="")


class Migration(migrations.Migration):
    dependencies = [
        ("publishing", "0025_approval"),
        ("accounts", "0016_approval_per_brand"),
    ]

    operations = [migrations.RunPython(let_go, forget)]
