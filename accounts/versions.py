"""Whose version of a platform's interface, as their app speaks it, ends soon."""

from __future__ import annotations

from datetime import datetime

from .fixed_query import FixedQuery
from .models import ConnectedAccount, PlatformApp

_spoken = FixedQuery(
    lambda: (
        ConnectedAccount.objects.connected()
        .exclude(credential=None)
        .order_by()
        .values_list("credential__app", "platform")
        .distinct()
    )
)
_apps = FixedQuery(
    lambda pks: PlatformApp.objects.filter(pk__in=pks).only("platform", "api_version"),
    [0],
)


def end_until(until: datetime) -> dict[tuple[int, str], datetime]:
    """By (app, platform of its accounts) when it ends, of those that end until then."""
    pairs = _spoken.rows()
    if not pairs:
        return {}
    apps = {app.pk: app for app in _apps.objects(list({pk for pk, _slug in pairs}))}
    ends = {(pk, platform): apps[pk].version_end(platform) for pk, platform in pairs}
    return {pair: end.at for pair, end in ends.items() if end and end.at <= until}
