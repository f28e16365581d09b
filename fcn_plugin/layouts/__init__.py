"""How data sets lie in folders: which files are images, which are masks, and their pairs."""
