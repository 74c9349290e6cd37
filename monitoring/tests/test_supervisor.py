"""The watch of a cluster: when it sends, when it calls the cluster silent."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from monitoring.beat import own_name
from monitoring.models import Heartbeat
from socialhub import processes, supervisor
from socialhub.sandbox import wait_for
from socialhub.supervisor import AlreadyRunning, Pulse, Supervisor, only_one

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that tests move."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def look(self, pulse, after_s, times=1):
        for _ in range(times):
            self.now += after_s
            pulse.look()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(supervisor, "time", clock)
    return clock


@pytest.fixture
def pulse(clock):
    return Pulse("monitor")


def queued():
    return OrmQ.objects.filter(key="monitor").count()


def answer(cluster="monitor", host=""):
    """As a worker does it, here or on another host."""
    Heartbeat.beat(cluster)
    Heartbeat.beat(f"{cluster}@{host}" if host else own_name(cluster))


def test_one_beat_is_sent_and_no_second_before_it_came_back(clock, pulse):
    clock.look(pulse, 1, times=10)
    assert queued() == 1
    answer()
    clock.look(pulse, 1)
    assert queued() == 2
    answer()
    clock.look(pulse, 1, times=4)
    assert queued() == 2, "answered at once: the next one waits its five seconds"
    clock.look(pulse, 1)
    assert queued() == 3


def test_a_beat_goes_through_the_queue_as_a_name_and_no_more(clock, pulse):
    clock.look(pulse, 1)
    task = OrmQ.objects.get().task
    assert (task["func"], task["args"]) == ("monitoring.beat.beat", ("monitor",))
    assert task["save"] is False


def test_silence_grows_until_the_answer(clock, pulse):
    clock.look(pulse, 1, times=12)
    assert pulse.silent_s() == pytest.approx(12)
    answer()
    clock.look(pulse, 1)
    assert pulse.silent_s() == 0


def test_a_restarted_cluster_gets_the_whole_time_and_a_new_beat(clock, pulse):
    clock.look(pulse, 1, times=12)
    pulse.begin()
    assert pulse.silent_s() == 0
    clock.look(pulse, 1)
    assert pulse.silent_s() == pytest.approx(1)
    assert queued() == 2


def test_a_lost_beat_is_sent_again(clock, pulse, settings):
    clock.look(pulse, 1)
    clock.look(pulse, 1, times=settings.CLUSTER_SILENT_AFTER_S)
    assert queued() == 1
    clock.look(pulse, 1)
    assert queued() == 2


def test_a_database_that_is_away_proves_nothing(clock, pulse, monkeypatch):
    clock.look(pulse, 1, times=8)

    def away(*args, **kwargs):
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(Heartbeat.objects, "filter", away)
        for _ in range(100):
            clock.now += 1
            with pytest.raises(OperationalError):
                pulse.look()
        assert pulse.silent_s() == pytest.approx(8)
    clock.look(pulse, 1)
    assert pulse.silent_s() == 0, "back again: the count begins anew"


def test_a_watch_that_stood_still_itself_blames_nobody(clock, pulse):
    clock.look(pulse, 1, times=8)
    clock.look(pulse, 300)
    assert pulse.silent_s() == 0


def test_signs_of_other_hosts_are_not_ours(clock, pulse):
    clock.look(pulse, 1)
    for _ in range(15):
        answer(host="elsewhere")
        clock.look(pulse, 1)
    assert pulse.silent_s() == pytest.approx(16)
    assert queued() > 15, "each beat that another host took is followed by more"


def test_restarts_are_counted_where_the_home_page_looks(clock, pulse):
    answer()
    killed_at = timezone.now()
    pulse.note_restart(killed_at)
    pulse.note_restart(killed_at)
    clock.look(pulse, 1, times=3)
    row = Heartbeat.objects.get(name="monitor")
    assert (row.restarts, row.restarted_at) == (2, killed_at)


def fetched(killed_at, seconds_before):
    """A queue row as a cluster locks it that fetches so long before the kill."""
    lock = killed_at + timedelta(seconds=Conf.RETRY - seconds_before)
    return OrmQ.objects.create(key="monitor", payload="x", lock=lock)


def test_what_a_killed_cluster_had_fetched_is_free_at_once(clock, pulse):
    answer()
    killed_at = timezone.now()
    before = fetched(killed_at, 5)
    after = fetched(killed_at, -5)
    foreign = fetched(killed_at, 5)
    OrmQ.objects.filter(pk=foreign.pk).update(key="publish")
    pulse.note_restart(killed_at)
    clock.look(pulse, 1)
    now = timezone.now()
    free = set(OrmQ.objects.filter(lock__lt=now).values_list("pk", flat=True))
    assert before.pk in free
    assert not {after.pk, foreign.pk} & free


def test_what_other_hosts_may_have_fetched_is_left_alone(clock, pulse):
    answer()
    answer(host="elsewhere")
    killed_at = timezone.now()
    row = fetched(killed_at, 5)
    pulse.note_restart(killed_at)
    clock.look(pulse, 1)
    row.refresh_from_db()
    assert row.lock > timezone.now()


def test_only_one_supervisor_holds_the_lock_file(tmp_path):
    path = tmp_path / "run" / "monitor.lock"
    second = only_one(path)
    with only_one(path), pytest.raises(AlreadyRunning, match=r"process \d+"):
        second.__enter__()
    with only_one(path):
        assert path.read_text().strip().isdigit()


def test_a_watch_that_has_ended_leaves_no_thread_and_no_connection(monkeypatch):
    """The cluster is forked then: what is open would be in two processes."""
    pulse, seen = Pulse("monitor"), []
    monkeypatch.setattr(pulse, "look", lambda: seen.append("look"))
    monkeypatch.setattr(
        type(connections), "close_all", lambda self: seen.append("closed")
    )
    assert pulse.has_ended()
    pulse.start()
    assert not pulse.has_ended()
    wait_for(lambda: seen, 20, name="the first look")
    pulse.end()
    wait_for(pulse.has_ended, 20, name="the end of the watch")
    assert seen[-1] == "closed"


def test_a_cluster_bears_a_mark_that_its_own_run_does_not(monkeypatch):
    monkeypatch.setenv(processes.MARK, "house:/data")
    supervisor = Supervisor("monitor")
    environment = supervisor.environment()
    assert environment[processes.MARK] == "house:/data"
    assert environment[processes.CLUSTER_MARK] == supervisor.mark
    assert environment["Q_CLUSTER_NAME"] == "monitor"
