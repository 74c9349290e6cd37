"""The story of the product, from connecting to repairing, without a browser.

A visitor fills in the pages; real clusters publish to the practice network (and to the
real Bluesky server where it is installed); the practice network's own record decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import Failure

from accounts.models import ConnectedAccount, Credential, Network, PlatformApp
from monitoring.models import CheckResult, Heartbeat, Incident
from publishing.models import Delivery, Post
from publishing.tasks import running_pumps

from ..sandbox import Sandbox, bluesky_installed, wait_for
from .runner import Part, say
from .visitor import Lost, Visitor, consent
from .world import APP_PASSWORD, Practice, make_people

Status = Delivery.Status
PLATFORMS = ("mastodon", "bluesky", "x", "linkedin")


class Story(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        if bluesky_installed():
            found = box.start_bluesky()
            hosts = ",".join(url.split("://", 1)[1] for url in found.values())
            box.env["ALLOWED_PRIVATE_HOSTS"] = hosts
            box.env["DRILL_BLUESKY"] = json.dumps(found)
        box.migrate()
        box.start_practice()
        box.start_web()
        box.start_clusters()

    def inside(self, options: dict[str, Any]) -> None:
        import os

        real = os.environ.get("DRILL_BLUESKY", "")
        try:
            Teller(json.loads(real) if real else None).tell()
        except Exception:
            show_rows()
            raise


def show_rows() -> None:
    """What the rows say when the story stops half-way."""
    for beat in Heartbeat.objects.all():
        say(f"heartbeat {beat.name}: {beat.age_s:.0f} s ago, {beat.restarts} restarts")
    for credential in Credential.objects.select_related("app"):
        say(f"{credential}: {credential.state} {credential.cause} {credential.detail}")
    for check in CheckResult.objects.all()[:10]:
        say(f"check of {check.credential_id}: {check.verdict} {check.cause}")
    for task in Failure.objects.all()[:10]:
        say(f"failed task {task.func}: {task.result}")
    for row in Delivery.objects.select_related("post", "account"):
        say(f"{row}: {row.status} {row.hold} {row.cause}")


class Teller:
    def __init__(self, bluesky: dict[str, str] | None) -> None:
        self.bluesky = bluesky
        self.practice = Practice()
        self.user, self.brand = make_people()
        self.visitor = Visitor(settings.SITE_URL)
        self.figures: dict[str, Any] = dict.fromkeys(
            ("published", "held", "released", "checked", "doubled", "lost"), 0
        )

    def tell(self) -> None:
        self._sign_in()
        for slug in PLATFORMS:
            self._connect(slug)
        if self.bluesky:
            self._connect_real_bluesky()
        say("waiting for the publishing engine")
        wait_for(running_pumps, 60, name="a pump")
        self._everywhere()
        self._hold_and_release()
        self._lost_answer()
        self._refusal()
        self._count()
        self.figures["accounts"] = ConnectedAccount.objects.count()
        self.figures["real_bluesky"] = bool(self.bluesky)
        self.figures["database"] = connection.vendor
        print(json.dumps(self.figures), flush=True)  # noqa: T201

    # -- the pages

    def _sign_in(self) -> None:
        page = self.visitor
        page.go("/sign-in/login/")
        page.submit(
            page.form("login", "password"), login="drill", password="drill-password-1"
        )
        if "drill" not in page.go("/").text:
            raise Lost(f"not signed in at {page.page.url}")

    def _connect(self, slug: str) -> None:
        say(f"connecting {slug} in the practice network")
        page = self.visitor
        page.go(f"/accounts/connect/{slug}/?network=practice&brand={self.brand.pk}")
        values: dict[str, Any] = {"brand": self.brand.pk}
        if slug == "bluesky":
            handle = self.practice.people("bluesky")[0]["handle"]
            values |= {"identifier": handle, "app_password": APP_PASSWORD}
        page.submit(page.form("brand", action=""), **values)
        consent(page, self.practice.url)
        if not ConnectedAccount.objects.filter(platform=slug).exists():
            raise Lost(f"{slug} was not connected: {page.page.url}")

    def _connect_real_bluesky(self) -> None:
        assert self.bluesky is not None
        say("connecting an account on the real Bluesky server")
        pds, plc = self.bluesky["pds"], self.bluesky["plc"]
        xrpc = f"{pds}/xrpc/com.atproto.server."
        who = {
            "handle": "drill.test",
            "email": "drill@example.com",
            "password": "main-password",
        }
        made = requests.post(f"{xrpc}createAccount", json=who, timeout=20)
        made.raise_for_status()
        token = made.json()["accessJwt"]
        secret = requests.post(
            f"{xrpc}createAppPassword",
            json={"name": "socialhub"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )
        secret.raise_for_status()
        PlatformApp.objects.update_or_create(
            platform="bluesky",
            network=Network.LIVE,
            instance_url="",
            defaults={"hosts": {"entryway": pds, "public": pds, "plc": plc}},
        )
        page = self.visitor
        page.go(f"/accounts/connect/bluesky/?network=live&brand={self.brand.pk}")
        page.submit(
            page.form("identifier"),
            brand=self.brand.pk,
            identifier="drill.test",
            app_password=secret.json()["password"],
            server=pds,
        )
        if not ConnectedAccount.objects.filter(network=Network.LIVE).exists():
            raise Lost(f"the real Bluesky account was not connected: {page.page.url}")

    def _schedule(self, text: str, accounts: Any, *, in_seconds: int = 0) -> Post:
        """Write a post on the composer page; in_seconds 0 means "Now"."""
        page = self.visitor
        page.go(f"/posts/new/?brand={self.brand.pk}")
        at = timezone.now() + timedelta(seconds=in_seconds)
        values: dict[str, Any] = {
            "brand": self.brand.pk,
            "text": text,
            "accounts": [account.pk for account in accounts],
            "zone": "UTC",
            "action": "schedule",
        }
        if in_seconds:
            when = {"when": "at", "date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M:%S}"}
            values |= when
        else:
            values["when"] = "now"
        page.submit(page.form("text", "accounts"), **values)
        post = Post.objects.filter(text=text).first()
        if post is None or not post.deliveries.exists():
            form = page.form("text")
            raise Lost(f"the post was not scheduled: {' '.join(form.text.split())}")
        return post

    # -- the chapters

    def _everywhere(self) -> None:
        accounts = list(ConnectedAccount.objects.all())
        say(f"one post for {len(accounts)} accounts")
        post = self._schedule("Spring sale starts today #spring", accounts)
        self._until(post, Status.PUBLISHED)
        for delivery in post.deliveries.all():
            if not delivery.permalink:
                raise Lost(f"{delivery} is published without a link")

    def _hold_and_release(self) -> None:
        say("LinkedIn access is revoked at the platform")
        account = ConnectedAccount.objects.filter(platform="linkedin").first()
        assert account is not None
        assert account.credential is not None
        credential = account.credential
        person = credential.subject_id
        future = self._schedule("Later on LinkedIn", [account], in_seconds=3600)
        # Connected a while ago: a token of seconds may be refused without meaning it.
        Credential.objects.filter(pk=credential.pk).update(
            issued_at=timezone.now() - timedelta(days=1)
        )
        self.practice.end_tokens("linkedin", person, "revoke")
        page = self.visitor
        page.go(f"/accounts/{account.pk}/")
        page.submit(page.form(action=f"/health/accounts/{account.pk}/check/"))
        self._wait("Reconnect needed", lambda: self._is_broken(credential.pk))
        if "At risk" not in page.go(future.get_absolute_url()).text:
            raise Lost("the future post is not shown as at risk")
        self._wait("one mail", lambda: len(self._mails()) == 1)
        post = self._schedule("Held on LinkedIn", [account])
        self._until(post, Status.HELD)
        self.figures["held"] += 1
        say("reconnecting")
        page.go(f"/accounts/{account.pk}/reconnect/")
        if not page.page.url.startswith(self.practice.url):
            action = f"/accounts/{account.pk}/reconnect/"
            forms = [f for f in page.forms() if f.method == "post"]
            ours = [f for f in forms if f.action in {"", action}]
            page.submit((ours or forms)[-1])
        consent(page, self.practice.url)
        self._until(post, Status.PUBLISHED)
        self.figures["released"] += 1
        self._wait(
            "the incident to close",
            lambda: not Incident.objects.open().filter(kind="access").exists(),
        )
        self._wait("the mail that it is solved", lambda: len(self._mails()) == 2)

    def _lost_answer(self) -> None:
        say("X accepts a post and drops the answer")
        account = ConnectedAccount.objects.get(platform="x")
        self.practice.fault(platform="x", kind="drop_answer", times=1)
        post = self._schedule("Did it go out?", [account])
        self._until(post, Status.UNCERTAIN)
        words = self.visitor.go(post.deliveries.get().get_absolute_url()).text
        if "Checking whether it went out" not in words:
            raise Lost("the page does not say that it is being checked")
        self._until(post, Status.PUBLISHED)
        self.figures["checked"] += 1

    def _refusal(self) -> None:
        say("a platform refuses a post")
        account = ConnectedAccount.objects.get(platform="mastodon")
        self.practice.fault(platform="mastodon", kind="content_refused", times=1)
        post = self._schedule("Refused by the platform", [account])
        self._until(post, Status.FAILED)
        desk = self.visitor.go("/desk/").text
        if "Refused by the platform" not in desk:
            raise Lost("the failure desk does not show the refused post")
        delivery = post.deliveries.get()
        page = self.visitor
        page.go(delivery.get_absolute_url())
        page.submit(page.form(action="/retry/"))
        self._until(post, Status.PUBLISHED)
        self.figures["refused_and_mended"] = 1

    # -- looking

    @staticmethod
    def _is_broken(pk: int) -> bool:
        return Credential.objects.get(pk=pk).state == Credential.State.BROKEN

    @staticmethod
    def _mails() -> list[Path]:
        return list(Path(settings.EMAIL_FILE_PATH).glob("*.log"))

    @staticmethod
    def _wait(name: str, what: Callable[[], Any], seconds: float = 60) -> None:
        wait_for(what, seconds, name=name, every=0.2)

    def _until(self, post: Post, status: str, seconds: float = 90) -> None:
        def there() -> bool:
            states = set(post.deliveries.values_list("status", flat=True))
            return states == {status}

        try:
            self._wait(f"{post}: {status}", there, seconds)
        except Exception:
            for row in post.deliveries.select_related("account"):
                say(f"{row}: {row.status} {row.hold} {row.cause} {row.detail}")
            raise

    def _count(self) -> None:
        """The platforms' own records against our rows."""
        ours = Delivery.objects.filter(status=Status.PUBLISHED).select_related(
            "account", "post"
        )
        self.figures["published"] = ours.count()
        live: dict[tuple[str, str, str], int] = {}
        for slug in PLATFORMS:
            for row in self.practice.posts(slug):
                words = row["text"].split("\n")[0].strip()
                key = (slug, str(row["account"]), words)
                live[key] = live.get(key, 0) + 1
        self.figures["doubled"] = sum(n - 1 for n in live.values())
        practice = [d for d in ours if d.account.network == Network.PRACTICE]
        self.figures["lost"] = max(0, len(practice) - len(live))
        if self.bluesky:
            account = ConnectedAccount.objects.get(network=Network.LIVE)
            answer = requests.get(
                f"{self.bluesky['pds']}/xrpc/com.atproto.repo.listRecords",
                params={
                    "repo": account.external_id,
                    "collection": "app.bsky.feed.post",
                },
                timeout=20,
            ).json()
            there = len(answer["records"])
            expected = ours.filter(account=account).count()
            self.figures["doubled"] += max(0, there - expected)
            self.figures["lost"] += max(0, expected - there)
