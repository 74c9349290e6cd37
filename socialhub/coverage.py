"""docs/coverage.md: what each platform can, and what SocialHub does with it.

Written from the registry alone (specs, clients, content rules), never by hand, so that
what is missing is seen. `manage.py write_coverage` writes it; a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from platforms import registry
from platforms.base import (
    After,
    Bucket,
    Draft,
    Identity,
    MediaFile,
    MediaKind,
    MediaRule,
    Platform,
    PlatformClient,
    PlatformSpec,
    PublishJob,
    WindowKind,
)
from platforms.kinds import kinds_of

FILE = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
YES, NO = "yes", "**no**"
ABSENT = "not offered"
HEAD = """\
# What each platform can

Written by `manage.py write_coverage` from the specs and clients in `platforms/`: do not
edit it, run the command. **no** is what SocialHub does not do yet; "not offered" is what
the platform gives no app, with its reason below.
"""
#: how long, in words: the largest that divides a number of seconds
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
METHODS: dict[After, str] = {
    After.FIGURES: "figures",
    After.COMMENTS: "comments",
    After.ANSWER: "reply",
    After.DELETE: "delete_post",
    After.HIDE: "set_hidden",
    After.REMOVE: "delete_comment",
    After.RECENT: "recent_posts",
}


def page() -> str:
    """The whole document, as Markdown."""
    specs = registry.all_specs()
    parts = [
        HEAD,
        "## At a glance\n",
        _table(
            ["Platform", "Kinds of post", *(name for name, _ in AT_A_GLANCE)],
            (
                [s.name, ", ".join(kinds_of(s)), *(tell(s) for _, tell in AT_A_GLANCE)]
                for s in specs
            ),
        ),
        "## When an answer is lost\n",
        "What keeps a post from going out twice: a key that the platform honours, and the"
        " calls that look whether it is there.\n",
        _table(
            ["Platform", "Commit key", "Look-up", "Looks after"],
            ([s.name, s.commit_key or "none", _look(s), _looks(s)] for s in specs),
        ),
        "## Limits of content\n",
        _table(
            [
                "Platform",
                "Text",
                "Images",
                "Animated",
                "Videos",
                "Sound",
                "Documents",
                "Beside a video",
                "Picture of a link",
                "Polls",
                "Choices",
            ],
            ([s.name, *_limits(s)] for s in specs),
        ),
        "## Windows\n",
        _table(
            ["Platform", "What", "Whose", "Size", "Window"],
            ([s.name, *_window(bucket)] for s in specs for bucket in s.buckets),
        ),
        "## Not offered to apps\n",
        _table(
            ["Platform", "What", "Accounts", "Why"],
            (
                [s.name, str(row.what), _only(row.kinds, row.extra), row.why]
                for s in specs
                for row in s.absent
            ),
        ),
        "## Still to come\n",
        "Calls that the platform has and nothing in SocialHub makes yet.\n",
        _table(
            ["Platform", "Feature", "Calls"],
            ([s.name, *row] for s in specs for row in _later(s)),
        ),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


# ---------------------------------------------------------------- at a glance


def _has(method: str, base: type = PlatformClient) -> Callable[[PlatformSpec], str]:
    """Whether the platform's client (or Platform) brings a method of its own."""

    def tell(spec: PlatformSpec) -> str:
        platform = registry.platform(spec.slug)
        made: type = platform.client_class if base is PlatformClient else type(platform)
        return YES if getattr(made, method) is not getattr(base, method) else NO

    return tell


def _after(what: After) -> Callable[[PlatformSpec], str]:
    def tell(spec: PlatformSpec) -> str:
        if any(r.what is what and not r.kinds and not r.extra for r in spec.absent):
            return ABSENT
        told = _has(METHODS[what])(spec)
        if told == YES and any(row.what is what for row in spec.absent):
            return "some accounts"
        return told

    return tell


def _thread(spec: PlatformSpec) -> str:
    return f"up to {spec.thread.max_parts}" if spec.thread else NO


def _first_comment(spec: PlatformSpec) -> str:
    if spec.first_comment:
        return YES
    return "as a part" if spec.thread else NO


def _calls_us(spec: PlatformSpec) -> str:
    """What it tells us by itself."""
    told = [spec.hook_tells] if spec.hook_name else []
    if spec.tells_who_left:
        told.append("who removed our app")
    return ", ".join(told) or NO


def _version(spec: PlatformSpec) -> str:
    if not spec.api_version:
        return "without"
    end = spec.api_version_ends_at
    return spec.api_version + (f", until {end.isoformat()}" if end else "")


AT_A_GLANCE: tuple[tuple[str, Callable[[PlatformSpec], str]], ...] = (
    ("Thread", _thread),
    ("First comment", _first_comment),
    ("Figures", _after(After.FIGURES)),
    ("Comments", _after(After.COMMENTS)),
    ("Answer", _after(After.ANSWER)),
    ("Delete", _after(After.DELETE)),
    ("Hide comments", _after(After.HIDE)),
    ("Delete comments", _after(After.REMOVE)),
    ("Posts made there", _after(After.RECENT)),
    ("Webhooks", _calls_us),
    ("Refresh", _has("refresh")),
    ("Revoke", _has("revoke")),
    ("API version", _version),
)

# ---------------------------------------------------------------- lost answers


def _look(spec: PlatformSpec) -> str:
    """The calls of a look, over all kinds: what a look can find out hangs on them."""
    platform = registry.platform(spec.slug)
    calls: dict[str, None] = {}
    for job in _jobs(platform):
        calls |= dict.fromkeys(platform.calls_ahead(job, looking=True))
    return ", ".join(f"`{call}`" for call in calls) or NO


def _jobs(platform: Platform) -> Iterable[PublishJob]:
    """A job of each kind with each choice: together they make all calls."""
    spec = platform.spec
    choices = [
        {option.key: value} for option in spec.options for value in option.choices
    ]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for account_kind in spec.account_kinds:
        who = Identity("1", account_kind, "", "", "")
        for files in kinds_of(spec).values():
            draft = Draft("A post", media=tuple(_file(spec, kind) for kind in files))
            for options in [{}, *choices]:
                made = replace(draft, options=options)
                yield PublishJob("0" * 32, at, made, who)


def _rules(spec: PlatformSpec) -> Mapping[MediaKind, MediaRule | None]:
    return {
        MediaKind.IMAGE: spec.images,
        MediaKind.GIF: spec.gifs,
        MediaKind.VIDEO: spec.videos,
        MediaKind.AUDIO: spec.audios,
        MediaKind.DOCUMENT: spec.documents,
    }


def _file(spec: PlatformSpec, kind: MediaKind) -> MediaFile:
    rule = _rules(spec)[kind]
    assert rule is not None
    mime = rule.mime_types[0]
    return MediaFile("1", mime, 1000, 600, 600, "alt", "", "1", BytesIO, kind=kind)


def _looks(spec: PlatformSpec) -> str:
    return ", ".join(_long(seconds) for seconds in spec.look_after_s)


# ---------------------------------------------------------------- limits


def _limits(spec: PlatformSpec) -> list[str]:
    counts = registry.platform(spec.slug).counts(Draft("A post"))
    text = ", ".join(f"{count.limit} {count.unit}" for count in counts)
    names = ", ".join(option.name for option in spec.options)
    rules = map(_rule, _rules(spec).values())
    picture = "sent along" if spec.card_picture else "not ours"
    beside = [_beside(spec), picture, _poll(spec)]
    return [text or "none", *rules, *beside, names or "none"]


def _poll(spec: PlatformSpec) -> str:
    rule = spec.poll
    if rule is None:
        return "none"
    parts = [f"{rule.min_options} to {rule.max_options} answers of {rule.max_option}"]
    if rule.max_question:
        parts.append(f"a question of {rule.max_question}")
    if rule.has_multiple:
        parts.append("several can be chosen")
    if rule.lengths:
        parts += [_long(minutes * 60) for minutes in rule.lengths]
    elif rule.min_minutes and rule.max_minutes:
        least, most = rule.min_minutes * 60, rule.max_minutes * 60
        days = most - most % 86_400 if most > 2 * 86_400 else most
        parts.append(f"{_long(least)} to {_long(days)}")
    # Where no source documents a way to read them, none is tried.
    parts.append("votes are read" if rule.tells_votes else "votes cannot be read")
    return ", ".join(parts)


def _beside(spec: PlatformSpec) -> str:
    """What goes along with a video and is none of the post's files."""
    found = ["a thumbnail"] if spec.has_stills else []
    if rule := spec.captions:
        files = f"{rule.max_count} of at most {_size(rule.max_bytes)}"
        found.append(f"captions: {files}, {rule.format}")
    return ", ".join(found) or "none"


def _rule(rule: MediaRule | None) -> str:
    if rule is None:
        return "none"
    parts = [f"{rule.max_count} of at most {_size(rule.max_bytes)}"]
    least, most = getattr(rule, "min_s", None), getattr(rule, "max_s", None)
    if least or most:
        parts.append(f"{_span(least)} to {_span(most)}")
    if pages := getattr(rule, "max_pages", None):
        parts.append(f"{pages} pages")
    types = dict.fromkeys(mime.rpartition("/")[2] for mime in rule.mime_types)
    parts.append(" ".join(name.rpartition(".")[2] for name in types))
    if rule.max_alt:
        parts.append(f"alternative text of {rule.max_alt}")
    return ", ".join(parts)


def _span(seconds: float | None) -> str:
    return "any" if seconds is None else _long(seconds)


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} bytes"


def _long(seconds: float) -> str:
    for unit, size in UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{seconds:g} seconds"


def _window(bucket: Bucket) -> list[str]:
    size = "not published" if bucket.size is None else f"{bucket.size:,} {bucket.unit}"
    words = {
        WindowKind.FIXED_UTC_DAY: "day of UTC",
        WindowKind.FIXED_PACIFIC_DAY: "day in California",
        WindowKind.MONTH: "month",
    }
    kind = words.get(bucket.window) or (
        f"{_long(bucket.window_s)}, {str(bucket.window).replace('_', ' ')}"
    )
    guess = "" if bucket.verified else ", unverified"
    return [f"`{bucket.key}`", bucket.partition, size + guess, kind]


def _only(kinds: tuple[str, ...], extra: tuple[str, str] | None) -> str:
    return ", ".join([*kinds, *([": ".join(extra)] if extra else [])]) or "all"


def _later(spec: PlatformSpec) -> Iterable[list[str]]:
    features: dict[str, list[str]] = {}
    for call in spec.calls:
        if call.later:
            features.setdefault(call.feature, []).append(f"`{call.key}`")
    return ([name, ", ".join(calls)] for name, calls in features.items())
