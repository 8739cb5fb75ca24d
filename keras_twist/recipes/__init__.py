"""Experiments as dataclasses, and the code that runs them."""

from keras_twist.recipes.checkpoint import Interrupted
from keras_twist.recipes.cifar import CIFAR_RECIPES
from keras_twist.recipes.fit import Result, fit
from keras_twist.recipes.recipe import Recipe, RecipeError

__all__ = ["CIFAR_RECIPES", "Interrupted", "Recipe", "RecipeError", "Result", "fit"]
