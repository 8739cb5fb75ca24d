"""HTML that escapes whatever it is given: nothing becomes markup that is not made here."""

import base64
import html

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_VOID = {"img", "link", "meta"}


class Html(str):
    """Text that is HTML already, and goes into other HTML as it is."""


def element(name, /, *children, **attributes):
    """An element of HTML.

    Args:
        name: Of the element.
        *children: What is inside: `Html` as it is, anything else as escaped text; None for nothing.
        **attributes: Likewise escaped; a trailing `_` is dropped from names such as `class_`, and
            other `_` become `-`.

    Returns:
        `Html`.

    Example:
        >>> element("p", "1 < 2 ", element("b", '"so"'), class_="note")
        '<p class="note">1 &lt; 2 <b>&quot;so&quot;</b></p>'
    """
    opening = name + "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(*children)}</{name}>")


def join(*children):
    """What stands side by side: `Html` as it is, anything else as escaped text, None for nothing.

    Example:
        >>> join("a & ", element("b", "c"), None)
        'a &amp; <b>c</b>'
    """
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(str(child))
            for child in children
            if child is not None
        )
    )


def table(header, rows):
    """A table that scrolls sideways where it is wider than the page.

    Args:
        header: List of the columns' names.
        rows: List of lists of cells; the first of each names the row.

    Returns:
        `Html`.

    Example:
        >>> "<td>1</td>" in table(["what", "value"], [["one", 1]])
        True
    """
    head = element("tr", *(element("th", cell, scope="col") for cell in header))
    body = (
        element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
        for name, *cells in rows
    )
    parts = [element("thead", head), element("tbody", *body)]
    return element("div", element("table", *parts), class_="scroll", tabindex="0")


def picture(png, description, class_="chart"):
    """A picture that is part of the page.

    Args:
        png: Bytes of a PNG file.
        description: For those who do not see it.
        class_: What it is styled as. Defaults to `"chart"`.

    Returns:
        `Html`.

    Example:
        >>> picture(b"...", "three dots")
        '<img src="data:image/png;base64,Li4u" alt="three dots" class="chart">'
    """
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    return element("img", src=source, alt=description, class_=class_)


def page(title, *body):
    """A whole document: one file, no script, nothing fetched.

    Args:
        title: Of the window.
        *body: What is on it.

    Returns:
        `Html`.

    Example:
        >>> page("a title", element("h1", "b"))[:32]
        '<!DOCTYPE html>\\n<html lang="en">'
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        # Whatever finds its way into the page, the browser neither runs nor fetches it.
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    document = element("html", "\n", head, "\n", element("body", element("main", *body)), lang="en")
    return Html("<!DOCTYPE html>\n" + document + "\n")


STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --faint: #57606a;
  --line: #d0d7de; --panel: #f6f8fa; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --text: #e6edf3;
  --faint: #9da7b3; --line: #30363d; --panel: #161b22; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.6rem; padding-bottom: 0.2rem;
  border-bottom: 1px solid var(--line); }
p { margin: 0.4rem 0; max-width: 75ch; overflow-wrap: anywhere; }
.faint { color: var(--faint); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 0.6rem;
  margin: 1rem 0 0; padding: 0; }
.tiles div { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  padding: 0.5rem 0.8rem; }
.tiles dt { color: var(--faint); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.charts { display: grid; gap: 0.8rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.chart { width: 100%; max-width: 640px; height: auto; background: #fff; border-radius: 8px;
  border: 1px solid var(--line); padding: 4px; }
.wide { min-width: 900px; max-width: none; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr));
  gap: 0.8rem; }
figure { margin: 0; }
figcaption { font-size: 0.85rem; line-height: 1.35; overflow-wrap: anywhere; }
.image { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 6px;
  background: var(--panel); }
.small { image-rendering: pixelated; }
.columns { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td { overflow-wrap: anywhere; min-width: 4.5rem; max-width: 34rem; }
thead th { color: var(--faint); min-width: 4.5rem; vertical-align: bottom; }
tbody th { font-weight: 600; position: sticky; left: 0; background: var(--ground);
  white-space: nowrap; }
"""
