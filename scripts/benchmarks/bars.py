"""What was wanted of the figures, and whether it was reached."""

FLAT = 1.1  # times: what does not grow
SAME = 1.25  # times: compilations, of which there are few repeats
PARTS = 1.15  # times layer, data and Adam
ITERATION = {150: 8, 200: 8, 300: 7.5, 500: 7.5}  # window -> times faster than PyTorch
SIZES = {  # (window, units, batch) -> times faster than PyTorch
    (500, 15, 256): 4,
    (150, 64, 20): 2.5,
    (150, 64, 256): 2,
    (150, 128, 20): 1.3,
    (150, 128, 256): 1.3,
    (150, 256, 20): 1.1,
}
CURRICULUM = {"cold": (5, 15), "warm": (6, 2)}  # caches -> (times faster, seconds beside training)
FASTER = "times faster than PyTorch"


def judge(figures: dict) -> list[dict]:
    """Return every bar: what, the wanted figure, whether more is better, the measured figure.

    What was not measured is null, and so is whether its bar is reached.
    """
    rows = []

    def bar(what: str, wanted: float, measured: float | None, at_least: bool = False) -> None:
        reached = None
        if measured is not None:
            reached = measured >= wanted if at_least else measured <= wanted
        row = {"bar": what, "wanted": wanted, "at_least": at_least}
        rows.append(row | {"measured": measured, "reached": reached})

    for window, result in figures["training_iteration"].items():
        what = f"training iteration, window {window}"
        if int(window) in ITERATION:
            bar(f"{what}: {FASTER}", ITERATION[int(window)], result["ratio_to_pytorch"], True)
        bar(f"{what}: over layer, data and Adam alone", PARTS, result["ratio_to_parts"]["median"])
    sizes = {tuple(result["sizes"]): result["ratio_to_pytorch"] for result in figures["sizes"]}
    for (window, units, batch), wanted in SIZES.items():
        what = f"training iteration, window {window}, {units} units, batch {batch}: {FASTER}"
        bar(what, wanted, sizes.get((window, units, batch)), True)
    one_core = figures["machine"]["cores"] == 1
    kept = figures["replicates"]["throughput_kept"].get("16", {}).get("median")
    bar("16 replicates on one core: over one's throughput", 0.97, kept if one_core else None, True)
    ratios = figures.get("whole_curriculum", {}).get("ratios_to_pytorch", {})
    for caches, (times, seconds) in CURRICULUM.items():
        what = f"whole curriculum, {caches} caches"
        bar(f"{what}: {FASTER}", times, ratios.get(caches), True)
        beside = figures.get("beside_training", {}).get(caches)
        bar(f"{what}: seconds beside iterations", seconds, beside if one_core else None)
    rollouts = {(r["batch_size"], r["steps"]): r for r in figures["rollout"]}
    one = rollouts[1, 1500]["ratio_to_pytorch"]
    bar(f"rollout of one series, 1500 steps, with the call: {FASTER}", 1200, one, True)
    short, long = (rollouts[1, n]["seconds"][figures["ours"]] for n in (1000, 1_000_000))
    what = "rollout of one series: a step of 1,000,000 over a step of 1000"
    bar(what, FLAT, long["median"] / short["median"])
    to_scan = rollouts[1024, 1500].get("ratio_to_scan", {}).get("median")
    bar("rollout of 1024 series: times faster than the scan", 5, to_scan, True)
    bar(f"streaming step: {FASTER}", 6, figures["streaming_step"]["ratio_to_pytorch"], True)
    to_shortest = figures["compilation"]["longest_to_shortest"]["median"]
    bar("compilation: the longest window's over the shortest's", SAME, to_shortest)
    return rows
