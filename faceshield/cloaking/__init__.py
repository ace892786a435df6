"""The main job: photos in, the same photos out with a person's noise on their face.

``run.cloak`` is the way in; the data's way is album → detect → prepare (the noise) → one (a photo) → report.
"""
