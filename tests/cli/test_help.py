"""What a user reads before anything runs, and what they read when the request was wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import faceshield
from faceshield.core import errors

COMMANDS = [
    [],
    ["cloak"],
    ["detect"],
    ["show"],
    ["identity"],
    *(["identity", name] for name in ("list", "show", "export", "import", "delete")),
    ["data"],
    *(["data", name] for name in ("get", "check")),
    ["recipes"],
    *(["recipes", name] for name in ("list", "show", "run")),
]


def python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(command, flag, cli):
    text = cli(*command, flag).stdout
    assert text.startswith(f"Usage: main {' '.join(command)}".rstrip())
    assert flag in text
    assert len(text.splitlines()) > 5


def test_help_lists_the_documented_exit_codes(cli):
    text = cli("--help").stdout
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert codes == {1, 2, 3, 4, 5}
    for code in (0, *codes, 130):
        assert f"\n    {code}  " in text


def test_help_does_not_wait_for_torch():
    code = (
        "import sys\nfrom faceshield.cli.main import main\ntry: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(3 * any(name in sys.modules for name in ('torch', 'cv2', 'numpy', 'PIL', 'pydantic', 'skimage')))"
    )
    done = python(code)
    assert done.returncode == 0, "faceshield --help imports a heavy library"
    assert b"Usage:" in done.stdout


@pytest.mark.parametrize("name", ["faceshield", "faceshield.cloaking", "faceshield.cloaking.options"])
def test_importing_the_package_does_nothing_heavy(name):
    assert python(f"import sys, {name}; sys.exit('torch' in sys.modules)").returncode == 0


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "faceshield", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"faceshield, version {faceshield.__version__}\n"


def test_the_package_offers_what_it_says_and_names_what_it_lacks():
    for name in faceshield.__all__:
        assert getattr(faceshield, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = faceshield.nothing


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["cloak"], ["cloak", "a.png"], ["cloak", "a.png", "-o", "out", "--format", "bmp"], ["detect"]],
)
def test_wrong_requests_end_with_2(arguments, cli):
    result = cli(*arguments, code=2)
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epsilon", "8"], "did you mean 8/255?"),
        (["--epsilon", "much"], "'much' is not a number"),
        (["--epsilon", "0"], "must be a positive number"),
        (["--quality", "best"], "'best' is not a number"),
        (["--quality", "0"], "from 1 to 100"),
        (["--jobs", "-2"], "use 0 for one per core"),
        (["--face", "left"], "is not a choice"),
        (["--identity", "a/b"], "cannot be used"),
        (["--identity", ""], "cannot be used"),
        (["--device", "gpu"], "device 'gpu' is not there"),
        (["--device", "cuda:99"], "cuda"),
    ],
)
def test_options_out_of_range_end_with_2_in_one_line(options, words, cli, put, portrait, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", *options, code=2)
    assert result.stderr.startswith("faceshield: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.FaceshieldError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_expected_error_is_one_line_and_its_code(kind, cli, put, portrait, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise kind("it did not work; do this")

    monkeypatch.setattr("faceshield.cloaking.run.cloak", fail)
    source = put(tmp_path / "a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", code=kind.exit_code)
    assert result.stderr == "faceshield: it did not work; do this\n"


def test_interrupting_ends_with_130(cli, put, portrait, tmp_path, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("faceshield.cloaking.run.cloak", stop)
    source = put(tmp_path / "a.png", portrait)
    result = cli("cloak", source, "-o", tmp_path / "out", code=130)
    assert result.stderr == "faceshield: interrupted; what is written already is kept\n"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_output_streams_of_any_encoding(encoding, put, portrait, me, home, tmp_path):
    """An arrow, or a name that is no text, must not end a finished run in a traceback."""
    name = os.fsdecode(b"caf\xe9 \xc3\xbc.png") if sys.platform == "linux" else "ü.png"
    source = put(tmp_path / "in/a.png", portrait).rename(tmp_path / "in" / name)
    code = (
        "import sys; from faceshield.cli.main import main; source, out = sys.argv[1:]\n"
        "for arguments in (['cloak', source, '-o', out], ['detect', source]):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0"
    )
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "OMP_NUM_THREADS": "1"}
    done = python(code, str(source), str(tmp_path / "out"), **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b": 1 face" in done.stdout
