"""What the building of the site does besides: pictures and figures join it, and it is checked."""

import importlib
import re
from collections import Counter
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
# Folders that pages link to and that have their place elsewhere.
SHOWN = ("images/*.png", "benchmarks/results/*.json")
# What a browser fetches by itself. Links that people follow may lead anywhere.
FETCHED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="?(?:https?:)?//'
    r'|<link[^>]+rel="?stylesheet[^>]+href="?(?:https?:)?//'
)


def on_files(files, config):
    """Add pictures and figures, so that links to them are checked and work anywhere."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links out of this folder are written for readers of the repository."""
    return markdown.replace("](../", "](")


def on_env(env, config, files):
    """Nothing public may be missing from the reference, or be there twice."""
    entries = Counter()
    for page in files.documentation_pages():
        if page.src_uri.startswith("reference/"):
            entries.update(re.findall(r'<h2 id="(keras_twist\.[\w.]+)"', page.page.content))
            if "<blockquote>" in page.page.content:
                raise PluginError(
                    f"{page.src_uri}: a docstring's line begins with > outside of code"
                )
    package = importlib.import_module("keras_twist")
    for room in package.__all__:
        for name in importlib.import_module(f"keras_twist.{room}").__all__:
            count = entries.pop(f"keras_twist.{room}.{name}", 0)
            if count != 1:
                raise PluginError(f"keras_twist.{room}.{name} is {count} times in the reference")
    if entries:
        raise PluginError(f"not public, but in the reference: {', '.join(entries)}")


def on_post_page(output, page, config):
    """No page may need the network."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches something from elsewhere: {found[0]}")
