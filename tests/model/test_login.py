"""What a scan may log in with: checked strictly, and no value in any error or representation."""

from __future__ import annotations

import pytest

from secrecon.model.codec import dump, load
from secrecon.model.errors import BadInput
from secrecon.model.login import FormLogin, Login, checked_login
from secrecon.model.target import parse_target

TARGET = parse_target("https://app.acme.test/start")
SECRET = "rocket-skates"
FORM = FormLogin("/login", (("email", "wile@acme.test"), ("password", SECRET)))


def test_addresses_are_made_whole() -> None:
    login = checked_login(Login(form=FORM, check_url="/me?x=1", check_text="Hello"), TARGET)
    assert login.form is not None
    assert login.form.url == "https://app.acme.test/login"
    assert login.check_url == "https://app.acme.test/me?x=1"


@pytest.mark.parametrize(
    ("login", "field"),
    [
        (Login(), "authentication"),
        (Login(headers=(("Host", "x"),)), "headers"),
        (Login(headers=(("Cookie", SECRET),)), "headers"),
        (Login(headers=(("X-A", f"{SECRET}\r\nX-B: 1"),)), "headers"),
        (Login(headers=(("X A", SECRET),)), "headers"),
        (Login(headers=(("X-A", ""),)), "headers"),
        (Login(headers=tuple((f"X-{n}", SECRET) for n in range(21))), "headers"),
        (Login(cookies=(("a", f"{SECRET};b=1"),)), "cookies"),
        (Login(cookies=(("a=b", SECRET),)), "cookies"),
        (Login(form=FormLogin("https://evil.test/login", FORM.fields)), "form.url"),
        (Login(form=FormLogin("//evil.test/login", FORM.fields)), "form.url"),
        (Login(form=FormLogin("http://app.acme.test/login", FORM.fields)), "form.url"),
        (Login(form=FormLogin("/login", ())), "form.fields"),
        (Login(form=FormLogin("/login", (("", SECRET),))), "form"),
        (Login(form=FORM, check_url="https://other.test/"), "check_url"),
        (Login(form=FORM, check_text="x" * 300), "check_text"),
        (Login(form=FORM, hosts=("other.test",)), "hosts"),
    ],
)
def test_what_is_refused_names_the_field_and_no_value(login: Login, field: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked_login(login, TARGET)
    assert (caught.value.field or "").endswith(field)
    assert SECRET not in str(caught.value)


def test_hosts_of_an_organisation() -> None:
    target = parse_target("acme.test")
    login = checked_login(
        Login(form=FormLogin("https://sso.acme.test/in", FORM.fields), hosts=("app.acme.test",)), target
    )
    assert login.hosts == ("app.acme.test",)
    with pytest.raises(BadInput):
        checked_login(Login(form=FORM, hosts=("notacme.test",)), target)


def test_no_value_is_shown_and_it_can_be_stored() -> None:
    login = Login((("Authorization", f"Bearer {SECRET}"),), (("sid", SECRET),), FORM)
    assert SECRET not in repr(login)
    assert "Authorization" in login.told
    assert SECRET not in login.told
    assert load(Login, dump(login)) == login
    assert set(login.secrets) == {f"Bearer {SECRET}", SECRET}


@pytest.mark.parametrize("name", ["user_pw", "login[otp]", "account_key", "user[password]", "login-word"])
def test_a_field_that_proves_somebody_is_secret_whatever_else_its_name_says(name: str) -> None:
    assert Login(form=FormLogin("/", ((name, "hunter2"), ("user_name", "ada")))).secrets == ("hunter2",)
