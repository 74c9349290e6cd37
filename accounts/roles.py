"""Who may do what. Three groups and the superuser, nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from .fixed_query import FixedQuery

MARKETING = "Marketing"
REVIEWER = "Reviewer"
ADMIN = "Admin"
ROLES = (MARKETING, REVIEWER, ADMIN)

_names = FixedQuery(
    lambda person: (
        Group.objects.filter(user=person, name__in=ROLES).order_by().values_list("name")
    ),
    -7,
)


def roles_of(user: Any) -> frozenset[str]:
    """The person's roles; a superuser has all. One query per request and person."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(ROLES)
    cached: frozenset[str] | None = getattr(user, "_socialhub_roles", None)
    if cached is None:
        names = frozenset(name for (name,) in _names.rows(user.pk))
        cached = user._socialhub_roles = names
    return cached


def is_admin(user: Any) -> bool:
    """May connect accounts, manage brands, people and platform apps."""
    return ADMIN in roles_of(user)


def can_write(user: Any) -> bool:
    """May write, schedule and cancel posts."""
    return bool(roles_of(user) & {MARKETING, ADMIN})


def can_review(user: Any) -> bool:
    """May repair what failed: send again, say whether it is live, dismiss."""
    return bool(roles_of(user) & {REVIEWER, ADMIN, MARKETING})
