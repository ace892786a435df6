"""Two processes of torchrun train; one is killed with -9 in mid-epoch; the training ends as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faceshield.core.store import read_tensors

JOB = Path(__file__).with_name("torchrun_job.py")
BATCHES = 6  # an epoch: 300 digits by 50
pytestmark = pytest.mark.slow


def torchrun(folder, *kill):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", "0", JOB, folder / "checkpoint.safetensors", folder / "result", *kill]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def read_results(folder):
    return [read_tensors(folder / f"result.{rank}") for rank in range(2)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What each of two processes is left with that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = torchrun(folder)
    assert done.returncode == 0, done.stderr
    results = read_results(folder)
    assert [told["first"] for _, told in results] == [0, 0]
    assert results[0][1]["losses"][-1] < results[0][1]["losses"][0]
    return results


def assert_same(results, undisturbed):
    for (tensors, told), (expected, expected_told) in zip(results, undisturbed, strict=True):
        assert told["losses"] == expected_told["losses"]
        assert tensors.keys() == expected.keys()
        for name in expected:
            assert tensors[name].equal(expected[name]), name


@pytest.mark.parametrize("rank", [0, 1])
def test_a_job_whose_process_was_killed_goes_on_when_it_is_run_again(rank, undisturbed, tmp_path):
    killed = torchrun(tmp_path, rank, 2 * BATCHES + 3)
    assert killed.returncode != 0
    assert f"Signal {signal.SIGKILL.value} " in killed.stderr, killed.stderr
    assert not list(tmp_path.glob("result.*"))
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert torchrun(tmp_path).returncode == 0
    results = read_results(tmp_path)
    assert [told["first"] for _, told in results] == [2, 2]
    assert_same(results, undisturbed)


def test_killed_before_the_first_checkpoint(undisturbed, tmp_path):
    assert torchrun(tmp_path, 0, BATCHES - 1).returncode != 0
    assert torchrun(tmp_path).returncode == 0
    assert_same(read_results(tmp_path), undisturbed)
