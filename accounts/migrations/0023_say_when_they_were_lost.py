"""Breakers that many lost accesses opened before there was a column for it."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def say_since_when(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("accounts", "CircuitBreaker").objects
    lost = rows.filter(cause="many_lost_access", many_lost_at=None)
    lost.update(many_lost_at=models.F("opened_at"))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0022_accesses_lost_at_once")]

    operations = [migrations.RunPython(say_since_when, migrations.RunPython.noop)]
