"""Forms of the pages about messages."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import escape
from django.utils.translation import gettext as now_in_words
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand
from platforms.http import is_public

from .models import AlertChannel, AlertPreference
from .webhooks import may_be_private

#: What a host is written with: names, and addresses of both kinds.
HOST = re.compile(r"[\w.:-]+")


class PreferenceForm(forms.ModelForm[AlertPreference]):
    class Meta:
        model = AlertPreference
        fields = [
            "mail",
            "digest_at",
            "quiet_from",
            "quiet_until",
            "urgent_breaks_quiet",
        ]
        widgets = {
            name: forms.TimeInput(format="%H:%M", attrs={"type": "time"})
            for name in ("digest_at", "quiet_from", "quiet_until")
        }
        help_texts = {
            "mail": _(
                "What is wrong stands on the pages in any case. What ends in days comes "
                "once a day."
            ),
            "digest_at": _("In your time zone."),
            "quiet_from": _("No mail between these times. They may span midnight."),
            "urgent_breaks_quiet": _(
                "When a post is due before the mail would come, or within an hour after."
            ),
        }

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        start, end = values.get("quiet_from"), values.get("quiet_until")
        if (start is None) != (end is None):
            missing = "quiet_until" if end is None else "quiet_from"
            if missing not in self.errors:
                self.add_error(
                    missing, _("Enter both times, or neither for no quiet hours.")
                )
        elif start is not None and start == end:
            self.add_error(
                "quiet_until",
                _("The same time twice is no span. For no mails at all choose Never."),
            )
        return values


class ChannelForm(forms.ModelForm[AlertChannel]):
    """The stored address is never shown: an empty field leaves it as it is."""

    url = forms.CharField(
        label=_("Address"),
        max_length=1000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )

    class Meta:
        model = AlertChannel
        fields = ["name", "kind", "url", "brand"]
        labels = {"name": _("Name"), "kind": _("Kind"), "brand": _("Brand")}
        help_texts = {
            "kind": _(
                "Slack takes a form of its own; Mattermost and Rocket.Chat take text in "
                "Markdown; a program takes JSON that SocialHub signs."
            )
        }

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = self.instance.url if self.instance.pk else ""
        address = self.fields["url"]
        address.help_text = now_in_words(
            "It begins with https://. Whoever knows it can post there, so only its "
            "server is shown afterwards."
        )
        if self.stored:
            address.required = False
            self.initial["url"] = ""
            self.fields["kind"].disabled = True
            address.help_text = now_in_words(
                "Stored: an address at %(host)s. Leave it empty to keep it."
            ) % {"host": escape(self.instance.host)}  # shown as markup, as all help is
        brand = self.fields["brand"]
        assert isinstance(brand, forms.ModelChoiceField)
        brand.queryset = Brand.objects.visible_to(user)
        if Brand.all_visible_to(user):
            brand.empty_label = now_in_words("All brands")
        else:
            brand.required = True
            brand.empty_label = now_in_words("Choose")
        brand.help_text = now_in_words("It hears only of accounts of this brand.")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"]).strip()
        if not url:
            return self.stored
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _port = parts.port
            if host and not HOST.fullmatch(host):
                raise ValueError(host)
        except ValueError:
            raise ValidationError(
                _("This is no address. Copy it once more from where you set it up.")
            ) from None
        if may_be_private(url) and parts.scheme in {"http", "https"}:
            return url
        if parts.scheme != "https" or not host:
            raise ValidationError(_("The address must begin with https://."))
        if parts.username or parts.password:
            raise ValidationError(
                _("Leave out the name and password before the @; they are not sent.")
            )
        if not _may_be_public(host):
            raise ValidationError(
                _(
                    "This address leads into a private network, which is not called. "
                    "Whoever runs SocialHub can allow it with ALLOWED_PRIVATE_HOSTS."
                )
            )
        return url


def _may_be_public(host: str) -> bool:
    """By its writing; where a name leads to is looked at when it is called."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))
    return is_public(host)
