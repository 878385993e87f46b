"""Small secrets, encrypted under the stage's KMS key, each bound to what it is of: as anything else's it doesn't open.

What it is of stands in AWS's log of the key's use in plain text: names and ids, nothing else.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chalicelib.shared.settings import payout_key, settings

Of = Mapping[str, str]
"""What a secret is of; KMS calls it the encryption context."""


class Unreadable(Exception):
    """It wasn't encrypted under this key, not as this thing's, or was changed since."""


def encrypt(secret: bytes, of: Of) -> bytes:
    """Seal 1 to 4,096 bytes. The same secret is sealed differently each time."""
    sealed: bytes = _client().encrypt(KeyId=payout_key(), Plaintext=secret, EncryptionContext=dict(of))[
        "CiphertextBlob"
    ]
    return sealed


def decrypt(sealed: bytes, of: Of) -> bytes:
    """The secret back. Raises `Unreadable`."""
    client = _client()
    try:
        answer = client.decrypt(KeyId=payout_key(), CiphertextBlob=sealed, EncryptionContext=dict(of))
    except (client.exceptions.InvalidCiphertextException, client.exceptions.IncorrectKeyException) as refused:
        raise Unreadable(f"not {dict(of)}") from refused
    secret: bytes = answer["Plaintext"]
    return secret


def new_secret(of: Of) -> tuple[bytes, bytes]:
    """32 random bytes, plain and sealed."""
    made = _client().generate_data_key(KeyId=payout_key(), KeySpec="AES_256", EncryptionContext=dict(of))
    return made["Plaintext"], made["CiphertextBlob"]


@cache
def _client() -> Any:
    """The process's one client. Here, because most requests keep no secret."""
    from botocore.config import Config
    from botocore.session import get_session

    limits = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 3, "mode": "standard"})
    return get_session().create_client("kms", region_name=settings().region, config=limits)
