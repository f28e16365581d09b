"""What runs a network: PyTorch, or a runtime of exported graphs."""
