"""Snapchat in the practice network, written from Snap's documentation alone.

Hosts below this twin's address: `/accounts` is accounts.snapchat.com, `/api`
businessapi.snapchat.com, `/www` www.snapchat.com (pages for readers). A person's token
reaches every profile on which the person has a role.
Sources: https://developers.snap.com/api/marketing-api/Public-Profile-API/Introduction,
https://developers.snap.com/api/marketing-api/Ads-API/authentication.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from PIL import Image
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Person, iso, route
from .twin_calls import PROFILE_SCOPE, digest
from .twin_figures import Figures
from .twin_login import CLIENT_ID, CLIENT_SECRET, SCOPES, Login

OPTIONS = ("scopes", "person", "organization", "tier", "subscribers")
TIERS = ("TIER_UNKNOWN", "TIER_STANDARD", "TIER_PUBLIC", "TIER_PUBLIC_OFFICIAL")
SORT_NAMES = {
    "stories": "Story",
    "spotlights": "Spotlight",
    "saved_stories": "Saved story",
}


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class SnapchatTwin(Login, Figures):
    slug: ClassVar[str] = "snapchat"
    name: ClassVar[str] = "Snapchat"
    endings = (
        ("expire", "Let the access token expire"),
        ("revoke", "Remove the app"),
        ("password_changed", "Password changed"),
        ("role_lost", "Take the role on the profile"),
        ("suspend", "Suspend the profile"),
        ("restore", "Undo"),
    )

    # ------------------------------------------------------------ world

    def seed(self) -> None:
        if self.get("app", CLIENT_ID):
            return
        app = {"name": "SocialHub", "secret": CLIENT_SECRET, "redirect_uris": []}
        self.put("app", CLIENT_ID, app)
        number = "1b2c3d4e-0000-4000-8000-00000000000"
        garden = f"{number}9"
        ana = self._add_person(f"{number}a", "Ana Acme")
        leo = self._add_person(f"{number}b", "Leo Lopez")
        self._add_person(f"{number}c", "Mia Moss")  # without a public profile
        self._add_profile(f"{number}1", "acmegarden", "Acme Garden", ana, garden)
        self._add_profile(f"{number}2", "acmekitchen", "Acme Kitchen", ana, garden)
        self._add_profile(f"{number}3", "leo.draws", "Leo Draws", leo, "")

    def _add_person(self, id: str, name: str) -> str:
        self.put("person", id, {"name": name})
        return id

    def _add_profile(
        self, id: str, username: str, name: str, owner: str, organization: str
    ) -> Doc:
        """owner: whose own profile it is."""
        profile = {
            "id": id,
            "username": username,
            "name": name,
            "owner": owner,
            "organization": organization,
            "roles": [owner],
            "lost_roles": [],
            "tier": "TIER_PUBLIC",
            "subscribers": 905,
            "suspended": False,
        }
        self.put("profile", id, profile)
        self.put("username", username.lower(), {"profile": id})
        return profile

    def people(self) -> list[Person]:
        """Who signs in; the profiles that they reach stand beside them."""
        profiles = [doc for _, doc in self.all("profile")]
        return [
            Person(
                id,
                person["name"],
                "",
                ", ".join(
                    f"{doc['name']} (@{doc['username']})"
                    for doc in profiles
                    if id in doc["roles"]
                )
                or "No public profile",
            )
            for id, person in self.all("person")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes; person (id of one who is there already, else the profile gets
        an owner of its own); organization (an id); tier; subscribers.

        A handle that exists already gets one more pair of tokens.
        """
        username = re.sub(r" ", "_", handle.removeprefix("@"))
        if not re.fullmatch(r"[\w.-]{3,30}", username, re.ASCII):
            raise ValueError(
                f"Snapchat takes 3 to 30 letters, digits, _, - or ., not {handle!r}"
            )
        scopes = [str(scope) for scope in options.get("scopes", [PROFILE_SCOPE])]
        if wrong := {*options} - {*OPTIONS} or {*scopes} - {*SCOPES}:
            raise ValueError(f"Snapchat has no {', '.join(sorted(wrong))}")
        profile = self._profile_named(username, name, options)
        if profile["tier"] not in TIERS:
            raise ValueError(f"Snapchat has no tier {profile['tier']!r}")
        answer = self.issue(profile["owner"], scopes, uuid.uuid4().hex)
        return {
            "external_id": profile["id"],
            "handle": f"@{profile['username']}",
            "name": profile["name"],
            "kind": "profile",
            "url": self._profile_url(profile),
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "expires_in": answer["expires_in"],
            "refresh_expires_in": None,
            "scopes": scopes,
            "extra": {},
        }

    def _profile_named(self, username: str, name: str, options: Doc) -> Doc:
        if known := self.get("username", username.lower()):
            return self.get("profile", known["profile"]) or {}
        person = str(options.get("person", ""))
        if person and not self.get("person", person):
            raise ValueError(f"Snapchat has no person {person!r}")
        owner = person or self._add_person(str(uuid.uuid4()), name)
        organization = str(options.get("organization", ""))
        id = str(uuid.uuid4())
        profile = self._add_profile(id, username, name, owner, organization)
        changes = {n: options[n] for n in ("tier", "subscribers") if n in options}
        self.put("profile", id, profile | changes)
        return profile | changes

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", CLIENT_ID)
        return CLIENT_ID, app["secret"] if app else ""

    def tokens(self) -> list[Doc]:
        """One row for each profile that a token reaches, or reached."""
        names = {id: person["name"] for id, person in self.all("person")}
        profiles = [doc for _, doc in self.all("profile")]
        return [
            {
                "id": id[:12],
                "account": profile["id"],
                "person": f"{profile['name']} ({names.get(token['person'], '')})",
                "kind": token["use"],
                "state": self.state(token),
                "issued_at": exact(token["issued_at"]),
                "expires_at": (
                    exact(token["expires_at"]) if token["expires_at"] else ""
                ),
                "scopes": token["scopes"],
            }
            for id, token in self.all("token")
            for profile in profiles
            if token["person"] in {*profile["roles"], *profile["lost_roles"]}
        ]

    def account_of(self, request: Request) -> str:
        """The profile that the path names, or the person's own."""
        named = re.search(r"/public_profiles/([0-9a-f-]{36})", request.path)
        if named:
            return named[1]
        secret = request.headers.get("Authorization", "").partition(" ")[2]
        if "/login/oauth2/" in request.path:
            secret = request.form.get("refresh_token", "")
        token = self.get("token", digest(secret))
        own = self.all("profile", owner=token["person"]) if token else []
        return own[0][0] if own else ""

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = self._live(self._every())[-50:]
        return self._show("latest posts", reversed(newest))

    @route("GET", "/www/add/<username>", browser=True)
    @route("GET", "/www/@<username>", browser=True)
    def profile_page(self, request: Request, username: str) -> Response:
        known = self.get("username", username.lower())
        profile = self.get("profile", known["profile"]) if known else None
        if not profile or profile["suspended"]:
            return pages.no_page(self)
        return self._show(
            profile["name"], reversed(self._live(self.posts_of(profile["id"])))
        )

    @route("GET", "/www/spotlight/<id>", browser=True)
    @route("GET", "/www/post/<id>", browser=True)
    def post_page(self, request: Request, id: str) -> Response:
        """Only spotlights have such a page at Snap; the others need one here."""
        post = self.get("post", id)
        if not post or not self.is_there(post):
            return pages.no_page(self)
        return self._show("a post", [post])

    def _every(self) -> list[Doc]:
        return [doc for _, doc in self.all("post")]

    def _live(self, posts: list[Doc]) -> list[Doc]:
        return [post for post in posts if self.is_there(post)]

    def _profile_url(self, profile: Doc) -> str:
        return f"{self.web}/@{profile['username']}"

    def _post_url(self, post: Doc) -> str:
        kind = "spotlight" if post["sort"] == "spotlights" else "post"
        return f"{self.web}/{kind}/{post['id']}"

    def _files(self, post: Doc) -> list[tuple[str, Doc]]:
        media = [(id, self.get("media", id)) for id in post["media"]]
        return [(id, doc["file"]) for id, doc in media if doc]

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _view(self, post: Doc) -> pages.PostView:
        profile = self.get("profile", post["profile"]) or {}
        notes = [SORT_NAMES[post["sort"]]]
        if post["ends_at"] is not None:
            notes.append(f"Until {exact(post['ends_at'])[:16].replace('T', ' ')} UTC.")
        if self.status_of(post) == "SUBMITTED":
            notes.append("In moderation: only the creator sees this.")
        files = self._files(post)
        if hidden := sum(not file["is_kept"] for _, file in files):
            notes.append(f"Files too long to be kept here: {hidden}.")
        return pages.PostView(
            author=profile["name"],
            handle=f"@{profile['username']}",
            text=post["text"],
            when=exact(post["created_at"]),
            url=self._post_url(post),
            pictures=[
                pages.Picture(f"{self.web}/media/{id}", "", file["kind"].lower())
                for id, file in files
                if file["is_kept"]
            ],
            notes=notes,
        )

    @route("GET", "/www/logo/<id>", browser=True)
    def logo(self, request: Request, id: str) -> Response:
        stream = io.BytesIO()
        Image.new("RGB", (96, 96), f"#{digest(id)[:6]}").save(stream, "PNG")
        return Response(stream.getvalue(), mimetype="image/png")

    def posts(self) -> list[Doc]:
        return [
            {
                "id": post["id"],
                "account": post["profile"],
                "text": post["text"],
                "url": self._post_url(post),
                "created_at": exact(post["created_at"]),
                "arrived_at": post["arrived_at"],
                "media": len(post["media"]),
                "alt_texts": [""] * len(post["media"]),
                "link": "",
                "marker": "",
                "media_kinds": [file["kind"].lower() for _, file in self._files(post)],
                "media_sha256": [file["sha256"] for _, file in self._files(post)],
            }
            for post in self._live(self._every())
        ]
