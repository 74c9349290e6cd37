"""The smallest true worlds that tests of several apps share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone, translation

from accounts import breakers, limits
from accounts.models import Brand, ConnectedAccount, Credential, Network, PlatformApp
from publishing.models import Delivery, Post, schedule
from socialhub import ready_tables, settle
from tests import needs
from tests.run import ANOTHER_DATABASE, LIVE, LIVE_MARKS, LONG_FIRST, has_live_tests

ROOT = Path(__file__).parent
PLATFORMS = ROOT / "platforms"


@pytest.fixture(scope="session")
def django_db_keepdb(
    request: pytest.FixtureRequest,
    django_db_modify_db_settings: None,
    django_db_blocker: Any,
) -> Iterator[bool]:
    """In a run of tests/run.py, this worker's database with tables that are there."""
    asked: bool = request.config.getvalue("reuse_db")
    if asked or not os.environ.get(ready_tables.FOLDER):
        yield asked
        return
    configured, creation = settings.DATABASES["default"], connection.creation
    own, made = configured["NAME"], creation._get_test_db_name()

    def migrate() -> None:
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.close()
        configured["NAME"] = connection.settings_dict["NAME"] = own

    url = f"sqlite:///{made}"
    if connection.vendor == "postgresql":
        server = urlsplit(os.environ["DATABASE_URL"])
        url = urlunsplit(server._replace(path=f"/{made}"))
    with django_db_blocker.unblock():
        ready_tables.fill(url, migrate, ready_tables.MIGRATED)
    yield True
    with django_db_blocker.unblock():
        creation.destroy_test_db(own, verbosity=0)


@pytest.fixture(autouse=True)
def unmet_buckets() -> None:
    """A process remembers rows of the ledger and what breakers heard lately, and each
    test has a database of its own."""
    limits._pks.clear()
    limits._left.clear()
    breakers.lately.seen.clear()
    limits._lately.clear()


@pytest.fixture(autouse=True)
def english() -> None:
    """A request leaves its reader's language behind; the next one, or test, chooses anew."""
    translation.activate("en")


@pytest.fixture
def author(db: Any, django_user_model: Any) -> Any:
    """A superuser, who sees every brand."""
    return django_user_model.objects.create_superuser(
        "ana", "ana@example.com", "a-long-password-1"
    )


@pytest.fixture
def brand(author: Any) -> Brand:
    brand = Brand.objects.create(name="Acme", time_zone="Europe/Berlin")
    brand.members.add(author)
    return brand


@pytest.fixture
def make_account(brand: Brand, author: Any) -> Any:
    """Make a connected account with a living credential of any platform."""

    def make(platform: str = "x", external_id: str = "42", **fields: Any) -> Any:
        app, _ = PlatformApp.objects.get_or_create(
            platform=platform,
            network=Network.LIVE,
            instance_url="https://social.example" if platform == "mastodon" else "",
            defaults={"client_id": "client", "client_secret": "app-secret"},
        )
        credential = Credential.objects.create(
            app=app,
            subject_id=external_id,
            subject_name="Acme",
            access_token=f"access-{external_id}",
            refresh_token=fields.pop("refresh_token", ""),
            granted_scopes=fields.pop("scopes", []),
            issued_at=timezone.now() - timedelta(days=1),
            expires_at=fields.pop("expires_at", None),
            extra=fields.pop("credential_extra", {}),
            connected_by=author,
            next_proof_at=timezone.now() + timedelta(days=1),
        )
        return ConnectedAccount.objects.create(
            brand=brand,
            credential=credential,
            platform=platform,
            external_id=external_id,
            name=fields.pop("name", "Acme Tools"),
            handle=fields.pop("handle", "acmetools"),
            owner=fields.pop("owner", author),
            **fields,
        )

    return make


@pytest.fixture
def make_delivery(brand: Brand, author: Any) -> Any:
    """Make a delivery that is due now (or `due_in` later)."""

    def make(
        account: ConnectedAccount,
        text: str = "Hello",
        due_in: timedelta = timedelta(0),
        **fields: Any,
    ) -> Delivery:
        now = timezone.now()
        post = Post.objects.create(
            brand=brand,
            author=author,
            text=text,
            due_at=now + due_in,
            useful_until=now + due_in + timedelta(hours=2),
            **fields,
        )
        post.accounts.add(account)
        return schedule(post, [account])[0]

    return make


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported for the tests lives as long as they run: to look through all of it
    again and again for what may go would be an eighth of their work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(settle.LOOK_AFTER, 10, 10)
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where nothing but live tests is wanted, files without any are not even read: each
    worker would spend seconds on them."""
    only_live = config.option.markexpr == LIVE
    if only_live and collection_path.match("test_*.py"):
        return None if has_live_tests(collection_path) else True
    return None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Tests whose needs are missing say so; tests/run.py lists them and CI fails."""
    if os.environ.get(ANOTHER_DATABASE):
        without = [item for item in items if not needs.asks_for_database(item)]
        items[:] = [item for item in items if needs.asks_for_database(item)]
        config.hook.pytest_deselected(items=without)
    if config.option.markexpr == LIVE:
        # Not of the fast ones: those that empty the tables have to come last.
        turns = {ROOT / path: turn for turn, path in enumerate(LONG_FIRST)}
        items.sort(key=lambda item: turns.get(item.path, len(turns)))
    missing = needs.missing()
    browser = missing.get("browser") or missing.get("axe")
    for item in items:
        marked = [mark for mark in LIVE_MARKS if item.get_closest_marker(mark)]
        if marked and not has_live_tests(item.path):
            raise pytest.UsageError(
                f"{item.nodeid} would be overlooked: its file has to say"
                f" pytest.mark.{marked[0]}"
            )
        if PLATFORMS in item.path.parents and needs.asks_for_database(item):
            # They run on one database only (tests/run.py): this one would be missed.
            raise pytest.UsageError(
                f"{item.nodeid} asks for a database, and platforms have none:"
                " move it to the app whose rows it needs"
            )
        if item.get_closest_marker("browser") and browser:
            item.add_marker(pytest.mark.skip(reason=browser))
        if item.get_closest_marker("gettext") and "gettext" in missing:
            item.add_marker(pytest.mark.skip(reason=missing["gettext"]))
        if item.get_closest_marker("bluesky_server") and "bluesky_server" in missing:
            item.add_marker(pytest.mark.skip(reason=missing["bluesky_server"]))
