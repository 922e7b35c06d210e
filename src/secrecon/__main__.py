"""`python -m secrecon` is the `secrecon` command."""

from secrecon.cli.main import main

main()
