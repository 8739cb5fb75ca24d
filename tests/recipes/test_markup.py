"""Nothing becomes markup that the code did not make."""

import html.parser

import hypothesis
from hypothesis import strategies as st

from keras_twist.recipes.markup import element, join, page, picture, table


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def parsed(text):
    parser = Tags()
    parser.feed(text)
    parser.close()
    return parser


@hypothesis.given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_text_stays_text(text):
    found = parsed(element("p", text, title=text))
    assert found.tags == ["p"] and found.text == text
    assert found.attributes == [("title", text)]


def test_html_goes_into_html_as_it_is():
    assert join(element("b", 1), None, "<b>") == "<b>1</b>&lt;b&gt;"
    assert element("meta", http_equiv="a", class_="b") == '<meta http-equiv="a" class="b">'


def test_a_table_escapes_its_cells():
    found = parsed(table(["<i>", "b"], [["<script>", "</td>"]]))
    assert found.tags == "div table thead tr th th tbody tr th td".split()
    assert found.text == "<i>b<script></td>"


def test_a_page_runs_and_fetches_nothing():
    text = page("</title><script>", picture(b"png", '"><script>'))
    found = parsed(text)
    assert "script" not in found.tags
    assert [value for key, value in found.attributes if key in ("src", "href")] == [
        "data:,",
        "data:image/png;base64,cG5n",
    ]
    assert "default-src 'none'" in dict(found.attributes)["content"]
