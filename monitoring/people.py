"""Who is told: owners first, then deputies, then admins; nobody who has left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from accounts.models import ConnectedAccount, Credential
from accounts.roles import ADMIN


def distinct(people: Iterable[Any]) -> list[Any]:
    """Those who still work here, each once, in order."""
    seen: dict[int, Any] = {}
    for person in people:
        if person is not None and person.is_active:
            seen.setdefault(person.pk, person)
    return list(seen.values())


def owners(accounts: Sequence[ConnectedAccount]) -> list[Any]:
    """Owners; where an account has none, who connected it; where nobody is left, admins."""
    lookers = lookers_after(accounts)
    found = distinct(lookers[account.pk] for account in accounts)
    if any(lookers[account.pk] is None for account in accounts):
        found = distinct([*found, *admins(accounts)])
    return found


def lookers_after(accounts: Sequence[ConnectedAccount]) -> dict[int, Any]:
    """The owner, or who connected it, of each account; None where both are gone."""
    without = {
        account.credential_id
        for account in accounts
        if account.credential_id and not (account.owner and account.owner.is_active)
    }
    connectors: dict[int, Any] = {}
    if without:
        rows = Credential.objects.filter(pk__in=without).select_related("connected_by")
        for row in rows.only("connected_by"):
            if row.connected_by and row.connected_by.is_active:
                connectors[row.pk] = row.connected_by
    return {
        account.pk: account.owner
        if account.owner and account.owner.is_active
        else connectors.get(account.credential_id or 0)
        for account in accounts
    }


def deputies(accounts: Iterable[ConnectedAccount]) -> list[Any]:
    return distinct(account.deputy for account in accounts)


def admins(accounts: Sequence[ConnectedAccount] | None = None) -> list[Any]:
    """Admins of the accounts' brands; None: all. Superusers see every brand."""
    people = get_user_model().objects.filter(is_active=True).order_by("pk")
    of_role = Q(groups__name=ADMIN)
    if accounts is not None:
        of_role &= Q(brands__in={account.brand_id for account in accounts})
    return list(people.filter(of_role | Q(is_superuser=True)).distinct())


def own_part(
    person: Any, accounts: Sequence[ConnectedAccount]
) -> list[ConnectedAccount]:
    """Of these the ones that the person looks after; else those of their brands."""
    lookers = lookers_after(accounts)
    own = [
        account
        for account in accounts
        if person.pk in {account.deputy_id, getattr(lookers[account.pk], "pk", None)}
    ]
    if own or person.is_superuser:
        return own or list(accounts)
    brands = set(person.brands.values_list("pk", flat=True))
    return [account for account in accounts if account.brand_id in brands]
