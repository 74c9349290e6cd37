"""Runs inside the sandbox: the brand and the people that the browser tests act as."""

from __future__ import annotations

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402

from accounts.models import Brand  # noqa: E402
from accounts.roles import ADMIN, MARKETING, REVIEWER  # noqa: E402
from tests.browser.guide import PASSWORD  # noqa: E402

acme = Brand.objects.create(name="Acme", time_zone="Europe/Berlin")
globex = Brand.objects.create(name="Globex")
for first, last, role, brand in (
    ("Ada", "Admin", ADMIN, acme),
    ("Mara", "Marketing", MARKETING, acme),
    ("Rhea", "Reviewer", REVIEWER, acme),
    ("Sten", "Stranger", MARKETING, globex),
    ("Toni", "Token", MARKETING, acme),
):
    user = get_user_model().objects.create_user(
        first.lower(),
        f"{first.lower()}@example.com",
        PASSWORD,
        first_name=first,
        last_name=last,
        is_staff=role == ADMIN,
        is_superuser=role == ADMIN,
    )
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    brand.members.add(user)
