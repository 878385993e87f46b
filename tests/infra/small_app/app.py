"""As little of an app as there is something to deploy in: a route that puts, a stream handler, a first key."""

from chalice.app import Chalice
from chalicelib.events import events
from chalicelib.routes import routes

app = Chalice(app_name="tributary")
app.register_blueprint(routes)
app.register_blueprint(events)
