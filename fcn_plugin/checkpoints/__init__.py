"""Files of weights: read safely, put into a model, found in a work dir, given away."""
