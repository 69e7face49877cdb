"""The project's bars: what speed is wanted, and whether it is reached."""

FLAT = 1.1  # times: what does not grow
SAME = 1.25  # times: compilations, of which there are few repeats


def judge(figures: dict) -> list[dict]:
    """Return every bar: what, the wanted figure, whether more is better, the measured figure.

    What was not measured is null, and so is whether its bar is reached.
    """
    rows = []

    def bar(what: str, wanted: float, measured: float | None, *, at_least: bool = True) -> None:
        reached = None
        if measured is not None:
            reached = measured >= wanted if at_least else measured <= wanted
        row = {"bar": what, "wanted": wanted, "at_least": at_least}
        rows.append(row | {"measured": measured, "reached": reached})

    for window, result in figures["training_iteration"].items():
        what = f"training iteration, window {window}"
        wanted = 6 if int(window) <= 300 else 5.5
        bar(f"{what}: times faster than PyTorch", wanted, result["ratio_to_pytorch"])
        parts = result["ratio_to_parts"].median
        bar(f"{what}: over layer, data and Adam alone", 1.3, parts, at_least=False)

    ratios = figures.get("whole_curriculum", {}).get("ratios_to_pytorch", {})
    beside = figures["beside_training"]
    for caches, faster, seconds in (("cold", 5, 10), ("warm", 6, 4)):
        what = f"whole curriculum, {caches} caches"
        bar(f"{what}: times faster than PyTorch", faster, ratios.get(caches))
        bar(f"{what}: seconds beside iterations", seconds, beside.get(caches), at_least=False)

    rollouts = {(r["batch_size"], r["steps"]): r for r in figures["rollout"]}
    ours = figures["ours"]
    if (1, 1500) in rollouts:
        one = rollouts[1, 1500]["ratio_to_pytorch"]
        bar("rollout of one series, 1500 steps: times faster than PyTorch", 250, one)
    if {(1, 1000), (1, 1_000_000)} <= rollouts.keys():
        short, long = (rollouts[1, steps]["seconds"][ours].median for steps in (1000, 1_000_000))
        what = "rollout of one series: a step of 1,000,000 over a step of 1000"
        bar(what, FLAT, long / short, at_least=False)
    if (1024, 1500) in rollouts:
        to_scan = rollouts[1024, 1500].get("ratio_to_scan")
        bar("rollout of 1024 series: times faster than the scan", 5, to_scan and to_scan.median)

    streaming = figures["streaming_step"]["ratio_to_pytorch"]
    bar("streaming step: times faster than PyTorch", 2.5, streaming)
    compilation = figures["compilation"]["longest_to_shortest"].median
    what = "compilation: the longest window's over the shortest's"
    bar(what, SAME, compilation, at_least=False)
    return rows
