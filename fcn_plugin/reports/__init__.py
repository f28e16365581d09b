"""A run or a folder of images judged."""
