"""What README, changelog and docs say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from accounts.oauth import redirect_uri
from platforms import registry
from publishing.models import Delivery
from socialhub.management.commands import bench, drill, simulate

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = ROOT / "docs" / "screenshots"


def words(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(title: str) -> str:
    """A chapter of the README, up to the next of its rank."""
    level = title.split(" ")[0]
    _, _, after = words(README).partition(f"\n{title}\n")
    assert after, f"the README has no {title!r}"
    return re.split(rf"^#{{2,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def first_column(text: str) -> list[str]:
    """First cells of the rows of the tables in a text, without their heads."""
    rows = re.findall(r"^\| *(.+?) *\|.*\|$", text, re.MULTILINE)
    heads = {row for row, after in re.findall(r"^\| *(.+?) *\|.*\n\|(-)", text, re.M)}
    return [row for row in rows if row not in heads and not row.startswith("---")]


def links(text: str) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    return [link for link in found if not link.startswith(("http://", "https://"))]


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-")
        for head in heads
    }


def test_the_settings_table_has_every_setting_of_the_example_and_no_other():
    explained = re.findall(r"^# ([A-Z_]+)=", words(ROOT / ".env.example"), re.MULTILINE)
    told = [cell.strip("`") for cell in first_column(section("## Settings"))]
    assert sorted(told) == sorted(explained)


def test_every_make_command_that_is_named_exists():
    rules = re.findall(r"^([a-z-]+):(?!=)", words(ROOT / "Makefile"), re.MULTILINE)
    for page in PAGES:
        named = re.findall(r"(?:`|^)(?:\w+=\w+ )?make ([a-z-]+)", words(page), re.M)
        assert set(named) <= set(rules), page.name
    assert {"run", "test"} <= set(re.findall(r"^make (\w+)$", words(README), re.M))


def test_every_command_of_django_that_is_named_exists():
    known = set(get_commands())
    for page in PAGES:
        assert set(re.findall(r"manage\.py\s+([a-z_]+)", words(page))) <= known


@pytest.mark.parametrize("command", [drill.Command, bench.Command, simulate.Command])
def test_drills_and_benchmarks_are_listed_with_keys_that_they_print(command):
    told = {
        name: re.findall(r"`(\w+)`", keys)
        for name, keys in re.findall(
            rf"^\| `{command.word} (\w+)` \|[^|]*\|([^|]*)\|$", words(README), re.M
        )
    }
    assert set(told) == set(command.parts)
    for name, part in command.parts.items():
        module = ROOT / type(part).__module__.replace(".", "/")
        # With those that it is split into: `health.py`, `health_record.py`.
        code = "".join(words(p) for p in module.parent.glob(f"{module.name}*.py"))
        assert told[name]
        assert [key for key in told[name] if f'"{key}"' not in code] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_chapters_that_exist(page):
    text = words(page)
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(words(target)), link


def test_each_place_in_the_tree_exists():
    tree = section("## Where things are").split("```")[1]
    places = [line.split("  ")[0] for line in tree.strip().splitlines()]
    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_place_of_the_machine_they_were_written_on(page):
    assert re.findall(r"(?<![\w.])/(?:work|tmp|home|root)\b\S*", words(page)) == []


def test_pictures_are_used_described_and_light():
    text = words(README)
    described = re.findall(r"!\[[^\]]{5,}\]\(docs/screenshots/([^)]+)\)", text)
    described += re.findall(
        r'<img src="docs/screenshots/([^"]+)" width="\d+" alt="[^"]{5,}">', text
    )
    kept = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert sorted(described) == sorted(kept)
    assert {name: size for name, size in kept.items() if size > 150_000} == {}


def test_the_states_are_those_of_a_delivery():
    told = first_column(section("## How it keeps its word"))
    assert told[: len(Delivery.Status)] == [
        str(state.label)
        for state in (
            Delivery.Status.SCHEDULED,
            Delivery.Status.PUBLISHING,
            Delivery.Status.PROCESSING,
            Delivery.Status.HELD,
            Delivery.Status.UNCERTAIN,
            Delivery.Status.PUBLISHED,
            Delivery.Status.FAILED,
            Delivery.Status.CANCELLED,
        )
    ]


def test_holds_are_told_as_the_pages_tell_them():
    told = first_column(section("### Held"))
    labels = [str(hold.label) for hold in Delivery.Hold]
    assert told
    for reason in told:
        assert any(label.startswith(reason) for label in labels), reason


def test_redirect_addresses_are_those_that_are_sent(settings):
    settings.SITE_URL = "https://social.example.com"
    for spec in registry.all_specs():
        row = re.search(rf"^\| {spec.name} \| (.+?) \|", words(README), re.MULTILINE)
        assert row, spec.name
        uses_it = spec.oauth is not None
        assert (row[1] == f"`{redirect_uri(spec.slug)}`") is uses_it


@pytest.mark.parametrize("spec", registry.all_specs(), ids=lambda spec: spec.slug)
def test_each_network_has_a_chapter_with_every_scope_that_is_asked_for(spec):
    heads = re.findall(rf"^### {spec.name}: .+$", words(README), re.MULTILINE)
    assert len(heads) == 1
    chapter = section(heads[0])
    asked = spec.oauth.scopes if spec.oauth else ()
    assert [scope for scope in asked if f"`{scope}`" not in chapter] == []
    for url in re.findall(r"https://[^\s)`]+", spec.register_url):
        assert url in chapter
