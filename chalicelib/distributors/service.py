"""Who takes part: what the room does for others, and what operators and storefronts do with it."""

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from msgspec.structs import asdict, replace

from chalicelib.access import service as access
from chalicelib.access.model import Caller, Session
from chalicelib.distributors import rules
from chalicelib.distributors.model import Action, Application, Distributor, Invitation, Status, Wanted
from chalicelib.distributors.tables import ClaimItem, InvitationItem, ProfileItem, TreeItem, profile_key
from chalicelib.ledger.service import Holder
from chalicelib.programs import service as programs
from chalicelib.programs.model import EntryMode, Program, Track
from chalicelib.shared import clock, ids, repeats
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, NotFound, pointer
from chalicelib.shared.tables import Key, Put, Refused, changed_meanwhile, page, read_once, transact
from chalicelib.shared.value import Value

DEFAULT_TRACK: Final = "default"
CHAIN_MAX: Final = 1_000
"""How many sponsors are walked above one another before a move is refused."""
INVITATION_LIFE_MAX: Final = timedelta(days=400)
_CODE_LENGTH: Final = 10
PART: Final = 500
"""Distributors in a part of a walk over all of them: some seconds of work."""
START: Final = "-"
"""After whom the first part begins: an id is never empty where it is a key, and `-` sorts before `dst_`."""
_AT_ONCE: Final = 100
"""How many are read with one call."""
_SECRET_LENGTH: Final = 26
"""Some 128 random bits."""
_ATTEMPTS: Final = 3
"""How often a write that somebody else was faster with is tried on what is there then."""


def find(program_id: str, distributor_id: str) -> Distributor | None:
    """A distributor, or None."""

    def read() -> Distributor | None:
        item = _profile(program_id, distributor_id)
        return item.distributor() if item else None

    return read_once((Distributor, program_id, distributor_id), read)


def get(program_id: str, distributor_id: str) -> Distributor:
    """A distributor. Raises NotFound."""
    found = find(program_id, distributor_id)
    if found is None:
        raise _no_distributor(distributor_id)
    return found


def get_many(program_id: str, distributor_ids: Iterable[str]) -> dict[str, Distributor]:
    """Those of these distributors that exist, by id."""
    items = ProfileItem.find_many((profile_key(program_id, each), "profile") for each in distributor_ids)
    return {item.distributor_id: item.distributor() for item in items}


def foresee(program_id: str, user_ids: Iterable[str], codes: Iterable[str]) -> None:
    """Within `tables.reading_once`: read with few calls what `by_user` and `by_code` will be asked one by one."""
    claims = [("user", user_id) for user_id in user_ids] + [("code", code.upper()) for code in codes]
    found = ClaimItem.find_many((f"{program_id}#{kind}#{name}", kind) for kind, name in claims)
    get_many(program_id, (claim.distributor_id for claim in found))


def by_code(program_id: str, code: str) -> Distributor | None:
    """Whose code this is, in upper or lower case; None: nobody's."""
    return _claimed(program_id, "code", code.upper()) if len(code) == _CODE_LENGTH else None


def by_user(program_id: str, user_id: str) -> Distributor | None:
    """Which distributor a user of the shop is; None: none."""
    return _claimed(program_id, "user", user_id)


def chain_at(program_id: str, seller: Distributor, at: datetime, tiers: int) -> list[Distributor]:
    """The seller's uplines as of `at`, nearest first, at most `tiers`; nobody twice."""
    chain: list[Distributor] = []
    met = {seller.distributor_id, None}
    sponsor_id = seller.sponsor_at(at)
    while len(chain) < tiers and sponsor_id is not None and sponsor_id not in met:
        chain.append(get(program_id, sponsor_id))
        met.add(sponsor_id)
        sponsor_id = chain[-1].sponsor_at(at)
    return chain


def list_distributors(
    program_id: str, which: Wanted, limit: int, place: Key | None
) -> tuple[list[Distributor], Key | None]:
    """A program's distributors, newest first, and where the list goes on."""
    found = ProfileItem.by_program.query(program_id, scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit, lambda item: rules.wanted(item.distributor(), which))
    return [item.distributor() for item in items], further


def holder(program: Program, distributor: Distributor) -> Holder:
    """Whose entries a distributor's are."""
    return Holder(program.program_id, distributor.distributor_id, program.currency, distributor.shards)


def in_turn(program_id: str, after: str | None = None) -> Iterator[Distributor]:
    """A program's distributors as they are now, in the order in which they came, `after` one of them."""
    ids_left = ids_in_turn(program_id, after, _AT_ONCE)
    while some := list(islice(ids_left, _AT_ONCE)):
        found = get_many(program_id, some)
        yield from (found[distributor_id] for distributor_id in some)


def ids_in_turn(program_id: str, after: str | None = None, at_once: int | None = None) -> Iterator[str]:
    """The ids of a program's distributors, in the order in which they came, `after` one of them.

    `at_once`: how many are read with one call, for who doesn't need them all; as many as fit, if left out.
    """
    later = None if after is None else ProfileItem.distributor_id > after
    named = ["distributor_id"]
    for item in ProfileItem.by_program.query(program_id, later, page_size=at_once, attributes_to_get=named):
        yield item.distributor_id


def parts(program_id: str) -> Iterator[str]:
    """After whom each part of a walk begins. Reads an index once through, 2,000 distributors or more a call."""
    yield START
    for number, distributor_id in enumerate(ids_in_turn(program_id), start=1):
        if number % PART == 0:
            yield distributor_id


def in_part(program_id: str, after: str) -> Iterator[Distributor]:
    """The distributors of the part that begins after one."""
    return islice(in_turn(program_id, None if after == START else after), PART)


def downline(
    program_id: str, distributor_id: str, limit: int, place: Key | None
) -> tuple[list[Distributor], Key | None]:
    """Whom a distributor sponsors now, newest first, and where the list goes on. Raises NotFound."""
    _existing(program_id, distributor_id)
    key = profile_key(program_id, distributor_id)
    found = ProfileItem.by_sponsor.query(key, scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit)
    return [item.distributor() for item in items], further


def apply(caller: Caller, program: Program, told: Application) -> tuple[Distributor, bool]:
    """Take an application; True: it is new, False: the same user applied so before.

    Raises Conflict `no_plan_in_force`, `exists_with_different_content`, `changed_meanwhile`, Invalid `unknown_track`,
    `unknown_sponsor`, `invitation_needed`, `invitation_not_valid` (unknown, used, expired, of another track).
    """
    application = _normal(told)
    for _ in range(_ATTEMPTS):
        before = _applied_before(program.program_id, application)
        if before is not None:
            return before, False
        admission = _admit(program, application)
        profile = _new_profile(program, application, admission)
        try:
            transact(*_entrance(caller, program, profile, admission))
        except Refused:
            continue  # the user came in meanwhile, the invitation was used, or the code is taken: look again
        return profile.distributor(), True
    raise changed_meanwhile()


def change_profile(
    caller: Caller, program: Program, distributor_id: str, name: str | None, contact: dict[str, str] | None
) -> Distributor:
    """Change name or contact (as a whole); None leaves as it is. Raises NotFound, Conflict `changed_meanwhile`."""

    def change(profile: ProfileItem) -> Sequence[Put]:
        told = {"name": name, "contact": contact}
        fields = [field for field, new in told.items() if new not in (None, getattr(profile, field))]
        for field in fields:
            setattr(profile, field, told[field])
        # Contact is personal: the audit log says that it changed, not to what.
        detail: dict[str, object] = {"changed": fields}
        row = access.audit_row(caller, program.now(), "distributor.change", distributor_id, detail=detail)
        return [Put(row)] if fields else []

    return _change(program.program_id, distributor_id, change)


def change_status(
    caller: Caller, program: Program, distributor_id: str, action: Action, reason: str, idempotency_key: str | None
) -> Distributor:
    """Approve, reject, suspend, reinstate or close.

    Raises NotFound, Conflict `wrong_status`, `too_many_changes`, `exists_with_different_content`, `changed_meanwhile`.
    """

    def change(profile: ProfileItem) -> Sequence[Put]:
        if _done_before(profile, caller, idempotency_key, action, reason):
            return []
        status = rules.after(Status(profile.status), action)
        if status is None:
            raise Conflict(Code.WRONG_STATUS, f"Can't {action} a distributor that is {profile.status}.")
        _room_for_more(profile.statuses)
        now = program.now()
        profile.becomes(clock.stored(now), status)
        return [Put(access.audit_row(caller, now, f"distributor.{action}", distributor_id, reason=reason))]

    return _change(program.program_id, distributor_id, change)


def move(
    caller: Caller,
    program: Program,
    distributor_id: str,
    sponsor: Distributor | None,
    reason: str,
    idempotency_key: str | None,
) -> Distributor:
    """Give a distributor another sponsor, or none, for later orders.

    Raises NotFound, Conflict `sponsor_loop`, `sponsor_chain_too_long`, `too_many_changes`,
    `exists_with_different_content`, `changed_meanwhile`.
    """
    sponsor_id = sponsor.distributor_id if sponsor else None

    def change(profile: ProfileItem) -> Sequence[Put]:
        if _done_before(profile, caller, idempotency_key, "sponsor", sponsor_id or "", reason):
            return []
        if profile.sponsor_id == sponsor_id:
            return []
        # Read before the walk: a move that commits meanwhile counts it up, and this one is refused.
        tree = _tree(program.program_id)
        _refuse_loop(profile, sponsor_id)
        _room_for_more(profile.sponsors)
        now = program.now()
        detail: dict[str, object] = {"from": profile.sponsor_id, "to": sponsor_id}
        profile.sponsored_by(clock.stored(now), sponsor_id)
        row = access.audit_row(caller, now, "distributor.sponsor", distributor_id, reason=reason, detail=detail)
        return [Put(row), Put(tree, tree.next_revision())]

    return _change(program.program_id, distributor_id, change)


def sponsor(program_id: str, *, code: str | None = None, sponsor_id: str | None = None) -> Distributor:
    """Who may sponsor: an approved distributor, by code or id. Raises Invalid `unknown_sponsor`."""
    if code is not None:
        field, found = "sponsor_code", by_code(program_id, code)
    else:
        field, found = "sponsor_id", find(program_id, sponsor_id or "")
    if found is None or found.status is not Status.APPROVED:
        raise _wrong(field, Code.UNKNOWN_SPONSOR, "No approved distributor has this code or id.")
    return found


def invite(
    caller: Caller, program: Program, track: str, sponsor_id: str | None, expires_at: datetime, cause: str | None
) -> tuple[Invitation, bool]:
    """Make an invitation; False, and without its text: `cause` (an Idempotency-Key) has made it before.

    Raises Conflict `no_plan_in_force`, `exists_with_different_content`, Invalid `unknown_track`, `unknown_sponsor`,
    `time_out_of_range`.
    """
    invitation_id = ids.from_cause("inv", program.program_id, caller.actor, cause) if cause else ids.new("inv")
    before = _invitation(program.program_id, invitation_id) if cause else None
    if before is not None:
        return _same_invitation(before, track, sponsor_id, expires_at), False
    _track(program, track)
    if sponsor_id is not None:
        sponsor(program.program_id, sponsor_id=sponsor_id)
    now, secret = program.now(), ids.readable(_SECRET_LENGTH)
    if not now < expires_at <= now + INVITATION_LIFE_MAX:
        late = f"An invitation expires after now and within {INVITATION_LIFE_MAX.days} days."
        raise _wrong("expires_at", Code.TIME_OUT_OF_RANGE, late)
    item = InvitationItem(
        _invitations(program.program_id),
        invitation_id,
        secret_hash=_hash(secret),
        track=track,
        sponsor_id=sponsor_id,
        expires_at=clock.stored(expires_at),
    )
    detail: dict[str, object] = {"track": track, "sponsor_id": sponsor_id}
    row = access.audit_row(caller, now, "invitation.create", invitation_id, detail=detail)
    try:
        transact(Put(item, item.next_revision()), Put(row))
    except Refused:
        raise changed_meanwhile() from None
    return _shown(item, f"{invitation_id}_{secret}"), True


def open_session(program_id: str, distributor_id: str) -> Session:
    """A short-lived token for an approved or suspended distributor.

    Raises NotFound, Conflict `distributor_not_approved`.
    """
    distributor = get(program_id, distributor_id)
    if distributor.status not in (Status.APPROVED, Status.SUSPENDED):
        raise Conflict(Code.DISTRIBUTOR_NOT_APPROVED, f"A distributor that is {distributor.status} has no sessions.")
    return access.open_session(program_id, distributor_id)


def _profile(program_id: str, distributor_id: str) -> ProfileItem | None:
    return ProfileItem.find(profile_key(program_id, distributor_id), "profile", consistent=True)


def _existing(program_id: str, distributor_id: str) -> ProfileItem:
    item = _profile(program_id, distributor_id)
    if item is None:
        raise _no_distributor(distributor_id)
    return item


def _no_distributor(distributor_id: str) -> NotFound:
    return NotFound(Code.NOT_FOUND, f"There is no distributor {distributor_id}.")


def _claimed(program_id: str, kind: str, name: str) -> Distributor | None:
    claim = ClaimItem.find(f"{program_id}#{kind}#{name}", kind, consistent=True)
    return get(program_id, claim.distributor_id) if claim else None


def _change(program_id: str, distributor_id: str, change: Callable[[ProfileItem], Sequence[Put]]) -> Distributor:
    """Change a profile together with what `change` gives to put besides; nothing given: nothing changes."""
    for _ in range(_ATTEMPTS):
        profile = _existing(program_id, distributor_id)
        besides = change(profile)
        if not besides:
            return profile.distributor()
        try:
            transact(Put(profile, profile.next_revision()), *besides)
        except Refused:
            continue
        return profile.distributor()
    raise changed_meanwhile()


def _done_before(profile: ProfileItem, caller: Caller, idempotency_key: str | None, *asked: str) -> bool:
    new = repeats.newly_asked(profile.done, caller.actor, idempotency_key, *asked)
    if new:
        profile.done = {**profile.done, **new}
    return new is None


def _room_for_more(history: Sequence[object]) -> None:
    if len(history) >= rules.CHANGES_MAX:
        raise Conflict(Code.TOO_MANY_CHANGES, f"This has been changed {rules.CHANGES_MAX} times, and no more is kept.")


def _tree(program_id: str) -> TreeItem:
    pk = f"{program_id}#tree"
    return TreeItem.find(pk, "tree", consistent=True) or TreeItem(pk, "tree")


def _refuse_loop(profile: ProfileItem, sponsor_id: str | None) -> None:
    above = sponsor_id
    for _ in range(CHAIN_MAX + 1):
        if above is None:
            return
        if above == profile.distributor_id:
            raise Conflict(Code.SPONSOR_LOOP, f"{sponsor_id} is {above} or somewhere below it.")
        above = _existing(profile.program, above).sponsor_id
    raise Conflict(Code.SPONSOR_CHAIN_TOO_LONG, f"More than {CHAIN_MAX} sponsors stand above one another here.")


class _Admission(Value):
    track: str
    status: Status
    sponsor_id: str | None
    invitation: InvitationItem | None


def _normal(application: Application) -> Application:
    """So written, two applications that mean the same are equal."""
    invited = application.invitation is not None
    code = application.sponsor_code
    return replace(
        application,
        track=application.track or (None if invited else DEFAULT_TRACK),
        sponsor_code=code.upper() if code else None,
    )


def _digest(application: Application) -> str:
    return _hash(json.dumps(asdict(application), sort_keys=True))


def _applied_before(program_id: str, application: Application) -> Distributor | None:
    claim = ClaimItem.find(f"{program_id}#user#{application.user_id}", "user", consistent=True)
    if claim is None:
        return None
    profile = _existing(program_id, claim.distributor_id)
    if profile.application != _digest(application):
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, f"User {application.user_id} has applied otherwise before.")
    return profile.distributor()


def _admit(program: Program, application: Application) -> _Admission:
    invitation = _open_invitation(program, application.invitation) if application.invitation else None
    track = _track(program, application.track or (invitation.track if invitation else DEFAULT_TRACK))
    if invitation is not None and invitation.track != track.name:
        raise _wrong("invitation", Code.INVITATION_NOT_VALID, "The invitation is to another track.")
    if track.entry.mode is EntryMode.INVITE and invitation is None:
        raise _wrong("invitation", Code.INVITATION_NEEDED, f"One joins the track {track.name} by invitation.")
    status = rules.first_status(track.entry.mode, invitation is not None)
    return _Admission(track.name, status, _first_sponsor(program.program_id, application, invitation), invitation)


def _first_sponsor(program_id: str, application: Application, invitation: InvitationItem | None) -> str | None:
    # The operator's word, in the invitation, outdoes the applicant's.
    if invitation is not None and invitation.sponsor_id is not None:
        return sponsor(program_id, sponsor_id=invitation.sponsor_id).distributor_id
    if application.sponsor_code is not None:
        return sponsor(program_id, code=application.sponsor_code).distributor_id
    return None


def _track(program: Program, name: str) -> Track:
    track = programs.plan_at(program, program.now()).plan.tracks.get(name)
    if track is None:
        raise _wrong("track", Code.UNKNOWN_TRACK, f"The plan in force has no track {name}.")
    return track


def _new_profile(program: Program, application: Application, admission: _Admission) -> ProfileItem:
    distributor_id, now = ids.new("dst"), clock.stored(program.now())
    profile = ProfileItem(
        profile_key(program.program_id, distributor_id),
        "profile",
        program=program.program_id,
        distributor_id=distributor_id,
        user_id=application.user_id,
        name=application.name,
        track=admission.track,
        code=ids.readable(_CODE_LENGTH),
        created_at=now,
        contact=dict(application.contact),
        evidence=dict(application.evidence),
        application=_digest(application),
    )
    profile.becomes(now, admission.status)
    profile.sponsored_by(now, admission.sponsor_id)
    return profile


def _entrance(caller: Caller, program: Program, profile: ProfileItem, admission: _Admission) -> list[Put]:
    """All that is written when one comes in."""
    detail: dict[str, object] = {"track": profile.track, "status": profile.status, "sponsor_id": profile.sponsor_id}
    row = access.audit_row(caller, program.now(), "distributor.apply", profile.distributor_id, detail=detail)
    claims = [
        ClaimItem(f"{profile.program}#{kind}#{name}", kind, distributor_id=profile.distributor_id)
        for kind, name in (("user", profile.user_id), ("code", profile.code))
    ]
    puts = [Put(profile, profile.next_revision()), *map(Put, claims), Put(row)]
    invitation = admission.invitation
    if invitation is not None:
        invitation.used_at, invitation.used_by = profile.created_at, profile.distributor_id
        puts.append(Put(invitation, invitation.next_revision()))
    return puts


def _invitations(program_id: str) -> str:
    return f"{program_id}#invitation"


def _invitation(program_id: str, invitation_id: str) -> InvitationItem | None:
    return InvitationItem.find(_invitations(program_id), invitation_id, consistent=True)


def _open_invitation(program: Program, text: str) -> InvitationItem:
    invitation_id, _, secret = text.rpartition("_")
    item = _invitation(program.program_id, invitation_id) if invitation_id else None
    if item is None or not hmac.compare_digest(item.secret_hash, _hash(secret)):
        raise _wrong("invitation", Code.INVITATION_NOT_VALID, "There is no such invitation.")
    if item.used_at is not None or clock.read(item.expires_at) <= program.now():
        raise _wrong("invitation", Code.INVITATION_NOT_VALID, "The invitation has been used or has expired.")
    return item


def _same_invitation(before: InvitationItem, track: str, sponsor_id: str | None, expires_at: datetime) -> Invitation:
    if (before.track, before.sponsor_id, clock.read(before.expires_at)) != (track, sponsor_id, expires_at):
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, "This Idempotency-Key has made another invitation before.")
    return _shown(before, None)


def _shown(item: InvitationItem, text: str | None) -> Invitation:
    used_at = clock.read(item.used_at) if item.used_at else None
    return Invitation(text, item.track, item.sponsor_id, clock.read(item.expires_at), used_at)


def _hash(*parts: str) -> str:
    return ids.digest(*parts).hex()


def _wrong(field: str, code: Code, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer(field), code, message)])
