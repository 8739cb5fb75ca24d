"""Train a network on CIFAR-10.

python train_cifar.py                       # quick: a small network, 4 epochs
python train_cifar.py davidnet --epochs 10  # any recipe, any field of it
python train_cifar.py --resume runs/davidnet-20260101-120000
python train_cifar.py --help
"""

import sys

from keras_twist.recipes.cifar import ABOUT, CIFAR_RECIPES
from keras_twist.recipes.cli import main

if __name__ == "__main__":
    sys.exit(main(CIFAR_RECIPES, ABOUT, default="quick"))
