"""The report as people meet it: from the command line and in a browser."""

import html.parser
import re
import runpy
import sys

import pytest

from keras_twist.recipes import RecipeError, report
from keras_twist.recipes.run_record import read_run

from ..chromium import Browser, find_chromium

EVIL = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "cat & $dog$ '")
HEADINGS = [
    "Curves and schedule", "A twist", "Misclassified images", "Classes", "Epochs and speed",
    "Recipe", "Environment",
]  # fmt: skip


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_a_report_is_one_file_that_fetches_nothing(make_run, capsys):
    folder = make_run()
    assert report.main([str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    text = (folder / "report.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", text) == HEADINGS
    assert "83.33\u00a0%" in text and "3:45" in text and "1,234" in text
    tags = Tags(text)
    sources = [attrs[key] for _, attrs in tags.found for key in ("src", "href") if key in attrs]
    # Icon, loss and accuracy, schedule, twist, mistakes, confusion.
    assert len(sources) == 1 + 2 + 1 + 1 + 20 + 1
    assert all(source.startswith("data:") for source in sources)
    assert "called validation below is the test set." in tags.text
    (folder / "schedule.png").unlink()  # The learning rate is drawn by epoch then.
    assert report.run_page(read_run(folder)).count("<img") == text.count("<img")
    assert "url(" not in text and "@import" not in text


def test_names_are_harmless(make_run):
    folder = make_run("quick-1", class_names=EVIL)
    other = make_run("quick-2", class_names=EVIL)
    path = folder / "environment.json"
    path.write_text('{"started": "<script>", "<script>": "</table><script>"}')
    written = report.write_report(folder), report.write_comparison([folder, other])
    for one in written:
        tags = Tags(one.read_text())
        assert "script" not in {tag for tag, _ in tags.found}
        assert not [key for _, attrs in tags.found for key in attrs if key.startswith("on")]
        assert all(name in tags.text for name in EVIL)


def test_runs_are_compared_by_what_differs(make_run, capsys, tmp_path):
    folders = [make_run("quick-1"), make_run("quick-2", seed=5, learning_rate=0.1)]
    assert report.main([*map(str, folders), "--output", str(tmp_path / "both.html")]) == 0
    text = (tmp_path / "both.html").read_text()
    settings = text[text.index("<h2>Settings") : text.index("<h2>Accuracy of each class")]
    assert re.findall('<th scope="row">(.*?)</th>', settings) == ["learning_rate", "seed"]
    assert "<td>0.75</td><td>0.1</td>" in settings
    assert text.count("data:image/png") == 4
    assert "2: quick-2" in text and "All 3 are the same." in text
    assert not (folders[0].parent / "comparison.html").exists()
    assert report.main([str(folder) for folder in folders]) == 0
    assert (folders[0].parent / "comparison.html").exists()


def test_a_small_difference_is_shown_and_a_run_is_compared_once(make_run):
    first, second = (make_run(f"quick-{n}", learning_rate=0.1234561 + n * 1e-7) for n in (1, 2))
    text = report.write_comparison([first, first, second]).read_text()
    assert "<td>0.1234562</td><td>0.1234563</td>" in text and "2 runs compared" in text
    with pytest.raises(RecipeError, match="two different runs"):
        report.write_comparison([first, first])


def test_runs_of_other_classes_and_of_the_same_name(make_run):
    folders = [make_run("a/quick"), make_run("b/quick", class_names=("one", "two"))]
    text = report.write_comparison(folders).read_text()
    assert "Accuracy of each class" not in text and text.count("data:image/png") == 4


def test_a_run_without_predictions(make_run):
    folder = make_run()
    (folder / "predictions.npz").unlink()
    text = report.write_report(folder).read_text()
    assert "There are no predictions in this folder" in text


@pytest.mark.parametrize("damage", ["result.json", "nothing"])
def test_a_damaged_folder_gets_one_line(damage, make_run, capsys):
    folder = make_run()
    if damage == "nothing":
        folder = folder / "missing"
    else:
        (folder / damage).write_text("{")
    assert report.main([str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("error: ") and str(folder) in err
    assert report.main([str(make_run("quick-2")), str(folder)]) == 2


def test_where_nothing_can_be_written_one_line(make_run, capsys, tmp_path):
    assert report.main([str(make_run()), "--output", str(tmp_path / "no" / "report.html")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_without_matplotlib_the_page_says_so(make_run, monkeypatch):
    folder = make_run()
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.image"):
        monkeypatch.setitem(sys.modules, name, None)
    text = report.write_report(folder).read_text()
    assert text.count("pip install &#x27;keras_twist[plots]&#x27;") == 2 + 20 + 1


def test_the_module_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["report", "--help"])
    # Other tests may have imported what a person runs.
    monkeypatch.delitem(sys.modules, "keras_twist.report", raising=False)
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("keras_twist.report", run_name="__main__")
    assert stop.value.code == 0 and "folder of a run" in capsys.readouterr().out


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    command = find_chromium()
    if command is None:
        pytest.skip("there is no Chromium here")
    try:
        browser = Browser(command, tmp_path_factory.mktemp("profile"))
    except (OSError, EOFError):
        pytest.skip("Chromium does not start here")
    yield browser
    browser.close()


LUMINANCE = """
(() => { const light = c => c.match(/[0-9.]+/g).slice(0, 3).reduce((s, v) => s + v / 765, 0);
  const style = getComputedStyle(document.body);
  return [light(style.backgroundColor), light(style.color)]; })()
"""


@pytest.fixture(scope="module")
def pages(make_run_in, tmp_path_factory):
    """A report and a comparison."""
    runs = tmp_path_factory.mktemp("runs")
    folder = make_run_in(runs, "a-very-long-name-of-a-recipe-20261124-192425", class_names=EVIL)
    other = make_run_in(runs, "another", class_names=EVIL)
    return report.write_report(folder), report.write_comparison([folder, other])


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_is_readable_in_a_browser(browser, pages, width, dark, tmp_path):
    for path in pages:
        browser.show(path, width, dark)
        assert browser.errors == []
        assert [url for url in browser.requests if not url.startswith("data:")] == [
            path.resolve().as_uri()
        ]
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        smallest = "Math.min(...[...document.querySelectorAll('p, td, th, dd, figcaption')].map("
        smallest += "e => parseFloat(getComputedStyle(e).fontSize)))"
        assert browser.value(smallest) >= 12
        ground, text = browser.value(LUMINANCE)
        assert ground < 0.2 < 0.8 < text if dark else text < 0.2 < 0.8 < ground
        browser.screenshot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000
