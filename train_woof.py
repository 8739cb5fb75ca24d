"""Train a network on ImageWoof or Imagenette.

python train_woof.py                                      # ResNet with a Twist, 5 epochs
python train_woof.py xse_resnext18 --epochs 20 --dry_run  # what that takes; then without the flag
python train_woof.py --woof 1 --bs 64 --epoch 80 --lr 4e-3 --sched_type flat_and_anneal --sa 1
python train_woof.py --resume runs/mxresnet50_twist-20260101-120000
python train_woof.py --trained runs/mxresnet50_twist-20260101-120000 --predict dog.jpg
"""

import sys

from keras_twist.recipes.cli import main
from keras_twist.recipes.published_flags import WOOF
from keras_twist.recipes.woof_recipes import ABOUT, WOOF_RECIPES

if __name__ == "__main__":
    sys.exit(main(WOOF_RECIPES, ABOUT, default="mxresnet50_twist", flags=WOOF, examples=__doc__))
