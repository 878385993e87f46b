"""The function that decides: fed by the orders table's stream, apart from the API so that neither slows the other."""

from chalice.app import Blueprint, DynamoDBEvent

from chalicelib.commissions import service
from chalicelib.orders.changes import SOURCE, order_of
from chalicelib.shared import settings, streams

events = Blueprint(__name__)


@events.on_dynamodb_record(
    stream_arn=settings.orders_stream_arn(),
    name="decide_orders",
    batch_size=100,
    starting_position="TRIM_HORIZON",
)
def decide_orders(event: DynamoDBEvent) -> None:
    """Decide and book each order of the batch. Raises streams.Unfinished if the store failed for any."""
    streams.work_off(event, SOURCE, order_of, service.decide_one, service.foresee)
