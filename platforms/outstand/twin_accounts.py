"""Accounts of networks at Outstand: connecting them, choosing pages, losing them.

Sources: https://www.outstand.so/docs/get-social-network-authentication-url,
https://www.outstand.so/docs/finalize-pending-connection.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.aggregator import milli
from ..practice.framework import Doc, Person, json_response, route
from ..practice.switches import Switch
from .twin_calls import API, NETWORKS, ORG, Calls, Refused, invalid, sent_json, short_id

TENANT = re.compile(r"[A-Za-z0-9_-]+")
SESSION_S = 30 * 60
#: a person chooses pages there, in a second step
WITH_PAGES = ("facebook", "linkedin", "google_business")
OWN_KEYS = ("x", "google_business")
PEOPLE = {"acme": "Acme", "acmegarden": "Acme Garden"}
ACCOUNT_SWITCHES = (
    Switch("finalize_shape", "A finished connection is", "plain", ("plain", "data")),
    Switch("shows_tokens", "Answers show the networks' own tokens", True),
)


class Accounts(Calls):
    def new_account(
        self, network: str, username: str, nickname: str, tenant: str, unique: str
    ) -> Doc:
        """Connect; who was connected before keeps the id and what is scheduled."""
        found = self.all("account", network=network, unique=unique)
        id = found[0][0] if found else short_id()
        account = {
            "id": id,
            "network": network,
            "username": username,
            "nickname": nickname,
            "tenant": tenant,
            "unique": unique,
            "is_active": True,
            "removed": False,
            "created_at": found[0][1]["created_at"] if found else self.time(),
        }
        self.put("account", id, account)
        return account

    def show_account(self, account: Doc) -> Doc:
        shown = {
            "id": account["id"],
            "orgId": ORG,
            "nickname": account["nickname"],
            "network": account["network"],
            "username": account["username"],
            "profile_picture_url": f"{self.url}/web/files/none",
            "network_unique_id": account["unique"],
            "customer_social_network_id": None,
            "tenantId": account["tenant"] or None,
            "accountType": "page" if account["network"] in WITH_PAGES else "business",
            "isActive": int(account["is_active"]),
            "createdAt": milli(account["created_at"]),
        }
        if self.setting("shows_tokens"):
            shown["network_data"] = {
                "access_token": f"practice-network-token-{account['id']}"
            }
        return shown

    # ------------------------------------------------------------ connecting

    @route("POST", f"{API}/social-networks", call="POST /social-networks")
    def own_keys(self, request: Request) -> Response:
        def work(request: Request) -> Response:
            body = sent_json(request)
            network = body.get("network")
            if network not in NETWORKS:
                raise invalid("network", "Unknown network")
            if not body.get("client_key") or not body.get("client_secret"):
                raise invalid("client_key", "Required")
            self.put("own_key", str(network), {"at": self.time()})
            return json_response({"success": True, "data": {"network": network}})

        return self.api(request, work)

    @route(
        "POST",
        f"{API}/social-networks/<network>/auth-url",
        call="POST /social-networks/:network/auth-url",
    )
    def auth_url(self, request: Request, network: str) -> Response:
        def work(request: Request) -> Response:
            if network not in NETWORKS or network == "bluesky":
                raise Refused(404, "Network not found")
            if network in OWN_KEYS and not self.get("own_key", network):
                text = f"Add your own developer keys for {network} first."
                raise Refused(400, "Invalid payload", text)
            body = sent_json(request)
            back, tenant = body.get("redirect_uri"), body.get("tenant_id", "")
            if not isinstance(back, str) or not urlsplit(back).hostname:
                raise invalid("redirect_uri", "Invalid url")
            self._check_tenant(tenant)
            id = secrets.token_urlsafe(24)
            session = {
                "network": network,
                "back": back,
                "tenant": tenant,
                "chooses": network in WITH_PAGES
                or body.get("force_account_selection") is True,
                "person": "",
                "ends": self.time() + SESSION_S,
            }
            self.put("session", id, session)
            data = {"auth_url": f"{self.url}/oauth/{network}?state={id}"}
            return json_response({"success": True, "data": data})

        return self.api(request, work)

    def _check_tenant(self, tenant: object) -> None:
        if tenant and not (isinstance(tenant, str) and TENANT.fullmatch(tenant)):
            raise invalid("tenant_id", "Invalid")

    @route("GET", "/oauth/<network>", browser=True)
    def consent_page(self, request: Request, network: str) -> Response:
        session = self._session(request.args.get("state", ""))
        if not session:
            return pages.error_page(self, "too late", "This link has expired.")
        return pages.consent_page(
            self,
            "Outstand",
            hidden=[],
            people=[
                Person(username, name, f"@{username}", NETWORKS[network].label)
                for username, name in PEOPLE.items()
            ],
            scopes=[("publish", f"publish on {NETWORKS[network].label}")],
            may_untick=False,
        )

    @route("POST", "/oauth/<network>", browser=True)
    def consent(self, request: Request, network: str) -> Response:
        id = request.args.get("state", "")
        session = self._session(id)
        if not session:
            return pages.error_page(self, "too late", "This link has expired.")
        person = request.form.get("person", "")
        if request.form.get("decision") != "allow":
            self.drop("session", id)
            return self._back(session, {"error": "access_denied"})
        if person not in PEOPLE:
            return pages.error_page(self, "who?", "Choose who signs in.")
        if session["chooses"]:
            self.put("session", id, {**session, "person": person})
            return self._back(session, {"session": id})
        self.drop("session", id)
        unique = f"{network}-{person}"
        account = self.new_account(
            network, person, PEOPLE[person], session["tenant"], unique
        )
        answer = {
            "success": "true",
            "account_id": account["id"],
            "network_unique_id": unique,
            "username": person,
        }
        return self._back(session, answer)

    def _session(self, id: str) -> Doc | None:
        session = self.get("session", id)
        return session if session and session["ends"] > self.time() else None

    def _back(self, session: Doc, answer: Mapping[str, str]) -> Response:
        joint = "&" if urlsplit(session["back"]).query else "?"
        return redirect(f"{session['back']}{joint}{urlencode(answer)}", 302)

    def _pages_of(self, person: str) -> list[Doc]:
        return [
            {
                "id": f"{person}-{number}",
                "type": "page",
                "name": f"{PEOPLE[person]} {place}",
                "username": f"{person}{place.lower()}",
                "profilePictureUrl": f"{self.url}/web/files/none",
            }
            for number, place in enumerate(("Berlin", "Paris"), 1)
        ]

    @route(
        "GET",
        f"{API}/social-accounts/pending/<id>",
        call="GET /social-accounts/pending/:session",
    )
    def pending(self, request: Request, id: str) -> Response:
        session = self._session(id)  # the token alone authorises
        if not session or not session["person"]:
            return Refused(404, "Session expired or invalid").response()
        data = {
            "network": session["network"],
            "expiresAt": int(session["ends"] * 1000),
            "availablePages": self._pages_of(session["person"]),
        }
        return json_response({"success": True, "data": data})

    @route(
        "POST",
        f"{API}/social-accounts/pending/<id>/finalize",
        call="POST /social-accounts/pending/:session/finalize",
    )
    def finalize(self, request: Request, id: str) -> Response:
        session = self._session(id)
        if not session or not session["person"]:
            return Refused(404, "Session expired or invalid").response()
        try:
            chosen = sent_json(request).get("selectedPageIds")
            known = {page["id"]: page for page in self._pages_of(session["person"])}
            if not isinstance(chosen, list) or not chosen or set(chosen) - set(known):
                raise invalid("selectedPageIds", "Choose at least one of the pages")
        except Refused as refused:
            return refused.response()
        self.drop("session", id)
        network, tenant = session["network"], session["tenant"]
        made = [
            self.new_account(
                network, known[page]["username"], known[page]["name"], tenant, page
            )
            for page in chosen
        ]
        rows = [
            {
                "id": account["id"],
                "nickname": account["nickname"],
                "username": account["username"],
                "network": network,
                "accountType": "page",
            }
            for account in made
        ]
        body: Doc = {"connectedAccounts": rows}
        if self.setting("finalize_shape") == "data":
            body = {"data": body}
        return json_response({"success": True, **body})

    @route(
        "POST",
        f"{API}/social-accounts/bluesky",
        call="POST /social-accounts/bluesky",
    )
    def connect_bluesky(self, request: Request) -> Response:
        def work(request: Request) -> Response:
            body = sent_json(request)
            handle, tenant = body.get("handle"), body.get("tenant_id", "")
            if not isinstance(handle, str) or "." not in handle:
                raise invalid("handle", "Invalid handle")
            if not body.get("app_password"):
                raise invalid("app_password", "Required")
            self._check_tenant(tenant)
            account = self.new_account("bluesky", handle, handle, tenant, handle)
            data = self.show_account(account)
            return json_response({"success": True, "data": data})

        return self.api(request, work)

    # ------------------------------------------------------------ what is connected

    def connected(self, **equals: object) -> list[Doc]:
        return [doc for _, doc in self.all("account", removed=False, **equals)]

    @route("GET", f"{API}/social-accounts", call="GET /social-accounts")
    def list_accounts(self, request: Request) -> Response:
        def work(request: Request) -> Response:
            limit, offset = self.window_of(request)
            tenant, network = (request.args.get(n) for n in ("tenantId", "network"))
            rows = [
                self.show_account(doc)
                for doc in self.connected()
                if tenant in (None, doc["tenant"]) and network in (None, doc["network"])
            ]
            body = {"success": True, "data": rows[offset : offset + limit]}
            more = {"count": len(rows), "limit": limit, "offset": offset}
            return json_response({**body, **more})

        return self.api(request, work)

    @route(
        "DELETE",
        f"{API}/social-accounts/<id>",
        call="DELETE /social-accounts/:id",
    )
    def disconnect(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            account = self.own_account(id)
            self.put("account", id, {**account, "removed": True})
            return json_response({"success": True})

        return self.api(request, work)

    def own_account(self, id: str) -> Doc:
        account = self.get("account", id)
        if not account or account["removed"]:
            raise Refused(404, "Social account not found")
        return account
