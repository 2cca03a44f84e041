"""The words of pages and mails: each language has all of them, and nothing is said past the catalogue."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import get_args

import pytest
from babel import Locale
from checkout import PROJECT
from full_summary import AGES, BUCKETS, DATA_WORDS, PROOFS, full_summary, red_run

from stockbook.errors import DeclarationError
from stockbook.morning import mail, pack_mail
from stockbook.morning.answer import STATES
from stockbook.morning.figures import CHARTS, FIGURES, PARTS
from stockbook.morning.page import airflow_html, problem_html, report_html
from stockbook.morning.texts import FOLDER, Text, Texts, catalogue_of, languages
from stockbook.projection.listing import Proof

ENGLISH, CZECH = Locale.parse("en_GB"), Locale.parse("cs_CZ")
ROOM = FOLDER.parent
LINKS = dict.fromkeys(("dag", "close", "report", "dictionary", "accounts"), "x")
FAMILIES = (
    *(
        "figure",
        "unit",
        "vat",
        "part",
        "method",
        "basis",
        "happened",
        "state",
        "backlog",
        "ageing",
        "proof",
        "severity",
    ),
    *("series", "chart", "link", "pack", "card", "answer", "todo", "figures", "charts", "months", "alerts", "listings"),
    *("checks", "freshness"),
)


def forms(text: Text) -> list[str]:
    """The text, or its plural forms."""
    return [text] if isinstance(text, str) else list(text.values())


def pages_of(locale: Locale, texts: Texts) -> Iterator[str]:
    """Every page and mail that is written from the catalogue."""
    summary = full_summary()
    yield report_html(summary, locale, texts)
    yield airflow_html(summary, red_run(), locale, LINKS, texts=texts)
    yield airflow_html(None, None, locale, LINKS, texts=texts)
    yield problem_html("what is wrong", locale, texts)
    yield "\n".join(mail.content(summary, locale, texts))
    yield str(pack_mail.content(summary.signed[0], ["m.xlsx"], texts)["text"])


def words_of(page: str) -> str:
    """What a person reads or is read of a page, without what is marked as English."""
    page = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    page = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', " ", page.partition("<body>")[2] or page, flags=re.DOTALL)
    page = re.sub(r"<code>.*?</code>", " ", page, flags=re.DOTALL)
    said = re.findall(r'(?:aria-label|alt|title)="([^"]*)"', page)
    return unescape(" ".join([re.sub(r"<[^>]+>", " ", page), *said]))


def test_every_language_has_every_text_with_the_same_words() -> None:
    """Keys are the same, names in braces too, and every plural form that a count can ask for is there."""
    english = catalogue_of("en")
    assert languages() == ["cs", "en"]
    for language in languages():
        texts = catalogue_of(language)
        assert texts.keys() == english.keys()
        possible = {Locale.parse(language).plural_form(n) for n in range(200)}
        for key, text in texts.items():
            wanted = set(re.findall(r"{(\w+)}", forms(english[key])[0]))
            assert {frozenset(re.findall(r"{(\w+)}", form)) for form in forms(text)} == {frozenset(wanted)}, key
            assert isinstance(text, str) or possible <= text.keys(), key
            assert all(form.strip() for form in forms(text)), key


def test_a_text_that_is_missing_is_an_error() -> None:
    """The message names the file and the key; a code of the data that no catalogue knows stands as it is."""
    texts = Texts(CZECH, {})
    with pytest.raises(DeclarationError, match=r"texts/cs.yml has no text 'card.more'"):
        texts("card.more")
    assert texts.code("backlog", "lost_at_sea") == "lost at sea"


def test_templates_hold_no_words() -> None:
    """Between tags and in attributes that are read there is nothing but what the catalogue or the data say."""
    looked_at = 0
    for file in (ROOM / "templates").glob("*.html"):
        bare = re.sub(r"{[%{].*?[%}]}", "", file.read_text())
        said = re.findall(r'(?:aria-label|alt|title)="([^"]*)"', bare)
        text = re.sub(r"<[^>]+>", " ", bare).replace("Stockbook", "").replace("stockbook export month", "")
        assert not re.search(r"[^\W\d_]", " ".join([text, *said])), file.name
        looked_at += 1
    assert looked_at > 4


def test_nothing_is_said_past_the_catalogue() -> None:
    """With every letter of the catalogue replaced, the letters that are left are those of the data."""
    replaced = {key: _replaced(text) for key, text in catalogue_of("cs").items()}
    # what Babel writes: days, months, currencies
    of_babel = {*CZECH.days["format"]["abbreviated"].values(), *CZECH.days["format"]["wide"].values(), "Kč", "kg"}
    of_babel |= {*CZECH.months["format"]["wide"].values(), *CZECH.months["stand-alone"]["wide"].values()}
    seen = 0
    for page in pages_of(CZECH, Texts(CZECH, replaced)):
        text = _without(words_of(page))
        left = {word for word in re.findall(r"[^\W\d_]+", text) if "ж" not in word} - of_babel
        assert left == set(), left
        seen += text.count("ж")
    assert seen > 1_000


def test_no_english_text_is_left_on_a_czech_page() -> None:
    """No text of the English catalogue that Czech says otherwise stands on a page written in Czech."""
    english, czech = catalogue_of("en"), catalogue_of("cs")
    looked_for = [
        piece.strip(" .,:;()")
        for key, text in english.items()
        for form, other in zip(forms(text), forms(czech[key]), strict=False)
        for piece in re.split(r"{\w+}|<[^>]+>", form)
        if len(piece.strip(" .,:;()")) > 5 and piece.strip() not in other
    ]
    assert len(looked_for) > 100
    for page in pages_of(CZECH, Texts(CZECH)):
        text = _without(words_of(page))
        assert [piece for piece in looked_for if re.search(rf"\b{re.escape(piece)}\b", text)] == []


def test_every_code_of_the_data_has_its_words() -> None:
    """Buckets, ages, what happened, proofs: what the models can say is in the catalogue."""
    reports = PROJECT / "include" / "sql" / "reports"
    backlog = (reports / "promise" / "backlog.sql").read_text()
    ageing = (reports / "stock" / "stock_ageing.sql").read_text()
    happened = (reports / "stock" / "stock_change_daily.yml").read_text().partition("What happened: ")[2]
    kinds = re.findall(r"\w+", happened.partition('."')[0].replace(" or ", " "))
    codes = {
        "backlog": re.findall(r"'(\w+)'", backlog.partition("unnest([\n")[2].partition("])")[0]),
        "ageing": re.findall(
            r"(?:then|else) '([\w ]+)'", ageing.partition("case a.bucket_no")[2].partition("end as")[0]
        ),
        "happened": kinds,
        "proof": list(get_args(Proof)),
        "state": [*STATES, "other"],
        "figure": [figure.key for figure in FIGURES],
        "unit": [figure.unit for figure in FIGURES if figure.unit],
        "part": list(PARTS),
        "chart": [chart.key for chart in CHARTS],
        "series": [name for chart in CHARTS for name in chart.series],
        "severity": ["critical", "warning", "info", "fail", "warn"],
    }
    assert (tuple(codes["backlog"]), tuple(codes["ageing"]), tuple(codes["proof"])) == (BUCKETS, AGES, PROOFS)
    assert len(kinds) == 8
    for kind, values in codes.items():
        for value in values:
            assert f"{kind}.{value}" in catalogue_of("en")


def test_every_text_is_used() -> None:
    """A text that no page and no mail says is taken out of the catalogues."""
    sources = [*ROOM.glob("*.py"), *(ROOM / "templates").glob("*.html"), ROOM.parent / "fleet" / "page.py"]
    code = "\n".join(file.read_text() for file in sources if isinstance(file, Path))
    unused = [key for key in catalogue_of("en") if f"{key}'" not in code and f'{key}"' not in code]
    assert {key.split(".")[0] for key in unused} <= set(FAMILIES)


def test_a_language_without_a_catalogue_has_english_texts_and_its_own_figures() -> None:
    """A German shop reads English, with figures as in Germany."""
    page = report_html(full_summary(), Locale.parse("de_DE"))
    assert '<html lang="en">' in page
    assert "Stock was worth 1.507.367\xa0€".replace("€", "CZK") in page


@pytest.mark.parametrize(("n", "text"), [(0, "kusů"), (1, "kus"), (2, "kusy"), (4, "kusy"), (5, "kusů"), (22, "kusů")])
def test_a_count_chooses_its_form(n: int, text: str) -> None:
    """Czech has three forms for whole numbers."""
    assert Texts(CZECH)("unit.pieces", n=n) == text


def test_what_is_filled_in_cannot_become_markup() -> None:
    """The catalogue's own markup stays, what the data say is escaped."""
    said = Texts(ENGLISH).markup("months.to_sign", month="<b>", account="&", code="2026-02")
    assert "&lt;b&gt; of &amp; is not signed. <b>Next step:</b>" in said


def _without(text: str) -> str:
    for word in sorted([*DATA_WORDS, "what is wrong", "m.xlsx", "d" * 64, "load"], key=len, reverse=True):
        text = text.replace(word, " ")
    return text


def _replaced(text: Text) -> Text:
    if not isinstance(text, str):
        return {form: str(_replaced(each)) for form, each in text.items()}
    return "".join(
        piece if piece[:1] in "{<" else re.sub(r"[^\W\d_]", "ж", piece) for piece in re.split(r"({\w+}|<[^>]+>)", text)
    )


def test_rows_that_break_a_check_are_counted_in_the_language_of_the_page() -> None:
    """What the books say of a check in English is no text of a Czech page."""
    texts = {locale: unescape(report_html(full_summary(), locale)) for locale in (ENGLISH, CZECH)}

    assert "2 rows" in texts[ENGLISH]
    assert "2 řádky" in texts[CZECH]
    assert "2 rows" not in texts[CZECH]
