"""Trees of tokens, as one person's sign-in makes them at Meta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ConnectedAccount, Credential
from monitoring import incidents
from platforms.errors import Cause


@dataclass
class Tree:
    """A person's token, a token per page, and accounts behind some of the pages."""

    root: Credential
    pages: list[ConnectedAccount]

    @property
    def members(self) -> list[Credential]:
        return [self.root, *self.root.children.all()]

    @staticmethod
    def kill(credential: Credential, cause: str = Cause.PASSWORD_CHANGED) -> None:
        """As a check finds it: broken, and looked at."""
        now = timezone.now()
        Credential.objects.filter(pk=credential.pk).update(
            state=Credential.State.BROKEN, cause=cause, broken_at=now, looked_at=now
        )

    def kill_all(self, cause: str = Cause.PASSWORD_CHANGED) -> None:
        for member in self.members:
            self.kill(member, cause)

    @staticmethod
    def prove(*credentials: Credential) -> None:
        now = timezone.now()
        Credential.objects.filter(pk__in=[one.pk for one in credentials]).update(
            state=Credential.State.ACTIVE,
            cause="",
            broken_at=None,
            looked_at=now,
            proven_at=now,
        )

    def mend(self) -> None:
        self.prove(*self.members)


@pytest.fixture
def make_tree(
    script: object, make_account: Callable[..., ConnectedAccount]
) -> Callable[..., Tree]:
    def make(pages: int = 3, behind: int = 0, platform: str = "scripted") -> Tree:
        """behind: so many of the pages have a second account on the page's token."""
        first = make_account(platform, "page-0", name="Page 0")
        own = first.credential
        assert own is not None
        root = Credential.objects.create(
            app=own.app,
            kind="user",
            subject_id="jo",
            subject_name="Jo Weber",
            issued_at=timezone.now() - timedelta(days=1),
            connected_by=own.connected_by,
            next_proof_at=timezone.now() + timedelta(days=1),
        )
        made = [first]
        for number in range(1, pages):
            name = f"Page {number}"
            made.append(make_account(platform, f"page-{number}", name=name))
        Credential.objects.filter(accounts__in=made).update(parent=root, kind="page")
        for number in range(behind):
            one = make_account(platform, f"photos-{number}", name=f"Photos {number}")
            spare = one.credential
            one.credential = made[number].credential
            one.save(update_fields=["credential"])
            made.append(one)
            assert spare is not None
            spare.delete()
        return Tree(root, made)

    return make


@pytest.fixture
def review() -> Callable[..., None]:
    """Look `minutes` from now."""

    def look(minutes: float = 0) -> None:
        incidents.review(timezone.now() + timedelta(minutes=minutes))

    return look
