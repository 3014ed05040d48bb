"""Times one filter in its own process; run as a file by any Python with VapourSynth and the package to be timed.

It reads a case as JSON from its argument and prints the result as JSON. Peers' environments have no vsanime, so that
functions import it only when they need it.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def source(case: dict[str, Any]) -> Any:
    """Return a clip that repeats one textured frame, so that nothing but the filter takes time."""
    import vapoursynth as vs

    kind = vs.GRAY8 if case.get("luma_only") else vs.YUV420P8
    blank = vs.core.std.BlankClip(None, case["width"], case["height"], kind, length=1)
    rng = np.random.default_rng(0)

    def fill(n: int, f: Any) -> Any:  # noqa: ARG001 - the frame server's signature
        frame = f.copy()
        for p in range(frame.format.num_planes):
            plane = np.asarray(frame[p])
            coarse = rng.integers(16, 236, (plane.shape[0] // 8 + 1, plane.shape[1] // 8 + 1), np.uint8)
            plane[:] = coarse.repeat(8, 0).repeat(8, 1)[: plane.shape[0], : plane.shape[1]]
        return frame

    still = blank.std.ModifyFrame(blank, fill).std.SetFrameProps(_Matrix=1, _Range=0, _ChromaLocation=0)
    kept = still.get_frame(0)
    base = vs.core.std.BlankClip(still, keep=True)
    return base.std.ModifyFrame(base, lambda n, f: kept).std.Loop(case["frames"] + 1)  # noqa: ARG005


def ours(clip: Any, case: dict[str, Any]) -> Any:
    """Return the clip filtered by vsanime, with its defaults except for the options in the case."""
    import vsanime

    options = {"precision": case["precision"], "num_streams": case.get("streams")}
    backend = (
        vsanime.Backend.OpenVINO(**options, exact_linear=case.get("exact", True))
        if case["engine"] == "vsanime"
        else vsanime.Backend.ONNXRuntime(**options)
    )
    if case.get("rgb"):
        return vsanime.waifu2x(
            clip, scale=case["scale"], model=case["model"], backend=backend, tint=case.get("tint", "keep")
        )
    return vsanime.artcnn(clip, case["model"], backend=backend, tilesize=case.get("tilesize"))


def peer(clip: Any, case: dict[str, Any]) -> Any:
    """Return the clip filtered by vs-mlrt, with the conversions that its users write around it.

    For luma networks, luma is converted to float and back, and chroma doubled by Spline36. For RGB networks, the clip
    is converted to float RGB and back.
    """
    import vapoursynth as vs

    core = vs.core
    tile: dict[str, Any] = {}
    if case.get("tilesize"):
        # The peer's own tiles, with the overlap that this network needs for the same result.
        sides = zip(case["tilesize"], (clip.width, clip.height), strict=True)
        tile = {"tilesize": case["tilesize"], "overlap": [0 if t >= side else case["radius"] for t, side in sides]}

    def network(picture: Any) -> Any:
        if case["engine"] == "mlrt-ort":
            return core.ort.Model(picture, case["model"], num_streams=case["streams"], **tile)
        config = {"INFERENCE_PRECISION_HINT": case["precision"], "NUM_STREAMS": case["streams"]}
        return core.ov.Model(picture, case["model"], device="CPU", config=lambda: config, **tile)

    if case.get("rgb"):
        return network(clip.resize.Bicubic(format=vs.RGBS)).resize.Bicubic(format=vs.YUV420P8, matrix=1)
    doubled = network(core.std.ShufflePlanes(clip, 0, vs.GRAY).resize.Point(format=vs.GRAYS)).resize.Point(
        format=vs.GRAY8
    )
    chroma = [
        core.std.ShufflePlanes(clip, p, vs.GRAY).resize.Spline36(clip.width, clip.height, src_left=0.25) for p in (1, 2)
    ]
    return core.std.ShufflePlanes([doubled, *chroma], [0, 0, 0], vs.YUV)


def time_filter(case: dict[str, Any]) -> float:
    """Return milliseconds per frame over one pass, with frames requested as an encoder does."""
    import vapoursynth as vs

    if case.get("cache"):
        vs.core.max_cache_size = case["cache"]
    clip = source(case)
    result = (peer if case["engine"].startswith("mlrt") else ours)(clip, case)
    result.get_frame(0).close()
    start = time.perf_counter()
    for frame in result[1:].frames(close=True):
        frame.width  # noqa: B018 - the frame has been made
    return 1000 * (time.perf_counter() - start) / int(case["frames"])


def time_raw(case: dict[str, Any]) -> float:
    """Return milliseconds per frame of the engine alone on the frame's tiles, with one thread per lane."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from vsanime import Backend
    from vsanime.backends.base import Workload
    from vsanime.coding import luma_coding
    from vsanime.graphs.builders.luma_chroma import luma_graph
    from vsanime.graphs.inspect import inspect
    from vsanime.models.store import load
    from vsanime.pipeline.tiles import plan_tiles
    from vsanime.spec import Family, PlaneFormat, Range, SampleType

    backend = Backend.OpenVINO(precision=case["precision"], num_streams=case.get("streams"))
    proto = load(case["model"]).proto
    facts = inspect(proto)
    size = (case["width"], case["height"])
    work = Workload(*size, facts.radius, facts.features, facts.linear_path, 1, output_bits=8, output_float=False)
    radius = facts.radius or 0
    plan = plan_tiles(size, backend.tile_for(work, case["precision"]), (radius, radius), (2, 2))
    coding = luma_coding(PlaneFormat(Family.GRAY, SampleType.INTEGER, 8), Range.LIMITED)
    graph = luma_graph(proto, facts, coding, coding, plan.width, plan.height, backend.traits(case["precision"]))
    threads = os.cpu_count() or 1
    lanes = backend.lanes_for(threads)
    engine = backend.compile(graph, case["precision"], lanes, threads)
    tiles = len(plan.columns) * len(plan.rows)

    def one_lane(frames: int) -> None:
        lane = engine.new_lane()
        rng = np.random.default_rng(0)
        inputs = [rng.integers(16, 236, t.shape, t.dtype) for t in graph.inputs]
        outputs = [np.zeros(t.shape, t.dtype) for t in graph.outputs]
        for _ in range(frames * tiles):
            lane.run(inputs, outputs)

    one_lane(1)
    each = -(-int(case["frames"]) // lanes)
    start = time.perf_counter()
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(one_lane, [each] * lanes))
    return 1000 * (time.perf_counter() - start) / (each * lanes)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    measured = time_raw(given) if given["engine"] == "raw" else time_filter(given)
    print(json.dumps({"ms": measured}))
