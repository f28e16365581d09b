"""From somebody's folder of images and masks to a trained network, with nothing asked."""
