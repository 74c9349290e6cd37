"""The queue in Redis: its keys, and what its address may be. No server is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from socialhub.broker import ANSWER_S, RedisBroker
from socialhub.env import Env, SettingError


def test_keys_begin_with_the_prefix_of_the_installation(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.REDIS_PREFIX = "ours"
    assert RedisBroker("publish").list_key == "ours:django_q:publish:q"


def test_a_redis_that_hangs_is_given_up(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    options = RedisBroker("publish").connection.connection_pool.connection_kwargs
    assert options["socket_timeout"] == options["socket_connect_timeout"] == ANSWER_S


def test_an_address_of_something_else_is_refused(monkeypatch):
    env = Env(Path("/nonexistent"))
    monkeypatch.setenv("REDIS_URL", "http://127.0.0.1:6379")
    with pytest.raises(SettingError, match="REDIS_URL"):
        env.redis("REDIS_URL")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    assert env.redis("REDIS_URL") == "redis://127.0.0.1:6379/0"
    monkeypatch.delenv("REDIS_URL")
    assert env.redis("REDIS_URL") == ""
