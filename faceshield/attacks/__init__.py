"""What a data collector may do to undo a noise: one counter-measure a file, ``table`` lists them.

A counter-measure is no part of the tool's work on photos: it measures what a noise withstands.
"""
