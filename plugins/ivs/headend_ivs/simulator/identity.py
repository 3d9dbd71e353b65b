"""Who asks and what they may: access keys, signatures, policies, roles."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend_ivs.simulator.signature import TIME_FORMAT

if TYPE_CHECKING:
    from random import Random

    from headend.plugin import Clock
    from headend_ivs.simulator.model import Model
    from headend_ivs.simulator.signature import HttpRequest, Signature

ACCOUNT: Final = "123456789012"

_TOLERANCE: Final = timedelta(minutes=5)
"""How far a request's time may be off; Amazon's refusals say "5 min.", e.g. those that
https://github.com/aws/aws-sdk-php/issues/537 quotes."""

_MOST_ROLE_SECONDS: Final = 3600
"""How long a role's session may last where the role does not say otherwise, by
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class AuthenticationFault(Enum):
    """Why a request's sender is not believed."""

    MISSING = auto()
    INCOMPLETE = auto()
    UNKNOWN_KEY = auto()
    BAD_TOKEN = auto()
    EXPIRED_TOKEN = auto()
    BAD_SIGNATURE = auto()
    SKEWED = auto()
    BAD_SCOPE = auto()


class NotAuthenticatedError(Exception):
    """The sender of a request is not believed.

    Attributes:
        fault: why.
        message: the same in a sentence.
    """

    def __init__(self, fault: AuthenticationFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@frozen(kw_only=True)
class AccessKey:
    """A pair of access key id and secret, and what its owner may do.

    Attributes:
        access_key_id: the half that travels with each request.
        secret_access_key: the half that signs.
        session_token: what goes with the keys of an assumed role.
        expires_at: until when it is good, or `None`: for ever.
        user_id: the owner's id.
        arn: the owner's name.
        allowed: patterns of the actions that a policy allows, e.g. ``ivs:Get*``.
        denied: patterns of those that it denies nevertheless.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    user_id: str
    arn: str
    allowed: tuple[str, ...] = ("*",)
    denied: tuple[str, ...] = ()

    def may(self, action: str) -> bool:
        """Tell whether the owner may do something, e.g. ``ivs:CreateChannel``."""
        return any(fnmatchcase(action, one) for one in self.allowed) and not any(
            fnmatchcase(action, one) for one in self.denied
        )


@frozen(kw_only=True)
class Caller:
    """Who asks, in which region."""

    key: AccessKey
    region: str


class Identities:
    """The account's users, keys and roles.

    The age of signatures and keys is measured on a clock of its own, since what makes them,
    botocore, looks at the machine's clock and takes no other.

    Attributes:
        full: a key that may do all.
        no_metrics: one that may do all but ``cloudwatch:GetMetricData``.
        read_only: one that may only read.
        role_arn: a role that the first two may assume; it may do all.
    """

    def __init__(self, *, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self.role_arn = f"arn:aws:iam::{ACCOUNT}:role/headend"
        self.full = self._user("headend")
        self.no_metrics = self._user("headend-no-metrics", denied=("cloudwatch:GetMetricData",))
        self.read_only = self._user(
            "headend-read-only",
            allowed=("ivs:Get*", "ivs:List*", "ivs:BatchGet*", "cloudwatch:GetMetricData"),
        )
        users = (self.full, self.no_metrics, self.read_only)
        self._keys = {one.access_key_id: one for one in users}

    def authenticate(
        self, request: HttpRequest, signature: Signature | None, model: Model, skew: float
    ) -> Caller:
        """Find out who asks.

        Args:
            request: what came.
            signature: what its header says, read.
            model: of the service that was asked.
            skew: seconds by which the platform's clock is ahead.

        Raises:
            NotAuthenticatedError: the sender is not believed.
        """
        if "authorization" not in request.headers:
            raise NotAuthenticatedError(AuthenticationFault.MISSING, "Missing Authentication Token")
        signed_at = _time(request.headers.get("x-amz-date", ""))
        if signature is None or signed_at is None or not signature.covers(request):
            raise NotAuthenticatedError(
                AuthenticationFault.INCOMPLETE,
                "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' "
                "parameters and a signed 'X-Amz-Date'.",
            )
        with self._lock:
            key = self._keys.get(signature.access_key_id)
        now = self._clock.now() + timedelta(seconds=skew)
        token = request.headers.get("x-amz-security-token")
        if key is None or key.session_token != token:
            fault = (
                AuthenticationFault.UNKNOWN_KEY if key is None else AuthenticationFault.BAD_TOKEN
            )
            raise NotAuthenticatedError(
                fault, "The security token included in the request is invalid."
            )
        if key.expires_at is not None and now >= key.expires_at:
            raise NotAuthenticatedError(
                AuthenticationFault.EXPIRED_TOKEN,
                "The security token included in the request is expired",
            )
        if not signature.is_right(request, key.secret_access_key):
            raise NotAuthenticatedError(
                AuthenticationFault.BAD_SIGNATURE,
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service "
                "documentation for details.",
            )
        if signature.region not in model.regions or not request.headers["x-amz-date"].startswith(
            signature.date
        ):
            raise NotAuthenticatedError(
                AuthenticationFault.BAD_SCOPE, "Credential should be scoped to a valid region."
            )
        self._check_age(signed_at, now)
        return Caller(key=key, region=signature.region)

    def assume_role(self, role_arn: str, session: str, seconds: int) -> tuple[AccessKey, str]:
        """Make a temporary key; return it with the id of the assumed role."""
        with self._lock:
            role_id = f"AROA{self._letters(17)}"
            name = role_arn.rpartition("/")[2]
            key = AccessKey(
                access_key_id=f"ASIA{self._letters(16)}",
                secret_access_key=self._secret(),
                session_token=self._secret() * 4,
                expires_at=(self._clock.now() + timedelta(seconds=seconds)).replace(microsecond=0),
                user_id=f"{role_id}:{session}",
                arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
            )
            self._keys[key.access_key_id] = key
            return key, key.user_id

    def longest_session(self) -> int:
        """Return for how many seconds the role may be assumed at once."""
        return _MOST_ROLE_SECONDS

    def _check_age(self, signed_at: datetime, now: datetime) -> None:
        stamp, reached = signed_at.strftime(TIME_FORMAT), now.strftime(TIME_FORMAT)
        if signed_at < now - _TOLERANCE:
            border = (now - _TOLERANCE).strftime(TIME_FORMAT)
            raise NotAuthenticatedError(
                AuthenticationFault.SKEWED,
                f"Signature expired: {stamp} is now earlier than {border} ({reached} - 5 min.)",
            )
        if signed_at > now + _TOLERANCE:
            border = (now + _TOLERANCE).strftime(TIME_FORMAT)
            raise NotAuthenticatedError(
                AuthenticationFault.SKEWED,
                f"Signature not yet current: {stamp} is still later than {border} "
                f"({reached} + 5 min.)",
            )

    def _user(
        self, name: str, *, allowed: tuple[str, ...] = ("*",), denied: tuple[str, ...] = ()
    ) -> AccessKey:
        return AccessKey(
            access_key_id=f"AKIA{self._letters(16)}",
            secret_access_key=self._secret(),
            user_id=f"AIDA{self._letters(17)}",
            arn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
            allowed=allowed,
            denied=denied,
        )

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_ALPHABET, k=count))

    def _secret(self) -> str:
        letters = _ALPHABET + _ALPHABET.lower()
        return "".join(self._random.choices(letters, k=40))


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
