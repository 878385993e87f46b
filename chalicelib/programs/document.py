"""The plan as JSON: what operators write, what is kept, and the `model.Plan` it means.

Strict types, unknown fields refused. A field with a default here may be left out; what is kept has every field written
out, so a later default never changes an old plan. What each field means is in docs/plan.md.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from chalicelib.programs import model
from chalicelib.shared import http

PRESETS: Final = Path(__file__).with_name("presets")

Hours = Annotated[int, Field(ge=1, le=8_760)]
Days = Annotated[int, Field(ge=0, le=3_650)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Release = Annotated[str, StringConstraints(pattern=r"^(daily|weekly:[1-7]|monthly:([1-9]|1[0-9]|2[0-8]))$")]


class EntryDocument(http.Body):
    """How one becomes a distributor; the conditions are for `purchase`."""

    mode: model.EntryMode = model.EntryMode.OPEN
    skus: Annotated[tuple[http.ExternalId, ...], Field(max_length=50)] = ()
    amount_minor: http.Minor = 0
    orders: Annotated[int, Field(ge=0, le=1_000)] = 0


class LevelDocument(http.Body):
    """A rank, what it pays, and what must be sold for it."""

    rank: Annotated[int, Field(ge=1, le=50)]
    name: Name
    rate_bp: http.Bp
    target: http.Minor


class DemotionDocument(http.Body):
    """How many missed months in a row lower by how many ranks."""

    misses: Annotated[int, Field(ge=1, le=120)]
    steps: Annotated[int, Field(ge=1, le=50)]


class UplineDocument(http.Body):
    """What a seller's upline earns."""

    rate_bp: http.Bp


class TrackDocument(http.Body):
    """One ladder of levels."""

    entry: EntryDocument = Field(default_factory=EntryDocument)
    # A list, not a tuple: a tuple with one wrong level would also be reported as too short.
    levels: Annotated[list[LevelDocument], Field(min_length=1, max_length=50)]
    measure: model.Measure
    promotion: Literal["next_day", "manual"] = "next_day"
    demotion: DemotionDocument | None = None
    uplines: Annotated[tuple[UplineDocument, ...], Field(max_length=10)] = ()


class BindingDocument(http.Body):
    """How long a customer stays bound, and who may take it over."""

    days: Days = 0
    takeover: model.Takeover = model.Takeover.NEVER
    takeover_after_days: Days = 15
    bind_on_order: bool = True


class AttributionDocument(http.Body):
    """Whose order it is."""

    precedence: Annotated[tuple[model.Evidence, ...], Field(max_length=10)] = tuple(model.Evidence)
    click_days: Days = 30
    binding: BindingDocument = Field(default_factory=BindingDocument)


class CommissionDocument(http.Body):
    """Own orders and the cap."""

    self_purchase: model.SelfPurchase = model.SelfPurchase.SELF
    cap_bp: http.Bp = 5_000
    over_cap: model.OverCap = model.OverCap.REFUSE


class HoldDocument(http.Body):
    """How long a commission stays pending."""

    starts: model.HoldStart = model.HoldStart.COMPLETED
    days: Annotated[int, Field(ge=0, le=365)] = 7
    auto_complete_days: Annotated[int, Field(ge=0, le=365)] = 15


class ChannelDocument(http.Body):
    """The promised arrival of a channel's payouts."""

    sla_hours: Hours
    peak_sla_hours: Hours


def _usual_channels() -> dict[str, ChannelDocument]:
    week = ChannelDocument(sla_hours=168, peak_sla_hours=360)
    return {"bank": ChannelDocument(sla_hours=24, peak_sla_hours=48), "wechat": week, "alipay": week}


class WithdrawalDocument(http.Body):
    """Limits, fees and rhythm of withdrawals."""

    min_minor: http.Minor = 100
    max_minor: http.Minor = 2_000_000
    fee_bp: http.Bp = 0
    fee_minor: http.Minor = 0
    per_day: Annotated[int, Field(ge=0, le=1_000)] = 3
    review_above_minor: http.Minor = 100_000
    release: Release = "daily"
    method_age_hours: Annotated[int, Field(ge=0, le=8_760)] = 24
    tax: Literal["none"] = "none"
    channels: Annotated[dict[http.ExternalId, ChannelDocument], Field(max_length=20)] = Field(
        default_factory=_usual_channels
    )
    peak_days: Annotated[tuple[http.Day, ...], Field(max_length=366)] = ()


class AcknowledgementDocument(http.Body):
    """That somebody knowingly accepted what the plan check asks about."""

    of: Literal["three_tiers"]
    by: http.Text
    reason: http.Reason


class PlanDocument(http.Body):
    """The whole plan. Only `tracks`, with their levels and measure, must be said."""

    tracks: Annotated[dict[http.ExternalId, TrackDocument], Field(min_length=1, max_length=10)]
    attribution: AttributionDocument = Field(default_factory=AttributionDocument)
    commission: CommissionDocument = Field(default_factory=CommissionDocument)
    close_hours: Annotated[int, Field(ge=1, le=72)] = 3
    hold: HoldDocument = Field(default_factory=HoldDocument)
    withdrawal: WithdrawalDocument = Field(default_factory=WithdrawalDocument)
    acknowledgements: Annotated[tuple[AcknowledgementDocument, ...], Field(max_length=20)] = ()

    def means(self) -> model.Plan:
        """The plan that the rooms work with."""
        return model.read_plan(self.written())

    def written(self) -> dict[str, object]:
        """The plan as JSON, every field written out."""
        return self.model_dump(mode="json")


def parse(plan: Mapping[str, object]) -> PlanDocument:
    """The document behind JSON that was already read. Raises pydantic's ValidationError."""
    # Through text: strict types are judged by JSON's rules there (a list is a tuple, a name an enum).
    return PlanDocument.model_validate_json(json.dumps(plan))


@cache
def presets() -> Mapping[str, PlanDocument]:
    """The plans that ship, by name."""
    files = sorted(PRESETS.glob("*.json"))
    return {file.stem: PlanDocument.model_validate_json(file.read_bytes()) for file in files}
