"""Meta's upload host: the bytes of a video, from an offset on, in one request.

What arrived of a request that was cut is kept: the object that the bytes are for tells
how many they are. Source: https://developers.facebook.com/docs/video-api/guides/
reels-publishing (v26.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..base import MediaFile, StepResult
from ..errors import Cause, PlatformError, RateLimited, TransientError
from ..http import Answer, redact
from ..transport import WholeBody
from .graph import GraphClient, facts_of

#: The session can go on from another offset; after any other refusal it is over.
GOES_ON = {"OffsetInvalidError", "PartialRequestError"}


class UploadClient(GraphClient):
    """A Graph client that sends files as well. `hosts` names the host "upload"."""

    def send_file(self, key: str, path: str, file: MediaFile, offset: int) -> None:
        """Send the rest of a file. TransientError with MEDIA_EXPIRED: begin anew."""
        with file.open() as stream:
            stream.seek(offset)
            answer = self.send(
                key,
                f"{self.host('upload')}/{path}",
                headers={
                    "Authorization": f"OAuth {self.access.token}",
                    "offset": str(offset),
                    "file_size": str(file.size_bytes),
                },
                upload=WholeBody(stream, file.size_bytes - offset),
            )
        if answer.data().get("success") is not True:
            raise self.error_from(answer, mutates=False)

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        told = answer.data().get("debug_info")
        if not isinstance(told, dict):
            return super().error_from(answer, mutates)
        kind, text = str(told.get("type") or ""), redact(str(told.get("message") or ""))
        passing = kind in GOES_ON or told.get("retriable") is True
        cause = Cause.PLATFORM_TROUBLE if passing else Cause.MEDIA_EXPIRED
        return TransientError(
            text, cause=cause, **{**facts_of(answer, None), "code": kind}
        )


def send_rest(
    file: MediaFile,
    offset: int,
    send: Callable[[int], None],
    arrived: Callable[[], int],
    stored: Callable[[int], Mapping[str, Any]],
) -> StepResult:
    """Send a file from an offset on, or as much of it as a call has time for.

    arrived: asks how many bytes are there; stored: the witness of so many. Raises what
    `send` raised when none of them arrived.
    """
    try:
        send(offset)
    except (TransientError, RateLimited) as error:
        try:
            there = arrived()
        except PlatformError:
            raise error from None
        if there <= offset:
            raise
        return StepResult(stored(there))
    return StepResult(stored(file.size_bytes))
