"""The operation that tf2onnx lacks for TensorFlow's exact GELU."""

import functools


@functools.cache
def register_erfc():
    """Teach tf2onnx Erfc, once in a process, as what it is: 1 - Erf, which ONNX has."""
    import numpy as np
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_):
            kind, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            source, outputs, name = node.input[0], node.output, node.name
            one = ctx.make_const(f"{name}_one", np.array(1, "float32")).output[0]
            ctx.remove_node(name)
            erf = ctx.make_node("Erf", [source]).output[0]
            ctx.make_node(
                "Sub", [one, erf], outputs=outputs, name=name, dtypes=[kind], shapes=[shape]
            )
