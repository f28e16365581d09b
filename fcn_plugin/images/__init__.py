"""Images, videos and streams as people have them, to arrays."""
