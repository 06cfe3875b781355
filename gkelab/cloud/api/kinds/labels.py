"""Labels of resources: what they may be (docs compute/docs/labeling-resources, "Requirements for
labels"), and who may change them."""

from __future__ import annotations

from collections.abc import Mapping

from gkelab.cloud.api import errors

MOST = 64
LONGEST = 63
_KEY = (
    "violates format constraints. The key must start with a lowercase character, can only contain "
    "lowercase letters, numeric characters, underscores and dashes. The key can be at most 63 "
    "characters long. International characters are allowed."
)
_VALUE = (
    "violates format constraints. The value can only contain lowercase letters, numeric "
    "characters, underscores and dashes. The value can be at most 63 characters long. "
    "International characters are allowed."
)


def check(labels: Mapping[str, str]) -> None:
    """ComputeError unless these can be a resource's labels."""
    if len(labels) > MOST:
        raise _invalid(f"At most {MOST} labels are possible.")
    for key, value in labels.items():
        if not (key and _is_letter(key[0]) and _is_plain(key)):
            raise _invalid(f"Label key '{key}' {_KEY}")
        if not _is_plain(value):
            raise _invalid(f"Label value '{value}' {_VALUE}")


def refuse_stale(given: object, current: object) -> None:
    """Raise conditionNotMet unless the client has seen the current labels."""
    if given != current:
        raise errors.condition_not_met(
            "Labels fingerprint either invalid or resource labels have changed"
        )


def _invalid(why: str) -> errors.ComputeError:
    return errors.invalid("resource.labels", "", why)


def _is_letter(character: str) -> bool:
    """Lowercase, or of a script that has no cases."""
    return character.isalpha() and not character.isupper()


def _is_plain(text: str) -> bool:
    return len(text) <= LONGEST and all(_is_letter(c) or c.isnumeric() or c in "_-" for c in text)
