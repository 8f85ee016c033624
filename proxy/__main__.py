"""`python -m proxy` is `cutover`."""

from proxy.cli import main

if __name__ == "__main__":
    main(prog_name="cutover")
