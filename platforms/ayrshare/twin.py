"""Ayrshare in the practice network, written from its documentation.

Hosts below this twin's address: `/api` is api.ayrshare.com/api, `/profile`
profile.ayrshare.com; `/media` and `/store` are its file stores, `/web` the networks
behind it. What Ayrshare does not document is a switch.
Source: https://www.ayrshare.com/docs (2026-10-04).
"""

from __future__ import annotations

from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import digest, exact
from ..practice.framework import Doc, Person, Refusal
from .twin_calls import API_KEY, CALL_SWITCHES, NETWORKS, Refused
from .twin_history import History
from .twin_profiles import PROFILE_SWITCHES
from .twin_sending import POST_SWITCHES

LINKED = ["facebook", "instagram", "linkedin", "twitter", "threads", "youtube"]


class AyrshareTwin(History):
    slug: ClassVar[str] = "ayrshare"
    name: ClassVar[str] = "Ayrshare"
    endings = (
        ("revoke", "Remove the profile"),
        ("unlink", "All networks revoke"),
        ("role_lost", "Networks want a new consent"),
        ("suspend", "Suspend the profile"),
        ("restore", "Undo"),
    )
    SWITCHES = (*CALL_SWITCHES, *PROFILE_SWITCHES, *POST_SWITCHES)

    def seed(self) -> None:
        if self.all("profile"):
            return
        self.new_profile("Acme (primary)", ["facebook"], primary=True)
        self.new_profile("Acme Garden", LINKED)

    def people(self) -> list[Person]:
        return [
            Person(id, doc["name"], doc["title"], ", ".join(self.linked(doc)))
            for id, doc in self.all("profile", removed=False)
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: networks (linked ones). The access token is the Profile-Key; the
        API key is the secret of `app_credentials`."""
        if unknown := set(options) - {"networks"}:
            raise TypeError(f"unknown {', '.join(sorted(unknown))}")
        networks = [str(network) for network in options.get("networks", LINKED)]
        if unknown := set(networks) - set(NETWORKS):
            raise ValueError(f"Ayrshare has no network {sorted(unknown)[0]}")
        title = handle.removeprefix("@")
        rows = self.all("profile", title=title, removed=False)
        if rows:
            profile, secret = rows[0][1], ""
        else:
            profile, secret = self.new_profile(title, networks, name=name)
        if not secret:
            secret = f"PRACTICE-{profile['id']}"
            key = {"profile": profile["id"], "at": self.time()}
            self.put("key", digest(secret), key)
        return {
            "external_id": profile["id"],
            "handle": title,
            "name": profile["name"],
            "kind": "profile",
            "url": f"{self.url}/",
            "access_token": secret,
            "refresh_token": "",
            "expires_in": None,
            "refresh_expires_in": None,
            "scopes": [],
            "extra": {"networks": list(self.linked(profile))},
        }

    def app_credentials(self) -> tuple[str, str]:
        """The secret is the API key."""
        return "practice-ayrshare", API_KEY

    def name_of(self, account: str) -> str:
        return str((self.get("profile", account) or {"name": account})["name"])

    def tokens(self) -> list[Doc]:
        rows = []
        for id, key in self.all("key"):
            profile = self.get("profile", key["profile"]) or {}
            rows.append(
                {
                    "id": id[:12],
                    "account": profile["id"],
                    "person": profile["name"],
                    "state": "revoked" if profile["removed"] else "live",
                    "issued_at": exact(key["at"]),
                    "scopes": list(self.linked(profile)),
                }
            )
        return rows

    def end_tokens(self, account: str, how: str) -> int:
        """scope_lost:<network>: that network revokes, and Ayrshare unlinks it."""
        profile = self.get("profile", account)
        if not profile:
            raise ValueError(f"Ayrshare has no profile {account!r}")
        kind, _, network = how.partition(":")
        before = dict(profile)
        if kind == "restore":
            profile |= {"removed": False, "suspended": False, "lost": []}
            profile["linked"] |= profile.pop("unlinked", {})
        elif kind == "revoke":
            profile["removed"] = True
        elif kind == "suspend":
            profile["suspended"] = True
        elif kind == "role_lost":
            profile["lost"] = list(profile["linked"])
        elif kind == "unlink" or (
            kind == "scope_lost" and network in profile["linked"]
        ):
            lost = list(profile["linked"]) if kind == "unlink" else [network]
            gone = {name: profile["linked"][name] for name in lost}
            profile["unlinked"] = profile.get("unlinked", {}) | gone
            for name in lost:
                self.unlink_network(profile, name, "system")
        else:
            raise ValueError(f"Ayrshare cannot end keys by {how!r}")
        self.put("profile", account, profile)
        return int(before != profile or kind in ("unlink", "scope_lost"))

    def not_found(self, request: Request) -> Response:
        return Refused(404, 404, "The path does not exist.").response()

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        action = "post" if refusal.call == "POST /post" else "request"
        code, status, text = {
            "rate_limited": (429, 429, "Too many requests."),
            "rate_limited_no_headers": (429, 429, "Too many requests."),
            "server_error": (500, refusal.status, "Something went wrong."),
            "bad_request_after_write": (436, 400, "Processing took too long."),
            "duplicate": (137, 400, "Duplicate or similar content."),
            "content_refused": (138, 400, "There is an issue with the media."),
            "version_ended": (404, 404, "The path does not exist any more."),
            "app_suspended": (102, 401, "API Key not valid."),
            "no_credits": (106, 403, "The monthly post quota is exceeded."),
        }[refusal.kind]
        answer = Refused(status, code, text, action).response()
        if refusal.retry_after_s is not None:
            answer.headers["Retry-After"] = str(int(refusal.retry_after_s))
        return answer
