"""The command line: `moderation …`. Collects the commands of every room, each room once one of its commands is used."""

import errno
import importlib
import logging
import sys

import click

from moderation import __version__, loading
from moderation.errors import ModerationError

ROOMS: dict[str, tuple[str, ...]] = {
    "health.commands": ("up", "migrate", "doctor"),
    "accounts.commands": ("sites", "users"),
    "policy.commands": ("policy",),
    "rescoring.policy_commands": ("policy",),  # adds to the group of the policy room
    "scoring.commands": ("score", "train", "evaluate", "models", "scorers"),
    "review.commands": ("queue", "statistics"),
    "delivery.commands": ("deliveries",),
    "alerts.commands": ("alerts",),
    "archive.commands": ("import", "export"),
    "rescoring.commands": ("rescore",),
}
"""Module of the package → the commands that it brings or adds to, in the order of loading."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What writing to standard output fails with when a disk is full; such an error names no file."""


class House(click.Group):
    """Loads a room when one of its commands is asked for: loading the whole house takes a second of every command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands."""
        return sorted({name for names in ROOMS.values() for name in names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name, None where there is no such command."""
        if cmd_name not in self.commands:
            with loading.at_once():
                for module in [module for module, names in ROOMS.items() if cmd_name in names]:
                    importlib.import_module(f"moderation.{module}").register(self)
        return super().get_command(ctx, cmd_name)


@click.group(cls=House, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="moderation")
def cli() -> None:
    """Reader comment moderation."""


def main() -> None:
    """Run a command; what the house refuses is one sentence and exit code 1, not a traceback. So is a file that cannot
    be read or written: a full disk, missing rights, a folder in its place."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        cli()
    except ModerationError as error:
        click.echo(f"moderation: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None and error.errno not in _FULL:
            raise  # no file of the user's: where it came from is what helps
        where = "" if error.filename is None else f"{error.filename}: "
        click.echo(f"moderation: {where}{error.strerror}.", err=True)
        sys.exit(1)
