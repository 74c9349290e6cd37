"""Who is told: owners first, then deputies, then admins; nobody who has left,
the company or the brand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, prefetch_related_objects

from accounts.insiders import Insiders
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


def with_owners(accounts: Sequence[ConnectedAccount]) -> None:
    """Read the owners of all that come without one; one query."""
    prefetch_related_objects(accounts, "owner")


def lookers_after(accounts: Sequence[ConnectedAccount]) -> dict[int, Any]:
    """The owner, or who connected it, of each account; None where both are gone."""
    with_owners(accounts)
    inside = Insiders([account.owner for account in accounts], accounts)
    found: dict[int, Any] = {
        account.pk: account.owner if inside.has(account.owner, account) else None
        for account in accounts
    }
    without = [one for one in accounts if one.credential_id and not found[one.pk]]
    if without:
        rows = Credential.objects.select_related("connected_by").only("connected_by")
        connected = rows.in_bulk([one.credential_id for one in without])
        by = {pk: row.connected_by for pk, row in connected.items()}
        inside = Insiders(by.values(), without)
        for one in without:
            person = by.get(one.credential_id or 0)
            found[one.pk] = person if inside.has(person, one) else None
    return found


def deputies(accounts: Sequence[ConnectedAccount]) -> list[Any]:
    prefetch_related_objects(accounts, "deputy")
    inside = Insiders([account.deputy for account in accounts], accounts)
    return distinct(one.deputy for one in accounts if inside.has(one.deputy, one))


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
    if not person.is_superuser:
        brands = set(person.brands.values_list("pk", flat=True))
        accounts = [account for account in accounts if account.brand_id in brands]
    lookers = lookers_after(accounts)
    own = [
        account
        for account in accounts
        if person.pk in {account.deputy_id, getattr(lookers[account.pk], "pk", None)}
    ]
    return own or list(accounts)
