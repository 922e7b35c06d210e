"""The template language (nuclei-compatible): read, checked and compiled. Sending and following redirects is for others.

This room is pure: text and bytes in, templates, values and verdicts out. It opens no socket and knows no clock of its own.
What a template, a target or a callback says is hostile: every reader is bounded in size, depth and work.

- `dsl`: the expression language; `render`: filling in text; `variables`, `payloads`: what is filled in.
- `parse`: a file to a frozen `template.Template`, or to the reason and line of its refusal; `flow`, `rawrequest`.
- `matchers`, `extractors`, `operators`: what one response means.
"""
