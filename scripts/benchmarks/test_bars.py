"""The bars are judged on made-up figures."""

from scripts.benchmarks.bars import judge
from scripts.benchmarks.timing import spread


def test_bars_are_judged_on_their_side():
    def window(to_pytorch, to_parts):
        return {"ratio_to_pytorch": to_pytorch, "ratio_to_parts": spread([to_parts])}

    def rollout(batch_size, steps, seconds, **ratios):
        sizes = {"batch_size": batch_size, "steps": steps, "ratio_to_pytorch": None}
        return {**sizes, "seconds": {"fused": spread([seconds])}, **ratios}

    figures = {
        "ours": "fused",
        "machine": {"cores": 1},
        "training_iteration": {"300": window(7.4, 1.1), "500": window(7.5, 1.2)},
        "sizes": [
            {"sizes": (500, 15, 256), "ratio_to_pytorch": 4.1},
            {"sizes": (150, 64, 20), "ratio_to_pytorch": 2.4},
        ],
        "beside_training": {"cold": 9.0},
        "whole_curriculum": {"ratios_to_pytorch": {"cold": 4.0}},
        "rollout": [
            rollout(1, 1000, 1.0),
            rollout(1, 1500, 1.0),
            rollout(1, 1_000_000, 1.2),
            rollout(1024, 1500, 1.0, ratio_to_scan=spread([5.1])),
        ],
        "streaming_step": {"ratio_to_pytorch": None},
        "replicates": {"throughput_kept": {"1": spread([1.0]), "16": spread([0.96])}},
        "compilation": {"longest_to_shortest": spread([1.0])},
    }
    iteration = "training iteration, window"
    assert {row["bar"]: row["reached"] for row in judge(figures)} == {
        f"{iteration} 300: times faster than PyTorch": False,
        f"{iteration} 300: over layer, data and Adam alone": True,
        f"{iteration} 500: times faster than PyTorch": True,
        f"{iteration} 500: over layer, data and Adam alone": False,
        f"{iteration} 500, 15 units, batch 256: times faster than PyTorch": True,
        f"{iteration} 150, 64 units, batch 20: times faster than PyTorch": False,
        f"{iteration} 150, 64 units, batch 256: times faster than PyTorch": None,
        f"{iteration} 150, 128 units, batch 20: times faster than PyTorch": None,
        f"{iteration} 150, 128 units, batch 256: times faster than PyTorch": None,
        f"{iteration} 150, 256 units, batch 20: times faster than PyTorch": None,
        "16 replicates on one core: over one's throughput": False,
        "whole curriculum, cold caches: times faster than PyTorch": False,
        "whole curriculum, cold caches: seconds beside iterations": True,
        "whole curriculum, warm caches: times faster than PyTorch": None,
        "whole curriculum, warm caches: seconds beside iterations": None,
        "rollout of one series, 1500 steps, with the call: times faster than PyTorch": None,
        "rollout of one series: a step of 1,000,000 over a step of 1000": False,
        "rollout of 1024 series: times faster than the scan": True,
        "streaming step: times faster than PyTorch": None,
        "compilation: the longest window's over the shortest's": True,
    }
