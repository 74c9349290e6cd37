"""The classes of answer that a platform can give, and the causes that people read about.

`Outcome` decides what the engine does; `Cause` decides which sentence a person reads
and which button stands beside it (`accounts/causes.py` holds the sentences).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    PUBLISHED = "published"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    AUTH_EXPIRED = "auth_expired"
    AUTH_REVOKED = "auth_revoked"
    PERMISSION = "permission"
    INVALID_CONTENT = "invalid_content"
    DUPLICATE = "duplicate"
    NOT_FOUND = "not_found"
    PLATFORM_DOWN = "platform_down"
    AMBIGUOUS = "ambiguous"


class Reach(StrEnum):
    """Whom an error concerns: one post, one token, our whole app, everybody."""

    POST = "post"
    TOKEN = "token"
    APP = "app"
    PLATFORM = "platform"


class Cause(StrEnum):
    """Why, in one word per sentence. A platform's table maps its codes to these."""

    # access
    TOKEN_EXPIRED = "token_expired"
    TOKEN_REVOKED = "token_revoked"
    TOKEN_INVALID = "token_invalid"
    PASSWORD_CHANGED = "password_changed"
    SIGN_IN_WANTED = "sign_in_wanted"
    DATA_ACCESS_ENDED = "data_access_ended"
    REFRESH_REFUSED = "refresh_refused"
    ROTATION_LOST = "rotation_lost"
    CONSENT_REFUSED = "consent_refused"
    CODE_REFUSED = "code_refused"
    WRONG_PASSWORD = "wrong_password"
    SECOND_FACTOR_WANTED = "second_factor_wanted"
    # rights
    SCOPE_MISSING = "scope_missing"
    ROLE_LOST = "role_lost"
    NETWORK_UNLINKED = "network_unlinked"
    ADMIN_RESTRICTS = "admin_restricts"
    FILES_NOT_ALLOWED = "files_not_allowed"
    # nobody has said what it is
    NOT_PROVEN = "not_proven"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_LOCKED = "account_locked"
    ACCOUNT_MOVED = "account_moved"
    ACCOUNT_GONE = "account_gone"
    #: the tokens are somebody else's
    OTHER_ACCOUNT = "other_account"
    NOT_ALLOWED = "not_allowed"
    # our app
    APP_REFUSED = "app_refused"
    APP_GONE = "app_gone"
    APP_SUSPENDED = "app_suspended"
    APP_UNREVIEWED = "app_unreviewed"
    VERSION_ENDED = "version_ended"
    CREDITS_USED_UP = "credits_used_up"
    # limits
    TOO_MANY_REQUESTS = "too_many_requests"
    DAILY_LIMIT = "daily_limit"
    PLAN_LIMIT = "plan_limit"
    # content
    MEDIA_MISSING = "media_missing"
    VIDEO_MISSING = "video_missing"
    TEXT_EMPTY = "text_empty"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_REFUSED = "text_refused"
    TOO_MANY_TAGS = "too_many_tags"
    MENTION_PLAIN = "mention_plain"
    MENTION_NOBODY = "mention_nobody"
    MENTION_TAKEN_OUT = "mention_taken_out"
    LINK_REFUSED = "link_refused"
    TOO_MANY_LINKS = "too_many_links"
    TOO_MANY_MEDIA = "too_many_media"
    MEDIA_MIXED = "media_mixed"
    COVER_MISSING = "cover_missing"
    MEDIA_TYPE = "media_type"
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_TOO_SMALL = "media_too_small"
    MEDIA_SHAPE = "media_shape"
    #: all together, where they stand in one call
    IMAGES_TOO_LARGE = "images_too_large"
    MEDIA_SIZES_DIFFER = "media_sizes_differ"
    MEDIA_KIND = "media_kind"
    ANIMATION_TOO_LARGE = "animation_too_large"
    ANIMATION_TOO_LONG = "animation_too_long"
    ANIMATION_LOST = "animation_lost"
    VIDEO_TOO_SHORT = "video_too_short"
    VIDEO_TOO_LONG = "video_too_long"
    VIDEO_TOO_LARGE = "video_too_large"
    AUDIO_TOO_LARGE = "audio_too_large"
    VIDEO_TOO_SMALL = "video_too_small"
    VIDEO_TOO_MANY_PIXELS = "video_too_many_pixels"
    VIDEO_TOO_FEW_PIXELS = "video_too_few_pixels"
    VIDEO_SHAPE = "video_shape"
    VIDEO_CODEC = "video_codec"
    VIDEO_SILENT = "video_silent"
    SOUND_CODEC = "sound_codec"
    SOUND_CHANNELS = "sound_channels"
    SOUND_RATE = "sound_rate"
    VIDEO_COLOURS = "video_colours"
    VIDEO_INTERLACED = "video_interlaced"
    VIDEO_FRAME_RATE = "video_frame_rate"
    VIDEO_BITRATE = "video_bitrate"
    VIDEO_INDEX_LAST = "video_index_last"
    DOCUMENT_TOO_LARGE = "document_too_large"
    DOCUMENT_TOO_LONG = "document_too_long"
    CAPTIONS_ALONE = "captions_alone"
    CAPTIONS_LEFT_OUT = "captions_left_out"
    CAPTIONS_TOO_LARGE = "captions_too_large"
    CAPTIONS_LANGUAGE = "captions_language"
    CAPTIONS_TWICE = "captions_twice"
    MEDIA_NOT_PUBLIC = "media_not_public"
    MEDIA_REFUSED = "media_refused"
    NOT_A_REEL = "not_a_reel"
    DRAFT_LEFT = "draft_left"
    TEXT_NOT_SHOWN = "text_not_shown"
    ALT_TEXT_MISSING = "alt_text_missing"
    ALT_TEXT_TOO_LONG = "alt_text_too_long"
    DUPLICATE_TEXT = "duplicate_text"
    ALREADY_THERE = "already_there"
    OPTION_MISSING = "option_missing"
    OPTION_UNKNOWN = "option_unknown"
    OPTION_TOO_LONG = "option_too_long"
    OPTION_LEFT_OUT = "option_left_out"
    QUOTE_UNREADABLE = "quote_unreadable"
    QUOTE_GONE = "quote_gone"
    QUOTE_ALONE = "quote_alone"
    POLL_IMPOSSIBLE = "poll_impossible"
    POLL_WITH_FILES = "poll_with_files"
    POLL_WITH_LINK = "poll_with_link"
    POLL_TOO_FEW = "poll_too_few"
    POLL_TOO_MANY = "poll_too_many"
    POLL_ANSWER_TOO_LONG = "poll_answer_too_long"
    POLL_ANSWER_TWICE = "poll_answer_twice"
    POLL_ONE_CHOICE = "poll_one_choice"
    POLL_QUESTION_MISSING = "poll_question_missing"
    POLL_QUESTION_TOO_LONG = "poll_question_too_long"
    POLL_LENGTH = "poll_length"
    POLL_LENGTH_LOST = "poll_length_lost"
    THREAD_IMPOSSIBLE = "thread_impossible"
    #: refused as a whole, and nobody tells at which of its parts
    THREAD_HALTED = "thread_halted"
    TOO_MANY_PARTS = "too_many_parts"
    COMMENT_IMPOSSIBLE = "comment_impossible"
    # a part of a post that the platform has not got (any more)
    MEDIA_NOT_READY = "media_not_ready"
    MEDIA_EXPIRED = "media_expired"
    PARENT_GONE = "parent_gone"
    NOT_THERE = "not_there"
    # network and platform
    ADDRESS_REFUSED = "address_refused"
    NOT_THIS_PLATFORM = "not_this_platform"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    PLATFORM_TROUBLE = "platform_trouble"
    ANSWER_UNREADABLE = "answer_unreadable"
    ANSWER_LOST = "answer_lost"
    UNKNOWN_REFUSAL = "unknown_refusal"


#: Our app is at fault, and no account.
OF_OUR_APP = {
    Cause.APP_REFUSED,
    Cause.APP_SUSPENDED,
    Cause.APP_UNREVIEWED,
    Cause.VERSION_ENDED,
    Cause.CREDITS_USED_UP,
    Cause.PLAN_LIMIT,
}
ABOUT_ACCESS = {Outcome.AUTH_EXPIRED, Outcome.AUTH_REVOKED, Outcome.PERMISSION}


class PlatformError(Exception):
    """What a call came to when it did not succeed. Never holds a token.

    `extra`: "forget" names what of a witness is of no use any more; "of_commit" says that
    an ambiguous outcome is of the commit before, whichever step found it out.

    `code` is the platform's own word, `detail` its own text (redacted, at most 2,000
    characters) for the Details fold; `retry_after` is seconds from now, `reset_at`
    an aware UTC time: both None when the platform did not say.
    """

    outcome: Outcome = Outcome.TRANSIENT
    default_cause: Cause = Cause.PLATFORM_TROUBLE
    default_reach: Reach = Reach.POST
    #: Repeating the same content cannot help; a person has to change something.
    permanent = False

    def __init__(
        self,
        detail: str = "",
        *,
        cause: Cause | None = None,
        reach: Reach | None = None,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        reset_at: datetime | None = None,
        extra: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail[:2000]
        self.cause = cause or self.default_cause
        self.reach = reach or self.default_reach
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.reset_at = reset_at
        #: Facts that the engine may need, such as the id a duplicate answer names.
        self.extra = extra or {}

    @property
    def ends_access(self) -> bool:
        """A definite word that this access is over (an expired one may be renewed).

        Not where our app is at fault, which no reconnect mends, and not where the
        platform is in trouble or the answer makes no sense.
        """
        if self.cause in OF_OUR_APP:
            return False
        if self.reach == Reach.APP and self.cause != Cause.APP_GONE:
            return False
        gone = self.outcome == Outcome.NOT_FOUND and self.cause == Cause.ACCOUNT_GONE
        return gone or self.outcome in ABOUT_ACCESS

    def __str__(self) -> str:
        where = (
            f" ({self.status} {self.code})".replace(" )", ")") if self.status else ""
        )
        return f"{self.outcome}: {self.cause}{where}"


class TransientError(PlatformError):
    """It did not run, and may work by itself later."""

    outcome = Outcome.TRANSIENT


class NotStarted(TransientError):
    """Our own time to begin it was over: nothing left."""

    default_cause = Cause.TIMED_OUT


class RateLimited(PlatformError):
    outcome = Outcome.RATE_LIMITED
    default_cause = Cause.TOO_MANY_REQUESTS
    default_reach = Reach.TOKEN


class AuthExpired(PlatformError):
    """The access token's time is over; a refresh may mend it."""

    outcome = Outcome.AUTH_EXPIRED
    default_cause = Cause.TOKEN_EXPIRED
    default_reach = Reach.TOKEN


class AuthRevoked(PlatformError):
    """The grant is gone; only a person's consent mends it."""

    outcome = Outcome.AUTH_REVOKED
    default_cause = Cause.TOKEN_REVOKED
    default_reach = Reach.TOKEN


class PermissionMissing(PlatformError):
    outcome = Outcome.PERMISSION
    default_cause = Cause.NOT_ALLOWED
    default_reach = Reach.TOKEN


class InvalidContent(PlatformError):
    outcome = Outcome.INVALID_CONTENT
    default_cause = Cause.TEXT_REFUSED
    permanent = True


class DuplicateContent(PlatformError):
    """The platform says that it has this already: evidence, when we may have sent it.

    `extra["external_id"]` names the live post where the platform tells it.
    """

    outcome = Outcome.DUPLICATE
    default_cause = Cause.DUPLICATE_TEXT
    permanent = True


class NotFound(PlatformError):
    outcome = Outcome.NOT_FOUND
    default_cause = Cause.NOT_THERE
    permanent = True


class PlatformDown(PlatformError):
    """Nobody can publish there now; no account is at fault."""

    outcome = Outcome.PLATFORM_DOWN
    default_reach = Reach.PLATFORM


class AmbiguousOutcome(PlatformError):
    """A changing call left and nobody knows whether it ran: look before repeating."""

    outcome = Outcome.AMBIGUOUS
    default_cause = Cause.ANSWER_LOST


BY_OUTCOME: dict[Outcome, type[PlatformError]] = {
    cls.outcome: cls
    for cls in (
        TransientError,
        RateLimited,
        AuthExpired,
        AuthRevoked,
        PermissionMissing,
        InvalidContent,
        DuplicateContent,
        NotFound,
        PlatformDown,
        AmbiguousOutcome,
    )
}


def as_kind(
    kind: type[PlatformError], error: PlatformError, **facts: Any
) -> PlatformError:
    """The same answer as an error of another class; its cause is the class's own unless
    it is given."""
    return kind(
        error.detail,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        **facts,
    )
