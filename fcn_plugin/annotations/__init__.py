"""Regions of labelling tools: a file a format, and between them one small model."""
