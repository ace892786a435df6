"""Packed data against a writer that follows the format's description, and pickles that mean harm."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.core.errors import StoreError, UsageError
from faceshield.data.records import pictures, read_bin, read_index, read_record, read_records

MAGIC = struct.pack("<I", 0xCED7230A)


def packed(content):
    """One record as dmlc's writer does it: cut at every aligned occurrence of the magic, which is dropped."""
    cuts = [i for i in range(0, len(content) - 3, 4) if content[i : i + 4] == MAGIC]
    starts, ends = [0, *(i + 4 for i in cuts)], [*cuts, len(content)]
    out = b""
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part = content[start:end]
        kind = 0 if not cuts else 1 if number == 0 else 3 if number == len(cuts) else 2
        out += MAGIC + struct.pack("<I", kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
    return out


def record(content, *labels, id=0):
    if len(labels) == 1:
        return packed(struct.pack("<IfQQ", 0, labels[0], id, 0) + content)
    return packed(struct.pack("<IfQQ", len(labels), 0, id, 0) + struct.pack(f"<{len(labels)}f", *labels) + content)


@pytest.fixture
def write(tmp_path):
    def to_file(data, name="train.rec"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return to_file


CONTENTS = st.lists(st.one_of(st.binary(max_size=9), st.just(MAGIC), st.just(MAGIC[:2])), max_size=8).map(b"".join)


@settings(max_examples=60)
@given(st.lists(st.tuples(CONTENTS, st.integers(0, 2**20), st.integers(1, 3)), max_size=6))
def test_what_was_packed_comes_out(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("rec") / "a.rec"
    path.write_bytes(b"".join(record(c, *[float(v)] * n, id=v) for c, v, n in records))
    out = list(read_records(path))
    assert [(r.content, r.id, r.labels) for r in out] == [(c, v, (float(v),) * n) for c, v, n in records]


def test_a_record_cut_by_its_own_magic(write):
    content = b"abcd" + MAGIC + MAGIC + b"efg" + MAGIC[:3]
    data = record(content, 5.0)
    assert data.count(MAGIC) == 3
    assert next(read_records(write(data))).content == content


def test_an_insightface_pack(write):
    """Record 0 describes the pack; keys 4 and 5 describe the two identities; 1 to 3 are pictures."""
    parts = [record(b"", 4.0, 6.0), *(record(bytes([n]) * 10, float(n // 3), id=n) for n in (1, 2, 3))]
    parts += [record(b"", 1.0, 3.0, id=4), record(b"", 3.0, 4.0, id=5)]
    path = write(b"".join(parts))
    offsets = np.cumsum([0, *map(len, parts)])[:-1]
    index = path.with_suffix(".idx")
    index.write_text("".join(f"{key}\t{offset}\n" for key, offset in enumerate(offsets)))
    assert [(r.id, int(r.labels[0])) for r in pictures(path)] == [(1, 0), (2, 0), (3, 1)]
    keys = read_index(index)
    assert read_record(path, keys[3]).content == b"\3" * 10
    assert read_record(path, keys[0]).labels == (4.0, 6.0)


def test_records_are_read_one_at_a_time(write):
    data = record(b"x" * 50, 1.0) + record(b"y" * 50, 2.0)
    stream = read_records(write(data[:-1]))
    assert next(stream).labels == (1.0,)
    with pytest.raises(StoreError, match=rf"is cut off in the record at byte {len(data) // 2}"):
        next(stream)


def test_a_file_cut_anywhere_is_cut_off(write):
    data = record(b"0123456789" + b"ab" + MAGIC + b"z" * 20, 1.0)
    assert len(list(read_records(write(data)))) == 1
    for cut in range(1, len(data)):
        with pytest.raises(StoreError, match="is cut off in the record at byte 0"):
            list(read_records(write(data[:cut])))


def head(kind, length):
    return MAGIC + struct.pack("<I", kind << 29 | length)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8\xff\xe0 a picture", "no record begins at byte 0; is it a .rec file"),
        (record(b"abcd", 1.0) + b"garbage!", "no record begins at byte 36; it is damaged"),
        (head(2, 4) + b"abcd", "out of order"),
        (head(3, 4) + b"abcd", "out of order"),
        (head(5, 4) + b"abcd", "out of order"),
        (head(1, 4) + b"abcd" + head(0, 4) + b"abcd", "out of order"),
        (head(1, 4) + b"abcd", "is cut off"),
        (head(0, 4) + b"abcd", "fewer than its header says"),
        (packed(struct.pack("<IfQQ", 9, 0, 0, 0) + b"abcd"), "has 28 bytes, fewer than its header says"),
        (packed(struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0)), "fewer than its header says"),
    ],
)
def test_what_is_no_pack_is_refused_with_the_place(write, data, words):
    with pytest.raises(StoreError, match=words) as caught:
        list(read_records(write(data)))
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_no_index(tmp_path, write):
    for call in (lambda p: list(read_records(p)), read_bin, read_index, lambda p: read_record(p, 0)):
        with pytest.raises(StoreError, match="none"):
            call(tmp_path / "none")
    for text in (b"1\n", b"a\tb\n", b"0\t0\n1\t-8\n", b"\xff\n"):
        with pytest.raises(StoreError, match=r"train\.idx"):
            read_index(write(text, "train.idx"))


@settings(max_examples=80)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "a.rec"
    path.write_bytes(data)
    for call in (lambda p: list(read_records(p)), read_bin):
        try:
            call(path)
        except StoreError as error:
            assert "\n" not in str(error)  # noqa: PT017


# ---- test sets that are pickles


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_test_set(write, protocol):
    contents = [bytes([n]) * (n + 1) for n in range(40)]
    flags = [n % 4 < 2 for n in range(20)]
    got, pairs = read_bin(write(pickle.dumps((contents, flags), protocol), "lfw.bin"))
    assert got == contents
    assert pairs.same.tolist() == flags
    assert pairs.left[:2] == ("000000", "000002")
    assert pairs.right[:2] == ("000001", "000003")
    assert pairs.fold.tolist() == [n // 2 for n in range(20)]


def test_a_test_set_written_by_python_2(write):
    """Its strings are bytes: opcodes U and T, which Python 3 reads as text unless told otherwise."""
    data = b"\x80\x02]q\x00(U\x03abcU\x03\xff\xd8\xffe]q\x01\x88a\x86q\x02."
    contents, pairs = read_bin(write(data), 1)
    assert contents == [b"abc", b"\xff\xd8\xff"]
    assert pairs.same.tolist() == [True]


class Harm:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def hostile(target):
    made = f"touch {target}"
    return {
        "system": pickle.dumps(([Harm(os.system, (made,))], [])),
        "system 0": pickle.dumps(([Harm(os.system, (made,))], []), 0),
        "eval": pickle.dumps(Harm(eval, (f"__import__('pathlib').Path({str(target)!r}).touch()",))),
        "getattr": pickle.dumps(Harm(getattr, (Harm(__import__, ("os",)), "system"))),
        "numpy": pickle.dumps(([np.zeros(3, np.uint8)], [True])),
        "numpy object": pickle.dumps(np.array([Harm(os.system, (made,))], object)),
        "numpy scalar": pickle.dumps(([b"a", b"b"], [np.bool_(True)])),
        "inst": f"(S'{made}'\nios\nsystem\n.".encode(),
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c" + bytes([len(made)]) + made.encode() + b"\x85R.",
        "persistent": b"Pwhatever\n.",
        "extension": b"\x80\x02\x82\x01.",
        "build": b"\x80\x02]}b.",
        "newobj": b"\x80\x02K\x01)\x81.",
        "codecs": pickle.dumps(([b"\xff"], [True]), 2),
        "bytearray": pickle.dumps(([bytearray(2)] * 2, [True]), 5),
        "out of band": b"\x80\x05\x97.",
    }


@pytest.mark.parametrize("name", sorted(hostile("x")))
def test_a_pickle_that_asks_for_more_than_data_is_refused(name, write, tmp_path):
    target = tmp_path / "harm"
    data = hostile(target)[name]
    pickletools.dis(data, io.StringIO())  # every one is well-formed: what refuses it is our reader
    with pytest.raises(StoreError) as caught:
        read_bin(write(data, "lfw.bin"))
    assert not target.exists()
    assert "\n" not in str(caught.value)


def test_the_harm_is_real(tmp_path):
    """Read by pickle itself, the payload acts: the test above would notice."""
    target = tmp_path / "harm"
    pickle.loads(hostile(target)["system"])
    assert target.exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([b"a", b"b"], "expected a list of pictures and a list of flags"),
        (([b"a", "b"], [True]), "a picture is str"),
        (([b"a", [b"b"]], [True]), "a picture is list"),
        (([b"a", b"b", b"c"], [True]), "3 pictures and 1 flags"),
        (([b"a", b"b"], [2]), "two pictures a flag"),
        (([b"a", b"b"], [0.0]), "two pictures a flag"),
        ({"a": 1, "b": 2}, "is no test set"),
    ],
)
def test_a_harmless_pickle_of_another_kind(write, value, words):
    with pytest.raises(StoreError, match=words):
        read_bin(write(pickle.dumps(value), "lfw.bin"))


def test_a_cut_off_test_set_and_too_many_folds(write):
    data = pickle.dumps(([b"a" * 50] * 4, [True, False]))
    for cut in range(0, len(data) - 1, 7):
        with pytest.raises(StoreError, match="is refused"):
            read_bin(write(data[:cut], "lfw.bin"))
    with pytest.raises(UsageError, match="2 pairs cannot be 10 folds"):
        read_bin(write(data, "lfw.bin"))
