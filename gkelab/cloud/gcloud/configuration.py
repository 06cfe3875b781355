"""gcloud's named configurations, which --configuration means: files that `gcloud config` wrote."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gkelab.errors import LabError


@dataclass(frozen=True)
class Configuration:
    """What a configuration says of where a command works; empty for what it does not say."""

    project: str = ""
    region: str = ""
    zone: str = ""


def folder(environment: Mapping[str, str]) -> Path:
    """Where gcloud keeps them."""
    usual = Path(environment.get("HOME", "/"), ".config", "gcloud")
    return Path(environment.get("CLOUDSDK_CONFIG") or usual, "configurations")


def read(where: Path, name: str) -> Configuration:
    """A configuration. LabError when there is none of that name, or it cannot be read."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with Path(where, f"config_{name}").open(encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        raise LabError(f"Cannot use configuration [{name}]: it does not exist") from None
    except (OSError, UnicodeError, configparser.Error) as error:
        raise LabError(f"Cannot read configuration [{name}]: {error}") from error
    return Configuration(
        parser.get("core", "project", fallback=""),
        parser.get("compute", "region", fallback=""),
        parser.get("compute", "zone", fallback=""),
    )
