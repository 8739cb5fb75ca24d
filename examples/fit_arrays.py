"""DavidNet on plain arrays, augmented inside the compiled step; runs on any Keras backend."""

import keras
import numpy as np

from keras_twist import data, layers, models, optimizers, schedules
from keras_twist.data import CIFAR10_MEAN, CIFAR10_STD

(x, y), test = data.load_cifar10()
normalize = keras.layers.Normalization(mean=CIFAR10_MEAN, variance=np.square(CIFAR10_STD))
augment = [layers.RandomPadCrop(4), layers.RandomFlip(), normalize, layers.Cutout(8)]
network = models.DavidNet(dropout=0.0, logit_scale=0.125)
model = keras.Sequential([keras.Input((32, 32, 3)), *augment, network])
rate = schedules.OneCycle(0.4, total_steps=24 * 98)
optimizer = optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=5e-4, coupled=True)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer, loss, metrics=["accuracy"])
model.fit(x, y, batch_size=512, epochs=24, validation_data=test)
