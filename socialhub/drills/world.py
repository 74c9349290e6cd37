"""Rows and practice accounts for drills, and what the practice network itself saw."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import (
    Brand,
    ConnectedAccount,
    Credential,
    Network,
    PlatformApp,
    RateBucket,
)
from accounts.practice import ensure_practice_apps
from platforms import registry
from publishing.models import Delivery, Post, schedule

HEADERS = {"X-Practice": "1"}
#: of those of the practice network's people who sign in at Bluesky
APP_PASSWORD = "prac-tice-pass-word"


class Practice:
    """The practice network's JSON interface."""

    def __init__(self, url: str = "") -> None:
        self.url = url or settings.PRACTICE_NETWORK_URL

    def _ask(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = requests.request(
            method, self.url + path, headers=HEADERS, timeout=20, **kwargs
        )
        answer.raise_for_status()
        return answer.json()

    def posts(self, platform: str) -> list[dict[str, Any]]:
        found = self._ask("GET", "/api/posts", params={"platform": platform})
        return list(found["posts"] if isinstance(found, dict) else found)

    def people(self, platform: str) -> list[dict[str, Any]]:
        """Who can sign in: id, name, handle, detail."""
        state = self._ask("GET", "/api/state")
        return list(state["platforms"][platform]["people"])

    def comments(self, platform: str) -> list[dict[str, Any]]:
        """What our accounts wrote below posts, where that is no post of its own."""
        found = self._ask("GET", "/api/comments", params={"platform": platform})
        return list(found["comments"])

    def post_drafts(self) -> int:
        """What creators do with drafts in TikTok's app: post them. How many they were."""
        inbox = f"{self.url}/tiktok/www/inbox"
        page = requests.get(inbox, timeout=20)
        page.raise_for_status()
        drafts = re.findall(r'name="publish_id" value="([^"]+)"', page.text)
        for number in drafts:
            # One that somebody else was faster with is no page any more.
            requests.post(inbox, data={"publish_id": number}, timeout=20)
        return len(drafts)

    def fault(self, **rule: Any) -> str:
        return str(self._ask("POST", "/api/faults", json=rule)["id"])

    def remove_fault(self, id: str) -> None:
        """Safe when it is used up already."""
        answer = requests.delete(
            f"{self.url}/api/faults/{id}", headers=HEADERS, timeout=20
        )
        if answer.status_code != 404:
            answer.raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """Those that still wait for a request."""
        return list(self._ask("GET", "/api/faults")["faults"])

    def clear_faults(self) -> None:
        self._ask("DELETE", "/api/faults")

    def switch(self, platform: str, name: str, value: str) -> None:
        body = {"platform": platform, "name": name, "value": value}
        self._ask("POST", "/api/switches", json=body)

    def record(self, platform: str = "", account: str = "") -> list[dict[str, Any]]:
        """Requests as they arrived, oldest first; the network keeps 20,000."""
        found = self._ask("GET", "/api/record", params={"platform": platform})
        lines: list[dict[str, Any]] = found["record"]
        return [line for line in lines if account in ("", line["account"])]

    def end_tokens(self, platform: str, account: str, how: str) -> None:
        body = {"platform": platform, "account": account, "how": how}
        self._ask("POST", "/api/tokens", json=body)

    def add_account(self, platform: str, handle: str, **options: Any) -> dict[str, Any]:
        body = {
            "platform": platform,
            "handle": handle,
            "name": options.pop("name", handle.title()),
            "options": options,
        }
        return dict(self._ask("POST", "/api/accounts", json=body))


def make_people() -> tuple[Any, Brand]:
    """An admin with an address, and the brand they belong to."""
    user = get_user_model().objects.create_superuser(
        "drill", "drill@example.com", "drill-password-1"
    )
    brand = Brand.objects.create(name="Drill")
    brand.members.add(user)
    return user, brand


def adopt(platform: str, made: dict[str, Any], brand: Brand, user: Any) -> Any:
    """Rows for an account that the practice network made with a living token."""
    ensure_practice_apps()
    practice = settings.PRACTICE_NETWORK_URL
    app, _ = PlatformApp.objects.get_or_create(
        platform=platform,
        network=Network.PRACTICE,
        instance_url=f"{practice}/mastodon" if platform == "mastodon" else "",
    )
    now = timezone.now()

    def at(seconds: Any) -> datetime | None:
        return now + timedelta(seconds=float(seconds)) if seconds else None

    credential = Credential(
        app=app,
        kind=made.get("kind") or "user",
        subject_id=made["external_id"],
        subject_name=made["handle"],
        access_token=made["access_token"],
        refresh_token=made.get("refresh_token") or "",
        granted_scopes=made.get("scopes") or [],
        extra=made.get("extra") or {},
        issued_at=now,
        expires_at=at(made.get("expires_in")),
        refresh_expires_at=at(made.get("refresh_expires_in")),
        connected_by=user,
        next_proof_at=now + timedelta(days=1),
    )
    credential.refresh_after = credential.due_for_renewal()
    credential.save()
    return ConnectedAccount.objects.create(
        brand=brand,
        credential=credential,
        platform=platform,
        network=Network.PRACTICE,
        external_id=made["external_id"],
        kind=made.get("kind") or "user",
        name=made["name"],
        handle=made["handle"],
        url=made.get("url") or "",
        extra=made.get("extra") or {},
        owner=user,
    )


def make_delivery(account: ConnectedAccount, text: str, due_at: datetime) -> Delivery:
    """One post for one account."""
    assert account.owner is not None
    post = Post.objects.create(
        brand=account.brand,
        author=account.owner,
        text=text,
        due_at=due_at,
        useful_until=due_at + timedelta(hours=2),
    )
    post.accounts.add(account)
    return schedule(post, [account])[0]


def lift_shared_limits(made: Mapping[str, Sequence[ConnectedAccount]]) -> None:
    """What all accounts share (our address, our app) is counted and never full.

    made: platform -> its accounts, all of one app.
    """
    for platform, accounts in made.items():
        credential = accounts[0].credential
        assert credential is not None
        subjects = {
            "app": f"app:{credential.app_id}",
            "ip": f"ip:{Network.PRACTICE}",
        }
        RateBucket.objects.bulk_create(
            RateBucket(
                platform=platform,
                key=bucket.key,
                subject=subjects[bucket.partition],
                size_set=10**9,
            )
            for bucket in registry.spec(platform).buckets
            if bucket.partition in subjects
        )


def bring_near(by: timedelta) -> None:
    """All posts at once, so that none is due before the last one is written."""
    with transaction.atomic():
        for rows, names in (
            (Post.objects.all(), ("due_at", "useful_until")),
            (Delivery.objects.all(), ("due_at", "useful_until", "next_attempt_at")),
        ):
            rows.update(**{name: F(name) - by for name in names})
