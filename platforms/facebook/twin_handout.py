"""Accesses handed out without a browser, for tests and drills: whole trees as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..practice.framework import Doc
from .twin_tokens import SCOPES, MetaTokens
from .twin_world import APP_ID, TASKS

MOST_PAGES = 500
OPTIONS = {
    "kind",
    "person",
    "scopes",
    "tasks",
    "short",
    "portfolio",
    "admins",
    "pages",
    "instagram",
}


class Handout(MetaTokens):
    def check_options(self, options: Mapping[str, Any], known: set[str]) -> None:
        unknown = set(options) - known
        if unknown:
            raise ValueError(
                f"{self.name} does not take {', '.join(sorted(unknown))}; it takes "
                f"{', '.join(sorted(known))}"
            )

    def count_option(self, options: Mapping[str, Any], name: str) -> int:
        value = options.get(name, 0)
        if not isinstance(value, int) or not 0 <= value <= MOST_PAGES:
            raise ValueError(f"{name} is a number up to {MOST_PAGES}")
        return int(value)

    def person_for(self, options: Mapping[str, Any], handle: str, name: str) -> str:
        """The person that `person` names (id or handle), else a new one."""
        wanted = str(options.get("person", ""))
        if not wanted:
            return self.person_named(handle) or self.add_person(name, handle)
        id = wanted if self.get("person", wanted) else self.person_named(wanted)
        if not id:
            raise ValueError(f"{self.name} has no person {wanted!r}")
        return id

    def scopes_for(
        self, options: Mapping[str, Any], known: Mapping[str, str]
    ) -> list[str]:
        scopes = [str(scope) for scope in options.get("scopes", known)]
        strange = [scope for scope in scopes if scope not in known]
        if strange:
            raise ValueError(f"{self.name} has no permission {', '.join(strange)}")
        return scopes

    def sign_person_in(
        self, person: str, options: Mapping[str, Any]
    ) -> tuple[str, Doc]:
        """A user token, as a sign-in that ticks everything would give; long unless
        `short`."""
        scopes = dict.fromkeys(self.scopes_for(options, SCOPES), "granted")
        self.give(APP_ID, person, scopes)
        return self.issue_user(APP_ID, person, long=not options.get("short"))

    def new_page(
        self, handle: str, name: str, person: str, options: Mapping[str, Any]
    ) -> str:
        """The Page of that name (made if need be) with its roles given."""
        page = self.page_named(handle)
        group = ""
        if not page:
            if options.get("portfolio"):
                group = self.add_business(f"Portfolio of {name}")
            page = self.add_page(name, handle, group, "owned" if group else "")
        tasks = [str(task) for task in options.get("tasks", TASKS)]
        if not self.get("role", f"{person} {page}"):
            self.give_role(person, page, tasks=tasks, through=group)
        for admin in options.get("admins", []):
            self.give_role(self.person_for({"person": admin}, "", ""), page)
        return page

    def page_made(self, page: str, user_secret: str, user: Doc) -> Doc:
        doc = self.get("page", page) or {}
        facts = self.behind(user_secret, user)
        token = self.issue_page(user, page)
        ends = int(user["expires_at"] - self.time()) if not user["long"] else None
        return {
            "external_id": page,
            "handle": doc["username"],
            "name": doc["name"],
            "kind": "page",
            "url": self.page_url(doc),
            "access_token": token,
            "refresh_token": "",
            "expires_in": ends,
            "refresh_expires_in": None,
            "scopes": self.granted_scopes(self.grant_of(user)),
            "extra": {**facts, "instagram_id": doc["ig"]},
        }

    def user_made(self, user_secret: str, user: Doc) -> Doc:
        person = self.get("person", user["person"]) or {}
        return {
            "external_id": user["person"],
            "handle": person["handle"],
            "name": person["name"],
            "kind": "user",
            "url": f"{self.url}/www/settings/apps",
            "access_token": user_secret,
            "refresh_token": "",
            "expires_in": int(user["expires_at"] - self.time()),
            "refresh_expires_in": None,
            "scopes": self.granted_scopes(self.grant_of(user)),
            "extra": self.behind(user_secret, user),
        }

    def instagram_made(self, ig: str, page: str, user_secret: str, user: Doc) -> Doc:
        """An Instagram account behind its Page: it has no token of its own."""
        account = self.get("ig", ig) or {}
        made = self.page_made(page, user_secret, user)
        extra = {**made["extra"], "variant": "facebook", "page_id": page}
        return made | {
            "external_id": ig,
            "handle": account["username"],
            "name": account["name"],
            "kind": "instagram",
            "url": self.profile_url(account["username"]),
            "extra": {**extra, "page_name": made["name"]},
        }

    def profile_url(self, username: str) -> str:
        return f"{self.base_url}/instagram/www/{username}/"

    def behind(self, user_secret: str, user: Doc) -> Doc:
        """The person whose sign-in an access hangs on."""
        grant = self.grant_of(user)
        return {
            "user_id": user["person"],
            "user_name": self.title("person", user["person"]),
            "user_token": user_secret,
            "user_expires_in": int(user["expires_at"] - self.time()),
            "data_access_expires_at": int(grant["data_access_at"]),
        }

    def tree_made(
        self, handle: str, name: str, person: str, options: Mapping[str, Any]
    ) -> Doc:
        """One person with `pages` Pages, the first `instagram` of them with an
        Instagram account; `extra` lists them all, each with its token."""
        count = self.count_option(options, "pages")
        linked = self.count_option(options, "instagram")
        if linked > count:
            raise ValueError("instagram cannot be more than pages")
        grown = self.grow_tree(person, handle, name, pages=count, instagram=linked)
        for page in grown:
            for admin in options.get("admins", []):
                self.give_role(self.person_for({"person": admin}, "", ""), page)
        secret, user = self.sign_person_in(person, options)
        made = self.user_made(secret, user)
        pages = [self.page_made(page, secret, user) for page in grown]
        accounts = [
            self.instagram_made(row["extra"]["instagram_id"], page, secret, user)
            for page, row in zip(grown, pages, strict=True)
            if row["extra"]["instagram_id"]
        ]
        made["extra"] |= {"pages": pages, "instagram": accounts}
        return made
