"""Two people with one post open: whose change came between, and how the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AuditEvent
from accounts.names import name_of
from platforms import registry

from . import composing, own_choices, polls
from .composing import Composition
from .forms import PostForm
from .models import MediaAsset, Post


@dataclass(frozen=True)
class Difference:
    """One field in both versions. key: what `take` calls it; "": shown only."""

    key: str
    label: str
    theirs: str
    mine: str


@dataclass(frozen=True)
class Conflict:
    """A post that has changed since it was read. sentence: who and when."""

    sentence: str
    version: str
    differences: Sequence[Difference] = ()


def version_of(post: Post | None) -> str:
    """Another one after each change, whoever makes it."""
    return post.changed_at.isoformat() if post else ""


def found(
    form: PostForm, post: Post | None, *, compare: bool, now: datetime | None = None
) -> Conflict | None:
    """What has come between, for a form that was read before. compare: field by field.

    None where nothing has, or where the person has seen it and saves all the same.
    """
    version = str(form["version"].value() or "")
    current = version_of(post)
    if post is None or not version or version == current:
        return None
    differences = between(form, post) if compare else ()
    return Conflict(_sentence(post, form.user, now), current, differences)


def _sentence(post: Post, user: Any, now: datetime | None) -> str:
    event = (
        AuditEvent.objects.filter(
            target_type=post._meta.label_lower, target_id=str(post.pk)
        )
        .select_related("actor")
        .first()
    )
    ago = _ago((now or timezone.now()) - post.changed_at)
    actor = event.actor if event else None
    if actor is None:
        return _("This post was changed %(ago)s, while you were writing.") % {
            "ago": ago
        }
    if actor == user:
        words = _("You changed this post %(ago)s, in another window.")
        return words % {"ago": ago}
    return _("%(name)s changed this post %(ago)s, while you were writing.") % {
        "name": name_of(actor),
        "ago": ago,
    }


def _ago(passed: timedelta) -> str:
    minutes = int(passed / timedelta(minutes=1))
    if minutes < 1:
        return _("just now")
    if minutes < 120:
        return ngettext("%(n)s min ago", "%(n)s min ago", minutes) % {"n": minutes}
    return _("%(n)s hours ago") % {"n": minutes // 60}


# ---------------------------------------------------------------- field by field


def between(form: PostForm, post: Post) -> list[Difference]:
    """The fields in which the stored post and the form are not the same."""
    mine = form.composition()
    if mine is None:
        return []
    theirs = composing.saved_composition(post)
    left, right = _fields(theirs), _fields(mine)
    left["time"] = (_("Date and time"), _wall(post))
    day, wall, zone = _typed_wall(form)
    right["time"] = (_("Date and time"), f"{day} {wall} {zone}".strip())
    rows = []
    for key in dict.fromkeys([*left, *right]):
        label = (left.get(key) or right[key])[0]
        ours = right.get(key, ("", ""))[1]
        other = left.get(key, ("", ""))[1]
        if ours != other:
            rows.append(Difference(key, label, other, ours))
    return rows


def _fields(said: Composition) -> dict[str, tuple[str, str]]:
    """key -> (label, what stands there, in words)."""
    found = {
        "text": (_("Text"), said.text),
        "link_url": (_("Link"), said.link_url),
        "link_title": (_("Link title"), said.link_title),
        "link_description": (_("Teaser"), said.link_description),
        "poll": (_("Poll"), polls.words(said.poll)),
        "campaign": (_("Campaign"), said.campaign),
        "labels": (_("Labels"), ", ".join(said.labels)),
        "accounts": (
            _("Accounts"),
            ", ".join(sorted(f"{one.spec.name}: {one.name}" for one in said.accounts)),
        ),
        "media": (_("Files"), _files(said.files)),
    }
    for slug in registry.PLATFORMS:
        name = {"name": registry.spec(slug).name}
        if slug in said.own:
            found[f"own:{slug}"] = (_("Text for %(name)s") % name, said.own[slug])
        if said.comments.get(slug):
            label = _("First comment on %(name)s") % name
            found[f"comment:{slug}"] = (label, said.comments[slug])
        if parts := said.parts.get(slug):
            words = "\n\n".join(
                f"{part.text}\n{_files(part.files)}".strip() for part in parts
            )
            found[f"parts:{slug}"] = (_("Thread on %(name)s") % name, words)
        if options := said.options.get(slug):
            known = registry.spec(slug).options_by_key
            words = "\n".join(
                f"{known[k].name}: {_plain(v)}" for k, v in options.items()
            )
            found[f"options:{slug}"] = (_("Choices for %(name)s") % name, words)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(str(one) for one in value.values())
    return ", ".join(value) if isinstance(value, list) else str(value)


def _files(files: Sequence[tuple[MediaAsset, str]]) -> str:
    return "\n".join(
        f"{asset.name}: {alt}" if alt else asset.name for asset, alt in files
    )


def _wall(post: Post) -> str:
    day = post.local_date.isoformat() if post.local_date else ""
    wall = f"{post.local_time:%H:%M}" if post.local_time else ""
    return f"{day} {wall} {post.zone}".strip()


def _typed_wall(form: PostForm) -> tuple[str, str, str]:
    if form.is_now:
        return _("Now"), "", form.zone_now
    day, wall = form["date"].value(), form["time"].value()
    return str(day or ""), str(wall or "")[:5], form.zone_now


# ---------------------------------------------------------------- taking theirs


def take(data: QueryDict, key: str, post: Post) -> None:
    """Put the stored post's version of a field into the form's data."""
    said = composing.saved_composition(post)
    kind, _sep, slug = key.partition(":")
    if kind in {"text", "link_url", "link_title", "link_description", "campaign"}:
        data[kind] = getattr(said, kind)
    elif kind == "poll":
        for name in polls.names():
            data[name] = polls.fields(said.poll).get(name, "")
    elif kind == "labels":
        data["labels"] = ", ".join(said.labels)
    elif kind == "accounts":
        data.setlist("accounts", [str(one.pk) for one in said.accounts])
    elif kind == "media":
        data.setlist("media", [str(asset.pk) for asset, _alt in said.files])
        for asset, alt in said.files:
            data[f"alt_{asset.pk}"] = alt
    elif kind == "time":
        data["when"] = "at"
        data["date"] = post.local_date.isoformat() if post.local_date else ""
        data["time"] = f"{post.local_time:%H:%M}" if post.local_time else ""
        data["zone"] = post.zone
    elif slug in registry.PLATFORMS:
        _take_of_network(data, kind, slug, said)


def _take_of_network(data: QueryDict, kind: str, slug: str, said: Composition) -> None:
    if kind == "own":
        data[f"own_{slug}"] = "1" if slug in said.own else ""
        data[f"text_{slug}"] = said.own.get(slug, "")
    elif kind == "comment":
        data[f"comment_{slug}"] = said.comments.get(slug, "")
    elif kind == "parts":
        parts = said.parts.get(slug, [])
        data.setlist(f"parts_{slug}", [part.key for part in parts])
        for part in parts:
            data[f"part_{slug}_{part.key}"] = part.text
            name = f"part_media_{slug}_{part.key}"
            data.setlist(name, [str(asset.pk) for asset, _alt in part.files])
            for asset, alt in part.files:
                data[f"part_alt_{slug}_{part.key}_{asset.pk}"] = alt
    elif kind == "options":
        accounts = [one for one in said.accounts if one.platform == slug]
        spec = registry.spec(slug)
        for field in own_choices.fields(spec, accounts, said.options.get(slug, {})):
            data[field.name] = (
                ("1" if field.value else "") if field.is_flag else field.text
            )
