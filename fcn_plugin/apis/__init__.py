"""What the tools call: configs, training, testing, prediction."""
