"""What operators copy agrees with the code."""

import re
from pathlib import Path

import pytest
import yaml
from honcho.environ import parse_procfile

from socialhub import start
from socialhub.supervisor import grace_s

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = ("publish", "monitor")


def read(*names):
    return "\n".join((ROOT / name).read_text() for name in names)


def test_the_example_explains_every_setting_and_no_other():
    code = read("socialhub/settings.py", "socialhub/start.py")
    settings = set(re.findall(r'env\.[a-z_]+\(\s*"([A-Z_]+)"', code))
    variables = set(re.findall(r"\$\{([A-Z_]+):-", read("Procfile")))
    explained = set(re.findall(r"^# ([A-Z_]+)=", read(".env.example"), re.MULTILINE))
    assert explained == settings | variables


def test_the_start_stops_every_cluster_that_the_procfile_starts(settings):
    commands = parse_procfile(read("Procfile")).processes
    started = {c.split()[-1] for c in commands.values() if "manage.py cluster" in c}
    assert started == set(start.CLUSTERS) == set(settings.Q_CLUSTER["ALT_CLUSTERS"])


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_containers_leave_a_cluster_the_time_it_may_take(cluster):
    service = yaml.safe_load(read("compose.yaml"))["services"][cluster]
    assert service["command"][-2:] == ["cluster", cluster]
    assert float(service["stop_grace_period"].removesuffix("s")) > grace_s() + 10
    assert service["init"] is True


def test_systemd_signals_the_supervisor_alone_and_waits_long_enough():
    unit = read("deploy/systemd/socialhub-cluster@.service")
    assert "KillMode=mixed" in unit
    (wait,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert float(wait) > grace_s() + 10


def test_pinned_packages_name_no_place_of_the_machine_that_pinned_them():
    pinned = read("requirements.txt", "requirements-dev.txt")
    lines = [line for line in pinned.splitlines() if line and line.lstrip()[0] != "#"]
    assert lines
    assert [x for x in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", x)] == []
