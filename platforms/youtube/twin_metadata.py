"""What YouTube takes as a video's title, texts and settings.

Source: https://developers.google.com/youtube/v3/docs/videos.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..practice.framework import Doc
from .twin_calls import Refused, invalid

CATEGORIES = {
    "1": "Film & Animation",
    "2": "Autos & Vehicles",
    "10": "Music",
    "15": "Pets & Animals",
    "17": "Sports",
    "20": "Gaming",
    "22": "People & Blogs",
    "23": "Comedy",
    "24": "Entertainment",
    "25": "News & Politics",
    "26": "Howto & Style",
    "27": "Education",
    "28": "Science & Technology",
    "30": "Movies",
}
#: known, but videos cannot be put there
NOT_ASSIGNABLE = {"30"}


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SETTABLE: dict[str, frozenset[str]] = {
    "snippet": words("title description tags categoryId defaultLanguage"),
    "status": words(
        "privacyStatus publishAt selfDeclaredMadeForKids containsSyntheticMedia"
        " embeddable license publicStatsViewable"
    ),
    "recordingDetails": frozenset({"recordingDate"}),
}
FLAGS = (
    "selfDeclaredMadeForKids",
    "containsSyntheticMedia",
    "embeddable",
    "publicStatsViewable",
)
#: taken and left alone, as what was read is often sent back
READ_ONLY: dict[str, frozenset[str]] = {
    "snippet": words(
        "publishedAt channelId thumbnails channelTitle liveBroadcastContent localized"
        " defaultAudioLanguage"
    ),
    "status": words("uploadStatus failureReason rejectionReason madeForKids"),
    "recordingDetails": frozenset(),
}
TOP = {"id", "kind", "etag", "localizations"}
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MAX_TITLE = 100
MAX_DESCRIPTION_BYTES = 5000
MAX_TAGS = 500


def checked(body: Mapping[str, Any], parts: list[str], now: float) -> Doc:
    """The settable fields of the named parts, flat; a `Refused` says what is wrong.

    A publishAt in the past has become a public video.
    """
    _check_names(body, parts)
    snippet = body.get("snippet", {}) if "snippet" in parts else {}
    found = {**_snippet(snippet)} if "snippet" in parts else {}
    if "localizations" in parts and "localizations" in body:
        if "defaultLanguage" not in snippet:
            text = "The request must set the default language of the video."
            raise invalid("defaultLanguageNotSet", text)
        found["localizations"] = body["localizations"]
    if "status" in parts:
        found |= _status(body.get("status", {}), now)
    if "recordingDetails" in parts and "recordingDetails" in body:
        date = body["recordingDetails"].get("recordingDate")
        if moment(date) is None:
            text = "The request metadata specifies invalid recording details."
            raise invalid("invalidRecordingDetails", text)
        found["recordingDate"] = date
    return found


def _check_names(body: Mapping[str, Any], parts: list[str]) -> None:
    for name, value in body.items():
        if name in TOP and name != "localizations":
            continue
        if name not in SETTABLE and name != "localizations":
            raise _unknown(name, "video")
        if not isinstance(value, dict):
            raise invalid("invalidVideoMetadata", f"{name} is not an object.")
        if name not in parts:
            raise Refused(
                400,
                "unexpectedPart",
                f"The body has {name}, which the part parameter does not name.",
                "youtube.part",
                ("part", "parameter"),
            )
        if name == "localizations":
            continue
        for key in value:
            if key not in SETTABLE[name] | READ_ONLY[name]:
                raise _unknown(key, f"video.{name}")


def _unknown(name: str, where: str) -> Refused:
    text = (
        f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}':"
        " Cannot find field."
    )
    return Refused(400, "badRequest", text, state="INVALID_ARGUMENT")


def _snippet(snippet: Mapping[str, Any]) -> Doc:
    title = snippet.get("title", "")
    if not _is_text(title) or not 1 <= len(title.strip()) <= len(title) <= MAX_TITLE:
        text = "The request metadata specifies an invalid or empty video title."
        raise invalid("invalidTitle", text)
    description = snippet.get("description", "")
    is_short = _is_text(description)
    if not is_short or len(description.encode()) > MAX_DESCRIPTION_BYTES:
        text = "The request metadata specifies an invalid video description."
        raise invalid("invalidDescription", text)
    category = snippet.get("categoryId", "22")
    if category not in CATEGORIES or category in NOT_ASSIGNABLE:
        text = "The request metadata specifies an invalid video category ID."
        raise invalid("invalidCategoryId", text)
    tags = snippet.get("tags", [])
    if (
        not isinstance(tags, list)
        or not all(_is_text(tag) and tag.strip() for tag in tags)
        or length_of(tags) > MAX_TAGS
    ):
        text = "The request metadata specifies invalid video keywords."
        raise invalid("invalidTags", text)
    found = {
        "title": title,
        "description": description,
        "tags": tags,
        "categoryId": category,
    }
    language = snippet.get("defaultLanguage")
    if language is not None:
        if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
            text = "The request metadata specifies an invalid default language."
            raise invalid("invalidVideoMetadata", text)
        found["defaultLanguage"] = language
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not {"<", ">"} & set(value)


def length_of(tags: list[str]) -> int:
    """Commas between tags count, and the quotes that YouTube sets around a space."""
    quotes = sum(2 for tag in tags if " " in tag)
    return len(",".join(tags)) + quotes


def _status(status: Mapping[str, Any], now: float) -> Doc:
    found = {name: status[name] for name in SETTABLE["status"] if name in status}
    wrong = "The request metadata is invalid."
    for name in FLAGS:
        if name in found and not isinstance(found[name], bool):
            raise invalid("invalidVideoMetadata", f"{wrong} {name} is a boolean.")
    privacy = found.get("privacyStatus", "public")
    if privacy not in ("public", "unlisted", "private"):
        raise invalid("invalidVideoMetadata", f"{wrong} privacyStatus.")
    if found.get("license", "youtube") not in ("youtube", "creativeCommon"):
        raise invalid("invalidVideoMetadata", f"{wrong} license.")
    if "publishAt" in found:
        at = moment(found.pop("publishAt"))
        if at is None or privacy != "private":
            text = "The request metadata specifies an invalid scheduled publishing time"
            raise invalid("invalidPublishAt", f"{text}.")
        if at <= now:
            found["privacyStatus"] = "public"
        else:
            found["publish_at"] = at
    return found


def moment(value: object) -> float | None:
    """Seconds of an ISO 8601 time with its zone."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo else None
