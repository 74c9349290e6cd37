"""The queue in Redis, for those who set REDIS_URL.

It hands each message out once and forgets it: what a cluster had fetched when it died is
gone. Nothing of value lies in a message; rows and the sweeps over them hold the truth.
"""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django_q.brokers.redis_broker import Redis

#: Seconds without an answer after which a connection counts as dead. The pusher waits
#: one second for a message, so this must be longer.
ANSWER_S = 10


class RedisBroker(Redis):
    list_key: str

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.list_key = f"{settings.REDIS_PREFIX}:{self.list_key}"

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        # Without a limit of time, a Redis that hangs would hang a pump's end with it.
        return redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            health_check_interval=30,
        )
