"""The sentences of all pages and mails, gathered for translators, and compiled.

Sources: what `gettext` and its kin name in Python, `translate` in templates, and the facts
of the platforms. Needs GNU gettext (`xgettext`, `msgmerge`, `msgfmt`).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from platforms import registry

NEEDED = ("xgettext", "msgmerge", "msgfmt")
FOLDER = Path(settings.BASE_DIR) / "locale"
#: what only tests, drills and benches say
LEFT_OUT = ("*/tests/*", "*/drills/*")
SOURCES = ("accounts", "monitoring", "publishing", "socialhub", "templates")


def missing_tools() -> list[str]:
    return [name for name in NEEDED if not shutil.which(name)]


def languages() -> list[str]:
    """Those that are translated into: the sentences in the code are English."""
    return [code for code, _name in settings.LANGUAGES if code != "en"]


def catalog(language: str, folder: Path = FOLDER) -> Path:
    return folder / language / "LC_MESSAGES" / "django.po"


def of_platforms() -> list[str]:
    """What platforms, which are plain Python, say of themselves to people."""
    said: list[str] = []
    for spec in registry.all_specs():
        said += [*spec.register_steps, spec.key_name]
        said += [spec.hook_tells, spec.hook_secret_name]
        said += [spec.hook_token_name, spec.hook_app_number_name]
        said += [row.why for row in spec.absent]
        said += [spec.mentions.how] if spec.mentions else []
        said += [rule.name for rule in spec.buckets]
        said += [call.feature for call in spec.calls]
        for scope in spec.scopes:
            said += [scope.allows, scope.later]
        for option in spec.options:
            said += [option.name, option.help, option.making]
            said += option.choices.values()
    return [words for words in dict.fromkeys(said) if words]


def gathered(folder: Path, **options: Any) -> None:
    """Into `folder` the catalogues as the code is now, which lie in `folder`/locale.

    New sentences come in, those unused leave. A sentence that was changed a little keeps
    its old translation, marked fuzzy, until somebody has looked at it.
    """
    # makemessages writes beside what it reads: it is shown the sources from elsewhere.
    for name in SOURCES:
        (folder / name).symlink_to(FOLDER.parent / name)
    shutil.copytree(FOLDER, folder / FOLDER.name)
    named = "".join(f"gettext({words!r})\n" for words in of_platforms())
    (folder / "platform_words.py").write_text(named, encoding="utf-8")
    for language in languages():
        catalog(language, folder / FOLDER.name).parent.mkdir(
            parents=True, exist_ok=True
        )
    with contextlib.chdir(folder):
        call_command(
            "makemessages",
            locale=languages(),
            ignore_patterns=list(LEFT_OUT),
            symlinks=True,
            no_wrap=True,
            no_obsolete=True,
            verbosity=0,
            **({"no_location": True} | options),
        )
    for language in languages():
        path = catalog(language, folder / FOLDER.name)
        # A date would change the file at each run.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith('"POT-Creation-Date')]
        path.write_text("".join(kept), encoding="utf-8")


def gather() -> None:
    with tempfile.TemporaryDirectory() as made:
        gathered(Path(made))
        shutil.copytree(Path(made) / FOLDER.name, FOLDER, dirs_exist_ok=True)


def compile_all() -> None:
    """Write the .mo files that Django reads. Broken placeholders are refused."""
    # It walks the folder where it runs for more catalogues.
    with contextlib.chdir(FOLDER):
        call_command("compilemessages", locale=languages(), verbosity=0)


def stale() -> list[str]:
    """Languages whose catalogue is not what the code says now."""
    with tempfile.TemporaryDirectory() as made:
        gathered(Path(made))
        now = Path(made) / FOLDER.name
        return [
            language
            for language in languages()
            if catalog(language, now).read_bytes() != catalog(language).read_bytes()
        ]
