"""German is complete, kept up to date, and reaches pages and mails."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.urls import get_resolver, reverse

from accounts.models import Profile
from socialhub import messages

LANGUAGES = messages.languages()
OUR_APPS = ("accounts", "monitoring", "publishing", "socialhub")


def catalog_of(language: str) -> Catalog:
    with messages.catalog(language).open("rb") as file:
        return read_po(file, abort_invalid=True)


def sentences(language: str) -> list[Message]:
    return [message for message in catalog_of(language) if message.id]


def forms(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_there_is_a_further_language():
    assert LANGUAGES == ["de"]


@pytest.mark.gettext
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_is_what_the_code_says(language):
    cure = "Run `manage.py write_messages` and translate what is new."
    assert language not in messages.stale(), cure


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language):
    left = [
        message.id
        for message in sentences(language)
        if message.fuzzy or not all(forms(message.string))
    ]
    assert left == []


#: What marks a sentence, as the code calls it.
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext"}


MARK = "|".join(sorted(MARKS))
#: What may hide one: only these files are worth being parsed.
MAY_HIDE = re.compile(rf"(?i:\bf|\brf|\bfr)(?:'''|\"\"\"|['\"].*\{{.*?\b(?:{MARK})\()")


def marked_in_f_strings(path: Path) -> list[int]:
    """The lines in which a sentence is marked where nobody gathers it."""
    source = path.read_text()
    if not MAY_HIDE.search(source):
        return []
    return [
        call.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.JoinedStr)
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") in MARKS
        and isinstance(call.args[0], ast.Constant)
    ]


def test_no_sentence_hides_in_an_f_string(tmp_path):
    hidden = tmp_path / "hidden.py"
    hidden.write_text("words = f'{_(\"Out\")} {_(name)}'")
    assert marked_in_f_strings(hidden) == [1]
    apps = [settings.BASE_DIR / app for app in (*OUR_APPS, "platforms")]
    files = [path for app in apps for path in app.rglob("*.py")]
    assert len(files) > 300
    found = {str(path): lines for path in files if (lines := marked_in_f_strings(path))}
    assert found == {}


PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")
TAG = re.compile(r"</?\w+")


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_placeholders_tags_and_the_space_around(language):
    wrong = []
    for message in sentences(language):
        sources = forms(message.id)
        for number, told in enumerate(forms(message.string)):
            source = sources[min(number, len(sources) - 1)]
            # "One post" need not say its number, nor does its translation.
            same = set(PLACEHOLDER.findall(told)) == set(PLACEHOLDER.findall(source))
            if len(sources) > 1:
                every = set(PLACEHOLDER.findall("".join(sources)))
                same = set(PLACEHOLDER.findall(told)) <= every and (
                    number == 0
                    or every - {"%(n)s", "%(n)d", "%(count)s"}
                    <= set(PLACEHOLDER.findall(told))
                )
            tags = sorted(TAG.findall(told)) == sorted(TAG.findall(source))
            edges = [
                len(source) - len(source.lstrip()),
                len(source) - len(source.rstrip()),
            ] == [len(told) - len(told.lstrip()), len(told) - len(told.rstrip())]
            if not (same and tags and edges):
                wrong.append((source, told))
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language):
    path = messages.catalog(language)
    with Path(path.with_suffix(".mo")).open("rb") as file:
        compiled = read_mo(file)
    for message in sentences(language):
        found = compiled.get(forms(message.id)[0], message.context)
        assert found is not None, message.id
        assert forms(found.string) == forms(message.string)


def test_a_person_chooses_a_language(client, admin_user):
    client.force_login(admin_user)
    assert 'lang="en"' in client.get("/").text
    answer = client.post(reverse("profile"), {"time_zone": "", "language": "de"})
    assert answer.status_code == 302
    page = client.get(reverse("profile"))
    assert 'lang="de"' in page.text
    assert "Ihre Einstellungen" in page.text
    assert page["Content-Language"] == "de"
    client.post(reverse("profile"), {"time_zone": "", "language": ""})
    assert 'lang="en"' in client.get("/").text


def test_without_a_choice_the_browser_decides(client, admin_user):
    client.force_login(admin_user)
    page = client.get("/", headers={"accept-language": "de-AT,de;q=0.9,en;q=0.5"})
    assert 'lang="de"' in page.text
    page = client.get("/", headers={"accept-language": "fr"})
    assert 'lang="en"' in page.text


def test_a_form_is_left_and_a_post_is_called_off(client, admin_user):
    client.force_login(admin_user)
    page = client.get(reverse("brand_add"), headers={"accept-language": "de"})
    assert "Abbrechen" in page.text
    assert "Absagen" not in page.text


def test_an_unknown_language_is_refused(client, admin_user):
    client.force_login(admin_user)
    page = client.post(reverse("profile"), {"time_zone": "", "language": "xx"})
    assert page.status_code == 200
    assert not Profile.objects.filter(user=admin_user, language="xx").exists()


class Words(HTMLParser):
    """What a page says: texts and the attributes that are read out or shown."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.silent = 0
        self.icons: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # An icon is drawn from its English name, which nobody reads; code is code.
        icon = tag == "code" or "material-symbols" in (dict(attrs).get("class") or "")
        self.silent += tag in {"script", "style"} or icon
        self.icons += [tag] if icon else []
        shown = {"aria-label", "title", "placeholder", "alt"}
        self.said |= {value.strip() for name, value in attrs if name in shown and value}

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in {"script", "style"}
        if self.icons and self.icons[-1] == tag:
            self.icons.pop()
            self.silent -= 1

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.said.add(" ".join(data.split()))


NUMBER_WITH_COMMA = re.compile(
    r'\b(?:x|y|width|height|min|max|step|value|points|data-[\w-]+)="-?\d+,\d+"'
)


def plain_pages() -> list[str]:
    """Names of the addresses that have no row's number in them."""
    names = get_resolver().reverse_dict
    return sorted(
        name
        for name in names
        if isinstance(name, str)
        and any(not wanted for ways, *_ in names.getlist(name) for _, wanted in ways)
    )


def test_no_page_speaks_english_to_a_german(client, author, make_account):
    """Sentences alone: where one stands in both languages, its German one is shown."""
    make_account("x")
    Profile.objects.create(user=author, language="de")
    client.force_login(author)
    german = {
        message.id: message.string
        for message in sentences("de")
        if isinstance(message.id, str) and message.id != message.string
    }
    english, seen = {}, 0
    for name in plain_pages():
        answer = client.get(reverse(name))
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            continue
        seen += 1
        # A number for a program has a point in it whatever the language.
        assert not NUMBER_WITH_COMMA.findall(answer.text), name
        words = Words()
        words.feed(answer.text)
        if found := {word for word in words.said if word in german} - set(
            german.values()
        ):
            english[name] = found
    assert english == {}
    assert seen > 20
    # The same look at a page in English finds much: it is no idle one.
    Profile.objects.update(language="en")
    words = Words()
    words.feed(client.get(reverse("profile")).text)
    assert len([word for word in words.said if word in german]) > 20
