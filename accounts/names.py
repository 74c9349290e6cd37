"""How a person is called on pages: by name, not by what they type to sign in."""

from __future__ import annotations

from typing import Any

from django import forms


def called(first_name: str, last_name: str, username: str) -> str:
    """`name_of` by the columns, for lists of people that are read without their rows."""
    return f"{first_name} {last_name}".strip() or username


def name_of(person: Any) -> str:
    """ "Ana Weber"; the user name where nobody gave a name."""
    return str(person.get_full_name() or person.get_username())


def name_and_mail(person: Any) -> str:
    """ "Ana Weber (ana@example.com)"; without the address where it is the name."""
    name = name_of(person)
    return f"{name} ({person.email})" if person.email not in ("", name) else name


class PersonField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return name_and_mail(obj)
