"""A batch that no memory holds: one line with advice, no folder, no death."""


def test_too_large_a_batch(make_run):
    """Out of memory: seen before the first step, with a batch size that fits."""
    run = make_run("davidnet", "--batch_size", 300)
    code = run.start(fault={"kind": "memory", "bytes": 20 * 2**20}).wait()
    assert code == 2
    line = run.text("err").splitlines()[-1]
    assert line.startswith("error: Field `batch_size`: a step keeps at least ")
    assert line.endswith("try 128 or less. Received: batch_size=300")
    assert run.path is None
