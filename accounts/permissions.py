"""The permission registry: what each permission is for, and whom it is missing from.

Everything is computed from the rows of `spec.py` and from what credentials were given,
so that it cannot disagree with what the code does.
"""

from __future__ import annotations

from collections.abc import Collection

from platforms.base import Call, PlatformSpec

from .connect import is_covered


def lacks(
    spec: PlatformSpec, call: Call, kind: str, granted: Collection[str]
) -> tuple[str, ...]:
    """What has to be granted before an account of that kind may make the call; () if
    nothing has. Of permissions that do the same, the first.
    """

    def is_of_use(scope: str) -> bool:
        kinds = spec.kinds_of_scopes.get(scope)
        return kinds is None or kind in kinds or kind not in spec.account_kinds

    missing = [
        scope
        for scope in call.scopes
        if is_of_use(scope) and not is_covered(scope, granted)
    ]
    enough = [scope for scope in call.any_scopes if is_of_use(scope)]
    if enough and not any(is_covered(scope, granted) for scope in enough):
        missing.append(enough[0])
    return tuple(missing)
