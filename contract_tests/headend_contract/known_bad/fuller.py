"""A good provider, with what the reference provider leaves out.

The reference provider declares no simulcast, signed playback and timed metadata, so that refusing
them is tested.  This one has them as well, and its platform takes them at further addresses.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import define
from starlette.routing import Route

from headend.plugin import (
    Capability,
    Effect,
    Operation,
    PlaybackToken,
    Secret,
    SimulcastTarget,
    StreamNotFoundError,
    SystemClock,
)
from headend_contract.known_bad import reference_spec
from headend_contract.reference import headend_providers, wire
from headend_contract.reference.facts import API_LIMIT
from headend_contract.reference.platform import (
    ReferenceSwitches,
    RefusedError,
    SimulatedPlatform,
)
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.simulator import SimulatorApp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headend.plugin import (
        Clock,
        Fields,
        ProviderSpec,
    )
    from headend_contract.reference.simulator import Action

_Json = dict[str, object]


def _operation(name: str, effect: Effect) -> Operation:
    return Operation(name, effect=effect, limits=(API_LIMIT,))


TARGETS: Final = _operation("list_simulcast_targets", Effect.READ)
CREATE_TARGET: Final = _operation("create_simulcast_target", Effect.WRITE)
UPDATE_TARGET: Final = _operation("update_simulcast_target", Effect.REPEATABLE)
DELETE_TARGET: Final = _operation("delete_simulcast_target", Effect.REPEATABLE)
TOKEN: Final = _operation("create_playback_token", Effect.REPEATABLE)
TEXT: Final = _operation("put_timed_metadata", Effect.WRITE)


class FullerProvider(ReferenceProvider):
    """The reference provider with simulcast, signed playback and timed metadata."""

    def list_simulcast_targets(self, stream_id: str) -> Sequence[SimulcastTarget]:
        """Return the places to which the platform pushes a copy."""
        return self._transport.send(
            TARGETS,
            "GET",
            f"{self.path(TARGETS, stream_id)}/targets",
            read=lambda fields: fields.each("targets", _target),
        )

    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret
    ) -> SimulcastTarget:
        """Add one."""
        return self._transport.send(
            CREATE_TARGET,
            "POST",
            f"{self.path(CREATE_TARGET, stream_id)}/targets",
            read=_target,
            expect=201,
            body={"server_url": server_url, "stream_key": stream_key.reveal()},
        )

    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        """Switch one on or off."""
        return self._transport.send(
            UPDATE_TARGET,
            "PATCH",
            f"{self.path(UPDATE_TARGET, stream_id)}/targets",
            query={"ids": target_id},
            read=_target,
            body={"enabled": enabled},
        )

    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        """Remove one; one that is gone is no error, and a live stream that is gone is one."""
        try:
            self._transport.send(
                DELETE_TARGET,
                "DELETE",
                f"{self.path(DELETE_TARGET, stream_id)}/targets",
                query={"ids": target_id},
                read=_nothing,
                expect=204,
            )
        except StreamNotFoundError as error:
            if error.code != _NO_TARGET:
                raise

    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Have the platform give leave to watch."""

        def read(fields: Fields) -> PlaybackToken:
            token = fields.secret("token")
            return PlaybackToken(
                token=token,
                playback_url=Secret(f"{wire.playback_url(fields)}?token={token.reveal()}"),
                expires_at=fields.time("expires_at"),
            )

        return self._transport.send(
            TOKEN,
            "POST",
            f"{self.path(TOKEN, stream_id)}/tokens",
            read=read,
            body={"expires_in": expires_in},
        )

    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Send a text to all viewers."""
        self._transport.send(
            TEXT,
            "POST",
            f"{self.path(TEXT, stream_id)}/texts",
            read=_nothing,
            expect=204,
            body={"text": text},
        )


def _target(fields: Fields) -> SimulcastTarget:
    return SimulcastTarget(
        target_id=wire.identifier(fields, "id"),
        stream_id=wire.identifier(fields, "input_id"),
        server_url=fields.address("server_url", "rtmps", "rtmp"),
        enabled=fields.flag("enabled"),
    )


def _nothing(_fields: Fields) -> None:
    """Read an answer that has nothing in it."""


_NO_TARGET: Final = "target_not_found"


@define(eq=False)
class _Target:
    id: str
    input_id: str
    server_url: str
    enabled: bool = True

    @property
    def shown(self) -> _Json:
        return {
            "id": self.id,
            "input_id": self.input_id,
            "server_url": self.server_url,
            "enabled": self.enabled,
        }


class FullerPlatform(SimulatedPlatform):
    """The reference platform with targets, tokens and texts."""

    def reset(self) -> None:
        """Forget all but switches and credentials."""
        super().reset()
        self.targets: dict[str, _Target] = {}
        self.texts: list[tuple[str, str]] = []

    def list_targets(self, input_id: str) -> _Json:
        """Return the targets of an input."""
        with self._lock:
            self._find(input_id)
            found = [one for one in self.targets.values() if one.input_id == input_id]
            return {"targets": [one.shown for one in found]}

    def create_target(self, input_id: str, body: Mapping[str, object]) -> _Json:
        """Add a target; its key is never shown."""
        with self._lock:
            self._find(input_id)
            made = _Target(f"ta_{self._hex(80)}", input_id, str(body["server_url"]))
            self.targets[made.id] = made
            return made.shown

    def update_target(self, input_id: str, target_id: str, body: Mapping[str, object]) -> _Json:
        """Switch a target on or off."""
        with self._lock:
            found = self._find_target(input_id, target_id)
            found.enabled = body["enabled"] is True
            return found.shown

    def delete_target(self, input_id: str, target_id: str) -> None:
        """Remove a target."""
        with self._lock:
            del self.targets[self._find_target(input_id, target_id).id]

    def create_token(self, input_id: str, body: Mapping[str, object]) -> _Json:
        """Give leave to watch for some seconds."""
        with self._lock:
            found = self._find(input_id)
            seconds = body["expires_in"]
            if not isinstance(seconds, (int, float)):
                raise RefusedError(422, "invalid", "expires_in is a number of seconds.")
            expires_at = self._clock.now() + timedelta(seconds=seconds)
            return {
                "token": f"rp_{self._hex(160)}",
                "playback_url": found.playback_url,
                "expires_at": expires_at.isoformat(),
            }

    def put_text(self, input_id: str, body: Mapping[str, object]) -> None:
        """Show a text to all viewers."""
        with self._lock:
            if self._status(self._find(input_id)) != "on_air":
                raise RefusedError(409, "not_on_air", "Nothing is on air.")
            self.texts.append((input_id, str(body["text"])))

    def _find_target(self, input_id: str, target_id: str) -> _Target:
        self._find(input_id)
        found = self.targets.get(target_id)
        if found is None or found.input_id != input_id:
            raise RefusedError(404, _NO_TARGET, "There is no such target.")
        return found


class FullerApp(SimulatorApp):
    """The reference platform's API with the further addresses."""

    def __init__(self, platform: FullerPlatform) -> None:
        super().__init__(platform)

        routes: Mapping[str, Mapping[str, tuple[int, Action]]] = {
            "targets": {
                "GET": (200, lambda call: platform.list_targets(call.input)),
                "POST": (201, lambda call: platform.create_target(call.input, call.body)),
                "PATCH": (
                    200,
                    lambda call: platform.update_target(call.input, call.ids[0], call.body),
                ),
                "DELETE": (204, lambda call: platform.delete_target(call.input, call.ids[0])),
            },
            "tokens": {"POST": (200, lambda call: platform.create_token(call.input, call.body))},
            "texts": {"POST": (204, lambda call: platform.put_text(call.input, call.body))},
        }
        self.router.routes += [
            Route(
                f"/v1/accounts/{{account}}/inputs/{{input}}/{name}",
                self._answer(actions),
                methods=[*actions],
            )
            for name, actions in routes.items()
        ]


def create_app(
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    switches: Mapping[str, object] | None = None,
) -> FullerApp:
    """Make the platform, as the reference's `create_app` makes its own."""
    return FullerApp(
        FullerPlatform(
            clock=clock or SystemClock(),
            random=random or Random(0),  # noqa: S311  # its keys open nothing
            switches=ReferenceSwitches.of(switches or {}),
        )
    )


def _spec() -> ProviderSpec:
    (reference,) = headend_providers()
    return reference_spec(
        factory=FullerProvider,
        simulator=create_app,
        capabilities=reference.capabilities
        | {Capability.SIMULCAST, Capability.SIGNED_PLAYBACK, Capability.TIMED_METADATA},
    )


FULLER: Final = _spec()
"""Its description."""
