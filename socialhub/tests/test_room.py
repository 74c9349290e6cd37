"""What a page calls over and over costs the same however deep it stands."""

from __future__ import annotations

import resource
from collections.abc import Callable

from django.http import HttpResponse

from socialhub.middleware import RoomMiddleware

CALLS = 500
DEPTHS = range(5, 400)


def leaf(a: int, b: int) -> int:
    return a + b


def at(depth: int) -> int:
    """Pages of memory that the system gives while something is called over and over."""
    if depth:
        return at(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for n in range(CALLS):
        leaf(n, n)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def most(call: Callable[[Callable[[], int]], int]) -> int:
    return max(call(lambda depth=depth: at(depth)) for depth in DEPTHS)


def through(work: Callable[[], int]) -> int:
    found = []

    def answer(_request: object) -> HttpResponse:
        found.append(work())
        return HttpResponse()

    RoomMiddleware(answer)(None)
    return found[0]


def test_no_depth_asks_the_system_for_memory_at_each_call():
    through(lambda: at(1))
    assert most(through) < CALLS / 10
