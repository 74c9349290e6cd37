"""Values are found as Django finds them, whatever their kind."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.template import Context, Engine, RequestContext, Template
from django.utils import timezone, translation
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe

from socialhub.quick_templates import QuickTemplate

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Row:
    name = "Acme <DE>"
    empty = None

    def __init__(self) -> None:
        self.asked = 0

    def told(self) -> str:
        self.asked += 1
        return f"told {self.asked}"

    def needs(self, one: int) -> int:
        return one

    def wipe(self) -> str:
        raise AssertionError("a template called what alters data")

    wipe.alters_data = True

    @property
    def gone(self) -> None:
        raise ObjectDoesNotExist

    @property
    def broken(self) -> None:
        raise RuntimeError("broken")

    @property
    def misses(self) -> None:
        raise AttributeError("inside")

    class Kind:
        do_not_call_in_templates = True
        label = "kind"


class Keyed:
    """As a form: fields by key, all else by attribute."""

    size = 3

    def __getitem__(self, key: str) -> str:
        if key in ("title", "1"):
            return f"field {key}"
        raise KeyError(key)


class Numbered(list):
    total = 7


VALUES = {
    "row": Row,
    "keyed": Keyed,
    "numbered": lambda: Numbered(["a", "b"]),
    "pairs": lambda: {"a": 1, "items": "its own", 2: "two", "word": "Time"},
    "plain": lambda: {"b": 2},
    "list": lambda: ["x", "y"],
    "text": lambda: "a < b & 'c'",
    "safe": lambda: mark_safe("<b>"),
    "lazy": lambda: lazystr("later <"),
    "term": lambda: "Time",
    "none": lambda: None,
    "number": lambda: 1234567.5,
    "noon": lambda: NOON,
    "call": lambda: lambda: SimpleNamespace(inner="inner"),
    "word": lambda: lambda: "called",
}
SOURCES = [
    "{{ text }}|{{ safe }}|{{ lazy }}|{{ none }}|{{ number }}|{{ noon }}",
    "{{ row.name }}|{{ row.empty }}|{{ row.told }}|{{ row.told }}|{{ row.asked }}",
    "{{ row.needs }}|{{ row.wipe }}|{{ row.gone }}|{{ row.nothing }}",
    "{{ row.Kind.label }}|{{ call.inner }}|{{ word }}|{{ word.upper }}",
    "{{ keyed.title }}|{{ keyed.size }}|{{ keyed.nothing }}|{{ keyed.1 }}",
    "{{ numbered.0 }}|{{ numbered.total }}|{{ numbered.9 }}|{{ list.1 }}|{{ list.x }}",
    "{{ pairs.a }}|{{ pairs.items }}|{{ pairs.2 }}|{{ pairs.keys }}|{{ pairs.no }}",
    "{% for k, v in plain.items %}{{ k }}={{ v }} {{ forloop.last }}{% endfor %}",
    "{{ text.0 }}|{{ text.upper }}|{{ text.upper.lower }}|{{ text.no }}",
    "{{ nothing }}|{{ nothing.at.all }}|{{ pop }}|{{ dicts }}|{{ 1 }}|{{ 'a<' }}",
    "{% if nothing %}1{% elif not nothing.at %}2{% endif %}{% if nothing is None %}3{% endif %}",
    "{{ nothing|default:'<d>' }}|{{ nothing|default:text }}|{{ none|default_if_none:safe }}",
    "{{ text|upper }}|{{ safe|upper }}|{{ safe|lower|safe }}|{{ text|safe|upper }}",
    "{{ text|truncatechars:4 }}|{{ text|linebreaksbr }}|{{ safe|linebreaksbr }}",
    "{{ noon|date:'H:i' }}|{{ noon|time:'H' }}|{{ list|join:text }}|{{ list|length }}",
    "{% autoescape off %}{{ text }}|{{ lazy }}|{{ text|linebreaksbr }}{% endautoescape %}",
    "{{ _('Time') }}|{{ _('Time')|upper }}|{{ True }}|{{ None }}",
    "{% load i18n %}{% translate term %}|{% translate term|upper %}|{% translate 'Time' %}",
    "{% load i18n %}{% translate pairs.word as said %}{{ said }}|{{ term }}",
    "{% load i18n %}{% blocktranslate %}{{ term }} {{ row.name }}{% endblocktranslate %}",
    "{% with a=row.name b=nothing %}{{ a }}{{ b }}{% endwith %}",
    "{% filter upper %}{{ text }}{% endfilter %}",
]


def engine(**options: object) -> Engine:
    return Engine(libraries={"i18n": "django.templatetags.i18n"}, **options)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("invalid", ["", "?", "no %s"])
def test_says_what_django_says(source, invalid, rf):
    one = engine(string_if_invalid=invalid)
    said = []
    for kind in (Template, QuickTemplate):
        template = kind(source, engine=one)
        for language, zone in (("en", "UTC"), ("de", "Europe/Berlin")):
            for context in (Context(fresh()), RequestContext(rf.get("/"), fresh())):
                with translation.override(language), timezone.override(zone):
                    said.append(template.render(context))
    assert said[: len(said) // 2] == said[len(said) // 2 :]


@pytest.mark.parametrize("source", ["{{ row.broken }}", "{{ row.misses }}"])
def test_a_fault_inside_a_value_is_not_hidden(source):
    for kind in (Template, QuickTemplate):
        with pytest.raises((RuntimeError, AttributeError), match=r"broken|inside"):
            kind(source, engine=engine()).render(Context(fresh()))


def test_a_method_is_called_once():
    row = Row()
    QuickTemplate("{{ row.told.upper }}", engine=engine()).render(Context({"row": row}))
    assert row.asked == 1


def test_a_mistake_of_a_template_is_told_with_its_place_in_debug():
    with pytest.raises(Exception, match="Could not parse") as caught:
        QuickTemplate("a\n{{ b c }}", engine=engine(debug=True))
    assert caught.value.template_debug["line"] == 2


def fresh() -> dict[str, object]:
    return {name: make() for name, make in VALUES.items()}
