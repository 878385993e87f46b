"""The one Chalice app: makes it, says which browsers may call it, and registers every room's routes."""

# The store's library from up here: imported from ten rooms below, it has Python map and unmap a piece of its stack
# with every other call, a tenth of a cold start.
import pynamodb.models  # noqa: F401
from chalice.app import Chalice, CORSConfig

from chalicelib.access.routes import routes as access
from chalicelib.accounts.routes import routes as accounts
from chalicelib.catalog.routes import routes as catalog
from chalicelib.commissions.events import events as commissions_events
from chalicelib.commissions.routes import routes as commissions
from chalicelib.distributors.routes import routes as distributors
from chalicelib.ledger.events import events as ledger_events
from chalicelib.levels.routes import routes as levels
from chalicelib.operations.events import events as operations_events
from chalicelib.operations.routes import routes as operations
from chalicelib.orders.routes import routes as orders
from chalicelib.payouts.routes import routes as payouts
from chalicelib.programs.routes import routes as programs
from chalicelib.referrals.routes import routes as referrals
from chalicelib.withdrawals.routes import routes as withdrawals

app = Chalice(app_name="tributary")

# Browsers send the bearer token by hand, so any origin may ask: there are no cookies to steal a ride on.
# Set before the routes are registered: Chalice copies it into each.
app.api.cors = CORSConfig(
    allow_origin="*",
    allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
    expose_headers=["X-Request-Id", "X-Next-Cursor"],
    max_age=600,
)

app.register_blueprint(access.blueprint)
app.register_blueprint(programs.blueprint)
app.register_blueprint(catalog.blueprint)
app.register_blueprint(distributors.blueprint)
app.register_blueprint(referrals.blueprint)
app.register_blueprint(orders.blueprint)
app.register_blueprint(payouts.blueprint)
app.register_blueprint(levels.blueprint)
app.register_blueprint(accounts.blueprint)
app.register_blueprint(commissions.blueprint)
app.register_blueprint(commissions_events)
app.register_blueprint(ledger_events)
app.register_blueprint(withdrawals.blueprint)
app.register_blueprint(operations.blueprint)
app.register_blueprint(operations_events)
