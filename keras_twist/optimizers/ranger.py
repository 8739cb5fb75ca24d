"""Rectified Adam inside Lookahead."""

from operator import attrgetter

import keras

from keras_twist.optimizers.lookahead import Lookahead
from keras_twist.optimizers.radam import RAdam


@keras.saving.register_keras_serializable(package="keras_twist")
class Ranger(Lookahead):
    """`Lookahead(RAdam(...))` with one set of arguments and the published defaults.

    The two fit each other: RAdam takes five cautious steps first, and Lookahead pulls back at the
    sixth, where RAdam turns adaptive. The formulas are in `RAdam` and `Lookahead`.

    Two programs are called Ranger, and they place epsilon differently. `epsilon_mode="raw"`, with
    these defaults, is lessw2020's ranger.py of 2019. `epsilon_mode="debiased"` is fastai's
    `ranger`, whose defaults are `beta_2=0.99, epsilon=1e-6, weight_decay=0.01`.

    Args:
        learning_rate: A float, a `keras.optimizers.schedules.LearningRateSchedule`, or a callable
            without arguments. A schedule counts real updates. Defaults to `1e-3`.
        beta_1: Decay of the first moment: a number in [0, 1), or a `LearningRateSchedule` of the
            number of updates. `optimizer.beta_1 = 0.9` takes effect at the next update, also in a
            compiled step. Defaults to `0.95`.
        beta_2: Decay of the second moment, in (0, 1). Defaults to `0.999`.
        epsilon: A number > 0 added to the root of the second moment. Defaults to `1e-5`.
        weight_decay: A number >= 0, decoupled from the gradient; `None` is 0.
            `exclude_from_weight_decay()` exempts variables. Defaults to `0.0`.
        sync_period: Number of updates from one pull to the next, an integer >= 1. Defaults to `6`.
        slow_step_size: How far the slow weights go, in (0, 1]; or a schedule of it, see
            `Lookahead`. Defaults to `0.5`.
        threshold: Samples the second moment must be worth, a number >= 4. Defaults to `5`.
        epsilon_mode: `"raw"` or `"debiased"`. Defaults to `"raw"`.
        gradient_centralization: Whether to centralise the gradients of kernels.
            Defaults to `False`.
        name: Name of the optimizer. Defaults to `None`.
        **kwargs: The arguments every Keras optimizer has: `clipnorm`, `use_ema`,
            `gradient_accumulation_steps` and so on.

    Raises:
        ValueError: If an argument is outside its range or `epsilon_mode` is unknown.

    Example:
        >>> optimizer = keras_twist.optimizers.Ranger(learning_rate=0.1)
        >>> w = keras.Variable([1.0])
        >>> optimizer.apply([keras.ops.array([2.0])], [w])
        >>> round(float(w[0]), 4)  # the first step is momentum's: 1 - 0.1 * 2
        0.8

    Reference:
        [ranger.py](https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer),
        [fastai](https://github.com/fastai/fastai).
        Differs from it in: weight decay reaches every variable unless excluded, where fastai
        leaves out normalisation layers and biases by itself; every variable counts the updates of
        the optimizer, where ranger.py counts each one's own; `gradient_centralization` treats
        Keras kernels, whose filters are the last axis, and is off as in the 2019 version.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        beta_1=0.95,
        beta_2=0.999,
        epsilon=1e-5,
        weight_decay=0.0,
        sync_period=6,
        slow_step_size=0.5,
        threshold=5,
        epsilon_mode="raw",
        gradient_centralization=False,
        name=None,
        **kwargs,
    ):
        """Wrap a `RAdam` of these settings."""
        radam = RAdam(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            threshold=threshold,
            epsilon_mode=epsilon_mode,
            gradient_centralization=gradient_centralization,
            **kwargs,
        )
        super().__init__(radam, sync_period, slow_step_size, name=name)

    @property
    def beta_1(self):
        """Decay of the first moment at the next update."""
        return self.inner_optimizer.beta_1

    @beta_1.setter
    def beta_1(self, value):
        self.inner_optimizer.beta_1 = value

    beta_2 = property(attrgetter("inner_optimizer.beta_2"))
    epsilon = property(attrgetter("inner_optimizer.epsilon"))
    threshold = property(attrgetter("inner_optimizer.threshold"))
    epsilon_mode = property(attrgetter("inner_optimizer.epsilon_mode"))
    gradient_centralization = property(attrgetter("inner_optimizer.gradient_centralization"))

    def get_config(self):
        """Return the constructor's arguments, and what weight decay spares, if anything."""
        config = super().get_config()
        return config.pop("inner_optimizer")["config"] | config
