"""Our client and the practice network's Outstand, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from platforms import parts, registry
from platforms.base import Access, Draft, Level, Part, PublishJob, Sighting
from platforms.errors import AmbiguousOutcome, Cause, Outcome, PlatformError
from platforms.outstand.client import OutstandClient
from platforms.outstand.publish import Outstand
from platforms.practice.server import TWINS, PracticeServer, start_practice


class Road:
    def __init__(self, server: PracticeServer, network: str = "facebook") -> None:
        self.server, self.twin = server, server.twins["outstand"]
        with server.world.transaction():
            server.world.clear()
            self.twin.seed()
            made = self.twin.add_account("road", "Road", network=network)
            name, secret = self.twin.app_credentials()
        environment = registry.environment(
            "outstand", practice_url=server.url, client_id=name, client_secret=secret
        )
        offered = OutstandClient(environment).identities()
        (self.me,) = [i for i in offered if i.external_id == made["external_id"]]
        assert self.me.tokens is not None
        access = Access(
            token=self.me.tokens.access_token,
            external_id=self.me.external_id,
            kind=self.me.kind,
        )
        self.client = OutstandClient(environment, access)
        self.outstand = Outstand()

    def fault(self, kind: str) -> None:
        wanted = {"kind": kind, "platform": "outstand", "call": "commit", "times": 1}
        with self.server.world.transaction():
            self.server.faults.add(wanted, self.server.twins)

    def set(self, name: str, value: str) -> None:
        with self.server.world.transaction():
            self.twin.set_switch(name, value)

    def later(self, seconds: float) -> None:
        world = self.server.world
        with world.transaction():
            shift = world.shift_s + seconds
            world.put("panel", "setting", "clock", {"shift_s": shift})

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            found = self.twin.posts()
        return [post for post in found if post["account"] == self.me.external_id]

    def job(self, text: str = "Bread is out") -> PublishJob:
        assert self.outstand.check(Draft(text), self.me) == []
        return PublishJob("a" * 32, datetime.now(UTC), Draft(text), self.me)

    def parts(self, draft: Draft) -> list[str]:
        """All parts, each to its end; their ids."""
        findings = parts.check(self.outstand, draft, self.me)
        assert [f for f in findings if f.level is Level.REFUSED] == []
        job = PublishJob("a" * 32, datetime.now(UTC), draft, self.me)
        for _ in range(30):
            result = parts.next_step(self.outstand, job, self.client).run()
            witness = {**job.witness, **result.witness}
            if result.remote:
                now = datetime.now(UTC)
                witness = parts.arrived(draft, witness, result.remote, now)
                if parts.all_out(draft, witness):
                    return [one.external_id for one in parts.out(witness)]
            job = replace(job, witness=witness)
            self.later(result.wait_s or 0)
        raise AssertionError("no end")

    def publish(self, job: PublishJob) -> tuple[PublishJob, Any]:
        for _ in range(30):
            try:
                result = self.outstand.next_step(job, self.client).run()
            except PlatformError as error:
                gone = error.extra.get("forget", "").split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                return replace(job, witness=left), error
            job = replace(job, witness={**job.witness, **result.witness})
            if result.remote:
                return job, result.remote
            self.later(result.wait_s or 0)
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder: Path = tmp_path_factory.mktemp("outstand")
    server = start_practice(folder, twins={"outstand": TWINS["outstand"]})
    yield server
    server.stop()


@pytest.fixture
def road(network: PracticeServer) -> Road:
    return Road(network)


@pytest.mark.parametrize("wrapped", ["yes", "no"])
def test_a_post_is_handed_over_and_followed_until_it_is_live(
    road: Road, wrapped: str
) -> None:
    road.set("wrapped", wrapped)
    _job, remote = road.publish(road.job())
    (post,) = road.posts()
    assert remote.permalink == post["url"]
    assert post["text"] == "Bread is out"
    road.client.figures(remote.external_id)
    road.client.delete_post(remote.external_id)
    assert road.posts() == []


@pytest.mark.parametrize("fault", ["drop_answer", "server_error_after_write"])
def test_after_a_lost_answer_the_same_key_leads_to_the_same_post(
    road: Road, fault: str
) -> None:
    road.fault(fault)
    job, error = road.publish(road.job())
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    look = road.outstand.look(sent, road.client)
    assert look.safe_to_repeat or look.sighting is Sighting.FOUND
    road.publish(sent)
    assert len(road.posts()) == 1
    assert road.outstand.look(sent, road.client).sighting is Sighting.FOUND


def test_what_never_arrived_is_sent_again(road: Road) -> None:
    road.fault("cut")
    job, error = road.publish(road.job())
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    look = road.outstand.look(sent, road.client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)
    road.publish(sent)
    assert len(road.posts()) == 1


def test_a_network_that_refuses_makes_it_fail_with_its_words(road: Road) -> None:
    road.set("failing_networks", road.me.kind)
    _job, error = road.publish(road.job())
    assert error.outcome is Outcome.INVALID_CONTENT
    assert error.detail == "The network refused the post."
    assert road.posts() == []


@pytest.mark.parametrize(
    ("switch", "value", "cause"),
    [
        ("api_key", "revoked", Cause.APP_REFUSED),
        ("subscription", "inactive", Cause.PLAN_LIMIT),
    ],
)
def test_key_and_subscription_are_no_accounts_fault(
    road: Road, switch: str, value: str, cause: Cause
) -> None:
    road.set(switch, value)
    _job, error = road.publish(road.job())
    assert error.cause is cause
    assert not error.ends_access


def test_a_thread_goes_out_with_its_first_part(network: PracticeServer) -> None:
    road = Road(network, "x")
    ids = road.parts(Draft("One", parts=(Part("Two"), Part("Three"))))
    assert [post["text"] for post in road.posts()] == ["One", "Two", "Three"]
    assert len(set(ids)) == 3


def test_of_a_refused_thread_it_is_said_that_parts_may_be_live(
    network: PracticeServer,
) -> None:
    road = Road(network, "x")
    road.set("failing_networks", road.me.kind)
    draft = Draft("One", parts=(Part("Two"),))
    job = PublishJob("a" * 32, datetime.now(UTC), draft, road.me)
    _job, error = road.publish(parts.turn(job))
    assert error.outcome is Outcome.INVALID_CONTENT
    assert error.cause is Cause.THREAD_HALTED


def test_what_was_refused_is_followed_anew_when_it_is_sent_again(road: Road) -> None:
    """With the questions of the first time it would count as out at once."""
    road.set("failing_networks", road.me.kind)
    job, _error = road.publish(road.job())
    assert job.witness == {}


def test_a_first_comment_stands_below_the_post(road: Road) -> None:
    road.parts(Draft("Bread is out", first_comment="Recipe below"))
    (post,) = road.posts()
    with road.server.world.transaction():
        (comment,) = road.twin.own_comments()
    assert (comment["text"], comment["post"]) == ("Recipe below", post["id"])
