"""Floating-point operations of a training step, counted in the graph that TensorFlow runs."""

import math

import keras
import tensorflow as tf

# Multiply-adds of each: the numbers of one tensor times what each of them takes part in. Everything
# else, a few per cent, is left out, as in the counts that others publish.
_GRADIENT = {
    "Conv2DBackpropInput": 2,
    "Conv2DBackpropFilter": 2,
    "DepthwiseConv2dNativeBackpropInput": 2,
    "DepthwiseConv2dNativeBackpropFilter": 2,
}
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def training_flops(model, batch_size):
    """Operations per image of a training step: two for each multiply-add.

    Args:
        model: Compiled `keras.Model` with one input of known size and one output.
        batch_size: Images in the step; their number matters where a network looks at a whole batch.

    Returns:
        Float.
    """
    policy = keras.config.dtype_policy()
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)  # which that forgets as well
    images = tf.TensorSpec((batch_size, *model.input_shape[1:]), "float32")
    labels = tf.TensorSpec((batch_size, model.output_shape[-1]), "float32")
    model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda x, y: model.train_step((x, y)), autograph=False)
    graph = step.get_concrete_function(images, labels).graph
    return sum(map(_flops, _operations(graph))) / batch_size


def _operations(graph):
    """All operations, those of functions that the graph calls included."""
    yield from graph.get_operations()
    for name in graph.as_graph_def().library.function:
        inner = graph._get_function(name.signature.name)
        if inner is not None and getattr(inner, "graph", None) is not None:
            yield from inner.graph.get_operations()


def _flops(operation):
    kind = operation.type
    if kind in _CONVOLUTIONS:
        kernel, outputs = operation.inputs[1].shape, operation.outputs[0].shape
        taken = kernel[:3] if kind == "Conv2D" else kernel[:2]
        return 2 * math.prod(outputs) * math.prod(taken)
    if kind in _GRADIENT:
        upstream = operation.inputs[_GRADIENT[kind]].shape
        kernel = operation.inputs[1].shape if "Input" in kind else operation.outputs[0].shape
        taken = kernel[:2] if kind.startswith("Depthwise") else kernel[:3]
        return 2 * math.prod(upstream) * math.prod(taken)
    if kind in _PRODUCTS:
        first = operation.inputs[0].shape
        turned = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return 2 * math.prod(operation.outputs[0].shape) * first[-2 if turned else -1]
    return 0
