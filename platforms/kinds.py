"""What people can put into a post, by what a platform's spec has rules for."""

from __future__ import annotations

from .base import MediaKind, PlatformSpec

TEXT, LINK, POLL = "text", "link", "poll"
#: How many files "several" are, where as many may stand in one post.
SEVERAL = 3


def kinds_of(spec: PlatformSpec) -> dict[str, tuple[MediaKind, ...]]:
    """Kind of post -> its files, for all that the spec has a rule for."""
    found: dict[str, tuple[MediaKind, ...]] = {}
    if not spec.needs_media:
        found |= {TEXT: (), LINK: ()}
    if spec.poll:
        found[POLL] = ()
    rules = {
        MediaKind.IMAGE: spec.images,
        MediaKind.GIF: spec.gifs,
        MediaKind.VIDEO: spec.videos,
        MediaKind.AUDIO: spec.audios,
        MediaKind.DOCUMENT: spec.documents,
    }
    for kind, rule in rules.items():
        if rule is None or (spec.needs_video and kind is MediaKind.IMAGE):
            continue  # where each post is a video, an image only stands beside one
        found[str(kind)] = (kind,)
        if rule.max_count > 1:
            found[f"{kind}s"] = (kind,) * min(SEVERAL, rule.max_count)
    for mix in spec.mixes:
        # In the order of the rules, so that no video hides behind an image.
        mixed = tuple(kind for kind in rules if kind in mix)
        found["+".join(map(str, mixed))] = mixed
    return found
