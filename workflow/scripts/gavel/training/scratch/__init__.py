"""Tiny students and judges trained from scratch, which replace checkpoints from the hub."""
