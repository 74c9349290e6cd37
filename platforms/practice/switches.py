"""Switches of a twin: what a platform does not document, or does only sometimes.

Each is a document of kind "setting" in the world; one that was never set has the
default of its row in `SWITCHES`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from .framework import Doc, Twin


@dataclass(frozen=True)
class Switch:
    """default None: a number, or nothing. choices: the values of a closed list."""

    name: str
    label: str
    default: bool | int | str | list[str] | dict[str, int] | None
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Any:
        """The value that a person typed or chose; ValueError says what is wanted."""
        text = text.strip()
        if self.choices:
            if text not in self.choices:
                raise ValueError(f"{self.name} is one of {', '.join(self.choices)}")
            return int(text) if isinstance(self.default, int) else text
        if isinstance(self.default, bool):
            if text not in ("yes", "no"):
                raise ValueError(f"{self.name} is yes or no")
            return text == "yes"
        if self.default is None and not text:
            return None
        if self.default is None or isinstance(self.default, int):
            if not text.isdecimal() or len(text) > 12:
                raise ValueError(f"{self.name} is a whole number")
            return int(text)
        if isinstance(self.default, list):
            return [part for part in text.replace(",", " ").split() if part]
        if isinstance(self.default, dict):
            return self._numbers(text)
        return text

    def _numbers(self, text: str) -> dict[str, int]:
        try:
            value = json.loads(text or "{}")
        except ValueError:
            value = None
        if not isinstance(value, dict) or not all(
            type(number) is int and number >= 0 for number in value.values()
        ):
            raise ValueError(f'{self.name} is a JSON object such as {{"call": 5}}')
        return value

    def show(self, value: Any) -> str:
        """The value as `parse` reads it."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(value)
        if isinstance(value, dict):
            return json.dumps(value)
        return "" if value is None else str(value)


class SwitchedTwin(Twin):
    SWITCHES: ClassVar[tuple[Switch, ...]] = ()

    def _switch(self, name: str) -> Switch:
        for switch in self.SWITCHES:
            if switch.name == name:
                return switch
        raise ValueError(f"{self.name} has no switch {name!r}")

    def setting(self, name: str) -> Any:
        doc = self.get("setting", name)
        return doc["value"] if doc else self._switch(name).default

    def set_setting(self, name: str, value: Any) -> None:
        """ValueError for a name that this platform has not."""
        self.put("setting", self._switch(name).name, {"value": value})

    def switches(self) -> list[Doc]:
        shown = []
        for switch in self.SWITCHES:
            choices = list(switch.choices)
            if isinstance(switch.default, bool):
                choices = ["yes", "no"]
            shown.append(
                {
                    "name": switch.name,
                    "label": switch.label,
                    "value": switch.show(self.setting(switch.name)),
                    "choices": [(choice, choice) for choice in choices],
                }
            )
        return shown

    def set_switch(self, name: str, value: str) -> None:
        self.set_setting(name, self._switch(name).parse(value))
