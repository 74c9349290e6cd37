"""Who of those that look after accounts still belongs to their brands.

Owners and deputies are chosen from a brand's people; who is taken out of the brand later
stays written down, and is to hear no more of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .models import Brand, ConnectedAccount


class Insiders:
    """Answers for these people and accounts, with one query at most."""

    def __init__(
        self, persons: Iterable[Any], accounts: Sequence[ConnectedAccount]
    ) -> None:
        wanted = {
            person.pk
            for person in persons
            if person is not None and person.is_active and not person.is_superuser
        }
        self.pairs: set[tuple[int, int]] = set()
        if wanted:
            rows = Brand.members.through.objects.filter(
                user__in=wanted, brand__in={account.brand_id for account in accounts}
            )
            self.pairs = set(rows.values_list("user_id", "brand_id"))

    def has(self, person: Any, account: ConnectedAccount) -> bool:
        """Works here and may see the account."""
        if person is None or not person.is_active:
            return False
        return person.is_superuser or (person.pk, account.brand_id) in self.pairs
