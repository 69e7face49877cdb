"""The colours of all pictures, and what they stand for in each of them.

They are those of Okabe and Ito, which the colour-blind tell apart, too.
"""

OBSERVED = "#000000"  # black: what was observed; medians and limits, too
TRUTH = "#56B4E9"  # sky blue: how it went on, WIDE
FORECAST = "#D55E00"  # vermillion: ours, whether a forecast, a model or the port; its band, pale
BASELINES = ("#0072B2", "#009E73", "#CC79A7")  # blue, green, purple: what ours are beside
VARIANT = "#E69F00"  # orange: ours with something changed
GUIDE = "0.35"  # grey: what takes no skill, such as answering 0, and marks to read by
SHADE = "0.92"  # pale grey, below all else: what is observed, or trained on
PALE = 0.25  # of a band, how much of its colour is left
# Of a line with a thin one on it: where the two agree, both are still seen.
WIDE = {"linewidth": 4.5, "alpha": 0.6, "solid_capstyle": "butt"}
