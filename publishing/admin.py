"""The admin of posts and deliveries: to search and look; the verbs are actions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.utils import display_for_label

from accounts.admin_pages import RoleAdmin, Table, run_verb

from . import approving, desk
from .models import (
    Approval,
    Attempt,
    BulkChange,
    Care,
    Delivery,
    Import,
    ImportRow,
    InvalidTransition,
    Job,
    Judgement,
    Label,
    LeftUpload,
    LinkFacts,
    LinkRule,
    MediaAsset,
    NativePost,
    Note,
    PartMedia,
    Post,
    PostMedia,
    Pump,
    Queue,
    QueueSlot,
    Remark,
    Review,
    SavedView,
    Series,
    Snippet,
    StaleState,
    Stop,
    Upload,
    Variant,
)

REFUSED = (InvalidTransition, StaleState)


class VariantTable(Table):
    model = Variant
    fields = ["platform", "text", "options"]


class PostMediaTable(Table):
    model = PostMedia
    fields = ["position", "asset", "alt_text"]


class DeliveryTable(Table):
    model = Delivery
    fields = ["account", "status", "due_at", "published_at", "permalink"]
    has_links = True


@admin.register(Post)
class PostAdmin(RoleAdmin):
    """Written and changed in the composer, which runs the platforms' checks."""

    brand_path = "brand"
    list_display = ["__str__", "brand", "author", "state", "due_at", "zone"]
    list_select_related = ["brand", "author"]
    list_filter = ["state", "brand", "author", "due_at"]
    search_fields = ["text", "link_url", "author__username"]
    more_fields = ["accounts"]
    #: a series is called like its pattern
    named_further = ["series__pattern"]
    tables = [VariantTable, PostMediaTable, DeliveryTable]


@admin.register(Variant)
class VariantAdmin(RoleAdmin):
    brand_path = "post__brand"
    list_display = ["post", "platform", "text"]
    list_select_related = ["post"]
    list_filter = ["platform"]
    search_fields = ["text", "post__text"]
    fields = ["post", "platform", "text", "options"]


@admin.register(MediaAsset)
class MediaAssetAdmin(RoleAdmin):
    brand_path = "brand"
    can_change = True
    list_display = ["name", "brand", "kind", "mime_type", "size_bytes", "details"]
    list_select_related = ["brand"]
    list_filter = ["kind", "mime_type", "brand"]
    search_fields = ["name", "alt_text", "sha256"]
    fields = [
        "name",
        "alt_text",
        "brand",
        "kind",
        "mime_type",
        "size_bytes",
        "width",
        "height",
        "facts",
        "sha256",
        "uploaded_by",
        "created_at",
    ]
    readonly_fields = [name for name in fields if name not in {"name", "alt_text"}]

    def save_model(
        self, request: HttpRequest, obj: MediaAsset, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if "alt_text" in form.changed_data:
            approving.file_described(request.user, obj)


@admin.register(PostMedia)
class PostMediaAdmin(RoleAdmin):
    brand_path = "post__brand"
    list_display = ["post", "position", "asset", "alt_text"]
    list_select_related = ["post", "asset"]
    list_filter = ["position"]
    search_fields = ["alt_text", "asset__name", "post__text"]
    fields = ["post", "asset", "position", "alt_text"]


@admin.register(PartMedia)
class PartMediaAdmin(RoleAdmin):
    brand_path = "variant__post__brand"
    list_display = ["variant", "part", "position", "asset", "alt_text"]
    list_select_related = ["variant", "asset"]
    list_filter = ["part"]
    search_fields = ["alt_text", "asset__name", "variant__post__text"]
    fields = ["variant", "part", "asset", "position", "alt_text"]


class AttemptTable(Table):
    model = Attempt
    fields = [
        "number",
        "kind",
        "opened_at",
        "closed_at",
        "outcome",
        "cause",
        "step",
        "http_status",
        "request_id",
    ]
    has_links = True


STATE_COLOURS = {
    Delivery.Status.PUBLISHED: "success",
    Delivery.Status.FAILED: "danger",
    Delivery.Status.HELD: "warning",
    Delivery.Status.UNCERTAIN: "warning",
    Delivery.Status.SCHEDULED: "info",
}


@lru_cache(maxsize=100)
def _state(status: str, language: str | None) -> str:
    """As a label of unfold's, which is a template for each. language: the active one."""
    word = str(Delivery.Status(status).label)
    if status not in STATE_COLOURS:
        return display_for_label(word, "", True)
    return display_for_label((status, word), "", STATE_COLOURS)


@admin.register(Delivery)
class DeliveryAdmin(RoleAdmin):
    brand_path = "post__brand"
    list_display = [
        "__str__",
        "state",
        "due_at",
        "hold",
        "cause",
        "next_attempt_at",
        "published_at",
        "attempt_count",
    ]
    list_select_related = ["post", "account"]
    list_only = [
        "status",
        "due_at",
        "hold",
        "cause",
        "next_attempt_at",
        "published_at",
        "attempt_count",
        "post__text",
        "post__link_url",
        "account__name",
        "account__platform",
    ]
    list_filter = [
        "status",
        "hold",
        "account__platform",
        "cause",
        "post__brand",
        "due_at",
    ]
    search_fields = [
        "post__text",
        "account__name",
        "permalink",
        "external_id",
        "marker",
    ]
    # What steps stored may hold upload addresses that work without a sign-in.
    hidden = ["witness", "fingerprint"]
    tables = [AttemptTable]
    actions = ["cancel", "send_again", "dismiss"]

    @display(description=_("status"), ordering="status")
    def state(self, row: Delivery) -> str:
        return _state(row.status, get_language())

    @admin.action(description=_("Cancel"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        done = gettext("{n} cancelled")
        run_verb(self, request, queryset, Delivery.cancel, done, REFUSED)

    @admin.action(description=_("Send again"))
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """As the failure desk does: five minutes apart per account, none that is too late."""
        pks = queryset.values_list("pk", flat=True)
        sent = desk.send_again(request.user, pks, include_late=False)
        if sent.sent:
            text = gettext("%(n)d sent again") % {"n": sent.sent}
            self.message_user(request, text, messages.SUCCESS)
        if sent.late:
            text = gettext(
                "%(n)d are past their useful time; decide on each one's own page."
            )
            self.message_user(request, text % {"n": sent.late}, messages.WARNING)
        if sent.refused:
            text = gettext(
                "%(n)d left as they are: not failed, or to be changed before they go."
            )
            self.message_user(request, text % {"n": sent.refused}, messages.WARNING)

    @admin.action(description=_("Dismiss: off the failure desk"))
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        done = gettext("{n} dismissed")
        run_verb(self, request, queryset, Delivery.dismiss, done, REFUSED)


@admin.register(Attempt)
class AttemptAdmin(RoleAdmin):
    brand_path = "delivery__post__brand"
    list_display = [
        "__str__",
        "kind",
        "opened_at",
        "closed_at",
        "outcome",
        "cause",
        "step",
        "http_status",
        "request_id",
    ]
    list_select_related = ["delivery"]
    list_filter = [
        "kind",
        "outcome",
        "cause",
        "delivery__account__platform",
        "opened_at",
    ]
    search_fields = ["request_id", "code", "detail", "delivery__post__text"]


@admin.register(Care)
class CareAdmin(RoleAdmin):
    """Given and put aside on the failure desk."""

    brand_path = "delivery__post__brand"
    list_display = ["__str__", "assignee", "snoozed_until"]
    list_select_related = ["assignee"]
    list_filter = ["assignee", "snoozed_until"]
    search_fields = ["delivery__post__text", "assignee__username"]


@admin.register(Judgement)
class JudgementAdmin(RoleAdmin):
    """Which scheduled posts will go, as pages believe it."""

    brand_path = "delivery__post__brand"
    ordering = ["pk"]
    list_display = ["__str__", "judged_at", "due_at", "root"]
    list_filter = ["judged_at"]
    search_fields = ["root", "delivery__post__text"]


@admin.register(LeftUpload)
class LeftUploadAdmin(RoleAdmin):
    brand_path = "delivery__post__brand"
    list_display = ["__str__", "state", "noted_at", "next_at", "ended_at", "cause"]
    list_select_related = ["delivery"]
    list_filter = ["state", "cause", "delivery__account__platform", "noted_at"]
    search_fields = ["external_id", "delivery__post__text"]


@admin.register(Note)
class NoteAdmin(RoleAdmin):
    brand_path = "delivery__post__brand"
    list_display = ["__str__", "author", "at"]
    list_select_related = ["author"]
    list_filter = ["author", "at"]
    search_fields = ["text", "author__username"]


@admin.register(Label)
class LabelAdmin(RoleAdmin):
    brand_path = "brand"
    ordering = ["name"]
    list_display = ["name", "brand"]
    list_select_related = ["brand"]
    list_filter = ["brand"]
    search_fields = ["name"]


@admin.register(SavedView)
class SavedViewAdmin(RoleAdmin):
    """Kept on the calendar and on the list of posts."""

    list_display = ["name", "page", "person", "brand", "created_at"]
    list_select_related = ["person", "brand"]
    list_filter = ["page", "brand"]
    search_fields = ["name", "person__username"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedView]:
        """One's own, and those that are shared with one's brands."""
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        seen = SavedView.objects.visible_to(request.user)
        return rows.filter(pk__in=seen.values("pk"))


@admin.register(Queue)
class QueueAdmin(RoleAdmin):
    """Made and filled on the page "Queues"."""

    brand_path = "brand"
    ordering = ["name"]
    list_display = ["name", "brand", "zone"]
    list_select_related = ["brand"]
    list_filter = ["brand"]
    search_fields = ["name"]
    more_fields = ["accounts"]


@admin.register(Snippet)
class SnippetAdmin(RoleAdmin):
    """Written on the page "Texts and links"."""

    brand_path = "brand"
    ordering = ["kind", "name"]
    list_display = ["name", "kind", "brand"]
    list_select_related = ["brand"]
    list_filter = ["kind", "brand"]
    search_fields = ["name", "text"]


@admin.register(LinkRule)
class LinkRuleAdmin(RoleAdmin):
    brand_path = "brand"
    list_display = ["brand", "is_on", "source", "medium", "campaign", "only_own"]
    list_select_related = ["brand"]
    list_filter = ["is_on", "brand"]
    search_fields = ["brand__name", "campaign"]


@admin.register(LinkFacts)
class LinkFactsAdmin(RoleAdmin):
    """Of links in posts of all brands, so for who sees all brands."""

    list_display = ["title", "url", "asked_at", "read_at", "trouble"]
    list_filter = ["trouble", "has_picture"]
    search_fields = ["url", "title"]
    hidden = ["picture", "card"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LinkFacts]:
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.none()


@admin.register(Review)
class ReviewAdmin(RoleAdmin):
    """Decided on the page "Waiting for me" and on the post's own."""

    brand_path = "post__brand"
    list_display = ["post", "state", "is_current", "asked_by", "asked_at", "decided_at"]
    list_select_related = ["post", "asked_by"]
    list_filter = ["state", "is_current", "post__brand"]
    search_fields = ["post__text"]


@admin.register(Approval)
class ApprovalAdmin(RoleAdmin):
    brand_path = "review__post__brand"
    list_display = ["review", "person", "step", "at"]
    list_select_related = ["review", "person"]
    list_filter = ["step", "person"]
    search_fields = ["review__post__text", "person__username"]


@admin.register(Remark)
class RemarkAdmin(RoleAdmin):
    brand_path = "post__brand"
    list_display = ["__str__", "kind", "post", "author", "at"]
    list_select_related = ["post", "author"]
    list_filter = ["kind", "author"]
    search_fields = ["text", "post__text"]


@admin.register(QueueSlot)
class QueueSlotAdmin(RoleAdmin):
    brand_path = "queue__brand"
    list_display = ["queue", "weekday", "wall"]
    list_select_related = ["queue"]
    list_filter = ["weekday"]
    search_fields = ["queue__name"]


@admin.register(Series)
class SeriesAdmin(RoleAdmin):
    """Begun, changed and ended on the pages of series."""

    brand_path = "brand"
    list_display = ["__str__", "kind", "brand", "author", "first_on", "last_on", "zone"]
    list_select_related = ["brand", "author", "pattern"]
    list_filter = ["kind", "brand"]
    search_fields = ["pattern__text", "author__username"]


@admin.register(Upload)
class UploadAdmin(RoleAdmin):
    """Files on their way in; they come and go with the browsers that send them."""

    brand_path = "brand"
    list_display = ["name", "user", "brand", "size_bytes", "received_bytes", "asset"]
    list_select_related = ["user", "brand", "asset"]
    list_filter = ["brand", "changed_at"]
    search_fields = ["name", "user__username"]
    hidden = ["mark"]


@admin.register(Job)
class JobAdmin(RoleAdmin):
    """Asked for, watched and cancelled on the page "Work in progress"."""

    list_display = ["__str__", "person", "brand", "state", "done", "total", "turn_at"]
    list_select_related = ["person", "brand"]
    list_filter = ["kind", "state", "created_at"]
    search_fields = ["person__username", "problem"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """One's own, and those of one's brands."""
        rows: QuerySet[Job] = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        seen = Q(person=request.user.pk) | Q(brand__members=request.user.pk)
        return rows.filter(pk__in=Job.objects.filter(seen).values("pk"))


@admin.register(BulkChange)
class BulkChangeAdmin(RoleAdmin):
    """What was done with many posts at once; taken back on the page of its run."""

    brand_path = "post__brand"
    list_display = ["__str__", "post", "kind", "state", "done_at"]
    list_select_related = ["post"]
    list_filter = ["kind", "state", "done_at"]
    search_fields = ["post__text", "note"]


@admin.register(Import)
class ImportAdmin(RoleAdmin):
    """Sent, looked at, written and undone on the page "Import"."""

    brand_path = "brand"
    list_display = ["name", "person", "brand", "state", "size_bytes", "created_at"]
    list_select_related = ["person", "brand"]
    list_filter = ["state", "brand", "created_at"]
    search_fields = ["name", "person__username"]


@admin.register(ImportRow)
class ImportRowAdmin(RoleAdmin):
    brand_path = "table__brand"
    list_display = ["__str__", "state", "becomes", "due_at", "post"]
    list_select_related = ["table", "post"]
    list_filter = ["state"]
    search_fields = ["table__name"]


@admin.register(Pump)
class PumpAdmin(RoleAdmin):
    list_display = ["__str__", "started_at", "beat_at", "ended_at", "handled"]
    list_filter = ["host"]
    search_fields = ["host"]


@admin.register(Stop)
class StopAdmin(RoleAdmin):
    """Started and ended on the page "Emergency stop"."""

    list_display = [
        "__str__",
        "scope",
        "started_by",
        "started_at",
        "ended_by",
        "ended_at",
    ]
    list_select_related = ["brand", "account", "started_by", "ended_by"]
    list_filter = ["scope", "platform", "brand", "started_at"]
    search_fields = ["reason", "brand__name", "account__name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stop]:
        rows: QuerySet[Stop] = super().get_queryset(request)
        seen = Stop.objects.visible_to(request.user)
        return rows.filter(pk__in=seen.values("pk"))


@admin.register(NativePost)
class NativePostAdmin(RoleAdmin):
    """To look at: it is what the networks told last."""

    brand_path = "account__brand"
    list_display = ["account", "text", "posted_at", "seen_at"]
    list_select_related = ["account"]
    list_filter = ["account__platform", "posted_at"]
    search_fields = ["text", "external_id", "account__name"]
