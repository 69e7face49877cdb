// What is said of a forecast: its error, its frequency, and where it is furthest off.

const DEAD = 0.1; // what swings by less than this has no frequency to speak of

/** Return the mean squared error from step `first` on. */
function meanSquaredError(predictions, truth, first) {
  let sum = 0;
  for (let time = first; time < truth.length; time++) sum += (predictions[time] - truth[time]) ** 2;
  return sum / (truth.length - first);
}

/** Return the step from `first` on where prediction and truth are furthest apart. */
function worstStep(predictions, truth, first) {
  const miss = (time) => Math.abs(predictions[time] - truth[time]);
  let worst = first;
  for (let time = first; time < truth.length; time++) if (miss(time) > miss(worst)) worst = time;
  return worst;
}

/**
 * Estimate the frequency from step `first` on, in Hz: whole cycles between the first and the last
 * crossing upwards of the mean. Null for what hardly swings, or does not finish a cycle.
 */
function estimateFrequency(values, first, samplingRate) {
  const part = values.subarray(first);
  const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
  let [lowest, highest, crossings, begin, end] = [Infinity, -Infinity, 0, 0, 0];
  for (let time = 0; time < part.length; time++) {
    lowest = Math.min(lowest, part[time]);
    highest = Math.max(highest, part[time]);
    if (time === 0 || !(part[time - 1] < mean && mean <= part[time])) continue;
    end = time - (part[time] - mean) / (part[time] - part[time - 1]);
    if (crossings++ === 0) begin = end;
  }
  if (highest - lowest < 2 * DEAD || crossings < 2) return null;
  return ((crossings - 1) * samplingRate) / (end - begin);
}
