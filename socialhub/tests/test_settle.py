"""What a web process does before it answers anybody."""

from __future__ import annotations

import subprocess
import sys


def test_a_web_process_leaves_alone_what_lives_as_long_as_it() -> None:
    asked = (
        "import gc, sys; from socialhub import wsgi; "
        "assert callable(wsgi.application); "
        "assert 'publishing.views' in sys.modules, 'pages are loaded'; "
        "assert gc.get_freeze_count() > 100_000, gc.get_freeze_count(); "
        "assert gc.isenabled()"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
