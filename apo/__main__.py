"""`apo`, and `python -m apo`."""

import sys


def main() -> None:
    """Run the command line, and end quietly where it is interrupted before it has begun."""
    try:
        from apo.streams import secure

        secure()
        from apo.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
