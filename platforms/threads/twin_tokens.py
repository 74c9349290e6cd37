"""Tokens of Threads and the permission grants behind them; what ends them.

Most ends are counters: a token remembers the password and the grant that it was made
under, and is dead once the world has moved on.
Source: https://developers.facebook.com/docs/threads/get-started/long-lived-tokens .
"""

from __future__ import annotations

import hmac
from typing import Any

from ..facebook import twin_errors as errors
from ..practice.framework import Doc, Token
from .twin_hooks import Hooks
from .twin_world import APP_ID, APP_SECRET, DAY_S, SCOPES, digest, exact

ENDINGS = (
    ("expire", "Let the token expire"),
    ("revoke", "Remove the app"),
    ("delete_data", "Remove the app and its data"),
    ("password_changed", "Password changed"),
    ("logged_out", "Log out everywhere"),
    ("checkpoint", "Checkpoint"),
    ("grant_ended", "End the permission grant"),
    ("suspend", "Restrict the account"),
    ("spam", "Restrict it as suspected spam"),
    ("private", "Make the profile private"),
    ("restore", "Undo"),
)
#: What leaves the tokens alive, with less that they may do.
SOFT = ("grant_ended", "suspend", "spam", "private", "scope_lost")


class ThreadsTokens(Hooks):
    endings = ENDINGS

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", APP_ID)
        return APP_ID, str(app["secret"]) if app else APP_SECRET

    def app_key(self) -> str:
        """What stands behind the last bar of the app's own token."""
        return digest(f"app token of {APP_ID}")[:20]

    def app_of_secret(self, secret: str) -> str:
        """The app whose token it is, else ""."""
        right = f"TH|{APP_ID}|{self.app_key()}"
        return APP_ID if hmac.compare_digest(secret.encode(), right.encode()) else ""

    # ------------------------------------------------------------ grants

    def grant(self, user: str) -> Doc:
        nothing = {"scopes": [], "no": 0, "session_no": 0, "removed": False}
        return self.get("grant", user) or nothing | {"ends_at": 0.0}

    def give(self, user: str, scopes: list[str]) -> None:
        """Store a consent, which adds to what the person has allowed before."""
        grant, now = self.grant(user), self.time()
        held = [] if grant["removed"] else grant["scopes"]
        # A restore must not take back what the person has decided since.
        grant.pop("before", None)
        is_open = held and grant["ends_at"] > now
        if not is_open or self.setting("login_renews_grant"):
            grant["ends_at"] = now + self.setting("grant_days") * DAY_S
        kept = [name for name in SCOPES if name in {*held, *scopes}]
        self.put("grant", user, {**grant, "scopes": kept, "removed": False})

    def renew_grant(self, user: str) -> None:
        ends_at = self.time() + self.setting("grant_days") * DAY_S
        self.put("grant", user, {**self.grant(user), "ends_at": ends_at})

    def scopes_of(self, token: Doc) -> list[str]:
        """What the token may do now; nothing once the grant has ended."""
        grant = self.grant(token["user"])
        if grant["ends_at"] <= self.time():
            return []
        return [name for name in grant["scopes"] if name in token["scopes"]]

    # ------------------------------------------------------------ issuing

    def issue(self, user: str, scopes: list[str], *, long: bool) -> tuple[str, int]:
        """(secret, life in seconds)."""
        life = int(self.setting("long_life_s" if long else "short_life_s"))
        secret = Token("THAA-practice", 96).made
        grant = self.grant(user)
        token = {
            "app": APP_ID,
            "user": user,
            "scopes": scopes,
            "long": long,
            "issued_at": self.time(),
            "expires_at": self.time() + life,
            "password_no": self.user(user)["password_no"],
            "grant_no": grant["no"],
            "session_no": grant["session_no"],
        }
        self.put("token", digest(secret), token)
        return secret, life

    # ------------------------------------------------------------ alive or dead

    def death(self, token: Doc) -> int:
        """The subcode that a dead token is refused with, 0 for a live one."""
        grant, user = self.grant(token["user"]), self.user(token["user"])
        if grant["removed"] or token["grant_no"] < grant["no"]:
            return 458
        if user["checkpoint"]:
            return 459
        if token["password_no"] < user["password_no"]:
            return 460
        if token["expires_at"] <= self.time():
            return 463
        return 467 if token["session_no"] < grant["session_no"] else 0

    def death_text(self, token: Doc, subcode: int) -> str:
        return errors.dead_message(
            subcode, token["app"], token["expires_at"], self.time()
        )

    def tokens(self) -> list[Doc]:
        rows = []
        for id, token in self.all("token"):
            subcode = self.death(token)
            state = "expired" if subcode == 463 else "revoked" if subcode else "live"
            rows.append(
                {
                    "id": id[:12],
                    "account": token["user"],
                    "person": self.user(token["user"])["name"],
                    "kind": "long" if token["long"] else "short",
                    "state": state,
                    "subcode": subcode,
                    "issued_at": exact(token["issued_at"]),
                    "expires_at": exact(token["expires_at"]),
                    "scopes": self.scopes_of(token),
                }
            )
        return rows

    # ------------------------------------------------------------ endings

    def end_tokens(self, account: str, how: str) -> int:
        """The number of live tokens that died, or that live on with less; of `restore`
        that of the documents which were put back."""
        user = self.user_named(account)
        if not user:
            raise ValueError(f"Threads has no account {account!r}")
        id = str(user["id"])
        kind, _, scope = how.partition(":")
        if kind == "restore":
            return self._restore(id)
        if kind not in (*dict(ENDINGS), "scope_lost") or (
            kind == "scope_lost" and scope not in SCOPES
        ):
            raise ValueError(f"Threads cannot end tokens by {how!r}")
        live = [(k, t) for k, t in self.all("token", user=id) if not self.death(t)]
        self._end(user, kind, scope, live)
        if kind in SOFT:
            return len(live)
        return sum(
            1 for key, token in live if self.death(self.get("token", key) or token)
        )

    def _end(
        self, user: Doc, kind: str, scope: str, live: list[tuple[str, Doc]]
    ) -> None:
        id, grant = user["id"], self.grant(user["id"])
        if kind == "expire":
            for key, _ in live:
                self._change("token", key, expires_at=self.time())
        elif kind in ("revoke", "delete_data"):
            self.remove_app(id, deletion=kind == "delete_data")
        elif kind == "password_changed":
            self._change("user", id, password_no=user["password_no"] + 1)
        elif kind == "logged_out":
            self._change("grant", id, session_no=grant["session_no"] + 1)
        elif kind == "grant_ended":
            self._change("grant", id, ends_at=self.time())
        elif kind == "checkpoint":
            self._change("user", id, checkpoint=True)
        elif kind == "private":
            self._change("user", id, is_private=True)
        elif kind == "scope_lost":
            kept = [name for name in grant["scopes"] if name != scope]
            self._change("grant", id, scopes=kept)
        else:
            self._change("user", id, restricted=kind)

    def remove_app(self, user: str, *, deletion: bool = False) -> None:
        grant = self.grant(user)
        if grant["removed"] or not grant["scopes"]:
            return
        self._change("grant", user, no=grant["no"] + 1, removed=True)
        self.tell_removed(user, deletion=deletion)

    def _change(self, kind: str, id: str, **changes: Any) -> None:
        """Change a document and remember what it was, for `restore`."""
        doc = self.get(kind, id)
        if doc is None:
            return
        before = {name: doc[name] for name in changes} | doc.get("before", {})
        self.put(kind, id, {**doc, **changes, "before": before})

    def _restore(self, user: str) -> int:
        rows = [("user", user), ("grant", user)]
        rows += [("token", key) for key, _ in self.all("token", user=user)]
        restored = 0
        for kind, id in rows:
            doc = self.get(kind, id)
            if doc and "before" in doc:
                before = doc.pop("before")
                self.put(kind, id, {**doc, **before})
                restored += 1
        return restored
