"""Taking back what was done with many posts never sends one twice, nor past a stop; and
goes on where a worker was killed with kill -9."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from publishing import bulk, bulk_runs, jobs
from publishing.models import Delivery, Job, Stop
from socialhub.sandbox import BASE_DIR, Sandbox

from .test_gates import turn


@pytest.fixture
def cancelled_and_back(author: Any, account: Any, make_delivery: Any, monkeypatch: Any):
    """A delivery that was cancelled with others and taken back."""
    monkeypatch.setattr(jobs, "wake", lambda: None)
    row = make_delivery(account, due_in=timedelta(hours=3))
    chosen = bulk.picked(author, [f"d{row.pk}"])
    run = bulk_runs.carry_out_ticked(author, "cancel", {}, chosen, {}, "/posts/")
    row.refresh_from_db()
    assert row.status == "cancelled"
    undone = bulk_runs.take_back(run)
    assert undone is not None
    assert undone.state == Job.State.DONE
    assert bulk_runs.take_back(Job.objects.get(pk=run.pk)) is None
    Delivery.objects.filter(pk=row.pk).update(
        due_at=timezone.now(), next_attempt_at=timezone.now()
    )
    return row


def test_what_came_back_goes_out_once(cancelled_and_back: Any, script: Any) -> None:
    for _turn in range(3):
        turn(cancelled_and_back)
    assert cancelled_and_back.status == "published"
    assert cancelled_and_back.attempts.count() == 1


def test_what_came_back_is_held_by_an_emergency_stop(
    cancelled_and_back: Any, author: Any, script: Any
) -> None:
    Stop.objects.create(scope="everything", reason="A storm", started_by=author)
    turn(cancelled_and_back)
    assert (cancelled_and_back.status, cancelled_and_back.hold) == ("held", "stopped")
    assert script.asked == []


BEGIN = """
import django; django.setup()
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from accounts.models import *
from publishing import bulk_runs, jobs
from publishing.models import *
from publishing.models import schedule
user = get_user_model().objects.create_superuser("ana", "a@example.com", "x")
brand = Brand.objects.create(name="Acme")
app = PlatformApp.objects.create(platform="mastodon", instance_url="https://social.example")
credential = Credential.objects.create(app=app, access_token="t")
account = ConnectedAccount.objects.create(brand=brand, credential=credential,
    platform="mastodon", external_id="1", name="Acme", handle="acme")
groups = []
for n in range(60):
    post = Post(brand=brand, author=user, text=f"Post {n}")
    day = timezone.localdate() + timedelta(days=3 + n)
    post.set_time(day, timezone.now().time().replace(microsecond=0), "UTC")
    post.save()
    post.accounts.add(account)
    groups.append([f"d{row.pk}" for row in schedule(post, [account])])
def all_turns():
    while jobs.take_turn(): pass
asked = {"days": 400, "wall": ""} if ACTION == "move" else {}
look = bulk_runs.look(user, ACTION, asked, groups, "/posts/")
all_turns()
look.refresh_from_db()
run = bulk_runs.carry_out(look)
all_turns()
assert BulkChange.objects.count() == 60
assert bulk_runs.take_back(run).state == "waiting"
"""
TURN = """
import django, json; django.setup()
from django.utils import timezone
from publishing import jobs
from publishing.models import *
from accounts.models import AuditEvent
def found():
    near = timezone.now() + timezone.timedelta(days=100)
    rows = Delivery.objects.filter(status="scheduled", due_at__lt=near)
    undone = AuditEvent.objects.filter(verb__in=("post.move_undone", "delivery.uncancelled"))
    job = Job.objects.get(kind="bulk_undo")
    return [rows.count(), undone.count(), job.done, job.state]
Job.objects.filter(state="running").update(lease_expires_at="2000-01-01T00:00:00Z")
while jobs.take_turn(): pass
print(json.dumps(found()))
"""
KILLED = TURN.replace("while jobs.take_turn(): pass\n", "").replace(
    "Job.objects.filter(", "print(json.dumps(found()))\nJob.objects.filter(", 1
) + ("jobs.take_turn()\n")


@pytest.mark.live
@pytest.mark.parametrize("action", ["move", "cancel"])
def test_a_killed_undo_is_taken_up_again_and_takes_each_post_back_once(
    action: str,
) -> None:
    with Sandbox(os.environ.get("DATABASE_URL", "")) as box:
        box.migrate()

        def run(code: str, **more: str) -> Any:
            return subprocess.run(
                [sys.executable, "-c", f"ACTION = {action!r}\n{code}"],
                env={**box.env, **more},
                cwd=BASE_DIR,
                capture_output=True,
                text=True,
                timeout=180,
            )

        begun = run(BEGIN)
        assert begun.returncode == 0, begun.stderr
        # Before what was taken back is written, and right after it.
        back = 0
        for point in (
            "bulk_undo_written",
            "bulk_undo",
            "bulk_undo",
            "bulk_undo_written",
        ):
            killed = run(KILLED, SOCIALHUB_CRASH_AT=point)
            assert killed.returncode == -9, killed.stderr
            assert json.loads(killed.stdout.splitlines()[0])[:3] == [back] * 3
            back += point == "bulk_undo"
        ended = run(TURN)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout) == [60, 60, 60, "done"]
