"""Learning-rate policies as pure functions of the step, counted in optimizer updates from 0.

Each works as `learning_rate=` of any Keras optimizer and as the momentum of those whose momentum
can move, is exact under `steps_per_execution` and XLA, needs nothing but `optimizer.iterations` to
resume, and can be called on an array of steps, which is how the curves are plotted and tested.

A number of updates beyond float32's 2 ** 24 is no less exact: steps are subtracted as integers.
"""

from keras_twist.schedules.cyclical import Cyclical
from keras_twist.schedules.flat_cosine import FlatCosine
from keras_twist.schedules.mirrored_momentum import MirroredMomentum
from keras_twist.schedules.one_cycle import OneCycle
from keras_twist.schedules.piecewise_linear import PiecewiseLinear

__all__ = ["Cyclical", "FlatCosine", "MirroredMomentum", "OneCycle", "PiecewiseLinear"]
