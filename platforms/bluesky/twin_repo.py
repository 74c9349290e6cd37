"""What an AT Protocol data server computes: content addresses, keys, tokens, checks.

Sources: https://atproto.com/specs/{data-model,record-key,tid,blob} and the lexicons
app.bsky.feed.post, app.bsky.feed.threadgate, app.bsky.embed.*, com.atproto.label.defs of https://github.com/bluesky-social/atproto.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import regex

Doc = dict[str, Any]

TID = regex.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
RECORD_KEY = regex.compile(r"[A-Za-z0-9._:~-]{1,512}")
GRAPHEME = regex.compile(r"\X")
DATETIME = regex.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,20})?(Z|[+-]\d\d:\d\d)"
)
ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"

POST = "app.bsky.feed.post"
GATE = "app.bsky.feed.threadgate"
#: who may answer, as a record of theirs says it; a list of people is one more
GATE_RULES = ("mentionRule", "followerRule", "followingRule", "listRule")
IMAGE_BYTES = 2_000_000
THUMB_BYTES = 1_000_000
VIDEO_BYTES = 300_000_000
CAPTION_BYTES = 20_000


class Invalid(Exception):
    """A record or key that the server refuses; `name` is the error's name."""

    def __init__(self, message: str, name: str = "InvalidRequest") -> None:
        super().__init__(message)
        self.name = name


# ---------------------------------------------------------------- content addresses


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise Invalid("Integer out of range")


def dag_cbor(value: Any) -> bytes:
    """The canonical bytes of a JSON value of the data model (no floats)."""
    if value is None or value is False or value is True:
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(dag_cbor(item) for item in value)
    if isinstance(value, dict):
        if set(value) == {"$link"} and isinstance(value["$link"], str):
            link = b"\0" + base32_bytes(value["$link"])
            return b"\xd8\x2a" + _head(2, len(link)) + link
        if set(value) == {"$bytes"} and isinstance(value["$bytes"], str):
            padded = value["$bytes"] + "=" * (-len(value["$bytes"]) % 4)
            raw = base64.b64decode(padded)
            return _head(2, len(raw)) + raw
        pairs = [(key.encode(), item) for key, item in value.items()]
        pairs.sort(key=lambda pair: (len(pair[0]), pair[0]))
        return _head(5, len(pairs)) + b"".join(
            _head(3, len(key)) + key + dag_cbor(item) for key, item in pairs
        )
    raise Invalid(f"Not a value of the data model: {type(value).__name__}")


def base32_bytes(cid: str) -> bytes:
    try:
        text = cid.removeprefix("b").upper()
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise Invalid(f"Invalid CID: {cid[:100]}") from None


def _cid(codec: int, sha256: bytes) -> str:
    whole = bytes([1, codec, 0x12, 0x20]) + sha256
    return "b" + base64.b32encode(whole).decode().rstrip("=").lower()


def record_cid(record: Doc) -> str:
    """`bafyrei...`: SHA-256 over the record's DAG-CBOR."""
    return _cid(0x71, hashlib.sha256(dag_cbor(record)).digest())


def blob_cid(body: bytes) -> str:
    """`bafkrei...`: SHA-256 over the bytes."""
    return blob_cid_of(hashlib.sha256(body).digest())


def blob_cid_of(sha256: bytes) -> str:
    """The same, where the sum is known already."""
    return _cid(0x55, sha256)


def tid(microseconds: int, clock: int) -> str:
    number = (microseconds << 10 | clock & 1023) & (1 << 63) - 1
    return "".join(ALPHABET[number >> shift & 31] for shift in range(60, -1, -5))


def check_key(collection: str, rkey: str) -> None:
    if not RECORD_KEY.fullmatch(rkey) or rkey in (".", ".."):
        raise Invalid(f"Invalid record key for {collection}: {rkey[:100]!r}")
    if collection in (POST, GATE) and not TID.fullmatch(rkey):
        raise Invalid(
            f'Invalid record key for {collection}: "{rkey[:100]}" is not a valid TID'
        )


# ---------------------------------------------------------------- tokens


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwt(kind: str, claims: Mapping[str, Any], key: bytes) -> str:
    """kind: "at+jwt" or "refresh+jwt"."""
    parts = [{"typ": kind, "alg": "HS256"}, claims]
    signed = ".".join(
        _b64(json.dumps(p, separators=(",", ":")).encode()) for p in parts
    )
    return f"{signed}.{_b64(hmac.digest(key, signed.encode(), 'sha256'))}"


def read_jwt(token: str, key: bytes) -> Doc:
    """The claims; Invalid (InvalidToken) when it was not made with this key."""
    signed, _, signature = token.rpartition(".")
    try:
        good = hmac.compare_digest(
            _unb64(signature), hmac.digest(key, signed.encode(), "sha256")
        )
        claims = json.loads(_unb64(signed.partition(".")[2]))
    except ValueError:
        raise Invalid("Malformed token", "InvalidToken") from None
    if not good or not isinstance(claims, dict):
        raise Invalid("Token could not be verified", "InvalidToken")
    return claims


# ---------------------------------------------------------------- records


def sniff(body: bytes, declared: str) -> str:
    """The MIME type by the first bytes, else what the caller said."""
    starts = {
        b"\xff\xd8\xff": "image/jpeg",
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"GIF8": "image/gif",
        b"WEBVTT": "text/vtt",
    }
    for start, mime in starts.items():
        if body.startswith(start):
            return mime
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:8] == b"ftyp":
        brand = body[8:12]
        return {b"avif": "image/avif", b"heic": "image/heic"}.get(brand, "video/mp4")
    return declared or "application/octet-stream"


class _Checker:
    """Walks a known record. Messages name the place: `at $.record.text`."""

    def __init__(self, collection: str) -> None:
        self.collection = collection
        self.blobs: list[tuple[Doc, int, str]] = []  # blob, largest size, accepted

    def fail(self, what: str, path: str) -> Invalid:
        return Invalid(f"Invalid {self.collection} record: {what} at $.record{path}")

    def need(self, doc: Any, key: str, kind: type, path: str) -> Any:
        if not isinstance(doc, dict):
            raise self.fail("Expected object value type", path)
        if key not in doc:
            raise self.fail(f'Missing required key "{key}"', path)
        value = doc[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            names = {str: "string", int: "integer", list: "array", dict: "object"}
            raise self.fail(f"Expected {names[kind]} value type", f"{path}.{key}")
        return value

    def text(self, value: str, path: str, graphemes: int, size: int) -> None:
        length = len(value.encode())
        if length > size:
            raise self.fail(f"string too big (maximum {size}, got {length})", path)
        clusters = len(GRAPHEME.findall(value)) if length > graphemes else 0
        if clusters > graphemes:
            raise self.fail(
                f"grapheme too big (maximum {graphemes}, got {clusters})", path
            )

    def items(self, value: list[Any], path: str, largest: int) -> None:
        if len(value) > largest:
            raise self.fail(
                f"array too big (maximum {largest}, got {len(value)})", path
            )

    def datetime(self, value: str, path: str) -> None:
        try:
            good = DATETIME.fullmatch(value) and datetime.fromisoformat(value[:19])
        except ValueError:
            good = None
        if not good:
            raise self.fail("Invalid datetime format", path)

    def uri(self, value: str, path: str) -> None:
        if not regex.match(r"[a-z][a-z0-9+.-]*:[^\s]+$", value, regex.I):
            raise self.fail("Invalid URI format", path)

    def blob(self, value: Any, path: str, largest: int, accepted: str) -> None:
        if not isinstance(value, dict) or value.get("$type") != "blob":
            raise self.fail("Expected blob value type", path)
        link = value.get("ref", {})
        if not isinstance(link, dict) or not isinstance(link.get("$link"), str):
            raise self.fail("Expected blob value type", path)
        self.need(value, "mimeType", str, path)
        self.need(value, "size", int, path)
        self.blobs.append((value, largest, accepted))

    def post(self, record: Doc) -> None:
        text = self.need(record, "text", str, "")
        self.text(text, ".text", 300, 3000)
        self.datetime(self.need(record, "createdAt", str, ""), ".createdAt")
        if "langs" in record:
            self.items(self.need(record, "langs", list, ""), ".langs", 3)
        if "tags" in record:
            self.items(self.need(record, "tags", list, ""), ".tags", 8)
            for number, tag in enumerate(record["tags"]):
                self.text(str(tag), f".tags[{number}]", 64, 640)
        if "facets" in record:
            for number, facet in enumerate(self.need(record, "facets", list, "")):
                self.facet(facet, f".facets[{number}]")
        if "reply" in record:
            for end in ("root", "parent"):
                reply = self.need(record, "reply", dict, "")
                strong = self.need(reply, end, dict, ".reply")
                self.need(strong, "uri", str, f".reply.{end}")
                self.need(strong, "cid", str, f".reply.{end}")
        if "embed" in record:
            self.embed(self.need(record, "embed", dict, ""), ".embed")

        if "labels" in record:
            self.self_labels(self.need(record, "labels", dict, ""), ".labels")

    def self_labels(self, labels: Doc, path: str) -> None:
        kind = self.need(labels, "$type", str, path)
        if kind != "com.atproto.label.defs#selfLabels":
            return  # an open union: what is not known is kept as it is
        values = self.need(labels, "values", list, path)
        self.items(values, f"{path}.values", 10)
        for number, one in enumerate(values):
            place = f"{path}.values[{number}]"
            word = self.need(one, "val", str, place)
            self.text(word, f"{place}.val", 128, 128)

    def gate(self, record: Doc) -> None:
        uri = self.need(record, "post", str, "")
        if not regex.fullmatch(r"at://[^/\s]+/[^/\s]+/[^/\s]+", uri):
            raise self.fail("Invalid AT-URI format", ".post")
        self.datetime(self.need(record, "createdAt", str, ""), ".createdAt")
        if "allow" not in record:
            return
        rules = self.need(record, "allow", list, "")
        self.items(rules, ".allow", 5)
        for number, rule in enumerate(rules):
            place = f".allow[{number}]"
            kind = self.need(rule, "$type", str, place)
            if kind == f"{GATE}#listRule":
                self.uri(self.need(rule, "list", str, place), f"{place}.list")

    def facet(self, facet: Any, path: str) -> None:
        index = self.need(facet, "index", dict, path)
        for key in ("byteStart", "byteEnd"):
            if self.need(index, key, int, f"{path}.index") < 0:
                raise self.fail(
                    f"integer too small (minimum 0, got {index[key]})",
                    f"{path}.index.{key}",
                )
        for number, feature in enumerate(self.need(facet, "features", list, path)):
            place = f"{path}.features[{number}]"
            kind = self.need(feature, "$type", str, place).partition("#")[2]
            if kind == "link":
                self.uri(self.need(feature, "uri", str, place), f"{place}.uri")
            elif kind == "mention":
                did = self.need(feature, "did", str, place)
                if not regex.match(r"did:[a-z]+:[A-Za-z0-9._:%-]+$", did):
                    raise self.fail("Invalid DID format", f"{place}.did")
            elif kind == "tag":
                tag = self.need(feature, "tag", str, place)
                self.text(tag, f"{place}.tag", 64, 640)

    def embed(self, embed: Doc, path: str) -> None:
        kind = self.need(embed, "$type", str, path)
        if kind == "app.bsky.embed.images":
            images = self.need(embed, "images", list, path)
            self.items(images, f"{path}.images", 4)
            for number, image in enumerate(images):
                self.image(image, f"{path}.images[{number}]", ratio=False)
        elif kind == "app.bsky.embed.gallery":
            items = self.need(embed, "items", list, path)
            self.items(items, f"{path}.items", 20)
            for number, image in enumerate(items):
                self.image(image, f"{path}.items[{number}]", ratio=True)
        elif kind == "app.bsky.embed.external":
            external = self.need(embed, "external", dict, path)
            place = f"{path}.external"
            self.uri(self.need(external, "uri", str, place), f"{place}.uri")
            self.need(external, "title", str, place)
            self.need(external, "description", str, place)
            if "thumb" in external:
                self.blob(external["thumb"], f"{place}.thumb", THUMB_BYTES, "image/")
        elif kind == "app.bsky.embed.video":
            self.blob(embed.get("video"), f"{path}.video", VIDEO_BYTES, "video/mp4")
            said = (
                self.need(embed, "captions", list, path) if "captions" in embed else []
            )
            self.items(said, f"{path}.captions", 20)
            for number, one in enumerate(said):
                place = f"{path}.captions[{number}]"
                self.need(one, "lang", str, place)
                self.blob(one.get("file"), f"{place}.file", CAPTION_BYTES, "text/vtt")
        elif kind == "app.bsky.embed.record":
            strong = self.need(embed, "record", dict, path)
            self.need(strong, "uri", str, f"{path}.record")
            self.need(strong, "cid", str, f"{path}.record")
        elif kind == "app.bsky.embed.recordWithMedia":
            self.embed(self.need(embed, "record", dict, path), f"{path}.record")
            self.embed(self.need(embed, "media", dict, path), f"{path}.media")

    def image(self, image: Any, path: str, *, ratio: bool) -> None:
        self.need(image, "alt", str, path)
        self.blob(image.get("image"), f"{path}.image", IMAGE_BYTES, "image/")
        if ratio or "aspectRatio" in image:
            shape = self.need(image, "aspectRatio", dict, path)
            for key in ("width", "height"):
                if self.need(shape, key, int, f"{path}.aspectRatio") < 1:
                    raise self.fail(
                        f"integer too small (minimum 1, got {shape[key]})",
                        f"{path}.aspectRatio.{key}",
                    )


def check_record(
    collection: str, record: Any
) -> tuple[str, list[tuple[Doc, int, str]]]:
    """Check a record against its lexicon.

    Returns ("valid" or "unknown", the blobs it holds with the largest size and the
    accepted MIME prefix of their places). Raises Invalid.
    """
    if not isinstance(record, dict):
        raise Invalid("Input/record must be an object")
    if record.get("$type", collection) != collection:
        raise Invalid(f"Invalid $type: expected {collection}, got {record['$type']}")
    checker = _Checker(collection)
    if collection == GATE:
        checker.gate(record)
        return "valid", []
    if collection != POST:
        return "unknown", []
    checker.post(record)
    return "valid", checker.blobs
