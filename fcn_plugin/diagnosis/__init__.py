"""What is installed, what a backbone gives, and how a network looks."""
