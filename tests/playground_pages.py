"""The playground's page as a test opens and reads it, in the system's Chromium."""

import json

import numpy as np

# Waits until every stage has gone on with the latest wave.
REST = """(async () => {
  const pause = () => new Promise((done) => setTimeout(done, 20));
  do { await new Promise(requestAnimationFrame); await pause(); } while (!playground.stages);
})()"""
# Everything that is shown, as JSON.
READ = """() => {
  const plain = (key, value) =>
    ArrayBuffer.isView(value) ? Array.from(value, (x) => (Number.isNaN(x) ? null : x))
    : value instanceof Set ? [...value].sort((a, b) => a - b) : value;
  return JSON.stringify(playground, plain);
}"""


def read(page):
    """Return everything that the page shows once it is at rest."""
    page.evaluate(REST)
    shown = json.loads(page.evaluate(READ))
    for name in ("inputs", "observed", "predictions", "states", "truth"):
        if shown[name] is not None:
            shown[name] = np.array(shown[name], float)
    return shown
