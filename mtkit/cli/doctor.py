"""`mtkit doctor`."""

from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Check the installation: versions, devices, precisions, disk, extras.

    Lists missing extras with the command that installs them, and warns of known causes of slowness.
    Does not write anything or use the network.

    Examples:
        mtkit doctor
        mtkit doctor --json
    """
    from mtkit.inspection.doctor import check_installation
    from mtkit.inspection.report import installation_to_text, to_json

    report = check_installation()
    print(to_json(report) if as_json else installation_to_text(report))
