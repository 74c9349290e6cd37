"""Facebook Pages in the practice network, written from Meta's documentation.

The world, the tokens and the Graph API are shared with Instagram's twin; each subject
has a module of its own (`twin_*.py`). Hosts lie below this twin's address: the dialog
and pages for people at `/www`, the Graph API at `/graph`, the upload host at
`/rupload`.
Sources: https://developers.facebook.com/documentation/pages-api ;
https://developers.facebook.com/docs/graph-api (v26.0).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Person, Refusal, route
from ..practice.switches import Switch
from .twin_figures import Figures
from .twin_films import Films
from .twin_handout import OPTIONS, Handout
from .twin_login import Login
from .twin_tokens import SCOPES
from .twin_world import META_SWITCHES, exact

PAGE_SWITCHES = (
    Switch("duplicate_s", "The same post in a row is refused for (seconds)", 86_400),
    Switch("list_delay_s", "Lists show a new post after (seconds)", 0),
    Switch("delete_refused", "Refuse to delete posts", False),
    Switch("page_mentioning", "The app has the feature Page Mentioning", False),
    Switch(
        "others_named",
        "Without it, another Page that a text names as @[number]",
        "vanishes",
        ("vanishes", "stays as typed", "is linked"),
    ),
    Switch("chunk_bytes", "Bytes of a video that are asked for at once", 1_048_576),
    Switch("video_polls", "So many looks see a video still at work", 2),
    Switch("video_processing_s", "A video is ready at the latest after (seconds)", 60),
    Switch("video_session_s", "An upload that is not finished ends after (s)", 86_400),
    Switch(
        "video_error",
        "Error that every video ends with",
        "",
        ("", "6000", "1363040", "1363127", "1363128", "1363129"),
    ),
    Switch("phase_error", "Shape of an error in it", "errors", ("errors", "error")),
    Switch(
        "bytes_spelled",
        "Name of the bytes that have arrived",
        "bytes_transfered",
        ("bytes_transfered", "bytes_transferred"),
    ),
    Switch("reel_post_id", "The end of a reel's upload tells a post_id", False),
    Switch("post_id_of_video", "A video's post_id", "bare", ("bare", "full")),
)
TREE_ENDINGS = (
    ("expire", "Let the sign-in expire"),
    ("password_changed", "Password changed"),
    ("revoke", "Remove the app"),
    ("delete_data", "Remove the app and its data"),
    ("logged_out", "Log out everywhere"),
    ("checkpoint", "Checkpoint"),
    ("unconfirmed", "Unconfirmed account"),
    ("role_lost", "Take the Page role away"),
    ("page_unticked", "Untick the Page"),
    ("scopes_expired", "Let permissions expire"),
    ("data_access_ended", "End the 90 days of data access"),
    ("unlinked", "Unlink Instagram from the Page"),
)


class FacebookTwin(Login, Films, Figures, Handout):
    slug: ClassVar[str] = "facebook"
    name: ClassVar[str] = "Facebook"
    endings = (*TREE_ENDINGS, ("suspend", "Restrict it"), ("restore", "Undo"))
    SWITCHES = (*META_SWITCHES, *PAGE_SWITCHES)

    # ------------------------------------------------------------ for the panel

    def people(self) -> list[Person]:
        """Persons, who can sign in, and the Pages that they manage, which cannot."""
        shown = [
            Person(id, doc["name"], doc["handle"], "Person")
            for id, doc in self.all("person")
        ]
        admins: dict[str, list[str]] = {}
        for _, role in self.all("role", lost=False):
            name = self.title("person", role["person"])
            admins.setdefault(role["page"], []).append(name)
        return shown + [
            Person(
                id,
                page["name"],
                page["username"],
                f"Page of {', '.join(admins.get(id, ['nobody']))}",
            )
            for id, page in self.all("page")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: kind (page or user), person (who acts; else a new one), scopes,
        tasks, short (a short user token), portfolio (visible by it only), admins (more
        persons with a role), and, for kind user: pages and instagram, numbers of a tree
        that is made and listed in `extra`.
        """
        self.check_options(options, OPTIONS)
        self.scopes_for(options, SCOPES)
        kind = options.get("kind", "page")
        username = handle.removeprefix("@")
        if kind == "user":
            person = self.person_for(options, username, name)
            return self.tree_made(username, name, person, options)
        if kind != "page":
            raise ValueError(f"Facebook has pages and users here, not {kind!r}")
        if options.get("pages"):
            raise ValueError("pages goes with kind user")
        admin, title = f"{username}.admin", f"Admin of {name}"
        person = self.person_for(options, admin, title)
        page = self.new_page(username, name, person, options)
        if options.get("instagram") and not (self.get("page", page) or {})["ig"]:
            self.add_instagram(username, name, page)
        return self.page_made(page, *self.sign_person_in(person, options))

    def tokens(self) -> list[Doc]:
        """Users' tokens under the person, Pages' tokens under the Page."""
        rows = []
        for id, token in self.all("token"):
            name = self.title("person", token["person"])
            if token["type"] == "USER":
                rows.append(self.token_row(id, token, token["person"], name))
            elif token["type"] == "PAGE":
                who = f"{self.title('page', token['page'])} ({name})"
                rows.append(self.token_row(id, token, token["page"], who))
        return rows

    def account_of(self, request: Request) -> str:
        return self.account_in(request)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        return self.refusal_for(request, refusal, {})

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = [post for _, post in self.all("post")][-50:]
        return self._show("latest posts", filter(self._is_public, reversed(newest)))

    @route("GET", "/www/<name>", browser=True)
    def page_or_post(self, request: Request, name: str) -> Response:
        """A Page by its name or id, a post by `{page}_{post}`, a photo's page."""
        post = self.get("post", name)
        if post and self._is_public(post):
            return self._show("a post", [post])
        page = self.get("page", name) or self.get("page", self.page_named(name))
        if not page or post:
            return pages.no_page(self)
        shown = filter(self._is_public, self._posts_of(page["id"], 50))
        return self._show(page["name"], shown)

    @route("GET", "/www/reel/<id>", browser=True)
    def reel_page(self, request: Request, id: str) -> Response:
        video = self.get("video", id)
        return self.page_or_post(request, video["post"] if video else "nothing")

    @route("GET", "/www/stories/<id>", browser=True)
    def story_page(self, request: Request, id: str) -> Response:
        return self.page_or_post(request, id)

    @route("GET", "/www/<name>/posts/<pfbid>", browser=True)
    def permalink_page(self, request: Request, name: str, pfbid: str) -> Response:
        known = self.get("pfbid", pfbid)
        return self.page_or_post(request, known["id"] if known else "nothing")

    def _is_public(self, post: Doc) -> bool:
        return not post["deleted"] and bool(post["published"])

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _view(self, post: Doc) -> pages.PostView:
        page = self.get("page", post["page"]) or {}
        comments = [doc for _, doc in self.all("comment", of=post["id"], deleted=False)]
        return pages.PostView(
            author=page["name"],
            handle=f"@{page['username']}",
            text=post["message"],
            when=exact(post["created_at"]),
            url=self.permalink(post),
            pictures=[
                pages.Picture(self.picture_url(doc["id"]), doc.get("alt", ""), kind)
                for kind, doc in self._media(post)
            ],
            link=(post["link"], "") if post["link"] else None,
            notes=[
                f"Comment of {doc['by'] or 'the Page'}: {doc['text']}"
                for doc in comments
            ],
        )

    def _media(self, post: Doc) -> list[tuple[str, Doc]]:
        """(kind, document) of its photos, or of its video."""
        photos = [("image", self.get("photo", id) or {}) for id in post["photos"]]
        video = self.get("video", post.get("video", ""))
        found = [(kind, doc) for kind, doc in photos if not doc.get("deleted")]
        return [*found, *([("video", video)] if video else [])]

    def posts(self) -> list[Doc]:
        self.settle()
        return [
            {
                "id": id,
                "account": post["page"],
                "text": post["message"],
                "url": self.permalink(post),
                "created_at": exact(post["created_at"]),
                "arrived_at": post["arrived_at"],
                "media": len(self._media(post)),
                "alt_texts": [doc.get("alt", "") for _, doc in self._media(post)],
                "media_kinds": [kind for kind, _ in self._media(post)],
                "media_sha256": [doc.get("sha256", "") for _, doc in self._media(post)],
                "link": post["link"],
                "marker": "",
            }
            for id, post in self.all("post")
            if self._is_public(post)
        ]
