"""Judge training: self-taught on unlabelled questions, or by RL on labelled pairs."""
