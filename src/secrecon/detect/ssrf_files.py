"""Small files that make a converter fetch: SVG, XML with an external entity, HTML, a playlist. One address each.

Each refers to our listener and to nothing else, and shows a grey square or a word where it is displayed. Entities are
external only, never nested. Which of them a form is given depends on what it says it accepts. Pure.
"""

from __future__ import annotations

from secrecon.detect.bodies import Upload, xml_document
from secrecon.detect.ssrf_payloads import below, markup
from secrecon.model.interaction import Payload

KINDS = ("svg", "svg-entity", "xml", "html", "playlist")
_ACCEPTED = {
    "svg": ("svg", "image/*", ".xml"),
    "svg-entity": ("svg", "image/*"),
    "xml": ("xml", "text/*", "application/*"),
    "html": ("html", "text/*", ".htm"),
    "playlist": ("mpegurl", "m3u", "video/*", "audio/*", ".ts", "mp4"),
}
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="8" height="8">'
    '<rect width="8" height="8" fill="#888"/>{}</svg>'
)


def kinds_for(accept: str) -> tuple[str, ...]:
    """Which of KINDS a file input takes. `accept`: what the form says, "" for everything."""
    text = accept.lower()
    return tuple(kind for kind in KINDS if not text.strip() or any(word in text for word in _ACCEPTED[kind]))


def file_of(kind: str, payload: Payload) -> Upload:
    """The file of one of KINDS that refers to `payload`."""
    if kind == "svg":
        url = below(payload, "probe.png")
        body = _SVG.format(f'<image width="8" height="8" href="{url}" xlink:href="{url}"/>')
        return Upload("secrecon-probe.svg", "image/svg+xml", body.encode("ascii"))
    if kind == "svg-entity":
        url = below(payload, "probe.txt")
        head = f'<?xml version="1.0"?>\n<!DOCTYPE svg [<!ENTITY probe SYSTEM "{url}">]>\n'
        body = head + _SVG.format("<text>&probe;</text>")
        return Upload("secrecon-probe.svg", "image/svg+xml", body.encode("ascii"))
    if kind == "xml":
        content = xml_document([("document.value", "probe")], external=below(payload, "probe.txt"))
        return Upload("secrecon-probe.xml", "application/xml", content)
    if kind == "html":
        page = f"<!doctype html><title>probe</title>{markup(payload.url)}"
        return Upload("secrecon-probe.html", "text/html", page.encode("ascii"))
    lines = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{below(payload, 'probe.ts')}\n#EXT-X-ENDLIST\n"
    return Upload("secrecon-probe.m3u8", "application/vnd.apple.mpegurl", lines.encode("ascii"))
