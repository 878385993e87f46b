"""What every channel keeps to, and what the pretend provider does."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.payouts import service
from chalicelib.payouts.channels import CHANNELS, Channel, accounts
from chalicelib.payouts.channels.pretend import DAY, book
from chalicelib.payouts.model import Answer, ContentChanged, NoAnswer, NotPayable, Payout, Result
from chalicelib.programs.rules import CHANNELS as PLANNED
from chalicelib.programs.rules import PRETEND
from chalicelib.shared.errors import Invalid
from tests.payouts.cashier import ACCOUNT, payout
from tests.support_faults import Crash, failing
from tests.support_market import START

ACCOUNTS: Mapping[str, dict[str, str]] = {
    "bank": ACCOUNT,
    "wechat": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "real_name": "张三"},
    "alipay": {"login_id": "13800138000", "real_name": "张三"},
    "stripe": {"account_id": "acct_1032D82eZvKYlo2C"},
    "other": {"service": "PayPal", "account": "zhang.san@example.com", "holder_name": "张三"},
    "pretend": {"behaviour": "accept"},
}
"""An account at each channel. A channel without one fails the tests below."""

EACH = pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda channel: channel.name)
PAYING = pytest.mark.parametrize("name", [name for name, channel in CHANNELS.items() if channel.payable])


def asked(channel: Channel, **more: Any) -> Payout:
    return payout(account=accounts.read(channel.name, ACCOUNTS[channel.name]), **more)


def test_a_plan_may_name_these_channels_and_no_other() -> None:
    assert set(CHANNELS) == PLANNED | {PRETEND} == set(ACCOUNTS) == set(accounts.ACCOUNTS)
    assert {name: channel.name for name, channel in CHANNELS.items()} == {name: name for name in CHANNELS}
    assert [service.channel_of(name) for name in CHANNELS] == list(CHANNELS.values())


def test_what_can_pay_now_is_said() -> None:
    assert {name for name, channel in CHANNELS.items() if channel.payable} == {"bank", "other", "pretend"}
    assert {name for name, channel in CHANNELS.items() if channel.file_columns} == {"bank", "other"}


@EACH
def test_an_account_is_read_in_one_way_of_writing(channel: Channel) -> None:
    account = accounts.read(channel.name, ACCOUNTS[channel.name])
    assert accounts.read(channel.name, account) == account
    assert all(isinstance(value, str) for value in account.values())


@EACH
@pytest.mark.parametrize("wrong", [{"more": "x"}, {}, None], ids=["one more", "nothing", "a number"])
def test_what_is_wrong_with_an_account_is_said_by_field(channel: Channel, wrong: dict[str, str] | None) -> None:
    good = ACCOUNTS[channel.name]
    told: Any = {name: 7 for name in good} if wrong is None else good | wrong if wrong else {}
    with pytest.raises(Invalid) as refused:
        accounts.read(channel.name, told)
    pointers = {error.pointer for error in refused.value.errors}
    wanted = {f"/account/{name}" for name in good}
    assert pointers == {"/account/more"} if wrong else pointers and pointers <= wanted
    assert not any(value in str(refused.value.errors) for value in good.values() if len(value) > 6)


@EACH
def test_what_is_shown_of_an_account_is_not_the_account(channel: Channel) -> None:
    account = accounts.read(channel.name, ACCOUNTS[channel.name])
    masked = channel.masked(account)
    assert masked
    assert channel.name == "pretend" or not any(value in masked for value in account.values())


@EACH
def test_an_account_is_itself_for_every_distributor_but_pretence_is_free(channel: Channel) -> None:
    account = accounts.read(channel.name, ACCOUNTS[channel.name])
    same = channel.identity(account, "dst_1") == channel.identity(account, "dst_2")
    assert same == (channel.name != "pretend")
    assert channel.identity(account, "dst_1") == channel.identity(account, "dst_1")


@PAYING
def test_invariant_27_the_same_payout_again_is_accepted_and_pays_once(name: str) -> None:
    channel, now = CHANNELS[name], asked(CHANNELS[name])
    assert channel.submit(now).result is Result.ACCEPTED
    assert channel.submit(replace(now, at=START + timedelta(hours=5))).result is Result.ACCEPTED
    assert len(list(book("shop-1"))) == (0 if channel.file_columns else 1)
    assert channel.query(now).result in (Result.ACCEPTED, Result.PAID)
    assert channel.window >= timedelta(days=1)


@PAYING
def test_evidence_says_nothing_personal(name: str) -> None:
    channel = CHANNELS[name]
    answers = [channel.submit(asked(channel)), channel.query(asked(channel))]
    for answer in answers:
        assert answer.evidence
        assert not any(value in answer.evidence for value in ACCOUNTS["bank"].values())


@pytest.mark.parametrize("name", [name for name, channel in CHANNELS.items() if not channel.payable])
def test_a_channel_that_cannot_pay_yet_says_so(name: str) -> None:
    channel = CHANNELS[name]
    for ask in (channel.submit, channel.query):
        with pytest.raises(NotPayable):
            ask(asked(channel))


@pytest.mark.parametrize(
    ("channel", "account", "masked"),
    [
        ("bank", {"account_number": "GB82 WEST 1234 5698 7654 32"}, "**** 5432"),
        ("bank", {"account_number": "gb82-west-1234-5698-7654-32"}, "**** 5432"),
        ("alipay", {"login_id": "Zhang.San@Example.com"}, "**** @Example.com"),
        ("alipay", {}, "**** 8000"),
        ("wechat", {}, "**** eS6o"),
        ("stripe", {}, "**** lo2C"),
        ("other", {}, "**** @example.com"),
        ("other", {"service": "PromptPay", "account": "0812345678"}, "**** 678"),
        ("other", {"service": "Cash", "account": "me"}, "****"),
    ],
)
def test_how_accounts_are_shown(channel: str, account: dict[str, str], masked: str) -> None:
    through = CHANNELS[channel]
    assert through.masked(accounts.read(channel, ACCOUNTS[channel] | account)) == masked


@pytest.mark.parametrize(
    ("channel", "one", "other"),
    [
        ("bank", {"account_number": "GB82WEST12345698765432"}, {"account_number": "gb82 west 1234-5698 7654-32"}),
        ("bank", {"bank_name": "中国银行"}, {"bank_name": "BOC", "holder_name": "Zhang San"}),
        ("alipay", {"login_id": "Zhang@Example.com"}, {"login_id": "zhang@example.com"}),
        ("wechat", {"real_name": "张三"}, {"real_name": "Zhang San"}),
        ("other", {"account": "Zhang@Example.com"}, {"account": "zhang@example.com", "service": "Pay Pal"}),
        ("other", {"account": "081 234 5678"}, {"account": "0812345678", "holder_name": "Zhang San"}),
    ],
)
def test_one_account_in_two_ways_of_writing_is_one(channel: str, one: dict[str, str], other: dict[str, str]) -> None:
    through = CHANNELS[channel]
    read = [accounts.read(channel, ACCOUNTS[channel] | each) for each in (one, other)]
    assert len({through.identity(account, "dst_1") for account in read}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_number", "1234567"),
        ("account_number", "1" * 35),
        ("account_number", "6222020200113445; DROP"),
        ("account_number", "６２２２０２０２００１１３４４５"),
        ("holder_name", ""),
        ("holder_name", "  "),
        ("holder_name", "x" * 101),
        ("holder_name", "张\n三"),
        ("holder_name", "张\u202e三"),
        ("bank_name", "a\tb"),
        ("bank_name", "a\u2028b"),
    ],
)
def test_what_is_no_bank_account_is_refused(field: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.read("bank", ACCOUNT | {field: value})
    assert [error.pointer for error in refused.value.errors] == [f"/account/{field}"]


def test_a_name_may_be_in_any_script() -> None:
    for name in ("𠮷野家", "Müller-Lüdenscheidt, Ottilie", "محمد", "阿凡提·买买提"):
        assert accounts.read("bank", ACCOUNT | {"holder_name": name})["holder_name"] == name


class Provider:
    """The pretend provider with one payout, at hours after `START`."""

    def __init__(self, behaviour: str) -> None:
        self.payout = payout(account={"behaviour": behaviour})

    def at(self, hours: float) -> Payout:
        return replace(self.payout, at=START + timedelta(hours=hours))

    def submit(self, hours: float = 0) -> Answer:
        return CHANNELS["pretend"].submit(self.at(hours))

    def query(self, hours: float = 0) -> Answer:
        return CHANNELS["pretend"].query(self.at(hours))

    def told(self, hours: float) -> tuple[str, timedelta | None]:
        answer = self.query(hours)
        return answer.result.value, answer.look_in

    @property
    def booked(self) -> int:
        return len(list(book("shop-1")))


def test_accept_is_paid_as_soon_as_one_asks() -> None:
    provider = Provider("accept")
    assert provider.submit() == Answer(Result.ACCEPTED, "pretend: accepted", timedelta())
    assert provider.told(0) == ("paid", None)
    assert provider.told(1_000) == ("paid", None)


def test_delay_takes_24_hours() -> None:
    provider = Provider("delay")
    assert provider.submit().look_in == DAY
    assert provider.told(1) == ("accepted", timedelta(hours=23))
    assert provider.told(24) == ("paid", None)


def test_a_lost_request_is_not_found_until_it_is_sent_again() -> None:
    provider = Provider("lose_request")
    assert provider.told(0) == ("not_found", None)
    with pytest.raises(NoAnswer):
        provider.submit()
    assert (provider.told(1), provider.booked) == (("not_found", None), 0)
    assert provider.submit(2).result is Result.ACCEPTED
    assert (provider.told(2), provider.booked) == (("paid", None), 1)
    assert provider.submit(3).result is Result.ACCEPTED
    assert [line.at for line in book("shop-1")] == [START + timedelta(hours=2)]


def test_a_lost_answer_was_a_payment() -> None:
    provider = Provider("lose_answer")
    with pytest.raises(NoAnswer):
        provider.submit()
    assert (provider.told(0), provider.booked) == (("paid", None), 1)
    assert provider.submit().result is Result.ACCEPTED
    assert provider.booked == 1


def test_fail_says_so_when_asked() -> None:
    provider = Provider("fail")
    assert provider.submit().result is Result.ACCEPTED
    assert provider.told(0) == ("failed", None)


def test_return_is_paid_and_comes_back_after_24_hours() -> None:
    provider = Provider("return")
    assert provider.submit().result is Result.ACCEPTED
    assert provider.told(0) == ("paid", DAY)
    assert provider.told(23) == ("paid", timedelta(hours=1))
    assert provider.told(24) == ("returned", None)


@pytest.mark.parametrize("behaviour", ["accept", "lose_request", "lose_answer"])
@pytest.mark.parametrize("changed", [{"amount_minor": 1}, {"currency": "USD"}, {"account": {"behaviour": "delay"}}])
def test_invariant_27_other_content_under_the_same_reference_is_a_mistake(
    behaviour: str, changed: dict[str, Any]
) -> None:
    provider = Provider(behaviour)
    try:
        provider.submit()
    except NoAnswer:
        assert behaviour.startswith("lose")
    with pytest.raises(ContentChanged):
        CHANNELS["pretend"].submit(replace(provider.payout, **changed))
    assert provider.booked == (behaviour != "lose_request")


def test_each_program_has_a_book_of_its_own() -> None:
    CHANNELS["pretend"].submit(payout(account={"behaviour": "accept"}))
    other = payout(account={"behaviour": "accept"}, program_id="shop-2")
    assert CHANNELS["pretend"].query(other).result is Result.NOT_FOUND
    assert list(book("shop-2")) == []
    (line,) = book("shop-1")
    assert (line.reference, line.amount_minor, line.currency, line.behaviour) == ("T1", 12_345, "CNY", "accept")


@pytest.mark.parametrize("answered", [False, True])
def test_a_crash_while_booking_books_once(answered: bool) -> None:
    provider = Provider("accept")
    with pytest.raises(Crash), failing({1}, answered=answered):
        provider.submit()
    assert provider.query().result is (Result.PAID if answered else Result.NOT_FOUND)
    assert provider.submit().result is Result.ACCEPTED
    assert (provider.told(0), provider.booked) == (("paid", None), 1)
