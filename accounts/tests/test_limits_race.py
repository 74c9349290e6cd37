"""Many workers on the same buckets: never over a size, never waiting for each other."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from accounts import limits
from accounts.limits import BucketId, Need, Use, reserve, set_size, settle
from accounts.models import RateBucket
from platforms.base import Bucket, Observation, WindowKind

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY_S = 86_400
WORKERS = 4
ACCOUNTS = 6
APP_SIZE, OWN_SIZE, HOUR_SIZE = 60, 14, 17
TOY = (
    Bucket("app_day", "app", APP_SIZE, WindowKind.FIXED_UTC_DAY, DAY_S),
    Bucket("own", "account", OWN_SIZE, WindowKind.FROM_FIRST_CALL, 900),
    Bucket("hour", "token", HOUR_SIZE, WindowKind.ROLLING_LOG, 3600),
)
SIZES = {"app_day": APP_SIZE, "own": OWN_SIZE, "hour": HOUR_SIZE}


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(limits._declared, "toy", {b.key: b for b in TOY})


def in_processes(work, tmp_path: Path, workers: int = WORKERS) -> list:
    """What each process left in its file. All begin at once; none may fail."""
    connection.close()  # a child must not speak on its parent's connection
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(workers)
    files = [tmp_path / f"{number}.json" for number in range(workers)]

    def run(number: int) -> None:
        connection.connect()
        start.wait(30)
        files[number].write_text(json.dumps(work(number)))
        connection.close()

    children = [fork.Process(target=run, args=(n,)) for n in range(workers)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * workers
    return [json.loads(file.read_text()) for file in files]


def publish(number: int) -> list[list]:
    """Reserve and settle batches as a pump does; what was really used, per bucket."""
    chance = random.Random(number)
    used: Counter[tuple[str, int]] = Counter()
    for turn in range(12):
        at = NOW + timedelta(milliseconds=turn * 10 + number)
        needs = []
        # Each worker meets the accounts in an order of its own.
        for account in chance.sample(range(1, ACCOUNTS + 1), 4):
            draws = {"app_day": 1, "own": chance.choice([1, 2]), "hour": 1}
            needs.append(Need(account, "toy", "live", 7, account, account, draws))
        with transaction.atomic():
            answers = reserve(needs, at)
        uses = []
        for need in needs:
            if answers[need.ref] is None:
                taken = need.draws if chance.random() < 0.7 else {}
                used.update({(k, need.account_id): n for k, n in taken.items()})
                uses.append(Use(need, taken, at))
        with transaction.atomic():
            settle(uses, at + timedelta(milliseconds=1))
    return [[key, account, units] for (key, account), units in used.items()]


@pytest.mark.parametrize("rows", ["fresh", "there"])
def test_workers_together_never_take_more_than_a_window_has(tmp_path, rows):
    if rows == "there":
        accounts = range(1, ACCOUNTS + 1)
        subjects = [("own", f"account:{n}") for n in accounts]
        subjects += [("hour", f"token:{n}") for n in accounts]
        RateBucket.objects.bulk_create(
            RateBucket(platform="toy", key=key, subject=subject)
            for key, subject in [*subjects, ("app_day", "app:7")]
        )
    used: Counter[BucketId] = Counter()
    for worker in in_processes(publish, tmp_path):
        for key, account, units in worker:
            kind = {"app_day": "app:7", "hour": f"token:{account}"}
            subject = kind.get(key, f"account:{account}")
            used[BucketId("toy", key, subject)] += units
    assert used[BucketId("toy", "app_day", "app:7")] > APP_SIZE / 2
    for bucket, units in used.items():
        assert units <= SIZES[bucket.key], bucket
        # What was given back is free again, and nothing was forgotten.
        row = RateBucket.objects.get(**bucket._asdict())
        assert row.used == units, bucket


def one_each(number: int) -> int:
    """Ask for one unit at a time until there is none left."""
    admitted = 0
    for turn in range(APP_SIZE):
        need = Need(turn, "toy", "live", 7, number + 1, number + 1, {"app_day": 1})
        with transaction.atomic():
            admitted += reserve([need], NOW)[turn] is None
    return admitted


def test_the_last_unit_goes_to_one_worker(tmp_path):
    assert sum(in_processes(one_each, tmp_path)) == APP_SIZE


def crosswise(number: int) -> int:
    """Learn, set sizes and reserve on the same buckets, in every order."""
    chance = random.Random(number)
    ends = NOW + timedelta(seconds=900)
    for turn in range(10):
        accounts = chance.sample(range(1, ACCOUNTS + 1), 4)
        draws = {"own": 1, "app_day": 1}
        needs = [Need(n, "toy", "live", 7, n, n, draws) for n in accounts]
        told = Observation("own", OWN_SIZE + turn, OWN_SIZE, ends, NOW)
        with transaction.atomic():
            settle([Use(need, {}, NOW, (told,)) for need in reversed(needs)], NOW)
        with transaction.atomic():
            reserve(needs, NOW)
        if turn % 3 == number % 3:
            set_size(BucketId("toy", "own", f"account:{accounts[0]}"), 5, None)
    return 0


def test_learning_and_setting_sizes_never_blocks_those_who_reserve(tmp_path):
    assert in_processes(crosswise, tmp_path) == [0] * WORKERS
