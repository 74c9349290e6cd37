"""What the page behind a link says of itself, read by the cluster for the previews.

Somebody types the address, so it may lead anywhere: only public addresses are called,
over https, by the guard of `platforms.http` that looks at what a name resolves to; each
redirect is judged anew. Size and time are bounded, and a picture is only looked at by the
bounded process that measures uploads. Most networks read the page themselves; to those
that do not (`PlatformSpec.card_picture`) the picture is sent along.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from django.db import connection, transaction
from django.utils import timezone

from platforms import registry
from platforms.base import MediaFile
from platforms.errors import Cause, PlatformError, TransientError
from platforms.http import Answer, Http, storable
from platforms.text import is_web_link

from . import examine, incoming
from .measuring import UploadRefused, ask
from .models import Delivery, LinkFacts

#: The whole of one call.
CALL_S = 10.0
MAX_PAGE_BYTES = 3 << 20
MAX_PICTURE_BYTES = 8 << 20
#: Of a page that wants more, no network shows anything either.
MOST_REDIRECTS = 5
#: Pages change their titles; pages that said nothing may have been down.
FRESH_FOR = timedelta(days=1)
TRY_AGAIN_AFTER = timedelta(minutes=10)
#: A job that has not come back by then is lost.
LOST_AFTER = timedelta(minutes=2)
#: So many at once are no people that write posts.
MOST_WAITING = 100
KEPT_FOR = timedelta(days=30)
#: So long before its post is due, a page is read (again) for the picture of its card.
READ_AHEAD = timedelta(minutes=20)
#: What pages are written in, as Python calls it. Others of its codecs unpack, or take
#: hours for a page of 3 MB (punycode).
ENCODINGS = re.compile(
    r"(ascii|utf-(8|16|32)|iso8859|iso2022|cp\d|koi8|mac|gb|hz|big5|shift_jis|euc_)"
)


class NotRead(Exception):
    """code: `wording` of why nothing is known: "refused", "away", "gone", "no_page"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


# ---------------------------------------------------------------- asking


def asked(url: str, now: datetime | None = None) -> LinkFacts | None:
    """What is known of a link; has it read where that is too old. None: no web link."""
    now = now or timezone.now()
    if not _may_be_read(url):
        return None
    with transaction.atomic():
        facts, made = LinkFacts.objects.defer("picture", "card").get_or_create(
            key=LinkFacts.key_of(url), defaults={"url": url, "asked_at": now}
        )
        if not (made or _is_old(facts, now)) or _too_many(now):
            return facts
        old = LinkFacts.objects.filter(pk=facts.pk, asked_at=facts.asked_at)
        if old.update(asked_at=now):
            facts.asked_at = now
            _have_read(facts.pk)
    return facts


def _may_be_read(url: str) -> bool:
    return (
        is_web_link(url)
        and len(url) <= 2000
        and url == storable(url)
        and "." in (urlsplit(url).hostname or "")
    )


def _is_old(facts: LinkFacts, now: datetime) -> bool:
    if facts.read_at is None:
        return facts.asked_at < now - LOST_AFTER
    if facts.asked_at > facts.read_at:  # being read again
        return facts.asked_at < now - LOST_AFTER
    return facts.read_at < now - (TRY_AGAIN_AFTER if facts.trouble else FRESH_FOR)


def _too_many(now: datetime) -> bool:
    waiting = LinkFacts.objects.filter(read_at=None, asked_at__gt=now - LOST_AFTER)
    return waiting.count() > MOST_WAITING


def _have_read(pk: int) -> None:
    from django_q.tasks import async_task

    # Beside the publishing cluster, which posts need.
    transaction.on_commit(
        lambda: async_task("publishing.tasks.read_link", pk, cluster="monitor")
    )


def known(urls: Iterable[str]) -> dict[str, LinkFacts]:
    """By address, those of which something is known. One query, or none."""
    keys = {LinkFacts.key_of(url) for url in urls if url}
    if not keys:
        return {}
    rows = LinkFacts.objects.filter(key__in=keys, trouble="").exclude(read_at=None)
    return {row.url: row for row in rows.defer("picture", "card")}


def pictures(urls: Iterable[str]) -> dict[str, MediaFile]:
    """By address, what the card of a link shows; read when it is opened. One query, or
    none."""
    keys = {LinkFacts.key_of(url) for url in urls if url}
    if not keys:
        return {}
    rows = LinkFacts.objects.filter(key__in=keys).exclude(card_sum="")
    told = rows.values_list("url", "pk", "card_sum", "card_bytes")
    return {url: _file(pk, card_sum, size) for url, pk, card_sum, size in told}


def expected(urls: Iterable[str]) -> dict[str, MediaFile]:
    """The same for a forecast: pages that were not read yet are taken to show one.

    Two queries, or none.
    """
    wanted = {url for url in urls if url and _may_be_read(url)}
    if not wanted:
        return {}
    keys = [LinkFacts.key_of(url) for url in wanted]
    read = LinkFacts.objects.filter(key__in=keys).exclude(read_at=None)
    unread = wanted.difference(read.values_list("url", flat=True))
    return dict.fromkeys(unread, _file(0, "", 1)) | pictures(wanted)


def _file(pk: int, sha256: str, size_bytes: int) -> MediaFile:
    return MediaFile(
        key=f"link{pk}",
        mime_type="image/jpeg",
        size_bytes=size_bytes,
        width=0,
        height=0,
        alt_text="",
        sha256=sha256,
        file_name="card.jpg",
        open=_opener(pk, sha256),
    )


def _opener(pk: int, sha256: str) -> Callable[[], IO[bytes]]:
    """Reads the row anew: a claim takes many posts at once, whose pictures would all be
    in memory until their turn came."""

    def open_card() -> IO[bytes]:
        rows = LinkFacts.objects.filter(pk=pk, card_sum=sha256)
        try:
            card = rows.values_list("card", flat=True).first()
        finally:
            # Steps run in threads of their own, which have no other use for it.
            if not connection.in_atomic_block:
                connection.close()
        if card is None:
            raise TransientError("the page was read anew meanwhile")
        return BytesIO(bytes(card))

    return open_card


def card_of(data: bytes) -> dict[str, Any]:
    """The fields of LinkFacts that keep this picture; b"": there is none."""
    card_sum = hashlib.sha256(data).hexdigest() if data else ""
    return {"card": data, "card_sum": card_sum, "card_bytes": len(data)}


def ask_ahead(now: datetime) -> int:
    """Have the pages read whose picture is to go with a post that is due soon; how many
    were asked for. What was read within a day stays."""
    rows = Delivery.objects.filter(
        status=Delivery.Status.SCHEDULED,
        next_attempt_at__range=(now, now + READ_AHEAD),
        account__platform__in=[s.slug for s in registry.all_specs() if s.card_picture],
    ).exclude(post__link_url="")
    urls = rows.order_by().values_list("post__link_url", flat=True).distinct()
    return sum(asked(url, now) is not None for url in urls[:MOST_WAITING])


def tidy(now: datetime) -> None:
    LinkFacts.objects.filter(asked_at__lt=now - KEPT_FOR).delete()


# ---------------------------------------------------------------- reading


def read(pk: int) -> str:
    """Call the page and keep what it says; the trouble, "" for none. Safe to run twice."""
    facts = LinkFacts.objects.defer("picture", "card").filter(pk=pk).first()
    if facts is None:
        return "gone"
    found, picture, card, trouble = Page(), b"", b"", ""
    try:
        url, found = _page(facts.url)
        if found.picture:
            picture, card = _picture(url, found.picture)
        if not found.title:
            trouble = "no_page"
    except NotRead as why:
        trouble = why.code
    LinkFacts.objects.filter(pk=pk).update(
        read_at=timezone.now(),
        title=found.title[:300],
        description=found.description[:500],
        picture=picture,
        has_picture=bool(picture),
        trouble=trouble,
        **card_of(card),
    )
    return trouble


def _page(url: str) -> tuple[str, Page]:
    for _turn in range(MOST_REDIRECTS + 1):
        answer = _get(url, MAX_PAGE_BYTES)
        if 300 <= answer.status < 400 and answer.headers.get("location"):
            url = _onward(url, answer.headers["location"])
            continue
        if answer.status in {404, 410}:
            raise NotRead("gone")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not answer.ok or kind not in {"text/html", "application/xhtml+xml"}:
            raise NotRead("no_page")
        return url, parsed(_text(answer))
    raise NotRead("no_page")


def _get(url: str, most: int) -> Answer:
    # Many links are still written without the s; no server that networks read lacks it.
    if url.startswith("http://"):
        url = f"https://{url.removeprefix('http://')}"
    try:
        return Http(total_s=CALL_S).request(
            "GET", url, call="GET link", mutates=False, max_bytes=most
        )
    except PlatformError as error:
        refused = error.cause == Cause.ADDRESS_REFUSED
        raise NotRead("refused" if refused else "away") from error


def _text(answer: Answer) -> str:
    said = answer.headers.get("content-type", "").lower()
    _before, sign, charset = said.partition("charset=")
    name = charset.split(";")[0].strip(" \"'") if sign else ""
    for encoding in filter(None, (name, "utf-8")):
        try:
            if ENCODINGS.match(codecs.lookup(encoding).name):
                return storable(answer.body.decode(encoding))
        except (LookupError, UnicodeError):
            continue
    return storable(answer.body.decode("utf-8", "replace"))


def _onward(url: str, to: str) -> str:
    """Where a page leads. NotRead: to nothing that is an address."""
    try:
        return urljoin(url, to)
    except ValueError:
        raise NotRead("no_page") from None


def _picture(page: str, named: str) -> tuple[bytes, bytes]:
    """The small picture, WebP, and that of cards, JPEG; b"" where there is none that we
    can show."""
    try:
        url = _onward(page, named)
        for _turn in range(MOST_REDIRECTS + 1):
            answer = _get(url, MAX_PICTURE_BYTES)
            if not (300 <= answer.status < 400 and answer.headers.get("location")):
                break
            url = _onward(url, answer.headers["location"])
        if not answer.ok or not answer.body:
            return b"", b""
    except NotRead:
        return b"", b""
    with tempfile.TemporaryDirectory(prefix="link-", dir=incoming.folder()) as made:
        file, folder = Path(made) / "picture", Path(made)
        file.write_bytes(answer.body)
        try:
            facts = ask(Path(examine.__file__), str(file), made, "card", name="picture")
        except UploadRefused:
            return b"", b""
        is_image = facts["mime_type"].startswith("image/")
        preview, card = folder / "preview.webp", folder / "card.jpg"
        if not (is_image and preview.exists()):
            return b"", b""
        return preview.read_bytes(), card.read_bytes() if card.exists() else b""


# ---------------------------------------------------------------- the page's words


@dataclass
class Page:
    title: str = ""
    description: str = ""
    picture: str = ""


class _Head(HTMLParser):
    """Reads <title> and <meta>; what stands in the body counts for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.metas: dict[str, str] = {}
        self.title = ""
        self._in_title = False
        self.is_over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self.is_over = True
        if self.is_over:
            return
        if tag == "title":
            self._in_title = not self.title
        elif tag == "meta":
            said = {name: value or "" for name, value in attrs}
            name = (said.get("property") or said.get("name") or "").strip().lower()
            self.metas.setdefault(name, said.get("content", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def parsed(html: str) -> Page:
    head = _Head()
    # Python's reader takes some broken marks for a fault of its own: what stands before
    # them counts.
    with suppress(AssertionError):
        head.feed(html)

    def first(*names: str) -> str:
        words = (" ".join(head.metas.get(name, "").split()) for name in names)
        return next(filter(None, words), "")

    return Page(
        title=first("og:title", "twitter:title") or " ".join(head.title.split()),
        description=first("og:description", "twitter:description", "description"),
        picture=first("og:image:secure_url", "og:image", "twitter:image"),
    )
