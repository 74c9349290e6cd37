"""The platforms there are. A new one is one folder and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from urllib.parse import urlsplit

from .base import Environment, Platform, PlatformSpec

#: slug -> dotted path of the Platform class
PLATFORMS: dict[str, str] = {
    "mastodon": "platforms.mastodon.publish.Mastodon",
    "bluesky": "platforms.bluesky.publish.Bluesky",
    "x": "platforms.x.publish.X",
    "linkedin": "platforms.linkedin.publish.LinkedIn",
    "facebook": "platforms.facebook.publish.Facebook",
    "instagram": "platforms.instagram.publish.Instagram",
    "threads": "platforms.threads.publish.Threads",
    "tiktok": "platforms.tiktok.publish.TikTok",
    "snapchat": "platforms.snapchat.publish.Snapchat",
    "youtube": "platforms.youtube.publish.YouTube",
    "pinterest": "platforms.pinterest.publish.Pinterest",
    "ayrshare": "platforms.ayrshare.publish.Ayrshare",
    "outstand": "platforms.outstand.publish.Outstand",
}


@cache
def platform(slug: str) -> Platform:
    """The one instance for a slug. KeyError names the slug that nobody knows."""
    module, name = PLATFORMS[slug].rsplit(".", 1)
    instance = getattr(import_module(module), name)()
    assert isinstance(instance, Platform)
    return instance


def spec(slug: str) -> PlatformSpec:
    return platform(slug).spec


def all_specs() -> list[PlatformSpec]:
    return [spec(slug) for slug in PLATFORMS]


def aggregators() -> list[str]:
    """Slugs of those that hand on to other networks what is posted there."""
    plain = Platform.networks_behind
    return [slug for slug in PLATFORMS if type(platform(slug)).networks_behind != plain]


def practice_hosts(facts: PlatformSpec, practice_url: str) -> dict[str, str]:
    """The platform's hosts as the practice network serves them."""
    root = practice_url.rstrip("/")
    return {name: root + path for name, path in facts.practice_paths.items()}


def environment(
    slug: str,
    *,
    practice_url: str = "",
    client_id: str = "",
    client_secret: str = "",
    api_version: str = "",
    app_url: str = "",
    instance_url: str = "",
    hosts: Mapping[str, str] | None = None,
    allow_private: bool = False,
    private_hosts: Iterable[str] = (),
) -> Environment:
    """Where to talk: the practice network when its address is given, else for real.

    instance_url: the base URL of the one server that this app is registered at
    (platforms with `SignIn.OAUTH_INSTANCE`), kept as host "instance".
    hosts: addresses that replace the platform's own, by name (a self-hosted server).
    private_hosts: with allow_private, the private host:port entries that may be called.
    The practice network's own is always one of them: what a platform or a person
    names must not lead to anything else on this machine.
    """
    facts = spec(slug)
    where = dict(practice_hosts(facts, practice_url) if practice_url else facts.hosts)
    where.update(hosts or {})
    if instance_url:
        where["instance"] = instance_url.rstrip("/")
    private = {host.lower() for host in private_hosts}
    if practice_url:
        private.add(urlsplit(practice_url).netloc.lower())
    return Environment(
        hosts=where,
        client_id=client_id,
        client_secret=client_secret,
        api_version=api_version or facts.api_version,
        allow_private=bool(practice_url) or allow_private,
        private_hosts=frozenset(private),
        app_url=app_url,
    )
