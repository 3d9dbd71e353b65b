"""Who signs the requests: the keys that are set, or what boto3's default chain finds.

They are looked for once, when the provider is made, and `SEARCH_TIME` bounds that: sources of the
chain ask a metadata service or start a process, and none of them takes a timeout.  A role is
assumed, and an SSO login is redeemed, when the first request needs it; temporary credentials are
renewed between requests, never within one, so that a source that hangs cannot hold up a request
beyond its time.

Source of the chain and its order:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Final, cast

import botocore.session
from attrs import frozen
from botocore.config import Config
from botocore.credentials import (
    Credentials,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    LoginError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.loaders import JSONFileLoader, create_loader

from headend.plugin import ConfigurationError, Secret
from headend_ivs.logs import watched
from headend_ivs.wire import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.credentials import ReadOnlyCredentials
    from botocore.loaders import Loader
    from mypy_boto3_sts import STSClient

    from headend_ivs.settings import IvsSettings

SEARCH_TIME: Final = 1.0
"""Seconds that the search for credentials may take in all."""

_URGENT: Final = 60.0
"""Seconds before their end from which on temporary credentials are not used any more."""

_ROLE_SESSION: Final = "headend"
"""How a role's session is named, as CloudTrail shows it."""

_KEYS: Final = "AWS_IVS_ACCESS_KEY_ID and AWS_IVS_SECRET_ACCESS_KEY"

_CHAIN: Final = {
    "env": "AWS_ACCESS_KEY_ID in the environment",
    "assume-role": "a role of a profile",
    "assume-role-with-web-identity": "a web identity token",
    "sso": "an SSO login",
    "shared-credentials-file": "the credentials file",
    "login": "`aws login`",
    "custom-process": "a credential_process",
    "config-file": "the config file",
    "ec2-credentials-file": "AWS_CREDENTIAL_FILE",
    "boto-config": "boto's old config file",
    "container-role": "the container's role",
    "iam-role": "the EC2 instance's role (its metadata service)",
}
"""What the sources of the chain are, by botocore's names for them."""

_NO_CHAIN: Final = (
    "Set both, or AWS_IVS_PROFILE, or give boto3 credentials in a way that it knows: "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials, `aws sso login`, or the role "
    "of a container or an EC2 instance"
)


MAX_CONNECTIONS: Final = 16
"""Connections that a client keeps; its requests, 5 a second of each kind, need no more."""


def client_config(timeout: float) -> Config:
    """Return how clients behave: one attempt, no longer than so many seconds.

    botocore times connecting, and each wait for a part of the answer, not the whole.
    """
    connect = timeout / 3
    return Config(
        connect_timeout=connect,
        read_timeout=timeout - connect,
        # In botocore's words, retries are what `Calls` does instead.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=MAX_CONNECTIONS,
        user_agent_extra="headend-ivs",
    )


class _ParsedOnce(JSONFileLoader):
    """Reads botocore's descriptions of services once, which every session would parse anew.

    They are megabytes, and most of the time that opening a provider takes.
    """

    def __init__(self) -> None:
        self._parsed: dict[str, object] = {}

    def load_file(self, file_path: str) -> object:
        """Return what is in a file, `None` if there is none."""
        if file_path not in self._parsed:
            found: object = super().load_file(file_path)
            if found is None:
                return None
            self._parsed[file_path] = found
        return self._parsed[file_path]


_FILES: Final = _ParsedOnce()


@frozen
class NotSignedError(Exception):
    """Credentials that were found could not be had or renewed.

    Attributes:
        cause: what went wrong; `None`: it took too long.
        source: where they come from.
    """

    cause: Exception | None
    source: str


class Login:
    """Credentials, and the botocore session that goes with them.

    Attributes:
        session: signs with these credentials.  Making clients needs the `lock`.
        lock: botocore's sessions are not made for many threads.
        source: where the credentials come from, in words.
        role_arn: the role that they are used to assume, or `None`.

    Args:
        settings: the provider's.
        patience: seconds that the search may take.

    Raises:
        ConfigurationError: nothing was found, or boto3's files cannot be used.
    """

    def __init__(self, settings: IvsSettings, *, patience: float = SEARCH_TIME) -> None:
        self.lock = threading.Lock()
        self.role_arn = settings.role_arn
        self._settings = settings
        self._worker: _Worker = _Worker()
        self._frozen: ReadOnlyCredentials | None = None
        with watched():
            self.session = botocore.session.Session(profile=settings.profile)
            self.session.set_config_variable("region", settings.region)
            self.session.lazy_register_component("data_loader", self._data_loader)
        search = _Search(self.session, settings)
        found = search.run(patience)
        self.source = search.source
        if self.role_arn is not None:
            self.source = f"role {self.role_arn}, assumed with {self.source}"
            self._held: Credentials = DeferredRefreshableCredentials(
                refresh_using=_AssumeRole(self, found), method="assume-role"
            )
        else:
            self._held = found
            self._frozen = search.frozen
        self.session.register_component("credential_provider", _Signer(self))

    def _data_loader(self) -> Loader:
        loader = create_loader(self.session.get_config_variable("data_path"))
        loader.file_loader = _FILES
        return loader

    @property
    def account(self) -> str | None:
        """The account that a role is of; otherwise only STS knows."""
        return None if self.role_arn is None else self.role_arn.split(":")[4]

    @property
    def scope(self) -> Secret:
        """What AWS's limits are counted by, as far as that can be told without asking AWS."""
        if self.account is not None:
            return Secret(self.account)
        if self._frozen is not None:
            return Secret(str(self._frozen.access_key))
        return Secret(self.source)

    @property
    def key_id_tail(self) -> str:
        """The last four signs of the access key id, as the AWS CLI shows it."""
        if self._frozen is not None:
            return str(self._frozen.access_key)[-4:]
        given = self._settings.access_key_id
        return "" if given is None else given.reveal()[-4:]

    @property
    def is_temporary(self) -> bool:
        """Whether a session token goes with the keys."""
        return self._frozen is not None and bool(self._frozen.token)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may hold."""
        held, settings = self._frozen, self._settings
        given = (
            settings.access_key_id,
            settings.secret_access_key,
            settings.session_token,
            settings.playback_key,
        )
        texts = [None if one is None else one.reveal() for one in given]
        if held is not None:
            texts += [held.access_key, held.secret_key, held.token]
        return tuple(text for text in texts if text)

    def current(self) -> ReadOnlyCredentials:
        """Return what requests are signed with; `renew` comes before."""
        assert self._frozen is not None
        return self._frozen

    def renew(self, timeout: float) -> bool:
        """See to it that there are credentials which hold for a request.

        Args:
            timeout: seconds that it may take, on the machine's clock.

        Returns:
            Whether they had to be waited for.

        Raises:
            NotSignedError: there are none.
        """
        held = self._held
        if not isinstance(held, RefreshableCredentials):
            return False
        if self._frozen is not None and not held.refresh_needed():
            return False
        # Well before the end, the old ones serve while new ones are fetched.
        needed = self._frozen is None or held.refresh_needed(int(_URGENT))
        done, error = self._worker.run(self._take, timeout if needed else 0.0)
        if needed and (error is not None or not done):
            raise NotSignedError(error, self.source)
        return needed

    def _take(self) -> None:
        self._frozen = self._held.get_frozen_credentials()


class _Signer:
    """What botocore calls a credential provider, and what signs its requests: always a `Login`.

    A credentials object of botocore renews itself within a request; this one never does.
    """

    method = "headend"

    def __init__(self, login: Login) -> None:
        self._login = login

    def load_credentials(self) -> _Signer:
        """Return what signs, as botocore's session asks for."""
        return self

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return what one request is signed with."""
        return self._login.current()

    def get_deferred_property(self, name: str) -> Callable[[], object]:
        """Return a function for one of the values, as botocore's endpoint rules ask for."""
        return lambda: getattr(self._login.current(), name, None)


class _AssumeRole:
    """Asks STS for a role's credentials, in the form that botocore renews them from."""

    def __init__(self, login: Login, source: Credentials) -> None:
        self._login = login
        self._source = source

    def __call__(self) -> dict[str, object]:
        keys = self._source.get_frozen_credentials()
        settings = self._login._settings  # noqa: SLF001  # a part of the same thing
        with self._login.lock:
            sts = cast(
                "STSClient",
                self._login.session.create_client(
                    "sts",
                    region_name=settings.region,
                    config=client_config(settings.timeout),
                    aws_access_key_id=keys.access_key,
                    aws_secret_access_key=keys.secret_key,
                    aws_session_token=keys.token,
                ),
            )
        try:
            answer = sts.assume_role(
                RoleArn=str(self._login.role_arn), RoleSessionName=_ROLE_SESSION
            )
        finally:
            sts.close()
        made = answer["Credentials"]
        return {
            "access_key": made["AccessKeyId"],
            "secret_key": made["SecretAccessKey"],
            "token": made["SessionToken"],
            "expiry_time": made["Expiration"].isoformat(),
        }


class _Search:
    """The search for credentials, in a thread that nobody waits for beyond the time allowed."""

    def __init__(self, session: botocore.session.Session, settings: IvsSettings) -> None:
        self.source = _KEYS
        self.frozen: ReadOnlyCredentials | None = None
        self._session = session
        self._settings = settings
        self._found: Credentials | None = None
        self._asking: str | None = None

    def run(self, patience: float) -> Credentials:
        """Return the credentials found.

        Raises:
            ConfigurationError: there are none, or boto3's files cannot be used.
        """
        done, error = _Worker().run(self._look, patience)
        if error is not None:
            problem = self._problem(error)
        elif not done:
            problem = self._nothing(f"gave none within {patience:g} s: it waits for {self._words}")
        elif self._found is None:
            problem = self._nothing("has none")
        else:
            return self._found
        raise ConfigurationError.of(f"provider {NAME}", [problem])

    @property
    def _words(self) -> str:
        return _CHAIN.get(self._asking or "", self._asking or "its files")

    def _look(self) -> None:
        scoped = self._session.get_scoped_config()
        settings = self._settings
        if settings.access_key_id is not None and settings.secret_access_key is not None:
            token = settings.session_token
            self._found = Credentials(
                settings.access_key_id.reveal(),
                settings.secret_access_key.reveal(),
                None if token is None else token.reveal(),
            )
            self.frozen = self._found.get_frozen_credentials()
            return
        resolver = self._session.get_component("credential_provider")
        for provider in resolver.providers:
            self._asking = provider.METHOD
            found = provider.load()
            if found is not None:
                self.source = f"boto3's default chain: {self._words}{self._of_profile}"
                if found.method == "assume-role" and "mfa_serial" in scoped:
                    raise _NeedsPersonError
                # Those that must be renewed at once are, by the first request.
                if not (isinstance(found, RefreshableCredentials) and found.refresh_needed()):
                    self.frozen = found.get_frozen_credentials()
                self._found = found
                return

    @property
    def _of_profile(self) -> str:
        name = self._session.profile
        return "" if name is None else f", profile {name}"

    def _nothing(self, what: str) -> str:
        return (
            f"AWS_IVS_ACCESS_KEY_ID: is missing, as is AWS_IVS_SECRET_ACCESS_KEY, and boto3's "
            f"default chain {what}. {_NO_CHAIN}"
        )

    def _problem(self, error: Exception) -> str:
        """Say what is wrong; the errors themselves quote files and processes, and so maybe keys."""
        if isinstance(error, ProfileNotFound):
            name = error.kwargs["profile"]
            return (
                f"{self._profile_setting}: there is no profile {name!r} in boto3's files; "
                "`aws configure list-profiles` names those there are"
            )
        if isinstance(error, (ConfigParseError, ConfigNotFound)):
            return (
                f"{self._file_setting(error.kwargs['path'])}: the file {error.kwargs['path']} "
                "cannot be read as a file of boto3: put it right"
            )
        if isinstance(error, PartialCredentialsError):
            return (
                f"{error.kwargs['cred_var']}: is missing in {self._words}{self._of_profile}, "
                "where the rest of the credentials is"
            )
        if isinstance(error, _NeedsPersonError):
            return (
                f"{self._profile_setting}: the profile asks a person for an MFA code (mfa_serial), "
                "and there is none to ask; use a profile without, or temporary keys with "
                "AWS_IVS_SESSION_TOKEN"
            )
        words = why_no_credentials(error, self._session.profile)
        return (
            f"AWS_IVS_ACCESS_KEY_ID: is missing, as is AWS_IVS_SECRET_ACCESS_KEY, and "
            f"{self._words} of boto3's default chain{self._of_profile} failed: {words}"
        )

    @property
    def _profile_setting(self) -> str:
        if self._settings.profile is not None:
            return "AWS_IVS_PROFILE"
        return "AWS_PROFILE" if "AWS_PROFILE" in os.environ else "AWS_DEFAULT_PROFILE"

    def _file_setting(self, path: str) -> str:
        is_credentials = path == self._session.get_config_variable("credentials_file")
        return "AWS_SHARED_CREDENTIALS_FILE" if is_credentials else "AWS_CONFIG_FILE"


class _NeedsPersonError(Exception):
    """A source would ask for input at a terminal."""


def why_no_credentials(error: Exception, profile: str | None) -> str:
    """Say in words why a source of credentials failed, without quoting it."""
    of_profile = "" if profile is None else f" --profile {profile}"
    if isinstance(error, (SSOError, TokenRetrievalError)):
        return f"the SSO login has expired or is missing; run `aws sso login{of_profile}`"
    if isinstance(error, LoginError):
        return f"the login has expired or is missing; run `aws login{of_profile}`"
    if isinstance(error, CredentialRetrievalError):
        return f"{error.kwargs['provider']} gave no credentials; try it by hand"
    if isinstance(error, BotoCoreError):
        return f"botocore says {type(error).__name__}"
    return f"what it gave is not what boto3 understands ({type(error).__name__})"


class _Worker:
    """Does what takes no timeout in a thread of its own, one at a time.

    Who comes while it is being done waits for the same.  The threads are daemons: one that hangs
    keeps no process from ending.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._future: Future[None] | None = None

    def run(self, work: Callable[[], None], timeout: float) -> tuple[bool, Exception | None]:
        """Do it, and wait for it so many seconds.

        Returns:
            Whether it is done, and the error that it ended with.
        """
        with self._lock:
            future = self._future
            if future is None or future.done():
                future = self._future = Future()
                threading.Thread(
                    target=self._do, args=(future, work), name="headend-credentials", daemon=True
                ).start()
        wait([future], timeout)
        if not future.done():
            return False, None
        error = future.exception()
        return True, error if isinstance(error, Exception) else None

    def _do(self, future: Future[None], work: Callable[[], None]) -> None:
        with watched():
            try:
                work()
                future.set_result(None)
            except Exception as error:  # noqa: BLE001  # whoever waits gets it
                future.set_exception(error)
