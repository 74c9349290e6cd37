"""Parameters that tell a site's statistics where its visitors came from (UTM).

A post keeps them as a document: `params` (name -> text with placeholders), `hosts` (only
links to these; none: to all), and the `values` of the placeholders that the post knows.
An account's own are filled in when it is its turn: `Post.draft_for(platform, account)`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from accounts.models import ConnectedAccount
from platforms.base import Draft
from platforms.text import find_urls, web_host

#: What stands for what, in the order of the help text.
PLACEHOLDERS = ("network", "account", "campaign", "brand")
#: A document's own order is lost where the database sorts its keys (PostgreSQL).
ORDER = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_PLACE = re.compile(r"\{(\w+)\}")


def values_for(
    tags: Mapping[str, Any], platform: str, account: ConnectedAccount | None
) -> dict[str, str]:
    said = {
        "network": platform,
        "account": plain(account.handle or account.name) if account else "",
    }
    return {**said, **tags.get("values", {})}


def plain(text: str) -> str:
    """A name as statistics like it: lower case, letters and digits, hyphens between."""
    text = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[^\w.]+", "-", text).strip("-._")


def tagged(
    draft: Draft, tags: Mapping[str, Any], platform: str, account: Any = None
) -> Draft:
    """The draft with the parameters in its link and in the links of all its texts."""
    if not tags:
        return draft
    values = values_for(tags, platform, account)

    def in_text(text: str) -> str:
        for span in reversed(find_urls(text)):
            text = text[: span.start] + tag(span.value, tags, values) + text[span.end :]
        return text

    return replace(
        draft,
        text=in_text(draft.text),
        link_url=tag(draft.link_url, tags, values) if draft.link_url else "",
        parts=tuple(replace(part, text=in_text(part.text)) for part in draft.parts),
        first_comment=in_text(draft.first_comment),
    )


def tag(link: str, tags: Mapping[str, Any], values: Mapping[str, str]) -> str:
    """The link with its parameters; those that it has already stay as they are."""
    if not _is_meant(link, tags.get("hosts", ())):
        return link
    bare, hash_sign, fragment = link.partition("#")
    path, _mark, query = bare.partition("?")
    have = {part.partition("=")[0] for part in query.split("&")}
    added = []
    params = tags["params"]
    for name in (*(name for name in ORDER if name in params), *params):
        value = "" if name in have else _filled(params[name], values)
        if value:
            have.add(name)
            added.append(f"{name}={quote(value, safe='.-_~')}")
    if not added:
        return link
    query = "&".join([query, *added] if query else added)
    return f"{path}?{query}{hash_sign}{fragment}"


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    """ "" where nothing is known for any of its placeholders."""
    names = _PLACE.findall(pattern)
    if names and not any(values.get(name) for name in names):
        return ""
    return _PLACE.sub(lambda match: values.get(match[1], ""), pattern).strip("-_ ")


def _is_meant(link: str, hosts: Any) -> bool:
    try:
        if urlsplit(link).scheme not in {"http", "https"}:
            return False
    except ValueError:
        return False
    host = web_host(link)
    if not hosts:
        return bool(host)
    return any(host == own or host.endswith(f".{own}") for own in hosts)


# ---------------------------------------------------------------- without them


def untagged(text: str) -> str:
    """The text without UTM parameters in its links: what it says is the same."""
    if "utm_" not in text:
        return text
    for span in reversed(find_urls(text)):
        text = text[: span.start] + _bare(span.value) + text[span.end :]
    return text


def _bare(link: str) -> str:
    bare, hash_sign, fragment = link.partition("#")
    path, mark, query = bare.partition("?")
    kept = "&".join(part for part in query.split("&") if not part.startswith("utm_"))
    return f"{path}{mark if kept else ''}{kept}{hash_sign}{fragment}"
