"""The media library: every file of a person's brands, found again and put in order.

Every function makes a fixed number of queries, however many rows there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, Sum

from accounts.fixed_query import SAMPLE_KEY, FixedQuery, Seen
from accounts.models import Brand
from platforms.text import tidy

from . import leftovers, media
from .models import FileUse, MediaAsset, MediaQuerySet, Post, PostQuerySet

#: What the filter "Used" offers.
UNUSED, WITHOUT_ALT, GOING = "unused", "no_alt", "going"


@dataclass(frozen=True)
class LibraryFilters:
    """What the address says. Empty strings: all."""

    q: str = ""
    brand: str = ""
    folder: str = ""
    kind: str = ""
    show: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> LibraryFilters:
        values = {
            name: tidy(str(query.get(name, ""))[:200])
            for name in cls.__dataclass_fields__
        }
        if not values["brand"].isdecimal() or len(values["brand"]) > 15:
            values["brand"] = ""
        if values["kind"] not in MediaAsset.Kind.values:
            values["kind"] = ""
        if values["show"] not in {UNUSED, WITHOUT_ALT, GOING}:
            values["show"] = ""
        return cls(**values)

    def query(self, **more: Any) -> str:
        pairs = {**more, **self.__dict__}
        return urlencode({key: value for key, value in pairs.items() if value})

    @property
    def any(self) -> bool:
        return any(self.__dict__.values())

    def apply(self, rows: MediaQuerySet) -> MediaQuerySet:
        if self.brand:
            rows = rows.filter(brand=int(self.brand))
        if self.folder:
            rows = rows.filter(folder=self.folder)
        if self.kind:
            rows = rows.filter(kind=self.kind)
        if self.show == UNUSED:
            rows = rows.unused()
        elif self.show == GOING:
            rows = rows.loose().filter(leftovers.soon()).order_by("loose_since")
        elif self.show == WITHOUT_ALT:
            unseen = (MediaAsset.Kind.DOCUMENT, MediaAsset.Kind.CAPTIONS)
            rows = rows.filter(alt_text="").exclude(kind__in=unseen)
        for word in self.q.split()[:8]:
            where = Q(name__icontains=word) | Q(alt_text__icontains=word)
            rows = rows.filter(where | Q(folder__icontains=word))
        return rows


_folders = Seen(
    lambda reader: (
        MediaAsset.objects.visible_to(reader)
        .exclude(folder="")
        .order_by("folder")
        .values_list("folder")
        .distinct()
    ),
    for_all=True,
)


def folders(user: Any) -> list[str]:
    """Names of folders in the person's brands."""
    return [name for (name,) in _folders.rows(user)]


def posts_with(asset: MediaAsset) -> PostQuerySet:
    """The posts in which a file stands, newest first."""
    # One list of keys: asked whether a post is in the one or the other, PostgreSQL goes
    # through all posts.
    first, *others = (
        places._default_manager.filter(asset=asset).order_by().values(places.POST)
        for places in FileUse.__subclasses__()
    )
    return Post.objects.filter(pk__in=first.union(*others)).order_by("-pk")


SHOWN_POSTS = 20
_newest_with = FixedQuery(
    lambda asset: posts_with(MediaAsset(pk=asset))[:SHOWN_POSTS], SAMPLE_KEY
)
_made_of = FixedQuery(
    lambda asset: MediaAsset.objects.filter(original=asset).values_list("pk", "name"),
    SAMPLE_KEY,
)


def newest_with(asset: MediaAsset) -> tuple[list[Post], int]:
    """The newest posts in which a file stands, and how many there are."""
    shown = _newest_with.objects(asset.pk)
    if len(shown) < SHOWN_POSTS:
        return shown, len(shown)
    return shown, posts_with(asset).count()


def made_of(asset: MediaAsset) -> list[tuple[int, str]]:
    """(key, name) of the files that were made of this one, newest first."""
    return [(pk, name) for pk, name in _made_of.rows(asset.pk)]


def uses(assets: Iterable[MediaAsset]) -> dict[int, int]:
    """In how many posts each of these stands; 0 is left out."""
    pks = [asset.pk for asset in assets]
    found: dict[int, set[int]] = defaultdict(set)
    for places in FileUse.__subclasses__():
        rows = places._default_manager.filter(asset__in=pks)
        for asset, post in rows.values_list("asset", places.POST):
            found[asset].add(post)
    return {asset: len(posts) for asset, posts in found.items()}


@dataclass(frozen=True)
class Room:
    """How much of its quota a brand has used; limit 0: it has none. Bytes."""

    brand: Brand
    used: int
    limit: int


def room(brands: Sequence[Brand]) -> list[Room]:
    """For each brand, when there is a quota at all: else nothing has to be told."""
    limit = media.quota()
    if not limit:
        return []
    rows = MediaAsset.objects.filter(brand__in=brands).order_by().values_list("brand")
    used = dict(rows.annotate(total=Sum("size_bytes")))
    return [Room(brand, used.get(brand.pk, 0), limit) for brand in brands]
