"""Incidents from before say whom they concern, so that their readers find them."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def name_accounts(apps: Any, schema_editor: Any) -> None:
    incident_model = apps.get_model("monitoring", "Incident")
    account_model = apps.get_model("accounts", "ConnectedAccount")
    rows = incident_model.objects.filter(kind="access", accounts=None)
    for pk, key, credential in rows.values_list("pk", "dedup_key", "credential"):
        kind, _, number = key.partition(":")
        if kind == "account" and number.isdecimal():
            theirs = account_model.objects.filter(pk=number)
        else:
            theirs = account_model.objects.filter(credential=credential)
        accounts = list(theirs.values_list("pk", flat=True))
        incident = incident_model.objects.only("pk").get(pk=pk)
        incident.accounts.set(accounts)
        incident_model.objects.filter(pk=pk).update(account_count=len(accounts))


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0004_health_days"),
    ]

    operations = [
        migrations.RunPython(name_accounts, migrations.RunPython.noop),
    ]
