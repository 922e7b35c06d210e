"""For every proof a body that is the thing itself, and bodies that only look like it. Written by hand, worthless."""

from __future__ import annotations

import json

from tests.detect.exposure_samples_more import LOOKALIKE_MORE, REAL_MORE

LINES = "MIIEowIBAAKCAQEA0123456789abcdefghijklmnopqrstuv\n" * 3
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{LINES}-----END RSA PRIVATE KEY-----\n"
BOOT = {"name": "systemEnvironment", "properties": {"DB_PASSWORD": {"value": "hunter22"}}}

REAL: dict[str, bytes] = {
    "git-head": b"ref: refs/heads/main\n",
    "git-config": b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
    "git-index": b"DIRC\x00\x00\x00\x02\x00\x00\x00\x05" + bytes(40),
    "git-log": b"0" * 40 + b" " + b"a" * 40 + b" A U Thor <a@acme.test> 1767580000 +0100\tcommit (initial): x\n",
    "svn-entries": b"12\n",
    "svn-db": b"SQLite format 3\x00" + bytes(84),
    "hg": b"dotencode\nfncache\ngeneraldelta\nrevlogv1\nstore\n",
    "env": b"APP_ENV=production\nDB_HOST=db\nDB_PASSWORD=hunter2222\n",
    "archive": b"PK\x03\x04\x14\x00\x00\x00",
    "tar": b"site/index.php" + bytes(243) + b"ustar\x0000" + bytes(200),
    "sql-dump": (
        b"-- MySQL dump 10.13\nDROP TABLE IF EXISTS `u`;\nCREATE"
        b" TABLE `u` (id int);\nINSERT INTO `u` VALUES (1,'w');\n"
    ),
    "sqlite": b"SQLite format 3\x00" + bytes(84),
    "php-config": b"<?php\ndefine( 'DB_PASSWORD', 'hunter2222' );\n",
    "text-config": b"[db]\nhost = localhost\npassword = hunter2222\n",
    "yaml-config": b"production:\n  adapter: mysql2\n  password: hunter2222\n",
    "web-config": (
        b"<?xml version='1.0'?>\n<configuration>\n<connectionStri"
        b"ngs><add name='x'/></connectionStrings></configuration>"
    ),
    "htaccess": b"RewriteEngine On\nRewriteRule ^a$ /b [L]\n",
    "php-source": b"<?php\n$user = load($id);\nrequire 'lib.php';\n",
    "asp-source": b'<%@ Page Language="C#" %>\n<html><body></body></html>',
    "private-key": KEY.encode(),
    "putty-key": b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAAIKsomethingsecret\n",
    "aws-credentials": (
        b"[default]\naws_access_key_id = AKIAABCDEFGHIJKLMNOP\naws_se"
        b"cret_access_key = abcdefghijklmnopqrstuvwxyz0123456789ABCD\n"
    ),
    "docker-auth": b'{"auths": {"registry.acme.test": {"auth": "d2lsZTpodW50ZXIy"}}}',
    "npmrc": b"//registry.acme.test/:_authToken=npm_0123456789abcdef\n",
    "netrc": b"machine ftp.acme.test login wile password hunter2222\n",
    "git-credentials": b"https://wile:hunter2222@git.acme.test\n",
    "pgpass": b"db.acme.test:5432:shop:wile:hunter2222\n",
    "sftp-json": b'{"host": "ftp.acme.test", "username": "wile", "password": "hunter2222"}',
    "filezilla": (
        b"<?xml version='1.0'?><FileZilla3><Servers><Server><Host>"
        b"ftp</Host><Pass>x</Pass></Server></Servers></FileZilla3>"
    ),
    "htpasswd": b"wile:$apr1$l4b0nly0$0123456789abcdefABCDE/\n",
    "ds-store": b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00" + bytes(40),
    "apache-status": (
        b"<html><title>Apache Status</title><h1>Apache Server Status"
        b" for x</h1><dt>Server uptime: 3 days</dt><p>Scoreboard Key"
    ),
    "apache-info": (
        b"<html><title>Server Information</title><h1>Apache Server Information</h1><b>Server Settings</b>"
    ),
    "nginx-status": (
        b"Active connections: 3 \nserver accepts handled requests\n 10 10 20 \nReading: 0 Writing: 1 Waiting: 2 \n"
    ),
    "fpm-status": b"pool:                 www\nprocess manager:      dynamic\nstart time: x\n",
    "haproxy": b"# pxname,svname,qcur,qmax,scur\nstats,FRONTEND,,,0\n",
    "phpinfo": b'<!DOCTYPE html><title>PHP 8.3.6 - phpinfo()</title><h1 class="p">PHP Version 8.3.6</h1>',
    "actuator-env": json.dumps({"activeProfiles": [], "propertySources": [BOOT]}).encode(),
    "actuator-index": b'{"_links":{"self":{"href":"http://x/actuator"},"env":{"href":"http://x/actuator/env"}}}',
    "actuator-beans": b'{"contexts":{"application":{"beans":{"a":{"scope":"singleton"}}}}}',
    "actuator-config": (
        b'{"contexts":{"application":{"x":{"prefix":"spring","properties":{"password":"hunter2222"}}}}}'
    ),
    "actuator-trace": b'{"exchanges":[{"request":{"uri":"http://x/"}}]}',
    "actuator-env-old": b'{"profiles":[],"systemProperties":{"java.version":"1.8"}}',
    "heapdump": b"JAVA PROFILE 1.0.2\x00\x00\x00\x00\x08",
    "jolokia": b'{"request":{"type":"version"},"value":{"agent":"1.7.1","protocol":"7.2"},"status":200}',
    "symfony-profiler": b"<!DOCTYPE html><title>Symfony Profiler</title><div id='profiler'>",
    "telescope": b"<!DOCTYPE html><title>Telescope - Shop</title><link href='/vendor/telescope/app.css'>",
    "ignition": b'{"can_execute_commands":true}',
    "rails-info": (
        b"<table><tr><td>Rails version</td><td>7.1</td></tr><tr>"
        b"<td>Ruby version</td></tr><tr><td>Middleware</td></tr>"
    ),
    "trace-axd": b"<html><head><title></title></head><h1>Application Trace</h1><b>Physical Directory:</b>C:\\www",
    "elmah": b"<html><title>Error Log for ROOT on WEB1</title>Powered by ELMAH",
    "pprof": (
        b"<html><head><title>/debug/pprof/</title></head><body>/debug/p"
        b"prof/<a href='goroutine?debug=2'>full goroutine stack dump</a>"
    ),
    "expvar": b'{"cmdline": ["/srv/shop"], "memstats": {"Alloc": 1}}',
    "werkzeug": b"<!doctype html><title>Console // Werkzeug Debugger</title><script>var EVALEX = true;</script>",
    "prometheus": b"# HELP go_goroutines Number of goroutines.\n# TYPE go_goroutines gauge\ngo_goroutines 7\n",
    "source-map": b'{"version":3,"sources":["webpack:///./src/a.ts"],"names":[],"mappings":"AAAA"}',
    "api-json": b'{"openapi":"3.0.3","info":{"title":"x"},"paths":{"/a":{"get":{}}}}',
    "api-yaml": b"openapi: 3.0.3\ninfo: {title: x}\npaths:\n  /a: {}\n",
    "log": b"[2026-01-05 03:00:01] production.ERROR: it broke\n",
    "npm-debug": b"0 info it worked if it ends with ok\n1 verbose cli [ 'node' ]\n",
    "idea": b'<?xml version="1.0"?>\n<project version="4">\n  <component name="ChangeListManager">',
    "vscode": b'{\n  "editor.tabSize": 2\n}',
    "sublime": b'{"folders": [{"path": "."}]}',
    "composer-lock": b'{"packages": [{"name": "a/b", "version": "1.0"}], "content-hash": "abc"}',
    "composer-json": b'{"name": "acme/shop", "require": {"php": "^8.1"}}',
    "composer-installed": b'{"packages": [{"name": "a/b", "version_normalized": "1.0.0.0"}]}',
    "package-json": b'{"name": "shop", "dependencies": {"left-pad": "1.3.0"}}',
    "package-lock": b'{"name": "shop", "lockfileVersion": 3, "packages": {}}',
    "yarn-lock": b'# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT\n\na@1:\n  version "1.0.0"\n',
    "gemfile": b"GEM\n  remote: https://rubygems.org/\n  specs:\n    rails (7.1)\n",
    "requirements": b"django==5.0.1\nrequests>=2.31\n",
    "dockerfile": b"FROM python:3.11\nRUN pip install x\n",
    "compose": b"version: '3'\nservices:\n  web:\n    image: nginx\n",
    "gitlab-ci": b"stages: [build]\nbuild:\n  script:\n    - make\n",
    "travis": b"language: python\nscript: make\n",
    "jenkinsfile": b"pipeline {\n  agent any\n  stages { stage('Build') { steps { sh 'make' } } }\n}\n",
    "makefile": b".PHONY: all\nall: build\n\tgo build\n",
    "terraform-state": (
        b'{"version":4,"terraform_version":"1.6.0","resources":[{"type":"x","password":"hunter2222"}]}'
    ),
    "adminer": b"<!DOCTYPE html><title>Login - Adminer</title><select name='auth[driver]'>",
    "phpmyadmin": b'<!DOCTYPE html><title>phpMyAdmin</title><input name="pma_username">',
    "elastic": b'{"name":"n","cluster_name":"es","version":{"number":"8.1"},"tagline":"You Know, for Search"}',
    "couchdb": b'{"couchdb":"Welcome","version":"3.3.3"}',
    "solr": b'{"responseHeader":{"status":0},"lucene":{"solr-spec-version":"9.1"}}',
    "consul": b'{"Config":{"NodeName":"n"},"Member":{"Name":"n"}}',
    "etcd": b'{"etcdserver":"3.5.9","etcdcluster":"3.5.0"}',
    "docker-api": b'{"Version":"24.0","ApiVersion":"1.43","MinAPIVersion":"1.12"}',
    "listing": (
        b"<html><head><title>Index of /files/</title></head><body><h1>Index of /"
        b'files/</h1><pre><a href="../">../</a>\n<a href="a.txt">a.txt</a></pre>'
    ),
}

ANY_LOOKALIKE: tuple[bytes, ...] = (
    b"",
    b"\n",
    b"not here\n",
    b"Moved to tape.\n",
    b"<!DOCTYPE html><html><head><title>Not found</title></head><body><h1>Not found</h1><p>Sorry.</p></body></html>",
    b"<html><head><title>Index of prices</title></head><body><p>An essay on phpinfo(), the Apache server status page, "
    b"git HEAD, private keys, adminer, phpMyAdmin and BEGIN RSA PRIVATE KEY.</p><a href='/'>Home</a></body></html>",
    b'{"timestamp":"2026-01-05","status":404,"error":"Not Found","path":"/x"}',
    b'{"message":"not published","version":null}',
    b"# Settings live in the secret store, not in this file.\n",
    b"[]",
    b"{}",
    b"null",
)

LOOKALIKE: dict[str, tuple[bytes, ...]] = {
    "git-head": (b"This folder is kept empty on purpose.\n", b"ref: refs/heads/main and some more text\n<p>"),
    "git-config": (b"[core] is a section\n", b"There is no repository here.\n"),
    "svn-entries": (b"none\n", b"2026\n", b"<html>12\n"),
    "svn-db": (b"moved\n", b"SQLite format 2\x00"),
    "env": (
        b"APP_ENV=production\nAPP_NAME=shop\n",
        b"DB_PASSWORD=\nAPI_TOKEN=\n",
        b"DB_PASSWORD=${SECRET}\nX=<your password>\n",
        b"<!doctype html><p>DB_PASSWORD=hunter2222</p>",
        b"const TOKEN=1;\nvar A_TOKEN=something;\n",
    ),
    "archive": (b"This archive has been moved to tape.\n", b"PK is a bird\n"),
    "tar": (b"ustar is a format\n",),
    "sql-dump": (
        b"-- The nightly dump is encrypted and kept elsewhere.\n",
        b"<html>CREATE TABLE `x` (id int)</html>",
    ),
    "php-config": (b"<?php\n// Settings come from the environment.\n", b"<?php\n$password = getenv('PASSWORD');\n"),
    "text-config": (b"host = localhost\npassword =\n", b"password = ${DB_PASSWORD}\n"),
    "yaml-config": (b"production:\n  adapter: mysql2\n", b"a: b\npassword: <%= ENV['X'] %>\n"),
    "php-source": (b"<?php phpinfo is a function, says the manual", b"Hello <?xml version='1.0'?>"),
    "private-key": (
        b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n-----END CERTIFICATE-----\n",
        b"-----BEGIN RSA PRIVATE KEY-----\n(removed)\n",
    ),
    "aws-credentials": (b"[default]\naws_access_key_id = \naws_secret_access_key = \n",),
    "npmrc": (b"registry=https://registry.acme.test/\n", b"//r/:_authToken=${NPM_TOKEN}\n"),
    "htpasswd": (b"# Users are in the directory service.\n", b"name: value\n", b"a:b\n"),
    "ds-store": (b"Bud1", b"\x00\x00\x00\x01Bud2"),
    "apache-status": (b"<html><title>Status</title><h1>All servers are up</h1></html>",),
    "phpinfo": (b"<html><title>What phpinfo() tells</title><p>An article about the function phpinfo().</p>",),
    "actuator-index": (
        b'{"_links":{"self":{"href":"http://x/actuator"},"health":{"href":"http://x/actuator/health"}}}',
    ),
    "actuator-env": (b'{"propertySources":[]}',),
    "source-map": (b'{"message": "source maps are not published"}', b'{"version":3,"sources":[],"mappings":""}'),
    "api-json": (b'{"openapi":"3.0.3","info":{"title":"x"},"paths":{}}', b'{"paths":{"a":1},"info":{"b":2}}'),
    "log": (b"2026-01-05 was a nice day, without an ERROR\n",),
    "prometheus": (b"# HELP wanted\nplease call 555\n",),
    "requirements": (b"You need django and some patience.\n",),
    "git-credentials": (b"https://git.acme.test/\n",),
    "listing": (
        b'<html><head><title>Index of anvil prices</title></head><body><h1>Index of anvil prices</h1><a href="a.txt">a</a>',
        b'<title>Index of /other/</title><h1>Index of /other/</h1><a href="a.txt">a</a>',
        b'<title>Index of /files/</title><h1>Index of /files/</h1><p>Nothing.</p><a href="../">../</a>',
        b'<title>Index of /files/</title><h1>Index of /files/</h1><a href="a.txt">a</a><a href="/shop/buy">Buy</a>',
    ),
}

REAL |= REAL_MORE
LOOKALIKE |= LOOKALIKE_MORE
