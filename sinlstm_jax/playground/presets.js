// What there is to try. Of a preset, `changes` are the settings other than the plain ones.

/** Return a range of steps as a set. */
const stepsFrom = (first, end) => new Set(Array.from({ length: end - first }, (_, i) => first + i));

// With the models that ship: what goes well first, then what does not. A preset picks its model.
const GAP = stepsFrom(80, 140);
const COPES = [
  ["Noise and lost samples", "sensor", { noise: 0.1, dropped: 20, seconds: 2 }],
  ["Loud noise", "sensor", { noise: 0.2, seconds: 3 }],
  ["A gap", "sensor", { seconds: 2, droppedByHand: GAP }],
  ["Half of it lost", "sensor", { dropped: 50, seconds: 2 }],
  ["Other units", "sensor", { amplitude: 3, level: 10, noise: 0.05 }],
  ["Half a second", "sensor", { seconds: 0.5 }],
  ["Clean, for 15 s", "tuned", { frequency: 2.1337, horizon: 1500 }],
  ["Clean, for 30 s", "long", { frequency: 2.1337, horizon: 3000 }],
];
const FAILS = [
  ["Too fast", "sensor", { frequency: 8 }],
  ["Too slow", "sensor", { frequency: 0.25, seconds: 2 }],
  ["A square wave", "sensor", { frequency: 1, shape: "square" }],
  ["Noise, to Tuned", "tuned", { noise: 0.2 }],
  ["A louder wave, to Long", "long", { amplitude: 1.3 }],
  ["15 s, to The tutorial\u2019s", "curriculum", { frequency: 2.1337, horizon: 1500 }],
];

/** Return the presets in groups, { title, presets: [[label, changes]] }; none is empty. */
function presetsOf(learnt, models) {
  const groups = models.length > 1 ? shippedPresets(models) : runPresets(learnt, models[0]);
  return groups.filter(({ presets }) => presets.length);
}

function shippedPresets(models) {
  const model = (name) => models.findIndex((each) => each.name === name);
  const of = (presets) =>
    presets.map(([label, name, changes]) => [label, { model: model(name), ...changes }]);
  return [
    { title: "It goes on well", presets: of(COPES) },
    { title: "It fails", presets: of(FAILS) },
  ];
}

/** Return what a run was trained on, and what goes beyond. */
function runPresets(learnt, { past, signal, observation, is_tutorials: isTutorials }) {
  const { noise, missing, gap } = observation;
  const observed = learnt.mostPast ?? 1.5 * past;
  const lost = stepsFrom(Math.round(0.4 * observed), Math.round((2 / 3) * observed));
  const presets = [
    ...(learnt.frequency ? sinePresets(learnt, isTutorials) : (learnt.presets ?? [])),
    ["Noisy", { noise: 0.2 }, noise[1] < 0.2],
    ["A gap", { seconds: observed / signal.sampling_rate, droppedByHand: lost }, gap[1] < lost.size],
    ["One in two", { dropped: 50 }, missing[1] < 0.5],
  ];
  const beyond = (is) => presets.filter(([, , isBeyond = false]) => isBeyond === is);
  return [
    { title: "As in training", presets: beyond(false) },
    { title: "Beyond its training", presets: beyond(true) },
  ];
}

/** Return sine waves to try, and whether they are beyond the training. */
function sinePresets({ frequency, amplitude }, isTutorials) {
  const [slowest, fastest] = frequency.band;
  const within = (value) => Math.min(frequency.max, Math.max(frequency.min, value));
  const quiet = Math.max(amplitude.min, 0.4 * amplitude.band[0]);
  if (isTutorials) {
    return [
      ["The tutorial\u2019s", { frequency: 1.1337, horizon: 600 }],
      ["For 15 s", { frequency: 2.1337, horizon: 1500 }],
      ["Too fast", { frequency: 6 }, true],
      ["Too slow", { frequency: 0.25, seconds: 2 }, true],
      ["Too quiet", { amplitude: quiet }, true],
    ];
  }
  const ends = [
    ["Slowest", { frequency: slowest }],
    ["Fastest", { frequency: fastest }],
  ];
  return [
    ...(isRange(frequency.band) ? ends : []),
    ["Too fast", { frequency: within(1.5 * fastest) }, true],
    ["Too slow", { frequency: within(slowest / 2) }, true],
    ["Too quiet", { amplitude: quiet }, true],
  ];
}
