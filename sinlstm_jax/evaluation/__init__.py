"""How well a model, or a baseline, continues waves it was not trained on."""
