"""A platform whose answers a test writes down beforehand; everything else is real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from platforms import registry
from platforms.base import (
    Ability,
    Bucket,
    Call,
    Count,
    Draft,
    Identity,
    Look,
    MediaRule,
    Platform,
    PlatformClient,
    PlatformSpec,
    Proof,
    PublishJob,
    RemotePost,
    Sighting,
    SignIn,
    Step,
    StepKind,
    StepResult,
    TokenSet,
    Verdict,
    WindowKind,
)
from platforms.errors import PlatformError, TransientError

SPEC = PlatformSpec(
    slug="scripted",
    name="Scripted",
    sign_in=SignIn.OAUTH,
    hosts={"api": "https://api.scripted.example"},
    practice_paths={"api": "/scripted"},
    calls=(Call("POST /posts", "publish", mutates=True),),
    buckets=(Bucket("none", "app", None, WindowKind.MONTH, 1),),
    scopes=(),
    images=MediaRule(("image/png",), 1000),
    look_after_s=(5, 30, 120),
    keeps_uploads_s=86_400,
)


@dataclass
class Script:
    """What the platform will answer, and what it was asked."""

    #: per step name, a list of results or errors; the last one repeats
    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: names of the steps before the commit
    steps: list[str] = field(default_factory=list)
    seen_markers: list[str] = field(default_factory=list)

    def answer(self, name: str) -> Any:
        self.asked.append(name)
        planned = self.answers.get(name)
        if not planned:
            if name == "post":
                return StepResult(
                    remote=RemotePost("p1", "https://scripted.example/p1")
                )
            if name == "look":
                return Look(Sighting.ABSENT)
            if name == "refresh":
                return TokenSet("renewed", "next-refresh")
            if name == "prove":
                return Proof({Ability.PUBLISH: Verdict(True)})
            return StepResult(witness={name: "done"})
        result = planned.pop(0) if len(planned) > 1 else planned[0]
        if isinstance(result, Exception):
            raise result
        return result


class ScriptedClient(PlatformClient):
    spec: ClassVar[PlatformSpec] = SPEC
    script: ClassVar[Script]

    def error_from(self, answer: Any, mutates: bool) -> PlatformError:
        return TransientError()

    def identities(self) -> list[Identity]:
        return []

    def prove(self) -> Proof:
        return self.script.answer("prove")

    def refresh(self) -> TokenSet:
        return self.script.answer("refresh")


class Scripted(Platform):
    spec: ClassVar[PlatformSpec] = SPEC
    client_class = ScriptedClient

    def text_as_sent(self, draft: Draft) -> str:
        return draft.text

    def counts(self, draft: Draft, limits: Any = None) -> list[Count]:
        return [Count("characters", len(draft.text), 100)]

    def check(self, draft: Draft, account: Any = None, limits: Any = None) -> list[Any]:
        return []

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> dict[str, int]:
        return {} if looking else {"POST /posts": 1}

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        script = ScriptedClient.script
        if "post" in job.witness:  # out already; only its address is missing
            return Step(
                "address", StepKind.REPEATABLE, lambda: script.answer("address")
            )
        for name in script.steps:
            if name not in job.witness:
                part = name.startswith("part:")
                kind = StepKind.RESUMABLE if part else StepKind.REPEATABLE
                return Step(name, kind, lambda name=name: script.answer(name))

        def commit() -> StepResult:
            script.seen_markers.append(job.marker)
            return script.answer("post")

        return Step("post", StepKind.COMMIT, commit)

    def is_out(self, witness: Any) -> bool:
        return "post" in witness

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        return ScriptedClient.script.answer("look")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Install the scripted platform as the registry's only extra one."""
    written = Script()
    ScriptedClient.script = written
    known = registry.platform.__wrapped__
    one = Scripted()
    find = lambda slug: one if slug == "scripted" else known(slug)  # noqa: E731
    monkeypatch.setattr(registry, "platform", find)
    monkeypatch.setitem(registry.PLATFORMS, "scripted", "unused.here")
    return written


@pytest.fixture
def account(script: Script, make_account: Any) -> Any:
    return make_account("scripted", "me")


@pytest.fixture
def delivery(account: Any, make_delivery: Any) -> Any:
    return make_delivery(account)
