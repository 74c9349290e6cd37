"""Every page that a signed-in person can open, and with which rows.

A new page stands in `SHELL`, or in `NOT_PAGES` with the reason; pages of the admin are
found by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import (
    Brand,
    ConnectedAccount,
    Credential,
    DataRequest,
    PlatformApp,
    ReconnectCampaign,
)
from monitoring.models import AlertChannel, Incident
from publishing import bulk_runs, bulk_undo
from publishing.models import (
    Delivery,
    Import,
    Job,
    LinkFacts,
    MediaAsset,
    Post,
    Queue,
    Series,
    Snippet,
)

Status = Delivery.Status


@dataclass(frozen=True)
class Address:
    """One page as it is asked for. name: the address's own name and query.

    for_root: only superusers get in.
    """

    name: str
    url: str
    for_root: bool = False


@dataclass(frozen=True)
class Page:
    """keys: what stands in the address; queries: with each of them the page is another.

    more: what is asked besides each of the queries. also: the same page of other rows,
    of which it shows other things.
    """

    keys: Callable[[], Mapping[str, Any]] = dict
    queries: tuple[str, ...] = ("",)
    also: Mapping[str, Callable[[], Mapping[str, Any]]] = field(default_factory=dict)
    more: Callable[[str], Mapping[str, str]] = lambda _query: {}


def newest(model: type[Model], **of: Any) -> Any:
    """LookupError: there is none, so the page cannot be opened."""
    row = model._default_manager.filter(**of).order_by("-pk").first()
    if row is None:
        raise LookupError(f"no {model._meta.label} with {of}")
    return row


def pk_of(model: type[Model], **of: Any) -> Callable[[], Mapping[str, Any]]:
    return lambda: {"pk": newest(model, **of).pk}


def visible_period(query: str) -> dict[str, str]:
    """What the calendar asks for: its month view five weeks from this Monday on, the
    others the week that begins tomorrow, as the posts to come do."""
    today = timezone.localdate()
    if query == "view=month":
        start, days = today - timedelta(days=today.weekday()), 35
    else:
        start, days = today + timedelta(days=1), 7
    end = start + timedelta(days=days)
    return {"start": start.isoformat(), "end": end.isoformat()}


def _tomorrow(_query: str) -> dict[str, str]:
    return {"day": (timezone.localdate() + timedelta(days=1)).isoformat()}


def _a_size(_query: str) -> dict[str, str]:
    account = newest(ConnectedAccount, platform="x")
    subject = f"account:{account.pk}"
    return {"platform": "x", "key": "GET /2/tweets:user", "subject": subject}


healthy = pk_of(
    ConnectedAccount, credential__state=Credential.State.ACTIVE, platform="mastodon"
)
scheduled = pk_of(
    Post, deliveries__status=Status.SCHEDULED, series=None, local_date__isnull=False
)
failed = pk_of(Delivery, status=Status.FAILED, dismissed_at=None)
repeated = pk_of(Post, series__isnull=False)

SHELL: dict[str, Page] = {
    "home": Page(),
    "profile": Page(),
    "system_check": Page(),
    "people": Page(),
    "person_add": Page(),
    "person_edit": Page(lambda: {"pk": newest(Brand).members.first().pk}),
    "brands": Page(),
    "brand_add": Page(),
    "brand_edit": Page(pk_of(Brand)),
    "fire_drill": Page(),
    "first_post": Page(),
    "calendar": Page(queries=("", "view=week", "view=list", "plain=1")),
    "calendar_posts": Page(
        queries=("view=month", "view=week", "view=list"), more=visible_period
    ),
    "calendar_notes": Page(),
    "calendar_day": Page(more=_tomorrow),
    "post_list": Page(
        queries=(
            *tuple(
                f"tab={tab}"
                for tab in ("needs_me", "upcoming", "published", "drafts", "all")
            ),
            "tab=upcoming&status=at_risk",
        )
    ),
    "compose": Page(),
    "post_detail": Page(scheduled),
    "post_edit": Page(scheduled),
    "post_repeat": Page(scheduled),
    "post_follow": Page(repeated),
    "series_list": Page(),
    "series_detail": Page(pk_of(Series)),
    "series_rule": Page(pk_of(Series, ended_at=None)),
    "queue_list": Page(),
    "queue_new": Page(),
    "queue_edit": Page(pk_of(Queue)),
    "queue_shuffle": Page(pk_of(Queue)),
    "delivery_detail": Page(failed),
    "job_list": Page(),
    "job_row": Page(pk_of(Job)),
    "bulk_run": Page(
        pk_of(Job, kind=bulk_runs.LOOK), also={"done": pk_of(Job, kind=bulk_undo.DO)}
    ),
    "import_list": Page(),
    "export_list": Page(),
    "import_detail": Page(pk_of(Import), ("tab=all",)),
    "review_list": Page(),
    "stop_list": Page(),
    "text_list": Page(),
    "text_new": Page(),
    "text_edit": Page(pk_of(Snippet)),
    "link_rule": Page(pk_of(Brand)),
    "delete_there": Page(
        pk_of(Delivery, status=Status.PUBLISHED, account__platform="mastodon")
    ),
    "held_posts": Page(queries=("hold=too_late", "hold=stopped")),
    "limits": Page(),
    "limit_size": Page(more=_a_size),
    "failure_desk": Page(
        queries=(
            *(f"tab={tab}" for tab in ("needs_me", "retrying", "checking", "solved")),
            "tab=needs_me&whose=mine",
        )
    ),
    "media_library": Page(queries=("", "q=picture")),
    "media_pick": Page(more=lambda _query: {"brand": str(newest(Brand).pk)}),
    "media_details": Page(pk_of(MediaAsset)),
    "account_list": Page(),
    "account_connect": Page(),
    "connect_start": Page(lambda: {"platform": "mastodon"}, ("network=live",)),
    "account_detail": Page(healthy),
    "account_reconnect": Page(healthy),
    "account_disconnect": Page(healthy),
    "account_people": Page(healthy),
    "account_standby": Page(healthy),
    "account_links": Page(healthy),
    "campaign_list": Page(),
    "campaign_new": Page(queries=("", "days=60")),
    "campaign_detail": Page(pk_of(ReconnectCampaign)),
    "platform_apps": Page(),
    "platform_app_edit": Page(pk_of(PlatformApp, platform="x")),
    "permissions": Page(),
    "permission_review": Page(
        pk_of(PlatformApp, platform="linkedin"), ("scope=w_organization_social",)
    ),
    "data_deletion_status": Page(lambda: {"code": newest(DataRequest).code}),
    "incident_list": Page(queries=("", "tab=ends", "tab=solved")),
    "incident_detail": Page(pk_of(Incident, state=Incident.State.OPEN)),
    "alert_list": Page(),
    "alert_preferences": Page(),
    "channel_list": Page(),
    "channel_add": Page(),
    "channel_edit": Page(pk_of(AlertChannel)),
    "reliability": Page(),
    "account_logout": Page(),
    "account_change_password": Page(),
    "account_reauthenticate": Page(),
    "mfa_index": Page(),
    "admin:index": Page(),
    "admin:password_change": Page(),
}
_SENT = "takes only what a form or a script sends"
_FILE = "answers with a file"
_OTHERS = "is called by networks and other machines"
_STRANGER = "is for people who are not signed in, or leads on at once"
_STEP = "is a step of signing in at a network, or of one's own second factor"

NOT_PAGES: dict[str, str] = {
    **dict.fromkeys(
        [
            "account_check",
            "alerts_read",
            "answer_decide",
            "bulk_run_undo",
            "captions_again",
            "channel_delete",
            "channel_secret",
            "channel_switch",
            "channel_test",
            "comment_visibility",
            "compose_check",
            "compose_choice",
            "compose_keep",
            "compose_link",
            "compose_parts",
            "delivery_allow_twice",
            "delivery_cancel",
            "delivery_care",
            "delivery_confirm_absent",
            "delivery_confirm_live",
            "delivery_dismiss",
            "delivery_leave",
            "delivery_retry",
            "desk_repair",
            "export_delete",
            "desk_send",
            "figures_read_now",
            "first_post_begin",
            "first_post_end",
            "first_post_stage",
            "first_steps",
            "import_do",
            "import_row",
            "job_cancel",
            "incident_acknowledge",
            "incident_dismiss",
            "intervention_decide",
            "limit_try",
            "link_withdraw",
            "text_delete",
            "media_add",
            "media_change",
            "media_cut",
            "media_upload",
            "person_invite",
            "post_bulk",
            "post_cancel",
            "post_move",
            "post_move_undo",
            "post_remark",
            "queue_delete",
            "reliability_mail",
            "review_ask",
            "review_decide",
            "series_end",
            "standby_remove",
            "system_look",
            "system_test_mail",
            "upload_begin",
            "upload_part",
            "view_forget",
            "view_save",
        ],
        _SENT,
    ),
    **dict.fromkeys(
        [
            "delivery_proof_json",
            "export_fetch",
            "import_template_csv",
            "import_template_xlsx",
            "delivery_proof_pdf",
            "link_picture",
            "media_file",
            "media_preview",
            "media_public",
            "mfa_download_recovery_codes",
            "reliability_csv",
            "reliability_pdf",
        ],
        _FILE,
    ),
    **dict.fromkeys(
        ["data_deletion", "healthz", "healthz_ready", "person_left", "platform_hook"],
        _OTHERS,
    ),
    **dict.fromkeys(
        [
            "account_confirm_email",
            "account_confirm_login_code",
            "account_email",
            "account_email_verification_sent",
            "account_inactive",
            "account_login",
            "account_reset_password",
            "account_reset_password_done",
            "account_reset_password_from_key",
            "account_reset_password_from_key_done",
            "account_set_password",
            "account_signup",
            "alert_open",
            "message_open",
            "reconnect_link",
            "reconnect_link_choose",
            "reconnect_link_done",
            "reconnect_link_open",
            "socialaccount_connections",
            "socialaccount_login_cancelled",
            "socialaccount_login_error",
            "socialaccount_signup",
        ],
        _STRANGER,
    ),
    **dict.fromkeys(
        [
            "connect_callback",
            "connect_choose",
            "mfa_activate_totp",
            "mfa_authenticate",
            "mfa_deactivate_totp",
            "mfa_generate_recovery_codes",
            "mfa_reauthenticate",
            "mfa_view_recovery_codes",
            "openid_connect_callback",
            "openid_connect_login",
        ],
        _STEP,
    ),
    "stop_end": "asks once more while a stop lasts; in the bench none does",
    "comment_answer": "is a form of one row, and opens for networks that take answers",
    "comment_delete": "is a question about one row, as comment_answer is",
}


def addresses() -> list[Address]:
    """All of them; LookupError where a page has no row to show."""
    return [*_shell(), *_admin()]


def _shell() -> Iterator[Address]:
    for name, page in SHELL.items():
        for words, keys in page.also.items():
            yield Address(f"{name} {words}", reverse(name, kwargs=dict(keys())))
        path = reverse(name, kwargs=dict(page.keys()))
        for query in page.queries:
            asked = "&".join(
                part for part in (query, urlencode(page.more(query))) if part
            )
            url = f"{path}?{asked}" if asked else path
            yield Address(f"{name} {query}".strip(), url)


#: What the Admin role may see; the rest is for superusers.
OWN_LABELS = ("accounts", "publishing", "monitoring")
#: Of these, what stands in a list is for who sees all brands.
OF_ALL_BRANDS = (LinkFacts,)


def _admin() -> Iterator[Address]:
    """Each list and the page of one row, of all that is registered."""
    for label in sorted({model._meta.app_label for model in admin.site._registry}):
        path = reverse("admin:app_list", kwargs={"app_label": label})
        yield Address(f"admin:app_list {label}", path, label not in OWN_LABELS)
    for model, pages in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for_root = model._meta.app_label not in OWN_LABELS or model in OF_ALL_BRANDS
        yield Address(f"{name}_changelist", reverse(f"{name}_changelist"), for_root)
        if model._meta.app_label == "django_q":
            row = pages.get_queryset(_ANYBODY).order_by("-pk").first()
        else:
            row = newest(model)
        if row is None:
            raise LookupError(f"no {model._meta.label}")
        url = reverse(f"{name}_change", args=[row.pk])
        yield Address(f"{name}_change", url, for_root)


_ANYBODY = HttpRequest()


def names() -> set[str]:
    """Of all addresses; those that the admin makes for its models by itself are left
    out, for `_admin` finds them."""

    def walk(patterns: Any, space: str) -> Iterator[str]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
                yield from walk(pattern.url_patterns, inner)
            elif isinstance(pattern, URLPattern) and pattern.name:
                yield f"{space}{pattern.name}"

    found = set(walk(get_resolver().url_patterns, ""))
    return {name for name in found if not name.startswith("admin:")}
