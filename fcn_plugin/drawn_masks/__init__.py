"""One mask an image, drawn from what people have in its place: regions, or several masks."""
