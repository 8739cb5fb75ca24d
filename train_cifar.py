"""Train a network on CIFAR-10.

python train_cifar.py                                 # quick: a small network, 4 epochs
python train_cifar.py davidnet --epochs 10 --dry_run  # what that would take; then without the flag
python train_cifar.py --resume runs/davidnet-20260101-120000
python train_cifar.py davidnet --lr_find              # suggests learning rates, and draws why
python train_cifar.py --trained runs/davidnet-20260101-120000 --predict cat.jpg dog.png
"""

import sys

from keras_twist.recipes.cifar_recipes import ABOUT, CIFAR_RECIPES
from keras_twist.recipes.cli import main

if __name__ == "__main__":
    sys.exit(main(CIFAR_RECIPES, ABOUT, default="quick", examples=__doc__))
