"""The sign of life that goes through a cluster's queue, broker and workers."""

from __future__ import annotations

from django.conf import settings

from .models import Heartbeat


def host_name() -> str:
    return str(settings.HOST_NAME)


def own_name(cluster: str) -> str:
    """Name of the row that only this host's workers write.

    Hosts share a queue, so the cluster's own row cannot tell whose workers live.
    """
    length = Heartbeat._meta.get_field("name").max_length or 60
    return f"{cluster}@{host_name()}"[:length]


def beat(cluster: str) -> None:
    """Run by a worker: write the sign of life; see to it that pumps run."""
    Heartbeat.beat(cluster, host_name())
    Heartbeat.beat(own_name(cluster), host_name())
    if cluster == "publish":
        from publishing.tasks import ensure_pumps

        ensure_pumps()
