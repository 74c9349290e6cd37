"""Meta's token tree: user token, Page tokens, Instagram accounts, and what kills what.

A grant is one person's (or Instagram account's) consent to one app. Most ends are
counters: a token remembers the password, the grant and the session that it was made
under, and is dead once the world has moved on. So old tokens stay dead after a new
sign-in, and `restore` brings exactly those back that an ending took.
Sources: https://developers.facebook.com/documentation/facebook-login/guides/
access-tokens/get-long-lived ; .../facebook-login/auth-vs-data (v26.0).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..practice.framework import Doc, Token
from . import twin_errors as errors
from .twin_callbacks import Callbacks
from .twin_world import APP_ID, digest, exact

SCOPES = {
    "public_profile": "see your name and picture",
    "email": "see your email address",
    "pages_show_list": "see the list of your Pages",
    "pages_read_engagement": "read what your Pages post, and their followers",
    "pages_manage_posts": "create, edit and delete posts of your Pages",
    "pages_read_user_content": "read comments and visitors' posts on your Pages",
    "pages_manage_engagement": "write and hide comments as your Pages",
    "pages_manage_metadata": "subscribe to what happens on your Pages",
    "pages_messaging": "write messages as your Pages",
    "read_insights": "see the figures of your Pages",
    "business_management": "see the Pages of your business portfolios",
    "publish_video": "publish videos",
    "ads_read": "read your advertisements",
    "ads_management": "manage your advertisements",
    "instagram_basic": "see your Instagram accounts and what they posted",
    "instagram_content_publish": "post to your Instagram accounts",
    "instagram_manage_comments": "write and hide comments on Instagram",
    "instagram_manage_insights": "see the figures of your Instagram accounts",
    "instagram_manage_messages": "write messages on Instagram",
    "instagram_manage_contents": "delete what you posted on Instagram",
}
INSTAGRAM_SCOPES = {
    "instagram_business_basic": "see your profile and your posts",
    "instagram_business_content_publish": "post for you",
    "instagram_business_manage_comments": "write and hide comments for you",
    "instagram_business_manage_insights": "see your figures",
    "instagram_business_manage_messages": "write messages for you",
}
#: Ends without a death: the token lives, but something is refused.
SOFT = (
    "page_unticked",
    "scope_lost",
    "scope_expired",
    "scopes_expired",
    "data_access_ended",
    "suspend",
    "unlinked",
    "not_professional",
)
#: What each ending does to whole people, so that it touches every token of theirs.
OF_PEOPLE = (
    "expire",
    "revoke",
    "delete_data",
    "password_changed",
    "logged_out",
    "checkpoint",
    "unconfirmed",
)


@dataclass
class Reach:
    """What an ending of one account touches.

    own_ig: the Instagram account was named itself, so its own sign-in is meant too.
    """

    kind: str
    persons: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    own_ig: str = ""


class MetaTokens(Callbacks):
    # ------------------------------------------------------------ grants

    def grant_of(self, token: Doc) -> Doc:
        owner = token["person"] or token["ig"]
        return self.get("grant", f"{token['app']} {owner}") or self._no_grant(
            token["app"], owner
        )

    def grant(self, app: str, owner: str) -> Doc:
        return self.get("grant", f"{app} {owner}") or self._no_grant(app, owner)

    def _no_grant(self, app: str, owner: str) -> Doc:
        return {
            "app": app,
            "owner": owner,
            "scopes": {},
            "pages": None,
            "igs": None,
            "no": 0,
            "session_no": 0,
            "removed": False,
            "data_access_at": 0.0,
        }

    def give(
        self,
        app: str,
        owner: str,
        scopes: dict[str, str],
        pages: list[str] | None = None,
        igs: list[str] | None = None,
        *,
        reauthorize: bool = False,
    ) -> Doc:
        """Store a person's consent. pages, igs: None means all, later ones as well.

        Signing in is activity and moves the end of data access; once it has ended,
        only auth_type=reauthorize opens it again.
        """
        grant = self.grant(app, owner)
        now = self.time()
        is_open = grant["data_access_at"] > now
        if grant["removed"] or not grant["scopes"] or is_open or reauthorize:
            grant["data_access_at"] = now + self.setting("data_access_s")
        kept = {} if grant["removed"] else grant["scopes"]
        # A restore must not take back what the person has decided since.
        grant.pop("before", None)
        grant |= {
            "scopes": {**kept, **scopes},
            "pages": pages,
            "igs": igs,
            "removed": False,
        }
        self.put("grant", f"{app} {owner}", grant)
        return grant

    def scope_status(self, grant: Doc, scope: str) -> str:
        return str(grant["scopes"].get(scope, ""))

    def granted_scopes(self, grant: Doc) -> list[str]:
        return [s for s, status in grant["scopes"].items() if status == "granted"]

    def has_scope(self, token: Doc, scope: str, target: str = "") -> bool:
        """Whether the token may use the permission (for a Page or Instagram account)."""
        return self.allowing(token, scope)(target)

    def allowing(self, token: Doc, scope: str) -> Callable[[str], bool]:
        """The same for many Pages or accounts: what the grant says is read once."""
        grant = self.grant_of(token)
        if self.scope_status(grant, scope) != "granted":
            return lambda target: False
        if token["type"] == "IG":
            return lambda target: True
        is_exempt = not scope.startswith("instagram_")
        if not is_exempt and grant["data_access_at"] <= self.time():
            return lambda target: False
        chosen = self.targets(grant, scope)
        return lambda target: not target or chosen is None or target in chosen

    def targets(self, grant: Doc, scope: str) -> list[str] | None:
        """`target_ids` of granular_scopes; None: everything, now and later."""
        if scope.startswith("instagram_"):
            chosen = grant["igs"]
        elif scope.startswith("pages_") or scope == "read_insights":
            chosen = grant["pages"]
        else:
            chosen = None
        return None if chosen is None else list(chosen)

    # ------------------------------------------------------------ issuing

    def issue_user(
        self, app: str, person: str, *, long: bool, expires_at: float | None = None
    ) -> tuple[str, Doc]:
        now = self.time()
        life = self.setting("long_life_s" if long else "short_life_s")
        secret = Token("EAAG-practice", 96).made
        token = self._token("USER", app, person=person)
        token |= {
            "long": long,
            "expires_at": now + life if expires_at is None else expires_at,
        }
        self.put("token", digest(secret), token)
        return secret, token

    def issue_page(self, user: Doc, page: str) -> str:
        """The token of (app, person, Page). From a long user token it has no end, from
        a short one it ends with it; asking again gives the same one."""
        expires_at = 0.0 if user["long"] else user["expires_at"]
        token = self._token("PAGE", user["app"], person=user["person"], page=page)
        token |= {"long": user["long"], "expires_at": expires_at}
        made_of = [user["app"], user["person"], page, expires_at] + [
            token[name] for name in ("password_no", "grant_no", "session_no", "role_no")
        ]
        app = self.get("app", user["app"])
        assert app is not None
        text = " ".join(map(str, made_of)).encode()
        secret = (
            "EAAG-practice-page-"
            + hmac.new(str(app["secret"]).encode(), text, hashlib.sha512).hexdigest()
        )
        if not self.get("token", digest(secret)):
            self.put("token", digest(secret), token)
        return secret

    def issue_instagram(
        self, app: str, ig: str, *, life_s: int, long: bool
    ) -> tuple[str, Doc]:
        secret = Token("IGAA-practice", 96).made
        token = self._token("IG", app, ig=ig)
        token |= {"long": long, "expires_at": self.time() + life_s}
        self.put("token", digest(secret), token)
        return secret, token

    def _token(
        self, type: str, app: str, *, person: str = "", page: str = "", ig: str = ""
    ) -> Doc:
        grant = self.grant(app, person or ig)
        owner = self.get("person", person) if person else self.get("ig", ig)
        role = self.get("role", f"{person} {page}") if page else None
        return {
            "type": type,
            "app": app,
            "person": person,
            "page": page,
            "ig": ig,
            "issued_at": self.time(),
            "password_no": (owner or {}).get("password_no", 0),
            "grant_no": grant["no"],
            "session_no": grant["session_no"],
            "role_no": role["token_no"] if role else 0,
        }

    # ------------------------------------------------------------ alive or dead

    def death(self, token: Doc) -> int:
        """The subcode that a dead token is refused with, 0 for a live one."""
        grant = self.grant_of(token)
        if grant["removed"] or token["grant_no"] < grant["no"]:
            return 458
        kind, id = (
            ("person", token["person"]) if token["person"] else ("ig", token["ig"])
        )
        owner = self.get(kind, id)
        if not owner:
            return 467
        if owner.get("checkpoint"):
            return int(owner["checkpoint"])
        if token["password_no"] < owner["password_no"]:
            return 460
        if token["expires_at"] and token["expires_at"] <= self.time():
            return 463
        if token["session_no"] < grant["session_no"]:
            return 467
        if token["page"]:
            role = self.get("role", f"{token['person']} {token['page']}")
            if not role or role["lost"]:
                return 492
            if token["role_no"] < role["token_no"]:
                return 467
        return 0

    def death_error(self, token: Doc, subcode: int) -> errors.GraphError:
        return errors.dead_token(self.death_text(token, subcode), subcode)

    def death_text(self, token: Doc, subcode: int) -> str:
        return errors.dead_message(
            subcode, token["app"], token["expires_at"], self.time()
        )

    def token_row(self, id: str, token: Doc, account: str, person: str) -> Doc:
        subcode = self.death(token)
        state = "expired" if subcode == 463 else "revoked" if subcode else "live"
        return {
            "id": id[:12],
            "account": account,
            "person": person,
            "kind": token["type"].lower(),
            "state": state,
            "subcode": subcode,
            "issued_at": exact(token["issued_at"]),
            "expires_at": exact(token["expires_at"]) if token["expires_at"] else "",
            "scopes": self.granted_scopes(self.grant_of(token)),
        }

    # ------------------------------------------------------------ endings

    def end_tokens(self, account: str, how: str) -> int:
        """account: a person, a Page, an Instagram account (by id or handle), or
        "<person>/<page>" for one person's standing at one Page.

        Of a Page or Instagram account: for all people who can act for it. The number
        is that of the live tokens which died, or which live on with less; of `restore`
        that of the documents which were put back.
        """
        reach = self._reach(account)
        kind, _, detail = how.partition(":")
        if kind == "restore":
            return self._restore(reach)
        if kind not in (*SOFT, *OF_PEOPLE, "role_lost"):
            raise ValueError(f"{self.name} cannot end tokens by {how!r}")
        if kind in ("scope_lost", "scope_expired") and (
            detail not in SCOPES and detail not in INSTAGRAM_SCOPES
        ):
            raise ValueError(f"{self.name} has no permission {detail!r}")
        live = self._live(reach, whole=kind in OF_PEOPLE)
        self._end(reach, kind, detail)
        if kind in SOFT:
            return len(live)
        return sum(1 for _id, token in live if self.death(self._fresh(_id, token)))

    def _fresh(self, id: str, token: Doc) -> Doc:
        return self.get("token", id) or token

    def _reach(self, account: str) -> Reach:
        name, slash, page = account.partition("/")
        if slash:
            person = self._one("person", name, self.person_named(name))
            page = self._one("page", page, self.page_named(page))
            return Reach("pair", [person], [(person, page)], [page])
        for kind, named in (
            ("person", self.person_named(account)),
            ("page", self.page_named(account)),
            ("ig", self.ig_named(account)),
        ):
            if self.slug == "instagram" and kind == "page" and self.ig_named(account):
                continue  # a Page and its Instagram account may have one name
            if id := (account if self.get(kind, account) else named):
                return self._reach_of(kind, id)
        raise ValueError(f"{self.name} has no account {account!r}")

    def _one(self, kind: str, id: str, named: str) -> str:
        found = id if self.get(kind, id) else named
        if not found:
            raise ValueError(f"{self.name} has no {kind} {id!r}")
        return found

    def _reach_of(self, kind: str, id: str) -> Reach:
        if kind == "person":
            roles = [role for _, role in self.all("role", person=id)]
            pairs = [(id, role["page"]) for role in roles]
            return Reach(kind, [id], pairs, [page for _, page in pairs])
        page, own_ig = id, ""
        if kind == "ig":
            page, own_ig = (self.get("ig", id) or {})["page"], id
        roles = [role for _, role in self.all("role", page=page)] if page else []
        pairs = [(role["person"], page) for role in roles]
        persons = [person for person, _ in pairs]
        return Reach(kind, persons, pairs, [page] if page else [], own_ig)

    def _grants(self, reach: Reach) -> list[tuple[str, Doc]]:
        owners = [*reach.persons, *([reach.own_ig] if reach.own_ig else [])]
        found = []
        for owner in owners:
            found += [
                (id, g) for id, g in self.all("grant", owner=owner) if g["scopes"]
            ]
        return found

    def _live(self, reach: Reach, *, whole: bool) -> list[tuple[str, Doc]]:
        found: list[tuple[str, Doc]] = []
        for person in reach.persons:
            for id, token in self.all("token", person=person):
                is_there = not token["page"] or token["page"] in reach.pages
                if whole or reach.kind == "person" or is_there:
                    found.append((id, token))
        if reach.own_ig:
            found += self.all("token", ig=reach.own_ig)
        return [(id, token) for id, token in found if not self.death(token)]

    def _end(self, reach: Reach, kind: str, detail: str) -> None:
        if kind == "expire":
            self._expire(reach)
        elif kind in ("revoke", "delete_data"):
            self._remove_apps(self._grants(reach), deletion=kind == "delete_data")
        elif kind in ("password_changed", "checkpoint", "unconfirmed"):
            self._end_people(reach, kind)
        elif kind == "role_lost":
            for person, page in reach.pairs:
                self.change("role", f"{person} {page}", lost=True)
        elif kind == "suspend":
            self._suspend(reach)
        elif kind == "unlinked":
            for page in reach.pages:
                self.change("page", page, ig="")
        elif kind == "not_professional":
            for ig in self._igs(reach):
                self.change("ig", ig, account_type="PERSONAL")
        else:
            for id, grant in self._grants(reach):
                self.change("grant", id, **self._less(reach, grant, kind, detail))

    def _expire(self, reach: Reach) -> None:
        """User tokens, what short ones gave, and Instagram's own: 60 days leave the
        Page tokens of a long user token alive."""
        for id, token in self._live(reach, whole=True):
            if token["expires_at"]:
                self.change("token", id, expires_at=self.time())

    def _end_people(self, reach: Reach, kind: str) -> None:
        owners = [("person", person) for person in reach.persons]
        if reach.own_ig and kind == "password_changed":
            owners.append(("ig", reach.own_ig))
        for owner, id in owners:
            doc = self.get(owner, id)
            assert doc is not None
            if kind == "password_changed":
                self.change(owner, id, password_no=doc["password_no"] + 1)
            else:
                self.change(owner, id, checkpoint=459 if kind == "checkpoint" else 464)
        if reach.own_ig and kind == "checkpoint":
            self.change("ig", reach.own_ig, restricted=True)

    def _suspend(self, reach: Reach) -> None:
        if reach.own_ig:
            self.change("ig", reach.own_ig, restricted=True)
        elif reach.kind == "person":
            self.change("person", reach.persons[0], checkpoint=459)
        else:
            for page in reach.pages:
                self.change("page", page, restricted=True)

    def _remove_apps(
        self, grants: Iterable[tuple[str, Doc]], *, deletion: bool = False
    ) -> None:
        for id, grant in grants:
            if grant["removed"]:
                continue
            self.change("grant", id, no=grant["no"] + 1, removed=True)
            user = grant["owner"]
            if doc := self.get("ig", user):
                user = doc["scoped_id"]
            self.tell_removed(grant["app"], user)
            if deletion:
                self.tell_deletion(grant["app"], user)

    def _less(self, reach: Reach, grant: Doc, kind: str, detail: str) -> Doc:
        """What a grant becomes by an ending that leaves its tokens alive."""
        scopes = dict(grant["scopes"])
        if kind == "logged_out":
            return {"session_no": grant["session_no"] + 1}
        if kind == "data_access_ended":
            return {"data_access_at": min(grant["data_access_at"], self.time())}
        if kind == "page_unticked":
            return self._unticked(reach, grant)
        for scope, status in scopes.items():
            expires = kind == "scopes_expired" and scope != "public_profile"
            if (scope == detail or expires) and status == "granted":
                scopes[scope] = "declined" if kind == "scope_lost" else "expired"
        return {"scopes": scopes}

    def _unticked(self, reach: Reach, grant: Doc) -> Doc:
        pages, igs = grant["pages"], grant["igs"]
        if pages is None:
            pages = [role["page"] for role in self.roles_of(grant["owner"])]
        if igs is None:
            docs = [self.get("page", page) for page in pages]
            igs = [doc["ig"] for doc in docs if doc and doc["ig"]]
        gone = set(self._igs(reach))
        return {
            "pages": [page for page in pages if page not in reach.pages],
            "igs": [ig for ig in igs if ig not in gone],
        }

    def _igs(self, reach: Reach) -> list[str]:
        if reach.own_ig:
            return [reach.own_ig]
        docs = [self.get("page", page) for page in reach.pages]
        return [doc["ig"] for doc in docs if doc and doc["ig"]]

    def _restore(self, reach: Reach) -> int:
        rows = [("person", person) for person in reach.persons]
        rows += [("role", f"{person} {page}") for person, page in reach.pairs]
        rows += [("page", page) for page in reach.pages]
        rows += [("grant", id) for id, _ in self._grants(reach)]
        for owner in reach.persons:
            rows += [("token", id) for id, _ in self.all("token", person=owner)]
        restored = sum(self._undo(kind, id) for kind, id in rows)
        igs = [("ig", ig) for ig in self._igs(reach)]
        if reach.own_ig:
            igs += [("token", id) for id, _ in self.all("token", ig=reach.own_ig)]
        return restored + sum(self._undo(kind, id) for kind, id in igs)

    def change(self, kind: str, id: str, **changes: Any) -> None:
        """Change a document and remember what it was, for `restore`."""
        doc = self.get(kind, id)
        if doc is None:
            return
        before = {name: doc.get(name, "") for name in changes} | doc.get("before", {})
        self.put(kind, id, {**doc, **changes, "before": before})

    def _undo(self, kind: str, id: str) -> bool:
        doc = self.get(kind, id)
        if not doc or "before" not in doc:
            return False
        before = doc.pop("before")
        self.put(kind, id, {**doc, **before})
        return True

    def apps_of(self, owner: str) -> list[tuple[str, Doc]]:
        """(grant id, grant) of the apps that a person has given access."""
        grants = self.all("grant", owner=owner)
        return [(id, g) for id, g in grants if g["scopes"] and not g["removed"]]

    def app_credentials(self) -> tuple[str, str]:
        """Of the Meta app; Instagram's own login has INSTAGRAM_APP_ID beside it."""
        app = self.get("app", APP_ID)
        return APP_ID, str(app["secret"]) if app else ""
