"""Forms of the media library."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from . import editing
from .models import MediaAsset

#: The longest text that any network takes for an image's description, and more.
MAX_ALT = 5000


class FileForm(forms.ModelForm):
    """What people call a file, and what they say of it."""

    class Meta:
        model = MediaAsset
        fields = ("name", "alt_text", "folder")
        labels: ClassVar[dict[str, Any]] = {"name": _("Name")}
        help_texts: ClassVar[dict[str, Any]] = {
            "alt_text": _(
                "What it shows, for people who cannot see it. New posts begin with it; "
                "posts that exist keep theirs."
            )
        }
        widgets: ClassVar[dict[str, Any]] = {
            "alt_text": forms.Textarea({"rows": 3, "maxlength": MAX_ALT}),
            "folder": forms.TextInput({"list": "folders", "autocomplete": "off"}),
        }

    def clean_folder(self) -> str:
        return " ".join(self.cleaned_data["folder"].split())


class MakeForm(forms.Form):
    """Another image of this one. x and y: what stays when it is cut, in percent."""

    shape = forms.ChoiceField(
        label=_("Shape"),
        choices=[(key, words) for key, (words, _ratio) in editing.SHAPES.items()],
        required=False,
    )
    x = forms.IntegerField(
        label=_("What stays, from left to right (%)"),
        min_value=0,
        max_value=100,
        initial=50,
    )
    y = forms.IntegerField(
        label=_("What stays, from top to bottom (%)"),
        min_value=0,
        max_value=100,
        initial=50,
    )
    side = forms.TypedChoiceField(
        label=_("Longer side"),
        coerce=int,
        empty_value=None,
        required=False,
        choices=[("", _("As it is"))]
        + [(side, f"{side} px") for side in editing.SIDES],
    )
    mime_type = forms.ChoiceField(
        label=_("Format"),
        choices=[
            ("", _("As it is, JPEG for other formats")),
            (editing.JPEG, "JPEG"),
            (editing.PNG, "PNG"),
        ],
        required=False,
    )

    @property
    def ratio(self) -> float | None:
        return editing.SHAPES[self.cleaned_data["shape"]][1]

    @property
    def focus(self) -> tuple[float, float]:
        return self.cleaned_data["x"] / 100, self.cleaned_data["y"] / 100

    def recipe(self, asset: MediaAsset) -> editing.Recipe:
        kept = asset.mime_type if asset.mime_type == editing.PNG else editing.JPEG
        return editing.Recipe(
            ratio=self.ratio,
            focus=self.focus,
            max_side=self.cleaned_data["side"],
            mime_type=self.cleaned_data["mime_type"] or kept,
        )
