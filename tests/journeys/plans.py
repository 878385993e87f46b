"""Plans that journeys are told under: one preset, and what a test needs to be different."""

import json
from typing import Any

from infra.paths import ROOT

_PRESETS = ROOT / "chalicelib" / "programs" / "presets"


def preset(name: str) -> dict[str, Any]:
    """A preset as it ships."""
    return dict(json.loads((_PRESETS / f"{name}.json").read_text()))


def rocket_snail(misses: int = 3) -> dict[str, Any]:
    """Seven levels by month; so many missed months lower a rank."""
    document = preset("rocket-snail-7")
    document["tracks"]["default"]["demotion"]["misses"] = misses
    return document


def plan(
    rate_bp: int = 800,
    uplines: tuple[int, ...] = (200, 100),
    *,
    cap_bp: int = 5000,
    entry: str = "open",
    self_purchase: str = "self",
    hold_starts: str = "completed",
    precedence: tuple[str, ...] = ("binding", "code", "coupon", "click"),
    **binding: Any,
) -> dict[str, Any]:
    """One level, three tiers unless told otherwise; a low cap clamps. `binding`: what of its terms is different."""
    document = preset("three-tier")
    track = document["tracks"]["default"]
    track["entry"]["mode"] = entry
    track["levels"][0]["rate_bp"] = rate_bp
    track["uplines"] = [{"rate_bp": rate} for rate in uplines]
    document["commission"] |= {"cap_bp": cap_bp, "over_cap": "clamp", "self_purchase": self_purchase}
    document["hold"]["starts"] = hold_starts
    document["attribution"]["precedence"] = list(precedence)
    document["attribution"]["binding"] |= binding
    return document
