"""Forms of the shell: one's own settings, people, brands."""

from __future__ import annotations

from functools import cache
from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q
from django.forms.utils import flatatt
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, Profile
from accounts.names import name_and_mail
from accounts.roles import ADMIN, MARKETING, REVIEWER, ROLES
from accounts.selects import options
from accounts.zones import zone_names
from publishing import approving

User = get_user_model()

ROLE_WORDS = {
    MARKETING: _("Marketing: writes, schedules and cancels posts, repairs what failed"),
    REVIEWER: _(
        "Reviewer: approves posts, reads failure reports and repairs what failed"
    ),
    ADMIN: _("Admin: all of that, and connects accounts, manages people and brands"),
}


def zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """Time zones for a select, grouped by region: ("Europe", [("Europe/Berlin", ...)])."""
    return [(region or gettext("No place"), rows) for region, rows in _zones()]


@cache
def _zones() -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {"": [("UTC", "UTC")]}
    for name in sorted(zone_names()):
        region, slash, place = name.partition("/")
        if slash and region not in {"Etc", "SystemV", "posix", "right"}:
            words = f"{name} ({place.replace('_', ' ')})" if "_" in place else name
            groups.setdefault(region, []).append((name, words))
    return list(groups.items())


class LongSelect(forms.Select):
    """Of hundreds of choices: Django would render a template for each of them."""

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        chosen = {str(one) for one in self.format_value(value)}
        parts = [
            format_html(
                '<optgroup label="{}">{}</optgroup>', key, options(rows, chosen)
            )
            if isinstance(rows, list | tuple)
            else options([(key, rows)], chosen)
            for key, rows in self.choices
        ]
        return format_html(
            "<select{}>{}</select>",
            flatatt(self.build_attrs(self.attrs, {**(attrs or {}), "name": name})),
            format_html_join("", "{}", ((part,) for part in parts)),
        )


class ProfileForm(forms.ModelForm[Profile]):
    time_zone = forms.ChoiceField(
        label=_("Time zone"), required=False, widget=LongSelect
    )
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        help_text=_("Of all pages and of the mails to you."),
    )

    class Meta:
        model = Profile
        fields = ["time_zone", "language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = gettext("As set for everybody (%(zone)s)") % {
            "zone": settings.DEFAULT_READER_TIME_ZONE
        }
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", own), *zones()]
        field.help_text = gettext("All times on all pages are shown in this zone.")
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        language.choices = [("", gettext("As my browser asks")), *settings.LANGUAGES]


class PeopleField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return name_and_mail(obj)


class BrandForm(forms.ModelForm[Brand]):
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=zones,
        widget=LongSelect,
        help_text=_("Posts of this brand are written in this zone unless changed."),
    )
    members = PeopleField(
        label=_("People"),
        queryset=User.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only these people see the brand, its accounts and its posts."),
    )

    class Meta:
        model = Brand
        fields = ["name", "time_zone", "approval_steps", "own_approval", "members"]
        help_texts = {
            "approval_steps": _(
                "A changed text, file, account or time needs approval again. What "
                "becomes of posts that are scheduled already is asked when you save."
            )
        }

    #: the answer for posts that are scheduled already
    ASK, LET_GO = "ask", "let_go"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.begins_to_ask:
            self._ask_what_becomes_of_posts()
        field = self.fields["members"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = User.objects.filter(is_active=True).order_by("username")

    @property
    def begins_to_ask(self) -> bool:
        """The brand is to ask for approval, and did not."""
        steps = self["approval_steps"].data if self.is_bound else None
        before = self["approval_steps"].initial
        return bool(self.instance.pk and not before and steps in ("1", "2"))

    def _ask_what_becomes_of_posts(self) -> None:
        rows = approving.unasked(self.instance)
        count = rows.values("post").order_by().distinct().count()
        first = rows.first()
        if first is None:
            return
        label = ngettext(
            "%(n)s post of this brand is scheduled already, for %(when)s.",
            "%(n)s posts of this brand are scheduled already, the first for %(when)s.",
            count,
        )
        when = date_format(timezone.localtime(first.due_at), gettext("D j M, H:i"))
        zone = timezone.get_current_timezone_name()
        said = {"n": count, "when": f"{when} ({zone})"}
        field = forms.ChoiceField(
            label=label % said,
            choices=[
                (self.ASK, _("Ask for approval of them too: none goes out before")),
                (self.LET_GO, _("Let these go as planned, unless they are changed")),
            ],
            widget=forms.RadioSelect,
            error_messages={"required": _("Choose what becomes of them.")},
        )
        # Behind what it belongs to.
        names = list(self.fields)
        self.fields["scheduled_already"] = field
        names.insert(names.index("own_approval") + 1, "scheduled_already")
        self.order_fields(names)


class PersonForm(forms.ModelForm[Any]):
    """Add or edit a person. `editor` decides which brands can be given."""

    first_name = forms.CharField(label=_("First name"), max_length=150)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    email = forms.EmailField(
        label=_("Mail address"),
        max_length=150,
        help_text=_("The person signs in with it, and is told about trouble there."),
    )
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role, ROLE_WORDS[role]) for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one role.")},
    )
    brands = forms.ModelMultipleChoiceField(
        label=_("Brands"),
        queryset=Brand.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The person sees only these brands."),
    )
    is_active = forms.BooleanField(
        label=_("May sign in"),
        required=False,
        help_text=_("Without it the person is signed out at once; nothing is deleted."),
    )

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "is_active"]

    field_order = ["first_name", "last_name", "email", "roles", "brands", "is_active"]

    def __init__(self, *args: Any, editor: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.editor = editor
        self.offered = Brand.objects.visible_to(editor)
        brands = self.fields["brands"]
        assert isinstance(brands, forms.ModelMultipleChoiceField)
        brands.queryset = self.offered
        if self.instance.pk is None:
            del self.fields["is_active"]
        else:
            groups = self.instance.groups.filter(name__in=ROLES)
            self.initial["roles"] = list(groups.values_list("name", flat=True))
            self.initial["brands"] = list(self.offered.filter(members=self.instance))
            # A superuser has every role already.
            self.fields["roles"].required = not self.instance.is_superuser
            self._close_what_reaches_further()

    def _close_what_reaches_further(self) -> None:
        """Mail address (it leads to a new password), roles and sign-in hold for all
        brands of a person: whoever does not see all of them may not change those."""
        seen = self.offered.values("pk")
        if not self.instance.brands.exclude(pk__in=seen).exists():
            return
        for name in ("email", "roles", "is_active"):
            self.fields[name].disabled = True
            self.fields[name].required = False
            self.fields[name].help_text = gettext(
                "Only a superuser changes this: the person belongs to brands that you "
                "do not see."
            )

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip().lower()
        others = User.objects.exclude(pk=self.instance.pk)
        taken = others.filter(Q(email__iexact=email) | Q(username__iexact=email))
        known = EmailAddress.objects.filter(email__iexact=email)
        if taken.exists() or known.exclude(user=self.instance.pk).exists():
            raise forms.ValidationError(gettext("Somebody has this address already."))
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk == self.editor.pk and not self.editor.is_superuser:
            if ADMIN not in cleaned.get("roles", []):
                self.add_error(
                    "roles",
                    gettext("You cannot take your own admin role; another admin can."),
                )
        if self.instance.pk == self.editor.pk and not cleaned.get("is_active"):
            self.add_error("is_active", gettext("You cannot lock yourself out."))
        return cleaned

    @transaction.atomic
    def save(self, commit: bool = True) -> Any:
        """Write person, roles, brands and mail address together."""
        user = self.instance
        new = user.pk is None
        if new:
            user.set_unusable_password()
        if new or "@" in user.username:
            user.username = self.cleaned_data["email"]
        roles = self.cleaned_data["roles"]
        user.is_staff = ADMIN in roles or user.is_superuser
        user.save()
        others = user.groups.exclude(name__in=ROLES)
        user.groups.set([*others, *Group.objects.filter(name__in=roles)])
        # Brands that the editor does not see stay as they are.
        kept = user.brands.exclude(pk__in=self.offered.values("pk"))
        user.brands.set([*kept, *self.cleaned_data["brands"]])
        EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
        EmailAddress.objects.update_or_create(
            user=user,
            email=user.email,
            defaults={"primary": True, "verified": True},
        )
        return user
