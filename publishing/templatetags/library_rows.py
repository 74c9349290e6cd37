"""The files of the library, written in Python as the rows of the other lists are."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.addresses import address
from accounts.markup import NOTHING, fill, joined
from publishing.models import MediaAsset
from socialhub.templatetags.socialhub import when

register = template.Library()

Kind = MediaAsset.Kind


@register.simple_tag
def library_rows(
    rows: Iterable[tuple[MediaAsset, int]], several_brands: bool
) -> SafeString:
    """rows: each file with the number of posts that show it."""
    return joined(_row(asset, used, several_brands) for asset, used in rows)


def _row(asset: MediaAsset, used: int, several_brands: bool) -> SafeString:
    url = address("media_details", asset.pk)
    facts = [
        asset.get_kind_display(),
        asset.details,
        filesizeformat(asset.size_bytes),
        asset.brand.name if several_brands else "",
        asset.folder,
    ]
    return fill(
        '<li class="pub-library__file"><a href="{}" tabindex="-1" aria-hidden="true">{}'
        '</a><p class="pub-library__name"><label class="sh-check"><input class="pub-pick"'
        ' type="checkbox" name="pick" value="{}"><span class="sh-hidden">{}</span>'
        '</label> <a href="{}">{}</a></p><p class="sh-muted">{}</p>'
        '<p class="sh-muted">{}{}</p></li>',
        url,
        small_picture(asset, ""),
        asset.pk,
        _("Pick %(name)s") % {"name": asset.name},
        url,
        asset.name,
        " · ".join(filter(None, facts)),
        _use(asset, used),
        fill(" · {}", _("no alternative text"))
        if not asset.alt_text and asset.kind != Kind.DOCUMENT
        else NOTHING,
    )


def _use(asset: MediaAsset, used: int) -> SafeString:
    if used:
        words = ngettext("In %(n)s post", "In %(n)s posts", used)
        return fill("{}", words % {"n": used})
    if not asset.goes_at:
        return fill("{}", _("In no post"))
    return fill(
        "{}, {} {}", _("In no post"), _("deleted"), when(asset.goes_at, "short")
    )


@register.simple_tag
def small_picture(asset: MediaAsset, alt: str, plays: bool = False) -> SafeString:
    """A file as it stands in a list; an icon where it has no picture. plays: it is an
    image that stands for something else, which is played."""
    is_video = asset.kind == Kind.VIDEO
    icon = ""
    if asset.kind == Kind.DOCUMENT:
        icon = "description"
    elif asset.is_captions:
        icon = "closed_caption"
    elif asset.kind == Kind.AUDIO:
        icon = "music_note"
    elif is_video and not asset.preview:
        icon = "movie"
    if icon:
        return fill(
            '<span class="pub-preview pub-preview--none"><span class="'
            'material-symbols-outlined sh-icon" aria-hidden="true">{}</span></span>',
            icon,
        )
    play = SafeString(
        '<span class="material-symbols-outlined sh-icon pub-preview__play" '
        'aria-hidden="true">play_arrow</span>'
    )
    return fill(
        '<span class="pub-preview"><img src="{}" alt="{}" width="{}" height="{}" '
        'loading="lazy">{}</span>',
        address("media_preview", asset.pk),
        alt,
        asset.width,
        asset.height,
        play if is_video or plays else NOTHING,
    )
