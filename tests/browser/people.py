"""Runs inside the sandbox: the brand and the people that the browser tests act as.

Ends when both clusters have been seen.
"""

from __future__ import annotations

import time

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402

from accounts.models import Brand  # noqa: E402
from accounts.roles import ADMIN, MARKETING, REVIEWER  # noqa: E402
from monitoring.models import Heartbeat  # noqa: E402
from tests.browser.guide import PASSWORD  # noqa: E402

acme = Brand.objects.create(name="Acme", time_zone="Europe/Berlin")
globex = Brand.objects.create(name="Globex")
# To hash one is meant to take long.
password = make_password(PASSWORD)
for first, last, role, brand in (
    ("Ada", "Admin", ADMIN, acme),
    ("Mara", "Marketing", MARKETING, acme),
    ("Rhea", "Reviewer", REVIEWER, acme),
    ("Sten", "Stranger", MARKETING, globex),
    ("Toni", "Token", MARKETING, acme),
):
    user = get_user_model().objects.create(
        username=first.lower(),
        email=f"{first.lower()}@example.com",
        password=password,
        first_name=first,
        last_name=last,
        is_staff=role == ADMIN,
        is_superuser=role == ADMIN,
    )
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    brand.members.add(user)

# Pages tell of an engine that was never seen until both clusters have beaten once.
end = time.monotonic() + 50
while Heartbeat.objects.count() < 2 and time.monotonic() < end:
    time.sleep(0.2)
