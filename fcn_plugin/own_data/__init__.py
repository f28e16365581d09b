"""From somebody's folder of images and masks to a config that trains on it."""
