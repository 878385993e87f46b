"""A distributor's progress in words, Chinese and English."""

from collections.abc import Iterator, Mapping
from datetime import date

from chalicelib.levels.model import Progress
from chalicelib.programs.model import Level, Measure
from chalicelib.shared import money
from chalicelib.shared.locales import LANGUAGES, say

_JOINED = {"zh": "", "en": " "}
_SALES = (Measure.MONTHLY_SALES, Measure.LIFETIME_SALES)


def sentence(progress: Progress, currency: str) -> Mapping[str, str]:
    """What a distributor is told, by language."""
    return {
        language: (" " if language == "en" else "").join(_said(progress, currency, language)) for language in LANGUAGES
    }


def _said(progress: Progress, currency: str, language: str) -> Iterator[str]:
    def amount(volume: int) -> str:
        if progress.measure in _SALES:
            return money.shown(volume, currency)
        return say(language, "orders_one" if volume == 1 else "orders_many", count=f"{volume:,}")

    yield say(language, "level_now", **_named(progress.level))
    if progress.tomorrow.rank != progress.level.rank:
        way = "level_rises" if progress.tomorrow.rank > progress.level.rank else "level_falls"
        yield say(language, way, **_named(progress.tomorrow))
    span, volume = "month" if progress.measure.monthly else "lifetime", amount(progress.volume)
    if progress.next_level is None:
        yield say(language, f"level_none_above_{span}", volume=volume)
    else:
        missing = amount(progress.missing)
        yield say(language, f"level_next_{span}", volume=volume, missing=missing, **_named(progress.next_level))
    if progress.wipe_missing is not None and progress.wipe_by is not None:
        yield from _misses(progress, language, amount(progress.wipe_missing), progress.wipe_by)


def _misses(progress: Progress, language: str, missing: str, by: date) -> Iterator[str]:
    if not progress.wipe_missing:
        yield say(language, "level_wiped", misses=progress.misses)
        return
    yield say(language, "level_wipe", misses=progress.misses, missing=missing, by=by)
    if progress.misses_to_fall == 1 and not progress.spared:
        yield say(language, "level_last_chance")


def _named(level: Level) -> dict[str, object]:
    return {"name": level.name, "rate": money.percent(level.rate_bp)}
