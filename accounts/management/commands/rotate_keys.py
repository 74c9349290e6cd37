"""`manage.py rotate_keys`: write every stored secret anew with the first key.

Put the new key in front of CREDENTIAL_KEYS, restart, run this, then take the old key out.
May run twice, and while everything works.
"""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, models, transaction

from accounts.fields import EncryptedTextField, box

#: names inside an authenticator's data that hold ciphertext
AUTHENTICATOR_SECRETS = ("secret", "seed")


class Command(BaseCommand):
    help = "Write every stored secret anew with the first key of CREDENTIAL_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        for model in apps.get_models():
            for field in model._meta.concrete_fields:
                if isinstance(field, EncryptedTextField):
                    count = self._column(model, field)
                    total += count
                    self.stdout.write(f"{model.__name__}.{field.name}: {count}")
        count = self._authenticators()
        self.stdout.write(f"Authenticator: {count}")
        self.stdout.write(f"{total + count} secrets are written with the first key.")

    def _column(self, model: type[models.Model], field: models.Field[Any, Any]) -> int:
        """Ciphertext to ciphertext, each row only if nobody changed it meanwhile."""
        quote = connection.ops.quote_name
        assert field.column
        assert model._meta.pk
        assert model._meta.pk.column
        table, column = quote(model._meta.db_table), quote(field.column)
        key = quote(model._meta.pk.column)
        with connection.cursor() as cursor:
            # Names come from our own models, values are parameters.
            cursor.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} <> ''")  # noqa: S608
            rows = cursor.fetchall()
            for pk, old in rows:
                cursor.execute(
                    f"UPDATE {table} SET {column} = %s WHERE {key} = %s AND {column} = %s",  # noqa: S608
                    [self._anew(old, f"{model.__name__} {pk}"), pk, old],
                )
        return len(rows)

    def _authenticators(self) -> int:
        count = 0
        for pk in Authenticator.objects.values_list("pk", flat=True):
            with transaction.atomic():
                row = Authenticator.objects.select_for_update().get(pk=pk)
                for name in AUTHENTICATOR_SECRETS:
                    if stored := row.data.get(name):
                        row.data[name] = self._anew(stored, f"Authenticator {pk}")
                        count += 1
                row.save(update_fields=["data"])
        return count

    @staticmethod
    def _anew(old: str, where: str) -> str:
        try:
            return box().rotate(old.encode()).decode()
        except InvalidToken as exc:
            raise CommandError(
                f"{where}: no key in CREDENTIAL_KEYS opens the stored value. Put the key "
                "it was written with back into the list; nothing of it was changed."
            ) from exc
