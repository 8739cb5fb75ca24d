"""What a batch needs is counted before it is tried, and an error of it is one line."""

import keras
import pytest

from keras_twist.recipes import CIFAR_RECIPES, RecipeError, lr_find, memory


@pytest.fixture
def model():
    """8x8x4 float32 numbers three times, 10 of them once, 8x8x3 as input."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, keras.layers.Dense(10)(x))


BYTES = 4 * (8 * 8 * 3 + 3 * 8 * 8 * 4 + 10)


def test_counts_what_all_layers_put_out(model):
    assert memory.bytes_per_image(model) == BYTES


def test_counts_two_bytes_of_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = keras.Sequential([keras.Input((4,), dtype="float32"), keras.layers.Dense(6)])
    assert memory.bytes_per_image(half) == 2 * 6


def test_a_batch_that_cannot_fit_is_refused_with_one_that_could(model, monkeypatch):
    monkeypatch.setattr(memory.runtime, "gpu_capabilities", list)
    monkeypatch.setattr(memory, "available_memory", lambda: 100 * BYTES)
    memory.check_memory(model, 200)
    with pytest.raises(RecipeError, match="try 128 or less. Received: batch_size=201"):
        memory.check_memory(model, 201)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    memory.check_memory(model, 10**9)


def test_the_smaller_limit_counts(monkeypatch):
    texts = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   4 kB\n",
        "/sys/fs/cgroup/memory.max": "max\n",
    }
    monkeypatch.setattr(memory.Path, "read_text", lambda path, **_: texts[str(path)])
    assert memory.available_memory() == 4096
    texts["/sys/fs/cgroup/memory.max"] = "1000\n"
    assert memory.available_memory() == 1000


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's error")
def test_the_backends_error_becomes_a_line_of_advice():
    import tensorflow as tf

    for error in (MemoryError(), tf.errors.ResourceExhaustedError(None, None, "pages")):
        with (
            pytest.raises(RecipeError, match="^out of memory; .*batch_size=512"),
            memory.out_of_memory(CIFAR_RECIPES["davidnet"]),
        ):
            raise error


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's error")
@pytest.mark.parametrize("error", ["memory", "argument", "interrupt"])
def test_a_range_test_that_fails_leaves_no_folder(error, tmp_path, monkeypatch):
    import tensorflow as tf

    raised, seen = {
        "memory": (tf.errors.ResourceExhaustedError(None, None, "pages"), RecipeError),
        "argument": (ValueError("`steps` is wrong"), RecipeError),
        "interrupt": (KeyboardInterrupt(), KeyboardInterrupt),
    }[error]

    def fail(*_, **__):
        raise raised

    monkeypatch.setattr(lr_find, "prepare", lambda recipe, _: (recipe, None, None, 1))
    monkeypatch.setattr(lr_find.task, "training_batches", lambda *_: None)
    monkeypatch.setattr(lr_find, "lr_find", fail)
    with pytest.raises(seen, match="out of memory|is wrong|^$"):
        lr_find.range_test(CIFAR_RECIPES["quick"], runs=tmp_path)
    assert not list(tmp_path.iterdir())
