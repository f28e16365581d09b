"""From a path or an array to labels and pictures."""
