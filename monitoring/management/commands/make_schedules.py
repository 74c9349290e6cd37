"""`manage.py make_schedules`: the periodic jobs, as code has them. May run twice."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.module_loading import import_string
from django_q.models import Schedule


class Job(NamedTuple):
    """A function without arguments that a cluster runs every so many minutes."""

    name: str
    function: str
    cluster: str
    minutes: int


DAY = 24 * 60
#: Nothing here may decide when a post goes out: a schedule starts up to 30 s late.
SCHEDULES = (
    Job("check credentials", "monitoring.tasks.check_credentials", "monitor", 1),
    Job("refresh credentials", "monitoring.tasks.refresh_credentials", "monitor", 1),
    Job("review incidents", "monitoring.tasks.review_incidents", "monitor", 1),
    Job("follow up", "monitoring.tasks.follow_up", "monitor", 5),
    Job("remind campaigns", "monitoring.tasks.remind_campaigns", "monitor", 60),
    Job("send to channels", "monitoring.tasks.send_to_channels", "monitor", 1),
    Job("tell what ends", "monitoring.tasks.tell_ends", "monitor", 15),
    Job("note health", "monitoring.tasks.note_health", "monitor", 60),
    Job("collect figures", "monitoring.tasks.collect_figures", "monitor", 5),
    Job("read native posts", "monitoring.tasks.read_native_posts", "monitor", 5),
    Job("discard uploads", "monitoring.tasks.discard_uploads", "monitor", 15),
    Job("send answers", "monitoring.tasks.send_answers", "monitor", 1),
    Job("count weeks", "monitoring.tasks.count_weeks", "monitor", 60),
    Job("mail reports", "monitoring.tasks.mail_reports", "monitor", 5),
    Job("tidy", "monitoring.tasks.tidy", "monitor", DAY),
    Job("tidy uploads", "publishing.tasks.tidy_uploads", "monitor", 60),
    Job("do long work", "publishing.tasks.do_long_work", "monitor", 1),
    Job("tidy jobs", "publishing.tasks.tidy_jobs", "monitor", 60),
    Job("read links ahead", "publishing.tasks.read_links_ahead", "monitor", 5),
    Job("judge scheduled", "publishing.tasks.judge_scheduled", "monitor", 1),
    Job("make occurrences", "publishing.tasks.make_occurrences", "monitor", 60),
    Job("ensure pumps", "publishing.tasks.ensure_pumps", "publish", 1),
)


def fault(job: Job) -> str:
    """What is wrong with a job, in words; "" when nothing is."""
    try:
        function = import_string(job.function)
    except ImportError as exc:
        return f"{job.function} cannot be imported ({exc})"
    if not callable(function):
        return f"{job.function} is no function"
    try:
        inspect.signature(function).bind()
    except TypeError as exc:
        return f"{job.function} needs arguments ({exc})"
    if job.cluster not in settings.Q_CLUSTER["ALT_CLUSTERS"]:
        return f"there is no cluster {job.cluster!r}"
    if not 1 <= job.minutes <= DAY:
        return f"{job.minutes} minutes are not between 1 and {DAY}"
    return ""


class Command(BaseCommand):
    help = "Create, correct and delete the schedules so that they are as in code."

    def handle(self, *args: Any, **options: Any) -> None:
        # One schedule that cannot be read stops all others: check before writing.
        for job in SCHEDULES:
            if problem := fault(job):
                raise CommandError(f"Schedule {job.name!r}: {problem}.")
        names = [job.name for job in SCHEDULES]
        if len(set(names)) != len(names):
            raise CommandError("Two schedules have the same name.")
        with transaction.atomic():
            made = sum(make(job) for job in SCHEDULES)
            gone, _ = Schedule.objects.exclude(name__in=names).delete()
        if options["verbosity"]:
            self.stdout.write(
                f"{len(names)} schedules: {made} made or corrected, {gone} deleted."
            )


def make(job: Job) -> bool:
    """True when something had to change. Leaves the next run of a right one alone."""
    wanted = {
        "func": job.function,
        "cluster": job.cluster,
        "schedule_type": Schedule.MINUTES,
        "minutes": job.minutes,
        "repeats": -1,
        "args": None,
        "kwargs": None,
        "hook": None,
        "cron": None,
        "intended_date_kwarg": None,
    }
    rows = list(Schedule.objects.filter(name=job.name))
    if len(rows) == 1 and all(getattr(rows[0], k) == v for k, v in wanted.items()):
        return False
    Schedule.objects.filter(name=job.name).delete()
    Schedule.objects.create(name=job.name, **wanted)
    return True
