"""HTML forms to the requests that a browser would send for them (WHATWG HTML 4.10.21), without pressing a button.

Fields keep their default values; an empty one gets a plausible one of its type. Buttons are left out, disabled fields
too; of radio buttons the checked one, or the first. A file field's value is what it says it accepts. Of a form with
thousands of fields the first are kept, and `cut_forms` says so. A form that says that it would act, in its address, a
hidden field or on its button (delete, log out, ...), is left out, and `acting_forms` counts them. Nothing is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote_plus

from secrecon.detect.acting import acting_attribute, acting_label, acting_word
from secrecon.detect.html import Document, Tag, unescape
from secrecon.detect.links import query_parameters, resolve
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest

MAX_FORMS = 100
MAX_FIELDS = 60
MAX_FILES = 4
URLENCODED = "application/x-www-form-urlencoded"
_EMPTY = {
    "email": "someone@example.org",
    "url": "https://example.invalid/",
    "number": "1",
    "range": "1",
    "date": "2026-01-02",
    "datetime-local": "2026-01-02T03:04",
    "month": "2026-01",
    "week": "2026-W01",
    "time": "03:04",
    "tel": "5550100",
    "color": "#808080",
}
"""What an empty field of a type is sent with, so that the form is one that a browser would let go."""
_NO_FIELDS = frozenset({"submit", "button", "image", "reset"})
_ENCODINGS = (URLENCODED, "multipart/form-data", "text/plain")


@dataclass(slots=True)
class _Form:
    tag: Tag
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)
    select: str = ""
    cut: bool = False
    hidden: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[bool] = field(default_factory=list)

    @property
    def acts(self) -> bool:
        """Whether sending it would do something: every button says so, or its address, or a field nobody sees."""
        told = acting_word(self.tag.get("action")) or acting_attribute(self.tag.attributes)
        said = any(acting_word(f"/?{quote_plus(name)}={quote_plus(value)}") for name, value in self.hidden)
        return bool(told) or said or (bool(self.buttons) and all(self.buttons))

    def add(self, name: str, value: str) -> None:
        if name and (name in self.fields or len(self.fields) < MAX_FIELDS):
            self.fields.setdefault(name[:200], value[:1_000])
        elif name:
            self.cut = True


def form_shapes(document: Document, request: HttpRequest, base: str = "") -> tuple[RequestShape, ...]:
    """One request for every form of the page, in order. `base`: the page's `<base href>`, "" for none."""
    place = resolve(request.origin, request.target, base) if base else None
    origin, target = place or (request.origin, request.target)
    found: list[RequestShape] = []
    for form in _forms(document):
        if form.acts:
            continue
        method = (form.tag.get("method").strip() or "get").upper()
        if method not in ("GET", "POST"):
            continue
        action = form.tag.get("action").strip()
        where = resolve(origin, target, action) if action else (request.origin, request.target)
        if where is None:
            continue
        path, _, query = where[1].partition("?")
        if method == "GET":
            parameters = tuple(Parameter(n, InputPlace.QUERY, v) for n, v in form.fields.items())
            found.append(RequestShape(where[0], "GET", path, parameters, "form"))
            continue
        encoding = form.tag.get("enctype").strip().lower()
        fields = tuple(Parameter(n, InputPlace.FORM, v) for n, v in form.fields.items())
        if encoding == "multipart/form-data":
            fields += tuple(Parameter(n, InputPlace.FILE, v) for n, v in form.files.items())
        found.append(
            RequestShape(
                where[0],
                "POST",
                path,
                (*query_parameters(query), *fields),
                "form",
                encoding if encoding in _ENCODINGS else URLENCODED,
            )
        )
    return tuple(found)


def cut_forms(document: Document) -> int:
    """How many forms of the page have more fields than were kept."""
    return sum(1 for form in _forms(document) if form.cut)


def acting_forms(document: Document) -> int:
    """How many forms of the page would do something, and were left out."""
    return sum(1 for form in _forms(document) if form.acts)


def _forms(document: Document) -> list[_Form]:
    forms: list[_Form] = []
    by_id: dict[str, _Form] = {}
    current: _Form | None = None
    for tag in document.tags:
        if tag.name == "form":
            if tag.closing:
                current = None
            elif len(forms) < MAX_FORMS:
                current = _Form(tag)
                forms.append(current)
                if tag.get("id"):
                    by_id.setdefault(tag.get("id"), current)
            continue
        owner = by_id.get(tag.get("form"), current) if tag.get("form") else current
        if owner is not None:
            _field(owner, tag)
    return forms


def _field(form: _Form, tag: Tag) -> None:
    if tag.name == "select":
        form.select = "" if tag.closing or "disabled" in tag.attributes else tag.get("name")
        form.add(form.select, "")
        return
    if tag.closing or "disabled" in tag.attributes:
        return
    if tag.name == "option" and form.select:
        if form.select not in form.chosen and (not form.fields.get(form.select) or "selected" in tag.attributes):
            form.fields[form.select] = tag.get("value")[:1_000]
            if "selected" in tag.attributes:
                form.chosen.add(form.select)
    elif tag.name == "button":
        if (tag.get("type").strip().lower() or "submit") == "submit":
            form.buttons.append(_button_acts(tag, unescape(tag.text)))
    elif tag.name == "textarea":
        form.add(tag.get("name"), unescape(tag.text))
    elif tag.name == "input":
        kind = tag.get("type").strip().lower() or "text"
        if kind in ("radio", "checkbox"):
            name, value = tag.get("name")[:200], tag.get("value") or "on"
            form.add(name, value)
            if "checked" in tag.attributes and name in form.fields and name not in form.chosen:
                form.fields[name] = value[:1_000]
                form.chosen.add(name)
        elif kind == "file":
            if tag.get("name") and len(form.files) < MAX_FILES:
                form.files.setdefault(tag.get("name")[:200], tag.get("accept")[:200])
        elif kind in ("submit", "image"):
            form.buttons.append(_button_acts(tag, tag.get("value") or tag.get("alt")))
        elif kind not in _NO_FIELDS:
            if kind == "hidden" and len(form.hidden) < MAX_FIELDS:
                form.hidden.append((tag.get("name")[:200], tag.get("value")[:200]))
            form.add(tag.get("name"), tag.get("value") or tag.get("min") or _EMPTY.get(kind, ""))


def _button_acts(tag: Tag, label: str) -> bool:
    """Whether pressing this button would do something, by what it says, what it sends and where."""
    sent = f"/?{quote_plus(tag.get('name')[:200])}={quote_plus(tag.get('value')[:200])}" if tag.get("name") else ""
    return bool(
        acting_label(label)
        or acting_word(sent)
        or acting_word(tag.get("formaction"))
        or acting_attribute(tag.attributes)
    )
