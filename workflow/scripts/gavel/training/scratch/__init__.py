"""Tiny students and judges made from nothing, which stand in for checkpoints from the hub."""
