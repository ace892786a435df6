"""The order of the batches, and a checkpoint that another process can take up."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from noise_samples import fresh, pictures

from faceshield.core.errors import StoreError
from faceshield.noise.band import keep_band
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.progress import Order, Saved


@given(st.integers(1, 30), st.integers(1, 40), st.booleans(), st.integers(0, 99))
def test_every_example_comes_once_an_epoch(count, batch, shuffle, seed):
    order = Order(count, batch, torch.Generator().manual_seed(seed), shuffle=shuffle)
    first = []
    for _ in range(3):
        epoch, sizes = [], []
        while len(epoch) < count:
            index = order.next()
            sizes.append(len(index))
            epoch += index.tolist()
        assert sorted(epoch) == list(range(count))
        first = first or epoch
        assert shuffle or epoch == first
        assert set(sizes[:-1]) <= {min(batch, count)}


def test_shuffled_epochs_differ_and_come_from_the_generator_given():
    def epochs(seed):
        order = Order(50, 50, torch.Generator().manual_seed(seed))
        return [order.next().tolist() for _ in range(2)]

    assert epochs(0) == epochs(0)
    assert epochs(0)[0] != epochs(0)[1]
    assert epochs(0) != epochs(1)


def test_an_order_that_never_changes_is_mixed_all_the_same():
    """Data sorted by id is sorted by class: batches of one class each would teach θ nothing."""
    epoch = Order(50, 50, torch.Generator().manual_seed(0), shuffle=False).next().tolist()
    assert epoch != sorted(epoch)


def saved(path, what="settings", learner=None, seed=0, data=None):
    data = pictures() if data is None else data
    rng = torch.Generator().manual_seed(seed)
    order = Order(len(data), 5, rng)
    return Saved(path, {"method": what}, data, learner or fresh(), rng, order)


def test_all_that_was_kept_is_found(tmp_path):
    path = tmp_path / "job.safetensors"
    learner = fresh()
    job = saved(path, learner=learner)
    assert job.resume(torch.zeros(2)) == ([], 0)
    job.order.next()
    learner.fit(pictures().images.float() / 255, pictures().labels)
    job.write(torch.tensor([1.0, -2.0]), [0.5, 0.1], 7)
    following = [job.order.next() for _ in range(9)]
    other = fresh(seed=5)
    again = saved(path, learner=other, seed=9)
    delta = torch.zeros(2)
    assert again.resume(delta) == ([0.5, 0.1], 7)
    assert delta.tolist() == [1, -2]
    assert all(again.order.next().equal(index) for index in following)
    state = other.state()
    assert state.keys() == learner.state().keys()
    assert all(state[name].equal(value) for name, value in learner.state().items())


def test_without_a_path_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = saved(None)
    job.write(torch.zeros(2), [0.5], 1)
    assert job.resume(torch.zeros(2)) == ([], 0)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_job_or_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "job.safetensors"
    saved(path).write(torch.zeros(2), [], 0)
    assert saved(path).resume(torch.zeros(2)) == ([], 0)
    for job in (saved(path, "other"), saved(path, data=pictures(seed=1)), saved(path, learner=fresh(4))):
        with pytest.raises(StoreError, match=r"job\.safetensors: was left by another job .* delete or move it"):
            job.resume(torch.zeros(2))
    path.write_bytes(b"broken")
    with pytest.raises(StoreError, match="is not a whole safetensors file"):
        saved(path).resume(torch.zeros(2))


def test_functions_among_the_settings_are_told_by_name_not_by_address(tmp_path):
    """Their address is another one in each process; two copies of one function stand for that here."""

    def copy():
        def shape(delta):
            return delta

        return shape

    one, two = copy(), copy()
    assert repr(one) != repr(two)
    path = tmp_path / "job"
    assert saved(path, ErrorMin(shape=one)).digest == saved(path, ErrorMin(shape=two)).digest
    assert saved(path, ErrorMin(shape=one)).digest != saved(path, ErrorMin(shape=keep_band)).digest
