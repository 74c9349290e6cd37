#!/usr/bin/env python
"""Django's command line, with settings errors as one sentence."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialhub.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        if type(exc).__name__ != "SettingError":
            raise
        sys.stderr.write(f"Setting error: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
