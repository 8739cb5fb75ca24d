"""What `auto` means on each kind of machine."""

import types

import keras
import pytest

from keras_twist.recipes import RecipeError, runtime


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
    device = types.SimpleNamespace(platform="gpu", compute_capability=told)
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


def test_the_environment_tells_versions_and_device():
    found = runtime.describe_environment("float32", False)
    assert found["versions"]["keras"] == keras.__version__
    assert found["devices"] and found["processor"] and found["cores"] >= 1
    assert (found["precision"], found["xla"]) == ("float32", False)
