"""The programs of the package start without TensorFlow's messages; other processes are let be."""

import os
import subprocess
import sys

import pytest

from keras_twist.quiet_start import hushed, is_program


@pytest.mark.parametrize(
    ("script", "command", "expected"),
    [
        ("train_cifar.py", ["python", "train_cifar.py", "quick"], True),
        ("/somewhere/train_woof.py", ["python", "-X", "dev", "/somewhere/train_woof.py"], True),
        ("-m", ["python", "-m", "keras_twist.report", "run"], True),
        ("-m", ["python", "-mkeras_twist.report"], True),
        ("-m", ["python", "-m", "pytest"], False),
        ("mine.py", ["python", "mine.py", "train_cifar.py"], False),
        ("-c", ["python", "-c", "import keras_twist"], False),
        ("", ["python"], False),
    ],
)
def test_knows_the_programs(script, command, expected):
    assert is_program(script, command) is expected


def test_hushes_what_is_not_python_and_gives_the_screen_back(capfd):
    with pytest.raises(ValueError), hushed():
        os.write(2, b"from C++")
        raise ValueError
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_a_closed_screen_is_let_be():
    code = "import os; os.close(2)\nfrom keras_twist.quiet_start import hushed\n"
    code += "with hushed(): print(1)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"1\n")


def test_a_report_starts_without_messages(tmp_path):
    command = [sys.executable, "-m", "keras_twist.report", tmp_path / "nowhere"]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
