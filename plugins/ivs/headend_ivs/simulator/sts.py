"""GetCallerIdentity and AssumeRole of the simulated platform.

https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headend_ivs.simulator.identity import ACCOUNT
from headend_ivs.simulator.platform import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend_ivs.simulator.identity import Caller, Identities

    Json = dict[str, object]


def get_caller_identity(caller: Caller) -> Json:
    """Tell who asks; nobody needs leave for it."""
    return {"Arn": caller.key.arn, "UserId": caller.key.user_id, "Account": ACCOUNT}


def assume_role(identities: Identities, caller: Caller, given: Mapping[str, object]) -> Json:
    """Give out a temporary key for the account's role."""
    role, session = str(given["RoleArn"]), str(given["RoleSessionName"])
    seconds = cast("int", given.get("DurationSeconds", 3600))
    if role != identities.role_arn or not caller.key.may("sts:AssumeRole"):
        raise RefusedError(
            "AccessDenied",
            f"User: {caller.key.arn} is not authorized to perform: sts:AssumeRole "
            f"on resource: {role}",
        )
    if seconds > identities.longest_session():
        raise RefusedError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    key, role_id = identities.assume_role(role, session, seconds)
    assert key.expires_at is not None
    return {
        "Credentials": {
            "AccessKeyId": key.access_key_id,
            "SecretAccessKey": key.secret_access_key,
            "SessionToken": key.session_token,
            "Expiration": key.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {"AssumedRoleId": role_id, "Arn": key.arn},
    }
