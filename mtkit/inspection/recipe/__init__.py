"""Facts about a recipe: learning rate, parameters, positions, label smoothing and dropout."""
