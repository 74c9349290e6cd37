"""Outstand in the practice network, written from its documentation.

Hosts below this twin's address: `/api` is api.outstand.so, `/oauth` the sign-in pages of
the networks, `/store` and `/media` its file store, `/web` the networks behind it. What
its sources leave open or contradict each other in is a switch.
Source: https://www.outstand.so/docs (2026-10).
"""

from __future__ import annotations

from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import exact
from ..practice.framework import Doc, Person, Refusal
from .twin_accounts import ACCOUNT_SWITCHES, PEOPLE
from .twin_calls import API_KEY, CALL_SWITCHES, NETWORKS, ORG, Refused, invalid
from .twin_media import Media
from .twin_posts import POST_SWITCHES


class OutstandTwin(Media):
    slug: ClassVar[str] = "outstand"
    name: ClassVar[str] = "Outstand"
    endings = (
        ("expire", "The network's access expires"),
        ("revoke", "Disconnect the account"),
        ("restore", "Undo"),
    )
    loses_scopes = False
    SWITCHES = (*CALL_SWITCHES, *ACCOUNT_SWITCHES, *POST_SWITCHES)

    def seed(self) -> None:
        if self.all("own_key"):
            return
        for network in ("x", "google_business"):
            self.put("own_key", network, {"at": self.time()})
        for network in ("instagram", "x", "facebook"):
            unique = f"{network}-acme"
            self.new_account(network, "acme", PEOPLE["acme"], "practice", unique)

    def people(self) -> list[Person]:
        return [
            Person(doc["id"], doc["nickname"], doc["username"], doc["network"])
            for doc in self.connected()
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: network (facebook), tenant_id. The access token is the API key,
        which is the secret of `app_credentials` as well."""
        if unknown := set(options) - {"network", "tenant_id"}:
            raise TypeError(f"unknown {', '.join(sorted(unknown))}")
        network = str(options.get("network", "facebook"))
        if network not in NETWORKS:
            raise ValueError(f"Outstand has no network {network!r}")
        username = handle.removeprefix("@")
        tenant = str(options.get("tenant_id", "practice"))
        unique = f"{network}-{username}"
        account = self.new_account(network, username, name, tenant, unique)
        return {
            "external_id": account["id"],
            "handle": username,
            "name": name,
            "kind": network,
            "url": f"{self.url}/",
            "access_token": API_KEY,
            "refresh_token": "",
            "expires_in": None,
            "refresh_expires_in": None,
            "scopes": [],
            "extra": {"network": network, "tenant_id": tenant},
        }

    def app_credentials(self) -> tuple[str, str]:
        """The secret is the API key."""
        return ORG, API_KEY

    def account_of(self, request: Request) -> str:
        """The one account that a post names, or that stands in the path."""
        if request.method == "POST" and request.path.rstrip("/").endswith("/posts"):
            body = request.get_json(force=True, silent=True)
            named = body.get("accounts") if isinstance(body, dict) else None
            if isinstance(named, list) and len(named) == 1:
                return str(named[0])
        for part in request.path.split("/"):
            if part and self.get("account", part):
                return part
        return request.args.get("social_account_id", "")

    def user_of(self, account: str) -> str:
        return str((self.get("account", account) or {"username": ""})["username"])

    def name_of(self, account: str) -> str:
        return str((self.get("account", account) or {"nickname": account})["nickname"])

    def tokens(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": id,
                "person": f"{doc['nickname']} on {NETWORKS[doc['network']].label}",
                "state": "revoked"
                if doc["removed"]
                else "live"
                if doc["is_active"]
                else "expired",
                "issued_at": exact(doc["created_at"]),
            }
            for id, doc in self.all("account")
        ]

    def end_tokens(self, account: str, how: str) -> int:
        doc = self.get("account", account)
        if not doc:
            raise ValueError(f"Outstand has no account {account!r}")
        changes = {
            "expire": {"is_active": False},
            "revoke": {"removed": True},
            "restore": {"is_active": True, "removed": False},
        }.get(how)
        if changes is None:
            raise ValueError(f"Outstand cannot end an access by {how!r}")
        self.put("account", account, {**doc, **changes})
        if how == "expire" and doc["is_active"]:
            data = {
                "orgId": ORG,
                "accountId": account,
                "network": doc["network"],
                "username": doc["username"],
                "error": "The access token has expired.",
            }
            self.tell_event("account.token_expired", data)
        return int({**doc, **changes} != doc)

    def not_found(self, request: Request) -> Response:
        return Refused(404, "Not found").response()

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        answers = {
            "rate_limited": Refused(429, "Too many requests", "Rate limit exceeded"),
            "rate_limited_no_headers": Refused(429, "Too many requests"),
            "server_error": Refused(
                refusal.status, "Internal server error", "Something went wrong"
            ),
            "bad_request_after_write": Refused(400, "Invalid payload"),
            "duplicate": Refused(409, "Post is already published"),
            "content_refused": invalid("containers", "The content is not allowed"),
            "version_ended": Refused(404, "Not found", "v1 has ended."),
            "app_suspended": Refused(401, "Unauthorized", "Invalid API key"),
            "no_credits": Refused(402, "subscription_inactive"),
        }
        answer = answers[refusal.kind].response()
        if refusal.retry_after_s is not None:
            answer.headers["Retry-After"] = str(int(refusal.retry_after_s))
        return answer
