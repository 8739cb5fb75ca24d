"""The pages in docs/ show what runs, and the reference has a page for each room."""

import re
from pathlib import Path

import keras
import pytest

import keras_twist

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.md")) if "```python" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page):
    if page.stem == "augmentation" and keras.backend.backend() == "torch":
        pytest.skip("TensorFlow or JAX make the batches")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        exec(block, names)


def test_the_reference_has_a_page_for_each_room():
    # That each then holds every public name, the build itself checks: docs/hooks.py.
    pages = {page.stem: page.read_text().strip() for page in (DOCS / "reference").glob("*.md")}
    assert pages == {room: f"::: keras_twist.{room}" for room in keras_twist.__all__}
    listed = re.findall(r": (reference/\w+\.md)", (DOCS.parent / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted(f"reference/{room}.md" for room in keras_twist.__all__)
