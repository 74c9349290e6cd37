"""State chips, platform icons and times, the same on every page."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any

from django import forms, template
from django.conf import settings
from django.forms import BoundField
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix, get_urlconf
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.causes import broken_words, explain, length_words, unit_words
from accounts.charts import Chart
from accounts.health_rows import Row, Shown
from accounts.markup import fill, fill_each, joined
from accounts.models import ConnectedAccount
from accounts.names import name_of
from accounts.permissions import Group, Line
from accounts.reading import told
from accounts.selects import options
from platforms import registry
from publishing import looks
from publishing.models import Delivery, Post

register = template.Library()
register.filter("unit_words", unit_words)
register.filter("length_words", length_words)

Status = Delivery.Status
#: One drawing of each platform, among the static files.
MARKS = "vendor/simple-icons/marks.svg"
#: health -> tone, icon, word
HEALTH_LOOKS: dict[str, tuple[str, str, Any]] = {
    "healthy": ("ok", "check_circle", gettext_lazy("Able to post")),
    "disconnected": ("muted", "power_off", gettext_lazy("Disconnected")),
}


# Lists show hundreds of chips: each rendered from a template of its own would take
# longer than all else on the page.
@register.simple_tag
def chip(tone: str, icon: str, word: str, note: str = "") -> SafeString:
    """An icon and a word. tone: ok, warn, bad, info or muted; note: more for those who
    point at it."""
    return _chip(tone, icon, str(word), note)


# Typed: a word that may hold markup equals one that may not.
@lru_cache(maxsize=1000, typed=True)
def _chip(tone: str, icon: str, word: str, note: str) -> SafeString:
    return fill(
        '<span class="sh-chip sh-chip--{}"{}><span class="material-symbols-outlined '
        'sh-icon" aria-hidden="true">{}</span>{}</span>',
        tone,
        fill(' title="{}"', note) if note else "",
        icon,
        word,
    )


@register.simple_tag
def state_chip(row: Delivery | Post) -> SafeString:
    """A delivery's or post's state as icon and word."""
    if isinstance(row, Post):
        return chip(*looks.of_post(row))
    return delivery_chip(row)


def delivery_chip(row: Delivery, language: str | None = None) -> SafeString:
    """language: the active one, where somebody knows it already."""
    held = row.status == Status.HELD and row.hold not in ("", row.Hold.APPROVAL)
    note = str(row.Hold(row.hold).label) if held else ""
    return chip(*looks.of_delivery(row, language), note)


@register.simple_tag
def post_chip(post: Post, deliveries: Sequence[Delivery]) -> SafeString:
    """A post's state as its deliveries make it: Published, Partly published 2/3 ..."""
    if post.state != Post.State.SCHEDULED:
        return chip(*looks.of_post(post))
    found, worst = looks.together(post, [row.status for row in deliveries])
    return chip(*(looks.ended(deliveries, worst) or found))


@register.simple_tag
def health_chip(account: ConnectedAccount) -> SafeString:
    """An account's health. Needs its credential; costs no query when it is selected."""
    if account.health == "broken":
        note = str(explain(account.cause).head)
        return chip("bad", "link_off", broken_words(account.cause), note)
    return chip(*HEALTH_LOOKS[account.health])


@register.filter
def person_name(person: Any) -> str:
    """By name, else by user name; "" for nobody."""
    return name_of(person) if person else ""


@register.simple_tag
def practice_chip(row: Any) -> SafeString:
    """A label on what lives in the practice network; nothing on the rest."""
    if not row.is_practice:
        return mark_safe("")
    return fill(
        '<span class="sh-chip sh-chip--muted"><span class="material-symbols-outlined '
        'sh-icon" aria-hidden="true">science</span>{}</span>',
        _("Practice"),
    )


@cache
def _marked() -> frozenset[str]:
    """The platforms that have a mark in `MARKS`."""
    drawings = (settings.BASE_DIR / "static" / MARKS).read_text()
    return frozenset(re.findall(r'<symbol id="(\w+)"', drawings))


def _drawing(slug: str) -> SafeString | None:
    """The platform's mark, which the browser takes out of one file, or None."""
    if slug not in _marked():
        return None
    return fill(
        '<svg aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static(MARKS),
        slug,
    )


@cache
def platform_title(slug: str) -> str:
    """The platform's name; of one that was removed, its slug."""
    return registry.spec(slug).name if slug in registry.PLATFORMS else slug


@register.simple_tag
@cache
def platform_icon(slug: str, beside_name: bool = False) -> SafeString:
    """The platform's mark with its name for screen readers.

    beside_name: the name stands next to it as text, so that nobody hears it twice.
    """
    name = platform_title(slug)
    drawing = _drawing(slug)
    if beside_name:
        return fill(
            '<span class="sh-badge{}" aria-hidden="true">{}</span>',
            "" if drawing else " sh-badge--letter",
            drawing or name[:1].upper(),
        )
    if drawing is None:
        return fill(
            '<span class="sh-badge sh-badge--letter" role="img" aria-label="{}">'
            "{}</span>",
            name,
            name[:1].upper(),
        )
    return fill(
        '<span class="sh-badge" role="img" aria-label="{}" title="{}">{}</span>',
        name,
        name,
        drawing,
    )


@register.simple_tag
def sidebar_links(items: Iterable[Mapping[str, Any]]) -> SafeString:
    """The links of one group of `Shell.navigation`, on every page."""
    return fill_each(
        '<li><a href="{}"{}><span class="material-symbols-outlined sh-icon" '
        'aria-hidden="true">{}</span><span>{}</span>{}</a></li>',
        (
            (
                item["link"],
                mark_safe(' aria-current="page"') if item["active"] else "",
                item["icon"],
                item["title"],
                fill(
                    '<span class="sh-count">{}<span class="sh-hidden"> {}</span></span>',
                    item["badge"],
                    item["badge_words"],
                )
                if "badge" in item
                else "",
            )
            for item in items
        ),
    )


@register.simple_tag
def platform_name(slug: str) -> str:
    return platform_title(slug)


def zone_name() -> str:
    """The reader's zone, as the middleware set it."""
    return timezone.get_current_timezone_name()


_FORMATS = {
    "full": gettext_lazy("D j M Y, H:i"),
    "short": gettext_lazy("j M, H:i"),
    "time": "H:i",
    "date": gettext_lazy("j M Y"),
    "exact": gettext_lazy("D j M Y, H:i:s"),
}


@register.simple_tag
def when(value: datetime | date | None, style: str = "full") -> SafeString:
    """A time in the reader's zone, with the zone's name; "–" for none.

    style: full "Tue 24 Nov 2026, 09:00", short "24 Nov, 09:00", time "09:00",
    date "24 Nov 2026", exact with seconds.
    """
    if value is None or value == "":
        return mark_safe('<span class="sh-muted">–</span>')
    return _when(value, style, zone_name(), get_language())


# A list shows most of its times each time that it is shown.
@lru_cache(maxsize=10_000)
def _when(
    value: datetime | date, style: str, zone: str, _language: str | None
) -> SafeString:
    if not isinstance(value, datetime):
        return fill(
            '<time class="sh-time" datetime="{}">{}</time>',
            value.isoformat(),
            told(value, _("D j M Y")),
        )
    return fill(
        '<time class="sh-time" datetime="{}">{} <span class="sh-zone">{}</span></time>',
        value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        told(value, str(_FORMATS[style])),
        zone,
    )


@register.simple_tag
def table_lines(lines: Iterable[Sequence[tuple[str, Any]]]) -> SafeString:
    """The rows of a table of figures: of each cell its column's head and itself."""
    language = get_language()
    said = (
        # With types: words that may hold markup equal those that may not.
        _table_line(tuple(line), tuple(type(cell) for _head, cell in line), language)
        for line in lines
    )
    return joined(said)


# Most lines of a table of past days are those of yesterday.
@lru_cache(maxsize=2000)
def _table_line(
    line: tuple[tuple[str, Any], ...], _types: tuple[type, ...], _language: str | None
) -> SafeString:
    first, *others = line
    cells = fill_each(
        '<td data-label="{}">{}</td>',
        ((head, localize(cell)) for head, cell in others),
    )
    return fill('<tr><th scope="row" data-label="{}">{}</th>{}</tr>', *first, cells)


@register.simple_tag
def account_rows(rows: Iterable[Row], may_connect: bool) -> SafeString:
    """Lines of the accounts page. Most accounts are as they were when last shown."""
    place = zone_name(), get_language(), (get_urlconf(), get_script_prefix())
    return joined(_account_row(row.shown, may_connect, *place) for row in rows)


@lru_cache(maxsize=1000)
def _account_row(
    row: Shown, may_connect: bool, _zone: str, _language: str | None, _site: Any
) -> SafeString:
    context = {"row": row, "may_connect": may_connect}
    return render_to_string("accounts/_row.html", context)


@register.simple_tag
def limit_rows(entries: Iterable[Any]) -> SafeString:
    """Windows on the page of limits (`publishing.limit_views.Entry`). Most are as they
    were when last shown."""
    zone, language = zone_name(), get_language()
    return joined(_limit_row(entry.shown, zone, language) for entry in entries)


@lru_cache(maxsize=1000)
def _limit_row(entry: Any, _zone: str, _language: str | None) -> SafeString:
    return render_to_string("publishing/_limit_row.html", {"entry": entry})


@register.simple_tag
def unsized_line(entry: Any) -> SafeString:
    """One of our apps' windows without a size (`publishing.limit_views.Unsized`)."""
    return _unsized_line(entry, get_language())


@lru_cache(maxsize=1000)
def _unsized_line(entry: Any, _language: str | None) -> SafeString:
    return render_to_string("publishing/_unsized_line.html", {"entry": entry})


@register.simple_tag
def permission_row(group: Group, line: Line) -> SafeString:
    """A permission of an app (`accounts.permissions`). What it is for stands in the
    program, and who lacks it changes seldom."""
    site = get_language(), zone_name(), get_urlconf(), get_script_prefix()
    return _permission_row(_Permission(group.key, line.told_by, site, group, line))


@dataclass(frozen=True)
class _Permission:
    """Equal to all that look like it."""

    app: str
    told_by: Hashable
    site: tuple[Any, ...]
    group: Group = field(compare=False)
    line: Line = field(compare=False)


@lru_cache(maxsize=1000)
def _permission_row(row: _Permission) -> SafeString:
    context = {"group": row.group, "line": row.line}
    return render_to_string("accounts/_permission_row.html", context)


@register.simple_tag
def chart_card(chart: Chart, name: str, title: str) -> SafeString:
    """name: an id of the page's. Days that are over stay as they are."""
    return _chart_card(chart, name, str(title), get_language())


@lru_cache(maxsize=100)
def _chart_card(
    chart: Chart, name: str, title: str, _language: str | None
) -> SafeString:
    context = {"chart": chart, "name": name, "title": title}
    return render_to_string("accounts/_chart.html", context)


# ---------------------------------------------------------------- forms


@register.simple_tag(name="options")
def options_of(rows: Iterable[tuple[Any, Any]], chosen: Any = "") -> SafeString:
    """The options of a select: (value, words) for each."""
    return options(rows, {str(chosen)})


@register.filter
def control_kind(field: BoundField) -> str:
    """checkbox, group (several controls under one legend) or single."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput):
        return "checkbox"
    if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
        return "group"
    return "single"


@register.simple_tag
def ticks(field: BoundField) -> SafeString:
    """The controls of a group, such as one for each account; Django would render a
    template for each, and work out the same attributes hundreds of times."""
    widget: Any = field.field.widget
    key = widget.attrs.get("id") or field.auto_id
    attrs = widget.build_attrs(
        widget.attrs, field.build_widget_attrs({"id": key} if key else {})
    )
    attrs.pop("id", None)
    rest = flatatt(attrs)
    chosen = widget.format_value(field.value())
    return fill_each(
        '<label class="sh-check" for="{}"><input type="{}" name="{}" value="{}" id="{}"'
        "{}{}><span>{}</span></label>",
        (
            (
                number := widget.id_for_label(key, place),
                widget.input_type,
                field.html_name,
                str(value),
                number,
                rest,
                _CHECKED if str(value) in chosen else "",
                label,
            )
            for place, (value, label) in enumerate(widget.choices)
        ),
    )


_CHECKED = SafeString(" checked")


@register.filter
def described(field: BoundField) -> SafeString:
    """The control, tied to its help and error for screen readers."""
    attrs: dict[str, str | bool] = {}
    if field.help_text or field.errors:
        attrs["aria-describedby"] = f"{field.auto_id}_note"
    if field.errors:
        attrs["aria-invalid"] = "true"
    return field.as_widget(attrs=attrs)
