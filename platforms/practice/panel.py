"""The control panel: pages for people at `/`, and the JSON interface for programs.

What changes something wants either the page's form token (sent twice: in the form and
in a cookie) or, from a program, the header `X-Practice: 1`: a foreign web page can send
neither. On loopback only loopback names are answered, so that a foreign name that leads
here (DNS rebinding) gets nothing either.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from . import html
from .faults import KINDS, Fault, Faults
from .framework import Doc, Twin, World, iso, json_response

CSS = Path(__file__).parent / "static" / "practice.css"
COOKIE = "practice_form"

#: How much of each list the front page shows.
ACCOUNTS_SHOWN = 12
POSTS_SHOWN = 8
REQUESTS_SHOWN = 25

DONE = {
    "fault": "The fault is on.",
    "fault-off": "The fault is off.",
    "tokens": "Done. Our product learns of it when it next asks.",
    "account": "The account is there.",
    "comment": "The comment is there.",
    "clock": "The clock of the practice network is set.",
    "switch": "Set.",
    "reset": "The practice network has started anew.",
}

Handler = Callable[..., Response]


class Refused(Exception):
    """A panel request that cannot be done; the text is for the person who sent it."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Form:
    """What every form of a page carries. back: the platform whose page it is on."""

    token: str
    back: str = ""


class Panel:
    def __init__(
        self,
        world: World,
        twins: Mapping[str, Twin],
        faults: Faults,
        base_url: str,
        *,
        loopback: bool,
    ) -> None:
        self.world = world
        self.twins = twins
        self.faults = faults
        self.base_url = base_url
        self._hosts = {"127.0.0.1", "localhost", "::1", urlsplit(base_url).hostname}
        self._loopback = loopback

    def seed(self) -> None:
        for twin in self.twins.values():
            twin.seed()

    def routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/", self.home),
            ("GET", "/panel/<slug>", self.platform),
            ("POST", "/panel/faults", self.add_fault),
            ("POST", "/panel/faults/remove", self.remove_fault),
            ("POST", "/panel/tokens", self.end_tokens),
            ("POST", "/panel/accounts", self.add_account),
            ("POST", "/panel/comments", self.add_comment),
            ("POST", "/panel/clock", self.set_clock),
            ("POST", "/panel/switches", self.set_switch),
            ("POST", "/panel/reset", self.start_anew),
            ("GET", "/practice.css", self.css),
            ("GET", "/favicon.ico", self.no_icon),
            ("GET", "/healthz", self.health),
            ("GET", "/api/state", self.api_state),
            ("GET", "/api/posts", self.api_posts),
            ("GET", "/api/record", self.api_record),
            ("GET", "/api/apps", self.api_apps),
            ("GET", "/api/faults", self.api_faults),
            ("POST", "/api/faults", self.api_add_fault),
            ("DELETE", "/api/faults", self.api_remove_faults),
            ("DELETE", "/api/faults/<id>", self.api_remove_fault),
            ("POST", "/api/tokens", self.api_tokens),
            ("POST", "/api/accounts", self.api_accounts),
            ("GET", "/api/comments", self.api_own_comments),
            ("POST", "/api/comments", self.api_comments),
            ("POST", "/api/clock", self.api_clock),
            ("POST", "/api/switches", self.api_switches),
            ("POST", "/api/reset", self.api_reset),
        ]

    def answer(
        self, request: Request, handler: Handler, values: Mapping[str, Any]
    ) -> Response:
        program = request.path.startswith("/api/")
        try:
            self._guard(request, program)
            if request.method in ("GET", "HEAD"):
                # A long list must not hold up what the platforms have to answer.
                return handler(request, **values)
            with self.world.transaction():
                return handler(request, **values)
        except (Refused, ValueError) as exc:
            status = exc.status if isinstance(exc, Refused) else 400
            if program:
                return json_response({"error": str(exc)}, status)
            body = Markup(
                '<p class="card message bad">{}</p><p><a href="{}/">Back</a></p>'
            ).format(str(exc), self.base_url)
            return html.page("That did not work", body, self.base_url, status=status)

    def _guard(self, request: Request, program: bool) -> None:
        host = urlsplit(f"//{request.host}").hostname
        if self._loopback and host not in self._hosts:
            raise Refused("This address is not the practice network's own.", 403)
        if request.method in ("GET", "HEAD"):
            return
        if program:
            if request.headers.get("X-Practice") != "1":
                raise Refused("Send the header X-Practice: 1.", 403)
            return
        cookie = request.cookies.get(COOKIE, "")
        sent = request.form.get("form_token", "")
        if not cookie or not hmac.compare_digest(cookie.encode(), sent.encode()):
            raise Refused("This form has grown old: go back, reload and retry.", 403)

    def _twin(self, slug: object) -> Twin:
        twin = self.twins.get(str(slug))
        if twin is None:
            raise Refused(f"There is no platform {str(slug)!r} here.", 404)
        return twin

    # ------------------------------------------------------------ pages

    def home(self, request: Request) -> Response:
        form = Form(_form_token(request))
        links = html.join(
            Markup(
                '<article><h2><a href="/panel/{0}">{1}</a></h2>'
                '<p><a href="/{0}/">See {1} as a reader</a></p></article>'
            ).format(slug, twin.name)
            for slug, twin in self.twins.items()
        )
        body = html.join(
            [
                self._message(request),
                Markup(
                    "<p>Play what can go wrong on a network, and watch what SocialHub"
                    " does about it.</p>"
                ),
                Markup('<div class="fields">{}</div>').format(links),
                self._faults(form),
                self._clock(form),
                *(
                    self._platform(twin, form, ACCOUNTS_SHOWN, POSTS_SHOWN)
                    for twin in self.twins.values()
                ),
                self._requests(),
                self._anew(form),
            ]
        )
        return self._page("Practice network", body, form)

    def platform(self, request: Request, slug: str) -> Response:
        twin = self._twin(slug)
        form = Form(_form_token(request), slug)
        body = html.join(
            [
                self._message(request),
                self._platform(twin, form, 500, 500, switches=True),
                self._requests(slug),
            ]
        )
        return self._page(f"{twin.name} in the practice network", body, form)

    def _page(self, title: str, body: Markup, form: Form) -> Response:
        response = html.page(title, body, self.base_url, kind="panel")
        response.set_cookie(
            COOKIE, form.token, httponly=True, samesite="Strict", path="/"
        )
        return response

    def _message(self, request: Request) -> Markup:
        text = DONE.get(request.args.get("done", ""))
        if not text:
            return Markup("")
        return Markup('<p class="card message" role="status">{}</p>').format(text)

    def _form(self, action: str, form: Form, content: Markup, **values: str) -> Markup:
        fields = [("form_token", form.token), ("back", form.back), *values.items()]
        return Markup('<form method="post" action="/panel/{}">{}{}</form>').format(
            action, html.hidden(fields), content
        )

    def _faults(self, form: Form) -> Markup:
        rows = []
        for fault in self.faults.active():
            kind = KINDS[fault.kind]
            button = Markup('<button class="second">Take off{}</button>').format(
                Markup('<span class="invisible"> {}</span>').format(kind.label)
            )
            rows.append(
                [
                    self.twins[fault.platform].name
                    if fault.platform in self.twins
                    else fault.platform,
                    kind.label,
                    _scope(fault),
                    "until taken off" if fault.left is None else f"{fault.left} more",
                    self._form("faults/remove", form, button, id=fault.id),
                ]
            )
        listed = html.table(
            ["Network", "What goes wrong", "Where", "How often", "Action"],
            rows,
            "Nothing goes wrong at the moment.",
        )
        kinds = _options(
            (kind.name, f"{kind.label}: {kind.effect}") for kind in KINDS.values()
        )
        platforms = _options((slug, twin.name) for slug, twin in self.twins.items())
        accounts = {
            str(token["account"]): f"{twin.name}: {token.get('person') or ''}"
            for twin in self.twins.values()
            for token in twin.tokens()
        }
        calls = _options(
            [
                ("", "What fits the fault"),
                ("commit", "Only what readers would see (publishing)"),
                ("any", "Everything"),
            ]
        )
        fields = Markup(
            '<div class="fields">'
            '<div><label for="f-platform">Network</label>'
            '<select id="f-platform" name="platform">{platforms}</select></div>'
            '<div class="wide"><label for="f-kind">What goes wrong</label>'
            '<select id="f-kind" name="kind">{kinds}</select></div>'
            '<div><label for="f-call">Which requests</label>'
            '<select id="f-call" name="call">{calls}</select></div>'
            '<div><label for="f-account">Whose requests</label>'
            '<select id="f-account" name="account">{accounts}</select></div>'
            '<div><label for="f-times">How many times (empty: until taken off)</label>'
            '<input id="f-times" name="times" inputmode="numeric" value="1"></div>'
            '<div><label for="f-seconds">Seconds (slow, later)</label>'
            '<input id="f-seconds" name="seconds" inputmode="decimal"></div>'
            '<div><label for="f-retry">Seconds until it is over (too many requests)'
            '</label><input id="f-retry" name="retry_after_s" inputmode="decimal"></div>'
            '<div><label for="f-status">Error code: 500, 502, 503 or 504</label>'
            '<input id="f-status" name="status" inputmode="numeric"></div>'
            "</div><p><button>Let it go wrong</button></p>"
        ).format(
            platforms=platforms,
            kinds=kinds,
            calls=calls,
            accounts=_options([("", "Everybody's"), *accounts.items()]),
        )
        return Markup(
            '<section aria-labelledby="faults"><h2 id="faults">What goes wrong</h2>'
            "{}<h3>Let something go wrong</h3>{}</section>"
        ).format(listed, self._form("faults", form, fields))

    def _clock(self, form: Form) -> Markup:
        fields = Markup(
            '<label for="c-hours">Hours ahead of the real time</label>'
            '<input id="c-hours" name="hours" inputmode="decimal" value="{:g}">'
            "<p><button>Set the clock</button></p>"
        ).format(self.world.shift_s / 3600)
        return Markup(
            '<section aria-labelledby="clock"><h2 id="clock">Clock</h2>'
            "<p>In the practice network it is <strong>{} UTC</strong>. Set it ahead to"
            " let accesses and limits run out.</p>{}</section>"
        ).format(
            self.world.now().strftime("%Y-%m-%d %H:%M:%S"),
            self._form("clock", form, fields),
        )

    def _platform(
        self,
        twin: Twin,
        form: Form,
        accounts: int,
        posts: int,
        *,
        switches: bool = False,
    ) -> Markup:
        people = html.table(
            ["Person", "Handle", "Notes", "Id"],
            [[p.name, p.handle, p.detail, p.id] for p in twin.people()[:accounts]],
            "Nobody.",
        )
        parts = [
            Markup('<section aria-labelledby="{0}"><h2 id="{0}">{1}</h2>').format(
                twin.slug, twin.name
            ),
            Markup(
                '<p><a href="/{0}/">See {1} as a reader</a> ·'
                ' <a href="/panel/{0}">Everything about {1}</a></p>'
            ).format(twin.slug, twin.name),
            Markup("<h3>People and pages</h3>"),
            people,
            Markup("<h3>Accesses given to apps</h3>"),
            self._tokens(twin, form, accounts),
            Markup("<h3>Posts that went out</h3>"),
            self._posts(twin, posts),
        ]
        if switches:
            parts += [
                self._comment(twin, form),
                self._switches(twin, form),
                self._new_account(twin, form),
            ]
        return html.join([*parts, Markup("</section>")])

    def _tokens(self, twin: Twin, form: Form, limit: int) -> Markup:
        accounts: dict[str, list[Doc]] = {}
        for token in reversed(twin.tokens()):
            accounts.setdefault(str(token["account"]), []).append(token)
        rows: list[list[object]] = []
        for account, tokens in list(accounts.items())[:limit]:
            newest = tokens[0]
            who = str(newest.get("person") or account)
            dead = sum(token["state"] != "live" for token in tokens[1:])
            state = Markup('<span class="{}">{}</span>{}').format(
                "good" if newest["state"] == "live" else "bad",
                newest["state"],
                f", {dead} older ended" if dead else "",
            )
            buttons = html.join(
                self._form(
                    "tokens",
                    form,
                    Markup(
                        '<button class="second" aria-label="{}: {}">{}</button>'
                    ).format(words, who, words),
                    platform=twin.slug,
                    account=account,
                    how=how,
                )
                for how, words in twin.endings
            )
            if twin.loses_scopes:
                field_id = f"scope-{twin.slug}-{len(rows)}"
                fields = Markup(
                    '<label for="{0}">Permission that {1} loses</label>'
                    '<input id="{0}" name="scope" autocomplete="off" required>'
                    '<p><button class="second">Take it away</button></p>'
                ).format(field_id, who)
                buttons += Markup(
                    "<details><summary>Lose one permission</summary>{}</details>"
                ).format(
                    self._form(
                        "tokens",
                        form,
                        fields,
                        platform=twin.slug,
                        account=account,
                        how="scope_lost",
                    )
                )
            rows.append(
                [
                    Markup('{}<br><span class="note">{}</span>').format(who, account),
                    state,
                    str(newest.get("issued_at") or "")[:19].replace("T", " "),
                    Markup('<div class="row">{}</div>').format(buttons),
                ]
            )
        return html.table(
            ["Account", "State", "Given (UTC)", "Let happen"],
            rows,
            "No app has access yet: connect an account in SocialHub.",
        )

    def _posts(self, twin: Twin, limit: int) -> Markup:
        posts = twin.posts()
        rows = [
            [
                str(post["created_at"])[:19].replace("T", " "),
                post["account"],
                Markup('<a href="{}">{}</a>').format(
                    post["url"], post["text"][:120] or "(no text)"
                ),
                post["media"] or "",
            ]
            for post in reversed(posts[-limit:])
        ]
        heads = ["Time (UTC)", "Account", "Post", "Files"]
        shown = html.table(heads, rows, "Nothing has gone out yet.")
        if len(posts) <= limit:
            return shown
        return shown + Markup('<p class="note">The newest {} of {}.</p>').format(
            limit, len(posts)
        )

    def _comment(self, twin: Twin, form: Form) -> Markup:
        posts = twin.posts()[-POSTS_SHOWN:] if twin.has_readers else []
        if not posts:
            return Markup("")
        choices = _options(
            (
                post["id"],
                f"{post['text'][:60] or '(no text)'}, {post['created_at'][:16]}",
            )
            for post in reversed(posts)
        )
        fields = Markup(
            '<div class="fields"><div class="wide"><label for="r-post">Post</label>'
            '<select id="r-post" name="post">{}</select></div>'
            '<div><label for="r-by">Name of the reader</label>'
            '<input id="r-by" name="by" required value="Riley Reader"></div>'
            '<div class="wide"><label for="r-text">What they write</label>'
            '<input id="r-text" name="text" required autocomplete="off"></div></div>'
            '<p><button class="second">Comment</button></p>'
        ).format(choices)
        return Markup("<h3>Comment as a reader</h3>{}").format(
            self._form("comments", form, fields, platform=twin.slug)
        )

    def _switches(self, twin: Twin, form: Form) -> Markup:
        forms = []
        for number, switch in enumerate(twin.switches()):
            id = f"switch-{number}"
            if switch["choices"]:
                chosen = str(switch["value"])
                field = Markup('<select id="{}" name="value">{}</select>').format(
                    id, _options(switch["choices"], chosen)
                )
            else:
                field = Markup('<input id="{}" name="value" value="{}">').format(
                    id, switch["value"]
                )
            content = Markup(
                '<label for="{}">{}</label>{}<p><button class="second">Set</button></p>'
            ).format(id, switch["label"], field)
            forms.append(
                self._form(
                    "switches", form, content, platform=twin.slug, name=switch["name"]
                )
            )
        if not forms:
            return Markup("")
        return Markup('<h3>How it behaves</h3><div class="fields">{}</div>').format(
            html.join(forms)
        )

    def _new_account(self, twin: Twin, form: Form) -> Markup:
        fields = Markup(
            '<div class="fields"><div><label for="a-handle">Handle</label>'
            '<input id="a-handle" name="handle" required autocomplete="off"></div>'
            '<div><label for="a-name">Name</label>'
            '<input id="a-name" name="name" required autocomplete="off"></div></div>'
            '<p><button class="second">Add</button></p>'
        )
        return Markup("<h3>Add a person</h3>{}").format(
            self._form("accounts", form, fields, platform=twin.slug)
        )

    def _requests(self, slug: str = "") -> Markup:
        rows = [
            [
                note["arrived_at"][11:23],
                note["platform"],
                note["call"],
                note["account"],
                "no answer" if note["status"] is None else note["status"],
                "yes" if note["applied"] else "no",
                note["fault"].replace("_", " "),
            ]
            for note in reversed(self.world.notes(slug, limit=REQUESTS_SHOWN))
        ]
        heads = [
            "Time (UTC)",
            "Network",
            "Request",
            "Account",
            "Answer",
            "Done",
            "Fault",
        ]
        return Markup(
            '<section aria-labelledby="requests"><h2 id="requests">Last requests</h2>'
            "{}</section>"
        ).format(html.table(heads, rows, "No request has come in yet."))

    def _anew(self, form: Form) -> Markup:
        fields = Markup(
            '<label class="tick"><input type="checkbox" name="sure" value="yes" required>'
            " Yes, forget all posts, accesses and faults of the practice network</label>"
            '<p><button class="second">Start anew</button></p>'
        )
        return Markup(
            '<section aria-labelledby="anew"><h2 id="anew">Start anew</h2>{}</section>'
        ).format(self._form("reset", form, fields))

    # ------------------------------------------------------------ what forms do

    def add_fault(self, request: Request) -> Response:
        own = ("form_token", "back")
        sent = {k: v for k, v in request.form.items() if k not in own and v != ""}
        kind = KINDS.get(sent.get("kind", ""))
        taken = {setting.name for setting in kind.settings} if kind else set()
        for name in {"seconds", "retry_after_s", "status"} - taken:
            sent.pop(name, None)  # the page has one form for all kinds
        self.faults.add(sent, self.twins)
        return _back(request, "fault")

    def remove_fault(self, request: Request) -> Response:
        self.faults.remove(request.form.get("id", ""))
        return _back(request, "fault-off")

    def end_tokens(self, request: Request) -> Response:
        how = request.form.get("how", "")
        if how == "scope_lost":
            how = f"scope_lost:{request.form.get('scope', '').strip()}"
        twin = self._twin(request.form.get("platform"))
        twin.end_tokens(request.form.get("account", ""), how)
        return _back(request, "tokens")

    def add_account(self, request: Request) -> Response:
        twin = self._twin(request.form.get("platform"))
        _add_account(twin, request.form.get("handle"), request.form.get("name"), {})
        return _back(request, "account")

    def add_comment(self, request: Request) -> Response:
        _add_comment(self._twin(request.form.get("platform")), request.form)
        return _back(request, "comment")

    def set_clock(self, request: Request) -> Response:
        self._shift(request.form.get("hours"), 3600)
        return _back(request, "clock")

    def set_switch(self, request: Request) -> Response:
        twin = self._twin(request.form.get("platform"))
        twin.set_switch(request.form.get("name", ""), request.form.get("value", ""))
        return _back(request, "switch")

    def start_anew(self, request: Request) -> Response:
        if request.form.get("sure") != "yes":
            raise Refused("Tick the box first: everything there will be forgotten.")
        self._reset()
        return _back(request, "reset")

    def _shift(self, value: object, unit_s: float) -> float:
        try:
            shift = float(str(value).strip() or 0) * unit_s
        except ValueError:
            raise Refused(f"{value!r} is not a number.") from None
        if not abs(shift) <= 10 * 365 * 86_400:
            raise Refused("The clock can be ten years off at most.")
        self.world.put("panel", "setting", "clock", {"shift_s": shift})
        return shift

    def _reset(self) -> None:
        self.world.clear()
        self.seed()

    # ------------------------------------------------------------ plumbing and JSON

    def css(self, request: Request) -> Response:
        return Response(CSS.read_bytes(), mimetype="text/css")

    def no_icon(self, request: Request) -> Response:
        return Response("", 204)

    def health(self, request: Request) -> Response:
        return json_response({"status": "ok"})

    def api_state(self, request: Request) -> Response:
        platforms = {
            slug: {
                "name": twin.name,
                "url": twin.url,
                "people": [
                    {"id": p.id, "name": p.name, "handle": p.handle, "detail": p.detail}
                    for p in twin.people()
                ],
                "tokens": twin.tokens(),
                "posts": len(twin.posts()),
                "switches": {s["name"]: s["value"] for s in twin.switches()},
                "endings": [how for how, _words in twin.endings],
            }
            for slug, twin in self.twins.items()
        }
        return json_response(
            {
                "url": self.base_url,
                "now": iso(self.world.now()),
                "shift_s": self.world.shift_s,
                "delayed": self.world.count("panel", "delayed"),
                "platforms": platforms,
                "faults": [_fault_doc(fault) for fault in self.faults.active()],
            }
        )

    def api_posts(self, request: Request) -> Response:
        slug = request.args.get("platform", "")
        twins = [self._twin(slug)] if slug else list(self.twins.values())
        posts = [{"platform": t.slug, **post} for t in twins for post in t.posts()]
        return json_response({"posts": posts})

    def api_own_comments(self, request: Request) -> Response:
        twin = self._twin(request.args.get("platform", ""))
        comments = [
            {"platform": twin.slug, **comment} for comment in twin.own_comments()
        ]
        return json_response({"comments": comments})

    def api_record(self, request: Request) -> Response:
        slug, since = request.args.get("platform", ""), request.args.get("since", "")
        if since:
            try:
                at = datetime.fromisoformat(since)
            except ValueError:
                raise Refused("since is an ISO time.") from None
            if at.tzinfo is None:
                raise Refused("since needs a zone: end it with Z.")
            since = iso(at)
        if slug:
            self._twin(slug)
        return json_response({"record": self.world.notes(slug, since)})

    def api_apps(self, request: Request) -> Response:
        apps = {}
        for slug, twin in self.twins.items():
            client_id, client_secret = twin.app_credentials()
            apps[slug] = {
                "client_id": client_id,
                "client_secret": client_secret,
                **twin.app_more(),
            }
        return json_response(apps)

    def api_faults(self, request: Request) -> Response:
        active = [_fault_doc(fault) for fault in self.faults.active()]
        return json_response({"faults": active})

    def api_add_fault(self, request: Request) -> Response:
        return json_response(
            {"id": self.faults.add(_body(request), self.twins).id}, 201
        )

    def api_remove_fault(self, request: Request, id: str) -> Response:
        if not self.faults.remove(id):
            raise Refused("There is no such fault.", 404)
        return json_response({"removed": 1})

    def api_remove_faults(self, request: Request) -> Response:
        return json_response({"removed": self.faults.remove_all()})

    def api_tokens(self, request: Request) -> Response:
        body = _body(request)
        twin = self._twin(body.get("platform"))
        touched = twin.end_tokens(
            str(body.get("account", "")), str(body.get("how", ""))
        )
        return json_response({"touched": touched})

    def api_accounts(self, request: Request) -> Response:
        body = _body(request)
        twin = self._twin(body.get("platform"))
        options = body.get("options") or {}
        if not isinstance(options, dict):
            raise Refused("options is an object.")
        made = _add_account(twin, body.get("handle"), body.get("name"), options)
        return json_response(made, 201)

    def api_comments(self, request: Request) -> Response:
        body = _body(request)
        twin = self._twin(body.get("platform"))
        return json_response({"id": _add_comment(twin, body)}, 201)

    def api_clock(self, request: Request) -> Response:
        shift = self._shift(_body(request).get("shift_s"), 1)
        return json_response({"shift_s": shift, "now": iso(self.world.now())})

    def api_switches(self, request: Request) -> Response:
        body = _body(request)
        twin = self._twin(body.get("platform"))
        twin.set_switch(str(body.get("name", "")), str(body.get("value", "")))
        return json_response({s["name"]: s["value"] for s in twin.switches()})

    def api_reset(self, request: Request) -> Response:
        self._reset()
        return json_response({"reset": True})


def _form_token(request: Request) -> str:
    return request.cookies.get(COOKIE) or secrets.token_urlsafe(24)


def _back(request: Request, done: str) -> Response:
    """To the page that the form stood on."""
    slug = request.form.get("back", "")
    place = f"/panel/{slug}" if slug.isalnum() else "/"
    response = redirect(f"{place}?done={done}", 303)
    assert isinstance(response, Response)
    return response


def _body(request: Request) -> dict[str, Any]:
    value = request.get_json(force=True, silent=True)
    if not isinstance(value, dict):
        raise Refused("Send a JSON object.")
    return value


def _add_account(twin: Twin, handle: object, name: object, options: Doc) -> Doc:
    if not isinstance(handle, str) or not handle.strip():
        raise Refused("An account needs a handle.")
    if not isinstance(name, str) or not name.strip():
        raise Refused("An account needs a name.")
    try:
        return twin.add_account(handle.strip(), name.strip(), **options)
    except TypeError as exc:
        raise Refused(f"These options do not fit: {exc}.") from exc


def _add_comment(twin: Twin, sent: Mapping[str, Any]) -> str:
    names = ("post", "by", "text", "under")
    post, by, text, under = (str(sent.get(name) or "").strip() for name in names)
    if not by or not text:
        raise Refused("A comment needs the name of its reader and a text.")
    return twin.comment_as_reader(post, by, text, under)


def _fault_doc(fault: Fault) -> Doc:
    return {
        "id": fault.id,
        "kind": fault.kind,
        "platform": fault.platform,
        "account": fault.account,
        "call": fault.call,
        "left": fault.left,
        "params": dict(fault.params),
    }


def _scope(fault: Fault) -> str:
    where = {"any": "every request", "commit": "publishing"}.get(fault.call, fault.call)
    numbers = ", ".join(
        f"{value:g} {'' if name == 'status' else 's'}".strip()
        for name, value in fault.params.items()
    )
    parts = [where, f"account {fault.account}" if fault.account else "", numbers]
    return ", ".join(part for part in parts if part)


def _options(pairs: Any, chosen: str = "") -> Markup:
    return html.join(
        Markup('<option value="{}"{}>{}</option>').format(
            value, Markup(" selected") if str(value) == chosen else "", words
        )
        for value, words in pairs
    )
