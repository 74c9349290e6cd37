"""What was chosen for a network besides text, link and files, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import ConnectedAccount
from platforms import registry
from platforms.base import Option, lines_of


def option_words(
    slug: str, options: Mapping[str, Any], accounts: Iterable[ConnectedAccount]
) -> list[tuple[str, str]]:
    """What stands in `Draft.options`, in the network's order: (what, words).

    accounts: those of the network, for choices that are an account's own.
    """
    found = []
    for option in registry.spec(slug).options:
        value = options.get(option.key)
        name = _(option.name)
        if not isinstance(value, Mapping):
            found.append((name, _words(option, value, option.choices)))
            continue
        for account in accounts:
            own = account.server_limits.get(option.choices_from) or option.choices
            words = _words(option, value.get(account.external_id), own)
            found.append((f"{name} · {account.name}", words))
    return [(name, words) for name, words in found if words]


def _words(option: Option, value: Any, choices: Mapping[str, Any]) -> str:
    """ "" for what was left as it is anyway."""
    if value in (None, "", [], option.default):
        return ""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, list | tuple):
        return ", ".join(lines_of(value))
    words = choices.get(str(value), value)
    return _(words) if words in option.choices.values() else str(words)
