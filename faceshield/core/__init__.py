"""The nouns and the small rules that everything else stands on; imports nothing of the rest."""
