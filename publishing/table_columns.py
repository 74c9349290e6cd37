"""The columns of a table of posts, as people and other products call them.

What other products' columns are called: Sprout Social's help page on bulk scheduling
names date, time_24hr and message_text; Hootsuite's users tell of files without heads
(date and time, message, link); Buffer's are as its template is known to have them. What
else is taken for theirs is our guess at what stands beside these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from platforms import registry

#: column -> what it holds. The order is the template's.
COLUMNS: Mapping[str, Any] = {
    "brand": _("Name of the brand. Empty: the one that was chosen for the import."),
    "accounts": _(
        "Names, handles or ids of accounts, a ; between them, with their network where "
        "one alone is not clear: mastodon:acme. A network's name alone: all of its "
        "accounts. Empty: those that are chosen for the import."
    ),
    "date": _("2026-12-03. A date cell of a spreadsheet is good as well."),
    "time": _("09:00 or 9:00 am, on the clock of the zone."),
    "zone": _("A time zone such as Europe/Berlin. Empty: that of the import."),
    "text": _("What the post says."),
    "link": _("An address that starts with https://."),
    "link title": _("Title of the link’s card, where a network takes one."),
    "link description": _("Teaser of the link’s card."),
    "poll": _(
        "Answers of a poll below the text, a | between them; an answer that holds one "
        "itself: all of them as a JSON list."
    ),
    "poll question": _("Question of the poll, on networks whose polls have one."),
    "poll minutes": _("How many minutes people may vote. Empty: 1440, which is a day."),
    "poll multiple": _("“yes”: people may choose several answers, where that exists."),
    "media": _(
        "Names of files in the zip beside the table or in the media library, a ; "
        "between them; library:12 is the library’s file 12."
    ),
    "alt text": _(
        "Alternative texts of the files, in their order, a | between them; a text that "
        "holds one itself: all of them as a JSON list."
    ),
    "first comment": _("Written below the post, on networks that have it."),
    "labels": _("Words under which the post is found, a ; or , between them."),
    "campaign": _("What statistics call it: {campaign} in the brand’s link rule."),
    "queue": _("Name of a queue: its next free slot is taken. Without date and time."),
    "useful until": _("2026-12-03 18:00: later it is not sent without a person’s yes."),
    "state": _("“draft”: it stays one, although it has a time."),
}
#: What exports have besides; templates have not.
OF_EXPORTS: Mapping[str, Any] = {
    "media sha256": _(
        "Checksums of the files, in their order, as an export has them: a file of the "
        "library with the same checksum is the one that is meant."
    ),
    "link tags": _(
        "What is added to its links, as an export has it. Without this column: what the "
        "brand’s link rule says now."
    ),
}
#: Columns that may be of one network: "text:mastodon".
PER_NETWORK: Mapping[str, Any] = {
    "text": _("Wording for this network alone."),
    "first comment": _("First comment on this network alone."),
    "thread": _(
        "What follows in a thread: parts, between them lines of only ---; or a JSON list."
    ),
    "thread files": _(
        "Files of these parts, as JSON: for each part a list of "
        '{"name", "sha256", "alt"}.'
    ),
    "options": _("What the network wants to know besides, as JSON."),
}
#: Date and time in one cell, as other products write them.
WHEN = "date and time"

#: product -> its columns (in small letters) -> ours
FORMATS: Mapping[str, Mapping[str, str]] = {
    "Buffer": {
        "text": "text",
        "image url": "media",
        "tags": "labels",
        "posting time": WHEN,
    },
    "Sprout Social": {
        "date": "date",
        "time_24hr": "time",
        "message_text": "text",
        "link_url": "link",
        "media_url": "media",
        "image_url": "media",
        "photo_url": "media",
        "tags": "labels",
    },
    "Hootsuite": {
        "date": WHEN,
        "date and time": WHEN,
        "message": "text",
        "link": "link",
        "url": "link",
        "image": "media",
        "image url": "media",
    },
}
#: Hootsuite's files have no heads: date and time, message, link, image.
HOOTSUITE = (WHEN, "text", "link", "media")
#: other words for our own columns
ALIASES: Mapping[str, str] = {
    "account": "accounts",
    "profile": "accounts",
    "profiles": "accounts",
    "channel": "accounts",
    "channels": "accounts",
    "time zone": "zone",
    "timezone": "zone",
    "message": "text",
    "caption": "text",
    "content": "text",
    "url": "link",
    "file": "media",
    "files": "media",
    "images": "media",
    "alt": "alt text",
    "alternative text": "alt text",
    "label": "labels",
    "tags": "labels",
    "useful_until": "useful until",
    "datetime": WHEN,
    "scheduled at": WHEN,
    "date and time": WHEN,
    # as German tables have them
    "marke": "brand",
    "konto": "accounts",
    "konten": "accounts",
    "profil": "accounts",
    "kanal": "accounts",
    "kanäle": "accounts",
    "datum": "date",
    "uhrzeit": "time",
    "zeit": "time",
    "datum und uhrzeit": WHEN,
    "zeitpunkt": WHEN,
    "zeitzone": "zone",
    "beitrag": "text",
    "beitragstext": "text",
    "nachricht": "text",
    "bild": "media",
    "bilder": "media",
    "datei": "media",
    "dateien": "media",
    "medien": "media",
    "alternativtext": "alt text",
    "alternativtexte": "alt text",
    "bildbeschreibung": "alt text",
    "erster kommentar": "first comment",
    "schlagwort": "labels",
    "schlagwörter": "labels",
    "kampagne": "campaign",
    "warteschlange": "queue",
    "sinnvoll bis": "useful until",
    "umfrage": "poll",
    "zustand": "state",
}


def known(head: str) -> str:
    """Our column for a head as somebody wrote it; "": none."""
    word = " ".join(head.replace("_", " ").split()).lower()
    raw = head.strip().lower()
    if word in COLUMNS or word in OF_EXPORTS:
        return word
    if word in ALIASES or raw in ALIASES:
        return ALIASES.get(word) or ALIASES[raw]
    match = re.fullmatch(
        r"(text|first comment|thread files|thread|options)\s*[:(]\s*(.+?)\)?", word
    )
    if match and (slug := network(match[2])):
        return f"{match[1]}:{slug}"
    return ""


def network(word: str) -> str:
    """The slug of a network by its name or slug; "": none."""
    word = word.strip().lower()
    for slug in registry.PLATFORMS:
        if word in (slug, registry.spec(slug).name.lower()):
            return slug
    return "x" if word == "twitter" else ""


def understand(heads: Sequence[str]) -> tuple[str, list[str]]:
    """Whose format it is ("" ours), and our column for each head ("": unknown).

    A product's format is taken when it has a head that is its own.
    """
    own = [known(head) for head in heads]
    words = [" ".join(head.split()).lower() for head in heads]
    marks = {
        "Buffer": {"posting time"},
        "Sprout Social": {"time_24hr", "message_text"},
    }
    for product, telling in marks.items():
        if telling & set(words):
            names = FORMATS[product]
            return product, [
                names.get(word, mine) for word, mine in zip(words, own, strict=True)
            ]
    return "", own
