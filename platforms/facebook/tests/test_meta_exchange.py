"""Client and twin of Facebook and Instagram, written apart from one sheet, talking."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from platforms import registry
from platforms.base import (
    Ability,
    Access,
    Draft,
    Identity,
    MediaFile,
    Platform,
    PlatformClient,
    PublishJob,
    Sighting,
    StepKind,
)
from platforms.errors import Cause, Outcome, PlatformError, Reach
from platforms.practice.server import TWINS, start_practice

NUMBERS = count()
BOTH = {slug: TWINS[slug] for slug in ("facebook", "instagram")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("meta")
    running = start_practice(folder, twins=BOTH)
    try:
        with running.world.transaction():
            for twin in running.twins.values():
                twin.seed()
        yield running
    finally:
        running.stop()


def client(server: Any, slug: str, access: Access) -> PlatformClient:
    with server.world.transaction():
        number, secret = server.twins["facebook"].app_credentials()
    environment = registry.environment(
        slug, practice_url=server.url, client_id=number, client_secret=secret
    )
    return registry.platform(slug).client(environment, access)


@dataclass
class Tree:
    """A person, one Page and the Instagram account behind it, as they are stored."""

    server: Any
    person: PlatformClient
    page: PlatformClient
    instagram: PlatformClient

    def clients(self) -> tuple[PlatformClient, ...]:
        return (self.person, self.page, self.instagram)

    def end(self, how: str, who: str = "person") -> None:
        target: PlatformClient = getattr(self, who)
        slug = target.spec.slug
        with self.server.world.transaction():
            self.server.twins[slug].end_tokens(target.access.external_id, how)


def access_of(identity: Identity, page: Identity) -> Access:
    assert page.tokens is not None
    return Access(
        token=page.tokens.access_token,
        external_id=identity.external_id,
        kind=identity.kind,
        scopes=page.tokens.scopes,
        extra=dict(identity.extra),
    )


@pytest.fixture
def tree(server: Any) -> Tree:
    name = f"ana{next(NUMBERS)}"
    with server.world.transaction():
        made = server.twins["facebook"].add_account(
            name, "Ana Lopez", kind="user", pages=1, instagram=1
        )
    person = client(
        server,
        "facebook",
        Access(
            token=made["access_token"],
            external_id=made["external_id"],
            kind="user",
            scopes=tuple(made["scopes"]),
        ),
    )
    _me, page, instagram = person.identities()
    assert instagram.platform == "instagram"
    assert instagram.via == page.external_id
    return Tree(
        server,
        person,
        client(server, "facebook", access_of(page, page)),
        client(server, "instagram", access_of(instagram, page)),
    )


def told(client: PlatformClient) -> str:
    """In one word what a proof says of posting: "ok" or the cause."""
    try:
        verdict = client.prove().abilities[Ability.PUBLISH]
    except PlatformError as error:
        return str(error.cause)
    return "ok" if verdict.ok else str(verdict.cause)


def test_a_tree_is_alive_and_tells_its_ends(tree: Tree) -> None:
    assert [told(one) for one in tree.clients()] == ["ok", "ok", "ok"]
    soon = datetime.now(UTC) + timedelta(days=1)
    person, page, instagram = (one.prove() for one in tree.clients())
    assert person.expires_at is not None
    assert person.expires_at > soon
    assert (page.expires_at, instagram.expires_at) == (None, None)
    for proof in (person, page, instagram):
        assert proof.data_access_ends_at is not None
        assert proof.data_access_ends_at > soon
        assert "pages_manage_posts" in (proof.scopes or ())


@pytest.mark.parametrize(
    ("how", "who", "causes"),
    [
        ("expire", "person", (Cause.TOKEN_EXPIRED, "ok", "ok")),
        ("password_changed", "person", (Cause.PASSWORD_CHANGED,) * 3),
        ("revoke", "person", (Cause.TOKEN_REVOKED,) * 3),
        ("logged_out", "person", (Cause.TOKEN_REVOKED,) * 3),
        ("checkpoint", "person", (Cause.ACCOUNT_LOCKED,) * 3),
        ("unconfirmed", "person", (Cause.ACCOUNT_LOCKED,) * 3),
        ("role_lost", "page", ("ok", Cause.ROLE_LOST, Cause.ROLE_LOST)),
        ("page_unticked", "page", ("ok", Cause.SCOPE_MISSING, Cause.SCOPE_MISSING)),
        ("scopes_expired", "person", (Cause.SCOPE_MISSING,) * 3),
        (
            "scope_lost:instagram_content_publish",
            "person",
            ("ok", "ok", Cause.SCOPE_MISSING),
        ),
        ("data_access_ended", "person", ("ok", "ok", Cause.DATA_ACCESS_ENDED)),
        ("unlinked", "page", ("ok", "ok", Cause.NOT_ALLOWED)),
        ("not_professional", "instagram", ("ok", "ok", Cause.NOT_ALLOWED)),
    ],
)
def test_each_death_reaches_as_far_as_meta_lets_it(
    tree: Tree, how: str, who: str, causes: tuple[str, str, str]
) -> None:
    tree.end(how, who)
    assert tuple(told(one) for one in tree.clients()) == tuple(map(str, causes))


def test_figures_without_their_scope_are_not_taken_for_no_data(tree: Tree) -> None:
    tree.end("scope_lost:read_insights")
    abilities = tree.page.prove().abilities
    assert abilities[Ability.PUBLISH].ok
    assert abilities[Ability.FIGURES].cause is Cause.SCOPE_MISSING


@pytest.mark.parametrize("who", ["person", "page", "instagram"])
@pytest.mark.parametrize(
    ("switch", "value", "cause"),
    [
        ("app_state", "disabled", Cause.APP_SUSPENDED),
        ("ended_versions", ["v26.0"], Cause.VERSION_ENDED),
    ],
)
def test_what_concerns_our_app_is_no_fault_of_an_account(
    tree: Tree, who: str, switch: str, value: Any, cause: Cause
) -> None:
    twins = tree.server.twins.values()
    before = {twin: twin.setting(switch) for twin in twins}
    try:
        with tree.server.world.transaction():
            for twin in twins:
                twin.set_setting(switch, value)
        with pytest.raises(PlatformError) as caught:
            getattr(tree, who).prove()
    finally:
        with tree.server.world.transaction():
            for twin, old in before.items():
                twin.set_setting(switch, old)
    assert (caught.value.cause, caught.value.reach) == (cause, Reach.APP)


def test_an_app_that_requires_proofs_gets_them(tree: Tree) -> None:
    facebook = tree.server.twins["facebook"]
    try:
        with tree.server.world.transaction():
            facebook.set_setting("require_proof", True)
        assert [told(one) for one in tree.clients()] == ["ok", "ok", "ok"]
    finally:
        with tree.server.world.transaction():
            facebook.set_setting("require_proof", False)


def test_a_secret_that_is_not_ours_any_more_is_no_fault_of_an_account(
    tree: Tree,
) -> None:
    for one in tree.clients():
        one.environment = replace(one.environment, client_secret="another")
        with pytest.raises(PlatformError) as caught:
            one.prove()
        assert (caught.value.cause, caught.value.reach) == (
            Cause.APP_REFUSED,
            Reach.APP,
        )


# ------------------------------------------------------------------ lost answers


class Shelf(BaseHTTPRequestHandler):
    """Hands a picture out to whom fetches it."""

    picture = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.end_headers()
        self.wfile.write(self.picture)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def picture() -> Iterator[MediaFile]:
    out = BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "JPEG")
    Shelf.picture = out.getvalue()
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as shelf:
        threading.Thread(target=shelf.serve_forever, daemon=True).start()
        yield MediaFile(
            key="a1",
            mime_type="image/jpeg",
            size_bytes=len(Shelf.picture),
            width=400,
            height=400,
            alt_text="Teal",
            sha256="ab" * 32,
            file_name="a.jpg",
            open=lambda: BytesIO(Shelf.picture),
            public_url=f"http://127.0.0.1:{shelf.server_port}/a.jpg",
        )
        shelf.shutdown()


def go_on(platform: Platform, job: PublishJob, client: PlatformClient) -> PublishJob:
    """Run the steps up to the end, or up to the error."""
    for _ in range(20):
        step = platform.next_step(job, client)
        if step.kind is StepKind.COMMIT and job.first_sent_at is None:
            job = replace(job, first_sent_at=datetime.now(UTC))
        try:
            result = step.run()
        except PlatformError as error:
            if error.outcome is not Outcome.AMBIGUOUS:
                raise
            forgotten = error.extra.get("forget", "").split(",")
            left = {k: v for k, v in job.witness.items() if k not in forgotten}
            return replace(job, witness=left)
        job = replace(job, witness={**job.witness, **result.witness})
        if result.remote:
            return job
    raise AssertionError("no end")


@pytest.mark.parametrize("who", ["page", "instagram"])
@pytest.mark.parametrize(
    ("fault", "sighting"),
    [
        ("drop_answer", Sighting.FOUND),
        ("server_error_after_write", Sighting.FOUND),
        ("cut", Sighting.ABSENT),
    ],
)
def test_after_a_lost_answer_the_look_tells_and_nothing_is_there_twice(
    tree: Tree, picture: MediaFile, who: str, fault: str, sighting: Sighting
) -> None:
    acting: PlatformClient = getattr(tree, who)
    slug, number = acting.spec.slug, acting.access.external_id
    platform = registry.platform(slug)
    answer = requests.post(
        f"{tree.server.url}/api/faults",
        json={"platform": slug, "kind": fault, "call": "commit", "times": 1},
        headers={"X-Practice": "1"},
        timeout=10,
    )
    answer.raise_for_status()
    account = Identity(number, acting.access.kind, "Acme", "acme", "")
    draft = Draft(f"Hello @{number}", media=(picture,))
    job = PublishJob("a" * 32, datetime.now(UTC), draft, account)
    job = go_on(platform, job, acting)
    assert job.first_sent_at is not None
    assert platform.look(job, acting).sighting is sighting
    if sighting is Sighting.ABSENT:
        go_on(platform, job, acting)
    with tree.server.world.transaction():
        there = [p for p in tree.server.twins[slug].posts() if p["account"] == number]
    assert [post["text"] for post in there] == [f"Hello @{number}"]


def test_what_a_person_takes_back_is_gone_for_all(tree: Tree) -> None:
    tree.person.revoke()
    assert {told(one) for one in tree.clients()} == {str(Cause.TOKEN_REVOKED)}
    tree.person.revoke()  # safe to repeat


def test_instagram_s_own_sign_in_is_proven_and_renewed(server: Any) -> None:
    with server.world.transaction():
        made = server.twins["instagram"].add_account(
            "lone.wolf", "Lone Wolf", variant="instagram"
        )
    access = Access(
        token=made["access_token"],
        external_id=made["external_id"],
        kind="instagram",
        scopes=tuple(made["scopes"]),
        issued_at=datetime.now(UTC) - timedelta(days=2),
        extra=made["extra"],
    )
    own = client(server, "instagram", access)
    proof = own.prove()
    assert {verdict.ok for verdict in proof.abilities.values()} == {True}
    assert proof.identity is not None
    assert proof.identity.external_id == made["external_id"]
    with pytest.raises(PlatformError) as caught:
        own.refresh()  # by Instagram's own clock it is younger than a day
    assert caught.value.outcome is Outcome.TRANSIENT
    with server.world.transaction():
        server.world.put("panel", "setting", "clock", {"shift_s": 2 * 86_400})
    try:
        renewed = own.refresh()
    finally:
        with server.world.transaction():
            server.world.put("panel", "setting", "clock", {"shift_s": 0})
    assert renewed.access_token not in ("", made["access_token"])
    assert set(renewed.scopes) == set(made["scopes"])
