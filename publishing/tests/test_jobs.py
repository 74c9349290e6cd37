"""Long work: one worker at a time, taken up where it stood, cancelled, given up; and an
import whose worker is killed with kill -9 doubles and loses nothing."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import partial

import pytest
from django.urls import reverse
from django.utils import timezone

from publishing import job_models, jobs
from publishing.models import Job, StaleState
from publishing.tests.test_approval_race import at_once
from socialhub.sandbox import BASE_DIR, Sandbox

State = Job.State


@pytest.fixture
def counting(monkeypatch, db):
    """Work that counts to `asked["to"]`, five a turn."""
    wakes: list[int] = []
    monkeypatch.setattr(jobs, "wake", lambda: wakes.append(1))

    def work(job, turn):
        for _step in range(5):
            if job.asked.get("breaks_at") == job.done:
                raise RuntimeError("a bug")
            turn.store(done=job.done + 1, at={"after": job.done + 1})
            if job.done == job.asked["to"]:
                return False
        return True

    ends: list[str] = []
    kind = jobs.Kind(lambda job: "Counting", work, lambda job: ends.append(job.state))
    monkeypatch.setitem(jobs._kinds, "counting", kind)
    return ends


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_work_goes_on_turn_by_turn_and_others_have_theirs(counting, author):
    first = jobs.start("counting", author, to=8)
    second = jobs.start("counting", author, to=3)
    assert jobs.take_turn()
    assert (fresh(first).done, fresh(second).done) == (5, 0)
    assert jobs.take_turn()
    assert (fresh(second).state, fresh(first).state) == ("done", "running")
    assert not jobs.take_turn()
    assert (fresh(first).done, fresh(first).state) == (8, "done")
    assert counting == ["done", "done"]


def test_one_worker_has_it_and_a_late_one_writes_nothing(counting, author):
    job = jobs.start("counting", author, to=8)
    now = timezone.now()
    late = fresh(job)
    late.claim(now)
    assert not jobs.take_turn()  # somebody has it
    with pytest.raises(StaleState):
        fresh(job).claim(now)
    Job.objects.update(lease_expires_at=now - timedelta(seconds=1))
    assert jobs.take_turn()
    with pytest.raises(StaleState):
        late.store(done=99)
    assert fresh(job).done == 5


def test_cancelling_stops_it_at_the_next_step(counting, author, client):
    client.force_login(author)
    job = jobs.start("counting", author, to=100)
    jobs.take_turn()
    assert client.post(reverse("job_cancel", args=[job.pk])).status_code == 302
    jobs.take_turn()
    assert (fresh(job).state, fresh(job).done) == ("cancelled", 5)
    assert counting == ["cancelled"]
    row = client.get(reverse("job_row", args=[job.pk]), {"then": "reload"})
    assert row["HX-Refresh"] == "true"
    assert "hx-get" not in row.content.decode()


def test_what_breaks_at_the_same_place_again_and_again_is_given_up(counting, author):
    job = jobs.start("counting", author, to=8, breaks_at=2)
    for _turn in range(job_models.MOST_TRIES + 2):
        jobs.take_turn()
        Job.objects.filter(state="running").update(lease_expires_at=None)
    assert fresh(job).state == "failed"
    assert "broke off 5 times" in fresh(job).problem
    assert counting == ["failed"]


def test_a_page_shows_progress_and_only_ones_own(counting, author, client, brand):
    client.force_login(author)
    job = jobs.start("counting", author, brand, to=8)
    Job.objects.update(total=8, done=2)
    page = client.get(reverse("job_list")).content.decode()
    assert "Counting" in page
    assert 'value="25"' in page
    other = type(author).objects.create_superuser("bob", "b@example.com", "x")
    client.force_login(other)
    assert "Counting" not in client.get(reverse("job_list")).content.decode()
    assert client.get(reverse("job_row", args=[job.pk])).status_code == 404


def test_what_ended_a_week_ago_is_forgotten_with_its_files(
    counting, author, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    job = jobs.start("counting", author, to=1)
    jobs.take_turn()
    fresh(job).folder.mkdir(parents=True)
    job_models.tidy(timezone.now())
    assert Job.objects.exists()
    assert job.folder.exists()
    job_models.tidy(timezone.now() + timedelta(days=8))
    assert not Job.objects.exists()
    assert not job.folder.exists()


BEGIN = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from accounts.models import *
from publishing import importing, jobs
user = get_user_model().objects.create_superuser("ana", "a@example.com", "x")
brand = Brand.objects.create(name="Acme")
app = PlatformApp.objects.create(platform="mastodon", instance_url="https://social.example")
credential = Credential.objects.create(app=app, access_token="t")
ConnectedAccount.objects.create(brand=brand, credential=credential, platform="mastodon",
    external_id="1", name="Acme", handle="acme")
lines = ["accounts,date,time,text"]
lines += [f"acme,2099-01-01,{n // 60:02}:{n % 60:02},Post {n}" for n in range(12)]
table = SimpleUploadedFile("plan.csv", "\\n".join(lines).encode())
made = importing.begin(user, brand, table, None, zone="UTC", schedules=True)
while jobs.take_turn(): pass
made.refresh_from_db()
assert importing.write(made)
"""
#: A worker that finds what another has left, whose lease has run out as time passes.
TURN = """
import django, json; django.setup()
from publishing import jobs
from publishing.models import *
def found():
    return {"posts": sorted(Post.objects.values_list("text", flat=True)),
        "deliveries": Delivery.objects.count(),
        "job": Job.objects.get(kind="import_write").state,
        "rows": list(ImportRow.objects.order_by().values_list("state", flat=True).distinct())}
left = Job.objects.filter(state="running")
ended = left.update(lease_expires_at="2000-01-01T00:00:00Z")
print(json.dumps(found() | {"ended": ended}))
jobs.take_turn()
print(json.dumps(found()))
"""
EXPORT = """
import django; django.setup()
from django.contrib.auth import get_user_model
from publishing import exporting
asked = {"which": None, "what": ["posts", "audit"], "begin": "", "end": ""}
exporting.begin(get_user_model().objects.get(), asked)
"""
LOOK = """
import zipfile
from publishing import exporting
from publishing.models import Job
job = Job.objects.get(kind="export")
packed = zipfile.ZipFile(job.folder / exporting.WHOLE)
print(job.state, len(packed.read("posts.jsonl").splitlines()), packed.testzip())
"""


@pytest.mark.live
def test_a_killed_import_is_taken_up_again_and_doubles_nothing():
    import json
    import os

    with Sandbox(os.environ.get("DATABASE_URL", "")) as box:
        box.migrate()

        def run(code, **more):
            return subprocess.run(
                [sys.executable, "-c", code],
                env={**box.env, **more},
                cwd=BASE_DIR,
                capture_output=True,
                text=True,
                timeout=120,
            )

        begun = run(BEGIN)
        assert begun.returncode == 0, begun.stderr
        # Between a row and the note of how far it is: its post stands, nobody knows.
        for deaths in range(3):
            killed = run(TURN, SOCIALHUB_CRASH_AT="import_row")
            assert killed.returncode == -9, killed.stderr
            left = json.loads(killed.stdout)
            assert (left["ended"], len(left["posts"])) == (min(deaths, 1), deaths)
        ended = run(TURN)
        assert ended.returncode == 0, ended.stderr
        left, found = map(json.loads, ended.stdout.splitlines())
        assert (left["ended"], len(left["posts"])) == (1, 3)
        # And an export of these posts, killed in a table and when its ZIP is whole.
        killed = run(EXPORT + TURN, SOCIALHUB_CRASH_AT="export_rows")
        assert killed.returncode == -9, killed.stderr
        killed = run(TURN, SOCIALHUB_CRASH_AT="export_end")
        assert killed.returncode == -9, killed.stderr
        assert json.loads(killed.stdout)["ended"] == 1
        ended = run(f"{TURN}\n{LOOK}")
        left, _found, packed = ended.stdout.splitlines()
        assert json.loads(left)["ended"] == 1
        assert packed.split() == ["done", "12", "None"], ended.stderr
    assert found["posts"] == sorted(f"Post {n}" for n in range(12))
    assert (found["deliveries"], found["job"], found["rows"]) == (12, "done", ["done"])


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_one_instant_take_one_job_between_them(counting, author):
    for turn in range(5):
        for _job in range(2):
            jobs.start("counting", author, to=8)
        now = timezone.now()
        found = at_once(*[partial(jobs._claimed, now)] * 2)
        assert not [one for one in found if isinstance(one, Exception)], found
        assert Job.objects.live().held(now).count() == 1, turn
        Job.objects.all().delete()
