"""Banners as the services and distributions really write them: which package of which release they name, and when none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.packaged import Packaged, distribution_of, packaged, read_banner


@pytest.mark.parametrize(
    ("banner", "product", "version", "distribution", "package", "package_version"),
    [
        (
            "SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3",
            "openssh",
            "8.4p1",
            "Debian 11",
            "deb/debian:11/openssh",
            "1:8.4p1-5+deb11u3",
        ),
        ("OpenSSH_8.4p1 Debian-5", "openssh", "8.4p1", "Debian 11", "deb/debian:11/openssh", "1:8.4p1-5"),
        (
            "SSH-2.0-OpenSSH_10.0p2 Debian-7",
            "openssh",
            "10.0p2",
            "Debian 13",
            "deb/debian:13/openssh",
            "1:10.0p1-7",
        ),
        (
            "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10",
            "openssh",
            "8.9p1",
            "Ubuntu 22.04",
            "deb/ubuntu:22.04:lts/openssh",
            "1:8.9p1-3ubuntu0.10",
        ),
        (
            "SSH-2.0-OpenSSH_6.6.1p1 Ubuntu-2ubuntu2.13",
            "openssh",
            "6.6.1p1",
            "Ubuntu 14.04",
            "deb/ubuntu:14.04:lts/openssh",
            "1:6.6p1-2ubuntu2.13",
        ),
        ("SSH-2.0-OpenSSH_9.9p1 Ubuntu-3ubuntu3.1", "openssh", "9.9p1", "Ubuntu", "", ""),
        ("SSH-2.0-OpenSSH_8.4p1 Raspbian-5+deb11u1", "openssh", "8.4p1", "Raspbian", "", ""),
        ("SSH-2.0-OpenSSH_9.7p1 Debian-2~bpo12+1", "openssh", "9.7p1", "Debian", "", ""),
        ("SSH-2.0-OpenSSH_7.8 FreeBSD-20180909", "openssh", "7.8", "FreeBSD", "", ""),
        ("SSH-2.0-OpenSSH_8.0", "openssh", "8.0", "", "", ""),
        ("PHP/7.4.33-0+deb11u1", "php", "7.4.33", "Debian 11", "deb/debian:11/php7.4", "7.4.33-0+deb11u1"),
        ("PHP/5.6.40-0+deb8u12", "php", "5.6.40", "Debian 8", "deb/debian:8/php5", "5.6.40-0+deb8u12"),
        (
            "PHP/8.1.2-1ubuntu2.14",
            "php",
            "8.1.2",
            "Ubuntu 22.04",
            "deb/ubuntu:22.04:lts/php8.1",
            "8.1.2-1ubuntu2.14",
        ),
        ("PHP/7.4.33-1+0~20221108.73+debian11~1.gbp", "php", "7.4.33", "", "", ""),
        (
            "5.5.5-10.5.23-MariaDB-0+deb11u1",
            "mariadb",
            "10.5.23",
            "Debian 11",
            "deb/debian:11/mariadb-10.5",
            "1:10.5.23-0+deb11u1",
        ),
        (
            "10.11.6-MariaDB-0+deb12u1",
            "mariadb",
            "10.11.6",
            "Debian 12",
            "deb/debian:12/mariadb",
            "1:10.11.6-0+deb12u1",
        ),
        ("10.6.16-MariaDB-1:10.6.16+maria~ubu2004", "mariadb", "10.6.16", "", "", ""),
        (
            "8.0.36-0ubuntu0.22.04.1",
            "mysql",
            "8.0.36",
            "Ubuntu 22.04",
            "deb/ubuntu:22.04:lts/mysql-8.0",
            "8.0.36-0ubuntu0.22.04.1",
        ),
        (
            "PostgreSQL 13.14 (Debian 13.14-0+deb11u1) on x86_64-pc-linux-gnu",
            "postgresql",
            "13.14",
            "Debian 11",
            "deb/debian:11/postgresql-13",
            "13.14-0+deb11u1",
        ),
        (
            "9.18.28-0ubuntu0.22.04.1-Ubuntu",
            "bind",
            "9.18.28",
            "Ubuntu 22.04",
            "deb/ubuntu:22.04:lts/bind9",
            "1:9.18.28-0ubuntu0.22.04.1",
        ),
        (
            "220 mx.test ESMTP Sendmail 8.15.2/8.15.2/Debian-14~deb10u1; Thu, 1 Jan",
            "sendmail",
            "8.15.2",
            "Debian 10",
            "deb/debian:10/sendmail",
            "8.15.2-14~deb10u1",
        ),
    ],
)
def test_banners(
    banner: str, product: str, version: str, distribution: str, package: str, package_version: str
) -> None:
    expected = Packaged(product, version, distribution, package, package_version)
    assert read_banner(banner) == expected
    assert packaged(product, version, banner) == expected


def test_a_revision_of_another_version_names_no_package() -> None:
    assert packaged("openssh", "9.0p1", "SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3") == Packaged(
        "openssh", "9.0p1", "Debian 11"
    )
    assert packaged("proftpd", "1.3.5e", "220 ProFTPD 1.3.5e Server (Debian)").distribution == "Debian"
    assert read_banner("220 ProFTPD 1.3.5e Server (Debian)") is None


@pytest.mark.parametrize(
    ("banner", "distribution"),
    [
        ("220 mx.test ESMTP Postfix (Debian/GNU)", "Debian"),
        ("220 mx.test ESMTP Postfix (Ubuntu)", "Ubuntu"),
        ("1.5.6 Ubuntu", "Ubuntu"),
        ("OpenSSH_8.4p1 Raspbian-5+b1", "Raspbian"),
        ("welcome to the ubuntu fan club", ""),
    ],
)
def test_distributions_of_services(banner: str, distribution: str) -> None:
    assert distribution_of(banner) == distribution


@given(st.text(max_size=600) | st.builds("OpenSSH_8.4p1 Debian-{}".format, st.text(max_size=80)))
def test_any_banner_is_read_without_an_error(text: str) -> None:
    read = read_banner(text)
    if read is not None:
        assert bool(read.package) == bool(read.package_version)
        assert len(read.package_version) < 120
