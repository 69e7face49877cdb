// Waves that are drawn, and samples that are dropped, by pointer and by keyboard.

/** Return the steps from one point of a stroke to the next, with the values on the way. */
function stroke(from, to) {
  const count = Math.max(1, Math.abs(to.time - from.time));
  return Array.from({ length: count + 1 }, (_, i) => [
    from.time + Math.round(((to.time - from.time) * i) / count),
    from.value + ((to.value - from.value) * i) / count,
  ]);
}

/** Return the settings after a stroke of the pen; the first one begins with an empty chart. */
function drawStroke(settings, steps, points) {
  const begun = settings.source === "drawn";
  const drawn = begun ? settings.drawn.slice() : new Float64Array(steps).fill(NaN);
  for (const [time, value] of points) drawn[time] = value;
  const droppedByHand = begun ? new Set(settings.droppedByHand) : new Set();
  for (const [time] of points) droppedByHand.delete(time);
  return { source: "drawn", drawn, droppedByHand };
}

/** Return the settings after samples were dropped, or restored. */
function dropStroke({ droppedByHand }, points, dropping) {
  const changed = new Set(droppedByHand);
  for (const [time] of points) dropping ? changed.add(time) : changed.delete(time);
  return { droppedByHand: changed };
}

/** Return a value within what can be drawn: around usual waves, and the one that is set. */
function drawable(value, { centre, reach, levelOf, amplitudeOf }, settings) {
  const [level, amplitude] = [levelOf(settings), amplitudeOf(settings)];
  const lowest = Math.min(centre - 1.95 * reach, level - 1.95 * amplitude); // -2 is the token
  return Math.max(lowest, Math.min(value, Math.max(centre + 2 * reach, level + 2 * amplitude)));
}

/** Let the pointer draw waves, or drop samples, on the chart of what is fed. */
function listenToStrokes(canvas, page, change) {
  const { tool, scales: scalesNow, past, settings, steps } = page;
  let last = null; // of the stroke that goes on
  let dropping = true;
  const point = ({ offsetX, offsetY }) => ({
    time: Math.min(past() - 1, Math.max(0, scalesNow().timeAt(offsetX))),
    value: drawable(scalesNow().valueAt(offsetY), page.learnt, settings()),
  });
  const draw = (event) => {
    const next = point(event);
    const points = stroke(last ?? next, next);
    last = next;
    if (tool() === "draw") change(drawStroke(settings(), steps, points));
    else change(dropStroke(settings(), points, dropping));
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = null;
    dropping = !settings().droppedByHand.has(point(event).time);
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) draw(each);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => (last = null));
  }
}

/** Let keys go from sample to sample, and drop, restore or draw them. */
function listenToKeys(canvas, page, change) {
  const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity };
  by.End = Infinity;
  const raised = { ArrowUp: 0.1, ArrowDown: -0.1 };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const changes = changesOf(event);
    if (changes === null) return;
    event.preventDefault();
    change(changes);
  });

  function changesOf({ key, shiftKey }) {
    const settings = page.settings();
    const last = page.past() - 1;
    const at = Math.min(last, settings.cursor ?? 0);
    if (key in by) {
      const cursor = Math.min(last, Math.max(0, at + by[key]));
      if (!shiftKey) return { cursor };
      // On the way, what was done to the sample here is done to the others.
      const points = stroke({ time: at, value: 0 }, { time: cursor, value: 0 });
      return { cursor, ...dropStroke(settings, points, settings.droppedByHand.has(at)) };
    }
    if (key === " " || key === "Delete") {
      const dropping = !settings.droppedByHand.has(at);
      return { cursor: at, ...dropStroke(settings, [[at, 0]], dropping) };
    }
    if (!(key in raised)) return null;
    const observed = page.observed();
    const value = Number.isNaN(observed[at]) ? page.learnt.centre : observed[at];
    const next = drawable(value + raised[key] * page.learnt.reach, page.learnt, settings);
    return { cursor: at, ...redrawn(settings, observed, page.steps, at, next) };
  }
}

/** Return the settings after one sample was changed: the others stay as they are observed. */
function redrawn(settings, observed, steps, time, value) {
  const drawn = new Float64Array(steps).fill(NaN);
  drawn.set(observed);
  const isDrawn = settings.source === "drawn";
  const begun = isDrawn ? settings : { ...settings, source: "drawn", drawn, droppedByHand: new Set() };
  const kept = isDrawn ? {} : { noise: 0, dropped: 0 }; // they are in the samples
  return { ...kept, ...drawStroke(begun, steps, [[time, value]]) };
}
