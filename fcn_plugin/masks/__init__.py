"""Masks in files: what their pixels are, and which class each value stands for."""
