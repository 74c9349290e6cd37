"""The one way out: a single request, bounded in time and size, never repeated.

What a caller gets is an `Answer` or one of our errors. A refused connection or an
unresolved name means that nothing left (TransientError, PlatformDown); anything after
that, on a changing call, is AmbiguousOutcome. Logs hold method, call name, status and
request id only.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from .errors import (
    AmbiguousOutcome,
    Cause,
    NotFound,
    NotStarted,
    PlatformDown,
    PlatformError,
    TransientError,
)
from .transport import (
    GUARDED,
    OPEN,
    AddressRefused,
    FilePart,
    Outgoing,
    Reply,
    UploadCut,
    WholeBody,
)
from .transport import is_public as is_public

logger = logging.getLogger(__name__)

#: The whole call, connect to last byte, without what a file may take beside it.
TOTAL_TIMEOUT_S = 60.0
#: The slowest line that we send files on, in bytes per second (2 Mbit/s).
SLOWEST_LINE = 256_000
#: No JSON answer of any platform comes near this.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
#: No window of any platform is longer than a month.
MAX_WAIT_S = 31 * 86_400.0


def time_for(size_bytes: int) -> float:
    """Seconds that sending so many bytes may take beside the call itself."""
    return size_bytes / SLOWEST_LINE


@dataclass(frozen=True)
class CallLog:
    """One call that left, for the Attempt's log."""

    call: str
    at: datetime
    duration_ms: int
    status: int | None
    request_id: str = ""


#: Answer headers that carry usage; handed up for the limits ledger.
USAGE_HEADER = re.compile(
    r"^(x-)?(app-|user-)?rate-?limit|^x-(user|app)-limit|^x-.*usage$|^retry-after$",
    re.I,
)


@lru_cache(maxsize=1024)
def tells_usage(header: str) -> bool:
    return bool(USAGE_HEADER.search(header))


@lru_cache(maxsize=16)
def _date(word: str) -> datetime:
    """A header's time, aware. Answers of one second have the same. Raises ValueError."""
    at = parsedate_to_datetime(word)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


REQUEST_ID_HEADERS = (
    "x-transaction-id",
    "x-request-id",
    "x-li-uuid",
    "x-fb-request-id",
    "x-pinterest-rid",
    "x-tt-logid",
)


def storable(text: str) -> str:
    """The text without what no database takes: NUL, and halves of surrogate pairs."""
    return (
        text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        .encode("utf-8", "replace")
        .decode()
    )


def parse_json(body: bytes) -> Any:
    """The JSON value of a body with storable texts; None for anything else."""
    try:
        value = json.loads(body)
        return _storable(value) if b"\\u" in body else value
    except (ValueError, RecursionError):  # the latter: nested without end
        return None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): _storable(item) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes = field(repr=False, default=b"")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str:
        for name in REQUEST_ID_HEADERS:
            if value := self.headers.get(name):
                return storable(value)[:200]
        return ""

    @property
    def usage(self) -> dict[str, str]:
        return {k: v for k, v in self.headers.items() if tells_usage(k)}

    @property
    def clock_offset(self) -> timedelta:
        """How far the server's clock is ahead of ours, from Date; 0 when not told."""
        try:
            return _date(self.headers.get("date", "")) - datetime.now(UTC)
        except ValueError:
            return timedelta()

    @property
    def retry_after(self) -> float | None:
        """Seconds from Retry-After (both of its forms), or None.

        At most `MAX_WAIT_S`: an endless wait is no time to count with.
        """
        value = self.headers.get("retry-after", "").strip()
        if not value:
            return None
        try:
            seconds = float(value)
        except ValueError:
            pass
        else:
            return None if math.isnan(seconds) else min(max(0.0, seconds), MAX_WAIT_S)
        try:
            at = _date(value)
        except ValueError:
            return None
        return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), MAX_WAIT_S)

    def data(self) -> dict[str, Any]:
        """The JSON object of the body; {} for anything else (a proxy's HTML page)."""
        value = parse_json(self.body)
        return value if isinstance(value, dict) else {}

    def text(self, limit: int = 2000) -> str:
        words = self.body[: limit * 4].decode("utf-8", "replace")
        return redact(storable(words))[:limit]


#: Names of form and JSON fields whose value is a secret.
SECRET_FIELDS = frozenset(
    {
        "accessJwt",
        "access_token",
        "appsecret_proof",
        "authorization",
        "client_secret",
        "code",
        "code_verifier",
        "fb_exchange_token",
        "id_token",
        "input_token",
        "password",
        "refreshJwt",
        "refresh_token",
        "secret",
        "token",
    }
)
#: Quotes may be escaped: texts inside of JSON hold JSON.
SECRETS = re.compile(
    rf"""(?ix)
    ((?:{"|".join(sorted(SECRET_FIELDS, key=len, reverse=True))})
    \\*["']?\s*[:=]\s*\\*)
    ("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s&,;}}"']+)
    """
)
BEARER = re.compile(r"(?i)\b(bearer|dpop|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+){0,2}")


#: The address that a connection's error repeats; an upload's holds its signature.
ADDRESS = re.compile(r"(?i)\burl: \S+|https?://\S+")
#: Nothing longer is stored or shown.
MAX_TEXT = 10_000


def redact(text: str) -> str:
    """Take out whatever looks like a secret, before anything is stored or logged.

    At most `MAX_TEXT` characters are kept.
    """
    # First, for "Authorization: Bearer x" is a name with two words after it.
    text = BEARER.sub(r"\1 [removed]", text[:MAX_TEXT])
    text = SECRETS.sub(lambda m: m.group(1) + '"[removed]"', text)
    return JWT.sub("[removed]", text)


def sent_secrets(
    headers: Mapping[str, str] | None, auth: tuple[str, str] | None, *parts: Any
) -> set[str]:
    """The secrets of a request, so that no answer to it can repeat them to anybody.

    parts: query, form and JSON.
    """
    found = {auth[1]} if auth else set()
    for name, value in (headers or {}).items():
        if name.lower() == "authorization":
            found.add(value.partition(" ")[2])
        elif name.lower() == "profile-key":
            found.add(value)
    for part in parts:
        if isinstance(part, Mapping):
            found |= {v for k, v in part.items() if k in SECRET_FIELDS}
    # Shorter ones would tear holes into any text.
    return {s for s in found if isinstance(s, str) and len(s) >= 6}


def without(secrets: Iterable[str], text: str) -> str:
    # Longer ones first: one may hold another, and would not be found in pieces.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[removed]")
    return text


def never_sent(exc: requests.RequestException) -> bool:
    """True only when it is certain that no byte of the request left."""
    if isinstance(exc, (requests.ConnectTimeout, *NO_REQUEST)):
        return True
    reason = exc.args[0] if exc.args else None
    if isinstance(reason, MaxRetryError):
        # In our transport no other call of ours ends so than one without connection.
        reason = reason.reason
        if isinstance(reason, SSLError):
            return True
    if isinstance(reason, (NewConnectionError, ConnectTimeoutError)):
        return True
    return isinstance(
        exc, requests.exceptions.SSLError
    ) and "CERTIFICATE_VERIFY" in str(exc)


#: What was to be sent is no request.
NO_REQUEST = (
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidJSONError,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)


class Http:
    """A place to send from. `log` holds what left since it was last drained."""

    def __init__(
        self, *, allow_private: bool = False, total_s: float = TOTAL_TIMEOUT_S
    ) -> None:
        self.allow_private = allow_private
        #: the only private addresses that may be called, as host:port; None: any
        self.private_hosts: frozenset[str] | None = None
        self.total_s = total_s
        #: monotonic time after which no changing call is begun; None: any time
        self.change_until: float | None = None
        #: files on their way are not wanted any more: set from another thread. What may
        #: publish is never cut.
        self.is_cut = False
        #: bytes of files that were read for sending, for whoever asks meanwhile
        self.sent_bytes = 0
        #: seconds that the longest of its calls so far was given
        self.longest_s = total_s
        self.log: list[CallLog] = []
        #: usage headers of the last answer per call key
        self.usage: dict[str, dict[str, str]] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        call: str,
        mutates: bool,
        headers: Mapping[str, str] | None = None,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        files: Any = None,
        upload: FilePart | WholeBody | None = None,
        auth: tuple[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send once. Any status comes back as an Answer; redirects are not followed.

        upload: a file that is sent as it is read: in a form, of which `data` are the
        texts, or as the whole body. The call's limit grows with it (`time_for`), but for
        a changing call: nobody may wait so long for what it did.
        An answer that refuses comes without the secrets that were sent. NotStarted when
        it is too late for a changing call (`change_until`).
        """
        private = self._may_be_private(url)
        if not private and not url.startswith("https://"):
            raise NotFound(
                "only https addresses are called", cause=Cause.ADDRESS_REFUSED
            )
        secrets = sent_secrets(headers, auth, params, data, json)
        at = datetime.now(UTC)
        start = time.monotonic()
        if mutates and self.change_until is not None and start > self.change_until:
            raise NotStarted("the lease ends too soon")
        whole_s = self.total_s
        if upload is not None and not mutates:
            whole_s += time_for(upload.size)
            self.longest_s = max(self.longest_s, whole_s)
        until = start + whole_s
        status: int | None = None
        answer: Answer | None = None
        try:
            if upload is not None:
                sent = Outgoing.upload(
                    method,
                    f"{url}?{urlencode(params)}" if params else url,
                    headers or {},
                    data or {},
                    upload,
                    until=until,
                    mutates=mutates,
                    watch=None if mutates else self._watch,
                )
            elif params or data or files or auth:
                parts = requests.Request(
                    method,
                    url,
                    headers=headers,
                    params=params,
                    json=json,
                    data=data,
                    files=files,
                    auth=auth,
                )
                sent = Outgoing.from_parts(parts, until=until, mutates=mutates)
            else:
                sent = Outgoing.make(
                    method, url, headers or {}, json, until=until, mutates=mutates
                )
            with (OPEN if private else GUARDED).send(sent, stream=True) as response:
                status = response.status_code
                body = self._read(response, max_bytes)
                if not 200 <= status < 300:
                    for secret in sorted(secrets, key=len, reverse=True):
                        body = body.replace(secret.encode(), b"[removed]")
                answer = Answer(status, self._headers(response), body)
                return answer
        except requests.RequestException as exc:
            raise self._error(exc, mutates, secrets) from exc
        except UploadCut as exc:
            raise TransientError("the upload was given up") from exc
        except UnicodeError as exc:
            # A token or handle that no header can hold: nothing left.
            raise TransientError(
                f"{type(exc).__name__} in the request", cause=Cause.UNREACHABLE
            ) from None
        except _TooMuch as exc:
            kind = AmbiguousOutcome if mutates else TransientError
            raise kind(str(exc), cause=Cause.ANSWER_UNREADABLE, status=status) from exc
        finally:
            spent = int((time.monotonic() - start) * 1000)
            request_id = answer.request_id if answer else ""
            self.log.append(CallLog(call, at, spent, status, request_id))
            if answer and (usage := answer.usage):
                self.usage[call] = usage
            logger.info("%s -> %s in %d ms %s", call, status, spent, request_id)

    def _watch(self, size: int) -> None:
        self.sent_bytes += size
        if self.is_cut:
            raise UploadCut

    def _may_be_private(self, url: str) -> bool:
        if not self.allow_private or self.private_hosts is None:
            return self.allow_private
        try:
            return urlsplit(url).netloc.lower() in self.private_hosts
        except ValueError:
            return False

    def drain(self) -> list[CallLog]:
        log, self.log = self.log, []
        return log

    @staticmethod
    def _headers(response: requests.Response) -> dict[str, str]:
        if isinstance(response.raw, Reply):  # of our transport: as we want them
            return dict(response.raw.headers.items())
        return {k.lower(): v for k, v in response.headers.items()}

    @staticmethod
    def _read(response: requests.Response, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        for block in response.iter_content(65536):
            size += len(block)
            if size > max_bytes:
                raise _TooMuch(f"answer over {max_bytes} bytes")
            parts.append(block)
        return b"".join(parts)

    def _error(
        self, exc: requests.RequestException, mutates: bool, secrets: set[str]
    ) -> PlatformError:
        words = ADDRESS.sub("", without(secrets, f"{type(exc).__name__}: {exc}"))
        text = redact(words)[:300]
        reason = exc.args[0] if exc.args else None
        if isinstance(reason, MaxRetryError):
            reason = reason.reason
        if isinstance(reason, AddressRefused):
            return NotFound(text, cause=Cause.ADDRESS_REFUSED)
        if never_sent(exc):
            return PlatformDown(text, cause=Cause.UNREACHABLE)
        timed_out = isinstance(exc, requests.Timeout) or isinstance(
            reason, ReadTimeoutError
        )
        if mutates:
            return AmbiguousOutcome(
                text, cause=Cause.TIMED_OUT if timed_out else Cause.ANSWER_LOST
            )
        return TransientError(
            text, cause=Cause.TIMED_OUT if timed_out else Cause.UNREACHABLE
        )


class _TooMuch(Exception):
    """The answer is longer than any that we want."""
