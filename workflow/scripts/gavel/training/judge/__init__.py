"""Training the judge itself: self-taught on unlabelled questions, or by RL on labelled pairs."""
