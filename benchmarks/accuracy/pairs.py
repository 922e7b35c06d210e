"""The pairs: real packages, a version with a public vulnerability and the one that repaired it.

A pair is here if it can be had from PyPI, npm or Maven Central and started with small effort. Where the package is a
library, our program below `apps/` uses it as its documentation shows.
"""

from __future__ import annotations

from benchmarks.accuracy.nouns import Age, Pair, Registry

_PY = "{env}/bin/python"
_JETTY_WEB = ("--host", "127.0.0.1", "--port", "{port}", "{app}/web")
_RUNNER = "org.eclipse.jetty:jetty-runner:9.4.43.v20210629!"
_LIBS = ("sh", "-c", "mkdir -p web/WEB-INF/lib && eval cp $0 web/WEB-INF/lib")
"""Makes a web application of the jars that the last word, a pattern, names."""

PAIRS: tuple[Pair, ...] = (
    Pair("aiohttp-links", "CVE-2024-23334", Registry.PYPI, "aiohttp", "3.9.1", "3.9.2",
         start=(_PY, "main.py", "{port}"), app="aiohttp", until="2024-02-10"),
    Pair("django-slash", "CVE-2018-14574", Registry.PYPI, "django", "1.11.14", "1.11.15",
         others=("gunicorn", "setuptools"), start=("{env}/bin/gunicorn", "-b", "127.0.0.1:{port}", "main"), app="django",
         python="3.7", until="2018-08-10"),
    Pair("pypiserver-lines", "CVE-2019-6802", Registry.PYPI, "pypiserver", "1.2.5", "1.2.6", others=("setuptools",),
         start=("{env}/bin/pypi-server", "-i", "127.0.0.1", "-p", "{port}", "{env}/home"), python="3.7",
         until="2019-03-01"),
    Pair("pyload-config", "CVE-2024-21644", Registry.PYPI, "pyload-ng", "0.5.0b3.dev76", "0.5.0b3.dev77",
         start=("sh", "start.sh", "{env}", "{port}"), app="pyload",
         python="3.10", until="2024-04-05"),
    Pair("gradio-component", "CVE-2024-1561", Registry.PYPI, "gradio", "4.12.0", "4.13.0",
         start=(_PY, "main.py", "{port}"), app="gradio", python="3.10", until="2024-01-10",
         variables={"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}),
    Pair("gradio-file", "CVE-2021-43831", Registry.PYPI, "gradio", "2.4.6", "2.5.0", others=("setuptools",),
         start=(_PY, "main.py", "{port}"), app="gradio2", python="3.8", until="2021-12-16"),
    Pair("notebook-slashes", "CVE-2020-26215", Registry.PYPI, "notebook", "6.1.4", "6.1.5",
         start=("{env}/bin/jupyter-notebook", "--allow-root", "--no-browser", "--ip", "127.0.0.1", "--port", "{port}",
                "--notebook-dir", "{env}/home"), python="3.8", until="2020-11-25"),
    Pair("litestar-static", "CVE-2024-32982", Registry.PYPI, "litestar", "2.8.2", "2.8.3", others=("uvicorn",),
         start=(_PY, "main.py", "{port}"), app="litestar", until="2024-05-10"),
    Pair("nicegui-resources", "CVE-2024-32005", Registry.PYPI, "nicegui", "1.4.20", "1.4.21",
         start=(_PY, "main.py", "{port}"), app="nicegui", until="2024-04-20"),
    Pair("st-dots", "CVE-2014-3744", Registry.NPM, "st", "0.2.4", "0.2.5",
         start=("node", "main.js", "{port}"), app="st"),
    Pair("total-dots", "CVE-2019-8903", Registry.NPM, "total.js", "3.1.0", "3.2.4",
         start=("node", "main.js", "{port}"), app="total"),
    Pair("vite-raw", "CVE-2025-30208", Registry.NPM, "vite", "6.2.2", "6.2.3",
         start=("vite", "--host", "127.0.0.1", "--port", "{port}", "--strictPort"), app="vite",
         has={Age.OLD: ("CVE-2025-31125",), Age.FIXED: ("CVE-2025-31125",)}),
    Pair("vite-inline", "CVE-2025-31125", Registry.NPM, "vite", "6.2.3", "6.2.4",
         start=("vite", "--host", "127.0.0.1", "--port", "{port}", "--strictPort"), app="vite"),
    Pair("swagger-ui-root", "CVE-2024-22207", Registry.NPM, "@fastify/swagger-ui", "2.0.1", "2.1.0",
         others=("fastify@4", "@fastify/swagger@8"), start=("node", "main.js", "{port}"), app="swagger"),
    Pair("next-static", "CVE-2020-5284", Registry.NPM, "next", "9.3.1", "9.3.2",
         others=("react@16.13", "react-dom@16.13"), prepare=(("next", "build"),),
         start=("next", "start", "-H", "127.0.0.1", "-p", "{port}"), app="next9",
         variables={"NODE_OPTIONS": "--openssl-legacy-provider", "NEXT_TELEMETRY_DISABLED": "1"}),
    Pair("next-middleware", "CVE-2025-29927", Registry.NPM, "next", "15.2.2", "15.2.3",
         others=("react@19", "react-dom@19"), prepare=(("next", "build"),),
         start=("next", "start", "-H", "127.0.0.1", "-p", "{port}"), app="next15",
         variables={"NEXT_TELEMETRY_DISABLED": "1"}),
    Pair("node-red-dots", "CVE-2021-3223", Registry.NPM, "node-red-dashboard", "2.26.1", "2.26.2",
         others=("node-red@1.2.9",),
         start=("node-red", "--userDir", "{env}", "--port", "{port}", "-D", "uiHost=127.0.0.1")),
    Pair("jetty-dot", "CVE-2021-28164", Registry.MAVEN, "org.eclipse.jetty:jetty-runner", "9.4.38.v20210224",
         "9.4.40.v20210413", start=("java", "-jar", "{env}/lib/jetty-runner-{version}.jar", *_JETTY_WEB), app="jetty",
         has={Age.OLD: ("CVE-2021-34429",), Age.FIXED: ("CVE-2021-34429",)}),
    Pair("jetty-concat", "CVE-2021-28169", Registry.MAVEN, "org.eclipse.jetty:jetty-runner", "9.4.40.v20210413",
         "9.4.41.v20210516", start=("java", "-jar", "{env}/lib/jetty-runner-{version}.jar", *_JETTY_WEB), app="concat",
         others=("org.eclipse.jetty:jetty-servlets:{version}",), prepare=((*_LIBS, "../lib/jetty-[su][te]*.jar"),),
         has={Age.OLD: ("CVE-2021-34429",), Age.FIXED: ("CVE-2021-34429",)}),
    Pair("jetty-escapes", "CVE-2021-34429", Registry.MAVEN, "org.eclipse.jetty:jetty-runner", "9.4.41.v20210516",
         "9.4.43.v20210629", start=("java", "-jar", "{env}/lib/jetty-runner-{version}.jar", *_JETTY_WEB), app="jetty"),
    Pair("jetty-leak", "CVE-2015-2080", Registry.MAVEN, "org.eclipse.jetty:jetty-server", "9.2.8.v20150217",
         "9.2.9.v20150224", start=("java", "-cp", "{env}/lib/*", "Main.java", "{port}"), app="jetleak"),
    Pair("config-server-names", "CVE-2020-5410", Registry.MAVEN, "org.springframework.cloud:spring-cloud-config-server",
         "2.2.2.RELEASE", "2.2.3.RELEASE", kev=True,
         prepare=(("javac", "--release", "8", "-cp", "{env}/lib/*", "-d", "{app}", "Main.java"),),
         start=("java", "-cp", "{app}:{env}/lib/*", "Main", "--server.address=127.0.0.1", "--server.port={port}",
                "--spring.profiles.active=native",
                "--spring.cloud.config.server.native.searchLocations=file:{app}/settings"), app="config"),
    Pair("jolokia-type", "CVE-2018-1000129", Registry.MAVEN, "org.jolokia:jolokia-core", "1.4.0", "1.5.0",
         others=(_RUNNER, "com.googlecode.json-simple:json-simple:1.1.1"),
         prepare=((*_LIBS, "../lib/j[os]*.jar"),),
         start=("java", "-jar", "{env}/lib/jetty-runner-9.4.43.v20210629.jar", *_JETTY_WEB), app="jolokia"),
    Pair("struts-type", "CVE-2017-5638", Registry.MAVEN, "org.apache.struts:struts2-core", "2.3.31", "2.3.32", kev=True,
         others=(_RUNNER,),
         prepare=((*_LIBS, "../lib/[!j]*.jar ../lib/javassist*.jar"),),
         start=("java", "-jar", "{env}/lib/jetty-runner-9.4.43.v20210629.jar", *_JETTY_WEB), app="struts"),
)  # fmt: skip
