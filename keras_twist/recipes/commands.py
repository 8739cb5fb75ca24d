"""What the training scripts can be asked for: each a function of recipe and options."""

import dataclasses
import logging
import statistics
import sys

from keras_twist.color import is_terminal
from keras_twist.data import DataError
from keras_twist.recipes import backends, checkpoint, dry_run, export, output, task
from keras_twist.recipes.fit import fit
from keras_twist.recipes.lr_find import range_test
from keras_twist.recipes.predict import Predictor
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.run_folder import read_recipe
from keras_twist.recipes.trained import load_trained

logger = logging.getLogger("keras_twist.recipes")


def command(options):
    """The function that does what the options ask for, and returns the exit code."""
    if options.trained:
        return _use_trained
    if options.dump:
        return _print_model
    if options.dry_run:
        return _dry_run
    return _find_learning_rate if options.lr_find else _train


def _train(recipe, options):
    found, stopped = [], 0
    try:
        _train_all(recipe, options, found)
    except checkpoint.Interrupted:
        stopped = 1  # It is resumed, which the last line tells.
        raise
    finally:  # What is trained is told all the same, whatever stops the others.
        _write_results(recipe, options, found, len(found) + stopped)
    return 0


def _train_all(recipe, options, found):
    """Train as many runs as asked for; their results go into the list `found` as they come."""
    shown = not (options.quiet or options.json)
    for number in range(options.runs):
        result = fit(
            recipe and dataclasses.replace(recipe, seed=recipe.seed + number),
            data_dir=options.data_dir,
            runs=options.runs_dir,
            resume=options.resume,
            checkpoint_minutes=options.checkpoint_minutes,
            progress=shown and is_terminal(sys.stdout),
            table=shown,
            log=options.log,
        )
        found.append(result.to_dict())
        output.write(options, _sentence(result))
        if options.export and result.model is not None:
            found[-1]["exported"] = made = []
            _export(result.model, read_recipe(result.folder), result.folder, options, made)


def _write_results(recipe, options, found, begun):
    """Tell what one run reached, or several and what they have in common."""
    if not found:
        return
    if options.runs == 1:
        output.write_json(options, found[0])
        return
    accuracies = [one["accuracy"] for one in found]
    mean = statistics.mean(accuracies)
    deviation = statistics.stdev(accuracies) if len(found) > 1 else None
    listed = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
    text = f"[{listed}] %, mean {100 * mean:.2f} %"
    if deviation is not None:
        text += f", standard deviation {100 * deviation:.2f}"
    left = options.runs - begun
    if left:
        seed = recipe.seed + begun
        text += f"; {left} of {options.runs} runs are left: --seed {seed} --runs {left}"
    output.write(options, text)
    content = {"runs": found, "accuracies": accuracies, "mean": mean}
    output.write_json(options, content | {"standard_deviation": deviation, "left": left})


def _sentence(result):
    """What a run reached, in one line."""
    mirrored = result.flip_averaged_accuracy
    return (
        f"{result.name}: {100 * result.accuracy:.2f} % {result.validated_on} accuracy "
        + ("" if mirrored is None else f"({100 * mirrored:.2f} % averaged over mirror images) ")
        + f"(top 5: {100 * result.top_k_accuracy:.2f} %) "
        f"after {result.epochs} epoch{'s' * (result.epochs > 1)}, "
        f"{result.seconds:.1f} s of training without compilation and validation, "
        f"in {result.folder}"
    )


def _use_trained(_, options):
    """Export the model of a run, and have it classify pictures."""
    content, code = {}, 0
    try:
        if options.export:
            recipe, model = load_trained(options.trained)
            content["exported"] = made = []
            _export(model, recipe, options.trained, options, made)
        if options.predict:
            content["predicted"], code = _predict(options)
    finally:  # What is made is told, whatever stops the rest.
        if any(content.values()):
            output.write_json(options, content)
    return code


def _export(model, recipe, folder, options, made):
    """Make the files that are asked for; what is told of them goes into a list as they come."""
    data = task.of(recipe).load(recipe, options.data_dir)
    for one in export.export(model, recipe, data, folder, options.export):
        made.append(one.to_dict())
        output.write(options, str(one))


def _predict(options):
    """Class probabilities of each picture that can be read, and the exit code."""
    predictor, content, code = Predictor(options.trained), [], 0
    logger.info(predictor.view)
    for path in options.predict:
        try:
            found = predictor.predict(path)
        except DataError as error:
            output.write_error(error)
            code = 2
            continue
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in found)
        output.write(options, f"{path}: {shares}")
        classes = [{"class": name, "probability": share} for name, share in found]
        content.append({"picture": str(path), "classes": classes})
    return content, code


def _dry_run(recipe, options):
    found = dry_run.dry_run(recipe, options.data_dir, options.runs)
    output.write(options, dry_run.table(found))
    output.write_json(options, found)
    return 0


def _print_model(recipe, options):
    """Write the layers of a recipe's network, with shapes and parameters."""
    backends.check_backend()
    model = task.of(recipe).build_network(recipe)
    model.summary(print_fn=lambda text: output.write(options, text), line_length=100)
    return 0


def _find_learning_rate(recipe, options):
    """Run the range test and write what it suggests, as a table; the exit code."""
    curve, folder = range_test(
        recipe,
        data_dir=options.data_dir,
        runs=options.runs_dir,
        start=options.lr_find_start,
        end=options.lr_find_end,
        steps=options.lr_find_steps,
    )
    suggestions = curve.suggestions()
    rows = [("method", "learning_rate", f"{curve.max_factor:g}x")]
    rows += [(name, f"{r:.3g}", f"{curve.max_factor * r:.3g}") for name, r in suggestions.items()]
    for name, rate, peak in rows:
        output.write(options, f"{name:10}{rate:>14}{peak:>12}")
    output.write(
        options,
        f"{recipe.name}: {len(curve.losses)} of {curve.steps} steps of batch {recipe.batch_size}, "
        f"curve and picture in {folder}",
    )
    if not suggestions:
        try:
            curve.suggest()
        except ValueError as error:  # It says why there is none.
            raise RecipeError(str(error)) from error
    output.write_json(
        options,
        {
            "name": recipe.name,
            "suggestions": suggestions,
            "max_factor": curve.max_factor,
            "steps": len(curve.losses),
            "folder": str(folder),
        },
    )
    return 0
