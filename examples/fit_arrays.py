"""DavidNet on plain arrays, augmented inside the compiled step; runs on any Keras backend."""

import keras

from keras_twist import data, layers, models, optimizers, schedules

(x, y), test = data.load_cifar10()
variance = [std**2 for std in data.CIFAR10_STD]
normalize = keras.layers.Normalization(mean=data.CIFAR10_MEAN, variance=variance)
augment = [layers.RandomPadCrop(4), layers.RandomFlip(), normalize, layers.Cutout(8)]
model = keras.Sequential([keras.Input((32, 32, 3)), *augment, models.DavidNet(logit_scale=0.125)])
rate = schedules.OneCycle(0.4, total_steps=24 * 98)
optimizer = optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=5e-4, coupled=True)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer, loss, metrics=["accuracy"])
model.fit(x, y, batch_size=512, epochs=24, validation_data=test)
