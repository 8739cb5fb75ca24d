"""The classes of a picture folder: their names, and whether both sets have them all."""

from keras_twist.data.errors import DataError, is_showable, shown

SPLITS = ("train", "valid")


def check_classes(root, entries):
    """Sorted names of the classes.

    Args:
        root: What to name in errors.
        entries: Dict from split to its entries; one without a path stands for an empty class.

    Raises:
        DataError: There is none, one is empty, has a name that no terminal can show, or is not in
            both splits.
    """
    names = {split: {entry.class_name for entry in entries[split]} for split in SPLITS}
    for name in sorted(names["train"] | names["valid"]):
        if not is_showable(name):
            raise DataError(
                f"{shown(root)} has a class folder with a control character in its name, which no "
                f"table could show. Rename it: {shown(name)}"
            )
    if not any(entry.path for found in entries.values() for entry in found):
        raise DataError(f"{shown(root)} holds no JPEG, PNG or WebP in folders of classes.")
    for split in SPLITS:
        if empty := [entry.class_name for entry in entries[split] if not entry.path]:
            raise DataError(
                f"{shown(root)} has classes without a picture in the {split} set: {_few(empty)}"
            )
    only = [f"{shown(name)} (only in train)" for name in sorted(names["train"] - names["valid"])]
    only += [f"{shown(name)} (only in valid)" for name in sorted(names["valid"] - names["train"])]
    if only:
        raise DataError(f"{shown(root)} has other classes in train than in valid: {_few(only)}")
    return tuple(sorted(names["train"]))


def _few(names, limit=5):
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(shown, names[:limit])) + more
