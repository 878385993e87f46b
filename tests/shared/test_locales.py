"""Texts that people see: the same in both languages, and amounts and rates as people read them."""

import string
from datetime import date

import pytest

from chalicelib.shared import money
from chalicelib.shared.locales import LANGUAGES, say, texts


def fields(text: str) -> set[str]:
    """What a text asks to be filled in with: `by.month` asks for `by`."""
    named = (name for _, name, _, _ in string.Formatter().parse(text) if name is not None)
    return {name.partition(".")[0] for name in named}


def test_both_languages_have_the_same_texts_about_the_same_facts() -> None:
    zh, en = (texts(language) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    assert {key: fields(text) for key, text in zh.items()} == {key: fields(text) for key, text in en.items()}


def test_a_day_is_told_as_people_say_it() -> None:
    facts = {"misses": 2, "missing": "1.00 CNY", "by": date(2026, 12, 31)}
    assert "12月31日前" in say("zh", "level_wipe", **facts)
    assert "by December 31 " in say("en", "level_wipe", **facts)


def test_a_text_that_is_missing_is_no_text() -> None:
    with pytest.raises(KeyError):
        say("en", "no_such_text")
    with pytest.raises(KeyError):
        say("en", "level_now", name="V1")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "shown"),
    [
        (123_456_789, "CNY", "1,234,567.89 CNY"),
        (5, "USD", "0.05 USD"),
        (-1_050, "EUR", "-10.50 EUR"),
        (1_234, "JPY", "1,234 JPY"),
        (1_234, "KWD", "1.234 KWD"),
        (0, "CNY", "0.00 CNY"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount_minor: int, currency: str, shown: str) -> None:
    assert money.shown(amount_minor, currency) == shown


@pytest.mark.parametrize(("rate_bp", "shown"), [(800, "8%"), (425, "4.25%"), (1050, "10.5%"), (5, "0.05%"), (0, "0%")])
def test_a_rate_is_told_in_percent(rate_bp: int, shown: str) -> None:
    assert money.percent(rate_bp) == shown
