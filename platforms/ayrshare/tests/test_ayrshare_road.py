"""Our client and the practice network's Ayrshare, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from platforms import parts, registry
from platforms.ayrshare.client import AyrshareClient
from platforms.ayrshare.publish import Ayrshare
from platforms.base import Access, Draft, PublishJob, Sighting
from platforms.errors import AmbiguousOutcome, Cause, Outcome, PlatformError
from platforms.practice.server import TWINS, PracticeServer, start_practice


class Road:
    def __init__(self, server: PracticeServer) -> None:
        self.server, self.twin = server, server.twins["ayrshare"]
        with server.world.transaction():
            server.world.clear()
            self.twin.seed()
            made = self.twin.add_account("road", "Road")
            name, secret = self.twin.app_credentials()
        environment = registry.environment(
            "ayrshare", practice_url=server.url, client_id=name, client_secret=secret
        )
        tokens = AyrshareClient(environment).take_key(made["access_token"])
        access = Access(token=tokens.access_token, external_id=made["external_id"])
        self.client = AyrshareClient(environment, access)
        (self.me,) = self.client.identities()
        assert self.me.external_id == made["external_id"]
        self.ayrshare = Ayrshare()

    def fault(self, kind: str) -> None:
        wanted = {"kind": kind, "platform": "ayrshare", "call": "commit", "times": 1}
        with self.server.world.transaction():
            self.server.faults.add(wanted, self.server.twins)

    def set(self, name: str, value: str) -> None:
        with self.server.world.transaction():
            self.twin.set_switch(name, value)

    def posts(self) -> list[dict[str, Any]]:
        with self.server.world.transaction():
            found = self.twin.posts()
        return [post for post in found if post["account"] == self.me.external_id]

    def job(self, text: str = "Bread is out", network: str = "facebook") -> PublishJob:
        draft = Draft(text, options={"network": {self.me.external_id: network}})
        limits = self.client.server_limits()
        assert self.ayrshare.check(draft, self.me, limits) == []
        return PublishJob("a" * 32, datetime.now(UTC), draft, self.me)

    def publish(self, job: PublishJob) -> tuple[PublishJob, Any]:
        for _ in range(30):
            try:
                result = self.ayrshare.next_step(job, self.client).run()
            except PlatformError as error:
                gone = error.extra.get("forget", "").split(",")
                left = {k: v for k, v in job.witness.items() if k not in gone}
                return replace(job, witness=left), error
            job = replace(job, witness={**job.witness, **result.witness})
            if result.remote:
                return job, result.remote
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeServer]:
    folder: Path = tmp_path_factory.mktemp("ayrshare")
    server = start_practice(folder, twins={"ayrshare": TWINS["ayrshare"]})
    yield server
    server.stop()


@pytest.fixture
def road(network: PracticeServer) -> Road:
    return Road(network)


@pytest.mark.parametrize("name", ["facebook", "twitter", "linkedin", "threads"])
def test_a_post_goes_out_once_to_the_chosen_network(road: Road, name: str) -> None:
    _job, remote = road.publish(road.job(network=name))
    (post,) = road.posts()
    assert (remote.extra["social_id"], remote.permalink) == (post["id"], post["url"])
    assert post["text"] == "Bread is out"


@pytest.mark.parametrize("fault", ["drop_answer", "server_error_after_write"])
def test_a_lost_answer_is_found_in_the_history_and_a_repeat_changes_nothing(
    road: Road, fault: str
) -> None:
    road.fault(fault)
    job, error = road.publish(road.job())
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    look = road.ayrshare.look(sent, road.client)
    assert look.sighting is Sighting.FOUND
    # The same key again, as if the history had been late.
    _job, remote = road.publish(sent)
    (post,) = road.posts()
    assert look.remote is not None
    assert remote.external_id == look.remote.external_id
    assert remote.permalink == post["url"]


def test_what_never_arrived_is_sent_again_with_its_key(road: Road) -> None:
    road.fault("cut")
    job, error = road.publish(road.job())
    assert isinstance(error, AmbiguousOutcome)
    sent = replace(job, first_sent_at=datetime.now(UTC))
    look = road.ayrshare.look(sent, road.client)
    assert (look.sighting, look.safe_to_repeat) == (Sighting.ABSENT, True)
    road.publish(sent)
    assert len(road.posts()) == 1


@pytest.mark.trap("ayrshare", 3)
def test_a_refused_try_uses_its_key_up_and_the_next_has_another(road: Road) -> None:
    road.fault("content_refused")
    job, error = road.publish(road.job())
    assert error.outcome is Outcome.INVALID_CONTENT
    _job, remote = road.publish(job)
    (post,) = road.posts()
    assert remote.permalink == post["url"]


@pytest.mark.trap("ayrshare", 4)
def test_ayrshares_own_filter_refuses_the_same_words_again(road: Road) -> None:
    road.publish(road.job())
    job = replace(road.job(), marker="b" * 32)
    _job, error = road.publish(job)
    assert error.outcome is Outcome.DUPLICATE
    assert len(road.posts()) == 1


def test_an_api_key_that_ended_is_no_profiles_fault(road: Road) -> None:
    road.set("api_key", "regenerated")
    with pytest.raises(PlatformError) as caught:
        road.client.prove()
    assert caught.value.cause is Cause.APP_REFUSED
    assert not caught.value.ends_access


def test_what_is_out_can_be_counted_and_deleted(road: Road) -> None:
    _job, remote = road.publish(road.job())
    road.client.figures(remote.external_id)
    assert road.client.comments(remote.external_id).comments == ()
    road.client.delete_post(remote.external_id)
    road.client.delete_post(remote.external_id)
    assert road.posts() == []


def test_a_first_comment_stands_once_below_the_post(road: Road) -> None:
    one = road.job(network="facebook")
    draft = replace(one.draft, first_comment="Recipe below")
    job = replace(one, draft=draft)
    for _ in range(10):
        result = parts.next_step(road.ayrshare, job, road.client).run()
        witness = {**job.witness, **result.witness}
        if result.remote:
            now = datetime.now(UTC)
            witness = parts.arrived(draft, witness, result.remote, now)
        job = replace(job, witness=witness)
        if parts.all_out(draft, witness):
            break
    (post,) = road.posts()
    with road.server.world.transaction():
        (comment,) = road.twin.own_comments()
    assert (comment["text"], comment["post"]) == ("Recipe below", post["id"])
    assert parts.out(job.witness)[-1].external_id == f"facebook:{comment['id']}"
    # As if its answer had been lost.
    first = {**job.witness, parts.OUT: job.witness[parts.OUT][:1]}
    look = parts.look(road.ayrshare, replace(job, witness=first), road.client)
    assert look.sighting is Sighting.FOUND


def test_a_profile_tells_us_what_became_of_it(road: Road) -> None:
    url = "http://127.0.0.1:9/hook"
    road.client.ask_for_events(road.me.external_id, url, "word")
    with road.server.world.transaction():
        hooks = road.twin.all("hook", profile=road.me.external_id)
    assert {doc["action"] for _id, doc in hooks} == {"scheduled", "social"}
    assert {(doc["url"], doc["secret"]) for _id, doc in hooks} == {(url, "word")}
