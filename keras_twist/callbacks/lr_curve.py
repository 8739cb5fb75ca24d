"""What a range test measured, and what it suggests."""

import dataclasses
import functools

import numpy as np

from keras_twist.arguments import check_choice
from keras_twist.callbacks import _lr_suggestions

SKIPPED_AT_THE_END = 5


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LRCurve:
    """Loss over learning rate, as `lr_find` measured it.

    Suggestions are read off the smoothed loss, without the first tenth of the points asked for,
    where it averages few batches, and without the last 5, where it diverges.

    Args:
        learning_rates: Float array `(n,)`, rising; `n` is less than `steps` after a divergence.
        losses: Float array `(n,)`: the loss of each batch, before the update at that rate. The
            last one may be NaN or infinite.
        steps: Points that were asked for.
        mode: `"exp"` or `"linear"`.
        beta: Share of the running average that each point of the smoothed loss keeps.
        max_factor: What `suggest_max` multiplies with.

    Raises:
        ValueError: if the two arrays are not of one shape `(n,)`.

    Example:
        >>> rates = np.geomspace(1e-4, 10, 100)
        >>> curve = LRCurve(rates, 2 - np.tanh(rates) + 0.1 * rates**2, steps=100)
        >>> curve
        <LRCurve: 100 of 100 points, learning rates 0.0001 to 10, lowest smoothed loss 1.761>
        >>> round(curve.suggest("minimum"), 2)
        0.25

    Reference:
        `lr_find` of [fastai](https://github.com/fastai/fastai). Differs from it in: points that
        show no fall of the loss give an error instead of a number.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    steps: int = 100
    mode: str = "exp"
    beta: float = 0.98
    max_factor: float = 10.0

    def __post_init__(self):
        for field in ("learning_rates", "losses"):
            object.__setattr__(self, field, np.array(getattr(self, field), "float64"))
        if self.learning_rates.shape != self.losses.shape or self.losses.ndim != 1:
            raise ValueError(
                "Arguments `learning_rates` and `losses` must be of one shape `(n,)`. Received: "
                f"shapes {self.learning_rates.shape} and {self.losses.shape}"
            )

    def __repr__(self):
        low, high = self.learning_rates[[0, -1]]
        return (
            f"<LRCurve: {len(self.losses)} of {self.steps} points, learning rates {low:.4g} to "
            f"{high:.4g}, lowest smoothed loss {np.nanmin(self.smoothed_losses):.4g}>"
        )

    @functools.cached_property
    def smoothed_losses(self):
        """Exponential moving average of `losses`, corrected for its start from nothing."""
        return _lr_suggestions.smooth(self.losses, self.beta)

    @property
    def points_used(self):
        """Slice of the points from which `suggest` reads."""
        end = len(self.losses) - SKIPPED_AT_THE_END
        if np.isnan(self.losses[-1:]).any():
            # fastai sweeps on, all NaN, so that its last 5 are of those.
            end = min(len(self.losses) - 1, self.steps - SKIPPED_AT_THE_END)
        begin = self.steps // 10
        return slice(begin, max(begin, end))

    def suggest(self, method="valley"):
        """Learning rate for training on, as a float.

        Args:
            method: `"valley"`: about half way down the longest descent. `"steep"`: where the loss
                falls fastest. `"minimum"`: a tenth of where it is lowest. `"slide"`: from the end
                down to where the slope is the same at both ends of an interval of 15 points.
                Defaults to `"valley"`.

        Raises:
            ValueError: if the method is unknown, the points too few, or the loss never falls by
                more than the batches differ from one another.
        """
        check_choice("method", method, _lr_suggestions.METHODS)
        used = self.points_used
        rates, smoothed = self.learning_rates[used], self.smoothed_losses[used]
        needed = _lr_suggestions.POINTS_NEEDED[method]
        if len(rates) < needed:
            raise ValueError(
                f"The range test leaves {len(rates)} points for method={method!r}, which needs "
                f"{needed}: of {len(self.losses)} measured, the first {used.start} and the last "
                f"{SKIPPED_AT_THE_END} do not count. Test with more `steps` or, if the loss "
                f"diverged, from a lower `start`; it was {self.learning_rates[0]:g}."
            )
        if not _lr_suggestions.has_improved(self.losses[used], smoothed):
            raise ValueError(
                "The loss never clearly falls in the range test, from "
                f"{smoothed[0]:.6g} at learning rate {rates[0]:.3g} to at best "
                f"{smoothed.min():.6g} up to {rates[-1]:.3g}, so there is nothing to suggest. Test "
                "a lower `start` if it rises, a higher `end` if it stays, more `steps` or larger "
                "batches if it only jitters."
            )
        return _lr_suggestions.METHODS[method](rates, smoothed)

    def suggest_max(self, method="valley"):
        """Peak for a one-cycle schedule, as a float: `max_factor` times `suggest(method)`.

        A range test finds a rate that is safe from the first step on; a schedule that warms up can
        go higher. With `max_factor=10` and `method="steep"` it is the rule "ten times the
        suggested rate" that goes with pytorch-lr-finder.
        """
        return self.max_factor * self.suggest(method)

    def suggestions(self):
        """Dict from each method to its learning rate, without those that have none."""
        found = {}
        for method in _lr_suggestions.METHODS:
            try:
                found[method] = self.suggest(method)
            except ValueError:
                continue
        return found

    def plot(self):
        """Matplotlib `Figure` of the curve with all suggestions marked."""
        from keras_twist.plots import plot_lr_find

        return plot_lr_find(self)

    def to_dict(self):
        """Dict of JSON values from which `from_dict` makes the curve again."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["learning_rates"] = self.learning_rates.tolist()
        # JSON has neither NaN nor infinity.
        values["losses"] = [x if np.isfinite(x) else str(x) for x in self.losses.tolist()]
        return values

    @classmethod
    def from_dict(cls, values):
        """Curve from what `to_dict` returned."""
        return cls(**values)
