"""Each platform is shown by its mark, out of one file, or by its letter."""

from __future__ import annotations

import re

from django.conf import settings
from django.templatetags.static import static

from platforms import registry
from socialhub.templatetags.socialhub import MARKS, platform_icon

#: Nobody draws these.
LETTERS = {"ayrshare", "outstand"}


def test_every_platform_has_a_mark_of_the_file_or_its_letter():
    drawn = (settings.BASE_DIR / "static" / MARKS).read_text()
    for slug, path in registry.PLATFORMS.items():
        icon = platform_icon(slug)
        assert f'aria-label="{registry.spec(slug).name}"' in icon, path
        if slug in LETTERS:
            assert "sh-badge--letter" in icon
            assert "<svg" not in icon
        else:
            assert f'<use href="{static(MARKS)}#{slug}"/>' in icon
            assert f'<symbol id="{slug}"' in drawn


def test_what_is_no_platform_any_more_is_shown_by_its_letter():
    assert re.search(r">G</span>", platform_icon("gone<"))
    assert "&lt;" in platform_icon("gone<")


def test_beside_a_name_nobody_hears_it_twice():
    assert "aria-label" not in platform_icon("x", True)
    assert 'aria-hidden="true"' in platform_icon("x", True)
