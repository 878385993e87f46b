"""Who may do what: the design as data. Letters: S storefront, O operator, A auditor, D distributor, P platform."""

from app import app
from chalicelib.access.door import LETTERS, ROUTES

SCOPES = {
    "GET /health": "",
    "GET /v1/openapi.json": "",
    "GET /docs": "",
    "GET /v1/me": "S O A D P",
    "POST /v1/programs": "P",
    "GET /v1/programs": "P",
    "GET /v1/program": "S O A D",
    "PATCH /v1/program": "O",
    "GET /v1/presets": "O",
    "POST /v1/program/plans/check": "O",
    "POST /v1/program/plans": "O",
    "GET /v1/program/plans": "O A D",
    "GET /v1/program/plans/{version}": "O A D",
    "POST /v1/keys": "P",
    "GET /v1/keys": "P",
    "DELETE /v1/keys/{key_id}": "P",
    "GET /v1/audit": "O A",
    "PUT /v1/products/{sku}": "O",
    "GET /v1/products/{sku}": "S O A",
    "DELETE /v1/products/{sku}": "O",
    "GET /v1/products": "S O A",
    "PUT /v1/coupons/{code}": "O",
    "GET /v1/coupons/{code}": "S O A",
    "DELETE /v1/coupons/{code}": "O",
    "POST /v1/distributors": "S O",
    "GET /v1/distributors": "S O A",
    "GET /v1/distributors/{distributor_id}": "S O A D",
    "PATCH /v1/distributors/{distributor_id}": "S O",
    "POST /v1/distributors/{distributor_id}/approve": "O",
    "POST /v1/distributors/{distributor_id}/reject": "O",
    "POST /v1/distributors/{distributor_id}/suspend": "O",
    "POST /v1/distributors/{distributor_id}/reinstate": "O",
    "POST /v1/distributors/{distributor_id}/close": "O",
    "POST /v1/distributors/{distributor_id}/sponsor": "O",
    "GET /v1/distributors/{distributor_id}/balance": "O A D",
    "GET /v1/distributors/{distributor_id}/statement": "O A D",
    "GET /v1/distributors/{distributor_id}/commissions": "O A D",
    "GET /v1/distributors/{distributor_id}/orders": "O A D",
    "GET /v1/distributors/{distributor_id}/customers": "O A D",
    "GET /v1/distributors/{distributor_id}/downline": "O A D",
    "POST /v1/distributors/{distributor_id}/sessions": "S O",
    "POST /v1/invitations": "O",
    "POST /v1/clicks": "S",
    "POST /v1/referrals": "S O",
    "GET /v1/referrals/{customer_id}": "S O A",
    "POST /v1/orders": "S",
    "POST /v1/orders/batch": "S",
    "POST /v1/orders/{order_id}/complete": "S",
    "POST /v1/orders/{order_id}/cancel": "S",
    "POST /v1/orders/{order_id}/refunds": "S",
    "GET /v1/orders": "S O A",
    "GET /v1/orders/{order_id}": "S O A D",
    "GET /v1/orders/{order_id}/explanation": "S O A D",
    "POST /v1/orders/{order_id}/attribution": "O",
    "GET /v1/distributors/{distributor_id}/progress": "O A D",
    "GET /v1/distributors/{distributor_id}/levels": "O A D",
    "POST /v1/distributors/{distributor_id}/level": "O",
    "GET /v1/levels/changes": "O A",
    "POST /v1/levels/preview": "O A",
    "POST /v1/payout-methods": "D O",
    "GET /v1/payout-methods": "D O",
    "DELETE /v1/payout-methods/{method_id}": "D O",
    "GET /v1/payouts/batches": "O",
    "GET /v1/payouts/batches/{batch_id}/file": "O",
    "GET /v1/payouts/notices/{channel}/secret": "O",
    "POST /v1/payouts/notices/{channel}": "",
    "GET /v1/jobs": "O A",
    "POST /v1/reports/reconciliation": "O A",
    "GET /v1/reports/reconciliation": "O A",
    "GET /v1/commissions": "O A D",
    "GET /v1/commissions/{commission_id}": "O A D",
    "POST /v1/withdrawals": "O D",
    "GET /v1/withdrawals": "O A D",
    "GET /v1/withdrawals/{withdrawal_id}": "O A D",
    "POST /v1/withdrawals/{withdrawal_id}/approve": "O",
    "POST /v1/withdrawals/{withdrawal_id}/reject": "O",
    "POST /v1/withdrawals/{withdrawal_id}/cancel": "O D",
    "POST /v1/withdrawals/{withdrawal_id}/retry": "O",
    "POST /v1/withdrawals/{withdrawal_id}/resolve": "O",
    "POST /v1/payouts/batches/{batch_id}/results": "O",
    "GET /v1/exports/commissions.csv": "O A",
    "GET /v1/exports/statement.csv": "O A D",
    "POST /v1/adjustments": "O",
    "POST /v1/adjustments/{adjustment_id}/approve": "O",
    "GET /v1/adjustments": "O A",
    "POST /v1/distributors/{distributor_id}/write-off": "O",
    "GET /v1/quarantine": "O A",
    "POST /v1/quarantine/{quarantine_id}/redrive": "O",
    "POST /v1/test/clock": "O",
    "GET /v1/test/clock": "O",
}


def test_every_route_lets_in_who_the_design_says() -> None:
    letters = {scope: letter for letter, scope in LETTERS.items()}
    found = {f"{r.method} {r.path}": " ".join(sorted(letters[s] for s in r.scopes)) for r in ROUTES}
    assert found == {route: " ".join(sorted(scopes.split())) for route, scopes in SCOPES.items()}


def test_every_route_of_the_app_comes_through_the_door() -> None:
    behind_the_door = {(route.method, route.path) for route in ROUTES}
    assert {(method, path) for path, views in app.routes.items() for method in views} == behind_the_door


SIGNED = "/v1/payouts/notices/{channel}"


def test_only_the_description_the_health_and_what_is_signed_are_open() -> None:
    assert {route.path for route in ROUTES if not route.scopes} == {"/health", "/docs", "/v1/openapi.json", SIGNED}
