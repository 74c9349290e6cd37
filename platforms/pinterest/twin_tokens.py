"""Accesses to Pinterest: pairs of tokens, and what ends them.

Source: https://developers.pinterest.com/docs/getting-started/authentication/ (v5).
"""

from __future__ import annotations

import secrets
from typing import Any

from ..practice.framework import Doc, Token
from .twin_world import (
    APP_ID,
    APP_SECRET,
    DAY_S,
    SANDBOX,
    SCOPES,
    PinterestWorld,
    digest,
    exact,
)

#: What the old kind of refresh token lives, counted from the first consent.
LEGACY_S = 365 * DAY_S
ENDINGS = (
    ("expire", "Let the access token expire"),
    ("refresh_expired", "Let both tokens expire"),
    ("renewal_expired", "Let the refresh token alone expire"),
    ("revoke", "Remove the app"),
    ("password_changed", "Password changed"),
    ("suspend", "Deactivate the account"),
    ("spam", "Block it as spam"),
    ("boards_deleted", "Delete its boards"),
    ("restore", "Undo"),
)


class PinterestTokens(PinterestWorld):
    endings = ENDINGS

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", APP_ID)
        return APP_ID, str(app["secret"]) if app else APP_SECRET

    # ------------------------------------------------------------ issuing

    def issue(
        self,
        place: str,
        user: str,
        scopes: list[str],
        response_type: str,
        *,
        family: str = "",
        legacy_end: float = 0.0,
    ) -> Doc:
        """A new pair, as the token endpoint answers.

        family: the consent that it belongs to, else a new one. legacy_end: when a
        refresh token of the old kind ends (seconds since the epoch).
        """
        now, family = self.time(), family or secrets.token_hex(8)
        life = self.setting("sandbox_life_s" if place == SANDBOX else "access_life_s")
        common = {
            "place": place,
            "user": user,
            "scopes": scopes,
            "family": family,
            "issued_at": now,
            "state": "live",
        }
        access = Token("pina_practice", 48).made
        self.put(
            "token",
            digest(access),
            {**common, "kind": "access", "expires_at": now + life},
        )
        answer: Doc = {
            "access_token": access,
            "response_type": response_type,
            "token_type": "bearer",
            "expires_in": life,
            "scope": " ".join(scopes),
        }
        if response_type == "client_credentials":
            return answer
        if legacy_end and response_type == "refresh_token":
            return answer  # the old kind stays what it is
        refresh = Token("pinr.practice", 48).made
        expires_at = legacy_end or now + self.setting("refresh_life_s")
        self.put(
            "token",
            digest(refresh),
            {
                **common,
                "kind": "refresh",
                "expires_at": expires_at,
                "legacy": bool(legacy_end),
            },
        )
        return answer | {
            "refresh_token": refresh,
            "refresh_token_expires_in": round(expires_at - now),
            "refresh_token_expires_at": int(expires_at),
        }

    def live_token(self, secret: str, kind: str, place: str) -> Doc | None:
        token = self.get("token", digest(secret)) if secret else None
        if not token or token["kind"] != kind or token["place"] != place:
            return None
        return token if self.state_of_token(token) == "live" else None

    def state_of_token(self, token: Doc) -> str:
        if token["state"] != "live" or self.user(token["user"])["deactivated"]:
            return "revoked"
        return "expired" if token["expires_at"] <= self.time() else "live"

    def end_token(self, id: str, token: Doc) -> None:
        self.put("token", id, {**token, "state": "revoked"})

    def tokens(self) -> list[Doc]:
        return [
            {
                "id": id[:12],
                "account": token["user"],
                "person": self.user(token["user"])["name"],
                "kind": token["kind"],
                "place": token["place"],
                "state": self.state_of_token(token),
                "issued_at": exact(token["issued_at"]),
                "expires_at": exact(token["expires_at"]),
                "scopes": token["scopes"],
            }
            for id, token in self.all("token")
        ]

    # ------------------------------------------------------------ endings

    def end_tokens(self, account: str, how: str) -> int:
        """The number of live tokens that ended, or that can do less; of `restore` that
        of the documents which were put back."""
        user = self.user_named(account)
        if not user:
            raise ValueError(f"Pinterest has no account {account!r}")
        kind, _, scope = how.partition(":")
        if kind == "restore":
            return self._restore(user["id"])
        if kind not in (*dict(ENDINGS), "scope_lost") or (
            kind == "scope_lost" and scope not in SCOPES
        ):
            raise ValueError(f"Pinterest cannot end tokens by {how!r}")
        live = [
            (id, token)
            for id, token in self.all("token", user=user["id"])
            if self.state_of_token(token) == "live"
        ]
        if kind in ("suspend", "spam"):
            key = "deactivated" if kind == "suspend" else "spam"
            self._change("user", user["id"], **{key: True})
            return len(live)
        if kind == "boards_deleted":
            for id, _ in self.all("board", user=user["id"], deleted=False):
                self._change("board", id, deleted=True)
            return len(live)
        return self._end(live, kind, scope)

    def _end(self, live: list[tuple[str, Doc]], kind: str, scope: str) -> int:
        if kind == "password_changed" and not self.setting(
            "password_change_ends_tokens"
        ):
            return 0
        if kind == "expire":
            live = [(id, token) for id, token in live if token["kind"] == "access"]
        if kind == "renewal_expired":
            live = [(id, token) for id, token in live if token["kind"] == "refresh"]
        if kind == "scope_lost":
            live = [(id, token) for id, token in live if scope in token["scopes"]]
        for id, token in live:
            if kind == "scope_lost":
                kept = [name for name in token["scopes"] if name != scope]
                self._change("token", id, scopes=kept)
            elif kind in ("expire", "refresh_expired", "renewal_expired"):
                self._change("token", id, expires_at=self.time())
            else:
                self._change("token", id, state="revoked")
        return len(live)

    def _change(self, kind: str, id: str, **changes: Any) -> None:
        """Change a document and remember what it was, for `restore`."""
        doc = self.get(kind, id)
        assert doc is not None, id
        before = {name: doc[name] for name in changes} | doc.get("before", {})
        self.put(kind, id, {**doc, **changes, "before": before})

    def _restore(self, user: str) -> int:
        rows = [("user", user)]
        for kind in ("token", "board"):
            rows += [(kind, id) for id, _ in self.all(kind, user=user)]
        restored = 0
        for kind, id in rows:
            doc = self.get(kind, id)
            if doc and "before" in doc:
                before = doc.pop("before")
                self.put(kind, id, {**doc, **before})
                restored += 1
        return restored
