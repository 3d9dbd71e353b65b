"""Providers that are wrong about copies that are pushed elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from headend_contract.known_bad import known_bad
from headend_contract.known_bad.fuller import DELETE_TARGET, FULLER, UPDATE_TARGET, FullerProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headend.plugin import Secret, SimulcastTarget


@known_bad("SIMULCAST-001", what="It shows a target's address with its key.", spec=FULLER)
class ShowsTargetKeys(FullerProvider):
    """Joins address and key."""

    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret
    ) -> SimulcastTarget:
        """Put the key into the address."""
        return super().create_simulcast_target(
            stream_id, f"{server_url}/{stream_key.reveal()}", stream_key
        )


@known_bad("SIMULCAST-002", what="It says that it switched a target, and does not.", spec=FULLER)
class SwitchesOnPaper(FullerProvider):
    """Returns what was asked for."""

    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        """Change the answer only."""
        for one in self.list_simulcast_targets(stream_id):
            if one.target_id == target_id:
                return evolve(one, enabled=enabled)
        raise self.not_found(UPDATE_TARGET, target_id, sent=True)


@known_bad("SIMULCAST-003", what="Deleting a target that is gone is an error.", spec=FULLER)
class DeletesTargetsOnce(FullerProvider):
    """Looks for it first."""

    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        """Raise where there is none."""
        targets: Sequence[SimulcastTarget] = self.list_simulcast_targets(stream_id)
        if target_id not in {one.target_id for one in targets}:
            raise self.not_found(DELETE_TARGET, target_id, sent=True)
        super().delete_simulcast_target(stream_id, target_id)
