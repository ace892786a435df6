"""The main job: photos in, the same photos out with a perturbation on the person's face.

Start at ``run.cloak``. A photo passes album → person (found) → strategy (the perturbation) → photo → report.
"""
