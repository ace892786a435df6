"""The proof that a person can run: their cloaked photos and clean ones, searched for among distractors."""
