"""What a window counts, in words that fit into a table."""

from __future__ import annotations

from accounts.limit_pages import bucket_name, kind_words, name_apart
from platforms.registry import all_specs, spec


def test_a_window_of_many_calls_does_not_list_them() -> None:
    def words(slug: str, key: str) -> str:
        [rule] = [rule for rule in spec(slug).buckets if rule.key == key]
        return bucket_name(slug, rule)

    assert words("ayrshare", "requests") == "All calls"
    assert words("ayrshare", "posts") == "Publish, Try again there"
    assert words("snapchat", "app_calls") == (
        "Choose a profile, Identity and health, Images and videos and 10 others"
    )


def test_every_window_has_a_name_that_fits() -> None:
    names = {
        f"{facts.slug}: {bucket_name(facts.slug, rule)}"
        for facts in all_specs()
        for rule in facts.buckets
    }
    assert [name for name in names if len(name) > 100] == []


def test_windows_of_one_kind_can_be_told_apart() -> None:
    listed = [
        (facts.slug, name_apart(facts.slug, rule), rule.partition, kind_words(rule))
        for facts in all_specs()
        for rule in facts.buckets
    ]
    assert sorted(listed) == sorted(set(listed))
    [rule] = [
        rule
        for rule in spec("linkedin").buckets
        if rule.key == "GET /rest/eventSubscriptions/:key:app"
    ]
    said = name_apart("linkedin", rule)
    assert said == "Comment events, GET /rest/eventSubscriptions/:key"
