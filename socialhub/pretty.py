"""JSON as people read it."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString


def pretty_json(value: Any, encoder: Any) -> SafeString:
    """Indented. unfold colours it where a tool for developers happens to be installed:
    twice for each value, with all colours of both themes."""
    text = json.dumps(value, sort_keys=True, indent=4, ensure_ascii=False, cls=encoder)
    return format_html('<pre class="sh-json">{}</pre>', text)
