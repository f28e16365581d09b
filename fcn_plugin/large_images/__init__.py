"""Images that do not fit into memory: read, labelled and written window by window."""
