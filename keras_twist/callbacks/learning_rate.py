"""Learning-rate policies for people who decide after `compile`."""

from keras_twist.callbacks.schedule_lr import ScheduleLR
from keras_twist.schedules import Cyclical, FlatCosine, MirroredMomentum, OneCycle


class CyclicLR(ScheduleLR):
    """`ScheduleLR` with the triangles of `keras_twist.schedules.Cyclical`.

    Args:
        base_learning_rate, max_learning_rate, step_size, mode, gamma, scale_fn, scale_mode: Those
            of `Cyclical`. The `scale_fn` may be a lambda and use NumPy here: it is not compiled,
            and not saved with the model.
        base_momentum: Momentum at the peaks of the rate, or None to leave momentum alone. Defaults
            to None.
        max_momentum: Momentum at the lowest rate, given together with `base_momentum`. Defaults to
            None.

    Raises:
        ValueError: as `Cyclical` and `ScheduleLR` do.

    Example:
        >>> wave = lambda x: 0.5 * (1 + np.sin(x * np.pi / 2.5))
        >>> callback = CyclicLR(1e-3, 0.4, step_size=390, scale_fn=wave)

    Reference:
        [bckenstler's callback](https://github.com/bckenstler/CLR). Differs from it in: counting
        the optimizer's updates, so that it resumes; momentum that moves against the rate, as in
        torch's `CyclicLR`, if wanted.
    """

    _without_momentum = "base_momentum=None, max_momentum=None"

    def __init__(
        self,
        base_learning_rate,
        max_learning_rate,
        step_size,
        mode="triangular",
        gamma=1.0,
        scale_fn=None,
        scale_mode="cycle",
        base_momentum=None,
        max_momentum=None,
    ):
        schedule = Cyclical(
            base_learning_rate, max_learning_rate, step_size, mode, gamma, scale_fn, scale_mode
        )
        super().__init__(schedule, _mirrored(schedule, base_momentum, max_momentum))


class OneCycleLR(ScheduleLR):
    """`ScheduleLR` with `keras_twist.schedules.OneCycle` and the momentum that mirrors it.

    Args:
        max_learning_rate, total_steps, pct_start, anneal: The cycle, as in `OneCycle`.
        div_factor, final_div_factor, three_phase: How it starts and ends, as there.
        base_momentum: Momentum (or `beta_1`) at the peak of the rate. Defaults to 0.85.
        max_momentum: Momentum at the start and the end. Defaults to 0.95. Both None leave the
            momentum alone, as optimizers need that freeze it, which are all of Keras's own.

    Raises:
        ValueError: as `OneCycle` and `ScheduleLR` do.

    Example:
        >>> callback = OneCycleLR(0.4, total_steps=24 * 98, pct_start=5 / 24)
        >>> rate_only = OneCycleLR(1e-2, 24 * 98, base_momentum=None, max_momentum=None)

    Reference:
        `torch.optim.lr_scheduler.OneCycleLR`. Differs from it in: `base_momentum=None` for its
        `cycle_momentum=False`; like it, this is refused where momentum cannot move.
    """

    _without_momentum = "base_momentum=None, max_momentum=None"

    def __init__(
        self,
        max_learning_rate,
        total_steps,
        pct_start=0.3,
        anneal="cos",
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        base_momentum=0.85,
        max_momentum=0.95,
    ):
        schedule = OneCycle(
            max_learning_rate,
            total_steps,
            pct_start,
            anneal,
            div_factor,
            final_div_factor,
            three_phase,
        )
        super().__init__(schedule, _mirrored(schedule, base_momentum, max_momentum))


class FlatCosineLR(ScheduleLR):
    """`ScheduleLR` with the curve of `keras_twist.schedules.FlatCosine`; momentum stays as it is.

    Args:
        learning_rate, total_steps, anneal_start, final_learning_rate: Those of `FlatCosine`.

    Raises:
        ValueError: as `FlatCosine` and `ScheduleLR` do.

    Example:
        >>> callback = FlatCosineLR(4e-3, total_steps=80 * 141, anneal_start=0.72)

    Reference:
        `flat_and_anneal` of the [ImageWoof
        records](https://github.com/lessw2020/Ranger-Mish-ImageWoof-5).
    """

    def __init__(self, learning_rate, total_steps, anneal_start=0.72, final_learning_rate=0.0):
        super().__init__(FlatCosine(learning_rate, total_steps, anneal_start, final_learning_rate))


def _mirrored(schedule, base_momentum, max_momentum):
    if (base_momentum is None) != (max_momentum is None):
        raise ValueError(
            "Arguments `base_momentum` and `max_momentum` must both be numbers or both be None. "
            f"Received: base_momentum={base_momentum}, max_momentum={max_momentum}"
        )
    if base_momentum is None:
        return None
    return MirroredMomentum(schedule, base_momentum, max_momentum)
