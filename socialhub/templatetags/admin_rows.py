"""What pages of the admin show of rows: drawn column by column, and read once.

unfold asks anew in each cell what kind of field it shows, and draws each row by a
template with two dozen switches; that was half of what a list costs. Here the columns
are looked at once a list, and their cells are joined. The markup is unfold's, so its
skin and scripts fit. What no list of ours uses is left out: rows that are edited or
sorted in the list, sections below them, actions of one row.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django import template
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import (
    help_text_for_field,
    label_for_field,
    lookup_field,
    quote,
)
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db import models
from django.template import Context
from django.template.defaultfilters import linebreaksbr
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.formats import get_format
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext
from unfold.templatetags import unfold_list
from unfold.utils import display_for_field, display_for_label, display_for_value
from unfold.widgets import LABEL_CLASSES

from accounts.markup import NOTHING, fill, fill_each, safe
from accounts.reading import telling, told
from socialhub.pretty import pretty_json

if TYPE_CHECKING:
    from accounts.admin_pages import Table

register = template.Library()

#: Stands in an address for a row's key.
A_KEY = "0123456789"
CELL = " ".join(unfold_list.ROW_CLASSES)
CHECKBOX = " ".join(unfold_list.CHECKBOX_CLASSES)
LINK = " ".join(unfold_list.LINK_CLASSES)
ROW = (
    '<tbody class="block relative lg:table-row-group {}">'
    '<tr class="data-row block border border-base-200 mb-3 relative rounded-default'
    " lg:table-row lg:border-none lg:mb-0 lg:rounded-none dark:border-base-800"
    '">'
)
STRIPES = (ROW.format(""), ROW.format("bg-base-50 dark:bg-white/[.02]"))
END = "</tr></tbody>"

Show = Callable[[Any], str]


@register.simple_tag(takes_context=True)
def admin_rows(context: Context, cl: ChangeList) -> SafeString:
    """All of unfold's `unfold_result_list`: heads and rows, or what says that there are
    none."""
    if not cl.result_list:
        request = context["request"]
        said = {
            "cl": cl,
            "has_add_permission": cl.model_admin.has_add_permission(request),
            **{name: context.get(name) for name in ("is_popup", "to_field")},
        }
        return render_to_string("unfold/helpers/empty_results.html", said)
    columns = _columns(cl)
    rows = [
        f"{STRIPES[number % 2]}{''.join([cell(row) for cell in columns])}{END}"
        for number, row in enumerate(cl.result_list)
    ]
    below = cl.search_fields or cl.has_filters
    return mark_safe(  # noqa: S308 (cells escape what they show)
        f'<div class="{"lg:rounded-b-default" if below else "lg:rounded-default"} '
        "-mx-1 px-1 overflow-x-auto lg:border lg:border-base-200 lg:mx-0 lg:px-0 "
        "lg:shadow-xs lg:dark:border-base-800 lg:bg-white lg:dark:bg-base-900"
        '" data-simplebar data-simplebar-auto-hide="false">'
        '<table id="result_list" class="result-list block border-base-200 '
        'border-spacing-none border-separate w-full lg:table">'
        f"{_heads(cl)}{''.join(rows)}</table></div>"
    )


def _heads(cl: ChangeList) -> SafeString:
    heads = [tuple(head.items()) for head in unfold_list.result_headers(cl)]
    return _drawn_heads(tuple(heads), get_language())


@lru_cache(maxsize=500)
def _drawn_heads(heads: tuple[Any, ...], _language: str | None) -> SafeString:
    """By all that stands in them; the list itself is asked for what ours do not have."""
    said = [dict(head) for head in heads]
    sorted_by = sum(bool(head.get("sorted")) for head in said)
    context = {"cl": _PLAIN, "result_headers": said, "num_sorted_fields": sorted_by}
    return render_to_string("unfold/helpers/change_list_headers.html", context)


_PLAIN = {"model_admin": {"ordering_field": "", "list_sections": ()}}


# ---------------------------------------------------------------- columns


@dataclass(frozen=True)
class _Link:
    """Before and behind a row's key, and what a popup needs to know of it."""

    before: str
    behind: str
    key: str
    told_as: str

    def open(self, row: Any) -> str:
        key = safe(quote(getattr(row, self.key)))
        popup = ""
        if self.told_as:
            value = escape(row.serializable_value(self.told_as))
            popup = f' data-popup-opener="{value}"'
        return f'<a href="{self.before}{key}{self.behind}" class="{LINK}"{popup}>'


def _columns(cl: ChangeList) -> list[Show]:
    """Each makes a row's cell, as HTML."""
    heads = unfold_list.result_headers(cl)
    link = _link(cl)
    found: list[Show] = []
    is_first = True
    names: Sequence[Any] = cl.list_display
    for number, name in enumerate(names):
        show, classes = _shown(cl, name)
        linked = _is_linked(cl, name, is_first)
        label = heads[number]["text"] if linked or number else gettext("Select record")
        tag = "th" if linked and is_first else "td"
        field = escape(unfold_list._coerce_field_name(name, number))
        if name == "action_checkbox":
            classes = CHECKBOX
        else:
            classes = f"field-{field} {CELL}{classes}"
        begin = f'<{tag} class="{classes}" data-label="{conditional_escape(label)}">'
        found.append(_cell(begin, show, f"</{tag}>", link if linked else None))
        is_first = is_first and not linked
    return found


def _cell(begin: str, show: Show, end: str, link: _Link | None) -> Show:
    if link is None:
        return lambda row: f"{begin}{show(row)}{end}"
    return lambda row: f"{begin}{link.open(row)}{show(row)}</a>{end}"


def _is_linked(cl: ChangeList, name: str, is_first: bool) -> bool:
    if cl.list_display_links is None:
        return False
    return (is_first and not cl.list_display_links) or name in cl.list_display_links


def _link(cl: ChangeList) -> _Link:
    page = f"admin:{cl.opts.app_label}_{cl.opts.model_name}_change"
    site = cl.model_admin.admin_site.name
    filters: Any = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    url = add_preserved_filters(filters, reverse(page, args=(A_KEY,), current_app=site))
    before, _key, behind = conditional_escape(url).partition(A_KEY)
    told_as = (str(cl.to_field) if cl.to_field else cl.pk_attname) * cl.is_popup
    return _Link(before, behind, cl.pk_attname, told_as)


def _shown(cl: ChangeList, name: Any) -> tuple[Show, str]:
    """What a column shows of a row, as HTML, and what its class is besides."""
    if name == "action_checkbox":
        box = _checkbox(get_language())
        return lambda row: box.replace(A_KEY, safe(row.pk)), ""
    empty = cl.model_admin.get_empty_value_display()
    try:
        field: Any = None if callable(name) else cl.lookup_opts.get_field(name)
    except FieldDoesNotExist:
        field = None
    if not isinstance(field, models.Field) or field.attname == name != field.name:
        return _computed(cl, name, empty), ""
    nowrap = isinstance(field, models.DateField | models.TimeField | models.ForeignKey)
    if field.auto_created:
        show = _of(name, lambda value: display_for_value(value, empty))
    elif isinstance(field.remote_field, models.ManyToOneRel):
        show = _of(name, lambda value: empty if value is None else value, empty)
    else:
        show = _of(name, _by_kind(field, empty))
    return show, " nowrap" if nowrap and not field.auto_created else ""


@lru_cache(maxsize=20)
def _checkbox(_language: str | None) -> str:
    # Which makes its own while it loads, and templates with it.
    from unfold.admin import checkbox

    return checkbox.render(ACTION_CHECKBOX_NAME, A_KEY)


def _of(name: str, said: Callable[[Any], Any], empty: str = "") -> Show:
    def show(row: Any) -> str:
        try:
            value = getattr(row, name)
        except ObjectDoesNotExist:
            return str(conditional_escape(empty))
        return safe(said(value))

    return show


def _by_kind(field: Any, empty: str) -> Callable[[Any], Any]:
    """unfold's `display_for_field`, with what it asks of the field asked once."""
    if field.flatchoices:
        words = {value: str(word) for value, word in field.flatchoices}
        return lambda value: words.get(value, empty)
    if isinstance(field, models.BooleanField):
        language = get_language()
        return lambda value: _icon(value, language)
    if isinstance(field, models.DateTimeField):
        pattern, tell = get_format("DATETIME_FORMAT"), telling()
        return lambda value: empty if value is None else tell(value, pattern)
    return lambda value: display_for_field(value, field, empty)


@lru_cache(maxsize=20)
def _icon(value: bool | None, _language: str | None) -> str:
    return display_for_value(value, "", boolean=True)


def _found(cl: ChangeList, name: Any) -> Callable[[Any], tuple[Any, Any]]:
    """What computes a column, and what comes of it for a row: Django's `lookup_field`
    for what is no field. Methods are found once."""
    method = None
    if isinstance(name, str) and name != "__str__":
        method = getattr(cl.model_admin, name, None)
    if method is not None:
        return lambda row: (method, method(row))
    if name == "__str__":
        attr = cl.model.__str__
        return lambda row: (attr, str(row))
    return lambda row: lookup_field(name, row, cl.model_admin)[1:]


def _computed(cl: ChangeList, name: Any, empty: str) -> Show:
    """A method of the list's, or of the row."""
    found = _found(cl, name)

    def show(row: Any) -> str:
        try:
            attr, value = found(row)
        except ObjectDoesNotExist:
            return str(conditional_escape(empty))
        nothing = getattr(attr, "empty_value_display", empty)
        if label := getattr(attr, "label", False):
            return str(display_for_label(value, nothing, label))
        if getattr(attr, "boolean", False):
            return _icon(value, get_language())
        if isinstance(value, str) and value:
            return safe(value)
        if isinstance(value, datetime.datetime):
            return told(value, get_format("DATETIME_FORMAT"))
        return str(conditional_escape(display_for_value(value, nothing)))

    return show


# ---------------------------------------------------------------- filters

LINE = "dark:border-base-700 "
PLAIN = "hover:text-base-700 dark:hover:text-base-200"
CHOSEN = "font-semibold text-primary-600 dark:text-primary-500 "
HOVER = "hover:text-primary-600 dark:hover:text-primary-500"


WIDE = (
    "dark:bg-base-900 border border-base-200 flex min-w-20 rounded-default shadow-xs "
    "text-font-default-light dark:border-base-700 dark:text-font-default-dark w-full"
)
HIGH = "border border-base-200 flex flex-col rounded-default shadow-xs dark:border-base-700"


@register.simple_tag
def filter_box(title: Any, choices: Sequence[dict[str, Any]], spec: Any) -> SafeString:
    """All of unfold's filter: its name, and a line for each choice."""
    heading = safe(gettext(" By %(filter_title)s ") % {"filter_title": title})
    values = getattr(spec, "lookup_val", None) or ()
    kept = NOTHING
    if values and values[0]:
        kept = fill_each(
            '<input type="hidden" name="{}" value="{}">',
            (
                (spec.lookup_kwarg, values[0])
                for choice in choices
                if choice["selected"]
            ),
        )
    if isinstance(spec, admin.BooleanFieldListFilter) or getattr(
        spec, "horizontal", False
    ):
        item = "basis-1/3 border-r grow truncate last:border-r-0"
        look, lines = WIDE, _filter_lines(choices, item, "text-center")
    else:
        look, lines = HIGH, _filter_lines(choices, "border-b last:border-b-0", "px-3")
    return mark_safe(  # noqa: S308
        '<div><h3 class="font-semibold mb-2 text-font-important-light '
        f'dark:text-font-important-dark">{heading}</h3>{kept}'
        f'<ul class="{look}">{lines}</ul></div>'
    )


def _filter_lines(
    choices: Iterable[dict[str, Any]], item: str, link: str
) -> SafeString:
    """item and link: what else stands in their classes."""
    lines = []
    for choice in choices:
        words = safe(choice["display"])
        url = safe(iri_to_uri(choice["query_string"]) or "")
        look = CHOSEN if choice["selected"] else PLAIN
        lines.append(
            f'<li class="border-base-200 {item} {LINE}{look}"><a href="{url}" '
            f'title="{words}" class="block py-2 {link} {HOVER}">{words}</a></li>'
        )
    return mark_safe("".join(lines))  # noqa: S308


# ---------------------------------------------------------------- the page of one row


LABEL = " ".join([*LABEL_CLASSES, "mb-2"])
LABELLED = (
    "lg:min-w-56 lg:w-56 lg:h-[38px] lg:flex lg:items-center lg:self-start "
    "lg:leading-[38px] lg:*:m-0"
)
FIELD = (
    "field-line flex flex-col grow group group/line px-3 py-2.5 border-b "
    "border-base-200 border-dashed min-h-[59px] group-[.last]/row:border-b-0 lg:border-l "
    "lg:flex-row lg:items-center dark:border-base-800 lg:first:border-l-0"
)


@register.simple_tag
def readonly_line(line: Any, is_last: bool) -> SafeString:
    """Columns side by side, of which none can be changed; "" if one can.

    unfold makes each of them twice, and its contents three times.
    """
    names = line.fields
    if any(name not in line.readonly_fields for name in names):
        return mark_safe("")
    grid = f" grid lg:grid-cols-{len(names)}" if len(names) > 1 else ""
    last = " last" if is_last else ""
    cells = [_field(line, name) for name in names]
    return mark_safe(  # noqa: S308 (cells escape what they show)
        f'<div class="form-row field-row group/row{grid}{last}">{"".join(cells)}</div>'
    )


def _field(line: Any, name: Any) -> str:
    form, pages = line.form, line.model_admin
    model, row = form._meta.model, form.instance
    label: Any = label_for_field(name, model, pages, form=form)
    note = "" if callable(name) else help_text_for_field(name, model)
    if note:
        note = f'<div class="leading-relaxed mt-2 text-xs">{note}</div>'
    return (
        f'<div class="{FIELD}"><div class="{LABELLED}"><label class="{LABEL}">'
        f"{conditional_escape(capfirst(label))}</label></div>"
        f'<div class="grow relative">{_contents(pages, row, name)}{note}</div></div>'
    )


def _contents(pages: Any, row: models.Model, name: Any) -> str:
    try:
        field, attr, value = lookup_field(name, row, pages)
    except (AttributeError, ValueError, ObjectDoesNotExist):
        return _readonly(pages.get_empty_value_display())
    if field is None:
        if getattr(attr, "boolean", False):
            return _readonly(mark_safe(_icon(value, get_language())))  # noqa: S308
        return _readonly(value if hasattr(value, "__html__") else linebreaksbr(value))
    if isinstance(field, models.FileField):
        return _readonly(_file(field, value))
    if field.many_to_many:
        return _readonly(", ".join(map(str, value.all())))
    is_wide = isinstance(field, models.JSONField)
    return _readonly(mark_safe(_of_one(field)(row)), is_wide=is_wide)  # noqa: S308


def _file(field: models.FileField, value: Any) -> SafeString:
    said = {
        "url": value.url if value else "",
        "is_image": isinstance(field, models.ImageField),
    }
    return render_to_string(
        "unfold/helpers/field_readonly_value_file.html", {"field": said}
    )


def _readonly(contents: Any, *, is_wide: bool = False) -> str:
    said: str = conditional_escape(contents)
    if said in ("", "None"):
        said = "-"
    width = "max-w-4xl" if is_wide else "max-w-2xl"
    return f'<div class="readonly break-words {width} *:rounded-default">{said}</div>'


TABLE_CELL = (
    "min-h-[62.5px] align-middle border-b max-md:border-b border-base-200 "
    "lg:group-[.last]/parent:border-b-0 dark:border-base-800 group field-tabular p-3 "
    "lg:py-3 flex items-center before:capitalize before:font-semibold "
    "before:content-[attr(data-label)] before:text-font-important-light "
    "dark:before:text-font-important-dark before:mr-auto before:font-text before:pr-4 "
    "lg:before:hidden font-normal px-3 lg:first:pl-3 lg:last:pr-3 lg:px-1.5 text-left "
    "lg:table-cell"
)


@register.simple_tag
def table_heads(table: Table) -> SafeString:
    look = (
        "align-middle border-b border-base-200 dark:border-base-800 font-semibold "
        "px-1.5 first:pl-3 last:pr-3 py-2 text-left text-font-important-light text-sm "
        "whitespace-nowrap dark:text-font-important-dark"
    )
    fields: list[Any] = [table.model._meta.get_field(name) for name in table.fields]
    return fill_each(
        f'<th scope="col" class="column-{{}} {look}">{{}}</th>',
        ((field.name, capfirst(str(field.verbose_name))) for field in fields),
    )


@register.simple_tag
def table_rows(table: Table) -> SafeString:
    fields = [table.model._meta.get_field(name) for name in table.fields]
    cells = [_table_cell(field) for field in fields]
    rows = [
        f'<tbody class="form-group relative group/parent original">'
        f"{_title(table, row, len(cells))}"
        f'<tr class="form-row">{"".join([cell(row) for cell in cells])}</tr></tbody>'
        for row in table.rows
    ]
    return mark_safe("".join(rows))  # noqa: S308


def _table_cell(field: Any) -> Show:
    label = escape(field.verbose_name)
    begin = f'<td class="field-{field.name} {TABLE_CELL}" data-label="{label}">'
    show = _of_one(field)
    return lambda row: f"{begin}{_readonly(mark_safe(show(row)))}</td>"  # noqa: S308


def _of_one(field: Any) -> Show:
    """As unfold's read-only fields: what another row is leads to its page."""
    if isinstance(field, models.JSONField):
        return _of(field.name, lambda value: pretty_json(value, field.encoder))
    if isinstance(field, models.URLField):
        return _of(
            field.name,
            lambda url: (
                fill('<a href="{}" class="text-link">{}</a>', url, url) if url else ""
            ),
        )
    if field.remote_field is None:
        return _of(field.name, _by_kind(field, "-"))
    return _of(field.name, _page_of)


def _page_of(row: models.Model | None) -> Any:
    if row is None:
        return ""
    url = _address(row)
    if not url:
        return str(row)
    return fill('<a href="{}" class="text-link">{}</a>', url, row)


def _address(row: models.Model) -> str:
    """ "": it has no page in the admin."""
    if not admin.site.is_registered(type(row)):
        return ""
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(page, args=(quote(row.pk),))


def _title(table: Table, row: Any, columns: int) -> str:
    links = [
        f'<a href="{escape(url)}" class="align-middle">{escape(words)}</a>'
        for url, words in (
            (_address(row) if table.has_links else "", gettext("Change")),
            (
                row.get_absolute_url() if hasattr(row, "get_absolute_url") else "",
                gettext("View"),
            ),
        )
        if url
    ]
    gap = (
        '<span class="align-middle bg-base-300 inline-block h-3 mx-1.5 w-px '
        'dark:bg-base-700"></span>'
    )
    return (
        '<tr class="border-b border-base-200 dark:border-base-800 bg-base-50 '
        "dark:bg-white/[.02] lg:bg-transparent lg:border-0 dark:lg:bg-transparent!"
        f'"><td colspan="{columns}"><p class="group/title flex font-medium items-center '
        f'px-3 text-xs py-2 lg:pb-0 lg:pt-2"><span>{escape(row)}</span>'
        '<span class="ml-2 font-normal leading-none text-xs text-primary-600 '
        'dark:text-primary-500 group-hover/title:block hidden">'
        f"{gap.join(links)}</span></p></td></tr>"
    )
