"""Runs a network over a clip: chooses precision and tiles, compiles an engine and renders frames in lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import vapoursynth as vs

from vsanime.backends import Backend, BackendProtocol, Engine
from vsanime.backends.base import Workload
from vsanime.errors import TooLittleMemory, VsanimeError
from vsanime.graphs.inspect import NetFacts
from vsanime.pipeline.arguments import Tiling, check_backend, resolve_tile, smaller_tile
from vsanime.pipeline.lanes import run_lanes
from vsanime.pipeline.network import Network
from vsanime.pipeline.tiles import TilePlan, TileRunner, plan_tiles
from vsanime.spec import FrameSpec, GraphTraits, PlaneFormat, PlanesGraph
from vsanime.values import Pair
from vsanime.video.clips import check_same, video_format
from vsanime.video.lifetime import close_with_script


@dataclass(frozen=True)
class Job:
    """One pass of a network over a clip.

    Attributes:
        filter: name of the filter, for messages.
        clip: source clip.
        spec: facts about the frames of the source clip.
        network: network to run.
        form: format of the new frames.
        final: format of the filter's final output, which the precision must suffice for.
        planes: indices of the source planes that the engine reads and of the new planes that it fills.
        graph: function that builds the graph for a tile width and height and the traits a backend wants.
        reach: source pixels that the graph sees beyond the network's radius, (horizontal, vertical).
    """

    filter: str
    clip: vs.VideoNode
    spec: FrameSpec
    network: Network
    form: PlaneFormat
    final: PlaneFormat
    planes: tuple[Sequence[int], Sequence[int]]
    graph: Callable[[int, int, GraphTraits], PlanesGraph]
    reach: Pair = (0, 0)


def run(job: Job, backend: BackendProtocol | None, tiling: Tiling) -> vs.VideoNode:
    """Return a clip at the network's scale; only the planes that the network makes are defined.

    Raises:
        VsanimeError: an option cannot be satisfied, or the runtime refuses the graph.
    """
    check_backend(backend)
    backend = backend if backend is not None else Backend.auto()
    spec, facts = job.spec, job.network.facts
    lanes = min(_lanes(backend, facts), job.clip.num_frames)
    plan, graph, engine = _compile(job, backend, tiling, lanes)
    close_with_script(engine)
    _warn_if_crowded(job.filter, lanes)
    shrink = _shrink(job)
    works = [
        TileRunner(engine.new_lane(), plan, graph.inputs, graph.outputs, facts.scale, shrink) for _ in range(lanes)
    ]
    return run_lanes(
        job.filter,
        job.clip,
        works,
        lambda n, frame: check_same(n, frame.props, spec),
        (video_format(job.form), spec.width * facts.scale, spec.height * facts.scale),
        job.planes,
    )


def _lanes(backend: BackendProtocol, facts: NetFacts) -> int:
    """Return the number of lanes to run: one if a lane's memory grows with the frame and the user did not set a number.

    A network that sees the whole frame has no tiles that bound its memory: at 1080p AnimeGANv2 takes gigabytes a lane.
    """
    if facts.radius is None and getattr(backend, "num_streams", 1) is None:
        return 1
    return backend.lanes_for(vs.core.num_threads)


def _compile(job: Job, backend: BackendProtocol, tiling: Tiling, lanes: int) -> tuple[TilePlan, PlanesGraph, Engine]:
    """Compile an engine; return it with the tiles and the graph of one tile.

    Tiles shrink until they fit into memory, if the user asked for automatic tiles.
    """
    work = _workload(job)
    precision = backend.precision_for(work)
    traits = backend.traits(precision)
    suggested = backend.tile_for(work, precision, fit=tiling.tiles == "auto")
    short = ""
    tried = 0
    while True:
        try:
            plan, overlap = _plan(job, tiling, traits, suggested)
            if short and plan.width * plan.height >= tried:
                raise VsanimeError(f"the network's grid makes tiles of {suggested} no smaller than those before")
            tried = plan.width * plan.height
            graph = replace(job.graph(plan.width, plan.height, traits), title=job.network.model.name)
            return plan, graph, backend.compile(graph, precision, lanes, vs.core.num_threads)
        except TooLittleMemory as error:
            short = str(error)  # keeping the error itself would keep the engine that did not fit alive
            suggested = _fitting(plan, overlap, tiling, error, lanes, traits.least_tile)
        except VsanimeError as error:
            if not short:
                raise
            raise VsanimeError(f"{short}; smaller tiles cannot be had: {error}") from None


def _fitting(plan: TilePlan, overlap: Pair, tiling: Tiling, error: TooLittleMemory, lanes: int, least: Pair) -> Pair:
    """Return the size of a tile that should fit into the available memory.

    Args:
        plan: tiles that did not fit.
        overlap: their overlap in pixels, (horizontal, vertical).
        tiling: tile arguments of the user.
        error: error that the backend raised.
        lanes: number of lanes.
        least: width and height of the smallest tile that the backend serves.

    Raises:
        VsanimeError: the user fixed the tiles, or no tile would fit; the message says what would.
    """
    # Nearly all memory is for layers, which grow with the tile's area; a tenth is left for what does not grow. If a
    # card refused an allocation that it had reported as available, the figures mean nothing: halve the tile.
    share = 0.9 * error.available / error.needed if error.available < error.needed else 0.5
    tile = smaller_tile((plan.width, plan.height), overlap, share, least)
    if tile is not None and tiling.tiles == "auto":
        return tile
    advice = f"`tilesize={tile}` would fit, as would `tiles='auto'`" if tile is not None else "no tile is that small"
    fewer = ", and `num_streams=1` needs less" if lanes > 1 else ""
    raise VsanimeError(f"{error}; {advice}{fewer}") from None


def _workload(job: Job) -> Workload:
    facts = job.network.facts
    return Workload(
        width=job.spec.width,
        height=job.spec.height,
        radius=facts.radius,
        features=facts.features,
        anchored=facts.linear_path or job.network.steady,
        out_channels=facts.out_channels,
        output_bits=job.final.bits,
        output_float=not job.final.is_integer,
    )


def _shrink(job: Job) -> list[Pair]:
    """Return log2 of the horizontal and vertical subsampling of each new plane."""
    made = (job.form.subsampling_w, job.form.subsampling_h)
    return [made if plane else (0, 0) for plane in job.planes[1]]


def _plan(job: Job, tiling: Tiling, traits: GraphTraits, suggested: Pair) -> tuple[TilePlan, Pair]:
    """Return the tiles of a frame and their overlap in pixels, (horizontal, vertical)."""
    spec, facts = job.spec, job.network.facts
    frame = (spec.width, spec.height)
    tile, overlap = resolve_tile(tiling.tiles, tiling.tilesize, tiling.overlap, facts, job.reach, frame, suggested)
    if tiling.tiles in (None, "auto") and tiling.tilesize is None:
        # Balancing may have made tiles smaller than the backend's engines serve.
        tile = max(tile[0], traits.least_tile[0]), max(tile[1], traits.least_tile[1])
    # The kept part of a tile must begin and end on whole chroma samples.
    steps = [max(1 << s[axis] for s in _shrink(job)) for axis in (0, 1)]
    overlap = (-(-overlap[0] // steps[0]) * steps[0], -(-overlap[1] // steps[1]) * steps[1])
    # Origins on the grid keep each pixel at the same position of its block in every tile.
    subsampling = (spec.format.subsampling_w, spec.format.subsampling_h)
    grid = tuple(max(facts.multiple, traits.block, 1 << s) for s in subsampling)
    return plan_tiles(frame, tile, overlap, (grid[0], grid[1]), facts.multiple), overlap


def _warn_if_crowded(name: str, lanes: int) -> None:
    threads = vs.core.num_threads
    if lanes >= threads and threads > 1:
        vs.core.log_message(
            vs.MESSAGE_TYPE_WARNING,
            f"{name}: {lanes} lanes on core.num_threads={threads} can keep every thread busy and other filters "
            f"waiting; set `vs.core.num_threads={lanes + 1}` or `num_streams={threads - 1}`",
        )
