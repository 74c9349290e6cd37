"""Importing posts: send a table, look at its rows, mend them, import, undo."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.addresses import address as row_address
from accounts.fixed_query import SAMPLE_KEY, FixedQuery
from accounts.models import AuditEvent, Brand, ConnectedAccount
from accounts.names import name_of
from accounts.roles import can_write
from accounts.zones import zone_names

from . import csv_cells, importing, incoming, looks, table_columns
from .access import role_required, row_number
from .import_models import Import, ImportRow
from .job_views import line
from .measuring import UploadRefused
from .table_columns import COLUMNS, WHEN
from .table_reading import NO_VALUE

PAGE_SIZE = 25
#: Imports that the first page names.
SHOWN = 20
#: tab -> words, and the states of its rows
TABS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "bad": (gettext_lazy("To mend"), (ImportRow.State.BAD,)),
    "good": (gettext_lazy("Can be imported"), (ImportRow.State.GOOD,)),
    "done": (
        gettext_lazy("Imported"),
        (ImportRow.State.DONE, ImportRow.State.STAYS),
    ),
    "left": (
        gettext_lazy("Left out"),
        (ImportRow.State.LEFT, ImportRow.State.UNDONE),
    ),
    "all": (gettext_lazy("All"), tuple(ImportRow.State.values)),
}
#: Shown for every row, so that what is missing can be added.
ALWAYS = ("accounts", "date", "time", "text")
LONG = (
    "text",
    "first comment",
    "thread",
    "thread files",
    "options",
    "link description",
    "link tags",
)
State = Import.State


# ---------------------------------------------------------------- the first page


@role_required(can_write)
def import_list(request: HttpRequest) -> HttpResponse:
    """GET: a table can be sent, and what was sent before. POST: one is sent."""
    brands = list(Brand.objects.visible_to(request.user).distinct().order_by("name"))
    problems: dict[str, str] = {}
    if request.method == "POST":
        problems = _begin(request, brands)
        if "made" in problems:
            return redirect(problems["made"])
    chosen = row_number(request.POST.get("brand", ""))
    brand = next((b for b in brands if b.pk == chosen), None) or next(
        iter(brands), None
    )
    imports = Import.objects.visible_to(request.user).select_related("brand")
    context = {
        "brands": brands,
        "brand_now": brand,
        "zone_now": request.POST.get("zone", "") or (brand.time_zone if brand else ""),
        "as_drafts": request.POST.get("schedules") == "no",
        "problems": problems,
        "imports": imports.distinct()[:SHOWN],
        "columns": COLUMNS.items(),
        "per_network": table_columns.PER_NETWORK.items(),
        "most_rows": importing.table_reading.MOST_ROWS,
        "most_mb": importing.table_reading.MOST_BYTES // importing.table_reading.MB,
    }
    status = 422 if problems else 200
    return render(request, "publishing/import_list.html", context, status=status)


def _begin(request: HttpRequest, brands: list[Brand]) -> dict[str, str]:
    """field -> sentence; "made": where to go on."""
    problems = {}
    chosen = row_number(request.POST.get("brand", ""))
    brand = next((b for b in brands if b.pk == chosen), None)
    table, files = request.FILES.get("table"), request.FILES.get("files")
    zone = request.POST.get("zone", "").strip()
    if brand is None:
        problems["brand"] = _("Choose a brand.")
    if zone not in zone_names():
        problems["zone"] = _("Unknown time zone. Write one such as Europe/Berlin.")
    if refused := incoming.refused_files(request):
        problems["table"] = " ".join(refused)
    elif table is None:
        problems["table"] = _("Choose a table: a CSV or XLSX file.")
    if problems:
        return problems
    assert brand is not None
    assert table is not None
    try:
        made = importing.begin(
            request.user,
            brand,
            table,
            files,
            zone=zone,
            schedules=request.POST.get("schedules") != "no",
        )
    except UploadRefused as refused:
        return {"table": str(refused)}
    AuditEvent.write(request.user, "import.begun", made)
    return {"made": made.get_absolute_url()}


@require_safe
@role_required(can_write)
def import_template(request: HttpRequest, form: str) -> HttpResponse:
    """An empty table with an example, as CSV (for spreadsheets) or XLSX."""
    brand = Brand.objects.visible_to(request.user).first()
    account = ConnectedAccount.objects.connected().filter(brand=brand).first()
    example = {
        "brand": brand.name if brand else "",
        "accounts": account.handle or account.name if account else "",
        "date": f"{timezone.now().year + 1}-03-02",
        "time": "09:00",
        "zone": brand.time_zone if brand else "Europe/Berlin",
        "text": _("What the post says"),
        "link": "https://example.com/",
        "labels": _("spring"),
        "state": "draft",
    }
    heads = list(COLUMNS)
    # A brand's name may look like a formula; the way back takes the mark off.
    values = [csv_cells.safe(example.get(name, "")) for name in COLUMNS]
    if form == "csv":
        stream = io.StringIO()
        csv.writer(stream).writerows([heads, values])
        content = stream.getvalue().encode("utf-8-sig")
        kind = "text/csv; charset=utf-8"
    else:
        content = _workbook(heads, values)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="posts.{form}"'
    return response


def _workbook(heads: list[str], values: list[str]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Posts"
    sheet.append(heads)
    sheet.append(values)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[cell.column_letter].width = 24
        # Text: a spreadsheet shall make no dates and numbers of what is typed.
        for row in range(2, 202):
            sheet.cell(row, cell.column).number_format = "@"
    sheet.freeze_panes = "A2"
    about = book.create_sheet("Columns")
    for name, words in COLUMNS.items():
        about.append([name, str(words)])
    for name, words in table_columns.PER_NETWORK.items():
        about.append([f"{name}:mastodon", str(words)])
    about.column_dimensions["A"].width = 24
    about.column_dimensions["B"].width = 100
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# ---------------------------------------------------------------- one import


def _table(request: HttpRequest, pk: int) -> Import:
    rows = Import.objects.visible_to(request.user).distinct()
    return get_object_or_404(rows.select_related("brand", "job"), pk=pk)


def _sizes(table: Import) -> dict[str, int]:
    """How many rows each tab shows."""
    counts = dict(table.rows.order_by().values_list("state").annotate(Count("pk")))
    return {
        key: sum(counts.get(state, 0) for state in states)
        for key, (_words, states) in TABS.items()
    }


def _tabs(sizes: dict[str, int], shown: str) -> list[tuple[str, Any, int]]:
    """Those with rows, the one that is shown, and all."""
    return [
        (key, words, sizes[key])
        for key, (words, _states) in TABS.items()
        if sizes[key] or key in (shown, "all")
    ]


@require_safe
@role_required(can_write)
def import_detail(request: HttpRequest, pk: int) -> HttpResponse:
    table = _table(request, pk)
    sizes = _sizes(table)
    tab = request.GET.get("tab", "")
    if tab not in TABS:
        tab = next((key for key in TABS if sizes[key]), "all")
    rows = table.rows.filter(state__in=TABS[tab][1]).select_related("post")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    goes = 0
    stays: dict[str, int] = {}
    if table.state == State.DONE:
        goes, stays = importing.undo_effects(table)
    chosen = set(table.accounts.values_list("pk", flat=True))
    context = {
        "table": table,
        "line": line(importing.known(table.job, table)) if table.job else None,
        "tabs": _tabs(sizes, tab),
        "tab": tab,
        "page": page,
        "rows": [RowCard.of(table, row) for row in page.object_list],
        "sizes": sizes,
        "again": _again(table),
        "repeats": _repeats(table),
        "goes": goes,
        "stays": sorted(stays.items()),
        "staying": sum(stays.values()),
        "accounts": [
            (account, account.pk in chosen)
            for account in _accounts_of.objects(table.brand_id)
        ],
        "lacks_accounts": any(
            problem["column"] == "accounts"
            for row in page.object_list
            for problem in row.problems
        ),
        **_order(table),
    }
    return render(request, "publishing/import_detail.html", context)


_accounts_of = FixedQuery(
    lambda brand: (
        ConnectedAccount.objects.connected()
        .filter(brand=brand)
        .order_by("platform", "name")
        .only("platform", "name")
    ),
    SAMPLE_KEY,
)


def _again(table: Import) -> str:
    """Who has imported this very file before, in a sentence; "": nobody, or it was said
    that it is meant."""
    if table.state != State.LOOKED or table.again_ok:
        return ""
    earlier = table.same_file()
    if earlier is None:
        return ""
    words = {
        "name": name_of(earlier.person),
        "when": f"{timezone.localtime(earlier.created_at):%Y-%m-%d %H:%M}",
        "brand": table.brand.name,
    }
    if earlier.person_id == table.person_id:
        return (
            _("You have imported this very file into %(brand)s, sent on %(when)s.")
            % words
        )
    return (
        _("%(name)s has imported this very file into %(brand)s, sent on %(when)s.")
        % words
    )


def _repeats(table: Import) -> int:
    """How many rows wait because something says the same already."""
    return table.rows.filter(state=ImportRow.State.BAD, is_repeat=True).count()


def _order(table: Import) -> dict[str, Any]:
    """Whether the page asks how dates are written, and what speaks for each way."""
    columns = ("date", WHEN, "useful until")
    row = next(
        (
            row
            for row in table.rows.filter(state=ImportRow.State.BAD)
            if any(
                problem["column"] in columns and problem["said"].endswith("?")
                for problem in row.problems
            )
        ),
        None,
    )
    orders = table.facts.get("orders", {})
    return {
        "asks_order": row is not None or bool(table.date_order),
        "ambiguous": row,
        "dmy": orders.get("dmy"),
        "mdy": orders.get("mdy"),
    }


@dataclass(frozen=True)
class Field:
    """A cell that can be mended."""

    column: str
    value: str
    is_long: bool
    problems: list[dict[str, str]]


ROW_LOOKS: dict[str, tuple[str, str]] = {
    ImportRow.State.BAD: ("bad", "error"),
    ImportRow.State.GOOD: ("ok", "check_circle"),
    ImportRow.State.DONE: ("ok", "task_alt"),
    ImportRow.State.STAYS: ("warn", "block"),
}


@dataclass(frozen=True)
class RowCard:
    """A row with its fields; general: what is about no field."""

    row: ImportRow
    fields: list[Field]
    may_change: bool
    #: what takes in the form
    address: str

    @property
    def look(self) -> looks.Look:
        state = ImportRow.State(self.row.state)
        return looks.Look(
            *ROW_LOOKS.get(state, ("muted", "schedule")), str(state.label)
        )

    @classmethod
    def of(cls, table: Import, row: ImportRow) -> RowCard:
        named = [*table.facts.get("columns", ()), *row.cells]
        at_fault = [problem["column"] for problem in row.problems]
        wanted = dict.fromkeys([*named, *ALWAYS, *at_fault])
        if WHEN in wanted:
            wanted = {
                k: None for k in wanted if k not in ("date", "time") or k in named
            }
        order = {name: place for place, name in enumerate((WHEN, *COLUMNS))}
        columns = sorted(wanted, key=lambda c: (order.get(c.partition(":")[0], 99), c))
        fields = [
            Field(
                column,
                "" if row.cells.get(column) == NO_VALUE else row.cells.get(column, ""),
                column.partition(":")[0] in LONG,
                [p for p in row.problems if p["column"] == column],
            )
            for column in columns
        ]
        address = row_address("import_row", table.pk, row.number)
        return cls(row, fields, importing.can_change(table, row), address)


@require_POST
@role_required(can_write)
def import_row(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Mend a row, leave it out, or take it in again; it is judged at once."""
    table = _table(request, pk)
    row = get_object_or_404(table.rows, number=number)
    action = request.POST.get("action", "")
    done = importing.can_change(table, row)
    if done and action == "leave":
        done = importing.leave_out(table, row)
    elif done and action == "back":
        done = importing.mend(table, row, row.cells, row.repeat_ok)
    elif done:
        repeat_ok = bool(request.POST.get("repeat_ok"))
        done = importing.mend(table, row, _typed(request, row), repeat_ok)
    if not done:
        messages.error(request, _("This row cannot be changed just now."))
        return redirect(table)
    sizes, tab = _sizes(table), request.POST.get("tab", "")
    at = request.POST.get("page", "")
    at = at if at.isdecimal() else "1"
    if not request.headers.get("HX-Request"):
        query = urlencode({"tab": tab, "page": at})
        return redirect(
            f"{table.get_absolute_url()}?{query}#{_next_to_mend(table, row)}"
        )
    context = {
        "page": {"number": at},
        "card": RowCard.of(table, row),
        "table": table,
        "tab": tab,
        "tabs": _tabs(sizes, tab),
        "sizes": sizes,
        "again": _again(table),
        "repeats": _repeats(table),
        "is_fresh": True,
    }
    return render(request, "publishing/_import_row.html", context)


def _next_to_mend(table: Import, row: ImportRow) -> str:
    """Where a person goes on: at this row, at the next with a problem, or at what can be
    imported. The script of the page does the same."""
    if row.state != ImportRow.State.BAD:
        bad = table.rows.filter(state=ImportRow.State.BAD, number__gt=row.number)
        following = bad.order_by("number").first()
        if following is None:
            return "write-note"
        row = following
    return f"row-{row.number}"


def _typed(request: HttpRequest, row: ImportRow) -> dict[str, str]:
    cells = dict(row.cells)
    for name, text in request.POST.items():
        column = name.removeprefix("cell-")
        if column == name or not _is_column(column):
            continue
        text = str(text).replace("\r\n", "\n").replace("\x00", "")
        text = text[: importing.table_reading.MOST_CHARS]
        if text.strip():
            cells[column] = text
        else:
            cells.pop(column, None)
    return cells


def _is_column(name: str) -> bool:
    kind, _sep, slug = name.partition(":")
    if slug:
        return kind in table_columns.PER_NETWORK and bool(table_columns.network(slug))
    return name in COLUMNS or name in table_columns.OF_EXPORTS or name == WHEN


@require_POST
@role_required(can_write)
def import_do(request: HttpRequest, pk: int) -> HttpResponse:
    """POST action: "settings" (judge anew), "write", "undo", "forget", "leave_repeats"
    or "take_repeats"."""
    table = _table(request, pk)
    action = request.POST.get("action", "")
    if action == "settings":
        done = _settings(request, table)
    elif action == "write":
        try:
            done = importing.write(table, again=bool(request.POST.get("again")))
        except importing.SameFile:
            # The page says whose, and asks.
            messages.error(
                request,
                _("This very file is imported already, so nothing was imported."),
            )
            return redirect(table)
    elif action == "undo":
        done = importing.undo(table)
    elif action == "leave_repeats":
        done = importing.leave_repeats(table)
    elif action == "take_repeats":
        done = importing.take_repeats(table)
    elif action == "forget":
        return _forget(request, table)
    else:
        raise Http404
    if not done:
        messages.error(
            request, _("It is at work on this table. Try again in a moment.")
        )
    else:
        AuditEvent.write(request.user, f"import.{action}", table)
    return redirect(table)


def _settings(request: HttpRequest, table: Import) -> bool:
    zone = request.POST.get("zone", "").strip()
    if zone and zone not in zone_names():
        messages.error(
            request, _("Unknown time zone. Write one such as Europe/Berlin.")
        )
        return True
    order = request.POST.get("date_order", table.date_order)
    keys = [row_number(text) for text in request.POST.getlist("accounts")]
    accounts = ConnectedAccount.objects.connected().filter(
        brand=table.brand, pk__in=keys
    )
    if table.is_busy:
        return False
    table.zone = zone or table.zone
    table.date_order = order if order in Import.Order.values else ""
    table.schedules = request.POST.get("schedules", "yes") != "no"
    table.save(update_fields=["zone", "date_order", "schedules"])
    table.accounts.set(accounts)
    return importing.look_again(table)


def _forget(request: HttpRequest, table: Import) -> HttpResponse:
    """The list of rows; posts that were made of them stay."""
    if table.is_busy:
        messages.error(
            request, _("It is at work on this table. Try again in a moment.")
        )
        return redirect(table)
    AuditEvent.write(request.user, "import.forgotten", table)
    importing.forget(table)
    messages.success(
        request,
        _("The import of %(name)s is forgotten. Posts that came of it stay.")
        % {"name": table.name},
    )
    return redirect(reverse("import_list"))
