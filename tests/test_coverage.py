"""docs/coverage.md says what the registry says."""

from __future__ import annotations

import importlib
import inspect

import pytest

from platforms import registry
from platforms.base import PlatformClient
from socialhub import coverage


def test_the_document_is_as_the_registry_has_it():
    written = coverage.FILE.read_text(encoding="utf-8")
    assert written == coverage.page(), "run `manage.py write_coverage`"


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_a_platform_names_its_key_just_when_its_looks_call_a_repeat_safe(slug):
    module = importlib.import_module(type(registry.platform(slug)).__module__)
    trusts = "safe_to_repeat=" in inspect.getsource(module)
    assert trusts == bool(registry.spec(slug).commit_key)


def test_what_a_client_does_not_bring_is_told(monkeypatch):
    made = registry.platform("pinterest").client_class
    row = next(line for line in coverage.page().splitlines() if "| Pinterest" in line)
    monkeypatch.setattr(made, "figures", PlatformClient.figures)
    without = next(
        line for line in coverage.page().splitlines() if "| Pinterest" in line
    )
    assert without.count(coverage.NO) == row.count(coverage.NO) + 1
