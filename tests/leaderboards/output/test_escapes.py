"""Whatever text a record holds, it is text where it is shown."""

import base64
import csv
import html.parser
import io
import json
import re
import shlex
import zlib

from hypothesis import given
from hypothesis import strategies as st

from leaderboards.output.escapes import csv_cell, html_text, latex_text, markdown_text, packed_json, shell_words

CODE = ("<!--<script>", "</script>", "<img src=x onerror=alert(1)>", "=A1", "$(rm x)", "`x`", "a|b", "\\", "\ud800")
TEXT = st.text() | st.sampled_from(CODE)


class Tags(html.parser.HTMLParser):
    """Counts what begins a tag or a comment, and collects the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags += 1

    def handle_comment(self, data: str) -> None:
        self.tags += 1

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT)
def test_html_holds_no_tag_of_a_text(text):
    parser = Tags()
    parser.feed(f"<p>{html_text(text)}</p>")
    parser.close()
    assert parser.tags == 1
    assert '"' not in html_text(text)
    assert "'" not in html_text(text)


@given(st.dictionaries(TEXT, TEXT | st.floats(allow_nan=False, allow_infinity=False)))
def test_packed_json_begins_no_tag_and_is_the_same_value(value):
    text = packed_json(value)
    assert re.fullmatch("[A-Za-z0-9+/=]*", text)
    if json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode() == json.dumps(
        value, ensure_ascii=False
    ):
        assert json.loads(zlib.decompress(base64.b64decode(text))) == value


@given(TEXT)
def test_a_cell_of_markdown_stays_one_cell_without_tags_links_or_code(text):
    cell = markdown_text(text)
    assert "\n" not in cell
    assert not re.search(r"(?<!\\)(\\\\)*[|`*\[\]]", cell)
    assert "<" not in cell
    assert ">" not in cell


@given(TEXT)
def test_latex_has_no_command_of_a_text(text):
    commands = re.findall(r"\\([a-zA-Z]+)", latex_text(text))
    assert set(commands) <= {"textbackslash", "textasciitilde", "times", "pm", "cdot"}
    assert not re.search(r"(?<!\\)[%#&_]", latex_text(text))
    assert "\n" not in latex_text(text)


@given(TEXT)
def test_no_cell_of_a_csv_is_a_formula_and_every_cell_comes_back(text):
    cell = csv_cell(text)
    if isinstance(cell, str) and cell[:1] in set("=+-@\t\r"):
        float(cell)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([cell, "next"])
    assert next(csv.reader(io.StringIO(stream.getvalue(), newline="")))[-1] == "next"


@given(st.lists(TEXT, min_size=1))
def test_a_command_line_has_as_many_words_as_it_was_made_of(words):
    assert len(shlex.split(shell_words(words))) == len(words)


def test_numbers_stay_numbers_in_a_csv():
    assert [csv_cell(value) for value in ("-0.5", "+1e-3", "-x", 3)] == ["-0.5", "+1e-3", "'-x", 3]
