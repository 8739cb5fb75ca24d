"""Tables of README and docs, made of the files in `benchmarks/results/`.

    python benchmarks/tables.py      # writes them anew

Each stands in its page between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ("README.md", "docs/augmentation.md", "docs/policies.md", "docs/speed.md")


def trainings():
    """Whole trainings: accuracy, time and work, over the seeds of each series."""
    yield "| command | seeds | accuracy, % | with flip TTA, % | minutes | PFLOP |"
    yield "| --- | --- | --- | --- | --- | --- |"
    series = _read("time_to_accuracy")["series"]
    for name in sorted(series, key=lambda name: ("dataset" in series[name]["recipe"], name)):
        found = series[name]
        script = "train_woof.py" if "dataset" in found["recipe"] else "train_cifar.py"
        summary = found["summary"]
        averaged = summary.get("flip_averaged_accuracy")
        cells = [
            f"`{script} {name}`",
            str(summary["runs"]),
            _spread(summary["accuracy"], 100, 2),
            _spread(averaged, 100, 2) if averaged else "",
            _spread(summary["training_seconds"], 1 / 60, 1),
            f"{found['pflop']:.2f}",
        ]
        yield f"| {' | '.join(cells)} |"


def steps():
    """Training steps of both libraries, each in its fastest setting."""
    yield (
        "| network | Keras, images/s | PyTorch, images/s | ratio | in single rounds | GiB, Keras | "
        "GiB, PyTorch |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, found in _read("step_time")["networks"].items():
        best = found["best"].values()
        pairs = zip(*(found["rounds"][case] for case in best), strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        cells = [
            f"`{name}`",
            *(f"{found['images_per_second'][case]:,.0f} ({_setting(case)})" for case in best),
            f"{found['keras_over_torch']:.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            *(f"{found['peak_memory_gib'][case]:.1f}" for case in best),
        ]
        yield f"| {' | '.join(cells)} |"


def profiles():
    """Where the time of a step goes: the first profile of each network, and the last."""
    found = _read("step_profile")
    names = found["networks"]
    yield f"| ms | {' | '.join(f'`{name}`' for name in names)} |"
    yield "| --- |" + " --- |" * len(names)
    first, last = ([_spent(found[key][name]) for name in names] for key in ("first", "networks"))
    for group in first[0]:
        cells = [_change(a[group], b[group]) for a, b in zip(first, last, strict=True)]
        yield f"| {' | '.join([group, *cells])} |"


def techniques():
    """Accuracy of short runs with everything, and what it becomes with one technique replaced."""
    yield "| | accuracy, % or points | time | seeds |"
    yield "| --- | --- | --- | --- |"
    rows = dict(_read("techniques")["summary"])
    (name, whole), *rest = rows.items()
    yield f"| {name} | {_spread(whole['accuracy'], 100, 2)} % | 1 | {whole['seeds']} |"
    for name, found in sorted(rest, key=lambda row: -row[1]["difference"]["mean"]):
        cells = [name, _spread(found["difference"], 100, 2, "+"), f"{found['time']['median']:.2f}"]
        yield f"| {' | '.join([*cells, str(found['seeds'])])} |"


def strategies():
    """Accuracy under each strategy, and how far it is from one device with the same seed."""
    yield "| `--strategy` | accuracy, % | points from one device | seeds |"
    yield "| --- | --- | --- | --- |"
    for case, found in _read("strategy_accuracy")["summary"].items():
        far = _spread(found["difference"], 100, 2, "+") if "difference" in found else ""
        cells = [f"`{case}`", _spread(found["accuracy"], 100, 2), far, str(found["runs"])]
        yield f"| {' | '.join(cells)} |"


def augmentations():
    """What each augmentation adds to those before it."""
    yield "| augmentation | held-out accuracy, % | to the row before | on the training images, % |"
    yield "| --- | --- | --- | --- |"
    for name, found in _read("augmentation_ladder")["table"].items():
        step = ""
        if "step" in found:
            step = f"{found['step']:+.1f} ± {found['step_deviation']:.1f}"
        held_out = f"{found['mean']:.1f} ± {found['deviation']:.1f}"
        yield f"| {name} | {held_out} | {step} | {found['training_accuracy']:.1f} |"


def range_test():
    """Accuracy after an epoch at a suggested rate, at a tenth of it and at ten times it."""
    yield "| suggestion | a tenth of it | itself | ten times |"
    yield "| --- | --- | --- | --- |"
    found = _read("lr_find")
    for method in dict.fromkeys(run["method"] for run in found["epochs"]):
        rows = [found["means"][f"{factor} x {method}"] for factor in ("0.1", "1", "10")]
        cells = [f"{100 * row['mean_accuracy']:.1f} %" for row in rows]
        yield f"| `{method}`, {rows[1]['learning_rate']:.2g} | {' | '.join(cells)} |"


TABLES = {
    "trainings": trainings,
    "steps": steps,
    "profiles": profiles,
    "techniques": techniques,
    "strategies": strategies,
    "augmentations": augmentations,
    "range_test": range_test,
}
# Kinds of operations by what they are for. Products are those of `FastConv2D` and, for a small
# part, of the last layer.
_GROUPS = {
    "gradients of kernels": ("Conv2DBackpropFilter", "MklMatMul", "FusedMatMul"),
    "gradients of inputs": ("Conv2DBackpropInput",),
    "convolutions": ("Conv2D", "FusedConv2D"),
    "normalisation and activation, by XLA": ("XLA",),
}


def _spent(profile):
    """Milliseconds of each group of operations, and of the step, in which some run side by side."""
    left = dict(profile["operations_ms"])
    spent = {group: sum(left.pop(kind, 0.0) for kind in kinds) for group, kinds in _GROUPS.items()}
    return spent | {"all else": sum(left.values()), "a step": profile["step_ms"]}


def _change(before, now):
    return f"{now:.0f}" if round(before) == round(now) else f"{before:.0f} → {now:.0f}"


def _read(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def _setting(case):
    """`keras plain bfloat16` without the library and what is usual."""
    return case.partition(" ")[2].removeprefix("plain ").removeprefix("eager ")


def _spread(value, factor, digits, sign=""):
    """Mean and, where there is one, deviation."""
    shown = f"{factor * value['mean']:{sign}.{digits}f}"
    if "deviation" in value:
        shown += f" ± {factor * value['deviation']:.{digits}f}"
    return shown


def renew(text):
    """A page's text with its tables as the results have them."""

    def table(match):
        return "\n".join([match[1], *TABLES[match[2]](), match[3]])

    pattern = r"(<!-- table: (\w+) -->)\n.*?(<!-- end of table -->)"
    return re.sub(pattern, table, text, flags=re.DOTALL)


def main():
    """Write the tables of all pages."""
    for page in PAGES:
        path = ROOT / page
        path.write_text(renew(path.read_text()))


if __name__ == "__main__":
    main()
