"""All functions by name. Each also answers to its name without underscores (`tolower`), as in the reference."""

from __future__ import annotations

from secrecon.templates.dsl.functions.declare import Function
from secrecon.templates.dsl.functions.digests import DIGESTS
from secrecon.templates.dsl.functions.encoding import ENCODING
from secrecon.templates.dsl.functions.network import NETWORK
from secrecon.templates.dsl.functions.refused import REFUSED
from secrecon.templates.dsl.functions.text import TEXT
from secrecon.templates.dsl.functions.versions import VERSIONS
from secrecon.templates.dsl.functions.world import WORLD

ALL: tuple[Function, ...] = TEXT + ENCODING + DIGESTS + WORLD + NETWORK + VERSIONS + REFUSED
FUNCTIONS: dict[str, Function] = {
    name: function for function in ALL for name in (function.name, function.name.replace("_", ""))
}
