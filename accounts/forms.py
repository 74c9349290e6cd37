"""Forms of the account pages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from platforms import registry
from platforms.base import PlatformSpec, SignIn

from .models import Brand, ConnectedAccount, Network, PlatformApp
from .names import PersonField

#: A public name: letters in its last part, so that no number address fits.
SERVER_NAME = re.compile(
    r"(?!-)([a-z0-9-]{1,63}\.)+(?!local$|localhost$|internal$|lan$|home$|test$)"
    r"[a-z][a-z0-9-]{1,62}"
)


class ConnectForm(forms.Form):
    """What has to be known before the platform is asked. Brand only for new accounts."""

    brand = forms.ModelChoiceField(
        label=_("Brand"),
        queryset=Brand.objects.none(),
        help_text=_("Only the people of this brand see the account."),
    )
    other_login = forms.BooleanField(
        label=_("Let me choose another login than the one in this browser"),
        required=False,
    )

    def __init__(
        self,
        *args: Any,
        user: Any,
        spec: PlatformSpec,
        network: Network,
        account: ConnectedAccount | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.spec, self.network, self.account = spec, network, account
        if account is not None:
            del self.fields["brand"]
        else:
            brand = self.fields["brand"]
            assert isinstance(brand, forms.ModelChoiceField)
            brand.queryset = Brand.objects.visible_to(user)
            brand.empty_label = None if brand.queryset.count() == 1 else "---------"
        if not (spec.oauth and spec.oauth.force_login_params):
            del self.fields["other_login"]

    @property
    def chosen_brand(self) -> Brand | None:
        return self.cleaned_data.get("brand")

    def server_address(self, typed: str) -> str:
        """Base URL of a server that a person typed; ValidationError says what is wrong."""
        practice = self.network == Network.PRACTICE
        practice_url = settings.PRACTICE_NETWORK_URL if practice else ""
        try:
            address = registry.platform(self.spec.slug).normalise_instance(
                typed,
                practice_url=practice_url,
                allowed_hosts=settings.ALLOWED_PRIVATE_HOSTS,
            )
        except NotImplementedError:
            address = plain_server(typed)
        except ValueError as error:
            raise ValidationError(str(error), code="address") from error
        if practice and not address.startswith(practice_url.rstrip("/") + "/"):
            raise ValidationError(
                _(
                    "This is not the practice network's server. Keep the address that "
                    "stands here, or connect the account on the real network."
                ),
                code="address",
            )
        return address


def plain_server(typed: str) -> str:
    """Base URL of a public server, or of a private one that the operator trusts.

    The names that it leads to are looked at again whenever it is called.
    """
    bare = typed.strip().rstrip("/").removeprefix("http://").removeprefix("https://")
    if bare.lower() in {host.lower() for host in settings.ALLOWED_PRIVATE_HOSTS}:
        return f"http://{bare.lower()}"
    host = bare.lower()
    if typed.strip().startswith("http://") or not SERVER_NAME.fullmatch(host):
        raise ValidationError(
            _("Write the public https address of the server, such as pds.example.com."),
            code="address",
        )
    return f"https://{host}"


class InstanceForm(ConnectForm):
    """For platforms of many servers, on which our app registers itself."""

    address = forms.CharField(
        label=_("Server address"),
        max_length=300,
        help_text=_(
            "The part after the second @ of the account, such as social.example. Read "
            "the rules of that server first: some forbid automated posts, or want the "
            "profile to be marked as automated."
        ),
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "inputmode": "url"}
        ),
    )
    field_order = ("brand", "address")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.account is not None:
            # An account lives on its server: reconnecting cannot change it.
            del self.fields["address"]
        elif self.network == Network.PRACTICE:
            hosts = registry.practice_hosts(self.spec, settings.PRACTICE_NETWORK_URL)
            self.fields["address"].initial = hosts["instance"]
            self.fields["address"].help_text = gettext(
                "The practice network's server; keep it as it is."
            )

    def clean_address(self) -> str:
        return self.server_address(self.cleaned_data["address"])


class AppPasswordForm(ConnectForm):
    """The app password goes to the platform once and is neither kept nor shown again."""

    identifier = forms.CharField(
        label=_("Handle"),
        max_length=300,
        help_text=_("Such as name.bsky.social, without the @."),
        widget=forms.TextInput(
            attrs={
                "autocapitalize": "none",
                "spellcheck": "false",
                "autocomplete": "off",
            }
        ),
    )
    app_password = forms.CharField(
        label=_("App password"),
        max_length=200,
        strip=True,
        help_text=_(
            "Made at the platform under Settings, Privacy and security, App passwords. "
            "Not the password that you sign in with there. It is not kept here."
        ),
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )
    server = forms.CharField(
        label=_("Server address"),
        max_length=300,
        required=False,
        help_text=_(
            "Only when the account lives on a server of its own; it is found "
            "from the handle otherwise."
        ),
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "inputmode": "url"}
        ),
    )
    field_order = ("brand", "identifier", "app_password", "server")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.account is not None:
            self.fields["identifier"].initial = self.account.handle
        if self.network == Network.PRACTICE:
            del self.fields["server"]

    def clean_identifier(self) -> str:
        return str(self.cleaned_data["identifier"]).strip().lstrip("@")

    def clean_server(self) -> str:
        typed = str(self.cleaned_data["server"]).strip()
        return self.server_address(typed) if typed else ""


class KeyForm(ConnectForm):
    """The key is stored encrypted and never shown again."""

    key = forms.CharField(
        max_length=300,
        strip=True,
        required=False,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )
    field_order = ("brand", "key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["key"]
        field.label = self.spec.key_name and gettext(self.spec.key_name)
        field.help_text = gettext(
            "From the platform's own pages. Empty: the profile that belongs to our key."
        )
        if not self.spec.key_name:
            del self.fields["key"]


FORMS: dict[SignIn, type[ConnectForm]] = {
    SignIn.OAUTH: ConnectForm,
    SignIn.OAUTH_INSTANCE: InstanceForm,
    SignIn.APP_PASSWORD: AppPasswordForm,
    SignIn.KEY: KeyForm,
}


class PeopleForm(forms.ModelForm[ConnectedAccount]):
    """Who hears first of trouble, and who stands in. Both belong to the brand."""

    class Meta:
        model = ConnectedAccount
        fields = ["owner", "deputy"]
        field_classes = {"owner": PersonField, "deputy": PersonField}
        labels = {"owner": _("Owner"), "deputy": _("Deputy")}
        help_texts = {
            "owner": _("Told first when something is wrong with the account."),
            "deputy": _("Stands in for the owner."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = (
            get_user_model()
            .objects.filter(is_active=True, brands=self.instance.brand)
            .distinct()
            .order_by("username")
        )
        for name in ("owner", "deputy"):
            field = self.fields[name]
            assert isinstance(field, PersonField)
            field.queryset = people
            field.empty_label = gettext("Nobody")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("owner") and data.get("owner") == data.get("deputy"):
            self.add_error("deputy", _("Choose another person than the owner."))
        return data


class LinkForm(forms.Form):
    """Whom a reconnect link goes to: somebody of the brand, or any mail address."""

    person = PersonField(
        label=_("A person with a login here"),
        queryset=get_user_model().objects.none(),
        required=False,
        empty_label=_("Nobody: a mail address"),
    )
    email = forms.EmailField(
        label=_("Or a mail address"),
        required=False,
        help_text=_("Whoever can sign in at the platform; no login here is needed."),
    )

    def __init__(self, *args: Any, account: ConnectedAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["person"]
        assert isinstance(field, PersonField)
        field.queryset = (
            get_user_model()
            .objects.filter(is_active=True, brands=account.brand)
            .exclude(email="")
            .distinct()
            .order_by("username")
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "email" in self.errors or "person" in self.errors:
            return data
        if data.get("person") and data.get("email"):
            self.add_error("email", _("Choose one of the two: a person or an address."))
        elif not (data.get("person") or data.get("email")):
            self.add_error("email", _("Choose a person, or write a mail address."))
        return data


class EndingForm(forms.Form):
    """Which ending accounts a campaign asks for; stands in the address."""

    DAYS = (7, 14, 21, 30, 60)

    days = forms.TypedChoiceField(
        label=_("Ends within"),
        coerce=int,
        choices=[
            (n, ngettext_lazy("%(n)d day", "%(n)d days", "n") % {"n": n}) for n in DAYS
        ],
        initial=21,
    )
    brand = forms.ModelChoiceField(
        label=_("Brand"),
        queryset=Brand.objects.none(),
        required=False,
        empty_label=_("All brands"),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["brand"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Brand.objects.visible_to(user)

    def chosen(self) -> tuple[int, Brand | None]:
        """What is not understood counts as not chosen."""
        data = self.cleaned_data if self.is_bound and self.is_valid() else {}
        return data.get("days") or 21, data.get("brand")

    def until(self, now: datetime) -> str:
        return date_format(
            localtime(now + timedelta(days=self.chosen()[0])), gettext("j M Y")
        )


class CampaignForm(forms.Form):
    """What a campaign is called and how often it reminds."""

    name = forms.CharField(label=_("Name"), max_length=100)
    remind_every_days = forms.IntegerField(
        label=_("Remind every so many days"),
        min_value=0,
        max_value=30,
        initial=3,
        help_text=_("0: never. Whoever is done hears no more."),
    )


class PlatformAppForm(forms.ModelForm[PlatformApp]):
    """Our registration at a platform. The secret is written and never read back."""

    secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )
    scopes = forms.MultipleChoiceField(
        label=_("Permissions that the platform has granted to our app"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Tick what the platform lists for the app. None ticked: SocialHub asks for "
            "what every app gets without a review."
        ),
    )
    hook_secret = forms.CharField(
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )
    hook_token = forms.CharField(
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "new-password"}
        ),
    )
    field_order = (
        "client_id",
        "secret",
        "hook_secret",
        "hook_token",
        "number_there",
        "state",
        "scopes",
        "may_mention",
        "api_version",
    )

    class Meta:
        model = PlatformApp
        fields = ["client_id", "number_there", "state", "may_mention", "api_version"]
        labels = {
            "client_id": _("Client ID"),
            "state": _("State at the platform"),
            "api_version": _("Version of the interface"),
        }
        widgets = {
            "client_id": forms.TextInput(
                attrs={"autocomplete": "off", "spellcheck": "false"}
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spec = self.instance.spec
        if any(scope.needs_review for scope in spec.scopes):
            field = self.fields["scopes"]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [
                (s.name, f"{s.name}: {gettext(s.allows)}") for s in spec.scopes
            ]
            self.initial["scopes"] = self.instance.granted_scopes
        else:
            del self.fields["scopes"]
        if spec.api_version:
            self.fields["api_version"].help_text = gettext(
                "Empty: %(version)s, the one we tested with."
            ) % {"version": spec.api_version}
        else:
            del self.fields["api_version"]
        if spec.hook_secret_name:
            signs = self.fields["hook_secret"]
            signs.label = gettext(spec.hook_secret_name)
            signs.help_text = gettext(
                "Only for events that the platform sends. Empty: none are taken, or the "
                "one that is stored stays."
            )
        else:
            del self.fields["hook_secret"]
        if spec.hook_token_name:
            asks = self.fields["hook_token"]
            asks.label = gettext(spec.hook_token_name)
            asks.help_text = gettext(
                "Only to ask for events of each account, for which the platform may "
                "charge. Empty: none are asked for, or the one that is stored stays."
            )
        else:
            del self.fields["hook_token"]
        if spec.hook_app_number_name:
            number = self.fields["number_there"]
            number.label = gettext(spec.hook_app_number_name)
            number.help_text = gettext(
                "Only for events that the platform sends. Empty: none are asked for."
            )
        else:
            del self.fields["number_there"]
        if spec.mentions and spec.mentions.permission:
            mention = self.fields["may_mention"]
            mention.label = gettext("Our app has “%(name)s”") % {
                "name": spec.mentions.permission
            }
            mention.help_text = gettext(
                "Then it may name others in a post. Not ticked: the composer warns that "
                "they vanish from the text."
            )
        else:
            del self.fields["may_mention"]
        if spec.sign_in is SignIn.KEY:
            self.fields["client_id"].label = gettext("Name of the key")
            self.fields["secret"].label = gettext("API key")
        if self.instance.client_secret:
            self.fields["secret"].help_text = gettext(
                "One is stored. Leave this empty to keep it."
            )

    def clean_number_there(self) -> str:
        number = str(self.cleaned_data["number_there"]).strip()
        if number and not (number.isascii() and number.isdecimal()):
            raise ValidationError(
                _("“%(number)s” is no number. Copy it from the app's page there.")
                % {"number": number}
            )
        return number

    def clean_client_id(self) -> str:
        return str(self.cleaned_data["client_id"]).strip()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("client_id") and not (
            data.get("secret") or self.instance.client_secret
        ):
            self.add_error("secret", _("The client secret is missing."))
        return data

    def save(self, commit: bool = True) -> PlatformApp:
        app = self.instance
        if secret := self.cleaned_data.get("secret"):
            app.client_secret = secret
        if secret := self.cleaned_data.get("hook_secret"):
            app.hook_secret = secret
        if token := self.cleaned_data.get("hook_token"):
            app.hook_token = token
        if "scopes" in self.cleaned_data:
            app.granted_scopes = list(self.cleaned_data["scopes"])
        return super().save(commit)


def is_trusted_private(url: str) -> bool:
    """Whether the operator lets this private address be called."""
    return bool(url) and urlsplit(url).netloc in settings.ALLOWED_PRIVATE_HOSTS
