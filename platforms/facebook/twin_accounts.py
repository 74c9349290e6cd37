"""Reading people, Pages, portfolios and Instagram accounts through the Graph API.

Nodes of every kind are read, changed and deleted at one path; each part of the twin
knows its own kinds and hands the rest on (`node`, `change_node`, `delete_node`).
Source: https://developers.facebook.com/docs/graph-api/reference/user/accounts/ (v26.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, route
from . import twin_errors as errors
from .twin_errors import GraphError
from .twin_fields import Field, listed, params, text_of
from .twin_graph import Caller, Graph
from .twin_world import digest

ACCOUNT_FIELDS = "access_token,category,category_list,name,id,tasks"


class Accounts(Graph):
    def call_of(self, route: Route, request: Request) -> Route:
        """`/:id` is called by what stands there: `GET /:post`, `GET /:container`."""
        if not route.call.endswith("/:id"):
            return route
        id = request.path.rsplit("/", 1)[-1]
        word = id if id == "me" else self.call_of_id(id)
        return replace(route, call=route.call.replace("/:id", f"/{word}"))

    # ------------------------------------------------------------ nodes

    @route("GET", "/graph/<version>/<id>", call="GET /:id")
    def read_node(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            return self.node(caller, self._me(caller, id), request)

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    @route("POST", "/graph/<version>/<id>", call="POST /:id")
    def write_node(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            return self.change_node(caller, id, params(request))

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    @route("DELETE", "/graph/<version>/<id>", call="DELETE /:id")
    def remove_node(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            return self.delete_node(caller, id)

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _me(self, caller: Caller, id: str) -> str:
        if id != "me":
            return id
        found = caller.page or caller.person or caller.ig
        if not found:
            text = "An active access token must be used to query information about the "
            raise GraphError(2500, f"{text}current user.")
        return found

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        """Fields of one object; (#100) when it is not there for this token."""
        if page := self.get("page", id):
            return self._page_node(caller, page, request)
        if (person := self.get("person", id)) and caller.person == id:
            return self._person_node(person, request)
        if account := self.get("ig", id):
            self.need_instagram(caller, account)
            return self.ig_shown(account, self.wanted(request, "id"))
        raise errors.missing_object(id)

    def change_node(self, caller: Caller, id: str, values: Mapping[str, Any]) -> Any:
        raise errors.missing_object(id, "post")

    def delete_node(self, caller: Caller, id: str) -> Any:
        raise errors.missing_object(id, "delete")

    def _page_node(self, caller: Caller, page: Doc, request: Request) -> Doc:
        if not self.sees_page(caller, page["id"]):
            raise errors.missing_object(page["id"])
        fields = self.wanted(request, "id,name")
        if caller.kind == "USER":
            self.need(caller, "pages_show_list", page["id"], code=10)
        if not set(fields) <= {"id", "name", "access_token", "tasks"}:
            self.need_to_read(caller, page["id"])
        return self.page_shown(caller, page, fields)

    def _person_node(self, person: Doc, request: Request) -> Doc:
        fields: dict[str, Field] = self.wanted(request, "id,name")
        url = f"{self.url}/www/{person['id']}/picture"
        return self.pick(
            "User",
            fields,
            {
                "id": lambda f: person["id"],
                "name": lambda f: person["name"],
                "picture": lambda f: {"data": {"url": url}},
                "email": lambda f: None,
            },
        )

    def need_instagram(
        self, caller: Caller, account: Doc, scope: str = "instagram_basic"
    ) -> None:
        """With Facebook Login: the linked Page is in reach, and the permission is there.

        Unlinking the account from its Page takes it out of reach.
        """
        page = self.page_of_ig(account["id"])
        if not page or not self.sees_page(caller, page["id"]):
            raise errors.missing_object(account["id"])
        self.need(caller, scope, account["id"], code=10)
        self.need(caller, "pages_read_engagement", page["id"], code=10)

    # ------------------------------------------------------------ lists of Pages

    @route("GET", "/graph/<version>/me/accounts", call="GET /me/accounts")
    def accounts(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._needs_user(caller, "accounts")
            everything = self.setting("portfolio_in_accounts")
            pages = [
                role["page"]
                for role in self.roles_of(caller.person)
                if everything or not role["through"]
            ]
            return self._pages(request, caller, pages)

        return self.graph(request, version, work)

    @route("GET", "/graph/<version>/me/businesses", call="GET /me/businesses")
    def businesses(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._needs_user(caller, "businesses")
            self.need(caller, "business_management", code=200)
            rows = [
                (id, {"id": id, "name": self.title("business", id)})
                for id in self._portfolios(caller)
            ]
            return listed(request, self.address_of(request), rows)

        return self.graph(request, version, work)

    @route(
        "GET", "/graph/<version>/<id>/owned_pages", call="GET /:business/owned_pages"
    )
    def owned_pages(self, request: Request, version: str, id: str) -> Response:
        return self._portfolio_pages(request, version, id, "owned")

    @route(
        "GET", "/graph/<version>/<id>/client_pages", call="GET /:business/client_pages"
    )
    def client_pages(self, request: Request, version: str, id: str) -> Response:
        return self._portfolio_pages(request, version, id, "client")

    def _portfolio_pages(
        self, request: Request, version: str, id: str, relation: str
    ) -> Response:
        def work(caller: Caller) -> Doc:
            self._needs_user(caller, f"{relation}_pages")
            if id not in self._portfolios(caller):
                raise errors.missing_object(id)
            self.need(caller, "business_management", code=200)
            found = self.all("page", business=id, relation=relation)
            return self._pages(request, caller, [page for page, _ in found])

        return self.graph(request, version, work)

    def _portfolios(self, caller: Caller) -> list[str]:
        through = [role["through"] for role in self.roles_of(caller.person)]
        return list(dict.fromkeys(filter(None, through)))

    def _needs_user(self, caller: Caller, edge: str) -> None:
        if caller.kind != "USER":
            raise errors.wrong(f"Tried accessing nonexisting field ({edge})")

    def _pages(self, request: Request, caller: Caller, ids: list[str]) -> Doc:
        """Pages of a list: those that were ticked, and none without the permission."""
        fields = self.wanted(request, ACCOUNT_FIELDS)
        is_shown = self.allowing(caller.token, "pages_show_list")
        rows = [(id, id) for id in ids if is_shown(id)]
        found = listed(request, self.address_of(request), rows)
        pages = [self.get("page", id) for id in found["data"]]
        found["data"] = [
            self.page_shown(caller, page, fields) for page in pages if page
        ]
        return found

    def account_in(self, request: Request) -> str:
        """The Page (or Instagram account) that a request acts for, "" for none."""
        id = self.id_in(request)
        token = self.token_doc(request) or {}
        kind = self.kind_of(id) if id else ""
        if kind in ("page", "ig", "person"):
            return id
        if kind:
            doc = self.get(kind, id) or {}
            return str(doc.get("page") or doc.get("ig") or "")
        inspected = text_of(params(request), "input_token")
        if inspected:
            token = self.get("token", digest(inspected)) or token
        return str(token.get("page") or token.get("ig") or token.get("person") or "")
