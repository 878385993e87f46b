"""The plan's schema: what must be said, what may be left out, what is refused."""

import copy
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from chalicelib.programs.document import parse, presets
from chalicelib.programs.model import Acknowledgement, Channel, Demotion, EntryMode, Evidence, Measure, read_plan

LEVEL = {"rank": 1, "name": "Member", "rate_bp": 800, "target": 0}
LEAST: dict[str, Any] = {"tracks": {"default": {"levels": [LEVEL], "measure": "monthly_sales"}}}


def test_the_least_plan_means_what_the_documented_defaults_say() -> None:
    plan = parse(LEAST).means()
    track = plan.tracks["default"]
    assert (track.name, track.entry.mode, track.promotion) == ("default", EntryMode.OPEN, "next_day")
    assert (track.demotion, track.upline_rates_bp) == (None, ())
    assert plan.attribution.precedence == (Evidence.BINDING, Evidence.CODE, Evidence.COUPON, Evidence.CLICK)
    assert (plan.attribution.click_days, plan.attribution.binding.days) == (30, 0)
    assert plan.attribution.binding.bind_on_order
    assert (plan.commission.cap_bp, plan.commission.over_cap, plan.commission.self_purchase) == (5000, "refuse", "self")
    assert (plan.close_hours, plan.hold.days, plan.hold.auto_complete_days) == (3, 7, 15)
    assert plan.withdrawal.channels["bank"] == Channel(24, 48)
    assert plan.acknowledgements == ()


def test_the_document_is_kept_whole_and_reads_back_the_same() -> None:
    written = parse(LEAST).written()
    assert parse(written).written() == written
    assert parse(written).means() == parse(LEAST).means()
    assert set(written) == {
        *("tracks", "attribution", "commission", "close_hours"),
        *("hold", "withdrawal", "acknowledgements"),
    }


def test_fields_that_newer_code_has_written_mean_nothing() -> None:
    written = parse(LEAST).written()
    newer = copy.deepcopy(written) | {"zz_newer": 1}
    newer["tracks"]["default"]["zz_newer"] = newer["hold"]["zz_newer"] = {"of": "newer code"}
    assert read_plan(newer) == read_plan(written) == parse(LEAST).means()


def test_every_field_reaches_the_model() -> None:
    said = copy.deepcopy(LEAST)
    said["tracks"]["default"] |= {
        "entry": {"mode": "purchase", "skus": ["kit"], "amount_minor": 39800, "orders": 2},
        "demotion": {"misses": 3, "steps": 1},
        "uplines": [{"rate_bp": 200}],
        "promotion": "manual",
    }
    said["withdrawal"] = {"peak_days": ["2026-11-11"], "release": "weekly:5", "channels": {}}
    said["acknowledgements"] = [{"of": "three_tiers", "by": "wang", "reason": "Counsel agreed."}]
    plan = parse(said).means()
    track = plan.tracks["default"]
    assert (track.entry.skus, track.entry.amount_minor, track.entry.orders) == (("kit",), 39800, 2)
    assert (track.demotion, track.upline_rates_bp, track.promotion) == (Demotion(3, 1), (200,), "manual")
    assert track.measure is Measure.MONTHLY_SALES
    assert plan.withdrawal.peak_days == (date(2026, 11, 11),)
    assert (plan.withdrawal.release, plan.withdrawal.channels) == ("weekly:5", {})
    assert plan.acknowledgements == (Acknowledgement("three_tiers", "wang", "Counsel agreed."),)


WRONG = [
    ("", "joining_fee_minor", 39800, "extra_forbidden"),
    ("tracks.default", "fee_minor", 100, "extra_forbidden"),
    ("tracks.default.levels.0", "rate_bp", 10_001, "less_than_equal"),
    ("tracks.default.levels.0", "rate_bp", 200.0, "int_type"),
    ("tracks.default.levels.0", "rate_bp", "200", "int_type"),
    ("tracks.default.levels.0", "rate_bp", True, "int_type"),
    ("tracks.default.levels.0", "target", -1, "greater_than_equal"),
    ("tracks.default", "levels", [], "too_short"),
    ("tracks.default", "measure", "weekly_sales", "enum"),
    ("tracks.default", "promotion", "at_once", "literal_error"),
    ("tracks", "a/b", LEAST["tracks"]["default"], "string_pattern_mismatch"),
    ("", "close_hours", 0, "greater_than_equal"),
    ("", "close_hours", 73, "less_than_equal"),
    ("", "withdrawal", {"release": "weekly:8"}, "string_pattern_mismatch"),
    ("", "withdrawal", {"release": "monthly:29"}, "string_pattern_mismatch"),
    ("", "withdrawal", {"tax": "some"}, "literal_error"),
    ("", "withdrawal", {"peak_days": ["11-11"]}, "value_error"),
    ("", "acknowledgements", [{"of": "four_tiers", "by": "w", "reason": "r"}], "literal_error"),
    ("", "acknowledgements", [{"of": "three_tiers", "by": "", "reason": "r"}], "string_too_short"),
]


@pytest.mark.parametrize(("where", "field", "value", "code"), WRONG)
def test_a_wrong_field_is_refused(where: str, field: str, value: object, code: str) -> None:
    said = copy.deepcopy(LEAST)
    place: Any = said
    for step in where.split(".") if where else []:
        place = place[int(step) if step.isdigit() else step]
    place[field] = value
    with pytest.raises(ValidationError) as refused:
        parse(said)
    assert [error["type"] for error in refused.value.errors()] == [code]


def test_presets_say_what_they_are_known_for() -> None:
    rocket = presets()["rocket-snail-7"].means()
    ladder = rocket.tracks["default"].levels
    assert [level.rate_bp for level in ladder] == [200, 400, 600, 800, 1000, 1200, 1500]
    assert [level.target // 100 for level in ladder] == [0, 1000, 2500, 5000, 10_000, 20_000, 50_000]
    assert rocket.tracks["default"].demotion == Demotion(3, 1)
    assert (rocket.tracks["default"].upline_rates_bp, rocket.commission.over_cap) == ((200,), "clamp")
    medals = presets()["bronze-silver-gold"].means().tracks["default"]
    assert [(level.target, level.rate_bp) for level in medals.levels] == [(0, 2000), (100, 4000), (500, 6000)]
    assert medals.measure is Measure.LIFETIME_ORDERS
    teacher = presets()["teacher"].means()
    assert Evidence.BINDING not in teacher.attribution.precedence
    assert {name: (t.entry.mode, len(t.levels), t.upline_rates_bp) for name, t in teacher.tracks.items()} == {
        "everyone": (EntryMode.OPEN, 1, ()),
        "agent": (EntryMode.INVITE, 3, ()),
    }
    three = presets()["three-tier"].means().tracks["default"]
    assert (len(three.levels), three.upline_rates_bp) == (1, (200, 100))


@pytest.mark.parametrize("name", ["rocket-snail-7", "bronze-silver-gold", "teacher", "three-tier"])
def test_a_preset_leaves_nothing_to_a_default(name: str) -> None:
    written = presets()[name].written()
    for track in written["tracks"].values():
        track["entry"] = {"mode": track["entry"]["mode"]}
    assert presets()[name].model_dump(mode="json", exclude_unset=True) == written
