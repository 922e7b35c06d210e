"""The words by which `report.sentences` judges. Facts about English, nothing else; all in lower case.

A word too many here costs a sentence, which rules then tell; a word too few lets a claim through. When in doubt, add it.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {
    "no": 0,
    "none": 0,
    "single": 1,
    "both": 2,
    "dozen": 12,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "hundred": 100,
}
NUMBERS |= {"hundreds": 10**9, "thousands": 10**9, "dozens": 10**9, "thousand": 1000, "couple": 2, "pair": 2}
"""Words that count; those that no exact number fits have one that never does."""

QUANTITIES = (
    "all",
    "every",
    "any",
    "most",
    "majority",
    "half",
    "each",
    "few",
    "some",
    "many",
    "several",
    "multiple",
    "numerous",
    "various",
)
"""Words that count loosely: true of all findings or refused."""

GRAVE = _set(
    """
severe severely serious seriously grave gravely catastrophic devastating dire alarming worst urgent
urgently emergency
"""
)
SLIGHT = _set(
    """
minor trivial negligible slight slightly insignificant unimportant marginal marginally cosmetic
small
"""
)
MIDDLING = _set("moderate moderately")

PROOF = _set(
    """
proven proved prove proves proof confirmed confirms verified verifies demonstrated
demonstrates showed shown shows established certain certainly definitely undoubtedly exploitable
"""
)
CALLED = _set("callback callbacks called-back listener contacted pinged")
EXPLOITED = _set(
    """
exploited exploiting wild attacked abused weaponised weaponized kev cisa
"""
)
CLOSED = _set(
    """
fixed resolved patched closed mitigated remediated accepted repaired solved addressed dismissed
"""
)

NEVER: tuple[tuple[frozenset[str], str], ...] = (
    (
        _set(
"""
safe safely secure secured securely clean harmless healthy fine protected unaffected immune
invulnerable innocuous benign
"""
),
        "it reassures",
    ),
    (
        _set(
"""
compromised breached hacked stolen leaked infected backdoored intruders intruder hackers hacker
exfiltrated
"""
),
        "it tells of a break-in, which no scan can know",
    ),
    (
        _set(
"""
ignore ignored ignoring disregard disregarded intended intentional expected deliberate honeypot
decoy authorised authorized approved reviewed permitted planned simulated fictional fake dummy demo
"""
),
        "it explains a finding away",
    ),
    (
        _set(
"""
i me my mine myself we ours us ai assistant prompt prompts instruction instructions system-
prompt marker label labels json sentence sentences hello dear sorry please
"""
),
        "it speaks of itself",
    ),
    (_set(
"""
yesterday tomorrow ago weeks months years decades recently previously formerly earlier last since
"""
), "it speaks of another time"),
    (
        _set(
"""
likely unlikely probably possibly perhaps maybe guaranteed percent percentage twice double triple
average
"""
),
        "it guesses or reckons",
    ),
    (
        _set(
"""
bitcoin wallet gift invoice payment pay execute click email mail phone call
telephone chat discord telegram
"""
),
        "it asks for something that no finding needs",
    ),
)  # fmt: skip
"""Words that no sentence may hold, and why."""

NEVER_PHRASES = (
    " false positive",
    " false alarm",
    " by design",
    " no longer ",
    " no risk",
    " no problem",
    " no issue",
    " no vulnerab",
    " no finding",
    " no critical",
    " no high",
    " no action",
    " not needed",
    " at risk of nothing",
    " good shape",
    " well configured",
    " free of ",
    " free from ",
    " nothing to ",
    " only a test",
    " up to date",
    " up-to-date",
    " as expected",
    " can wait",
    " not urgent",
)

KINDS: tuple[tuple[str, ...], ...] = (
    ("ssrf", "server-side request forgery", "request forgery"),
    ("csrf", "cross-site request forgery"),
    ("sql injection", "sqli"),
    ("cross-site scripting", "xss"),
    ("path traversal", "directory traversal"),
    ("code execution", "command execution", "command injection", "run commands", "commands run", "runs commands"),
    ("open redirect", "redirect"),
    ("xxe", "xml external"),
    ("deseriali",),
    ("overflow", "memory corruption"),
    ("bypass", "without authentication", "without signing in"),
    ("denial of service",),
    ("smuggling",),
    ("brute force", "brute-force"),
    ("git repository", "repository"),
    ("directory listing",),
    ("default password", "default credential", "weak password"),
)
"""Kinds of flaws, each with its names."""

DENIALS = _set(
    """
no not none nothing never neither nor without cannot hardly barely lacks lack absent free isn't
aren't
"""
)
DANGER = _set(
    """
risk risks risky danger dangers dangerous threat threats exploit exploits exploited exploitable
vulnerable vulnerability vulnerabilities affected problem problems finding findings
issue issues flaw flaws weakness weaknesses severity action actions urgent need needs needed
necessary fix fixes required require requires impact impacts harm harmful concern concerns worry
worrying attention attack attacks attacker attackers reachable exposed exposure exposures real true
matter matters important relevant serious severe cve cves hole holes defect defects weak leak leaks
abuse abused reach
"""
)

TERMS = frozenset(
    (
        "ipv4",
        "ipv6",
        "http/1.1",
        "http/2",
        "base64",
        "oauth2",
        "sha-1",
        "sha-256",
        "md5",
        "and/or",
        "tcp/ip",
        "e.g",
        "i.e",
    )
)
"""Terms with odd letters that name nothing of the target's."""

COMMON = _set(
    """
this that these those with from into onto their there they them then than when where which while
what whose have been being will would could should must might also only such some same more most
much many very each other another through between because about after before above below over under
until upon both either else even ever here just like made make makes many once without within were
does done doing your yours anyone anybody everyone someone something anything
"""
)
"""Words too common to be about anything."""

VOCABULARY = frozenset(
    word[:5]
    for word in _set(
        """
target server servers service services host hosts site website application applications software
system systems product products version versions update updates updated upgrade release newer newest
latest fixed patch attacker attackers outsider visitor visitors internet public publicly network
networks internal access accesses reach reached read reads reading write send sends sent request
requests answer answers answered response responses finding findings problem problems flaw flaws
weakness vulnerability vulnerabilities severity critical high medium risk risks danger dangerous
serious severe exploit exploited catalogue known evidence proof proven shown shows match matches
matched confirm confirmed check checked checks verify verified decide decision first owner team
teams director engineer company business data information source code secret secrets file files
folder directory page pages configuration configure configured setting settings enable disable block
deny restrict limit remove allow allows allowed lets permits exposes exposed reveals discloses
contains holds gives given needs need needed address addresses input parameter header headers
address affected possible works itself control controlled order place found report urgent
immediately soon today should rests alone number numbers distribution backport backported behaviour
behavior listener callback connection port ports open opened validate validation check filter value
values list trusted untrusted apply applies matter matters most important worst next step steps
still means because using used uses
"""
    )
)
"""Beginnings of words that any security report uses, beside those of the findings."""
