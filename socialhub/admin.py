"""People, groups, sign-in and queue in the admin: for superusers, in the same skin."""

from __future__ import annotations

from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401 (all five register what we take back)
import django.contrib.auth.admin
import django_q.admin
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin_pages import FastAdmin

# One door: the admin has no sign-in of its own, so rate limits and the second factor
# hold there too.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

# Company sign-in needs no rows, and accounts that we publish to live elsewhere.
for model in (SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)
for model in (User, Group, EmailAddress, Authenticator):
    admin.site.unregister(model)
for model in (Failure, OrmQ, Schedule, Success):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class SuperuserOnly(FastAdmin):
    """Whoever may write here could make themselves a superuser."""

    def _may(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


class LookOnly(SuperuserOnly):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(SuperuserOnly, django.contrib.auth.admin.UserAdmin):
    ordering = ["username"]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "first_name", "last_name", "is_active"]
    list_filter = ["is_active", "is_superuser", "groups"]
    # Roles are groups: single permissions have no meaning here.
    fieldsets = [
        (name, {"fields": [f for f in part["fields"] if f != "user_permissions"]})
        for name, part in django.contrib.auth.admin.UserAdmin.fieldsets or ()
    ]
    # What happened is no matter of opinion.
    readonly_fields = ["last_login", "date_joined"]
    # Plain lists: the two-sided ones have labels that screen readers cannot use.
    filter_horizontal = ()


@admin.register(Group)
class GroupAdmin(SuperuserOnly, django.contrib.auth.admin.GroupAdmin):
    """The three roles are groups of these names; more groups have no meaning here."""

    ordering = ["name"]
    fields = ["name"]
    filter_horizontal = ()


@admin.register(EmailAddress)
class EmailAddressAdmin(SuperuserOnly):
    list_display = ["email", "user", "primary", "verified"]
    list_select_related = ["user"]
    list_filter = ["primary", "verified"]
    search_fields = ["email", "user__username"]
    autocomplete_fields = ["user"]


@admin.register(Authenticator)
class AuthenticatorAdmin(LookOnly):
    """Deleting one lets a person whose phone is gone set up a new one."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_select_related = ["user"]
    list_filter = ["type"]
    search_fields = ["user__username", "user__email"]
    # Not `data`: the secret and the recovery codes are in it.
    fields = ["user", "type", "created_at", "last_used_at"]
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


@admin.register(Schedule)
class ScheduleAdmin(LookOnly):
    """Made by `manage.py make_schedules`, which would undo a change."""

    list_display = ["name", "func", "cluster", "minutes", "next_run"]
    list_filter = ["cluster"]
    search_fields = ["name", "func"]


class TaskAdmin(LookOnly):
    list_display = ["name", "func", "cluster", "started", "stopped"]
    list_filter = ["cluster", "func"]
    search_fields = ["name", "func"]
    fields = ["name", "func", "cluster", "started", "stopped", "attempt_count"]
    readonly_fields = fields


@admin.register(Success)
class SuccessAdmin(TaskAdmin):
    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(success=True)


@admin.register(Failure)
class FailureAdmin(TaskAdmin):
    fields = [*TaskAdmin.fields, "result"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(success=False)


if django_q.admin.Conf.ORM:

    @admin.register(OrmQ)
    class OrmQAdmin(LookOnly):
        list_display = ["id", "key", "func", "lock"]
        list_filter = ["key"]
        fields = ["key", "lock", "func"]
        readonly_fields = fields

        @admin.display(description="func")
        def func(self, row: OrmQ) -> str:
            return str(row.func())
