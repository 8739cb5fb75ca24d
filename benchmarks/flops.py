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
    """The operations that run, those of functions that they call included.

    Others are in the graph as well, such as the gradients of frozen kernels and of the images.
    """
    waiting = [output.op for output in graph.outputs] + list(graph.control_outputs)
    reached = {}
    while waiting:
        operation = waiting.pop()
        if operation.name not in reached:
            reached[operation.name] = operation
            waiting += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    for operation in reached.values():
        yield operation
        if "Call" in operation.type:  # PartitionedCall and its kin.
            yield from _operations(graph._get_function(operation.get_attr("f").name).graph)


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
