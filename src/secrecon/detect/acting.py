"""Which addresses, forms and labels must be left alone, because asking for them would do something.

A link that ends a session, deletes, resets, installs or pays; in the words of several languages, in a path, a query,
a method override, an attribute or the label that people see. And inputs that say how much, how many or how long:
those keep the value that they were seen with, and a large one is not asked for at all. Words only, nothing is
requested here. When in doubt a link is left alone: the ledger says which ones were.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote_plus

import re2

MAX_READ = 2_000
LARGE = 1_000
LONG = 2
"""The most that an amount, and a number of seconds, may say for an address to be asked for."""


def words_of(text: str) -> frozenset[str]:
    """The words of a list that is written out as a text."""
    return frozenset(text.split())


ACTING = words_of(
    """
    logout logoff signout signoff logmeout delete del remove rm destroy drop purge erase wipe truncate clear flush reset
    install uninstall installer setup upgrade migrate rollback unsubscribe subscribe cancel deactivate disable activate
    enable revoke approve reject confirm publish unpublish archive restore shutdown poweroff reboot restart halt kill
    stop terminate transfer withdraw pay purchase checkout order vote like unlike follow unfollow block ban unban send
    resend invite trash void close deregister addtocart emptycart clearcart downgrade suspend impersonate
    regenerate rotate decline deprovision decommission detach unlink unpair unlock format formatdisk
    abmelden ausloggen loeschen loschen entfernen zuruecksetzen zurucksetzen herunterfahren neustart abbestellen
    kuendigen kundigen installieren deaktivieren
    deconnexion deconnecter sedeconnecter supprimer suppression effacer reinitialiser desabonner desinscrire
    desinscription arreter eteindre redemarrer desactiver annuler desinstaller
    cerrarsesion desconectar desconexion eliminar borrar restablecer reiniciar darsedebaja apagar desactivar
    terminarsessao desconectarse excluir remover redefinir desinscrever
    disconnetti disconnettersi esci elimina cancella rimuovi reimposta disiscriviti
    uitloggen afmelden verwijderen verwijder uitschrijven herstarten afsluiten
    wyloguj usun zresetuj wypisz loggaut loggut logud radera slett slet avregistrera kirjauduulos poista
    odhlasit smazat odstranit kijelentkezes torles oturumukapat cikisyap sil vyhod vyjti udalit sbrosit
    """
)
_SOFT = words_of(
    """
    clear setup order orders like follow send block stop close archive restore checkout enable installer format sil esci
    unlock rotate halt
    """
)
"""Words that act in a query (`?do=clear`) or as the last path segment of a script, but are common names of pages."""
_COMMANDED = words_of(
    "run execute exec start launch trigger rebuild reindex add create insert save update import cron"
)
"""Words that act only as the value of a command (`?action=run`), or as the name of a script (`wp-cron.php`)."""
COMMANDS = words_of("action act do cmd command op operation task method mode event func function step verb type")
_INNOCENT_NAMES = words_of("order like follow close block archive")
_JOINED = words_of(
    """
    logout logoff signout signoff logmeout addtocart emptycart clearcart poweroff cerrarsesion terminarsessao
    sedeconnecter loggaut loggut darsedebaja oturumukapat cikisyap kirjauduulos formatdisk
    """
)
_ELSEWHERE = words_of(
    """
    登出 退出登录 注销 删除 刪除 重置 卸载 ログアウト 削除 退会 로그아웃 삭제 탈퇴 выход выйти удалить сбросить отписаться
    вийти видалити έξοδος αποσύνδεση διαγραφή خروج حذف התנתק מחק ออกจากระบบ ลบ
    """
)
"""Words of scripts that know no ASCII, looked for anywhere in the text."""
_TIMES = words_of("delay sleep wait timeout pause seconds secs ms millis milliseconds duration interval")
_AMOUNTS = _TIMES | words_of(
    """
    size count limit depth width height rows per page_size pagesize perpage per_page num length max repeat times n scale
    offset batch top bytes kb mb gb memory mem iterations rounds loops retries levels threads workers concurrency
    quantity qty amount dpi zoom chunk chunks range maxresults pagelen first last take skip
    groesse grosse anzahl taille nombre limite cantidad tamano tamanho quantidade dimensione aantal grootte
    """
)
_WITHOUT_END = words_of("all max unlimited infinity infinite inf nan full none")
_NUMBER = re2.compile(r"^[+]?([0-9]+)(?:\.[0-9]*)?(?:[eE]\+?([0-9]+))?\s*([kKmMgGtTsS]?)[a-zA-Z]{0,3}$")
_TOKENS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")
_UNITS = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "t": 1_000_000_000_000}
_METHODS = words_of("delete put patch")
_METHOD_ATTRIBUTES = ("data-method", "data-turbo-method", "data-http-method", "data-request-method")
_ASKS_FIRST = ("data-confirm", "data-turbo-confirm", "hx-confirm", "wire:confirm")
MAX_LABEL_WORDS = 5


@lru_cache(maxsize=8_192)
def words(text: str) -> tuple[str, ...]:
    """The words of a name in lower case, accents folded: `deleteItem`, `delete-item` and `delete_item` all give
    `delete`, `item`; two or three that make one of the joined words give that too."""
    folded = text[:MAX_READ]
    if not folded.isascii():
        plain = unicodedata.normalize("NFKD", folded.replace("ß", "ss"))
        folded = "".join(char for char in plain if not unicodedata.combining(char))
    whole = [part.lower() for part in _SEPARATORS.split(folded)]
    parts = [word.lower() for word in _TOKENS.findall(folded)]
    joined = ["".join(pair) for pair in itertools.pairwise(parts)]
    joined += ["".join(parts[at : at + 3]) for at in range(len(parts) - 2)]
    return (*whole, *parts, *(word for word in joined if word in _JOINED))


def acting_word(target: str) -> str:
    """The word that says that asking for `target` may do something (end a session, delete, send), "" for none."""
    path, _, query = target[: MAX_READ * 2].partition("?")
    if foreign := _foreign(unquote_plus(target[: MAX_READ * 2])):
        return foreign
    segments = [segment for segment in unquote_plus(path).split("/") if segment]
    for index, segment in enumerate(segments):
        script = "." in segment and index == len(segments) - 1
        for word in words(segment):
            if (word in ACTING and (script or word not in _SOFT)) or (script and word == "cron"):
                return word
    for pair in query.split("&")[:100]:
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        if word := _acting_pair(name, value):
            return word
    return ""


def _acting_pair(name: str, value: str) -> str:
    """The word by which one parameter announces an action: `delete=1`, `?logout`, `action=delete`, `_method=put`."""
    named = words(name)
    for word in named:
        if word in ACTING and word not in _INNOCENT_NAMES:
            return word
    said = words(value)
    command = bool(COMMANDS & {*named})
    if command and "method" in named and (found := next((w for w in said if w in _METHODS), "")):
        return found
    for word in said:
        if (word in ACTING and word not in _INNOCENT_NAMES) or (command and (word in ACTING or word in _COMMANDED)):
            return word
    return ""


def acting_label(text: str) -> str:
    """The word by which what people read on a link or a button says that it acts, "" for none. Long texts are prose."""
    label = text.strip()[:200]
    if foreign := _foreign(label):
        return foreign if len(label) <= 40 else ""
    found = words(label)
    if len(label.split()) > MAX_LABEL_WORDS:
        return ""
    return next((word for word in found if word in ACTING and word not in _SOFT), "")


def acting_attribute(attributes: dict[str, str]) -> str:
    """What an element's attributes say about acting: another method than GET, or that a person is asked first."""
    for name in _METHOD_ATTRIBUTES:
        method = attributes.get(name, "").strip().lower()
        if method and method != "get":
            return method
    if any(name in attributes for name in _ASKS_FIRST) or "confirm(" in attributes.get("onclick", ""):
        return "confirm"
    return ""


def asks_amount(name: str) -> bool:
    """True for the name of an input that says how much, how many or how long: its value is never changed."""
    return bool({name.lower(), *words(name)} & _AMOUNTS)


def oversized(target: str) -> str:
    """The parameter, or the path segment, that asks for something large, endless or slow (`size=5000`, `limit=-1`,
    `delay=10`, `/bytes/9999999`), "" for none."""
    path, _, query = target[: MAX_READ * 2].partition("?")
    for pair in query.split("&")[:100]:
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        if asks_amount(name) and _too_much(name, value.strip()):
            return name
    segments = path.split("/")
    for before, segment in itertools.pairwise(segments):
        if segment[:1].isdigit() and asks_amount(before) and _too_much(before, segment):
            return before
    return ""


def holds_nul(target: str) -> bool:
    """True for a NUL byte, written out or encoded once or twice: servers have died of it."""
    return "\x00" in target or "%00" in target or "%2500" in target


def refusal(target: str) -> str:
    """The word for which an address is not asked for, "" where it may be."""
    return acting_word(target) or oversized(target) or ("NUL" if holds_nul(target) else "")


def _too_much(name: str, value: str) -> bool:
    if value.lower() in _WITHOUT_END or value.startswith("-"):
        return True
    if value[:2].lower() == "0x":
        return True
    most = LONG if _TIMES & {name.lower(), *words(name)} else LARGE
    if {"ms", "millis", "milliseconds"} & {name.lower(), *words(name)} or value.lower().endswith("ms"):
        most = LONG * 1_000
    found = _NUMBER.search(value[:40])
    if found is None:
        return len(value) > 40 and value[:1].isdigit()
    digits, power, unit = found.group(1), found.group(2) or "0", found.group(3).lower()
    if len(digits) > 12 or len(power) > 2:
        return True
    amount = int(digits) * 10 ** min(int(power), 30)
    return bool(amount * (1 if value.lower().endswith("ms") else _UNITS.get(unit, 1)) > most)


def _foreign(text: str) -> str:
    if text.isascii():
        return ""
    lower = text.lower()
    return next((word for word in _ELSEWHERE if word in lower), "")
