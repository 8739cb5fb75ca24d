"""The files in `benchmarks/results/`: read, and replaced as a whole."""

import dataclasses
import json

from keras_twist.files import partial_path


def read(path):
    """What a file holds; an empty dict where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def fields_of(recipe):
    """A recipe's fields as a file has them."""
    return json.loads(json.dumps(dataclasses.asdict(recipe)))


def are_fields_of(recipe, found):
    """Whether fields of a file are those of a recipe.

    One that recipes have got since is not in the file, and by its default leaves them as they were.
    """
    added = {f.name: f.default for f in dataclasses.fields(recipe) if f.name not in found}
    return json.loads(json.dumps(added)) | found == fields_of(recipe)


def write(path, record, indent=2):
    """Write a dict of JSON values; whoever stops that finds the old file or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_path(path) as partial:
        partial.write_text(json.dumps(record, indent=indent) + "\n")
