// Cards that are radio buttons: the models, and the stages of a model's training.

/** Build a card per name; returns their parts, in order. */
function buildCards(parent, group, names, pick) {
  return names.map((name, index) => {
    const card = fromTemplate("card");
    const radio = card.querySelector("input");
    Object.assign(radio, { name: group, value: index });
    radio.addEventListener("change", () => pick(index));
    card.querySelector(".name").textContent = name;
    parent.append(card);
    return { radio, canvas: card.querySelector("canvas"), error: card.querySelector(".error") };
  });
}

/** Build the cards of the models, if there are several; returns what shows results on them. */
function buildModels(models, pick) {
  element("model-choice").hidden = models.length === 1;
  const names = models.map(({ name, title }) => title ?? name);
  return buildCards(element("models"), "model", names, pick);
}

/** Build the cards of each model's stages, `[model][stage]`; none where there is no choice. */
function buildStages(models, pick) {
  return models.map(({ name, stages }) => {
    const parent = document.createElement("div");
    parent.className = "cards";
    parent.hidden = true;
    element("stages").append(parent);
    if (stages.length === 1 && models.length > 1) return [];
    const named = ({ horizon }) => (horizon === null ? name : `${horizon} steps`);
    return buildCards(parent, "stage", stages.map(named), pick);
  });
}

/** Show which model and which stage are picked. */
function showPicked({ model, stage }, modelCards, stageCards) {
  modelCards[model].radio.checked = true;
  if (stageCards[model][stage]) stageCards[model][stage].radio.checked = true;
  element("stage-choice").hidden = stageCards[model].length === 0;
  [...element("stages").children].forEach((each, index) => (each.hidden = index !== model));
}

/** Draw a forecast on its card, all of it, with its error. */
function showOnCard(card, { predictions, figures }, scene, learnt, as, colours) {
  drawSmall(card.canvas, { ...scene, predictions }, learnt, colours);
  const { error, frequency } = figures;
  const otherwise = Number.isNaN(predictions.at(-1)) ? NOTHING : as.hertz(frequency);
  card.error.textContent = error === null ? otherwise : `error ${small(error)}`;
}
