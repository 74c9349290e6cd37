"""What later layers know of posts that are out: they register here, because we may not
import them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .models import Delivery

#: Each section with the template that shows it as `card`.
Sections = Sequence[tuple[str, Any]]
DeliverySource = Callable[[Delivery, Any], Sections]
PostSource = Callable[[Sequence[Delivery], Any], Sections]
#: a message's subject and text, made anew in each reader's language and zone
Words = Callable[[], tuple[str, str]]
#: people, key, words, address on this site
Teller = Callable[[Sequence[Any], str, Words, str], None]

_of_deliveries: list[DeliverySource] = []
_of_posts: list[PostSource] = []
_tellers: list[Teller] = []


def register_delivery(source: DeliverySource) -> DeliverySource:
    """Sections of a delivery's page, for a reader."""
    if source not in _of_deliveries:
        _of_deliveries.append(source)
    return source


def register_post(source: PostSource) -> PostSource:
    """Sections of a post's page, of its deliveries and for a reader."""
    if source not in _of_posts:
        _of_posts.append(source)
    return source


def delivery_sections(delivery: Delivery, reader: Any) -> list[tuple[str, Any]]:
    return [found for source in _of_deliveries for found in source(delivery, reader)]


def post_sections(deliveries: Sequence[Delivery], reader: Any) -> list[tuple[str, Any]]:
    return [found for source in _of_posts for found in source(deliveries, reader)]


def register_teller(teller: Teller) -> Teller:
    """Who brings messages to people: by mail and on their page."""
    if teller not in _tellers:
        _tellers.append(teller)
    return teller


def tell(people: Sequence[Any], key: str, words: Words, link: str) -> None:
    """A message to each of these people, once for each key. Inside a transaction it is
    told only if that is committed."""
    for teller in _tellers:
        teller(people, key, words, link)
