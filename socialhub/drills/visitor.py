"""A visitor without a browser: follows links and fills in forms as pages show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import requests


@dataclass
class Form:
    action: str
    method: str
    #: name -> values as the page has them
    fields: dict[str, list[str]] = field(default_factory=dict)
    #: (name, value) of its buttons, in order
    buttons: list[tuple[str, str]] = field(default_factory=list)
    #: (name, value) of radio buttons and boxes, ticked or not
    choices: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select: str = ""
        self._area: str = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {k: v or "" for k, v in attrs}
        if tag == "form":
            self._form = Form(at.get("action", ""), at.get("method", "get").lower())
            self.forms.append(self._form)
            return
        form, name = self._form, at.get("name", "")
        if form is None:
            return
        if tag == "input" and name:
            kind = at.get("type", "text")
            if kind in {"radio", "checkbox"}:
                value = at.get("value", "on")
                form.choices.append((name, value))
                if "checked" in at:
                    form.fields.setdefault(name, []).append(value)
            elif kind == "submit":
                form.buttons.append((name, at.get("value", "")))
            elif kind != "file":
                form.fields.setdefault(name, []).append(at.get("value", ""))
        elif tag == "button":
            form.buttons.append((name, at.get("value", "")))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.choices.append((self._select, at.get("value", "")))
            if "selected" in at or self._select not in form.fields:
                form.fields[self._select] = [at.get("value", "")]
        elif tag == "textarea" and name:
            self._area = name
            form.fields[name] = [""]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._form is not None:
            self._form.text += data
            if self._area:
                self._form.fields[self._area][0] += data


class Lost(Exception):
    """The page is not what the story expects; the message shows where."""


class Visitor:
    """One person with a cookie jar. `page` is the last answer, redirects followed."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.session = requests.Session()
        self.session.trust_env = False
        self.page: requests.Response

    def go(self, url: str) -> requests.Response:
        self.page = self.session.get(urljoin(self.site, url), timeout=60)
        return self._checked()

    def _checked(self) -> requests.Response:
        if self.page.status_code >= 500:
            raise Lost(f"{self.page.status_code} at {self.page.url}")
        return self.page

    def forms(self) -> list[Form]:
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.forms

    def form(self, *names: str, action: str = "") -> Form:
        """The first form of the page that has all these fields, choices or buttons."""
        for form in self.forms():
            known = {*form.fields, *(n for n, _ in form.choices)}
            known |= {n for n, _ in form.buttons}
            if all(n in known for n in names) and action in form.action:
                return form
        raise Lost(
            f"no form with {names or action!r} at {self.page.url} "
            f"({self.page.status_code}): {visible(self.page.text)[:1500]}"
        )

    def submit(self, form: Form, /, **values: Any) -> requests.Response:
        """Send a form as the page has it, with these values instead; None leaves out."""
        fields = dict(form.fields)
        for name, value in values.items():
            if value is None:
                fields.pop(name, None)
            else:
                fields[name] = (
                    [str(v) for v in value]
                    if isinstance(value, (list, tuple))
                    else [str(value)]
                )
        pairs = [(name, v) for name, values in fields.items() for v in values]
        url = urljoin(self.page.url, form.action or self.page.url)
        headers = {"Referer": self.page.url}
        if form.method == "post":
            self.page = self.session.post(url, data=pairs, headers=headers, timeout=60)
        else:
            self.page = self.session.get(url, params=pairs, timeout=60)
        return self._checked()


def consent(visitor: Visitor, practice_url: str, person: str = "") -> None:
    """Allow at the platform as this person (the first, unless their id is given), then
    take every profile that is offered."""
    while visitor.page.url.startswith(practice_url):
        form = visitor.form("decision")
        values = {"decision": "allow"}
        people = [value for name, value in form.choices if name == "person"]
        if people:
            values["person"] = person or people[0]
        visitor.submit(form, **values)
    if "/accounts/choose/" in visitor.page.url:
        form = visitor.form(action="")
        for candidate in visitor.forms():
            if any(name.startswith("pick-") for name, _ in candidate.choices):
                form = candidate
        picks = {n: v for n, v in form.choices if n.startswith("pick-")}
        visitor.submit(form, **picks)


def visible(html: str) -> str:
    """The words of a page, for messages."""

    class Words(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.words: list[str] = []
            self.skip = 0

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.skip += tag in {"script", "style", "svg"}

        def handle_endtag(self, tag: str) -> None:
            self.skip -= tag in {"script", "style", "svg"}

        def handle_data(self, data: str) -> None:
            if not self.skip and data.strip():
                self.words.append(" ".join(data.split()))

    words = Words()
    words.feed(html)
    return " ".join(words.words)
