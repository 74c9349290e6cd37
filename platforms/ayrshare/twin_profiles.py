"""Profiles at Ayrshare, the page where a person links networks, and webhooks.

Sources: https://www.ayrshare.com/docs/apis/profiles/create-link-session,
https://www.ayrshare.com/docs/apis/webhooks/overview.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.aggregator import body_for, digest, exact, milli
from ..practice.framework import Doc, Person, Token, json_response, route
from ..practice.switches import Switch
from ..practice.telling import Again
from .twin_calls import DAY_S, NETWORKS, Caller, Calls, Refused, sent_json, wrong

WITH_PROFILES = ("launch", "business")
PAID = ("premium", "launch", "business")
#: networks that want a new consent after so many days
CONSENT_DAYS = {"linkedin": 365, "instagram": 60, "facebook": 60}
HOOKS = frozenset(
    [
        "feed",
        "social",
        "scheduled",
        "batch",
        "messages",
        "mentions",
        "comments",
        "automations",
        "suspended",
        "accountActivity",
    ]
)
PROFILE_SWITCHES = (
    Switch("posts_per_month", "Posts of a profile in a month", 1000),
    Switch("signature", "Signatures of webhooks are", "hex", ("hex", "base64")),
)


def stamp(at: float) -> Doc:
    return {"_seconds": int(at), "_nanoseconds": 0, "utc": milli(at)}


class Profiles(Calls):
    # Nine deliveries within about an hour, then slower.
    AGAIN = Again((30, 60, 120, 240, 480, 600, 900, 1200), grows=2, ends_s=DAY_S)

    def new_profile(
        self, title: str, networks: list[str], *, primary: bool = False, name: str = ""
    ) -> tuple[Doc, str]:
        """(profile, its Profile-Key, which is told this once)."""
        id = secrets.token_hex(10)
        profile: Doc = {
            "id": id,
            "title": title,
            "name": name or title,
            "primary": primary,
            "suspended": False,
            "removed": False,
            "lost": [],
            "linked": {},
            "hidden": [],
            "created_at": self.time(),
        }
        for network in networks:
            profile["linked"][network] = self._link(profile, network)
        self.put("profile", id, profile)
        secret = "" if primary else Token("PRACTICE", 24).made
        if secret:
            self.put("key", digest(secret), {"profile": id, "at": self.time()})
        return profile, secret

    def _link(self, profile: Doc, network: str) -> Doc:
        user = "".join(filter(str.isalnum, profile["title"].lower()))
        return {
            "id": str(secrets.randbelow(9 * 10**14) + 10**14),
            "username": user,
            "at": self.time(),
        }

    def linked(self, profile: Doc) -> dict[str, Doc]:
        """Networks that are linked by now: some consents end by themselves."""
        now = self.time()
        return {
            network: link
            for network, link in profile["linked"].items()
            if now < link["at"] + CONSENT_DAYS.get(network, 10_000) * DAY_S
        }

    def own_profile(self, id: str) -> Doc:
        profile = self.get("profile", id)
        if not profile or profile["removed"]:
            raise ValueError(f"Ayrshare has no profile {id!r}")
        return profile

    # ------------------------------------------------------------ profiles

    @route("POST", "/api/profiles", call="POST /profiles")
    def create_profile(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            if caller.by_key:
                raise wrong("Profile-Key cannot be used here.", "create")
            body = sent_json(request)
            title = body.get("title")
            if not isinstance(title, str) or not title.strip():
                raise wrong("title is required.", "create")
            if self.all("profile", title=title, removed=False):
                text = "The profile title already exists."
                raise Refused(400, 146, text, "create")
            profile, secret = self.new_profile(title, [])
            profile["hidden"] = list(body.get("disableSocial") or [])
            self.put("profile", profile["id"], profile)
            answer = {
                "status": "success",
                "title": title,
                "refId": profile["id"],
                "profileKey": secret,
                "messagingActive": False,
            }
            return json_response(answer)

        return self.api(request, work, plans=WITH_PROFILES)

    @route("GET", "/api/profiles", call="GET /profiles")
    def list_profiles(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            asked = request.args
            found = []
            for id, profile in self.all("profile", removed=False, primary=False):
                networks = list(self.linked(profile))
                if asked.get("title", profile["title"]) != profile["title"]:
                    continue
                if asked.get("refId", id) != id:
                    continue
                if asked.get("hasActiveSocialAccounts") == "true" and not networks:
                    continue
                row = {
                    "title": profile["title"],
                    "refId": id,
                    "status": "suspended" if profile["suspended"] else "active",
                    "created": milli(profile["created_at"]),
                    "createdUTC": milli(profile["created_at"]),
                }
                found.append(
                    row | ({"activeSocialAccounts": networks} if networks else {})
                )
            return json_response({"profiles": found, "count": len(found)})

        return self.api(request, work, plans=WITH_PROFILES)

    @route("DELETE", "/api/profiles", call="DELETE /profiles")
    def delete_profile(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            if not caller.by_key:
                raise wrong("Profile-Key is required.", "delete")
            self.put("profile", caller.id, {**caller.profile, "removed": True})
            return json_response({"status": "success", "refId": caller.id})

        return self.api(request, work, plans=WITH_PROFILES)

    @route("DELETE", "/api/profiles/social", call="DELETE /profiles/social")
    def unlink(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            network = sent_json(request).get("platform")
            if network not in self.linked(caller.profile):
                text = f"{network} is not linked."
                raise Refused(400, 156, text, "unlink")
            self.unlink_network(caller.profile, network, "user")
            answer = {"status": "success", "platform": network, "refId": caller.id}
            return json_response(answer)

        return self.api(request, work)

    def unlink_network(self, profile: Doc, network: str, source: str) -> None:
        """source: user, or system where the network revoked."""
        profile["linked"].pop(network, None)
        self.put("profile", profile["id"], profile)
        self.tell_social(profile, network, "unlink", source)

    @route("GET", "/api/user", call="GET /user")
    def user(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            profile, linked = caller.profile, self.linked(caller.profile)
            answer: Doc = {
                "created": stamp(profile["created_at"]),
                "displayNames": [
                    self._display(profile, network, link)
                    for network, link in linked.items()
                ],
                "email": "ada@acme.example",
                "monthlyPostCount": self.posted_this_month(caller.id),
                "monthlyPostQuota": self.setting("posts_per_month"),
                "monthlyApiCalls": len((self.get("usage", caller.id) or {})["at"]),
                "refId": caller.id,
                "title": profile["title"],
            }
            if linked:  # absent, not empty
                answer["activeSocialAccounts"] = list(linked)
            return json_response(answer)

        return self.api(request, work)

    def _display(self, profile: Doc, network: str, link: Doc) -> Doc:
        shown = {
            "platform": network,
            "displayName": profile["name"],
            "id": link["id"],
            "username": link["username"],
            "profileUrl": f"{self.url}/web/{network}/{link['username']}",
            "userImage": f"{self.url}/web/files/none",
            "created": milli(link["at"]),
            "messagingActive": False,
        }
        if network == "facebook":
            shown["pageName"] = profile["name"]
        if days := CONSENT_DAYS.get(network):
            ends = link["at"] + days * DAY_S
            shown["refreshDaysRemaining"] = int((ends - self.time()) / DAY_S)
            shown["refreshRequired"] = milli(ends)
        return shown

    def posted_this_month(self, id: str) -> int:
        known = self.get("month", id)
        return int(known["count"]) if known and known["month"] == self._month() else 0

    def count_post(self, id: str) -> None:
        count = self.posted_this_month(id) + 1
        self.put("month", id, {"month": self._month(), "count": count})

    def _month(self) -> str:
        """It begins on the 1st at 00:07 UTC."""
        return exact(self.time() - 7 * 60)[:7]

    # ------------------------------------------------------------ linking

    @route("POST", "/api/profiles/link-sessions", call="POST /profiles/link-sessions")
    def link_session(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            if not caller.by_key:
                raise wrong("Profile-Key is required.", "link")
            body = sent_json(request)
            minutes = body.get("expiresIn", 5)
            allowed = body.get("allowedSocial") or list(NETWORKS)
            if type(minutes) is not int or not 1 <= minutes <= 2880:
                raise wrong("expiresIn is 1 to 2880 minutes.", "link")
            if not isinstance(allowed, list) or not set(allowed) <= set(NETWORKS):
                raise wrong("allowedSocial names an unknown network.", "link")
            if body.get("mode", "grid") not in ("grid", "connect"):
                raise wrong("mode is grid or connect.", "link")
            id, ends = self._new_session(caller, allowed, minutes, body.get("redirect"))
            answer = {
                "status": "success",
                "sessionId": id,
                "url": f"{self.url}/profile/link/{id}",
                "expiresAt": milli(ends),
                "emailSent": False,
                "title": caller.profile["title"],
            }
            return json_response(answer)

        return self.api(request, work, plans=WITH_PROFILES)

    @route("POST", "/api/profiles/generateJWT", call="POST /profiles/generateJWT")
    def generate_jwt(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            known = self.get("key", digest(str(body.get("profileKey", ""))))
            if not body.get("domain") or not known:
                raise wrong("domain and profileKey are required.", "JWT")
            holder = Caller(self.get("profile", known["profile"]) or {}, True)
            id, _ = self._new_session(holder, list(NETWORKS), 5, body.get("redirect"))
            answer = {
                "status": "success",
                "title": holder.profile["title"],
                "token": id,
                "url": f"{self.url}/profile/link/{id}",
                "emailSent": False,
                "expiresIn": "5m",
            }
            return json_response(answer)

        return self.api(request, work, plans=WITH_PROFILES)

    def _new_session(
        self, caller: Caller, allowed: list[str], minutes: int, back: Any
    ) -> tuple[str, float]:
        id, ends = secrets.token_urlsafe(24), self.time() + minutes * 60
        session = {
            "profile": caller.id,
            "allowed": [
                name for name in allowed if name not in caller.profile["hidden"]
            ],
            "ends": ends,
            "back": back if isinstance(back, str) else "",
        }
        self.put("session", id, session)
        return id, ends

    @route("GET", "/profile/link/<id>", browser=True)
    def link_page(self, request: Request, id: str) -> Response:
        session = self.get("session", id)
        if not session or session["ends"] <= self.time():
            return self._no_session()
        profile = self.get("profile", session["profile"]) or {}
        return pages.consent_page(
            self,
            profile["title"],
            hidden=[],
            people=[Person(profile["id"], profile["name"], "", "on every network")],
            scopes=[(name, NETWORKS[name].label) for name in session["allowed"]],
            may_untick=True,
            note="Tick the networks that are linked when you leave this page.",
        )

    @route("POST", "/profile/link/<id>", browser=True)
    def link_networks(self, request: Request, id: str) -> Response:
        session = self.get("session", id)
        if not session or session["ends"] <= self.time():
            return self._no_session()
        profile = self.get("profile", session["profile"]) or {}
        if request.form.get("decision") == "allow":
            ticked = request.form.getlist("scope")
            for network in session["allowed"]:
                is_linked = network in profile["linked"]
                if network in ticked:
                    profile["linked"][network] = self._link(profile, network)
                    profile["lost"] = [n for n in profile["lost"] if n != network]
                    self.put("profile", profile["id"], profile)
                    self.tell_social(profile, network, "link", "user")
                elif is_linked:
                    self.unlink_network(profile, network, "user")
        if urlsplit(session["back"]).scheme in ("http", "https"):
            return redirect(session["back"], 302)
        return self.link_page(request, id)

    def _no_session(self) -> Response:
        text = "This link has expired (503): ask the application for a new one."
        return pages.error_page(self, "link expired", text)

    # ------------------------------------------------------------ webhooks

    @route("POST", "/api/hook/webhook", call="POST /hook/webhook")
    def add_hook(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            action, url = body.get("action"), body.get("url")
            if action not in HOOKS or not isinstance(url, str):
                raise wrong("action and url are required.", "webhook")
            parts = urlsplit(url)
            if parts.scheme != "https" and parts.hostname not in (
                "127.0.0.1",
                "localhost",
            ):
                raise wrong("url must begin with https.", "webhook")
            secret = str(body.get("secret", ""))
            row = {"profile": caller.id, "action": action, "url": url}
            self.put("hook", f"{caller.id}:{action}", {**row, "secret": secret})
            answer = {"action": action, "url": url, "refId": caller.id}
            return json_response({"status": "success", **answer})

        return self.api(request, work, plans=PAID)

    @route("GET", "/api/hook/webhook", call="GET /hook/webhook")
    def list_hooks(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            rows = self.all("hook", profile=caller.id)
            hooks = {doc["action"]: {"url": doc["url"]} for _, doc in rows}
            return json_response({"status": "success", "webhooks": hooks})

        return self.api(request, work, plans=PAID)

    @route("DELETE", "/api/hook/webhook", call="DELETE /hook/webhook")
    def remove_hook(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            action = sent_json(request).get("action")
            self.drop("hook", f"{caller.id}:{action}")
            answer = {"status": "success", "action": action, "refId": caller.id}
            return json_response(answer)

        return self.api(request, work, plans=PAID)

    def tell_hook(self, profile: Doc, action: str, facts: Doc) -> None:
        """The profile's own webhook, else that of the primary profile."""
        hook = self.get("hook", f"{profile['id']}:{action}")
        if not hook:
            rows = self.all("profile", primary=True)
            hook = self.get("hook", f"{rows[0][0]}:{action}") if rows else None
        if not hook:
            return
        now = self.time()
        payload = {
            "action": action,
            "created": milli(now),
            "code": 200,
            "refId": profile["id"],
            "url": hook["url"],
            "hookId": secrets.token_hex(6),
            **facts,
        }
        headers = {"X-Ayrshare-Delivery-Id": payload["hookId"]}
        if hook["secret"]:
            key, body = hook["secret"].encode(), body_for(payload)
            made = hmac.new(key, body, hashlib.sha256).digest()
            is_hex = self.setting("signature") == "hex"
            shown = made.hex() if is_hex else base64.b64encode(made).decode()
            headers["X-Authorization-Timestamp"] = str(int(now))
            headers["X-Authorization-Content-SHA256"] = shown
        self.tell(hook["url"], payload, headers)

    def headers_of(self, event: Doc) -> dict[str, str]:
        attempt = str(event["tries"] + 1)
        return {**super().headers_of(event), "X-Ayrshare-Delivery-Attempt": attempt}

    def tries_again(self, status: int | None) -> bool:
        return status is None or status in (408, 425, 429) or status >= 500

    def tell_social(
        self, profile: Doc, network: str, type: str, source: str, **more: Any
    ) -> None:
        facts = {
            "platform": network,
            "displayName": profile["name"],
            "title": profile["title"],
            "type": type,
            "source": source,
            **more,
        }
        self.tell_hook(profile, "social", facts)
