"""Instagram in the practice network, both variants, written from Meta's documentation.

With Facebook Login it is part of Facebook's world (platforms/facebook/twin_*.py): the
same persons, Pages and tokens, whichever of the two twins was asked. Hosts below this
twin's address: `/www` is www.facebook.com and www.instagram.com (dialogs, and pages for
readers), `/graph` graph.facebook.com, `/api` api.instagram.com, `/ig`
graph.instagram.com, `/rupload` rupload.facebook.com.
Source: https://developers.facebook.com/docs/instagram-platform (v26.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..facebook.twin import TREE_ENDINGS
from ..facebook.twin_graph import FACEBOOK, INSTAGRAM
from ..facebook.twin_handout import OPTIONS, Handout
from ..facebook.twin_login import Login
from ..facebook.twin_tokens import INSTAGRAM_SCOPES
from ..facebook.twin_world import INSTAGRAM_APP_ID, META_SWITCHES, exact
from ..practice import pages
from ..practice.framework import Doc, Person, Refusal, route
from ..practice.switches import Switch
from .twin_figures import Figures
from .twin_login import InstagramLogin
from .twin_media import instagram as refusal_of
from .twin_media import wrong_ratio

INSTAGRAM_SWITCHES = (
    Switch("quota_total", "Posts of one account in 24 hours", 100),
    Switch("image_polls", "So many looks see a picture still at work", 1),
    Switch("video_polls", "So many looks see a video still at work", 2),
    Switch(
        "video_error",
        "Error that every video ends with",
        "",
        ("", "2207003", "2207026", "2207052", "2207053", "2207057", "2207082"),
    ),
    Switch(
        "processing_s", "A picture or video is ready at the latest after (seconds)", 30
    ),
    Switch("first_publish_not_ready", "The first publish is always too early", False),
    Switch("media_delay_s", "Lists show a new post after (seconds)", 0),
    Switch("png_accepted", "PNG pictures are taken too", False),
    Switch("likes_hidden", "The accounts hide how many like a post", False),
    Switch("strip_at", "Captions always come back without @", False),
    Switch("places_unknown", "Places that there are not", []),
    Switch("trials_allowed", "The accounts may publish trial reels", True),
    Switch("trials_listed", "Lists show trial reels", True),
    Switch("one_app_for_both", "Instagram Login takes the Meta app too", True),
    Switch("token_shape", "Shape of a code's answer", "flat", ("flat", "nested")),
    Switch("permissions_as", "Permissions in it", "list", ("list", "text")),
    Switch("ig_code_life_s", "Life of Instagram's sign-in code (seconds)", 3600),
    Switch("ig_short_life_s", "Life of Instagram's short token (seconds)", 3600),
    Switch("too_young_code", "Code for a refresh within 24 h", 100, ("100", "190")),
    Switch("refresh_ends_old", "A refresh ends the old token", False),
)


TOLD = {"location": "Place", "audio_name": "Sound", "trial": "Trial reel"}
LABELS = {
    "is_ai_generated": "Labelled: made with AI",
    "is_paid_partnership": "Labelled: paid partnership",
}


class InstagramTwin(Login, InstagramLogin, Figures, Handout):
    slug: ClassVar[str] = "instagram"
    name: ClassVar[str] = "Instagram"
    HOSTS: ClassVar[Mapping[str, str]] = {INSTAGRAM: "/ig", FACEBOOK: "/graph"}
    endings = (
        *TREE_ENDINGS,
        ("not_professional", "Make it a personal account"),
        ("suspend", "Restrict the account"),
        ("restore", "Undo"),
    )
    SWITCHES = (*META_SWITCHES, *INSTAGRAM_SWITCHES)

    # ------------------------------------------------------------ for the panel

    def people(self) -> list[Person]:
        """Persons, who sign in with Facebook, and accounts, which can by themselves."""
        shown = [
            Person(id, doc["name"], doc["handle"], "Person on Facebook")
            for id, doc in self.all("person")
        ]
        linked = {page["ig"]: page["name"] for _, page in self.all("page")}
        return shown + [
            Person(
                id,
                doc["name"],
                doc["username"],
                f"Linked to the Page {linked[id]}"
                if id in linked
                else "Without a Page",
            )
            for id, doc in self.all("ig")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: variant (facebook, by a Page, or instagram, by its own sign-in);
        short and scopes; for facebook the options of a Facebook Page, and kind user for
        a person with a tree of `pages` and `instagram`.
        """
        self.check_options(options, {*OPTIONS, "variant"})
        variant = options.pop("variant", "facebook")
        username = handle.removeprefix("@")
        if variant == "instagram":
            return self._own_login(username, name, options)
        if variant != "facebook":
            raise ValueError(f"Instagram has facebook and instagram, not {variant!r}")
        if options.get("kind") == "user":
            person = self.person_for(options, username, name)
            return self.tree_made(username, name, person, options)
        if options.get("kind", "instagram") != "instagram":
            raise ValueError("Instagram has the kinds instagram and user here")
        ig = self.ig_named(username)
        linked = self.page_of_ig(ig)
        page_name = str(linked["username"]) if linked else username
        admin, title = f"{username}.admin", f"Admin of {name}"
        person = self.person_for(options, admin, title)
        page = self.new_page(page_name, name, person, options)
        if not ig:
            ig = (self.get("page", page) or {})["ig"]
            ig = ig or self.add_instagram(username, name, page)
        elif not linked:
            raise ValueError(f"{username} is linked to no Page")
        return self.instagram_made(ig, page, *self.sign_person_in(person, options))

    def _own_login(self, username: str, name: str, options: Mapping[str, Any]) -> Doc:
        self.check_options(options, {"scopes", "short", "kind"})
        scopes = self.scopes_for(options, INSTAGRAM_SCOPES)
        ig = self.ig_named(username) or self.add_instagram(username, name)
        account = self.get("ig", ig) or {}
        app = self.login_app()
        self.give(app, ig, dict.fromkeys(scopes, "granted"))
        is_long = not options.get("short")
        life = self.setting("long_life_s" if is_long else "ig_short_life_s")
        secret, _ = self.issue_instagram(app, ig, life_s=life, long=is_long)
        return {
            "external_id": ig,
            "handle": account["username"],
            "name": account["name"],
            "kind": "instagram",
            "url": self.profile_url(account["username"]),
            "access_token": secret,
            "refresh_token": "",
            "expires_in": life,
            "refresh_expires_in": None,
            "scopes": scopes,
            "extra": {"variant": "instagram", "scoped_id": account["scoped_id"]},
        }

    def login_app(self) -> str:
        """The app that an access with Instagram Login is handed out for."""
        both = self.setting("one_app_for_both")
        return self.app_credentials()[0] if both else INSTAGRAM_APP_ID

    def tokens(self) -> list[Doc]:
        """For each account: its own tokens, and those of the Page that it is linked to;
        users' tokens under the person."""
        rows = []
        linked = {page: doc["ig"] for page, doc in self.all("page") if doc["ig"]}
        for id, token in self.all("token"):
            if token["type"] == "USER":
                person = token["person"]
                name = self.title("person", person)
                rows.append(self.token_row(id, token, person, name))
                continue
            ig = token["ig"] or linked.get(token["page"], "")
            if not ig:
                continue
            who = self.title("ig", ig)
            if token["person"]:
                who = f"{who} ({self.title('person', token['person'])})"
            rows.append(self.token_row(id, token, ig, who))
        return rows

    def account_of(self, request: Request) -> str:
        account = self.account_in(request)
        page = self.get("page", account) if account else None
        return str(page["ig"] or account) if page else account

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        spam = "We restrict certain activity to protect our community"
        own = {
            "duplicate": refusal_of(4, 2207051, spam, "Action Blocked"),
            "content_refused": wrong_ratio(),
        }
        return self.refusal_for(request, refusal, own)

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = [media for _, media in self.all("media", deleted=False)][-50:]
        return self._show("latest posts", reversed(newest))

    @route("GET", "/www/<username>/", browser=True)
    def profile(self, request: Request, username: str) -> Response:
        ig = self.ig_named(username)
        if not ig:
            return pages.no_page(self)
        return self._show(self.title("ig", ig), self.media_of(ig, 50))

    @route("GET", "/www/p/<shortcode>/", browser=True)
    @route("GET", "/www/reel/<shortcode>/", browser=True)
    @route("GET", "/www/stories/<username>/<shortcode>/", browser=True)
    def permalink_page(
        self, request: Request, shortcode: str, username: str = ""
    ) -> Response:
        known = self.get("shortcode", shortcode)
        media = self.get("media", known["id"]) if known else None
        if not media or media["deleted"]:
            return pages.no_page(self)
        return self._show("a post", [media])

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _view(self, media: Doc) -> pages.PostView:
        account = self.get("ig", media["ig"]) or {}
        return pages.PostView(
            author=account["name"],
            handle=f"@{account['username']}",
            text=media["caption"],
            when=exact(media["created_at"]),
            url=self.permalink(media),
            pictures=[
                pages.Picture(
                    self.picture_url(doc["id"]), doc["alt"], self._kind_of(doc)
                )
                for doc in self._shown(media)
            ],
            notes=[
                *self._people_in(media),
                *(
                    f"Comment of {doc['by'] or account['username']}: {doc['text']}"
                    for doc in self.comments_on(media)
                ),
            ],
        )

    def _people_in(self, media: Doc) -> list[str]:
        together = media["collaborators"]
        seen = [f"@{name}" for doc in self._shown(media) for name in doc["user_tags"]]
        return [
            *([f"Together with {', '.join(together)}"] if together else []),
            *([f"In it: {', '.join(seen)}"] if seen else []),
            *(["Has a cover of its own"] if media["cover"] else []),
            *(
                f"{words}: {media[name]}"
                for name, words in TOLD.items()
                if media.get(name)
            ),
            *(LABELS[name] for name in media.get("labels") or ()),
        ]

    def _shown(self, media: Doc) -> list[Doc]:
        """The containers with its pictures and videos."""
        docs = [self.get("container", id) for id in media["pictures"]]
        return [doc for doc in docs if doc]

    def _kind_of(self, container: Doc) -> str:
        return "video" if container.get("moving") else "image"

    def posts(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": media["ig"],
                "text": media["caption"],
                "url": self.permalink(media),
                "created_at": exact(media["created_at"]),
                "arrived_at": media["arrived_at"],
                "media": len(media["pictures"]),
                "alt_texts": [doc["alt"] for doc in self._shown(media)],
                "media_kinds": [self._kind_of(doc) for doc in self._shown(media)],
                "media_sha256": [doc.get("sha256", "") for doc in self._shown(media)],
                "user_tags": [doc["user_tags"] for doc in self._shown(media)],
                "collaborators": media["collaborators"],
                "cover": media["cover"],
                "thumb_ms": media["thumb"],
                "choices": {
                    **{name: media.get(name) for name in TOLD},
                    **{
                        name.removeprefix("is_"): name in (media.get("labels") or ())
                        for name in LABELS
                    },
                },
                "link": "",
                "marker": "",
            }
            for id, media in self.all("media", deleted=False)
        ]
