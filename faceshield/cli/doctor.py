"""faceshield doctor: does this installation work, and what is it?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
def command(as_json: bool, device: str) -> None:
    """Examine this installation: versions, device and precision, weights, free disk, and a self-test of seconds.

    One line an item. Opens no connection, and names neither the home folder nor an identity: paste it into a report of
    a fault. Exit code 0 where all is well, 1 where something is not.
    """
    from faceshield.api.doctor import examine

    findings = []
    for finding in examine(device):
        findings.append(finding)
        if not as_json:
            click.echo(f"{'ok   ' if finding.well else 'WRONG'}  {finding.item}: {finding.said}")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    click.get_current_context().exit(0 if all(finding.well for finding in findings) else 1)
