"""Forms of the media library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from . import editing, fitting
from .models import MediaAsset, PostMedia

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
                "What it shows, for people who cannot see it. New posts begin with it, "
                "and posts that say nothing of the file get it; others keep theirs."
            )
        }
        widgets: ClassVar[dict[str, Any]] = {
            "alt_text": forms.Textarea({"rows": 3, "maxlength": MAX_ALT}),
            "folder": forms.TextInput({"list": "folders", "autocomplete": "off"}),
        }

    def clean_folder(self) -> str:
        return " ".join(self.cleaned_data["folder"].split())


class MakeForm(forms.Form):
    """Another file of this one. x and y: what stays when it is cut, in percent."""

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

    @property
    def ratio(self) -> float | None:
        return editing.SHAPES[self.cleaned_data["shape"]][1]

    @property
    def focus(self) -> tuple[float, float]:
        return self.cleaned_data["x"] / 100, self.cleaned_data["y"] / 100

    def recipe(self, asset: MediaAsset) -> fitting.AnyRecipe | None:
        """Of a valid form. None: it cannot be made; why stands at its fields."""
        raise NotImplementedError

    def is_opaque(self, asset: MediaAsset) -> bool:
        """What is made knows no transparency. Of a valid form."""
        return True


class MakeImageForm(MakeForm):
    """Another image of this one."""

    mime_type = forms.ChoiceField(
        label=_("Format"),
        choices=[
            ("", _("As it is, JPEG for other formats")),
            (editing.JPEG, "JPEG"),
            (editing.PNG, "PNG"),
        ],
        required=False,
    )

    def recipe(self, asset: MediaAsset) -> fitting.AnyRecipe | None:
        return editing.Recipe(
            ratio=self.ratio,
            focus=self.focus,
            max_side=self.cleaned_data["side"],
            mime_type=self._mime_type(asset),
        )

    def is_opaque(self, asset: MediaAsset) -> bool:
        return self._mime_type(asset) == editing.JPEG

    def _mime_type(self, asset: MediaAsset) -> str:
        kept = asset.mime_type if asset.mime_type == editing.PNG else editing.JPEG
        return str(self.cleaned_data["mime_type"] or kept)


class MakeVideoForm(MakeForm):
    """Another video of this one, a part of it if wanted."""

    start_s = forms.FloatField(
        label=_("From second"), min_value=0, required=False, initial=0
    )
    end_s = forms.FloatField(
        label=_("To second"),
        min_value=0.1,
        required=False,
        help_text=_("Empty: to its end."),
    )

    def recipe(self, asset: MediaAsset) -> fitting.AnyRecipe | None:
        file = PostMedia(asset=asset, position=0).as_file()
        if asset.kind == MediaAsset.Kind.GIF:
            file = fitting.as_video(file)
        length_s = float(file.duration_s or 0)
        start_s = self.cleaned_data.get("start_s") or 0.0
        end_s = min(self.cleaned_data.get("end_s") or length_s, length_s)
        if start_s >= end_s:
            words = _("The video is %(seconds)s seconds long: choose a part of it.")
            self.add_error("start_s", words % {"seconds": f"{length_s:g}"})
            return None
        wish = fitting.Wish(min_ratio=self.ratio, max_ratio=self.ratio)
        file = replace(file, duration_s=end_s)
        side = self.cleaned_data["side"] or max(file.width, file.height)
        found = fitting.video_recipe(file, wish, self.focus, start_s, side)
        if found is None:
            self.add_error(None, _("Too few pixels would be left."))
        return found


def make_form(asset: MediaAsset, data: Any = None) -> MakeForm | None:
    """The form for what can be made of a file; None: nothing."""
    kinds: dict[str, type[MakeForm]] = {
        MediaAsset.Kind.IMAGE: MakeImageForm,
        MediaAsset.Kind.GIF: MakeVideoForm,
        MediaAsset.Kind.VIDEO: MakeVideoForm,
    }
    kind = kinds.get(asset.kind)
    x, y = round(asset.focus_x * 100), round(asset.focus_y * 100)
    return kind(data, initial={"x": x, "y": y}) if kind else None
