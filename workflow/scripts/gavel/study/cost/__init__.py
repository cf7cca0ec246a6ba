"""What a study will cost: tokens, memory, hours."""
