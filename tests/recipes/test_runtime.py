"""What `auto` means on each kind of machine."""

import os
import re
import subprocess
import types

import keras
import pytest

from keras_twist.recipes import RecipeError, backends, runtime
from keras_twist.recipes.trained import load_trained


@pytest.mark.parametrize(
    ("gpus", "flags", "precision", "xla"),
    [
        ([], {"avx2", "avx512f"}, "float32", False),
        ([], {"avx512_bf16"}, "mixed_bfloat16", False),
        ([], {"amx_bf16"}, "mixed_bfloat16", False),
        ([(6, 1)], set(), "float32", True),
        ([(7, 5)], {"avx512_bf16"}, "mixed_float16", True),
        ([(9, 0)], set(), "mixed_bfloat16", True),
        ([(9, 0), (7, 0)], set(), "mixed_float16", True),
    ],
)
def test_auto_follows_the_hardware(monkeypatch, gpus, flags, precision, xla):
    monkeypatch.setattr(runtime, "on_jax", lambda: False)
    monkeypatch.setattr(runtime, "gpu_capabilities", lambda: gpus)
    monkeypatch.setattr(runtime, "cpu_flags", lambda: flags)
    assert runtime.resolve_precision("auto") == precision
    assert runtime.resolve_xla("auto") is xla


@pytest.mark.parametrize(
    ("gpus", "precision"),
    [([], "float32"), ([(7, 5)], "mixed_float16"), ([(9, 0)], "mixed_bfloat16")],
)
def test_jax_always_compiles_and_computes_in_16_bits_on_a_gpu_alone(monkeypatch, gpus, precision):
    monkeypatch.setattr(runtime, "on_jax", lambda: True)
    monkeypatch.setattr(runtime, "gpu_capabilities", lambda: gpus)
    monkeypatch.setattr(runtime, "cpu_flags", lambda: {"avx512_bf16", "amx_bf16"})
    assert runtime.resolve_precision("auto") == precision
    assert runtime.resolve_xla("auto") is True and runtime.resolve_xla("on") is True
    with pytest.raises(RecipeError, match="`xla` must not be 'off' on JAX"):
        runtime.resolve_xla("off")


@pytest.mark.parametrize(
    ("told", "capability"), [("9.0", (9, 0)), ("12.1", (12, 1)), ("gfx90a", (0, 0))]
)
def test_capabilities_as_jax_tells_them(monkeypatch, told, capability):
    device = types.SimpleNamespace(platform="gpu", compute_capability=told, device_kind="A")
    monkeypatch.setattr(runtime, "on_jax", lambda: True)
    monkeypatch.setattr(runtime, "jax_device", lambda: device)
    assert runtime.gpu_capabilities() == [capability]


def test_what_is_asked_for_is_taken(monkeypatch):
    monkeypatch.setattr(runtime, "on_jax", lambda: False)
    assert runtime.resolve_precision("mixed_float16") == "mixed_float16"
    assert runtime.resolve_xla("on") is True
    assert runtime.resolve_xla("off") is False


def test_the_policy_is_given_back():
    with pytest.raises(RuntimeError), runtime.precision_policy("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="recipes do not run there")
@pytest.mark.parametrize(
    ("name", "value"), [("floatx", "float16"), ("image_data_format", "channels_first")]
)
def test_keras_set_to_other_numbers_or_images_is_refused(name, value):
    before = getattr(keras.config, name)()
    backends.check_backend()
    getattr(keras.config, f"set_{name}")(value)
    try:
        with pytest.raises(
            RecipeError, match=f"need {name}='{before}'.*Received: {name}='{value}'"
        ):
            backends.check_backend()
        # Before the folder is looked for.
        with pytest.raises(RecipeError, match=f"need {name}='{before}'"):
            load_trained("nowhere")
    finally:
        getattr(keras.config, f"set_{name}")(before)


def test_the_environment_tells_versions_and_device():
    found = runtime.describe_environment("float32", False)
    assert found["versions"]["keras"] == keras.__version__
    assert found["devices"] and found["processor"] and found["cores"] >= 1
    assert (found["precision"], found["xla"]) == ("float32", False)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's devices")
def test_gpus_that_are_hidden_are_not_told(monkeypatch):
    config = __import__("tensorflow").config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind=None: ["first", "second"])
    monkeypatch.setattr(config, "get_visible_devices", lambda kind=None: ["second"])
    details = {"second": {"device_name": "B", "compute_capability": (9, 0)}}
    monkeypatch.setattr(config.experimental, "get_device_details", details.__getitem__)
    assert runtime.describe_environment("float32", False)["gpus"] == ["B"]
    assert runtime.gpu_capabilities() == [(9, 0)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's devices")
def test_one_gpu_of_several_is_used(monkeypatch):
    config, chosen = __import__("tensorflow").config, []
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [f"{kind} 0", f"{kind} 1"])
    monkeypatch.setattr(config, "set_visible_devices", lambda *given: chosen.append(given))
    runtime.use_gpu(1)
    assert chosen == [("GPU 1", "GPU")]
    for number in (2, -1):
        with pytest.raises(RecipeError, match=f"--gpu must be below 2 here. .* {number}"):
            runtime.use_gpu(number)
    assert len(chosen) == 1
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [])
    runtime.use_gpu(5)  # means nothing without one
    assert len(chosen) == 1


def test_the_commit_is_marked_where_code_differs_from_it(tmp_path, monkeypatch):
    # Whatever people sign or check by hooks.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_DIR", raising=False)

    def git(*arguments):
        name = ["-c", "user.name=A", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", tmp_path, *name, *arguments], check=True, capture_output=True)

    code, result = tmp_path / "package" / "runtime.py", tmp_path / "result.json"
    monkeypatch.setattr(runtime, "__file__", str(code))
    code.parent.mkdir()
    code.write_text("1\n")
    git("init", "-q")
    assert runtime.git_commit() is None
    result.write_text("{}")
    git("add", ".")
    git("commit", "-qm", "a")
    commit = runtime.git_commit()
    assert re.fullmatch("[0-9a-f]{7,}", commit)
    result.write_text("{1}")
    (tmp_path / "new.py").write_text("2\n")
    assert runtime.git_commit() == commit
    (tmp_path / "package" / "runtime.py").write_text("3\n")
    assert runtime.git_commit() == f"{commit}-dirty"


def test_the_device_of_jax_may_be_given_by_its_platform(monkeypatch):
    jax = pytest.importorskip("jax")
    device = jax.local_devices()[0]
    for given in (None, device.platform, device):
        with jax.default_device(given):
            assert runtime.jax_device() == device
