"""Tests that run on one database only are known by what they ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tests import needs
from tests.run import ANOTHER_DATABASE


def rules_of(request: pytest.FixtureRequest) -> Any:
    """The root conftest.py."""
    here = str(request.config.rootpath / "conftest.py")
    (rules,) = [
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == here
    ]
    return rules


def test_a_plain_test_asks_for_no_database(request: pytest.FixtureRequest) -> None:
    assert not needs.asks_for_database(request.node)


def test_a_fixture_that_builds_on_the_database_asks_for_it(
    author: Any, request: pytest.FixtureRequest
) -> None:
    assert needs.asks_for_database(request.node)


@pytest.mark.django_db
def test_a_marked_test_asks_for_the_database(request: pytest.FixtureRequest) -> None:
    assert needs.asks_for_database(request.node)


def test_tests_of_platforms_that_ask_for_a_database_are_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the second database they would not run (tests/run.py)."""
    root, rules = request.config.rootpath, rules_of(request)
    monkeypatch.setattr(request.node, "path", root / "platforms/x/tests/test_new.py")
    rules.pytest_collection_modifyitems(request.config, [request.node])
    monkeypatch.setattr(needs, "asks_for_database", lambda item: True)
    with pytest.raises(pytest.UsageError, match="move it to the app"):
        rules.pytest_collection_modifyitems(request.config, [request.node])


def test_the_second_database_repeats_only_tests_that_ask_for_one(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.config.hook, "pytest_deselected", lambda items: None)
    monkeypatch.setenv(ANOTHER_DATABASE, "1")
    for asks, left in ((False, 0), (True, 1)):
        monkeypatch.setattr(needs, "asks_for_database", lambda item, asks=asks: asks)
        items = [request.node]
        rules_of(request).pytest_collection_modifyitems(request.config, items)
        assert len(items) == left
