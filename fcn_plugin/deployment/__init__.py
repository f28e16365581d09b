"""From a trained network to one file that other programs run."""
