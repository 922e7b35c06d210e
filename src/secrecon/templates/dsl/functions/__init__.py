"""The functions of the expression language, one module per subject; `registry.FUNCTIONS` holds them all."""
