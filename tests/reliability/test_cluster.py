"""A Ray cluster gives what one process gives, also when one of its machines is lost in mid-job."""

from __future__ import annotations

import json
import os
import socket
import time
from functools import partial

import numpy as np
import pytest

from faceshield import Options, cloak
from faceshield.core.cluster import Cluster
from faceshield.core.errors import StoreError, UsageError
from faceshield.data.layouts import read_layout
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.dataset import align_dataset

pytest.importorskip("ray", reason="Ray is not installed: pip install 'faceshield[cluster]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own, which change with its version


@pytest.fixture(scope="module")
def machines():
    """Two of one core each, on this one; the second may be removed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 is next to nothing on a machine that does other work
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    machines.add_node(num_cpus=1)
    yield machines
    machines.shutdown()


@pytest.fixture(scope="module")
def cluster(machines):
    with Cluster(machines.address) as cluster:
        yield cluster


def test_answers_come_in_order_from_workers_that_are_made_once(cluster, tmp_path):
    def make(folder):
        def work(task):
            return task * 2, os.getpid()

        (folder / f"{os.getpid()}").touch(exist_ok=False)
        return work

    answers = list(cluster.map(partial(make, tmp_path), list(range(50)), crashed=None, batch=4))
    assert [answer for answer, _ in answers] == [2 * task for task in range(50)]
    assert {str(pid) for _, pid in answers} <= {path.name for path in tmp_path.iterdir()}
    assert os.getpid() not in {pid for _, pid in answers}


def test_what_a_worker_raises_is_raised_here(cluster):
    def make():
        def work(task):
            raise StoreError(f"{task}: the disk is full")

        return work

    with pytest.raises(StoreError, match=r"^3: the disk is full$"):
        list(cluster.map(make, [3], crashed=None))


def test_a_task_that_ends_its_process_is_told_and_the_others_are_done(cluster):
    def make():
        def work(task):
            if task == 5:
                os.abort()
            return task

        return work

    answers = cluster.map(make, list(range(8)), crashed=lambda task: -task, batch=4)
    assert list(answers) == [0, 1, 2, 3, 4, -5, 6, 7]


@pytest.fixture
def people(put, portrait, tmp_path):
    """Six photos of two people, one without a face, one that is no picture."""
    for number in range(4):
        put(tmp_path / f"in/{'ab'[number % 2]}/{number}.png", np.roll(portrait, number, axis=1))
    put(tmp_path / "in/a/9.png", portrait[:40, :40])
    (tmp_path / "in/b/broken.jpg").write_bytes(b"\xff\xd8 no picture")
    return tmp_path / "in"


def test_a_cluster_cloaks_as_one_process_does(cluster, people, me, hashes, tmp_path):
    alone, together = (
        cloak(people, tmp_path / name, Options(jobs=1), cluster=where)
        for name, where in (("alone", None), ("together", cluster))
    )
    assert alone.photos == together.photos
    assert {photo.status for photo in alone.photos} == {"cloaked", "unprotected", "failed"}
    a, b = (hashes(tmp_path / name) for name in ("alone", "together"))
    a.pop("faceshield.json"), b.pop("faceshield.json")
    assert a == b
    first, second = (json.loads((tmp_path / name / "faceshield.json").read_text()) for name in ("alone", "together"))
    assert {**first, "started": None} == {**second, "started": None}


def test_a_cluster_aligns_as_one_process_does(cluster, people, hashes, tmp_path):
    for name, where in (("alone", None), ("together", cluster)):
        align_dataset(read_layout(people), tmp_path / name, AnyRollDetector, cluster=where)
    assert hashes(tmp_path / "alone") == hashes(tmp_path / "together")


def test_nothing_is_asked_of_anybody_else(cluster):
    """Ray's own processes talk to addresses of this machine alone."""
    psutil = pytest.importorskip("psutil")
    ours = {"127.0.0.1", "::1", socket.gethostbyname(socket.gethostname())}
    ours |= {address.address for each in psutil.net_if_addrs().values() for address in each}
    names = ("ray", "raylet", "gcs_server")
    seen = [
        connection.raddr.ip.removeprefix("::ffff:")
        for process in psutil.process_iter(["name"])
        if any(name in (process.info["name"] or "") for name in names)
        for connection in process.net_connections()
        if connection.raddr
    ]
    assert seen
    assert set(seen) <= ours


def test_a_machine_that_is_lost_in_mid_job(machines, cluster, tmp_path):
    """Last: the cluster has one machine afterwards. Its batches are done again on the other."""

    def make(folder):
        import ray

        def work(task):
            node = ray.get_runtime_context().get_node_id()
            (folder / node).mkdir(exist_ok=True)
            (folder / node / f"{task}").touch()
            time.sleep(0.2)
            return task

        return work

    answers = cluster.map(partial(make, tmp_path), list(range(40)), crashed=None, batch=4)
    found = [next(answers)]
    victim = next(node for node in machines.list_all_nodes() if node is not machines.head_node)
    deadline = time.monotonic() + 120
    while not (tmp_path / victim.node_id).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / victim.node_id).exists(), "the second machine was given nothing"
    machines.remove_node(victim, allow_graceful=False)
    found += list(answers)
    assert found == list(range(40))


def test_an_address_without_a_cluster(cli, put, portrait, tmp_path):
    put(tmp_path / "a.png", portrait)
    result = cli("cloak", tmp_path / "a.png", "-o", tmp_path / "out", "--address", "auto", code=2)
    assert "use it with --engine ray" in result.stderr


def test_without_ray_the_engine_is_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'faceshield\[cluster\]'"):
        Cluster()
