"""The faults of the panel: rows in the practice network's world, applied by the server.

A fault waits for requests of one platform, then acts on as many of them as it was told
to. Pages for people (sign-in, consent, permalinks, the panel) are never touched.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .framework import Route, World


@dataclass(frozen=True)
class Setting:
    """One number that a fault takes. `default` and the bounds are in `unit`."""

    name: str
    label: str
    default: float
    maximum: float


@dataclass(frozen=True)
class Kind:
    """One kind of fault, in words that marketing people understand."""

    name: str
    label: str
    effect: str
    call: str = "any"
    settings: tuple[Setting, ...] = ()
    #: the twin answers for it, in its platform's own words
    refused: bool = False


SECONDS = Setting("seconds", "Seconds", 3, 3600)
STATUS = Setting("status", "Status code (500, 502, 503 or 504)", 500, 504)
RETRY = Setting("retry_after_s", "Seconds until it is over", 60, 86_400)
SERVER_ERRORS = (500, 502, 503, 504)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "latency",
            "Slow network",
            "The request waits before the platform looks at it.",
            settings=(SECONDS,),
        ),
        Kind(
            "slow_answer",
            "Slow answer",
            "The platform does what it was asked at once, and answers late.",
            settings=(SECONDS,),
        ),
        Kind(
            "cut",
            "Connection cut before anything happened",
            "The connection breaks; the platform did nothing.",
        ),
        Kind(
            "drop_answer",
            "Accept and drop the answer",
            "The post goes out, but the answer never arrives.",
            call="commit",
        ),
        Kind(
            "delayed_apply",
            "Connection cut, post appears later",
            "The connection breaks now; the platform does it some seconds later.",
            call="commit",
            settings=(SECONDS,),
        ),
        Kind(
            "rate_limited",
            "Too many requests",
            "The platform asks to slow down and says until when.",
            settings=(RETRY,),
            refused=True,
        ),
        Kind(
            "rate_limited_no_headers",
            "Too many requests, without saying until when",
            "The platform asks to slow down and gives no time.",
            refused=True,
        ),
        Kind(
            "server_error",
            "Platform trouble",
            "The platform answers with an error of its own; it did nothing.",
            settings=(STATUS,),
            refused=True,
        ),
        Kind(
            "server_error_after_write",
            "Platform trouble after the post went out",
            "The platform does what it was asked, then answers with an error.",
            call="commit",
            settings=(STATUS,),
            refused=True,
        ),
        Kind(
            "html_error",
            "An error page instead of an answer",
            "A machine in front of the platform answers with a web page.",
            settings=(STATUS,),
        ),
        Kind(
            "bad_request_after_write",
            "Refused after the post went out",
            "The post goes out, but the platform says that it was refused.",
            call="commit",
            refused=True,
        ),
        Kind(
            "duplicate",
            "Refused as a duplicate",
            "The platform says that it has this post already.",
            call="commit",
            refused=True,
        ),
        Kind(
            "content_refused",
            "Content refused",
            "The platform does not want this post.",
            call="commit",
            refused=True,
        ),
        Kind(
            "version_ended",
            "API version ended",
            "The platform no longer speaks the version that our app uses.",
            refused=True,
        ),
        Kind(
            "app_suspended",
            "Our app is suspended",
            "The platform refuses everything from our app.",
            refused=True,
        ),
        Kind(
            "no_credits",
            "Credits used up",
            "The platform wants to be paid before it does more.",
            refused=True,
        ),
    )
}


@dataclass(frozen=True)
class Fault:
    """One active fault.

    account: an `external_id`, "" for all. call: a call's name, "commit" (what the
    audience would see) or "any". left: how many more times, None until removed.
    """

    id: str
    kind: str
    platform: str
    account: str = ""
    call: str = "any"
    left: int | None = None
    params: Mapping[str, float] = field(default_factory=dict)

    def value(self, name: str) -> float:
        return float(self.params[name])

    def meets(self, platform: str, route: Route, account: str) -> bool:
        if self.platform != platform or self.account not in ("", account):
            return False
        if self.call == "commit":
            return route.commit
        return self.call in ("any", route.call)


class Faults:
    """The active faults, oldest first. Use inside `world.transaction()`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def active(self) -> list[Fault]:
        rows = self._world.all("panel", "fault")
        return [Fault(id, **doc) for id, doc in rows]

    def add(self, wanted: Mapping[str, Any], platforms: Mapping[str, object]) -> Fault:
        """Check and store; ValueError says what is wrong.

        wanted: kind, platform, and optionally account, call, times (None or "" = until
        removed) and the settings of the kind, by name.
        """
        name, platform = str(wanted.get("kind", "")), str(wanted.get("platform", ""))
        kind = KINDS.get(name)
        if kind is None:
            raise ValueError(
                f"There is no fault {name!r}; there are: {', '.join(KINDS)}."
            )
        if platform not in platforms:
            raise ValueError(f"There is no platform {platform!r} here.")
        unknown = set(wanted) - {"kind", "platform", "account", "call", "times"}
        unknown -= {setting.name for setting in kind.settings}
        if unknown:
            raise ValueError(f"{name} does not take {', '.join(sorted(unknown))}.")
        params = {s.name: _number(wanted.get(s.name), s) for s in kind.settings}
        if "status" in params and params["status"] not in SERVER_ERRORS:
            raise ValueError("The status code is one of 500, 502, 503 and 504.")
        fault = Fault(
            id=secrets.token_hex(6),
            kind=name,
            platform=platform,
            account=str(wanted.get("account") or ""),
            call=str(wanted.get("call") or kind.call),
            left=_times(wanted.get("times")),
            params=params,
        )
        self._store(fault)
        return fault

    def remove(self, id: str) -> bool:
        if self._world.get("panel", "fault", id) is None:
            return False
        self._world.delete("panel", "fault", id)
        return True

    def remove_all(self) -> int:
        active = self.active()
        for fault in active:
            self._world.delete("panel", "fault", fault.id)
        return len(active)

    def take(
        self, platform: str, route: Route, account: str, *, has_version: bool = True
    ) -> list[Fault]:
        """The faults that act on this request. A slowness goes with others; of the rest
        only the oldest acts, so that each counts the requests that it really spoiled.

        has_version: what is asked for ends with the interface's version.
        """
        taken: list[Fault] = []
        decided = False
        for fault in self.active():
            slow = fault.kind in ("latency", "slow_answer")
            if (decided and not slow) or not fault.meets(platform, route, account):
                continue
            if fault.kind == "version_ended" and not has_version:
                continue
            decided = decided or not slow
            taken.append(fault)
            if fault.left is None:
                continue
            if fault.left <= 1:
                self._world.delete("panel", "fault", fault.id)
            else:
                self._store(Fault(**{**asdict(fault), "left": fault.left - 1}))
        return taken

    def _store(self, fault: Fault) -> None:
        doc = asdict(fault)
        self._world.put("panel", "fault", doc.pop("id"), doc)


def _number(value: Any, setting: Setting) -> float:
    if value in (None, ""):
        return setting.default
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{setting.label}: {value!r} is not a number.") from None
    if not 0 <= number <= setting.maximum:
        raise ValueError(f"{setting.label}: between 0 and {setting.maximum:g}.")
    return number


def _times(value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        times = int(value)
    except (TypeError, ValueError):
        raise ValueError(f"How many times: {value!r} is not a whole number.") from None
    if times < 1:
        raise ValueError("How many times: at least once.")
    return times
