"""Posts, series and files of an export. What the CSV of posts has is what the import
reads (`judging`): the way back makes equal posts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from platforms import registry

from . import table_columns
from .export_tables import (
    AT,
    BRAND,
    CREATED,
    NUMBER,
    PERSON,
    POST,
    Columns,
    Record,
    Scope,
    Table,
    account_key,
    clock,
    on_wall,
    plain,
    utc,
    who,
)
from .models import FileUse, MediaAsset, Post, Series, Variant
from .table_reading import MB, MOST_BYTES, MOST_ROWS

_UNFIT = re.compile(r"[^\w.() -]+")


def file_name(asset: MediaAsset) -> str:
    """In the ZIP, and in cells: no mark that separates names stands in it."""
    name = _UNFIT.sub("_", asset.name).strip(" .") or f"file{asset.suffix}"
    stem, dot, suffix = name.rpartition(".")
    name = f"{stem[:80]}{dot}{suffix[:10]}" if dot else name[:90]
    return f"{asset.pk}-{name}"


def file_path(asset: MediaAsset) -> str:
    return f"media/{file_name(asset)}"


def _use(use: FileUse) -> dict[str, str]:
    return {
        "name": file_name(use.asset),
        "sha256": use.asset.sha256,
        "alt": use.alt_text or use.asset.alt_text,
    }


def post_record(post: Post) -> Record:
    """What the post says, to whom and when. Reads variants, media, labels, accounts."""
    return {
        "post": post.pk,
        "brand": post.brand.name,
        "state": post.state,
        "accounts": [account_key(account) for account in post.accounts.all()],
        "date": post.local_date,
        "time": clock(post.local_time),
        "zone": post.zone,
        "due_at": post.due_at,
        "useful_until": post.useful_until,
        "useful_until_wall": on_wall(post.useful_until, post.zone),
        "text": post.text,
        "link": post.link_url,
        "link_title": post.link_title,
        "link_description": post.link_description,
        "poll": post.poll,
        "media": [_use(use) for use in post.media.all()],
        "networks": {v.platform: _of_network(v) for v in post.variants.all()},
        "labels": sorted(label.name for label in post.labels.all()),
        "campaign": post.campaign,
        "link_tags": post.link_tags,
        "series": post.series_id,
        "occurrence_on": post.occurrence_on,
        "author": who(post.author),
        "owner": who(post.owner),
        "created_at": post.created_at,
        "changed_at": post.changed_at,
    }


def _of_network(variant: Variant) -> Record:
    files: dict[int, list[dict[str, str]]] = {}
    for use in variant.part_media.all():
        files.setdefault(use.part, []).append(_use(use))
    found: Record = {}
    if variant.has_text:
        found["text"] = variant.text
    if variant.first_comment:
        found["first_comment"] = variant.first_comment
    if variant.options:
        found["options"] = variant.options
    if variant.parts:
        found["thread"] = [
            {"text": text, "media": files.get(number, [])}
            for number, text in enumerate(variant.parts, 2)
        ]
    return found


def with_words(rows: QuerySet[Post]) -> QuerySet[Post]:
    return rows.select_related("brand", "author", "owner").prefetch_related(
        "accounts", "labels", "media__asset", "variants__part_media__asset"
    )


def _cells(record: Record) -> Record:
    """As the import reads them."""
    media = record["media"]
    row: Record = {
        "brand": record["brand"],
        "accounts": ";".join(record["accounts"]),
        "date": record["date"],
        "time": record["time"],
        "zone": record["zone"],
        "text": record["text"],
        "link": record["link"],
        "link title": record["link_title"],
        "link description": record["link_description"],
        **_poll(record["poll"]),
        "media": ";".join(use["name"] for use in media),
        "media sha256": ";".join(use["sha256"] for use in media),
        "alt text": _alts([use["alt"] for use in media]),
        "labels": ";".join(record["labels"]),
        "campaign": record["campaign"],
        "link tags": _json(record["link_tags"]),
        "useful until": record["useful_until_wall"],
        "state": record["state"],
        "post": record["post"],
        "due_at": record["due_at"],
        "series": record["series"],
        "occurrence_on": record["occurrence_on"],
        "author": record["author"],
        "owner": record["owner"],
        "created_at": record["created_at"],
        "changed_at": record["changed_at"],
    }
    for slug, own in record["networks"].items():
        row[f"text:{slug}"] = own.get("text")
        row[f"first comment:{slug}"] = own.get("first_comment")
        row[f"options:{slug}"] = _json(own.get("options"))
        if thread := own.get("thread"):
            row[f"thread:{slug}"] = _thread([part["text"] for part in thread])
            if any(part["media"] for part in thread):
                row[f"thread files:{slug}"] = _json([p["media"] for p in thread])
    return row


def _json(value: Any) -> str:
    # An empty rule is a rule: without the cell today's would be taken.
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False)


def _poll(poll: Record) -> Record:
    if not poll:
        return {}
    return {
        "poll": _alts(poll["options"]),
        "poll question": poll["question"],
        "poll minutes": poll["minutes"],
        "poll multiple": "yes" if poll["multiple"] else "",
    }


def _alts(texts: Sequence[str]) -> str:
    if not any(texts):
        return ""
    if any("|" in text or text.startswith("[") for text in texts):
        return _json(list(texts))
    return "|".join(texts)


def _thread(texts: Sequence[str]) -> str:
    lines = [line.strip() for text in texts for line in text.split("\n")]
    if "---" in lines or not all(texts) or texts[0].startswith("["):
        return _json(list(texts))
    return "\n---\n".join(texts)


#: What the import passes over: what people want to know, and cannot write.
_FOR_PEOPLE: Columns = {
    "post": POST,
    "due_at": AT,
    "series": _("Number of its series here."),
    "occurrence_on": _("For which day of the series it was made."),
    "author": PERSON,
    "owner": PERSON,
    "created_at": CREATED,
    "changed_at": _("When it was changed last, in UTC."),
}
_IMPORTED = (
    *("brand", "accounts", "date", "time", "zone", "text", "link", "link title"),
    *("link description", "poll", "poll question", "poll minutes", "poll multiple"),
    *("media", "media sha256", "alt text", "labels", "campaign"),
    *("link tags", "useful until", "state"),
)


def _own_columns(scope: Scope) -> Columns:
    """Of networks that posts have words of their own for."""
    used = set(
        Variant.objects.filter(post__in=scope.posts().values("pk"))
        .order_by()
        .values_list("platform", flat=True)
        .distinct()
    )
    return {
        f"{kind}:{slug}": words
        for slug in registry.PLATFORMS
        if slug in used
        for kind, words in table_columns.PER_NETWORK.items()
    }


_KNOWN: Mapping[str, Any] = {**table_columns.COLUMNS, **table_columns.OF_EXPORTS}
POSTS = Table(
    "posts",
    "posts",
    _(
        "A post a row. Its CSV can be imported again, with this ZIP as the file beside "
        "it; the columns from “post” on are passed over then. Rows whose time is past "
        "become drafts if you choose that for the import."
    ),
    {**{name: _KNOWN[name] for name in _IMPORTED}, **_FOR_PEOPLE},
    lambda scope: with_words(scope.posts()),
    lambda rows, scope: (post_record(row) for row in rows),
    cells=_cells,
    further=_own_columns,
    most_rows=MOST_ROWS,
    most_bytes=MOST_BYTES - MB,
)

# ---------------------------------------------------------------- series

SERIES = Table(
    "series",
    "plans",
    _("Posts that come again: the rule, and what each of them says."),
    {
        "series": NUMBER,
        "brand": BRAND,
        "kind": _("“weekly” or “monthly”."),
        "interval": _("Every so many weeks or months."),
        "weekdays": _("Of weekly ones: days, 0 is Monday."),
        "time": _("Time on the clock of the zone."),
        "zone": _("Time zone by its name in the IANA database."),
        "first_on": _("First day."),
        "last_on": _("Last day; empty: none is."),
        "count": _("Number of posts in all; empty: any number."),
        "useful_s": _("Seconds after its time until which a post is useful."),
        "ended_at": AT,
        "author": PERSON,
        "created_at": CREATED,
        "pattern": _("What each post says, as in posts.jsonl; JSON."),
    },
    lambda scope: (
        Series.objects.filter(brand__in=scope.brands)
        .select_related("brand", "author", "pattern__brand", "pattern__author")
        .prefetch_related(
            "pattern__accounts",
            "pattern__labels",
            "pattern__media__asset",
            "pattern__variants__part_media__asset",
        )
    ),
    lambda rows, scope: (_series_record(row) for row in rows),
)


def _series_record(row: Series) -> Record:
    pattern = {key: plain(value) for key, value in post_record(row.pattern).items()}
    return {
        "series": row.pk,
        "brand": row.brand.name,
        "kind": row.kind,
        "interval": row.interval,
        "weekdays": row.weekdays,
        "time": clock(row.wall),
        "zone": row.zone,
        "first_on": row.first_on,
        "last_on": row.last_on,
        "count": row.count,
        "useful_s": row.useful_s,
        "ended_at": row.ended_at,
        "author": who(row.author),
        "created_at": row.created_at,
        "pattern": pattern,
    }


# ---------------------------------------------------------------- files


def _media_records(rows: Sequence[MediaAsset], scope: Scope) -> Iterable[Record]:
    for row in rows:
        yield {
            "file": file_path(row),
            "name": row.name,
            "brand": row.brand.name,
            "sha256": row.sha256,
            "size_bytes": row.size_bytes,
            "mime_type": row.mime_type,
            "width": row.width,
            "height": row.height,
            "alt_text": row.alt_text,
            "folder": row.folder,
            "focus": [row.focus_x, row.focus_y],
            "made_of": file_path(row.original) if row.original else None,
            "uploaded_by": who(row.uploaded_by),
            "created_at": utc(row.created_at),
            "facts": row.facts,
        }


MEDIA = Table(
    "media",
    "media",
    _("The files of the folder “media”."),
    {
        "file": _("Where it lies in this ZIP."),
        "name": _("What the person called it who added it."),
        "brand": BRAND,
        "sha256": _("Checksum (SHA-256) of its bytes."),
        "size_bytes": _("Its size in bytes."),
        "mime_type": _("Its type."),
        "width": _("Pixels from left to right."),
        "height": _("Pixels from top to bottom."),
        "alt_text": _("Alternative text."),
        "folder": _("Folder in the media library."),
        "focus": _("What stays when it is cut, from 0 (left, top) to 1; JSON."),
        "made_of": _("The file that it was cut from."),
        "uploaded_by": PERSON,
        "created_at": CREATED,
        "facts": _("What else was measured; JSON."),
    },
    lambda scope: scope.media().select_related("brand", "uploaded_by", "original"),
    _media_records,
)
