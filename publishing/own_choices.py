"""What a person decides for one network besides text, link and files, as form fields.

The networks say as data what there is to decide (`platforms.base.Option`); where the
choices are an account's own (boards, playlists), each account has a field of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import ConnectedAccount
from platforms.base import BELOW, MediaKind, Option, OptionKind, PlatformSpec, lines_of
from platforms.text import tidy

from .composing import option_anchor
from .new_choices import MAX_NAME

#: Above the longest of any network.
MAX_TEXT = 1000
MAX_ENTRIES = 100
#: of lines, one for each file
MAX_LINES_TEXT = 20_000
KINDS = {
    MediaKind.IMAGE: gettext_lazy("images"),
    MediaKind.GIF: gettext_lazy("animated images"),
    MediaKind.VIDEO: gettext_lazy("videos"),
    MediaKind.AUDIO: gettext_lazy("audio files"),
    MediaKind.DOCUMENT: gettext_lazy("documents"),
    MediaKind.CAPTIONS: gettext_lazy("captions"),
}


@dataclass(frozen=True)
class Field:
    """One field of the composer. value: what stands in it; a flag's is a bool.

    account: whose own choices these are; None: they hold for the whole network.
    """

    option: Option
    name: str
    value: Any
    account: ConnectedAccount | None = None

    @property
    def id(self) -> str:
        return f"id_{self.name}"

    @property
    def label(self) -> str:
        if self.account is None:
            return _(self.option.name)
        return f"{_(self.option.name)} · {self.account.name}"

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Value and words; with an empty one where nothing is preset."""
        choices = _choices(self.option, self.account)
        if self.value:
            # One that is gone meanwhile stays to be seen: the check refuses it.
            choices.setdefault(str(self.value), str(self.value))
        if self.option.default:
            return list(choices.items())
        nothing = _("Please choose") if self.option.required else "-"
        return [("", nothing), *choices.items()]

    @property
    def max_length(self) -> int:
        return MAX_LINES_TEXT if self.is_lines else MAX_TEXT

    @property
    def max_new(self) -> int:
        """Letters of the name of one more, with that of the one that it lies below."""
        return 2 * MAX_NAME + len(BELOW) if self.option.below_by else MAX_NAME

    @property
    def text(self) -> str:
        return self._written(self.value)

    @property
    def usual(self) -> str:
        """What stands in it when nothing is chosen."""
        return self._written(self.option.default)

    def _written(self, value: Any) -> str:
        if self.option.kind is OptionKind.LIST:
            return ", ".join(value or ())
        if self.is_lines:
            return "\n".join(lines_of(value))
        return str(value or "")

    @property
    def help(self) -> str:
        only = ""
        if self.option.media:
            kinds = " · ".join(str(KINDS[kind]) for kind in self.option.media)
            only = _("For posts with: %(kinds)s.") % {"kinds": kinds}
        elif self.option.of_poll:
            only = _("For posts with: %(kinds)s.") % {"kinds": _("a poll")}
        own = self.option.help and _(self.option.help)
        split = _("Several, with commas between.") if self.is_list else ""
        if self.is_lines:
            split = _(
                "One line for each file, in their order; an empty line leaves one out."
            )
        return " ".join(part for part in (own, split, only) if part)

    @property
    def making(self) -> str:
        """What one more choice is called; "": none can be made from here."""
        return _(self.option.making) if self.option.made_by and self.account else ""

    @property
    def new_name(self) -> str:
        """Of the field in which the name of one more is typed."""
        return f"new_{self.name}"

    @property
    def is_choice(self) -> bool:
        return self.option.kind is OptionKind.CHOICE

    @property
    def is_flag(self) -> bool:
        return self.option.kind is OptionKind.FLAG

    @property
    def is_date(self) -> bool:
        return self.option.kind is OptionKind.DATE

    @property
    def is_list(self) -> bool:
        return self.option.kind is OptionKind.LIST

    @property
    def is_lines(self) -> bool:
        return self.option.kind is OptionKind.LINES

    @property
    def goes_with(self) -> str:
        """Kinds of files, or "poll", without which it is out of sight; "": never is."""
        if self.is_asked:
            return ""
        return "poll" if self.option.of_poll else " ".join(self.option.media)

    @property
    def is_chosen(self) -> bool:
        return (self.value or None) != (self.option.default or None)

    @property
    def is_asked(self) -> bool:
        """A person has to decide, so it must not be overlooked."""
        return self.option.required and self.option.default is None


def fields(
    spec: PlatformSpec,
    accounts: Sequence[ConnectedAccount],
    chosen: Mapping[str, Any],
) -> list[Field]:
    """The fields of a network. chosen: as in `Draft.options`."""
    return [
        Field(option, name, _value(option, account, chosen), account)
        for option, account, name in _rows(spec, accounts)
    ]


def read(
    spec: PlatformSpec, accounts: Sequence[ConnectedAccount], data: Mapping[str, Any]
) -> dict[str, Any]:
    """`Draft.options` from what was typed, without what is the default anyway."""
    chosen: dict[str, Any] = {}
    for option, account, name in _rows(spec, accounts):
        value = _typed(option, data.get(name))
        if value in ("", (), option.default):
            continue
        stored = list(value) if isinstance(value, tuple) else value
        if account is None:
            chosen[option.key] = stored
        else:
            chosen.setdefault(option.key, {})[account.external_id] = stored
    return chosen


def _rows(
    spec: PlatformSpec, accounts: Sequence[ConnectedAccount]
) -> Iterator[tuple[Option, ConnectedAccount | None, str]]:
    for option in spec.options:
        if option.choices_from:
            for account in accounts:
                yield option, account, option_anchor(option, account)
        elif accounts:
            yield option, None, option_anchor(option, accounts[0])


def _choices(option: Option, account: ConnectedAccount | None) -> dict[str, str]:
    own = account.server_limits.get(option.choices_from) if account else None
    if own:
        return {str(key): str(words) for key, words in own.items()}
    return {key: _(words) for key, words in option.choices.items()}


def _value(
    option: Option, account: ConnectedAccount | None, chosen: Mapping[str, Any]
) -> Any:
    value = chosen.get(option.key)
    if account is not None and isinstance(value, Mapping):
        value = value.get(account.external_id)
    return option.default if value is None else value


def _typed(option: Option, typed: Any) -> Any:
    if option.kind is OptionKind.FLAG:
        return bool(typed)
    if option.kind is OptionKind.LINES:
        return _typed_lines(str(typed or "")[:MAX_LINES_TEXT])
    text = tidy(str(typed or ""))[:MAX_TEXT].strip()
    if option.kind is OptionKind.LIST:
        entries = (entry.strip() for entry in text.replace("\n", ",").split(","))
        return tuple(entry for entry in entries if entry)[:MAX_ENTRIES]
    return text


def _typed_lines(text: str) -> tuple[str, ...]:
    """What is left out before the last of them stays as an empty one."""
    lines = [tidy(line) for line in text.splitlines()][:MAX_ENTRIES]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
