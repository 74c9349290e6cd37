"""Schedules are what code says, however often the command runs."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from django_q.models import Schedule

from monitoring.management.commands import make_schedules
from monitoring.management.commands.make_schedules import SCHEDULES, Job, fault

pytestmark = pytest.mark.django_db


def test_running_twice_changes_nothing_and_keeps_the_next_run():
    call_command("make_schedules")
    later = timezone.now() + timedelta(hours=7)
    Schedule.objects.update(next_run=later)
    before = list(Schedule.objects.order_by("name").values())
    call_command("make_schedules")
    assert list(Schedule.objects.order_by("name").values()) == before
    assert len(before) == len(SCHEDULES)


def test_every_schedule_belongs_to_a_named_cluster():
    call_command("make_schedules")
    assert set(Schedule.objects.values_list("cluster", flat=True)) == {
        "publish",
        "monitor",
    }


def test_what_code_does_not_know_is_deleted_and_what_differs_corrected(capsys):
    call_command("make_schedules")
    Schedule.objects.create(name="old job", func="gone.task")
    Schedule.objects.create(name="tidy", func="gone.task")
    Schedule.objects.filter(name="review incidents").update(args="not an argument (")
    call_command("make_schedules")
    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(
        job.name for job in SCHEDULES
    )
    assert Schedule.objects.get(name="review incidents").args is None
    assert "2 made or corrected, 1 deleted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job("x", "monitoring.tasks.no_such", "monitor", 1), "cannot be imported"),
        (Job("x", "no_module.at_all", "monitor", 1), "cannot be imported"),
        (Job("x", "monitoring.beat.beat", "monitor", 1), "needs arguments"),
        (Job("x", "monitoring.tasks.KEEP", "monitor", 1), "is no function"),
        (Job("x", "monitoring.tasks.tidy", "nightly", 1), "no cluster 'nightly'"),
        (Job("x", "monitoring.tasks.tidy", "monitor", 0), "0 minutes"),
    ],
)
def test_a_schedule_that_cannot_work_is_named_before_anything_is_written(
    monkeypatch, job, words
):
    monkeypatch.setattr(make_schedules, "SCHEDULES", (*SCHEDULES, job))
    assert words in fault(job)
    with pytest.raises(CommandError, match="Schedule 'x'"):
        call_command("make_schedules")
    assert not Schedule.objects.exists()
