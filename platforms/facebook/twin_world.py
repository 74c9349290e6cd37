"""Who and what there is on Meta's side of the practice network.

Facebook and Instagram are one world: a person, their Pages, the Instagram accounts
linked to them, and the tokens of all. Both twins read and write the same documents, so
that one changed password ends forty Pages and twelve Instagram accounts at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ..practice.framework import Doc, iso
from ..practice.switches import Switch, SwitchedTwin

APP_ID = "1234567890123456"
APP_SECRET = "practice-meta-secret"
#: Instagram with Instagram Login has numbers of its own.
INSTAGRAM_APP_ID = "9876543210987654"
INSTAGRAM_APP_SECRET = "practice-instagram-secret"

TASKS = ("ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE")

#: Kinds of documents that a Graph id may name, in the order in which they are looked up.
NODES = (
    ("page", ":page"),
    ("ig", ":ig"),
    ("post", ":post"),
    ("photo", ":photo"),
    ("video", ":video"),
    ("container", ":container"),
    ("media", ":media"),
    ("comment", ":comment"),
    ("person", ":user"),
    ("business", ":business"),
)

CODES = ("natural", "10", "100", "200")
META_SWITCHES = (
    Switch("app_state", "State of the Meta app", "active", ("active", "disabled")),
    Switch("require_proof", "Require App Secret (appsecret_proof)", False),
    Switch("ended_versions", "Versions that have ended", []),
    Switch("status_190", "Status of a dead token", 400, ("400", "401")),
    Switch("status_permission", "Status of a missing permission", 403, ("403", "400")),
    Switch("status_throttled", "Status of too many calls", 400, ("400", "403", "429")),
    Switch("no_token_code", "Code without a token", 104, ("104", "2500")),
    Switch(
        "lost_permission_code",
        "Code for a missing permission or Page",
        *CODES[:1],
        CODES,
    ),
    Switch("code_life_s", "Life of a sign-in code (seconds)", 600),
    Switch("short_life_s", "Life of a short user token (seconds)", 5108),
    Switch("long_life_s", "Life of a long user token (seconds)", 5_183_944),
    Switch("omit_expires_in", "Leave expires_in out of token answers", False),
    Switch("data_access_s", "Data access without activity (seconds)", 7_776_000),
    Switch("rerequest_needed", "Declined permissions need auth_type=rerequest", True),
    Switch("portfolio_in_accounts", "me/accounts lists portfolio Pages too", False),
    Switch("app_calls", "Calls of the app in an hour", 20_000),
    Switch("user_calls", "Calls of one person in an hour", 10_000),
    Switch("page_calls", "Calls of one Page in 24 hours", 48_000),
    Switch("instagram_calls", "Calls of one Instagram account in 24 hours", 48_000),
    Switch(
        "throttle",
        "Refuse as too many calls now",
        "no",
        (
            *("no", "4", "17", "32", "80001", "80002", "341", "613", "613/1996"),
            *("368", "368/1390008"),
        ),
    ),
    Switch("regain_minutes", "Minutes until a full Page or account is free", 12),
    Switch(
        "believe_the_address", "Do not fetch pictures, believe their address", False
    ),
    Switch("impressions", "Views that every new post has", 120),
    Switch("followers", "Followers of every Instagram account", 1_200),
    Switch("omit_from", "Do not say who wrote a comment", False),
    Switch("fetch_fails", "So many next pictures or videos cannot be fetched", 0),
    Switch("upload_keeps", "Of the next upload only so many bytes arrive", None),
    Switch("deauthorize_url", "Address that learns of a removed app", ""),
    Switch("data_deletion_url", "Address that learns of data to delete", ""),
)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def reader_id(name: str) -> str:
    """The app-scoped id of a reader: always the same for a name."""
    return str(2_233_000_000_000_000 + int(digest(name)[:10], 16))


class MetaWorld(SwitchedTwin):
    """People, Pages, portfolios and Instagram accounts; the same for both twins."""

    STORE: ClassVar[str] = "meta"

    # documents and switches of both
    def get(self, kind: str, id: str) -> Doc | None:
        return self.world.get(self.STORE, kind, id)

    def put(self, kind: str, id: str, doc: Mapping[str, Any]) -> None:
        self.world.put(self.STORE, kind, id, doc)

    def drop(self, kind: str, id: str) -> None:
        self.world.delete(self.STORE, kind, id)

    def all(self, kind: str, **equals: Any) -> list[tuple[str, Doc]]:
        return self.world.all(self.STORE, kind, **equals)

    def time(self) -> float:
        return self.world.now().timestamp()

    def stamp(self, at: float) -> str:
        """As the Graph API writes times: whole seconds, +0000."""
        return exact(at)[:19] + "+0000"

    def next_id(self, first: int) -> str:
        """A number of one length that grows with each one made."""
        made = (self.get("counter", str(first)) or {"made": 0})["made"] + 1
        self.put("counter", str(first), {"made": made})
        return str(first + made)

    def kind_of(self, id: str) -> str:
        """The kind of document that an id names, "" for none."""
        for kind, _shown in NODES:
            if self.get(kind, id):
                return kind
        return ""

    # ------------------------------------------------------------ making it

    def seed(self) -> None:
        if self.get("app", APP_ID):
            return
        for id, secret in (
            (APP_ID, APP_SECRET),
            (INSTAGRAM_APP_ID, INSTAGRAM_APP_SECRET),
        ):
            app = {"id": id, "name": "SocialHub", "secret": secret}
            self.put("app", id, {**app, "redirect_uris": []})
        ana = self.add_person("Ana Lopez", "ana.lopez")
        ben = self.add_person("Ben Okafor", "ben.okafor")
        carla = self.add_person("Carla Weber", "carla.weber")
        dora = self.add_person("Dora Chen", "dora.chen")
        emil = self.add_person("Emil Roth", "emil.roth")
        for number, (name, username) in enumerate(
            [
                ("Acme Bakery", "acmebakery"),
                ("Acme Tools", "acmetools"),
                ("Acme Cafe", "acmecafe"),
            ]
        ):
            page = self.add_page(name, username)
            self.give_role(ana, page)
            self.give_role(ben, page)  # the standby access
            if number < 2:
                self.add_instagram(username, name, page)
            if number == 0:
                self.give_role(emil, page, tasks=["ANALYZE"])
        group = self.add_business("Weber Group")
        for name, username, relation in (
            ("Weber Living", "weberliving", "owned"),
            ("Harbour Hotel", "harbourhotel", "client"),
        ):
            page = self.add_page(name, username, business=group, relation=relation)
            self.give_role(carla, page, through=group)
        self.add_instagram(
            "weberliving", "Weber Living", self.page_named("weberliving")
        )
        self.grow_tree(dora, "chain", "Chain", pages=40, instagram=12)
        self.add_instagram("solobaker", "The Solo Baker")

    def add_person(self, name: str, handle: str) -> str:
        id = self.next_id(10_215_200_000_000_000)
        person = {"id": id, "name": name, "handle": handle}
        self.put("person", id, {**person, "password_no": 0, "checkpoint": 0})
        self.put("person_handle", handle.lower(), {"id": id})
        return id

    def add_page(
        self, name: str, username: str, business: str = "", relation: str = ""
    ) -> str:
        id = self.next_id(104_455_667_788_989)
        page = {
            "id": id,
            "name": name,
            "username": username,
            "category": "Bakery",
            "followers": 1_200,
            "ig": "",
            "business": business,
            "relation": relation,
            "restricted": False,
        }
        self.put("page", id, page)
        self.put("page_name", username.lower(), {"id": id})
        return id

    def add_business(self, name: str) -> str:
        id = self.next_id(556_677_889_900_000)
        self.put("business", id, {"id": id, "name": name})
        return id

    def add_instagram(self, username: str, name: str, page: str = "") -> str:
        """A professional account, linked to a Page or to none."""
        id = self.next_id(17_841_400_000_000_000)
        account = {
            "id": id,
            "scoped_id": self.next_id(24_900_000_000_000_000),
            "username": username,
            "name": name,
            "account_type": "BUSINESS",
            "restricted": False,
            "password_no": 0,
            "page": page,
        }
        self.put("ig", id, account)
        self.put("ig_name", username.lower(), {"id": id})
        if page:
            doc = self.get("page", page)
            assert doc is not None
            self.put("page", page, {**doc, "ig": id})
        return id

    def give_role(
        self,
        person: str,
        page: str,
        *,
        tasks: list[str] | None = None,
        through: str = "",
    ) -> None:
        """through: the portfolio by which alone the person has it."""
        role = {
            "person": person,
            "page": page,
            "tasks": list(TASKS) if tasks is None else tasks,
            "through": through,
            "lost": False,
            "token_no": 0,
        }
        self.put("role", f"{person} {page}", role)

    def grow_tree(
        self, person: str, handle: str, name: str, *, pages: int, instagram: int
    ) -> list[str]:
        """Pages of one person, the first of them linked to Instagram accounts.

        Those of an earlier sign-in stay as they are, a lost role with them.
        """
        grown = []
        for number in range(1, pages + 1):
            username, title = f"{handle}{number:02}", f"{name} {number:02}"
            page = self.page_named(username)
            if not page:
                page = self.add_page(title, username)
                self.give_role(person, page)
                if number <= instagram:
                    self.add_instagram(username, title, page)
            grown.append(page)
        return grown

    # ------------------------------------------------------------ looking it up

    def person_named(self, handle: str) -> str:
        return self._named("person_handle", handle)

    def page_named(self, username: str) -> str:
        return self._named("page_name", username)

    def ig_named(self, username: str) -> str:
        return self._named("ig_name", username)

    def _named(self, kind: str, name: str) -> str:
        known = self.get(kind, name.removeprefix("@").lower())
        return str(known["id"]) if known else ""

    def roles_of(self, person: str) -> list[Doc]:
        """Roles that the person holds, in the order in which they were given."""
        return [role for _, role in self.all("role", person=person, lost=False)]

    def role(self, person: str, page: str) -> Doc | None:
        role = self.get("role", f"{person} {page}")
        return role if role and not role["lost"] else None

    def page_of_ig(self, ig: str) -> Doc | None:
        """The Page that the account is linked to, if it still is."""
        account = self.get("ig", ig)
        page = self.get("page", account["page"]) if account else None
        return page if page and page["ig"] == ig else None

    def page_url(self, page: Doc) -> str:
        return f"{self.base_url}/facebook/www/{page['username']}"

    def title(self, kind: str, id: str) -> str:
        doc = self.get(kind, id)
        return str(doc["name"]) if doc else id


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


VERSION = re.compile(r"v[0-9]+\.[0-9]+")
