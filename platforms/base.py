"""What every platform is made of: facts as data, a client, content rules and steps.

One folder per platform holds `spec.py` (a `PlatformSpec`), `client.py` (a
`PlatformClient`: one method per call), `publish.py` (a `Platform`: counting, checking,
the publishing steps, reconciliation) and `twin.py` (the practice network's side).
"""

from __future__ import annotations

import abc
import dataclasses
import json
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import IO, Any, ClassVar

from .errors import (
    Cause,
    NotFound,
    PermissionMissing,
    PlatformError,
    Reach,
    as_kind,
)
from .http import Answer, Http

# ---------------------------------------------------------------- facts as data


class Ability(StrEnum):
    """What a credential is good for; each is proven on its own."""

    PUBLISH = "publish"
    READ = "read"
    FIGURES = "figures"


#: the unit of a budget
MONEY = "thousandths of a US dollar"


class WindowKind(StrEnum):
    FIXED_UTC_DAY = "fixed_utc_day"
    FIXED_PACIFIC_DAY = "fixed_pacific_day"
    FIXED_FROM_EPOCH = "fixed_from_epoch"  # aligned: reset = now + w - now mod w
    FROM_FIRST_CALL = "from_first_call"  # opens with its first call
    ROLLING_LOG = "rolling_log"
    MONTH = "month"


@dataclass(frozen=True)
class Bucket:
    """A platform's rule: `size` units per window and partition.

    partition: "app", "token", "account" or "ip". size None: not published, learnt
    from headers or set by an admin. verified False: keep it switchable.
    """

    key: str
    partition: str
    size: int | None
    window: WindowKind
    window_s: int
    verified: bool = True
    #: what people read; "": the feature of the calls that draw on it
    name: str = ""
    #: what is counted: calls, points, posts or MONEY
    unit: str = "calls"
    #: how many seconds after midnight of the 1st, UTC, a month begins
    begins_s: int = 0


@dataclass(frozen=True)
class Call:
    """One row of the permission registry. A call without a row cannot be made.

    scopes: the platform's spelling, all needed (any_scopes: one of them is enough).
    mutates: the audience would see it if the call ran twice.
    draws: bucket key -> units.
    later: a feature on our roadmap makes it; no code does today.
    """

    key: str  # "POST /2/tweets", unique in its platform
    feature: str
    scopes: tuple[str, ...] = ()
    any_scopes: tuple[str, ...] = ()
    mutates: bool = False
    ability: Ability = Ability.PUBLISH
    draws: Mapping[str, int] = field(default_factory=dict)
    later: bool = False


@dataclass(frozen=True)
class Scope:
    """One permission. `later`: the feature on our roadmap that will need it, so that one
    review of our app can ask for all of them at once; "": code needs it today.

    kinds: of account that it is of use to; (): to all.
    """

    name: str
    allows: str
    needs_review: bool = False
    asked: bool = True  # part of what we ask for when connecting
    later: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class OAuthFacts:
    """host names are keys of `PlatformSpec.hosts`."""

    authorize_host: str
    authorize_path: str
    pkce: bool
    scopes: tuple[str, ...]
    scope_delimiter: str = " "
    cancel_errors: tuple[str, ...] = ("access_denied",)
    scope_errors: tuple[str, ...] = ("invalid_scope",)
    extra_params: Mapping[str, str] = field(default_factory=dict)
    #: Ask the platform to let the person choose another login (second account).
    force_login_params: Mapping[str, str] = field(default_factory=dict)
    #: Sent as well when somebody signs in again for an account that is here already.
    again_params: Mapping[str, str] = field(default_factory=dict)
    client_id_parameter: str = "client_id"
    #: PKCE where the redirect address leads to this machine: an app for desktops there
    pkce_on_loopback: bool = False
    #: the challenge is written in hexadecimal digits instead of base64 (not RFC 7636)
    hex_challenge: bool = False


class SignIn(StrEnum):
    """How an account is connected."""

    OAUTH = "oauth"  # one app for all
    OAUTH_INSTANCE = "oauth_instance"  # a server of the user's choice, app made there
    APP_PASSWORD = "app_password"  # handle and app password
    KEY = "key"  # a key of ours for all, and one for each account where there is one


class MediaKind(StrEnum):
    """What a file is to those who see it, whatever it is called."""

    IMAGE = "image"
    GIF = "gif"  # an animated image: GIF, WebP or PNG
    VIDEO = "video"
    AUDIO = "audio"  # sound alone
    DOCUMENT = "document"
    CAPTIONS = "captions"  # what is said in a video, to read along: SRT or WebVTT


#: what runs for a while, and an image may stand for
PLAYED = frozenset({MediaKind.VIDEO, MediaKind.AUDIO})


@dataclass(frozen=True)
class MediaRule:
    """What a platform takes of one kind of file; None: it has no such limit.

    max_count: how many of them in one post. Ratios are width / height as the viewer
    sees them.
    """

    mime_types: tuple[str, ...]
    max_bytes: int
    max_pixels: int | None = None
    max_alt: int | None = None
    max_count: int = 4
    min_ratio: float | None = None
    max_ratio: float | None = None


@dataclass(frozen=True)
class GifRule(MediaRule):
    """Animated images. max_volume: width x height x pictures.

    shown_still: it is taken, and only its first picture is shown.
    """

    max_count: int = 1
    max_width: int | None = None
    max_height: int | None = None
    max_frames: int | None = None
    max_volume: int | None = None
    shown_still: bool = False


@dataclass(frozen=True)
class VideoRule(MediaRule):
    """Videos. Codecs as FFmpeg spells them ("h264", "hevc", "aac"); (): any.

    Pixels and sides are those that the viewer sees. Without a max_alt a video has no
    alternative text there, and none is missed.
    """

    max_count: int = 1
    min_bytes: int = 0
    video_codecs: tuple[str, ...] = ()
    audio_codecs: tuple[str, ...] = ()
    min_s: float | None = None
    max_s: float | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    min_fps: float | None = None
    max_fps: float | None = None
    max_bitrate: int | None = None
    #: the index has to stand before the pictures ("fast start")
    index_first: bool = False
    max_channels: int | None = None
    max_audio_rate: int | None = None
    #: as FFmpeg spells them ("yuv420p"); (): any
    pixel_formats: tuple[str, ...] = ()
    #: whole pictures only, no half ones
    progressive: bool = False


@dataclass(frozen=True)
class AudioRule(MediaRule):
    """Sound without pictures."""

    max_count: int = 1


@dataclass(frozen=True)
class DocumentRule(MediaRule):
    max_count: int = 1
    max_pages: int | None = None


@dataclass(frozen=True)
class CaptionRule:
    """Captions beside a video. format: what is sent, "srt" or "vtt" (`captions`);
    max_count: files, of which each has a language of its own. needs_language: without
    one they cannot be sent."""

    format: str
    max_bytes: int
    max_count: int = 1
    needs_language: bool = True


@dataclass(frozen=True)
class PollRule:
    """What a platform takes of a poll. max_option: characters of one answer.

    min_minutes, max_minutes: how long people may vote; None: it has no such limit.
    lengths: the only ones that it has, (): any between. has_length: False, it decides
    itself. max_question: None, its polls have no question of their own: the text asks.
    """

    max_option: int
    max_options: int = 4
    min_options: int = 2
    min_minutes: int | None = None
    max_minutes: int | None = None
    lengths: tuple[int, ...] = ()
    has_length: bool = True
    #: people may choose several answers, where whoever asks lets them
    has_multiple: bool = False
    max_question: int | None = None
    #: a post with a poll has no card of a link
    has_card: bool = True
    #: its characters are UTF-16 units, as far as is known
    counts_utf16: bool = False
    #: how often each answer was chosen comes with the figures of the post
    tells_votes: bool = False


#: between the name of a choice and of one that lies below it
BELOW = " › "


class OptionKind(StrEnum):
    CHOICE = "choice"  # one of `choices`, or of what the account's own server lists
    TEXT = "text"
    LIST = "list"  # texts: tags
    LINES = "lines"  # texts, one for each file, in their order; "": none for that one
    FLAG = "flag"
    DATE = "date"  # YYYY-MM-DD


@dataclass(frozen=True)
class Option:
    """What a person decides for one platform besides text, link and files.

    It stands in `Draft.options` under `key` and is read with `chosen`. choices: value ->
    words for people, in order; choices_from: the key of `server_limits` under which the
    account's own choices stand, in the same shape (a board, a playlist), the value is
    then kept per account. default: what holds when nothing is chosen, None: nothing is
    preset and, where `required`, a person has to choose (TikTok demands that of who may
    see a video). max_length: of a text or of each line in code points, of a list in
    entries. media: kinds of files with which it makes sense, (): always.
    """

    key: str
    name: str  # what people read
    kind: OptionKind
    choices: Mapping[str, str] = field(default_factory=dict)
    choices_from: str = ""
    default: str | bool | tuple[str, ...] | None = None
    required: bool = False
    max_length: int | None = None
    help: str = ""
    media: tuple[MediaKind, ...] = ()
    #: it is about the poll: without one it makes no sense
    of_poll: bool = False
    #: readers see it beside the post, and so does who looks at a preview
    is_read: bool = False
    #: few posts want it: folded away in the composer until it is chosen
    is_rare: bool = False
    #: key of a row whose permissions a choice needs besides those of the post
    call: str = ""
    #: key of the row of the call that makes one more choice (`PlatformClient.make_choice`)
    #: and what people call that
    made_by: str = ""
    making: str = ""
    #: key of the row of the call that makes one below another: "Board › Section"
    below_by: str = ""


class After(StrEnum):
    """What may be done with a post that is out."""

    FIGURES = "figures"
    COMMENTS = "comments"
    ANSWER = "answer"
    DELETE = "delete"
    #: a comment of somebody else hidden, or shown again
    HIDE = "hide"
    #: a comment of somebody else deleted
    REMOVE = "remove"
    #: the account's newest posts read, also those that were made at the network itself
    RECENT = "recent"


@dataclass(frozen=True)
class Absent:
    """What a platform gives no app, and why, in a sentence for people.

    kinds: of account that have it not, (): none has. extra: name and value in
    `Access.extra` by which those accounts are known.
    """

    what: After
    why: str
    kinds: tuple[str, ...] = ()
    extra: tuple[str, str] | None = None


@dataclass(frozen=True)
class ThreadRule:
    """Posts of several parts, of which each replies to the one before.

    max_parts: with the first, as we send them. call: key of the row of the call with
    which a part goes out; its scopes are what a thread needs. at_once: that of the first
    part sends all of them, so that the others are out with it.
    """

    max_parts: int
    call: str
    has_media: bool = True
    at_once: bool = False


@dataclass(frozen=True)
class MentionRule:
    """Names with an @ in a text. links: pattern of the whole of one that becomes a link;
    how: which those are, in a sentence for people. looked_up: `resolve_handle` tells
    whether there is somebody of that name. permission: what the platform calls that of our
    app without which others vanish from a text; an admin says that we have it."""

    links: str
    how: str
    looked_up: bool = False
    permission: str = ""


@dataclass(frozen=True)
class CommentRule:
    """A comment of our own below the post, written once that is out.

    call, look_call: keys of the rows of the call that writes it, and of the one that
    reads what stands below a post, "": none does. max_length: in code points.
    listed_within_s: what the list tells may be so old, so that before nothing in it says
    that a comment is not there. look_after_s: as of the platform, for comments; (): the
    same.
    """

    call: str
    look_call: str
    max_length: int
    #: options (key, value) with which there is nothing to comment on: a story
    without: tuple[tuple[str, str], ...] = ()
    listed_within_s: float = 0
    look_after_s: tuple[float, ...] = ()


class Shape(StrEnum):
    """How a post looks to those who read it, as far as a preview can show it."""

    TALK = "talk"  # the account's picture beside the text, files below
    FEED = "feed"  # the account above, text over the whole width, files below
    PICTURE = "picture"  # the files first, the text below them
    VIDEO = "video"  # a wide stage, then title and text


@dataclass(frozen=True)
class PlatformSpec:
    slug: str
    name: str
    sign_in: SignIn
    #: name -> base URL without trailing slash, for the real platform
    hosts: Mapping[str, str]
    #: name -> path below the practice network's address ("/x/api")
    practice_paths: Mapping[str, str]
    calls: tuple[Call, ...]
    buckets: tuple[Bucket, ...]
    scopes: tuple[Scope, ...]
    images: MediaRule
    #: None: the platform has them not, or our code does not send them there yet
    gifs: GifRule | None = None
    videos: VideoRule | None = None
    audios: AudioRule | None = None
    documents: DocumentRule | None = None
    #: None: a video there has no captions of its own, or our code does not send them yet
    captions: CaptionRule | None = None
    #: None: the platform reads a link's page itself, or there is no card; else what it
    #: takes as the picture of the card, which has to be brought along
    card_picture: MediaRule | None = None
    #: None: no app may ask people there, or our code does not
    poll: PollRule | None = None
    #: an image beside a video (or sound) stands for it until it is played, and is none
    #: of the post's files
    has_stills: bool = False
    #: what a person decides besides text, link and files, in the order of the form
    options: tuple[Option, ...] = ()
    #: None: a post there has one part
    thread: ThreadRule | None = None
    #: None: no app may comment on its own posts there, or a part of a thread does it
    first_comment: CommentRule | None = None
    #: None: it is not known what it makes of names
    mentions: MentionRule | None = None
    #: sets of kinds that may stand in one post; without one each kind stands alone
    mixes: tuple[frozenset[MediaKind], ...] = ()
    oauth: OAuthFacts | None = None
    api_version: str = ""
    api_version_ends_at: date | None = None
    #: when other versions end, for apps that are kept on one of them
    version_ends: Mapping[str, date] = field(default_factory=dict)
    #: kinds of account it has: ("member", "organization")
    account_kinds: tuple[str, ...] = ("user",)
    #: seconds after an ambiguous commit at which we look whether it is there; two
    #: looks must say "absent" before the post may be sent again.
    look_after_s: tuple[float, ...] = (5, 30, 120)
    #: what the platform itself keeps a repeated commit from doubling by, in words; "":
    #: nothing, only a look tells
    commit_key: str = ""
    #: an access token has a fixed life even when the answer does not say (seconds)
    token_life_s: int | None = None
    #: each renewal brings a new permission to renew with a life of its own, and may end
    #: the one before; else the one that we have stays, and its end with it
    renewal_rotates: bool = False
    #: what is over when a person has not confirmed us for so long that the platform
    #: shows us nothing more of theirs (`data_access_ends_at`)
    data_access_stops: tuple[Ability, ...] = ()
    #: its usage headers tell per cent: of a window that has room they tell nothing
    tells_percent: bool = False
    #: what people call the key of one account (SignIn.KEY), "": it has none
    key_name: str = ""
    #: seconds for which uploads and containers are kept that no post shows yet; None: it
    #: is not known, so that nothing is sent there ahead of its post's time
    keeps_uploads_s: int | None = None
    #: all of a video has to be there within so many seconds from the beginning of its
    #: upload on; None: it has no such end, or none is known
    upload_within_s: int | None = None
    #: what no post shows goes there by itself; False: nothing says so
    clears_uploads: bool = True
    #: key of the row of the call that deletes an upload that no post shows
    #: (`PlatformClient.discard_upload`); "": it has none
    discard_call: str = ""
    #: files are not sent to it: it fetches all or some of them from an address of ours
    fetches_files: bool = False
    #: it takes no post without an image or a video
    needs_media: bool = False
    #: each post is a video
    needs_video: bool = False
    #: its terms forbid one text on several accounts of the same people
    one_account_per_text: bool = False
    #: slugs of platforms whose sign-in brings accounts of this one as well
    also_through: tuple[str, ...] = ()
    #: it calls us when a person removes our app or wants their data deleted
    #: (`Platform.person_left`)
    tells_who_left: bool = False
    #: what its settings call the address that it sends events to; "": we take none of it
    hook_name: str = ""
    #: which events those are, for people
    hook_tells: str = ""
    #: it asks whether the address is ours (`Platform.hook_challenge`)
    hook_has_handshake: bool = False
    #: an admin enters there the word by which its question is known
    hook_has_verify_token: bool = False
    #: what its settings call the secret that signs events, where that is not the app's
    #: client secret and an admin enters it here as well
    hook_secret_name: str = ""
    #: events come for each account that was asked for (`PlatformClient.ask_for_events`),
    #: signed with a word of ours, until what it grants ends
    hook_by_account: bool = False
    #: events come for each account for which we asked, until the time that the answer
    #: tells (`PlatformClient.ask_for_events`); the address is entered there as well
    hook_asked: bool = False
    #: asking for events (`hook_asked`) tells the address and the secret as well, in place
    #: of any that stood there: nobody enters them there
    hook_sets_address: bool = False
    #: where the number of a publish stands in a witness (`Hook.PUBLISH`)
    hook_publish: tuple[str, ...] = ("publish", "publish_id")
    #: kinds of account that have events; (): all
    hook_account_kinds: tuple[str, ...] = ()
    #: what its settings call the token of our app alone by which events are asked for; an
    #: admin enters it here
    hook_token_name: str = ""
    #: what it calls the number of our app without which nothing can be asked for
    hook_app_number_name: str = ""
    #: what it does not give of posts that are out
    absent: tuple[Absent, ...] = ()
    #: an answer to an answer has to name the comment that both stand below
    flat_answers: bool = False
    #: answers are listed below the comment that they answer, not with the post's
    answers_apart: bool = False
    #: its lists do not tell which comments are hidden, or leave these out: what we hid
    #: stays hidden for us until we show it again
    hides_silently: bool = False
    #: comments are told of posts that are no older; None: of all
    comments_for: timedelta | None = None
    #: its rules let us keep what others wrote for so long; None: it has no such rule
    comments_kept: timedelta | None = None
    #: figures and comments are kept for so long after an account was disconnected; None:
    #: it has no such rule
    readings_kept: timedelta | None = None
    #: the end of one access ends all that the same person has given our app: what they
    #: connected besides has to be reconnected
    ends_whole_consent: bool = False
    #: what to tell the person who registers our app there, in order
    register_steps: tuple[str, ...] = ()
    register_url: str = ""
    shape: Shape = Shape.TALK
    #: about so many characters are shown before "more"; None: all. What readers see in
    #: November 2026; no platform promises it.
    folds_after: int | None = None

    @cached_property
    def _calls(self) -> Mapping[str, Call]:
        return {row.key: row for row in self.calls}

    @property
    def hook_is_entered(self) -> bool:
        """Somebody has to enter the address for its events at the platform."""
        return bool(self.hook_name) and not (
            self.hook_by_account or self.hook_sets_address
        )

    @property
    def reads_links(self) -> bool:
        """The platform shows of a link what its page says; else what it is given."""
        return self.card_picture is None

    @property
    def wants_app(self) -> bool:
        """Whether somebody has to register our app, or to get a key for it."""
        return self.sign_in in {SignIn.OAUTH, SignIn.KEY}

    @cached_property
    def options_by_key(self) -> Mapping[str, Option]:
        return {row.key: row for row in self.options}

    @cached_property
    def rules(self) -> Mapping[str, Bucket]:
        """The buckets by key."""
        return {row.key: row for row in self.buckets}

    @cached_property
    def kinds_of_scopes(self) -> Mapping[str, tuple[str, ...]]:
        """Scope -> kinds of account that it is of use to; without those for all."""
        return {row.name: row.kinds for row in self.scopes if row.kinds}

    def why_not(
        self, what: After, kind: str = "", extra: Mapping[str, Any] | None = None
    ) -> str:
        """Why an account of that kind has it not; "": it has.

        kind "": whether any has. extra: as in `Access`.
        """
        for row in self.absent:
            told = (extra or {}).get(row.extra[0]) if row.extra else None
            if (
                row.what is what
                and (not row.kinds or kind in row.kinds)
                and (row.extra is None or told == row.extra[1])
            ):
                return row.why
        return ""

    def version_end(self, version: str = "") -> date | None:
        """The first day on which it is off. None: it has no end, or none is known.

        version: of the app, "" for the one that we tested with.
        """
        if version in ("", self.api_version):
            return self.api_version_ends_at
        return self.version_ends.get(version)

    def call(self, key: str) -> Call:
        try:
            return self._calls[key]
        except KeyError:
            raise KeyError(f"{self.slug}: no permission row for the call {key!r}")


@dataclass(frozen=True)
class Observation:
    """What an answer's headers told of one bucket. None: not told.

    limit: units per window. remaining: units left when the answer was made.
    resets_at: end of the window. at: when the answer came, by our clock.
    """

    bucket_key: str
    limit: int | None
    remaining: int | None
    resets_at: datetime | None
    at: datetime


# ---------------------------------------------------------------- values handed around


def web_address(url: str) -> str:
    """The address as it stands, or "": a platform's word becomes a link on our pages,
    and a click must not run it (`javascript:`)."""
    return url if url.startswith(("https://", "http://")) else ""


@dataclass(frozen=True)
class Environment:
    """Where and as whom our app talks: real platform or practice network."""

    hosts: Mapping[str, str]
    client_id: str = ""
    client_secret: str = field(repr=False, default="")
    api_version: str = ""
    #: loopback and private addresses may be called (practice network and tests only)
    allow_private: bool = False
    #: the only private ones, as host:port; None: any
    private_hosts: frozenset[str] | None = None
    #: name and address of our app, shown by platforms where an app registers itself
    app_name: str = "SocialHub"
    app_url: str = ""


@dataclass(frozen=True)
class Access:
    """What a client needs to act for one account. `repr` never shows a secret."""

    token: str = field(repr=False, default="")
    refresh_token: str = field(repr=False, default="")
    external_id: str = ""
    kind: str = "user"
    handle: str = ""
    scopes: tuple[str, ...] = ()
    issued_at: datetime | None = None
    #: what the platform needs besides: instance or PDS address, DID, plan ...
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenSet:
    """A platform's answer to an exchange, sign-in or refresh. Times aware, UTC.

    refresh_token "" means: the platform sent none; keep the one that is stored.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False, default="")
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    #: the platform shows us nothing of the person's any more unless they come back
    data_access_ends_at: datetime | None = None


#: Ten years: no token's life is longer.
LONGEST_LIFE_S = 315_360_000


def life_s(told: Any, usual_s: int | None = None) -> int:
    """Seconds that a token lives, as its platform told; `usual_s` (or 0) for what makes no
    sense. A token that came is not lost over it: the one before may be over by then."""
    try:
        seconds = int(told)
    except (TypeError, ValueError, OverflowError):
        seconds = 0
    return seconds if 0 < seconds < LONGEST_LIFE_S else usual_s or 0


@dataclass(frozen=True)
class Identity:
    """One profile or page that a credential may act for.

    Where a platform derives tokens, a page brings its own in `tokens`, and what has
    none of its own names in `via` the `external_id` of the identity whose token it uses
    (an Instagram account: its Facebook Page). platform: the slug of the platform that it
    belongs to, "" for the one that was asked.
    """

    external_id: str  # stable and unique within the platform (Mastodon: host/id)
    kind: str
    name: str
    handle: str
    url: str
    avatar_url: str = ""
    can_publish: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    tokens: TokenSet | None = field(default=None, repr=False)
    via: str = ""
    platform: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", web_address(self.url))
        object.__setattr__(self, "avatar_url", web_address(self.avatar_url))


@dataclass(frozen=True)
class Verdict:
    """ok None: could not be told (not a failure)."""

    ok: bool | None
    cause: Cause | None = None
    detail: str = ""


@dataclass(frozen=True)
class Proof:
    """What the cheapest read-only look says of a credential's abilities."""

    abilities: Mapping[Ability, Verdict]
    identity: Identity | None = None
    scopes: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    data_access_ends_at: datetime | None = None
    #: None above means that nothing ends, and not that the look did not tell
    tells_data_access: bool = False
    #: as `server_limits` has it, where the look told it anyway; None: not told
    limits: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PersonLeft:
    """What a platform tells of a person who removed our app. at: when it happened."""

    subject_id: str
    at: datetime | None = None


class Hook(StrEnum):
    """What an event of a platform is about: where to look, never what is so."""

    PUBLISH = "publish"  # how far a publish is that is not out yet
    POST = "post"  # a post that is out has changed, or is gone
    COMMENTS = "comments"  # somebody wrote below a post
    ACCESS = "access"  # a person took our access away


@dataclass(frozen=True)
class HookEvent:
    """key: of what makes it another event than every other. account_id, object_id: the
    platform's own; of PUBLISH the number of the publish, else the post's."""

    key: str
    what: Hook
    account_id: str = ""
    object_id: str = ""


def json_object(text: str | bytes) -> dict[str, Any]:
    """What an event's body says. ValueError: it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ValueError("it is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


@dataclass(frozen=True)
class HookAnswer:
    """What answers a platform that asks whether an address is ours.

    account_id: of the account for which it wants to send events; lease_s: how long.
    """

    body: str
    content_type: str = "text/plain; charset=utf-8"
    account_id: str = ""
    lease_s: int = 0


CENTRE = (0.5, 0.5)


@dataclass(frozen=True)
class MediaFile:
    """A measured file. `open()` gives a new binary stream at its start.

    width and height as the viewer sees them, rotation applied. None, 0 or "": the kind
    has no such thing (a document has no pixels), or it could not be told.
    public_url: where a platform that fetches files itself gets this one, "" when there
    is no such address; it ends, so it is made anew for each attempt.
    """

    key: str  # stable id of the asset, used in witnesses
    mime_type: str
    size_bytes: int
    width: int
    height: int
    alt_text: str
    sha256: str
    file_name: str
    open: Callable[[], IO[bytes]] = field(repr=False, compare=False)
    public_url: str = field(default="", repr=False, compare=False)
    kind: MediaKind = MediaKind.IMAGE
    duration_s: float | None = None
    frame_rate: float | None = None
    #: pictures of an animated image
    frames: int | None = None
    #: of a document
    pages: int | None = None
    #: as FFmpeg spells them: "mp4", "mov", "webm"; "h264", "hevc"; "aac"
    container: str = ""
    video_codec: str = ""
    audio_codec: str = ""
    #: bits per second, of all that is in it
    bitrate: int | None = None
    has_audio: bool = False
    #: the index stands before the pictures, so that playing starts at once
    index_first: bool = True
    #: of the sound: how many, and how often a second it was measured
    audio_channels: int | None = None
    audio_rate: int | None = None
    #: as FFmpeg spells it: "yuv420p"
    pixel_format: str = ""
    #: each picture is two half ones, as in television
    interlaced: bool = False
    #: how brighter pictures than ordinary ones are told: "pq", "hlg"; "": they are not
    hdr: str = ""
    #: of captions: "en", "pt-BR"; "": not known
    language: str = ""
    #: what has to stay when it is cut, from 0 (left, top) to 1
    focus: tuple[float, float] = field(default=CENTRE, compare=False)


@dataclass(frozen=True)
class Part:
    """What follows in a thread, with files of its own."""

    text: str
    media: tuple[MediaFile, ...] = ()
    captions: tuple[MediaFile, ...] = ()


@dataclass(frozen=True)
class Poll:
    """What people vote on below a text, for how many minutes.

    question: of platforms whose polls have one of their own; elsewhere the text asks.
    multiple: they may choose several of the answers.
    """

    options: tuple[str, ...]
    minutes: int = 1440
    multiple: bool = False
    question: str = ""


@dataclass(frozen=True)
class Draft:
    """What a person wants to say on one platform."""

    text: str
    link_url: str = ""
    link_title: str = ""
    link_description: str = ""
    media: tuple[MediaFile, ...] = ()
    language: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    #: of a thread, what follows the first part, in order
    parts: tuple[Part, ...] = ()
    #: written below the post once it is out
    first_comment: str = ""
    #: of the video among `media`, which holds none of these
    captions: tuple[MediaFile, ...] = ()
    #: below the first part
    poll: Poll | None = None
    #: what the page behind the link shows of itself: nobody's wording, known when it is
    #: sent, and no part of what two drafts differ in
    link_picture: MediaFile | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Count:
    """One counter: `used` of `limit` in `unit` ("characters", "bytes")."""

    unit: str
    used: int
    limit: int

    @property
    def over(self) -> bool:
        return self.used > self.limit

    @property
    def is_close(self) -> bool:
        """From four fifths on."""
        return 5 * self.used >= 4 * self.limit


def chosen(spec: PlatformSpec, draft: Draft, account: Identity | None, key: str) -> Any:
    """What a person chose for the option `key`, else its default.

    Where the choices are the account's own, `Draft.options` holds a mapping from the
    account's `external_id` to the value. KeyError: the platform has no such option.
    """
    option = spec.options_by_key[key]
    value = draft.options.get(key)
    if option.choices_from and isinstance(value, Mapping):
        value = value.get(account.external_id) if account else None
    return option.default if value in (None, "") else value


def lines_of(value: Any) -> list[str]:
    """Of an `OptionKind.LINES`, which an imported row may hold as one text."""
    rows = value.splitlines() if isinstance(value, str) else value or ()
    return [str(row).strip() for row in rows]


def calls_of_choices(
    spec: PlatformSpec, draft: Draft, account: Identity | None
) -> tuple[str, ...]:
    """Keys of rows whose permissions the choices need, beside those of the post."""
    return tuple(
        option.call
        for option in spec.options
        if option.call
        and chosen(spec, draft, account, option.key) not in (None, "", option.default)
    )


class Level(StrEnum):
    REFUSED = "refused"  # the platform would refuse it: it cannot be scheduled
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """What the platform would say about a draft. `field`: text, link, media or media:N,
    option:KEY, comment, poll, poll:N (an answer) or poll:question, poll:minutes,
    poll:multiple. Captions are numbered after the other files.

    `values` fill the sentence of `cause` (numbers, names). part: of a thread, from 1.
    """

    level: Level
    cause: Cause
    field: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    part: int = 1


#: Begins what stands for the id of a post that is out, and whose id nobody has told.
UNNAMED = "unnamed:"
#: In a witness: when a person looked and the post was not there.
ABSENT_AT = "absent_at"


def is_id(number: str) -> bool:
    """Whether it is the platform's own id of a post: neither the address that a person
    told, nor what stands for one that nobody has told. With those nothing is asked for:
    the platform knows no such post, and one that is not there counts as deleted."""
    return not number.startswith(("http://", "https://", UNNAMED))


@dataclass(frozen=True)
class RemotePost:
    external_id: str
    permalink: str
    text: str = ""
    published_at: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "permalink", web_address(self.permalink))


@dataclass(frozen=True)
class RecentPosts:
    """An account's newest posts, whoever made them; answers to others are none of them.

    reaches: of what was posted since then nothing is missing, so that what is not told
    any more was deleted. None: the list tells no such thing. A post that not everybody
    may see has `extra["hidden"]`.
    """

    posts: tuple[RemotePost, ...]
    reaches: datetime | None = None


def read_recent(
    since: datetime,
    pages: int,
    page: Callable[[Any], tuple[Sequence[Any], Any]],
    post_of: Callable[[Any], RemotePost | None],
) -> RecentPosts:
    """Read a list that goes from new to old back to `since`, `pages` at most.

    page: rows and where to go on, of where to go on (None: at the start). post_of: None
    leaves a row out.
    """
    found: dict[str, RemotePost] = {}
    times: list[datetime] = []
    where: Any = None
    for _number in range(pages):
        rows, where = page(where)
        for post in filter(None, map(post_of, rows)):
            if post.published_at is not None:
                times.append(post.published_at)
            if post.external_id and (not times or times[-1] >= since):
                found[post.external_id] = post
        in_order = times == sorted(times, reverse=True)
        if not where or not rows or (in_order and times and times[-1] < since):
            return RecentPosts(tuple(found.values()), since)
    return RecentPosts(tuple(found.values()), times[-1] if times and in_order else None)


class Figure(StrEnum):
    """What platforms count of a post; each under its own name there."""

    IMPRESSIONS = "impressions"  # how often it was shown
    REACH = "reach"  # to how many
    VIEWS = "views"  # how often a video was played
    LIKES = "likes"  # reactions of every kind
    COMMENTS = "comments"
    SHARES = "shares"  # reposts and quotes with them
    SAVES = "saves"
    CLICKS = "clicks"


@dataclass(frozen=True)
class Vote:
    """How often one answer of a poll was chosen. count None: that is not told (yet)."""

    answer: str
    count: int | None


@dataclass(frozen=True)
class Figures:
    """What a platform counted of one post until `at`.

    A figure that it does not tell is not in `values`: that is not zero. votes: of its
    poll, in the order of the answers; (): it has none, or they are not told. voters: how
    many people chose, where several answers may be chosen; None: not told.
    """

    values: Mapping[Figure, int]
    at: datetime
    votes: tuple[Vote, ...] = ()
    voters: int | None = None


@dataclass(frozen=True)
class Comment:
    """What somebody wrote below a post. parent_id "": below the post itself."""

    external_id: str
    text: str
    author: str
    published_at: datetime | None = None
    permalink: str = ""
    parent_id: str = ""
    hidden: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "permalink", web_address(self.permalink))


@dataclass(frozen=True)
class CommentPage:
    """after "": there are no more, else what to ask for the next page with."""

    comments: tuple[Comment, ...]
    after: str = ""


@dataclass(frozen=True)
class PublishJob:
    """Everything a publishing step needs; the same for every attempt of a delivery.

    A post of several parts is one job for the engine, and for each part, when its turn
    comes, one for the platform (`parts.turn`), with a draft, a marker and a witness of
    its own.

    marker: 32 hex digits, unique per delivery, the source of every idempotency key.
    created_at: fixed when the delivery was made: never "now".
    first_sent_at: when a commit of it left for the first time, else None.
    witness: what earlier steps stored (JSON values only).
    """

    marker: str
    created_at: datetime
    draft: Draft
    account: Identity
    witness: Mapping[str, Any] = field(default_factory=dict)
    first_sent_at: datetime | None = None
    server_limits: Mapping[str, Any] = field(default_factory=dict)
    #: ids of posts that other deliveries of this account have: none of them is ours
    taken: frozenset[str] = frozenset()
    #: the parts before this one, in order: it replies to the last of them
    earlier: tuple[RemotePost, ...] = ()
    #: the parts after this one, in order
    later: tuple[Part, ...] = ()
    #: it is the first comment below the post
    is_comment: bool = False

    @property
    def replies_to(self) -> str:
        """The id of the post that this one replies to, "": it stands alone."""
        return self.earlier[-1].external_id if self.earlier else ""


class StepKind(StrEnum):
    REPEATABLE = "repeatable"
    RESUMABLE = "resumable"
    COMMIT = "commit"  # the audience would see it twice


@dataclass(frozen=True)
class StepResult:
    """`witness` is merged into the stored one; `remote` ends the delivery.

    wait_s: the platform is still working; come back after that many seconds.
    """

    witness: Mapping[str, Any] = field(default_factory=dict)
    remote: RemotePost | None = None
    wait_s: float | None = None


@dataclass(frozen=True)
class Step:
    """One bounded piece of a publish. `run` does HTTP only: no database, no sleeping."""

    name: str  # "upload_image:1", stored in the attempt's log
    kind: StepKind
    run: Callable[[], StepResult]
    #: addresses of ours that the platform is told to fetch from: read by ourselves first
    gives_out: tuple[str, ...] = ()
    #: what is done where those cannot be read; None: it waits until they can
    instead: Callable[[], StepResult] | None = None


class Sighting(StrEnum):
    FOUND = "found"
    ABSENT = "absent"
    CANNOT_TELL = "cannot_tell"  # the platform cannot be read for this account


@dataclass(frozen=True)
class Look:
    """What one reconciliation look saw."""

    sighting: Sighting
    remote: RemotePost | None = None
    #: how it was told, in one line for the attempt's log
    evidence: str = ""
    #: Of one that was found, where something is still to be done there (a thumbnail, a
    #: playlist): with this in its witness `next_step` does it. {}: nothing is.
    witness: Mapping[str, Any] = field(default_factory=dict)
    #: The commit may be repeated as it is, because the platform itself keeps it from
    #: doubling (a native key, an rkey, a duplicate check that names the live post).
    safe_to_repeat: bool = False


# ---------------------------------------------------------------- the client


class PlatformClient(abc.ABC):
    """One request per method; returns data or raises a PlatformError.

    Never retries, sleeps or touches a database. `calls` is the log of what left, for
    the Attempt; the engine drains it.
    """

    spec: ClassVar[PlatformSpec]

    def __init__(
        self,
        environment: Environment,
        access: Access | None = None,
        http: Http | None = None,
    ) -> None:
        self.environment = environment
        self.access = access or Access()
        self.http = http or Http(allow_private=environment.allow_private)
        #: how far the platform's clock was ahead of ours at the last good answer
        self.clock_offset = timedelta()
        self.http.private_hosts = environment.private_hosts

    def host(self, name: str) -> str:
        return self.environment.hosts[name]

    def send(
        self,
        key: str,
        url: str,
        *,
        mutates: bool | None = None,
        **kwargs: Any,
    ) -> Answer:
        """Send the call of the registry row `key`; return a 2xx Answer or raise.

        The method is the first word of the key. kwargs go to `Http.request`.
        """
        row = self.spec.call(key)
        method = key.split(" ", 1)[0]
        changing = row.mutates if mutates is None else mutates
        answer = self.http.request(method, url, call=key, mutates=changing, **kwargs)
        if answer.ok:
            self.clock_offset = answer.clock_offset
            return answer
        raise self.error_from(answer, changing)

    @abc.abstractmethod
    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        """The platform's table from status, code and text to our classes."""

    # --- connecting (raise PermissionMissing or NotFound where a platform has it not)

    def authorize_url(self) -> str:
        facts = self.spec.oauth
        assert facts is not None
        return self.host(facts.authorize_host) + facts.authorize_path

    def instance_facts(self) -> dict[str, Any]:
        """What a server announces of itself (SignIn.OAUTH_INSTANCE).

        NotFound(NOT_THIS_PLATFORM) when something else answers there. `supports_pkce`
        False: a proof key is not understood by this server.
        """
        raise NotImplementedError(f"{self.spec.slug} has no instances")

    def register_app(self, redirect_uri: str, scopes: Sequence[str]) -> tuple[str, str]:
        """Make our app known to a server; returns (client id, client secret)."""
        raise NotImplementedError(f"{self.spec.slug} registers no apps")

    def app_is_known(self) -> bool:
        """Whether the server still knows our app (SignIn.OAUTH_INSTANCE). One call."""
        return True

    def sign_in(
        self, identifier: str, app_password: str, pds: str = ""
    ) -> tuple[TokenSet, Identity]:
        """Trade an app password for tokens (SignIn.APP_PASSWORD); it is not kept.

        pds: base URL of the account's own server, when it cannot be found by itself.
        """
        raise NotImplementedError(f"{self.spec.slug} takes no app passwords")

    def ask_for_events(
        self,
        account_id: str,
        callback: str,
        secret: str,
        *,
        app_number: str = "",
        app_token: str = "",
    ) -> datetime | None:
        """Have events of an account sent, or go on being sent. Safe to repeat.

        Returns until when they are granted (`spec.hook_asked`); None: that is told to
        the callback (`spec.hook_by_account`). app_number: `spec.hook_app_number_name`;
        app_token: `spec.hook_token_name`.
        """
        raise NotImplementedError(f"{self.spec.slug} is asked for no events")

    def stop_events(self, account_id: str, callback: str, *, app_token: str) -> None:
        """Have no more events of an account sent, without its own access
        (`spec.hook_token_name`). Safe to repeat."""
        raise NotImplementedError(f"{self.spec.slug} is asked for no events")

    def take_key(self, key: str) -> TokenSet:
        """What acts for the account of this key (SignIn.KEY); "": for our own.

        Nothing is asked: whether it is good, `identities` tells.
        """
        raise NotImplementedError(f"{self.spec.slug} hands out no keys")

    def resolve_handle(self, handle: str) -> str:
        """The id behind a name without its @ (`MentionRule.looked_up`). NotFound."""
        raise NotImplementedError(f"{self.spec.slug} looks up no names")

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        raise NotImplementedError(f"{self.spec.slug} has no authorization code")

    def refresh(self) -> TokenSet:
        """Renew with `access.refresh_token`. AuthRevoked when the grant is gone."""
        raise NotImplementedError(f"{self.spec.slug} has no refresh")

    def revoke(self) -> None:
        """Tell the platform that this access is no longer wanted. Safe to repeat."""
        raise NotImplementedError(f"{self.spec.slug} has no revocation")

    @classmethod
    def can_revoke(cls) -> bool:
        """False: access ends in the platform's own settings only."""
        return cls.revoke is not PlatformClient.revoke

    @abc.abstractmethod
    def identities(self) -> Sequence[Identity]:
        """Profiles and pages this credential may act for; the person's own first."""

    @abc.abstractmethod
    def prove(self) -> Proof:
        """Tell by read-only calls what this credential can still do.

        Raises AuthExpired, AuthRevoked or PermissionMissing only on a definite answer;
        network trouble, 5xx and 429 raise their own classes and prove nothing.
        """

    #: What `prove` asks has no id in its path: it is there as long as the interface is.
    proves_by_fixed_paths: ClassVar[bool] = False

    def of_proof(self, error: PlatformError) -> PlatformError:
        """What `prove` was refused with, by what it says of our app.

        A path that nobody's deletion can empty, and that the platform itself says is not
        there, was switched off with its version. A page of some proxy says nothing.
        """
        said = error.status == 410 or error.code or error.extra.get("said")
        if not (self.proves_by_fixed_paths and said and isinstance(error, NotFound)):
            return error
        if error.cause is not Cause.NOT_THERE:
            return error
        return as_kind(
            PermissionMissing, error, cause=Cause.VERSION_ENDED, reach=Reach.APP
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        """Call key -> how often at most `prove` makes it; {}: it is not known before.

        A look waits while the windows of these calls are needed for posts.
        """
        return {}

    def server_limits(self) -> dict[str, Any]:
        """Limits and choices that this account's own server announces; {}: there are none.

        Choices stand as value -> words under the `choices_from` of their `Option`.
        """
        return {}

    def calls_of_limits(self) -> Mapping[str, int]:
        """As `calls_of_proof`, of `server_limits`."""
        return {}

    def recent_posts(self, since: datetime) -> RecentPosts:
        """What stands on the account since then; their ids are those that publishing
        brings. Bounded: `calls_of(After.RECENT)` tells by how many calls."""
        raise NotImplementedError(f"{self.spec.slug} lists no posts of others")

    def make_choice(self, key: str, name: str, below: str = "") -> tuple[str, str]:
        """Make one more choice of the option `key` (`Option.made_by`): a board. Its value
        and its name. below: the value of the one that it lies below (`Option.below_by`).

        DuplicateContent: there is one of this name, shown to us or not. Safe to repeat.
        """
        raise NotImplementedError(f"{self.spec.slug} makes no choices")

    def discard_upload(self, external_id: str) -> None:
        """Delete an upload that no post shows (`spec.discard_call`). Safe to repeat: one
        that is gone is well."""
        raise NotImplementedError(f"{self.spec.slug} deletes no uploads")

    # --- after publishing (NotFound: the post is gone)

    def calls_of_captions(self, count: int) -> Mapping[str, int]:
        """Call key -> how often at most `add_captions` makes it for so many files; {}:
        captions go along with their video or not at all."""
        return {}

    def add_captions(self, external_id: str, data: bytes, language: str) -> None:
        """Add captions, in the platform's format, to a video that is out.

        DuplicateContent: it has some in this language, which stay.
        """
        raise NotImplementedError(f"{self.spec.slug} adds no captions")

    def captions(self, external_id: str) -> Sequence[str]:
        """The languages of the captions that people added to a video."""
        raise NotImplementedError(f"{self.spec.slug} lists no captions")

    def calls_of(self, what: After) -> Mapping[str, int]:
        """Call key -> how often at most the method for it makes it; {}: it is absent."""
        return {}

    def delete_post(self, external_id: str) -> None:
        """Take a post down. Safe to repeat: one that is gone already is well."""
        raise NotImplementedError(f"{self.spec.slug} lets no app delete posts")

    def figures(self, external_id: str) -> Figures:
        """What the platform counted of one post of this account."""
        raise NotImplementedError(f"{self.spec.slug} tells no figures")

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """One page of what stands below a post, in the platform's order."""
        raise NotImplementedError(f"{self.spec.slug} shows no comments")

    def comment(self, external_id: str, text: str) -> str:
        """Write below a post of this account (`spec.first_comment`); the comment's id.
        It commits."""
        raise NotImplementedError(f"{self.spec.slug} lets no app comment")

    def reply(self, comment_id: str, text: str) -> str:
        """Answer a comment in public as this account; the answer's id. It commits."""
        raise NotImplementedError(f"{self.spec.slug} lets no app answer comments")

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        """Hide a comment from other people, or show it again. Safe to repeat.

        NotFound: the comment is gone.
        """
        raise NotImplementedError(f"{self.spec.slug} lets no app hide comments")

    def delete_comment(self, comment_id: str) -> None:
        """Take a comment away for good. Safe to repeat: one that is gone is well."""
        raise NotImplementedError(f"{self.spec.slug} lets no app delete comments")


# ---------------------------------------------------------------- the platform


class Platform(abc.ABC):
    """Content rules and the publishing steps. Stateless; one instance in the registry."""

    spec: ClassVar[PlatformSpec]
    client_class: ClassVar[type[PlatformClient]]

    def client(
        self,
        environment: Environment,
        access: Access | None = None,
        http: Http | None = None,
    ) -> PlatformClient:
        return self.client_class(environment, access, http)

    @abc.abstractmethod
    def text_as_sent(self, draft: Draft) -> str:
        """The text as the reader will see it, link included where it stands in it."""

    @abc.abstractmethod
    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        """Counters that count as the platform counts. limits: from server_limits()."""

    @abc.abstractmethod
    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        """What the platform would refuse or spoil, before anything is sent."""

    def shown(self, draft: Draft) -> tuple[MediaFile, ...]:
        """The files that make up the post, without an image that stands for what is
        played."""
        played = tuple(file for file in draft.media if file.kind in PLAYED)
        return played if played and self.spec.has_stills else draft.media

    def poll_rule(self, limits: Mapping[str, Any] | None = None) -> PollRule | None:
        """What it takes of a poll; limits: from server_limits()."""
        return self.spec.poll

    @abc.abstractmethod
    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """The next step given the job's witness. Pure: sends nothing itself."""

    def network_behind(self, draft: Draft, account: Identity | None) -> str:
        """Slug of the network to which an aggregator hands it on; "" of all others."""
        return ""

    def networks_behind(self, account: Identity) -> frozenset[str]:
        """Slugs of all networks to which an aggregator may hand on what it posts."""
        return frozenset()

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        """Whether the platform has all of it and goes on by itself: nobody can call it
        back any more, and what is left is to ask what became of it."""
        return False

    def waits_for(self, witness: Mapping[str, Any]) -> str:
        """What the platform waits for that only a person can do there, in a sentence;
        "": it works by itself."""
        return ""

    def unused_uploads(
        self, witness: Mapping[str, Any], limits: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Ids of what a witness names and `discard_upload` could delete, for a post that
        will not be made. limits: from server_limits()."""
        return ()

    def takes_thread(self, draft: Draft, account: Identity | None) -> bool:
        """Whether a post may have several parts there."""
        return self.spec.thread is not None

    def takes_comment(self, draft: Draft, account: Identity | None) -> bool:
        """Whether a post may have a first comment there, with what was chosen."""
        rule = self.spec.first_comment
        return rule is not None and not any(
            chosen(self.spec, draft, account, key) == value
            for key, value in rule.without
        )

    def comment_limit(self, draft: Draft, account: Identity | None) -> int:
        """How many characters a first comment may have there."""
        rule = self.spec.first_comment
        return rule.max_length if rule else 0

    def write_comment(self, job: PublishJob, client: PlatformClient, text: str) -> str:
        """The first comment below the post; its id. It commits."""
        return client.comment(job.replies_to, text)

    @abc.abstractmethod
    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Read the platform: is this post there? Raises PlatformError when unreadable."""

    def id_of_link(self, permalink: str, account: Identity) -> str:
        """The `external_id` of the post at this address, "": the address does not tell
        it. A part of a thread can only follow a post whose id is known."""
        return ""

    # --- limits

    @abc.abstractmethod
    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        """Call key -> how often at most, for the rest of this delivery.

        From its witness on, to its end as long as all goes well; what has to be done
        anew after a refusal is not in it. looking: for one look instead.
        """

    def price(self, key: str, job: PublishJob) -> Mapping[str, int]:
        """Units per bucket of one call of this job. Source: the row of the call."""
        return self.spec.call(key).draws

    def draws(self, job: PublishJob, *, looking: bool) -> dict[str, int]:
        """Units per bucket that the rest of this delivery (or one look) takes at most."""
        return self._sum(self.calls_ahead(job, looking=looking).items(), job)

    def draws_of_calls(self, keys: Iterable[str], job: PublishJob) -> dict[str, int]:
        """Units per bucket of calls that were made, each key once per call."""
        return self._sum(((key, 1) for key in keys), job)

    def _sum(self, calls: Iterable[tuple[str, int]], job: PublishJob) -> dict[str, int]:
        units: dict[str, int] = {}
        for key, count in calls:
            for bucket, price in self.price(key, job).items():
                units[bucket] = units.get(bucket, 0) + price * count
        return units

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """What the usage headers (lower-case names) of an answer to the call tell."""
        return ()

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """What to ask for when connecting, in order.

        granted_to_app: scopes that the platform has granted to our app after a review.
        facts: from `instance_facts`, where there are servers.
        """
        return self.spec.oauth.scopes if self.spec.oauth else ()

    def person_left(self, signed: str, secret: str) -> PersonLeft:
        """Read what the platform signed with our app's secret (`tells_who_left`).

        ValueError says why it is refused.
        """
        raise NotImplementedError(f"{self.spec.slug} does not tell who left")

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        """Read events of which our app's secret is the proof (`spec.hook_name`).

        headers: names in lower case. ValueError says why it is refused.
        """
        raise NotImplementedError(f"{self.spec.slug} sends no events")

    def hook_challenge(
        self, query: Mapping[str, str], verify_token: str, secret: str
    ) -> HookAnswer:
        """The answer to the handshake. ValueError says why it is refused.

        verify_token: our own word; secret: what signs the platform's events.
        """
        raise ValueError("this platform asks nothing")

    def normalise_instance(
        self,
        typed: str,
        *,
        practice_url: str = "",
        allowed_hosts: Collection[str] = (),
    ) -> str:
        """Base URL of a server that a user typed. ValueError says what is wrong.

        practice_url: the practice network's address, whose own server is let through.
        allowed_hosts: "host:port" entries that the operator trusts, over http as well.
        """
        raise NotImplementedError(f"{self.spec.slug} has no instances")


def chunks(stream: IO[bytes], size: int = 1 << 18) -> Iterator[bytes]:
    while block := stream.read(size):
        yield block
