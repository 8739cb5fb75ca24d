"""What the machine can do, and the settings that `auto` stands for on it."""

import contextlib
import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import keras

from keras_twist.data.stateless import on_jax
from keras_twist.recipes.recipe import RecipeError

BFLOAT16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
PACKAGES = (
    "keras_twist keras tensorflow tensorflow-cpu jax jaxlib jax-cuda12-plugin jax-cuda13-plugin "
    "torch numpy"
).split()
# Without it, sums on a GPU are added in any order. XLA reads it once, when a process begins.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def resolve_precision(precision):
    """Dtype policy for this machine: the fastest arithmetic that its hardware has.

    On a GPU, bfloat16 from compute capability 8.0 on, float16 from 7.0 on. On a CPU, bfloat16 if
    the processor has instructions for it, which make it faster than float32, never
    float16, which is emulated. JAX takes float32 on every CPU, where its steps are no faster in
    bfloat16 even if the processor has those instructions (`benchmarks/results/jax_step.json`).

    Args:
        precision: A policy's name, returned as it is, or `"auto"`.

    Returns:
        `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.

    Example:
        >>> resolve_precision("float32")
        'float32'
    """
    if precision != "auto":
        return precision
    capabilities = gpu_capabilities()
    if capabilities:
        lowest = min(capabilities)
        if lowest >= (8, 0):
            return "mixed_bfloat16"
        return "mixed_float16" if lowest >= (7, 0) else "float32"
    if on_jax():
        return "float32"
    return "mixed_bfloat16" if BFLOAT16_CPU_FLAGS & cpu_flags() else "float32"


def resolve_xla(xla):
    """Whether to compile with XLA on this machine: on a GPU, unless told otherwise.

    On a CPU the convolutions of TensorFlow's own library are faster than XLA's. JAX compiles by
    nothing else.

    Args:
        xla: `"on"`, `"off"` or `"auto"`.

    Returns:
        A bool, for `model.compile(jit_compile=...)`.

    Raises:
        RecipeError: if it should be off on JAX.

    Example:
        >>> resolve_xla("on")
        True
    """
    if on_jax():
        if xla == "off":
            raise RecipeError(
                "Field `xla` must not be 'off' on JAX, which always compiles. "
                f"Received: xla={xla!r}"
            )
        return True
    return bool(gpu_capabilities()) if xla == "auto" else xla == "on"


def use_gpu(number):
    """Use one GPU alone; on a machine without any, do nothing.

    Args:
        number: Of the GPU, from 0.

    Raises:
        RecipeError: if there are GPUs, but not this one.
    """
    if on_jax():
        import jax

        gpus = [device for device in jax.local_devices() if device.platform == "gpu"]
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if gpus and not 0 <= number < len(gpus):
        raise RecipeError(f"--gpu must be below {len(gpus)} here. Received: --gpu {number}")
    if gpus and on_jax():
        jax.config.update("jax_default_device", gpus[number])
    elif gpus:
        tf.config.set_visible_devices(gpus[number], "GPU")


def use_deterministic_operations():
    """Have the backend take operations that give the same bits on repeat, in the whole process.

    Raises:
        RecipeError: if JAX computes on a GPU and it is too late.
    """
    if on_jax():
        if gpu_capabilities() and DETERMINISTIC not in os.environ.get("XLA_FLAGS", "").split():
            raise RecipeError(
                "Field `deterministic`: on a GPU, JAX takes it from the environment. Set XLA_FLAGS="
                f"{DETERMINISTIC}"
            )
        return
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def gpu_capabilities():
    """Compute capability `(major, minor)` of each GPU that TensorFlow or JAX computes on."""
    return [capability for _, capability in _gpus()]


def _gpus():
    """Name and compute capability of the same."""
    if on_jax():
        device = jax_device()
        return [(device.device_kind, _capability(device))] if device.platform == "gpu" else []
    import tensorflow as tf

    used = tf.config.get_visible_devices("GPU")
    details = map(tf.config.experimental.get_device_details, used)
    return [(one.get("device_name"), one.get("compute_capability", (0, 0))) for one in details]


def jax_device():
    """The one device that JAX computes on."""
    import jax

    device = jax.config.jax_default_device
    # Or the name of a platform, as the environment variable JAX_DEFAULT_DEVICE may give it.
    return device if isinstance(device, jax.Device) else jax.local_devices(backend=device)[0]


def _capability(device):
    """`(9, 0)` for the "9.0" that JAX tells; `(0, 0)` for a GPU of another maker."""
    try:
        major, minor = map(int, device.compute_capability.split("."))
    except (AttributeError, ValueError):
        return 0, 0
    return major, minor


def cpu_flags():
    """Instruction sets of the processor, as Linux names them; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


@contextlib.contextmanager
def precision_policy(policy):
    """Make a dtype policy Keras's own for the time of a `with` block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def describe_environment(policy, jit_compile):
    """What a result depends on besides its recipe, for `environment.json`.

    Args:
        policy: Dtype policy of the run.
        jit_compile: Whether XLA compiles the step.

    Returns:
        Dict of JSON values: versions, device, processor, precision, XLA, commit, command, time.
    """
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "versions": {"python": platform.python_version(), **versions},
        "backend": keras.config.backend(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "devices": [str(device) for device in keras.distribution.list_devices()],
        "gpus": [name for name, _ in _gpus()],
        "precision": policy,
        "xla": jit_compile,
        "commit": git_commit(),
        "command": sys.argv,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def processor_name():
    """Name of the processor as people know it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_commit():
    """Commit of the code that runs, marked if Python files differ from it; None outside of git.

    Results and pages that a run has just written do not count.
    """
    here = Path(__file__)

    def git(*arguments):
        command = ["git", "-C", str(here.parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
        return done.stdout.strip()

    try:
        # Fails where this file lies in somebody else's repository.
        git("ls-files", "--error-unmatch", here.name)
        commit = git("describe", "--always")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)*.py")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changed else commit
