"""The admin of brands, apps and accounts, and the rules that every admin page keeps."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget

from . import breakers
from .admin_pages import RoleAdmin, Table
from .models import (
    AuditEvent,
    Brand,
    CampaignItem,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    DataRequest,
    PendingConnection,
    PlatformApp,
    Profile,
    RateBucket,
    ReconnectCampaign,
    ReconnectLink,
    RefreshAttempt,
)
from .permissions import group_of
from .zones import zone_names


def known_zone(name: str) -> str:
    if name and name not in zone_names():
        raise forms.ValidationError(
            gettext("Unknown zone. Write one such as Europe/Berlin.")
        )
    return name


@admin.register(Brand)
class BrandAdmin(RoleAdmin):
    brand_path = "pk"
    can_add = can_change = True
    ordering = ["name"]
    list_display = ["name", "time_zone", "created_at"]
    search_fields = ["name"]
    list_filter = ["time_zone"]
    # Whoever changes it is asked on the brand's page what becomes of scheduled posts.
    readonly_fields = ["approval_steps", "created_at"]

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        if not change:
            form.instance.members.add(request.user)


class ProfileForm(forms.ModelForm[Profile]):
    class Meta:
        model = Profile
        fields = ["user", "time_zone"]

    def clean_time_zone(self) -> str:
        return known_zone(self.cleaned_data["time_zone"])


@admin.register(Profile)
class ProfileAdmin(RoleAdmin):
    form = ProfileForm
    can_change = True
    list_display = ["user", "time_zone"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "time_zone"]
    list_filter = ["time_zone"]
    readonly_fields = ["user"]


class PlatformAppForm(forms.ModelForm[PlatformApp]):
    """The secret can be written and never read."""

    new_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=_("Leave empty to keep the stored one."),
    )

    class Meta:
        model = PlatformApp
        fields = [
            "platform",
            "network",
            "instance_url",
            "client_id",
            "new_secret",
            "state",
            "api_version",
            "granted_scopes",
            "may_mention",
            "hosts",
        ]

    def clean_hosts(self) -> dict[str, str]:
        """name -> https address, or one of the private hosts that may be called."""
        hosts = self.cleaned_data["hosts"]
        if not isinstance(hosts, dict) or not all(map(can_be_called, hosts.values())):
            raise forms.ValidationError(
                gettext(
                    'Write names and https addresses, such as {"api": '
                    '"https://api.example.com"}.'
                )
            )
        return hosts


def can_be_called(address: Any) -> bool:
    if not isinstance(address, str):
        return False
    parts = urlsplit(address)
    if parts.netloc in settings.ALLOWED_PRIVATE_HOSTS:
        return parts.scheme in {"http", "https"}
    return parts.scheme == "https" and bool(parts.hostname)


@admin.register(PlatformApp)
class PlatformAppAdmin(RoleAdmin):
    form = PlatformAppForm
    can_add = can_change = can_delete = True
    deferred = ("client_secret", "hook_secret", "hook_token")
    ordering = ["platform", "network", "instance_url"]
    list_display = ["__str__", "platform", "network", "state", "api_version"]
    list_filter = ["platform", "network", "state"]
    search_fields = ["platform", "instance_url", "client_id"]
    readonly_fields = ["permission_lines", "facts_at", "created_at"]

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        app = super().get_object(request, *args, **kwargs)
        if app is not None:
            app.shown_to = request.user
        return app

    @admin.display(description=_("permissions"))
    def permission_lines(self, app: PlatformApp) -> str:
        """The registry's lines of this app; reviews are entered on a page of its own."""
        reader = getattr(app, "shown_to", None)
        group = group_of(app, reader) if reader and app.pk else None
        if group is None:
            return "–"
        return format_html_join(
            mark_safe("<br>"),
            "<b>{}</b>: {}; {} / {}. {}",
            (
                (
                    line.scope.name,
                    line.review.words if line.review else "–",
                    line.lacking,
                    line.known,
                    line.sentence,
                )
                for line in group.lines
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """An app serves all brands, and these say where their tokens are sent to."""
        reader: Any = request.user
        if obj is None or reader.is_superuser:
            return self.readonly_fields
        where = ["platform", "network", "instance_url", "hosts"]
        return [*self.readonly_fields, *where]

    def save_model(
        self, request: HttpRequest, obj: PlatformApp, form: Any, change: bool
    ) -> None:
        if secret := form.cleaned_data.get("new_secret"):
            obj.client_secret = secret
        super().save_model(request, obj, form, change)


class RefreshAttemptTable(Table):
    model = RefreshAttempt
    fields = ["started_at", "finished_at", "outcome", "cause", "detail"]
    verbose_name_plural = _("refreshes")
    ordering = ["-started_at"]


@admin.register(Credential)
class CredentialAdmin(RoleAdmin):
    brand_path = "accounts__brand"
    deferred = (
        "access_token",
        "refresh_token",
        "app__client_secret",
        "app__hook_secret",
        "app__hook_token",
    )
    list_display = [
        "__str__",
        "kind",
        "state",
        "cause",
        "proven_at",
        "next_proof_at",
        "expires_at",
    ]
    list_select_related = ["app"]
    list_filter = ["state", "app__platform", "app__network", "kind"]
    search_fields = ["subject_name", "subject_id", "cause"]
    # Named one by one, so that a new column cannot show by itself: tokens, and what a
    # platform's client keeps beside them, are not here.
    fields = [
        "app",
        "parent",
        "kind",
        "subject_id",
        "subject_name",
        "state",
        "cause",
        "detail",
        "broken_at",
        "granted_scopes",
        "abilities",
        "issued_at",
        "expires_at",
        "refresh_expires_at",
        "renewal_refused_at",
        "refresh_after",
        "proven_at",
        "looked_at",
        "next_proof_at",
        "connected_by",
        "connected_at",
    ]
    tables = [RefreshAttemptTable]
    actions = ["check_now"]

    @admin.action(description=_("Check now"))
    def check_now(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        """The next run of the health checks takes them first."""
        pks = list(queryset.values_list("pk", flat=True))
        living = Credential.objects.filter(pk__in=pks).exclude(
            state=Credential.State.DISCONNECTED
        )
        count = living.update(next_proof_at=timezone.now())
        text = gettext("%(n)d will be checked within a minute.") % {"n": count}
        self.message_user(request, text, messages.SUCCESS)
        if count < len(pks):
            text = gettext("%(n)d are disconnected and were left out.")
            self.message_user(request, text % {"n": len(pks) - count}, messages.WARNING)


@admin.register(ConnectedAccount)
class ConnectedAccountAdmin(RoleAdmin):
    """Connecting, reconnecting and disconnecting have pages of their own."""

    brand_path = "brand"
    deferred = ("credential__access_token", "credential__refresh_token")
    can_change = True
    ordering = ["platform", "name"]
    list_display = [
        "name",
        "platform",
        "network",
        "brand",
        "health_word",
        "owner",
        "connected_at",
    ]
    list_select_related = ["brand", "credential", "owner"]
    list_filter = [
        "platform",
        "network",
        "brand",
        "credential__state",
        "owner",
    ]
    search_fields = ["name", "handle", "external_id"]
    fields = [
        "name",
        "handle",
        "platform",
        "network",
        "brand",
        "owner",
        "deputy",
        "credential",
        "kind",
        "external_id",
        "url",
        "server_limits",
        "trouble",
        "trouble_detail",
        "trouble_at",
        "connected_at",
        "disconnected_at",
    ]
    readonly_fields = [name for name in fields if name not in {"owner", "deputy"}]

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in {"owner", "deputy"}:
            people = db_field.related_model._default_manager
            people = people.filter(is_active=True)
            reader: Any = request.user
            if not reader.is_superuser:
                people = people.filter(brands__members=reader.pk).distinct()
            kwargs["queryset"] = people.only("username").order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("health"))
    def health_word(self, row: ConnectedAccount) -> str:
        words = {
            "healthy": gettext("Able to post"),
            "broken": gettext("Reconnect needed"),
            "disconnected": gettext("Disconnected"),
        }
        return words[row.health]


@admin.register(PendingConnection)
class PendingConnectionAdmin(RoleAdmin):
    deferred = ("grant", "app__client_secret", "app__hook_secret", "app__hook_token")
    list_display = ["id", "user", "app", "brand", "created_at", "expires_at"]
    list_select_related = ["user", "app", "brand"]
    list_filter = ["app__platform"]
    search_fields = ["user__username"]
    fields = ["user", "app", "brand", "account", "created_at", "expires_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        reader: Any = request.user
        return rows if reader.is_superuser else rows.filter(user=reader)


@admin.register(RefreshAttempt)
class RefreshAttemptAdmin(RoleAdmin):
    brand_path = "credential__accounts__brand"
    deferred = ("credential__access_token", "credential__refresh_token")
    list_display = ["credential_name", "started_at", "finished_at", "outcome", "cause"]
    list_select_related = ["credential"]
    list_filter = ["outcome", "cause", "started_at"]
    search_fields = ["credential__subject_name", "cause"]
    fields = ["credential", "started_at", "finished_at", "outcome", "cause", "detail"]

    @admin.display(description=_("credential"))
    def credential_name(self, row: RefreshAttempt) -> str:
        return row.credential.subject_name or row.credential.subject_id


@admin.register(ReconnectCampaign)
class ReconnectCampaignAdmin(RoleAdmin):
    brand_path = "items__account__brand"
    list_display = ["name", "brand", "created_by", "created_at", "closed_at"]
    list_select_related = ["brand", "created_by"]
    list_filter = ["closed_at", "brand"]
    search_fields = ["name"]
    fields = [
        "name",
        "brand",
        "created_by",
        "created_at",
        "remind_every_days",
        "closed_at",
    ]


@admin.register(CampaignItem)
class CampaignItemAdmin(RoleAdmin):
    brand_path = "account__brand"
    list_display = ["account", "campaign", "person", "state", "asked_at", "done_at"]
    list_select_related = ["account", "campaign", "person"]
    list_filter = ["state"]
    search_fields = ["account__name", "campaign__name", "person__username"]
    fields = [
        "campaign",
        "account",
        "person",
        "state",
        "asked_at",
        "reminded_at",
        "reminders",
        "handed_over_at",
        "done_at",
    ]


@admin.register(ReconnectLink)
class ReconnectLinkAdmin(RoleAdmin):
    brand_path = "account__brand"
    deferred = ("secret_hash",)
    list_display = ["account", "person", "email", "created_at", "expires_at", "used_at"]
    list_select_related = ["account", "person"]
    list_filter = ["used_at", "withdrawn_at"]
    search_fields = ["account__name", "email", "person__username"]
    fields = [
        "account",
        "created_by",
        "person",
        "email",
        "created_at",
        "expires_at",
        "sent_at",
        "send_error",
        "opened_at",
        "used_at",
        "withdrawn_at",
    ]


@admin.register(DataRequest)
class DataRequestAdmin(RoleAdmin):
    """What a platform told us of people who left: it concerns no single brand."""

    list_display = ["platform", "kind", "code", "received_at", "done_at"]
    list_filter = ["platform", "kind", "done_at"]
    search_fields = ["code", "subject_id"]
    fields = [
        "platform",
        "kind",
        "subject_id",
        "code",
        "received_at",
        "done_at",
        "result",
    ]


def of_own_brands(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """Rows with a `subject`: platforms and apps concern everybody, tokens and accounts
    belong to brands."""
    reader: Any = request.user
    if reader.is_superuser:
        return rows
    accounts = ConnectedAccount.objects.visible_to(reader)
    mine = accounts.exclude(credential=None).values_list("pk", "credential_id")
    own = [f"account:{pk}" for pk, _token in mine]
    own += [f"token:{token}" for _pk, token in mine]
    private = models.Q(subject__startswith="token:") | models.Q(
        subject__startswith="account:"
    )
    return rows.exclude(private & ~models.Q(subject__in=own))


@admin.register(RateBucket)
class RateBucketAdmin(RoleAdmin):
    """To look at; a size is set on the page Limits, where its effect is shown."""

    ordering = ["platform", "key", "subject"]
    list_display = [
        "__str__",
        "used",
        "started_at",
        "resets_at",
        "size_told",
        "size_set",
    ]
    list_filter = ["platform", "changed_at"]
    search_fields = ["platform", "key", "subject"]
    fields = [
        "platform",
        "key",
        "subject",
        "used",
        "started_at",
        "opened_by",
        "resets_at",
        "size_told",
        "size_set",
        "set_by",
        "set_at",
        "set_reason",
        "changed_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return of_own_brands(super().get_queryset(request), request)


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(RoleAdmin):
    ordering = ["platform", "subject"]
    list_display = ["__str__", "state", "cause", "opened_at", "retry_at", "open_count"]
    list_filter = ["state", "platform", "cause"]
    search_fields = ["platform", "subject", "cause", "detail"]
    fields = [
        "platform",
        "subject",
        "state",
        "cause",
        "detail",
        "opened_at",
        "retry_at",
        "trial_at",
        "looked_at",
        "closed_at",
        "open_count",
        "changed_at",
    ]
    actions = ["try_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return of_own_brands(super().get_queryset(request), request)

    @admin.action(description=_("Try again now"))
    def try_now(self, request: HttpRequest, queryset: QuerySet[CircuitBreaker]) -> None:
        rows = list(queryset)
        count = sum(breakers.try_now(row, request.user) for row in rows)
        if count:
            text = gettext("%(n)d will be tried with the next post that is due.")
            self.message_user(request, text % {"n": count}, messages.SUCCESS)
        if count < len(rows):
            text = gettext("%(n)d left as they are: nothing waits for a later trial.")
            text %= {"n": len(rows) - count}
            self.message_user(request, text, messages.WARNING)


@admin.register(AuditEvent)
class AuditEventAdmin(RoleAdmin):
    # Keys are drawn by lot.
    newest = "-at"
    ordering = ["-at"]
    list_display = ["at", "actor", "verb", "target_text", "target_type"]
    list_select_related = ["actor"]
    list_filter = ["verb", "target_type", "actor", "at"]
    search_fields = ["verb", "target_text", "target_id", "actor__username"]
    fields = [
        "at",
        "actor",
        "verb",
        "target_type",
        "target_id",
        "target_text",
        "detail",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Events name rows of all brands: whoever sees not all sees their own deeds."""
        rows = super().get_queryset(request)
        reader: Any = request.user
        return rows if reader.is_superuser else rows.filter(actor=reader)
