"""The command line: `moderation …`. Collects the commands of every room."""

import logging
import sys

import click

from moderation import __version__
from moderation.accounts import commands as accounts
from moderation.alerts import commands as alerts
from moderation.archive import commands as archive
from moderation.delivery import commands as delivery
from moderation.errors import ModerationError
from moderation.health import commands as health
from moderation.policy import commands as policy
from moderation.rescoring import commands as rescoring
from moderation.rescoring import policy_commands
from moderation.review import commands as review
from moderation.scoring import commands as scoring


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="moderation")
def cli() -> None:
    """Reader comment moderation."""


for room in (health, accounts, policy, policy_commands, scoring, review, delivery, alerts, archive, rescoring):
    room.register(cli)


def main() -> None:
    """Run a command; what the house refuses is one sentence and exit code 1, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        cli()
    except ModerationError as error:
        click.echo(f"moderation: {error.message}", err=True)
        sys.exit(1)
