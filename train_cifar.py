"""Train a network on CIFAR-10.

python train_cifar.py                       # quick: a small network, 4 epochs
python train_cifar.py davidnet --epochs 10  # any recipe, any field of it
python train_cifar.py --resume runs/davidnet-20260101-120000
python train_cifar.py --help
"""

import os
import sys

# TensorFlow's C++ side writes to the screen while it is loaded, at any log level; errors of the
# import are Python exceptions and come through.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 2)
try:
    from keras_twist.recipes.cifar import ABOUT, CIFAR_RECIPES
    from keras_twist.recipes.cli import main
finally:
    os.dup2(screen, 2)

if __name__ == "__main__":
    sys.exit(main(CIFAR_RECIPES, ABOUT, default="quick"))
