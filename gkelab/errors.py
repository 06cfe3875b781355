"""The error that reaches a person: one sentence of what is wrong and where, and what to do."""

from __future__ import annotations


class LabError(Exception):
    """Something a person can act on. `str()` is the message, then the remedy, as sentences."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message.rstrip(". ")
        self.remedy = remedy.rstrip(". ")
        text = self.message + "."
        if self.remedy:
            text += " " + self.remedy[0].upper() + self.remedy[1:] + "."
        super().__init__(text)
