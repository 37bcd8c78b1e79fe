"""`mtkit doctor`."""

from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Check the installation: versions, devices, precisions, disk, extras.

    Names missing extras with the command that installs them, and warns of known causes of slowness. Writes nothing and needs no network.

    Examples:
        mtkit doctor
        mtkit doctor --json
    """
    from mtkit.inspection.doctor import check_installation
    from mtkit.inspection.report import installation_to_text, to_json

    checkup = check_installation()
    print(to_json(checkup) if as_json else installation_to_text(checkup))
