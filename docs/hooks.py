"""What the building of the site does besides: other files join it, and it is checked."""

import importlib
import re
from collections import Counter
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
# What pages link to and has its place elsewhere.
SHOWN = ("images/*.png", "benchmarks/results/*.json", "examples/*.ipynb", "examples/*.py")
# Pages that are files of the repository, or sections of its README.
FILES = {
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
SECTIONS = {"scripts.md": "The scripts", "parts.md": "The parts", "coming_from.md": "Coming from"}
# What a browser fetches by itself. Links that people follow may lead anywhere.
FETCHED = re.compile(
    r'<(?:script|img|iframe)[^>]+src="?(?:https?:)?//'
    r'|<link[^>]+rel="?stylesheet[^>]+href="?(?:https?:)?//'
)


def on_files(files, config):
    """Add what lies elsewhere, so that links to it are checked and work anywhere."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    pages = {name: (ROOT / file).read_text() for name, file in FILES.items()}
    pages |= {name: f"# {title}\n" + readme_section(title) for name, title in SECTIONS.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=from_root(text)))
    return files


def readme_section(title):
    """The text below a heading of the README, whose headings move up."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.sub(r"^##(#+ )", r"#\1", found[1], flags=re.MULTILINE)


def from_root(text):
    """A text of the repository's root, its links being those of the site."""
    for page, file in FILES.items():
        text = text.replace(f"]({file})", f"]({page})")
    text = text.replace("](#on-jax-and-pytorch)", "](scripts.md#on-jax-and-pytorch)")
    return text.replace("](docs/", "](")


def on_page_markdown(markdown, page, config, files):
    """Put sections of the README in their place, and mend links for readers of the repository."""
    markdown = re.sub(
        "<!-- README: (.*?) -->", lambda found: from_root(readme_section(found[1])), markdown
    )
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
