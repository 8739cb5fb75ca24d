"""What rounds and seeds amount to."""

import statistics


def spread(values):
    """Mean of a list of numbers and, of more than one, their sample standard deviation."""
    found = {"mean": statistics.mean(values)}
    return found | ({"deviation": statistics.stdev(values)} if len(values) > 1 else {})


def ratio(ours, theirs):
    """Median over rounds of how many times the one is the other."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def row(values):
    """The median of a list of numbers, and between which they lie."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
