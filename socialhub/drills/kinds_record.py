"""What the practice network has of every kind, against what our rows say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from accounts.models import CircuitBreaker, ConnectedAccount
from platforms import registry
from platforms.base import Draft, MediaFile, MediaKind
from platforms.kinds import LINK
from platforms.quotes import QUOTE
from publishing import link_facts
from publishing.models import Delivery, MediaAsset

from .crash_record import tell_row
from .kinds_breaks import COMMIT, Break, Breaker
from .kinds_ways import Offer, Way
from .runner import say
from .world import Practice

Status = Delivery.Status
#: Rows whose whole story is told when something is wrong.
TOLD = 12
#: An aggregator's posts have another number on the network behind it, and a story of
#: Snapchat has none that an app is told (nor has what has no address, such as a post of
#: TikTok that only its author may see).
NAMED_OTHERWISE = {"ayrshare", "outstand", "snapchat"}


@dataclass
class Verdict:
    """Deliveries by key; `doubled` counts posts too many, `wrong` has the reasons."""

    published: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    doubled: int = 0
    lost: set[int] = field(default_factory=set)
    wrong: dict[int, str] = field(default_factory=dict)


def live_of(practice: Practice, account: ConnectedAccount) -> list[dict[str, Any]]:
    """What stands on the account."""
    return [
        post
        for post in practice.posts(account.platform)
        if str(post["account"]) == account.external_id
    ]


def below(practice: Practice, account: ConnectedAccount) -> list[str]:
    """What the account wrote below its posts."""
    return [
        str(comment["text"])
        for comment in practice.comments(account.platform)
        if str(comment["account"]) == account.external_id
    ]


def judge(
    practice: Practice, ways: Mapping[int, Way], assets: Mapping[str, MediaAsset]
) -> Verdict:
    """Compare every row with what is live. Each delivery has an account of its own."""
    live: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for platform in {way.platform for way in ways.values()}:
        for post in practice.posts(platform):
            live[platform, str(post["account"])].append(post)
    said: dict[tuple[str, str], list[str]] = defaultdict(list)
    for platform in {way.platform for way in ways.values() if way.comment}:
        for comment in practice.comments(platform):
            said[platform, str(comment["account"])].append(str(comment["text"]))
    verdict = Verdict()
    rows = Delivery.objects.select_related("post", "account")
    for row in rows.filter(pk__in=ways):
        there = live[row.account.platform, row.account.external_id]
        _judge_row(verdict, row, there, ways[row.pk], assets)
        if ways[row.pk].comment:
            words = said[row.account.platform, row.account.external_id]
            _judge_comment(verdict, row, words, ways[row.pk])
    return verdict


def _judge_comment(verdict: Verdict, row: Delivery, said: list[str], way: Way) -> None:
    if len(said) > 1:
        verdict.doubled += len(said) - 1
        verdict.wrong[row.pk] = f"commented {len(said)} times"
    elif row.pk in verdict.published and said != [way.comment]:
        verdict.published.discard(row.pk)
        verdict.lost.add(row.pk)
        verdict.wrong[row.pk] = f"published, but below it stands {said}"


def _judge_row(
    verdict: Verdict,
    row: Delivery,
    live: list[dict[str, Any]],
    way: Way,
    assets: Mapping[str, MediaAsset],
) -> None:
    if len(live) > 1:
        verdict.doubled += len(live) - 1
        verdict.wrong[row.pk] = f"live {len(live)} times"
    if row.status != Status.PUBLISHED:
        verdict.failed.add(row.pk)
        state = "live" if live else "not live"
        verdict.wrong[row.pk] = f"{state}, and {row.status} {row.hold} {row.cause}"
        return
    ours = [post for post in live if _is_it(row, post)]
    why = f"live is {live}" if not ours else _differs(row, ours[0], way, assets)
    if why:
        verdict.lost.add(row.pk)
        verdict.wrong[row.pk] = f"published, but {why}"
    else:
        verdict.published.add(row.pk)


def _is_it(row: Delivery, post: Mapping[str, Any]) -> bool:
    if row.account.platform in NAMED_OTHERWISE or not row.permalink:
        return True  # the account has nothing else, and what is in it is compared
    # A reel of Facebook has the number of its video, which its address ends with.
    last = str(post["url"]).rstrip("/").rpartition("/")[2]
    return row.external_id in (str(post["id"]), post["url"], last)


def _differs(
    row: Delivery,
    post: Mapping[str, Any],
    way: Way,
    assets: Mapping[str, MediaAsset],
) -> str:
    """What of it is not as it was made; "" when nothing is."""
    files = [assets[name] for name in _shown(way, assets)]
    kinds = [str(file.kind) for file in files]
    sums = [file.sha256 for file in files]
    if post["media"] != len(files):
        return f"with {post['media']} of {len(files)} files"
    if post["media_sha256"] != sums:
        return f"with other files: {post['media_kinds']} instead of {kinds}"
    draft = row.post.draft_for(way.platform)
    said = [assets[name].language for name in way.captions]
    if said and [one[:2] for one in post["captions"]] != said:
        return f"with captions in {post['captions']} instead of {said}"
    text = registry.platform(way.platform).text_as_sent(draft)
    if post["text"] and row.post.text and row.post.text not in post["text"]:
        return f"with the text {post['text']!r} instead of {text!r}"
    if QUOTE in way.choices and not post["quotes"]:
        return "without what it quotes"
    told = post.get("choices", {})
    for key, value in way.choices.items():
        if told.get(key, value) != value:
            return f"with {key} {told[key]!r} instead of {value!r}"
    asked = list(draft.poll.options) if draft.poll else []
    if post.get("poll", []) != asked:
        return f"with the answers {post.get('poll')} instead of {asked}"
    if draft.link_url and registry.spec(way.platform).card_picture:
        card = link_facts.pictures([draft.link_url])[draft.link_url].sha256
        if post["card_picture"] != card:
            return f"with another picture on its card: {post['card_picture']!r}"
    if way.kind == LINK and draft.link_url not in (post["link"], *post["text"].split()):
        return f"without its link: {post['text']!r}, {post['link']!r}"
    return ""


def _shown(way: Way, assets: Mapping[str, MediaAsset]) -> list[str]:
    """Of the files of a way those that make up the post."""
    files = (
        MediaFile(
            key=name,
            mime_type=assets[name].mime_type,
            size_bytes=0,
            width=0,
            height=0,
            alt_text="",
            sha256=assets[name].sha256,
            file_name="",
            open=BytesIO,
            kind=MediaKind(assets[name].kind),
        )
        for name in way.files
    )
    draft = Draft("", media=tuple(files), options=way.choices)
    return [file.key for file in registry.platform(way.platform).shown(draft)]


def missed(ways: Mapping[int, Way], breaks: Mapping[int, Break]) -> list[int]:
    """Deliveries that were not broken where they were to be, one for each call, manner
    and kind that was met in no other."""
    happened = [one for one in breaks.values() if one.happened]
    met = {(one.platform, one.met, one.how) for one in happened}
    kinds = {(one.platform, ways[one.delivery].kind) for one in happened}
    found = []
    for pk, one in breaks.items():
        call, kind = (one.platform, one.call, one.how), (one.platform, ways[pk].kind)
        if call not in met or (not one.happened and kind not in kinds):
            met.add(call)
            kinds.add(kind)
            found.append(pk)
    return found


# ---------------------------------------------------------------- telling


def tell(
    verdict: Verdict,
    practice: Practice,
    offers: Mapping[str, Offer],
    ways: Mapping[int, Way],
    breaks: Mapping[int, Break],
    breaker: Breaker,
) -> dict[str, Any]:
    """The table and the stories; the figures."""
    for pk, why in list(verdict.wrong.items())[:TOLD]:
        row = Delivery.objects.select_related("account", "post").get(pk=pk)
        way = ways[pk]
        tell_row(row, f"WRONG: {way.kind} ({way.detail}): {why}", practice)
        if one := breaks.get(pk):
            say(f"  break: {one}")
    if len(verdict.wrong) > TOLD:
        say(f"... and {len(verdict.wrong) - TOLD} more")
    hit = {pk for pk, one in breaks.items() if one.happened}
    hit |= set(breaker.killed)
    resumed = hit & verdict.published
    _tell_table(verdict, ways, resumed)
    steps = _tell_steps(breaks)
    kinds = {(way.platform, way.kind) for way in ways.values()}
    unbroken = kinds - {(ways[pk].platform, ways[pk].kind) for pk in resumed}
    for platform, kind in sorted(unbroken):
        say(f"never broken and published: {kind} on {platform}")
    missing = [f"{p}: {what}" for p, offer in offers.items() for what in offer.missing]
    for what in missing:
        say(f"offered, and not made here: {what}")
    return {
        "platforms": len({way.platform for way in ways.values()}),
        "kinds": len(kinds),
        "ways": len({(way.platform, way.kind, way.detail) for way in ways.values()}),
        "deliveries": len(ways),
        "published": len(verdict.published),
        "resumed": len(resumed),
        "failed": len(verdict.failed),
        "doubled": verdict.doubled,
        "lost": len(verdict.lost),
        "unbroken": len(unbroken),
        "steps_broken": steps,
        "not_made": len(missing),
        "person_decided": sum(offer.decided for offer in offers.values()),
        "kills": breaker.kills,
    }


def _tell_table(verdict: Verdict, ways: Mapping[int, Way], resumed: set[int]) -> None:
    """Platform by kind: published of all, and how many of them after a break."""
    kinds = list(dict.fromkeys(way.kind for way in ways.values()))
    say("published/deliveries, and how many of them had been broken:")
    say(" ".join([f"{'':10}", *(f"{kind:>12}" for kind in kinds)]))
    for platform in dict.fromkeys(way.platform for way in ways.values()):
        cells = []
        for kind in kinds:
            pks = {
                pk
                for pk, way in ways.items()
                if (way.platform, way.kind) == (platform, kind)
            }
            good, broken = len(pks & verdict.published), len(pks & resumed)
            cells.append(f"{good}/{len(pks)}, {broken}" if pks else "-")
        say(" ".join([f"{platform:10}", *(f"{cell:>12}" for cell in cells)]))


def _tell_steps(breaks: Mapping[int, Break]) -> int:
    """At which calls it broke, and at which it should have; how many were met at all."""
    at: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for one in breaks.values():
        if one.happened:
            at[one.platform][one.met][one.how] += 1
    for platform, calls in at.items():
        say(f"{platform} broke at:")
        for call, counts in sorted(calls.items()):
            told = ", ".join(f"{how} {n}" for how, n in sorted(counts.items()))
            say(f"  {call}: {told}")
    for one in breaks.values():
        if not one.happened:
            say(f"not broken: {one.platform} was to be {one.how} at {one.call}")
    for breaker in CircuitBreaker.objects.exclude(open_count=0):
        say(f"breaker {breaker.platform} {breaker.subject}: {breaker.cause}")
    return sum(len(set(calls) - {COMMIT}) for calls in at.values())
