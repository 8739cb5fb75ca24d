"""The networks of `step_time.py` in PyTorch, to run beside Keras's with the same weights.

Written as PyTorch's users would, with modules of its own; a twist is three convolutions, as it was
published.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def conv(inputs, filters, size=3, strides=1):
    """Convolution without bias that keeps the shape."""
    return nn.Conv2d(inputs, filters, size, strides, size // 2, bias=False)


def unit(inputs, filters, pool=False, pool_first=False):
    """Convolution, batch normalisation, ReLU, and pooling behind or before the normalisation."""
    layers = [conv(inputs, filters), nn.BatchNorm2d(filters), nn.ReLU()]
    if pool:
        layers.insert(1 if pool_first else 3, nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """`x + f(x)`."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


class Scale(nn.Module):
    """A constant factor."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def nine_layers(pool_first, bias, factor):
    """DavidNet and ResNet9."""

    def halving(inputs, filters):
        return unit(inputs, filters, True, pool_first)

    return nn.Sequential(
        unit(3, 64),
        halving(64, 128),
        Residual(unit(128, 128), unit(128, 128)),
        halving(128, 256),
        halving(256, 512),
        Residual(unit(512, 512), unit(512, 512)),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(512, 10, bias=bias),
        Scale(factor),
    )


class Bias(nn.Module):
    """One number per channel."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return x + self.bias.to(x.dtype)[:, None, None]


class BiasedNorm(nn.BatchNorm2d):
    """Batch normalisation without a scale; its bias is `sqrt(rate)` times what is stored."""

    def __init__(self, channels, rate):
        super().__init__(channels, momentum=0.4, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.factor = rate**0.5

    def forward(self, x):
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            bias=self.factor * self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )


def speednet():
    """SpeedNet."""
    whitening = nn.Conv2d(3, 24, 2, bias=False).requires_grad_(False)
    layers, inputs = [whitening, Bias(24), nn.GELU()], 24
    for filters in (64, 256, 256):
        for pool in ([nn.MaxPool2d(2)], []):
            layers += [conv(inputs, filters), *pool, BiasedNorm(filters, 64.0), nn.GELU()]
            inputs = filters
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(256, 10, bias=False), Scale(1 / 9)]
    return nn.Sequential(*layers, *head)


class Twist(nn.Module):
    """`conv(x) + mask * ((X - cx) * convx(x) + (Y - cy) * convy(x))`."""

    def __init__(self, inputs, filters, strides=1):
        super().__init__()
        self.strides = strides
        self.conv = conv(inputs, filters, strides=strides)
        self.convx = conv(inputs, filters, strides=strides)
        self.center_x = nn.Parameter(torch.empty(filters).uniform_(-0.7, 0.7))
        self.center_y = nn.Parameter(torch.empty(filters).uniform_(-0.7, 0.7))
        self.radii = nn.Parameter(torch.empty(filters).uniform_(0.3, 0.7))

    def forward(self, x):
        kernel = (self.convx.weight - self.convx.weight.flip(2, 3)) / 2
        turned = kernel.rot90(-1, (2, 3))
        along_x, along_y = (
            functional.conv2d(x, weight, stride=self.strides, padding=1)
            for weight in (kernel, turned)
        )
        height, width = along_x.shape[2:]
        options = {"device": x.device, "dtype": torch.float32}
        columns = torch.arange(width, **options) * (2 / width) - 1
        rows = torch.arange(height, **options)[:, None] * (2 / height) - 1
        dx = columns - self.center_x[:, None, None]
        dy = rows - self.center_y[:, None, None]
        distance = (dx**2 + dy**2) / self.radii[:, None, None] ** 2
        mask = ((1.3 - distance) / 0.6).clamp(0, 1)
        dtype = along_x.dtype
        return self.conv(x) + (mask * dx).to(dtype) * along_x + (mask * dy).to(dtype) * along_y


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, added to the input; mxresnet's block and names."""

    def __init__(self, inputs, width, strides, twist):
        super().__init__()
        filters = 4 * width
        make = Twist if twist else conv

        def part(inputs, filters, middle=False, last=False):
            made = (
                make(inputs, filters, strides=strides) if middle else conv(inputs, filters, size=1)
            )
            end = [] if last else [nn.Mish()]
            return nn.Sequential(made, nn.BatchNorm2d(filters), *end)

        self.convs = nn.Sequential(
            part(inputs, width), part(width, width, middle=True), part(width, filters, last=True)
        )
        self.act = nn.Mish()
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if strides > 1 else nn.Identity()
        self.idconv = nn.Identity()
        if inputs != filters:
            self.idconv = nn.Sequential(conv(inputs, filters, size=1), nn.BatchNorm2d(filters))

    def forward(self, x):
        return self.act(self.convs(x) + self.idconv(self.pool(x)))


def mxresnet50(twist=False):
    """MXResNet50 for ten classes, without self-attention."""
    layers, inputs = [], 3
    for number, filters in enumerate((32, 64, 64)):
        make = Twist if twist and filters > 32 else conv
        made = make(inputs, filters, strides=1 if number else 2)
        layers.append(nn.Sequential(made, nn.BatchNorm2d(filters), nn.Mish()))
        inputs = filters
    layers.append(nn.MaxPool2d(3, 2, 1))
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        stack = []
        for block in range(blocks):
            stack.append(Bottleneck(inputs, width, 2 if stage and not block else 1, twist))
            inputs = 4 * width
        layers.append(nn.Sequential(*stack))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def values(net):
    """The weights and statistics of each module that has some, in order, as Keras has them."""
    found = []
    for module in net.modules():
        own = [*module._parameters.items(), *module._buffers.items()]
        arrays = [
            _as_keras(tensor.detach().cpu().numpy())
            for name, tensor in own
            if tensor is not None and name != "num_batches_tracked"
        ]
        if arrays:
            found.append(arrays)
    return found


def _as_keras(array):
    order = {4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim)
    return np.transpose(array, order) if order else array
