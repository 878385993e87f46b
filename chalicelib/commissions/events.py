"""The function that decides: fed by the orders table's stream, apart from the API so that neither slows the other."""

# The store's library from up here: imported from ten rooms below, it has Python map and unmap a piece of its stack
# with every other call, a tenth of a cold start.
import pynamodb.models  # noqa: F401
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
