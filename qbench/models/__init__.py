"""From a declaration to artifacts: configuration, datasets, recipes, conversion, structure."""
