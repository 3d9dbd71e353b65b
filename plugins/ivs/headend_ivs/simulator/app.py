"""The simulated platform on one origin: IVS, CloudWatch and STS, told apart by the signature.

A request is read, its sender is believed or not, and it is held against the service model; then
the operation is done.  Every answer is held against the model as well, before the switches spoil
it, and every breach of either side is in `SimulatedPlatform.violations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from attrs import frozen
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from headend.plugin import HeadendError
from headend_ivs.simulator.cloudwatch import get_metric_data
from headend_ivs.simulator.identity import Caller, NotAuthenticatedError
from headend_ivs.simulator.model import Model, Problem, Violation
from headend_ivs.simulator.operations import OPERATIONS, Operations, rate_of
from headend_ivs.simulator.parameters import Parameters, resource_of
from headend_ivs.simulator.platform import Received, RefusedError
from headend_ivs.simulator.protocols import JsonWithQueryCodes, Query, RestJson, WireProtocol
from headend_ivs.simulator.signature import HttpRequest, Signature
from headend_ivs.simulator.sts import assume_role, get_caller_identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Receive, Scope, Send

    from headend.plugin import PlatformTruth, SimulatedEncoder
    from headend_ivs.simulator.model import Side
    from headend_ivs.simulator.platform import SimulatedPlatform
    from headend_ivs.simulator.protocols import Answer

    Json = dict[str, object]

_REGION: Final = "us-west-2"


@frozen
class _Service:
    """One of the services on the origin.

    Attributes:
        protocol: how it reads and writes.
        policy: what its actions begin with in a policy, or `None`: everybody may ask.
        operations: what it can do.
    """

    protocol: WireProtocol
    policy: str | None
    operations: Mapping[str, Callable[[Caller, Mapping[str, object]], Json | None]]


def _services(platform: SimulatedPlatform) -> dict[str, _Service]:
    """Return the services by the names for which clients sign."""

    def ivs(name: str) -> Callable[[Caller, Mapping[str, object]], Json | None]:
        return lambda caller, given: OPERATIONS[name](
            Operations(platform, caller.region), Parameters(given)
        )

    return {
        "ivs": _Service(RestJson(Model("ivs")), "ivs", {name: ivs(name) for name in OPERATIONS}),
        "monitoring": _Service(
            JsonWithQueryCodes(
                Model("cloudwatch"),
                "GraniteServiceVersion20100801",
                gives_older=lambda: platform.switches.query_codes,
            ),
            "cloudwatch",
            {
                "GetMetricData": lambda caller, given: get_metric_data(
                    platform, caller.region, given
                )
            },
        ),
        "sts": _Service(
            Query(Model("sts"), "https://sts.amazonaws.com/doc/2011-06-15/"),
            None,
            {
                "GetCallerIdentity": lambda caller, _given: get_caller_identity(caller),
                "AssumeRole": lambda caller, given: assume_role(platform.identities, caller, given),
            },
        ),
    }


class SimulatorApp:
    """The application; `platform` is what is behind it."""

    def __init__(self, platform: SimulatedPlatform) -> None:
        self.platform = platform
        self._services = _services(platform)
        self._ingest_url: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        if self.platform.media is None:
            answer = self._answer(request)
        else:
            answer = await run_in_threadpool(self._answer, request)
        response = Response(answer.body, answer.status, dict(answer.headers))
        await response(scope, receive, send)

    def environment(self, url: str) -> Mapping[str, str]:
        """Return the variables that point a host at it, credentials included."""
        variables = {
            "STREAMING_PLATFORM": "aws-ivs",
            "AWS_IVS_REGION": _REGION,
            "AWS_IVS_ACCESS_KEY_ID": self.platform.access_key_id,
            "AWS_IVS_SECRET_ACCESS_KEY": self.platform.secret_access_key,
            "AWS_ENDPOINT_URL_IVS": url,
            "AWS_ENDPOINT_URL_CLOUDWATCH": url,
            "AWS_ENDPOINT_URL_STS": url,
            "AWS_IVS_PLAYBACK_KEY": self.platform.playback_key_pem(),
        }
        if self.platform.media is not None:
            variables["AWS_IVS_INGEST_URL"] = self._media_ingest_url()
        return variables

    def describe_switches(self) -> Mapping[str, str]:
        """Return what each switch does and its source, by its name."""
        return self.platform.switches.describe()

    def switch(self, **values: object) -> None:
        """Change how it behaves from now on."""
        self.platform.switch(**values)

    def reset(self) -> None:
        """Forget what was created and what happened."""
        self.platform.reset()

    def truth(self) -> PlatformTruth:
        """Return what is so now."""
        return self.platform.truth()

    @property
    def connect_time(self) -> float:
        """Seconds from an encoder's arrival by which viewers can watch."""
        return self.platform.switches.connect_time

    def connect(self, stream_key: str) -> SimulatedEncoder | None:
        """Have an encoder push with this key; `None` if the platform refuses it."""
        encoder = self.platform.encoder(stream_key)
        return encoder if encoder.connected else None

    def watch(self, stream_id: str, viewers: int) -> None:
        """Have so many viewers watch from now on."""
        self.platform.watch(stream_id, viewers)

    def close(self) -> None:
        """Do nothing: it holds nothing but memory."""

    def _media_ingest_url(self) -> str:
        """Return where encoders push; all live streams of a backend have the same address."""
        media = self.platform.media
        assert media is not None
        if self._ingest_url is None:
            probe = media.create("probe")
            media.end(probe.media_id)
            self._ingest_url = probe.server_url
        return self._ingest_url

    def _answer(self, request: HttpRequest) -> Answer:
        signature = Signature.of(request)
        name = "ivs" if signature is None else signature.service
        service = self._services.get(name, self._services["ivs"])
        with self.platform.lock:
            return _Exchange(self.platform, service, request, signature).answer()


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        platform: SimulatedPlatform,
        service: _Service,
        request: HttpRequest,
        signature: Signature | None,
    ) -> None:
        self._platform = platform
        self._service = service
        self._protocol = service.protocol
        self._model = service.protocol.model
        self._request = request
        self._signature = signature
        self._asked = service.protocol.read(request)
        self._request_id = platform.uuid()
        self._violations: list[Violation] = []

    def answer(self) -> Answer:
        """Answer, and note what was asked and answered."""
        operation, code = self._asked.operation, None
        try:
            members = self._answered()
        except RefusedError as refusal:
            code = refusal.code
            status, text = self._status(refusal), self._text(refusal)
            self._blame("answer", self._model.refusal(operation, status, code, text))
            answer = self._protocol.write_error(status, code, text, self._request_id)
        else:
            assert operation is not None
            status = self._model.status(operation)
            self._blame("answer", self._model.answer(operation, status, members))
            spoiled = _spoiled(members, self._platform) if self._is_ivs else members
            answer = self._protocol.write(operation, status, spoiled, self._request_id)
        received = Received(
            method=self._request.method,
            path=self._request.path,
            service=self._model.service,
            operation=operation or "",
            status=status,
            code=code,
        )
        self._platform.note(received, self._violations)
        return answer

    @property
    def _is_ivs(self) -> bool:
        return self._model.service == "ivs"

    def _answered(self) -> Json | None:
        """Do what is asked, in the order in which it can be refused.

        Raises:
            RefusedError: the sender is not believed, may not, or not now, or asks for nonsense.
        """
        name, given = self._asked.operation, self._asked.parameters
        problems = [*self._asked.problems]
        if name is None:
            problems.append(Problem("operation", "is not one of the service"))
        else:
            problems += self._model.request(name, given)
        self._blame("request", problems)

        caller = self._caller()
        do = self._service.operations.get(name or "")
        if name is None or do is None:
            code, status = self._protocol.unknown
            raise RefusedError(code, "This simulator has no such operation.", status=status)
        self._check_policy(caller, name, {} if problems else given)
        if self._is_ivs:
            self._check_account(caller, name)
        if problems:
            raise RefusedError(self._protocol.invalid, str(problems[0]))
        try:
            return do(caller, given)
        except HeadendError as error:
            # Only real media raise these.
            raise RefusedError("InternalFailure", str(error), status=500) from error

    def _caller(self) -> Caller:
        try:
            return self._platform.identities.authenticate(
                self._request, self._signature, self._model, self._platform.switches.clock_skew
            )
        except NotAuthenticatedError as error:
            code, status = self._protocol.faults[error.fault]
            raise RefusedError(code, error.message, status=status) from None

    def _check_policy(self, caller: Caller, name: str, given: Mapping[str, object]) -> None:
        action = f"{self._service.policy}:{name}"
        if self._service.policy is None or caller.key.may(action):
            return
        where = resource_of(name, Parameters(given), caller.region) if self._is_ivs else "*"
        raise RefusedError(
            self._protocol.denied,
            f"User: {caller.key.arn} is not authorized to perform: {action} on resource: {where}",
        )

    def _check_account(self, caller: Caller, name: str) -> None:
        switches = self._platform.switches
        if switches.throttling and not self._platform.count(caller.region, name, rate_of(name)):
            raise RefusedError("ThrottlingException", "Rate exceeded")
        if switches.pending_verification and self._model.modelled(name, "PendingVerification"):
            raise RefusedError("PendingVerification", "Your account is pending verification.")

    def _status(self, refusal: RefusedError) -> int:
        if refusal.status is not None or self._asked.operation is None:
            return refusal.status or 400
        if refusal.code == "ThrottlingException":
            return self._platform.switches.throttle_status
        return max(self._model.statuses(self._asked.operation, refusal.code), default=400)

    def _text(self, refusal: RefusedError) -> Json:
        """Put the text where the model has a place for it, or where the protocol has its own."""
        operation = self._asked.operation
        modelled = operation is not None and self._model.modelled(operation, refusal.code)
        in_model = modelled and self._is_ivs
        return {self._platform.switches.error_member if in_model else "message": refusal.message}

    def _blame(self, side: Side, problems: Iterable[Problem]) -> None:
        operation = self._asked.operation or ""
        self._violations += [
            Violation(self._model.service, operation, side, one) for one in problems
        ]


def _spoiled(members: Json | None, platform: SimulatedPlatform) -> Json | None:
    """Return an answer with what no documentation has, where the switches want it."""
    switches = platform.switches
    if members is None or not (switches.unknown_words or switches.extra_members):
        return members

    def spoil(value: object, name: str = "") -> object:
        if isinstance(value, list):
            return [spoil(one) for one in value]
        if isinstance(value, dict):
            extra = {"colour": "octarine"} if switches.extra_members and name != "tags" else {}
            return {key: spoil(one, key) for key, one in value.items()} | extra
        return "REWINDING" if switches.unknown_words and name in {"state", "health"} else value

    return cast("Json", spoil(members))


async def _read(scope: Scope, receive: Receive) -> HttpRequest:
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        },
        body=await Request(scope, receive).body(),
    )
