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

    def means(self) -> model.Entry:
        """The same as the room's noun."""
        return model.Entry(self.mode, self.skus, self.amount_minor, self.orders)


class LevelDocument(http.Body):
    """A rank, what it pays, and what must be sold for it."""

    rank: Annotated[int, Field(ge=1, le=50)]
    name: Name
    rate_bp: http.Bp
    target: http.Minor

    def means(self) -> model.Level:
        """The same as the room's noun."""
        return model.Level(self.rank, self.name, self.rate_bp, self.target)


class DemotionDocument(http.Body):
    """How many missed months in a row lower by how many ranks."""

    misses: Annotated[int, Field(ge=1, le=120)]
    steps: Annotated[int, Field(ge=1, le=50)]


class UplineDocument(http.Body):
    """What a seller's upline earns."""

    rate_bp: http.Bp


class TrackDocument(http.Body):
    """One ladder of levels."""

    entry: EntryDocument = EntryDocument()
    # A list, not a tuple: a tuple with one wrong level would also be reported as too short.
    levels: Annotated[list[LevelDocument], Field(min_length=1, max_length=50)]
    measure: model.Measure
    promotion: Literal["next_day", "manual"] = "next_day"
    demotion: DemotionDocument | None = None
    uplines: Annotated[tuple[UplineDocument, ...], Field(max_length=10)] = ()

    def means(self, name: str) -> model.Track:
        """The same as the room's noun."""
        demotion = model.Demotion(self.demotion.misses, self.demotion.steps) if self.demotion else None
        return model.Track(
            name,
            self.entry.means(),
            tuple(level.means() for level in self.levels),
            self.measure,
            self.promotion,
            demotion,
            tuple(upline.rate_bp for upline in self.uplines),
        )


class BindingDocument(http.Body):
    """How long a customer stays bound, and who may take it over."""

    days: Days = 0
    takeover: model.Takeover = model.Takeover.NEVER
    takeover_after_days: Days = 15
    bind_on_order: bool = True

    def means(self) -> model.BindingTerms:
        """The same as the room's noun."""
        return model.BindingTerms(self.days, self.takeover, self.takeover_after_days, self.bind_on_order)


class AttributionDocument(http.Body):
    """Whose order it is."""

    precedence: Annotated[tuple[model.Evidence, ...], Field(max_length=10)] = tuple(model.Evidence)
    click_days: Days = 30
    binding: BindingDocument = BindingDocument()

    def means(self) -> model.AttributionTerms:
        """The same as the room's noun."""
        return model.AttributionTerms(self.precedence, self.click_days, self.binding.means())


class CommissionDocument(http.Body):
    """Own orders and the cap."""

    self_purchase: model.SelfPurchase = model.SelfPurchase.SELF
    cap_bp: http.Bp = 5_000
    over_cap: model.OverCap = model.OverCap.REFUSE

    def means(self) -> model.CommissionTerms:
        """The same as the room's noun."""
        return model.CommissionTerms(self.self_purchase, self.cap_bp, self.over_cap)


class HoldDocument(http.Body):
    """How long a commission stays pending."""

    starts: model.HoldStart = model.HoldStart.COMPLETED
    days: Annotated[int, Field(ge=0, le=365)] = 7
    auto_complete_days: Annotated[int, Field(ge=0, le=365)] = 15

    def means(self) -> model.Hold:
        """The same as the room's noun."""
        return model.Hold(self.starts, self.days, self.auto_complete_days)


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

    def means(self) -> model.WithdrawalTerms:
        """The same as the room's noun."""
        return model.WithdrawalTerms(
            min_minor=self.min_minor,
            max_minor=self.max_minor,
            fee_bp=self.fee_bp,
            fee_minor=self.fee_minor,
            per_day=self.per_day,
            review_above_minor=self.review_above_minor,
            release=self.release,
            method_age_hours=self.method_age_hours,
            tax=self.tax,
            channels={name: model.Channel(c.sla_hours, c.peak_sla_hours) for name, c in self.channels.items()},
            peak_days=self.peak_days,
        )


class AcknowledgementDocument(http.Body):
    """That somebody knowingly accepted what the plan check asks about."""

    of: Literal["three_tiers"]
    by: http.Text
    reason: http.Reason


class PlanDocument(http.Body):
    """The whole plan. Only `tracks`, with their levels and measure, must be said."""

    tracks: Annotated[dict[http.ExternalId, TrackDocument], Field(min_length=1, max_length=10)]
    attribution: AttributionDocument = AttributionDocument()
    commission: CommissionDocument = CommissionDocument()
    close_hours: Annotated[int, Field(ge=1, le=72)] = 3
    hold: HoldDocument = HoldDocument()
    withdrawal: WithdrawalDocument = WithdrawalDocument()
    acknowledgements: Annotated[tuple[AcknowledgementDocument, ...], Field(max_length=20)] = ()

    def means(self) -> model.Plan:
        """The plan that the rooms work with."""
        return model.Plan(
            {name: track.means(name) for name, track in self.tracks.items()},
            self.attribution.means(),
            self.commission.means(),
            self.close_hours,
            self.hold.means(),
            self.withdrawal.means(),
            tuple(model.Acknowledgement(a.of, a.by, a.reason) for a in self.acknowledgements),
        )

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
