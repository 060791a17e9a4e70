"""The command line: `pomona run images results`."""

import signal
import sys

from pomona import _pomona


def main() -> int:
    """Do what the command line says.

    Returns
    -------
    int
        The exit code: 0, 1 after an error, 2 for a command line that cannot be understood, 130 after Ctrl-C.
    """
    # Python's handler waits for Python code to run, and there is none until the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _pomona.main(["pomona", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
