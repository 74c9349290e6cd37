"""What every page of the admin keeps: who gets in, what is shown, what it may cost.

Tables of the engine hold hundreds of thousands of rows, so a list reads one page of them
by the primary key, counts to a bound, and offers filters that need no look at all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets, get_fields_from_path
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.admin import ModelAdmin
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminSelectWidget

from platforms import registry

from .fixed_query import FixedQuery, Seen
from .markup import fill
from .models import AuditEvent, Brand
from .roles import is_admin
from .selects import LongSelect

#: So many rows are counted beyond the page that is read; the rest is "more".
COUNTED = 1000
#: A filter offers values of so many of the newest rows, and so many people.
LOOKED_AT = 1000
PEOPLE_OFFERED = 50
#: Found again in a query; unlike the sample for a reader.
AN_OWNER = -8
#: Networks are known without a look at any row.
PLATFORM = "platform"


class BoundedPaginator(Paginator):
    """Counts no further than `bound` rows; `is_more` says that there are others."""

    bound = COUNTED

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: self.bound + 1].count())

    @property
    def is_more(self) -> bool:
        return self.count > self.bound


def brands_of(request: HttpRequest) -> list[Brand]:
    """Those that the reader sees, once per request."""
    found: list[Brand] | None = getattr(request, "_admin_brands", None)
    if found is None:
        reader: Any = request.user
        rows = Brand.objects.all()
        if not reader.is_superuser:
            rows = rows.filter(members=reader.pk)
        found = request._admin_brands = list(rows)  # type: ignore[attr-defined]
    return found


class OfBrand(admin.RelatedFieldListFilter):
    """The reader's own brands."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, Any]]:
        return [(str(brand.pk), brand.name) for brand in brands_of(request)]


class OfPerson(admin.RelatedFieldListFilter):
    """People of the reader's brands, the first of them by name; the search finds all."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[str, Any]]:
        people = get_user_model().objects.all()
        reader: Any = request.user
        if not reader.is_superuser:
            theirs = Brand.members.through.objects.filter(
                brand_id__in=[brand.pk for brand in brands_of(request)]
            )
            people = people.filter(pk__in=theirs.values("user_id"))
        chosen = people.order_by("username").values_list("pk", "username")
        return [(str(pk), name) for pk, name in chosen[:PEOPLE_OFFERED]]


class OfValue(admin.AllValuesFieldListFilter):
    """Values that the newest rows have: to find all of them takes a look at every row."""

    lookup_choices: Any

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[models.Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        if field_path.endswith(PLATFORM):
            self.lookup_choices = list(registry.PLATFORMS)
            return
        seen = model_admin.newest_values(request)[field_path]
        self.lookup_choices = sorted(seen, key=lambda value: (value is None, value))


def _cheap_filter(model: type[models.Model], item: Any) -> Any:
    """A filter that does not read the whole table, for a path that names none."""
    if not isinstance(item, str):
        return item
    field = get_fields_from_path(model, item)[-1]
    if field.remote_field:
        kinds = {Brand: OfBrand, get_user_model(): OfPerson}
        kind = kinds.get(field.remote_field.model)
        return (item, kind) if kind else item
    has_own = field.choices or isinstance(field, models.BooleanField | models.DateField)
    return item if has_own else (item, OfValue)


def _named(model: type[models.Model], columns: Iterable[Any]) -> list[str]:
    """Those of the columns that name another row."""
    relations = {field.name for field in model._meta.fields if field.is_relation}
    return [column for column in columns if column in relations]


class AdminSelect(LongSelect, UnfoldAdminSelectWidget):
    """A select of rows, in unfold's skin."""


class ActionSelect(AdminSelect):
    """The select of a list's actions, as unfold's template for it shows one."""

    def render(self, *args: Any, **kwargs: Any) -> SafeString:
        return fill(
            '<div class="grow relative max-w-2xl">{}<span class="material-symbols-outlined '
            "absolute group-[.primary]:text-white pointer-events-none mr-[12px] right-0 "
            "text-base-400 top-0 top-1/2 hover:text-base-700 dark:text-base-500 "
            'dark:hover:text-base-200 -translate-y-1/2">expand_more</span></div>',
            super().render(*args, **kwargs),
        )


class ListActions(ActionForm):
    action = forms.ChoiceField(label="", widget=ActionSelect())
    action.widget.attrs = ActionForm.base_fields["action"].widget.attrs


class FastAdmin(ModelAdmin):
    """Newest first unless a class says otherwise: the primary key has an index."""

    #: by what an index finds the newest rows
    newest: ClassVar[str] = "-pk"
    #: columns that a list reads, its own and of the rows that it names; (): all
    list_only: ClassVar[Sequence[str]] = ()
    #: what a page of one row asks of the rows that its columns name
    named_further: ClassVar[Sequence[str]] = ()
    ordering: ClassVar[Any] = ("-pk",)
    list_per_page = 25
    action_form = ListActions
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @cached_property
    def _filters(self) -> list[Any]:
        return [_cheap_filter(self.model, item) for item in self.list_filter]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return self._filters

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        others = (
            *self.raw_id_fields,
            *self.radio_fields,
            *self.get_autocomplete_fields(request),
        )
        if db_field.name not in others and "widget" not in kwargs:
            kwargs |= {"widget": AdminSelect(), "empty_label": gettext("Select value")}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def newest_values(self, request: HttpRequest) -> Mapping[str, set[Any]]:
        """Of each column with a filter `OfValue`, those of the newest rows: read for
        all of them together, once per request."""
        found: dict[str, set[Any]] | None = getattr(request, "_newest_values", None)
        if found is None:
            paths = [
                item[0]
                for item in self._filters
                if isinstance(item, tuple)
                and item[1] is OfValue
                and not item[0].endswith(PLATFORM)
            ]
            rows = self.get_queryset(request).order_by(self.newest)
            lines = rows.values_list(*paths)[:LOOKED_AT]
            columns = list(map(set, zip(*lines, strict=True))) or [set()] * len(paths)
            found = dict(zip(paths, columns, strict=True))
            request._newest_values = found  # type: ignore[attr-defined]
        return found

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """With the rows that its columns name, in the same query."""
        if from_field:
            return super().get_object(request, object_id, from_field)
        columns = flatten_fieldsets(self.get_fieldsets(request))
        named = [*_named(self.model, columns), *self.named_further]
        rows = self.get_queryset(request).select_related(*named)
        many = [f.name for f in self.model._meta.many_to_many if f.name in columns]
        rows = rows.prefetch_related(*many)
        try:
            return rows.get(pk=self.model._meta.pk.to_python(object_id))
        except (self.model.DoesNotExist, ValidationError, ValueError):
            return None

    def get_paginator(
        self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any
    ) -> BoundedPaginator:
        """The bound moves on with the page, so that each row can be reached."""
        # The history of a row is paged here, too.
        if self.list_only and queryset.model is self.model:
            queryset = queryset.only(*self.list_only)
        paginator = BoundedPaginator(queryset, *args, **kwargs)
        page = request.GET.get(PAGE_VAR, "")
        if page.isdecimal():
            paginator.bound += int(page) * self.list_per_page
        return paginator


def in_brands(model: type[models.Model], path: str, brands: Iterable[int]) -> Q:
    """Rows of these brands. path: lookup to the brand; "pk" is the brand itself.

    Asked row by row (EXISTS), so that the newest page is read along the primary key:
    SQLite would begin a join with the brands' rows, and sort all of them.
    """
    if path == "pk":
        return Q(pk__in=brands)
    step, _rest, rest = path.partition(LOOKUP_SEP)
    field: Any = model._meta.get_field(step)
    if field.one_to_many or field.many_to_many:
        some = model._default_manager.filter(**{f"{path}__in": brands})
        return Q(pk__in=some.values("pk"))
    near = field.related_model._default_manager.filter(pk=OuterRef(step))
    return Q(Exists(near.filter(**{f"{rest or 'pk'}__in": brands})))


class RoleAdmin(FastAdmin):
    """Pages for the Admin role; rows of the reader's own brands only.

    A page that cannot change its rows shows all their columns unless it names `fields`.

    brand_path: lookup from the model to its brand, "pk" for the brand itself; "" where
    rows belong to no brand.
    """

    brand_path: ClassVar[str] = ""
    #: secrets that no page needs, so they are not even decrypted
    deferred: ClassVar[Sequence[str]] = ()
    #: columns that are not shown, and what is shown besides them
    hidden: ClassVar[Sequence[str]] = ()
    more_fields: ClassVar[Sequence[str]] = ()
    tables: ClassVar[Sequence[type[Table]]] = ()
    can_add: ClassVar[bool] = False
    can_change: ClassVar[bool] = False
    can_delete: ClassVar[bool] = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_admin(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and is_admin(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_change and is_admin(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and is_admin(request.user)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.fields or self.can_change:
            return super().get_fields(request, obj)
        hidden = {*self.hidden, *self.deferred}
        columns = self.model._meta.fields
        shown = [f.name for f in columns if not f.auto_created]
        return [*(name for name in shown if name not in hidden), *self.more_fields]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        row = context.get("original")
        if row is not None:
            context["tables"] = [table(row, request) for table in self.tables]
        return super().render_change_form(request, context, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        reader: Any = request.user
        if self.brand_path and not reader.is_superuser:
            rows = rows.filter(self._of_brands(request))
        return rows.defer(*self.deferred)

    def _of_brands(self, request: HttpRequest) -> Q:
        """Each page asks for its rows several times."""
        kept: dict[type, Q] = request.__dict__.setdefault("_rows_of_brands", {})
        if type(self) not in kept:
            brands = [brand.pk for brand in brands_of(request)]
            kept[type(self)] = in_brands(self.model, self.brand_path, brands)
        return kept[type(self)]


class Table:
    """Rows that hang on the one that a page shows: to look at, below its columns.

    No inline of Django's: those make a form of each row, and fields of each form, of
    what nobody may change.
    """

    model: ClassVar[type[models.Model]]
    fields: ClassVar[Sequence[str]]
    ordering: ClassVar[Sequence[str]] = ()
    #: each row's name leads to its page in the admin
    has_links: ClassVar[bool] = False
    verbose_name_plural: ClassVar[Any] = ""

    #: who reads decides which rows there are
    is_of_reader: ClassVar[bool] = False

    def __init__(self, owner: models.Model, request: HttpRequest) -> None:
        self.owner, self.reader = owner, request.user

    @classmethod
    def seen_by(cls, reader: Any) -> QuerySet[Any]:
        """reader: None unless the table is of its reader; all else stays as it is when
        it is first asked."""
        rows: QuerySet[Any] = cls.model._default_manager.all()
        named = _named(cls.model, cls.fields)
        return rows.select_related(*named) if named else rows

    @cached_property
    def rows(self) -> list[Any]:
        asked = _hanging_on(type(self), type(self.owner))  # type: ignore[arg-type]
        if isinstance(asked, Seen):
            found = asked.objects(self.reader, self.owner.pk)
        else:
            found = asked.objects(self.owner.pk)
        key: Any = _get_foreign_key(type(self.owner), self.model)
        for row in found:
            setattr(row, key.name, self.owner)
        return found

    @property
    def title(self) -> str:
        return str(self.verbose_name_plural or self.model._meta.verbose_name_plural)


@cache
def _hanging_on(
    table: type[Table], owner: type[models.Model]
) -> FixedQuery[Any] | Seen[Any]:
    """The rows of such a table, by the key of the row that a page shows."""
    key: Any = _get_foreign_key(owner, table.model)

    def rows(reader: Any, pk: int) -> QuerySet[Any]:
        found = table.seen_by(reader).filter(**{key.name: pk})
        if table.ordering:
            return found.order_by(*table.ordering)
        return found if found.ordered else found.order_by("pk")

    if table.is_of_reader:
        return Seen(rows, AN_OWNER, for_all=True)
    return FixedQuery(lambda pk: rows(None, pk), AN_OWNER)


def run_verb(
    model_admin: Any,
    request: HttpRequest,
    rows: Iterable[Any],
    verb: Callable[[Any], None],
    done: str,
    refused: tuple[type[Exception], ...],
) -> None:
    """Call a verb on each row, write it down, and say how many took and refused it.

    done: "{n} cancelled".
    """
    good = bad = 0
    name = done.replace("{n}", "").strip()
    for row in rows:
        try:
            verb(row)
        except refused:
            bad += 1
        else:
            good += 1
            AuditEvent.write(request.user, f"admin: {name}", row)
    if good:
        model_admin.message_user(request, done.format(n=good), messages.SUCCESS)
    if bad:
        text = gettext("%(n)d left as they are: their state does not allow it.")
        model_admin.message_user(request, text % {"n": bad}, messages.WARNING)
