"""The parts of a thread in the composer: what stands in the form, and its buttons.

Per network: `parts_<slug>` (the keys of its parts, in order), and for each of them
`part_<slug>_<key>` (text), `part_media_<slug>_<key>` (ids of its files, in order),
`part_alt_<slug>_<key>_<id>`, `part_files_<slug>_<key>` (new files). `comment_<slug>` is
the first comment. A part keeps its key when it is moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from accounts.models import Brand, ConnectedAccount
from platforms import parts, registry
from platforms.base import Draft, Part
from platforms.text import tidy

from . import media
from .access import row_number
from .models import MediaAsset, PostMedia, beside

#: Above the longest text of a network that has threads.
MAX_TEXT = 50_000
#: More than any network's thread: what is more is refused by its own rule first.
MAX_PARTS = 100
MAX_FILES = 20


@dataclass(frozen=True)
class PartText:
    """A part after the first. files: (asset, alternative text), in order."""

    text: str
    files: tuple[tuple[MediaAsset, str], ...] = ()
    #: what the form calls it; no part of what it says
    key: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(in_order(self.files)))

    def as_part(self) -> Part:
        return Part(tidy(self.text), **files_of(self.files))


def in_order(files: Iterable[tuple[MediaAsset, str]]) -> list[tuple[MediaAsset, str]]:
    """Captions last: findings count them after the other files."""
    return sorted(files, key=lambda one: one[0].kind == MediaAsset.Kind.CAPTIONS)


def files_of(files: Iterable[tuple[MediaAsset, str]]) -> dict[str, Any]:
    """`media` and `captions` of a draft."""
    return beside(
        PostMedia(asset=asset, position=place, alt_text=alt).as_file()
        for place, (asset, alt) in enumerate(files)
    )


def keys(data: Any, slug: str) -> list[str]:
    """Of the parts of a network, in order."""
    getlist = getattr(data, "getlist", None)
    found = getlist(f"parts_{slug}") if getlist else data.get(f"parts_{slug}", ())
    known = dict.fromkeys(str(key) for key in found if str(key).isdecimal())
    return [key for key in known if len(key) < 6][:MAX_PARTS]


def media_ids(data: Any, slug: str, key: str) -> list[int]:
    name = f"part_media_{slug}_{key}"
    getlist = getattr(data, "getlist", None)
    found = getlist(name) if getlist else data.get(name, ())
    return list(dict.fromkeys(row_number(value) for value in found))[:MAX_FILES]


def read(data: Any, brands: Sequence[int]) -> dict[str, list[PartText]]:
    """What stands in the form, by network. brands: whose files the person may see."""
    slugs = [slug for slug in registry.PLATFORMS if keys(data, slug)]
    places = [(slug, key) for slug in slugs for key in keys(data, slug)]
    wanted = {pk for slug, key in places for pk in media_ids(data, slug, key)}
    visible = {}
    if wanted:
        visible = MediaAsset.objects.filter(brand__in=brands).in_bulk(wanted)
    found: dict[str, list[PartText]] = {}
    for slug, key in places:
        files = tuple(
            (visible[pk], tidy(str(data.get(f"part_alt_{slug}_{key}_{pk}", ""))[:5000]))
            for pk in media_ids(data, slug, key)
            if pk in visible
        )
        text = str(data.get(f"part_{slug}_{key}", ""))[:MAX_TEXT]
        found.setdefault(slug, []).append(PartText(text, files, key))
    return found


def comments(data: Mapping[str, Any]) -> dict[str, str]:
    """First comments that are not empty, by network."""
    return {
        slug: text
        for slug in registry.PLATFORMS
        if (text := tidy(str(data.get(f"comment_{slug}", ""))[:MAX_TEXT]))
    }


# ---------------------------------------------------------------- buttons


class Buttons:
    """Does in the form's data what a button asks for: `action` "part_<verb>:<slug>" and
    what it is about. Every sending takes in the new files as well."""

    def __init__(
        self, request: HttpRequest, data: QueryDict, brand: Brand | None
    ) -> None:
        self.request, self.data, self.brand = request, data, brand
        #: sentences about files that were refused
        self.problems: list[str] = []

    def press(self, chosen: Sequence[ConnectedAccount] = ()) -> str:
        """Returns the slug of the network that the button is about, "" for none.

        chosen: the accounts that are ticked, for their limits.
        """
        self._take_files()
        words = str(self.data.get("action", "")).split(":")
        verb, slug = words[0], words[1] if len(words) > 1 else ""
        if not verb.startswith("part_") or slug not in registry.PLATFORMS:
            return ""
        key = words[2] if len(words) > 2 else ""
        order = keys(self.data, slug)
        if verb == "part_add" and len(order) < MAX_PARTS:
            order.append(self._new_key(order))
        elif verb == "part_split":
            account = next((a for a in chosen if a.platform == slug), None)
            order = self._split(slug, order, account)
        elif key in order:
            at = order.index(key)
            if verb == "part_remove":
                order.pop(at)
            elif verb == "part_file" and len(words) > 3:
                name = f"part_media_{slug}_{key}"
                left = [pk for pk in self.data.getlist(name) if pk != words[3]]
                self.data.setlist(name, left)
            other = at + {"part_earlier": -1, "part_later": 1}.get(verb, 0)
            if verb in {"part_earlier", "part_later"} and 0 <= other < len(order):
                order[at], order[other] = order[other], order[at]
        self.data.setlist(f"parts_{slug}", order)
        return slug

    @staticmethod
    def _new_key(order: Sequence[str]) -> str:
        return str(max((int(key) for key in order), default=1) + 1)

    def _split(
        self, slug: str, order: list[str], account: ConnectedAccount | None
    ) -> list[str]:
        """Cut what is too long for one part at the ends of sentences."""
        platform = registry.platform(slug)
        limits = {**account.extra, **account.server_limits} if account else {}

        def fits(draft: Draft) -> bool:
            return not any(count.over for count in platform.counts(draft, limits))

        own = bool(self.data.get(f"own_{slug}"))
        text = str(self.data.get(f"text_{slug}" if own else "text", ""))[:MAX_TEXT]
        link = str(self.data.get("link_url", "")).strip()
        pieces = parts.split(
            text,
            lambda words: fits(Draft(words)),
            lambda words: fits(Draft(words, link_url=link)),
            most=max(1, MAX_PARTS - len(order)),
        )
        made: list[str] = []
        if len(pieces) > 1:
            self.data[f"own_{slug}"] = "1"
            self.data[f"text_{slug}"] = pieces[0]
            made += self._add(slug, pieces[1:], order)
        for number, key in enumerate(order, 1):
            name = f"part_{slug}_{key}"
            room = MAX_PARTS - len(made) - (len(order) - number)
            words = str(self.data.get(name, ""))[:MAX_TEXT]
            first, *rest = parts.split(
                words, lambda words: fits(Draft(words)), most=max(1, room)
            ) or [""]
            if rest:
                self.data[name] = first
            made.append(key)
            made += self._add(slug, rest, [*order, *made])
        return made

    def _add(self, slug: str, texts: Sequence[str], known: Sequence[str]) -> list[str]:
        made: list[str] = []
        for text in texts:
            key = self._new_key([*known, *made])
            self.data[f"part_{slug}_{key}"] = text
            made.append(key)
        return made

    def _take_files(self) -> None:
        for slug, key, file in self._new_files():
            name = f"part_media_{slug}_{key}"
            there = self.data.getlist(name)
            if self.brand is None or len(there) >= MAX_FILES:
                self.problems.append(_("%(name)s was left out.") % {"name": file.name})
                continue
            try:
                asset = media.take_upload(file, self.brand, self.request.user)
            except media.UploadRefused as refused:
                self.problems.append(str(refused))
                continue
            if str(asset.pk) not in there:
                self.data.setlist(name, [*there, str(asset.pk)])

    def _new_files(self) -> Iterator[tuple[str, str, UploadedFile]]:
        for slug in registry.PLATFORMS:
            for key in keys(self.data, slug):
                for file in self.request.FILES.getlist(f"part_files_{slug}_{key}"):
                    yield slug, key, file
