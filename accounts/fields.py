"""A text column that is encrypted at rest, with keys that can be rotated."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """No key in CREDENTIAL_KEYS opens this value."""


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def box() -> MultiFernet:
    return _box(tuple(settings.CREDENTIAL_KEYS))


@lru_cache(maxsize=4096)
def _opened(value: str, keys: tuple[str, ...]) -> str:
    """Kept for a while: a pump reads the same few hundred tokens again and again."""
    return _box(keys).decrypt(value.encode()).decode()


class EncryptedTextField(models.TextField):
    """Stores Fernet ciphertext; "" stays "". Cannot be searched."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str:
        if not value:
            return ""
        try:
            return _opened(value, tuple(settings.CREDENTIAL_KEYS))
        except InvalidToken as exc:
            raise SecretUnreadable(
                f"{self.model.__name__}.{self.name}: no key in CREDENTIAL_KEYS opens "
                "the stored value. Put the key it was written with back into the list."
            ) from exc

    def get_prep_value(self, value: Any) -> str:
        text = super().get_prep_value(value)
        return box().encrypt(text.encode()).decode() if text else ""
