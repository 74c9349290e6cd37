"""The admin of signs of life, checks, incidents and alerts: to search and look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_pages import RoleAdmin, Table

from .models import (
    Alert,
    AlertChannel,
    AlertPreference,
    Answer,
    CheckResult,
    HealthDay,
    Heartbeat,
    HookAddress,
    HookSubscription,
    Incident,
    Intervention,
    Message,
    MetricSnapshot,
    NativeReading,
    PostComment,
    ReportMail,
    Watch,
    WebhookEvent,
    WeekFigures,
)

APP_SECRETS = ("app__client_secret", "app__hook_secret", "app__hook_token")
NO_TOKENS = ("credential__access_token", "credential__refresh_token")


@admin.register(Heartbeat)
class HeartbeatAdmin(RoleAdmin):
    ordering = ["name"]
    list_display = ["name", "host", "beat_at", "sent_at", "restarts", "restarted_at"]
    list_filter = ["host"]
    search_fields = ["name", "host"]


@admin.register(CheckResult)
class CheckResultAdmin(RoleAdmin):
    brand_path = "credential__accounts__brand"
    deferred = NO_TOKENS
    list_display = ["credential_name", "at", "verdict", "cause", "duration_ms"]
    list_select_related = ["credential"]
    list_filter = ["verdict", "cause", "at"]
    search_fields = ["credential__subject_name", "cause", "evidence"]

    @admin.display(description=_("credential"))
    def credential_name(self, row: CheckResult) -> str:
        return row.credential.subject_name or row.credential.subject_id


class AlertTable(Table):
    model = Alert
    #: no subject: it may name an account of a brand that the reader does not see
    fields = ["user", "channel", "kind", "created_at", "sent_at", "error"]
    is_of_reader = True

    @classmethod
    def seen_by(cls, reader: Any) -> QuerySet[Any]:
        seen = Alert.objects.within_sight_of(reader)
        named = seen.select_related("user", "channel")
        return named.defer("channel__url", "channel__secret")


@admin.register(Incident)
class IncidentAdmin(RoleAdmin):
    brand_path = "accounts__brand"
    deferred = NO_TOKENS
    list_display = ["__str__", "credential_name", "state", "opened_at", "resolved_at"]
    list_select_related = ["credential"]
    list_filter = ["state", "kind", "cause", "opened_at"]
    search_fields = ["dedup_key", "cause", "credential__subject_name"]
    tables = [AlertTable]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A platform's trouble names no account and concerns every brand."""
        all_rows = self.model._default_manager.filter(kind=Incident.Kind.BREAKER)
        return super().get_queryset(request) | all_rows.defer(*self.deferred)

    @admin.display(description=_("credential"))
    def credential_name(self, row: Incident) -> str:
        if row.credential is None:
            return "–"
        return row.credential.subject_name or row.credential.subject_id


@admin.register(Alert)
class AlertAdmin(RoleAdmin):
    deferred = ("channel__url", "channel__secret")
    list_display = ["subject", "user", "channel", "kind", "created_at", "sent_at"]
    list_select_related = ["user", "channel"]
    list_filter = ["kind", "sent_at", "created_at"]
    search_fields = ["subject", "body", "user__username"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        reader: Any = request.user
        return rows if reader.is_superuser else rows.filter(user=reader)


@admin.register(Message)
class MessageAdmin(RoleAdmin):
    list_display = ["subject", "user", "created_at", "sent_at", "read_at"]
    list_select_related = ["user"]
    list_filter = ["sent_at", "created_at"]
    search_fields = ["subject", "text", "user__username"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """One's own; who sees all brands sees all."""
        rows = super().get_queryset(request)
        reader: Any = request.user
        return rows if reader.is_superuser else rows.filter(user=reader)


@admin.register(AlertChannel)
class AlertChannelAdmin(RoleAdmin):
    """To look at; addresses and secrets are set on the page of channels."""

    deferred = ("url", "secret")
    ordering = ["name"]
    list_display = ["name", "kind", "brand", "is_active", "last_ok_at", "last_error"]
    list_select_related = ["brand"]
    list_filter = ["kind", "is_active"]
    search_fields = ["name"]
    fields = ["name", "kind", "brand", "is_active", "last_ok_at", "last_error"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        reader: Any = request.user
        if reader.is_superuser:
            return rows
        return rows.filter(Q(brand=None) | Q(brand__in=reader.brands.all()))


@admin.register(AlertPreference)
class AlertPreferenceAdmin(RoleAdmin):
    list_display = ["user", "mail", "quiet_from", "quiet_until", "digest_at"]
    list_select_related = ["user"]
    list_filter = ["mail"]
    search_fields = ["user__username"]


@admin.register(HealthDay)
class HealthDayAdmin(RoleAdmin):
    brand_path = "brand"
    list_display = ["brand", "day", "able", "ending", "broken", "unproven"]
    list_select_related = ["brand"]
    list_filter = ["is_derived", "brand", "day"]
    search_fields = ["brand__name"]


class OfDelivery(RoleAdmin):
    """Rows of one delivery, of the reader's brands."""

    brand_path = "delivery__post__brand"
    list_select_related = ["delivery", "delivery__post", "delivery__account"]


@admin.register(Watch)
class WatchAdmin(OfDelivery):
    list_display = ["delivery", "state", "read_at", "next_at", "gone_at"]
    list_filter = ["state", "cause"]
    search_fields = ["delivery__external_id", "cause", "detail"]


@admin.register(NativeReading)
class NativeReadingAdmin(RoleAdmin):
    """To look at: whether the posts of an account are read, and what is in the way."""

    brand_path = "account__brand"
    list_display = ["account", "state", "read_at", "next_at", "undecided"]
    list_select_related = ["account"]
    list_filter = ["state", "cause", "account__platform"]
    search_fields = ["account__name", "cause", "detail"]


@admin.register(MetricSnapshot)
class MetricSnapshotAdmin(OfDelivery):
    list_display = ["delivery", "at", "values"]
    list_filter = ["delivery__account__platform", "at"]
    search_fields = ["delivery__external_id"]


@admin.register(PostComment)
class PostCommentAdmin(OfDelivery):
    list_display = ["delivery", "author", "published_at", "is_hidden", "read_at"]
    list_filter = ["is_hidden", "delivery__account__platform"]
    search_fields = ["author", "text", "external_id"]


@admin.register(Answer)
class AnswerAdmin(OfDelivery):
    """To look at: what becomes of an answer is decided by its verbs."""

    list_display = ["delivery", "author", "state", "created_at", "sent_at", "tries"]
    list_select_related = [*OfDelivery.list_select_related, "author"]
    list_filter = ["state", "cause"]
    search_fields = ["text", "external_id", "comment_id"]


@admin.register(Intervention)
class InterventionAdmin(OfDelivery):
    """To look at: what becomes of it is decided by its verbs."""

    list_display = ["delivery", "kind", "author", "state", "created_at", "done_at"]
    list_select_related = [*OfDelivery.list_select_related, "author"]
    list_filter = ["kind", "state", "cause"]
    search_fields = ["comment_id", "delivery__external_id"]


@admin.register(WebhookEvent)
class WebhookEventAdmin(RoleAdmin):
    """To look at: whether events arrive, and what they were about."""

    deferred = APP_SECRETS
    list_display = ["app", "what", "object_id", "received_at", "handled_at"]
    list_select_related = ["app"]
    list_filter = ["what", "app__platform", "received_at"]
    search_fields = ["object_id", "account_id_there"]


@admin.register(HookAddress)
class HookAddressAdmin(RoleAdmin):
    """To look at: whether a platform reaches us at all."""

    deferred = APP_SECRETS
    list_display = ["app", "asked_at", "received_at", "refused_at", "refused_why"]
    list_select_related = ["app"]
    list_filter = ["app__platform"]
    search_fields = ["refused_why"]


@admin.register(HookSubscription)
class HookSubscriptionAdmin(RoleAdmin):
    """To look at: for which accounts events were granted, and until when."""

    brand_path = "account__brand"
    list_display = ["account", "granted_at", "ends_at", "next_at", "tries"]
    list_select_related = ["account"]
    list_filter = ["account__platform"]
    search_fields = ["account__name"]


@admin.register(WeekFigures)
class WeekFiguresAdmin(RoleAdmin):
    """Counted every hour; read on the page "Reliability"."""

    brand_path = "brand"
    list_display = ["brand", "week", "network", "due", "on_time", "late", "failed"]
    list_select_related = ["brand"]
    list_filter = ["network", "brand", "week"]
    search_fields = ["brand__name"]


@admin.register(ReportMail)
class ReportMailAdmin(RoleAdmin):
    brand_path = "user__brands"
    list_display = ["user", "is_on", "weekday", "at", "brand", "next_at", "sent_at"]
    list_select_related = ["user", "brand"]
    list_filter = ["is_on", "weekday"]
    search_fields = ["user__username"]
