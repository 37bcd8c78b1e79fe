"""Documents with markup: their text as segments; a module for each format."""
