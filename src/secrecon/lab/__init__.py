"""Beside the floors: vulnerable and safe twin targets on loopback, for the demo and the tests.

Nothing here may be imported by the product itself (the command line's `demo` excepted), and nothing here ever
talks to an address that is not loopback. `truth.yaml` says what a correct scan of all this finds.
"""
