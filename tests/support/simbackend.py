"""A backend on simulated cards, for whole filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.cudasim import CudaSim, SimProgram
from vsanime.backends.base import Engine, Workload, tile_within
from vsanime.backends.cuda.lanes import GpuEngine
from vsanime.backends.cuda.runtime import Device
from vsanime.spec import GraphTraits, PlanesGraph


@dataclass(frozen=True, kw_only=True)
class SimBackend:
    """Networks run by `SimProgram`.

    Attributes:
        sim: the cards.
        num_streams: lanes.
        device_id: which cards.
        cuda_graph: record frames.
    """

    sim: CudaSim
    num_streams: int = 2
    device_id: Sequence[int] = (0,)
    cuda_graph: bool = True

    def precision_for(self, work: Workload) -> str:  # noqa: ARG002 - the answer is the same for every job
        return "f32"

    def traits(self, precision: str) -> GraphTraits:  # noqa: ARG002 - one precision, one form
        return GraphTraits(block=2)

    def tile_for(self, work: Workload, precision: str, *, fit: bool = False) -> tuple[int, int]:  # noqa: ARG002
        return tile_within(work, bytes_per_value=4)

    def lanes_for(self, threads: int) -> int:  # noqa: ARG002 - a card's lanes need no threads
        return self.num_streams

    def compile(self, graph: PlanesGraph, precision: str, lanes: int, threads: int) -> Engine:  # noqa: ARG002
        devices = [Device(index) for index in self.device_id]

        def make(device: Device, stream: int) -> SimProgram:  # noqa: ARG001 - it is told the stream by `bind`
            return SimProgram(self.sim, graph, device)

        return GpuEngine(graph, devices, lanes, make, cuda_graph=self.cuda_graph)
