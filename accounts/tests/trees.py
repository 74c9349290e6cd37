"""A platform whose pages have tokens of their own, and one that is reached through it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from accounts.connect import Grant, connect, receive
from accounts.models import PlatformApp
from platforms import registry
from platforms.base import Ability, Identity, PlatformSpec, Proof, TokenSet, Verdict
from platforms.errors import PlatformError
from tests.scripted_platform import SPEC, Scripted, ScriptedClient

ANA = Identity("ana", "user", "Ana Lopez", "", "", can_publish=False)
BEN = Identity("ben", "user", "Ben Okri", "", "", can_publish=False)


class TreeClient(ScriptedClient):
    #: the tokens that were asked with, and what the platform says to some of them
    asked: ClassVar[list[str]]
    answers: ClassVar[dict[str, Any]]
    revoked: ClassVar[list[str]]

    def prove(self) -> Proof:
        token = self.access.token
        self.asked.append(asked := f"{self.spec.slug} {token}")
        fine = Proof({Ability.PUBLISH: Verdict(True)})
        answer = self.answers.get(asked, self.answers.get(token, fine))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def revoke(self) -> None:
        self.revoked.append(self.access.token)
        if isinstance(error := self.answers.get("revoke"), PlatformError):
            raise error


class PhotosClient(TreeClient):
    spec: ClassVar[PlatformSpec] = replace(SPEC, slug="photos", name="Photos")


class Tree(Scripted):
    client_class = TreeClient


class Photos(Scripted):
    spec = PhotosClient.spec
    client_class = PhotosClient


@pytest.fixture
def tree(script: Any, monkeypatch: pytest.MonkeyPatch) -> type[TreeClient]:
    TreeClient.asked, TreeClient.answers, TreeClient.revoked = [], {}, []
    made = {"scripted": Tree(), "photos": Photos()}
    known = registry.platform
    monkeypatch.setattr(registry, "platform", lambda s: made.get(s) or known(s))
    monkeypatch.setitem(registry.PLATFORMS, "photos", "unused.here")
    return TreeClient


def page(number: int, by: str) -> Identity:
    """A page whose token differs by person and sign-in."""
    return Identity(
        f"page{number}",
        "page",
        f"Page {number}",
        "",
        "",
        tokens=TokenSet(f"{by}-page{number}"),
    )


def photo(number: int) -> Identity:
    """What acts through that page."""
    return Identity(
        f"photo{number}",
        "business",
        f"Photo {number}",
        f"photo{number}",
        "",
        via=f"page{number}",
        platform="photos",
    )


@pytest.fixture
def tree_app(tree: Any, db: Any) -> PlatformApp:
    return PlatformApp.objects.create(
        platform="scripted", client_id="c", client_secret="key"
    )


@pytest.fixture
def sign_in(tree_app: PlatformApp) -> Any:
    """A grant of a person: `sign_in(ANA, pages=(1, 2), photos=(1,), by="ana-2")`."""

    def make(
        who: Identity = ANA,
        pages: Any = (1, 2, 3),
        photos: Any = (1,),
        by: str = "",
        scopes: tuple[str, ...] = ("all",),
    ) -> Grant:
        by = by or who.external_id
        found = [who, *(page(n, by) for n in pages), *(photo(n) for n in photos)]
        tokens = TokenSet(f"{by}-user", scopes=scopes)
        return receive(tree_app, tokens, ("all",), found)

    return make


@pytest.fixture
def planted(sign_in: Any, brand: Any, author: Any) -> Any:
    """Ana's three pages and the photo account of the first, all connected."""
    grant = sign_in()
    picks = [(i, brand) for i in grant.identities if i.can_publish]
    accounts = connect(grant, picks, author)
    return {account.external_id: account for account in accounts}
