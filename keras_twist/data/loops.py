"""How the operations of a pipeline are compiled."""

import itertools

from keras_twist.data import stateless
from keras_twist.data.augment import Augmentation


def compile_operations(operations):
    """Function `(images, draws)` that runs all operations, compiled by XLA.

    Operations are compiled as one, which saves passes over memory, but for those that say `alone`:
    XLA would calculate their pixels again for every operation behind them. Inside one function of
    JAX, all are compiled as one, which costs it little.
    """

    def compiled(group):
        def apply_all(images, draws):
            for operation, drawn in zip(group, draws, strict=True):
                apply = operation.apply if isinstance(operation, Augmentation) else operation
                images = apply(images, **drawn)
            return images

        return stateless.compiled(apply_all)

    groups, joins = [], False
    for operation in operations:
        alone = isinstance(operation, Augmentation) and operation.alone
        if alone or not joins:
            groups.append([])
        groups[-1].append(operation)
        joins = not alone
    loops = [(compiled(group), len(group)) for group in groups]

    def run(images, draws):
        draws = iter(draws)
        for loop, length in loops:
            images = loop(images, list(itertools.islice(draws, length)))
        return images

    return run
