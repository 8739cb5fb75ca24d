"""Experiments as dataclasses, and the code that runs them."""

from keras_twist.recipes.checkpoint import Interrupted
from keras_twist.recipes.cifar_recipes import CIFAR_RECIPES, CIFARRecipe
from keras_twist.recipes.fit import fit
from keras_twist.recipes.recipe import Recipe, RecipeError
from keras_twist.recipes.result import Result
from keras_twist.recipes.runtime import resolve_precision, resolve_xla
from keras_twist.recipes.woof_recipes import WOOF_RECIPES, WoofRecipe

__all__ = [
    "CIFARRecipe",
    "CIFAR_RECIPES",
    "Interrupted",
    "Recipe",
    "RecipeError",
    "Result",
    "WOOF_RECIPES",
    "WoofRecipe",
    "fit",
    "resolve_precision",
    "resolve_xla",
]
