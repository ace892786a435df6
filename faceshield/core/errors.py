"""Every error a user can meet, each with the exit code its command ends with.

A message is one line: the value that was wrong, what was expected, and the fix.
"""

from __future__ import annotations


class FaceshieldError(Exception):
    """Base of all expected failures; anything else is a bug and shows a traceback."""

    exit_code = 1


class UsageError(FaceshieldError):
    """The request itself cannot be carried out (same exit code as click's own usage errors)."""

    exit_code = 2


class UnprotectedError(FaceshieldError):
    """A photo was left unprotected: no face, only doubtful ones, or the chosen one is not there."""

    exit_code = 3


class PhotoError(FaceshieldError):
    """A file is not a picture that can be read, kept safe, and written back."""

    exit_code = 4


class StoreError(FaceshieldError):
    """A stored artefact (weights, identity, report) is missing, damaged or of another kind."""

    exit_code = 5
