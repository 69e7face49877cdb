// What is said of a forecast: its error, its frequency, and where it is furthest off.
// The truth is NaN where it is not known.

const REACH = 1.6448536; // spreads to both sides that hold 90 % of what comes, of normal errors
const DEAD = 0.1; // share of the usual swing; what swings by less has no frequency to speak of

/** Return the mean squared error from step `first` on, null where there is none to be known. */
function meanSquaredError(predictions, truth, first) {
  let [sum, known] = [0, 0];
  for (let time = first; time < truth.length; time++) {
    if (Number.isNaN(truth[time])) continue;
    sum += (predictions[time] - truth[time]) ** 2;
    known++;
  }
  return known && !Number.isNaN(sum) ? sum / known : null;
}

/** Return the step from `first` on where prediction and truth are furthest apart, or null. */
function worstStep(predictions, truth, first) {
  const miss = (time) => (time === null ? -1 : Math.abs(predictions[time] - truth[time]));
  let worst = null;
  for (let time = first; time < truth.length; time++) if (miss(time) > miss(worst)) worst = time;
  return worst;
}

/** Return values up to the last one that is known. */
function untilUnknown(values) {
  let end = values.length;
  while (end > 0 && Number.isNaN(values[end - 1])) end--;
  return values.subarray(0, end);
}

/**
 * Estimate the frequency from step `first` on, in Hz: whole cycles between the first and the last
 * crossing upwards of the mean. Null for what hardly swings, does not finish a cycle, or has gaps.
 */
function estimateFrequency(values, first, samplingRate, swing) {
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
  if (!(highest - lowest >= 2 * DEAD * swing) || crossings < 2) return null;
  return ((crossings - 1) * samplingRate) / (end - begin);
}

/** Return [low, high] of the band around predictions, or nothing where there is none. */
function bandOf({ predictions, spreads }) {
  if (spreads === null) return [];
  return [-REACH, REACH].map((reach) =>
    predictions.map((value, time) => value + reach * spreads[time]),
  );
}
