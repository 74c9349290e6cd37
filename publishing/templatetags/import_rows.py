"""The rows of a table that is imported, written in Python as those of lists are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.markup import NOTHING, fill, fill_each, joined
from publishing.import_models import ImportRow
from socialhub.templatetags.socialhub import chip, when

register = template.Library()

State = ImportRow.State


@register.simple_tag(takes_context=True)
def import_card(context: Context, card: Any) -> SafeString:
    """card: an `import_views.RowCard`. In the context: tab, page; is_fresh: it was just
    mended."""
    row, look = card.row, card.look
    is_fresh = bool(context.get("is_fresh"))
    number = str(row.number)
    return fill(
        '<article class="sh-card sh-stack" id="row-{0}" aria-labelledby="row-{0}-head" '
        'tabindex="-1" data-state="{1}"{2}>'
        '<div class="sh-row sh-row--apart"><h3 id="row-{0}-head">{3}</h3>'
        "<p{4}>{5}</p></div>"
        '<p class="pub-dotted">{6}{7}{8}</p>{9}{10}{11}</article>',
        number,
        row.state,
        SafeString(" data-fresh" if is_fresh else ""),
        _("Row %(n)s") % {"n": number},
        SafeString(' role="status"' if is_fresh else ""),
        chip(look.tone, look.icon, look.word),
        _becomes(row),
        fill(
            '<a href="{}">{}<span class="sh-hidden"> {}</span></a>',
            row.post.get_absolute_url(),
            _("Open the post"),
            number,
        )
        if row.post
        else "",
        fill("<span>{}</span>", row.excerpt) if row.excerpt else "",
        _lines("pub-bad", row.problems),
        _lines("pub-warn", row.notes),
        _form(context, card) if card.may_change else "",
    )


def _becomes(row: ImportRow) -> SafeString:
    if row.becomes == "draft":
        return fill("<span>{}</span>", _("Draft"))
    if row.becomes == "queue":
        return fill("<span>{}</span>", _("Next free slot"))
    return fill("<span>{}</span>", when(row.due_at)) if row.due_at else NOTHING


def _lines(style: str, said: Iterable[Mapping[str, str]]) -> SafeString:
    """What is wrong with a row, or worth a look, each with its cure."""
    if not said:
        return NOTHING
    return fill(
        '<ul class="pub-lines">{}</ul>',
        fill_each(
            '<li><span><span class="{}"><strong>{}</strong>: {}</span> {}</span></li>',
            ((style, one["column"], one["said"], one["cure"]) for one in said),
        ),
    )


def _form(context: Context, card: Any) -> SafeString:
    row, number = card.row, str(card.row.number)
    is_left = row.state == State.LEFT
    return fill(
        '<form method="post" action="{0}" hx-post="{0}" hx-target="#row-{1}" '
        'hx-swap="outerHTML" class="sh-stack">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{2}">'
        '<input type="hidden" name="tab" value="{3}">'
        '<input type="hidden" name="page" value="{4}">{5}'
        '<div class="sh-row"><button class="sh-btn sh-btn--small{6}" name="action" '
        'value="{7}">{8}<span class="sh-hidden"> {1}</span></button></div></form>',
        card.address,
        number,
        str(context.get("csrf_token", "")),
        context["tab"],
        _page_number(context["page"]),
        "" if is_left else _change(card),
        "" if is_left else " sh-btn--quiet",
        "back" if is_left else "leave",
        _("Take it in again") if is_left else _("Leave this row out"),
    )


def _page_number(page: Any) -> str:
    """page: of a paginator, or as it was sent."""
    return str(page["number"] if isinstance(page, dict) else page.number)


def _change(card: Any) -> SafeString:
    row, number = card.row, str(card.row.number)
    again = NOTHING
    if row.is_repeat:
        again = fill(
            '<label class="sh-check"><input type="checkbox" name="repeat_ok" value="1"'
            "{}><span>{}</span></label>",
            SafeString(" checked" if row.repeat_ok else ""),
            _("It repeats something: import all the same"),
        )
    return fill(
        '<details class="sh-details"{}><summary>{}<span class="sh-hidden"> {}</span>'
        '</summary><div class="pub-cells">{}</div>{}<div class="sh-row"><button '
        'class="sh-btn sh-btn--small" name="action" value="save">{}'
        '<span class="sh-hidden"> {}</span></button></div></details>',
        SafeString(" open" if row.state == State.BAD else ""),
        _("Change"),
        _("row %(n)s") % {"n": number},
        joined(
            _cell(f"c-{number}-{place}", field)
            for place, field in enumerate(card.fields, 1)
        ),
        again,
        _("Save and look again"),
        number,
    )


def _cell(key: str, field: Any) -> SafeString:
    """A field in which a cell is mended."""
    invalid = SafeString(' aria-invalid="true"' if field.problems else "")
    if field.is_long:
        control = fill(
            '<textarea id="{}" name="cell-{}"{} rows="3">{}</textarea>',
            key,
            field.column,
            invalid,
            field.value,
        )
    else:
        control = fill(
            '<input id="{}" name="cell-{}"{} value="{}" autocomplete="off">',
            key,
            field.column,
            invalid,
            field.value,
        )
    return fill(
        '<div class="sh-field{}"><label for="{}">{}</label>{}</div>',
        " pub-cells__long" if field.is_long else "",
        key,
        field.column,
        control,
    )
