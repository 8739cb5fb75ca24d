"""A momentum that moves against the learning rate."""

import keras

from keras_twist.schedules._curves import check_between


@keras.saving.register_keras_serializable(package="keras_twist")
class MirroredMomentum(keras.optimizers.schedules.LearningRateSchedule):
    """High momentum where the learning rate is low, low momentum where it is high.

    A large rate and a large momentum together overshoot; one-cycle training trades one for the
    other. The momentum is `max_momentum` at the rate's start and end and `base_momentum` at its
    peak, and takes the way between them as the rate does, in lines or half cosines:

        momentum = max_momentum - (max_momentum - base_momentum) * height

    where `height` goes from 0 at the schedule's low rate to 1 at its peak. Where a one cycle goes
    from its start further down, to its end, the momentum stays at `max_momentum`.

    It is the `momentum` of `keras_twist.optimizers.SGD` or the `beta_1` of `RAdam` and `Ranger`.
    `keras_twist.callbacks.OneCycleLR` brings it along.

    Args:
        schedule: The `OneCycle` or `Cyclical` of the learning rate; any schedule with a method
            `height(step)` will do.
        base_momentum: Momentum at the peak of the rate. Defaults to 0.85.
        max_momentum: Momentum at the ends, at most 1, and below it as a `beta_1`. Defaults to 0.95.

    Returns:
        Called on a step or an array of steps, float32 of the same shape.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> rate = keras_twist.schedules.OneCycle(0.4, total_steps=100, pct_start=0.3)
        >>> momentum = MirroredMomentum(rate)
        >>> [round(float(momentum(step)), 3) for step in (0, 29, 99)]
        [0.95, 0.85, 0.95]
        >>> optimizer = keras_twist.optimizers.SGD(rate, momentum=momentum)

    Reference:
        `torch.optim.lr_scheduler.OneCycleLR` and `CyclicLR`, `cycle_momentum=True`; [A disciplined
        approach](https://arxiv.org/abs/1803.09820). Differs from it in: being a schedule of its
        own, for whom it concerns.
    """

    def __init__(self, schedule, base_momentum=0.85, max_momentum=0.95):
        super().__init__()
        if not callable(getattr(schedule, "height", None)):
            raise ValueError(
                "Argument `schedule` must be a OneCycle, a Cyclical or a schedule with a method "
                f"`height(step)`. Received: schedule={schedule!r}"
            )
        check_between(("base_momentum", base_momentum), ("max_momentum", max_momentum), limit=1)
        self.schedule = schedule
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum

    def __call__(self, step):
        span = self.max_momentum - self.base_momentum
        return self.max_momentum - span * self.schedule.height(step)

    def get_config(self):
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "base_momentum": self.base_momentum,
            "max_momentum": self.max_momentum,
        }

    @classmethod
    def from_config(cls, config):
        if isinstance(config["schedule"], dict):
            schedule = keras.saving.deserialize_keras_object(config["schedule"])
            config = {**config, "schedule": schedule}
        return cls(**config)
