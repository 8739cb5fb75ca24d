"""lessw2020's MXResNets: XResNets with a wider stem, the nets of ResNet with a Twist."""

from keras_twist.models.residual import Family
from keras_twist.models.xresnet import DEPTHS, network


def _mxresnet(depth):
    name = f"MXResNet{depth}"
    layers, expansion = DEPTHS[depth]
    family = Family(layers, expansion, stem_filters=(32, 64, 64))
    return network(
        name,
        family,
        f"{name}: a residual network of {depth} layers with Mish.",
        "[mxresnet](https://github.com/lessw2020/mish) and, with `conv='twist'`, [ResNet with a\n"
        "        Twist](https://github.com/liuyao12/Ranger-Mish-ImageWoof-5). Differs from them "
        "in:\n        `symmetric` has an effect; for `conv_twist`, the later form, give\n"
        "        `conv=functools.partial(TwistLayer, **TWIST_VARIANTS['mxresnet'], "
        "full_kernels=True)`.",
    )


MXResNet18 = _mxresnet(18)
MXResNet34 = _mxresnet(34)
MXResNet50 = _mxresnet(50)
MXResNet101 = _mxresnet(101)
MXResNet152 = _mxresnet(152)
