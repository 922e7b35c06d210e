"""Interfaces of clusters and of machines for models, with nobody at the door and with somebody."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secrecon.lab.twins.data import compact
from secrecon.lab.twins.shapes import Answer, Asked, Told, absent, moved, plain, shown


def docker(asked: Asked, fixed: bool) -> Told:
    """The daemon's interface, and one that speaks to holders of a certificate only."""
    if fixed:
        return plain("Client sent an HTTP request to an HTTPS server.\n", 400)
    if asked.path == "/version":
        parts = {"Platform": {"Name": "Docker Engine"}, "Version": "24.0.7", "ApiVersion": "1.43"}
        return compact({**parts, "MinAPIVersion": "1.12", "GoVersion": "go1.20.10", "Os": "linux"})
    found = re.fullmatch(r"/containers/(\w+)/json", asked.path)
    return compact({"message": f"No such container: {found[1]}" if found else "page not found"}, 404)


def kubelet(asked: Asked, fixed: bool) -> Told:
    """A node that lets strangers in, and one that asks the cluster first."""
    if asked.path == "/healthz":
        return plain("ok")
    if fixed:
        return plain("Unauthorized", 401)
    found = re.fullmatch(r"/containerLogs/\w+/(\w+)/\w+", asked.path)
    return plain(f'pod "{found[1]}" does not exist' if found else "404 page not found", 404)


def kubernetes(asked: Asked, fixed: bool) -> Told:
    """A cluster whose rules let strangers read namespaces, and one whose rules do not."""
    if asked.path == "/version":
        return compact({"major": "1", "minor": "28", "gitVersion": "v1.28.4", "platform": "linux/amd64"})
    found = re.fullmatch(r"/api/v1/namespaces/(\w+)", asked.path)
    if found is None:
        return plain("404 page not found", 404)
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    if not fixed:
        message = f'namespaces "{found[1]}" not found'
        return compact({**status, "message": message, "reason": "NotFound", "code": 404}, 404)
    message = f'namespaces "{found[1]}" is forbidden: User "system:anonymous" cannot get resource "namespaces"'
    return compact({**status, "message": message, "reason": "Forbidden", "code": 403}, 403)


def etcd(asked: Asked, fixed: bool) -> Told:
    """3.5 without users, and with."""
    if asked.path != "/v3/kv/range" or asked.method != "POST":
        return plain("404 page not found\n", 404)
    if fixed:
        return compact({"error": "etcdserver: user name is empty", "code": 3, "message": "user name is empty"}, 400)
    head = {
        "cluster_id": "14841639068965178418",
        "member_id": "10276657743932975437",
        "revision": "9",
        "raft_term": "2",
    }
    return compact({"header": head})


def jupyter(asked: Asked, fixed: bool) -> Told:
    """A server without a token, and with one."""
    if asked.path == "/api":
        return plain('{"version": "2.7.0"}', kind="application/json")
    if asked.path == "/":
        return moved("/login?next=%2F" if fixed else "/tree")
    if fixed:
        return plain('{"message": "Forbidden", "reason": null}', 403, "application/json")
    if asked.path != "/api/kernelspecs":
        return plain('{"message": "Not Found", "reason": null}', 404, "application/json")
    kernel = '{"name": "python3", "spec": {"argv": ["python"], "display_name": "Python 3"}, "resources": {}}'
    return plain(f'{{"default": "python3", "kernelspecs": {{"python3": {kernel}}}}}', kind="application/json")


def yarn(asked: Asked, fixed: bool) -> Told:
    """A resource manager without Kerberos, and with it."""
    if fixed:
        return shown(
            "Error 401 Authentication required", "<h2>HTTP ERROR 401</h2>", 401, WWW_Authenticate="Negotiate"
        )
    if asked.path == "/ws/v1/cluster/info":
        info = {
            "id": 1700000000000,
            "state": "STARTED",
            "resourceManagerVersion": "3.3.6",
            "hadoopVersion": "3.3.6",
        }
        return compact({"clusterInfo": info})
    found = re.fullmatch(r"/ws/v1/cluster/apps/(application_\d+_\d+)", asked.path)
    if found is None:
        return moved("/cluster") if asked.path == "/" else absent()
    message = f"java.lang.Exception: app with id {found[1]} not found"
    said = {
        "exception": "NotFoundException",
        "message": message,
        "javaClassName": "org.apache.hadoop.NotFoundException",
    }
    return compact({"RemoteException": said}, 404)


def ray(asked: Asked, fixed: bool) -> Told:
    """2.8 in the open, and behind a proxy with a login."""
    if fixed:
        return shown("401 Authorization Required", "<h1>401</h1>", 401, WWW_Authenticate='Basic realm="ray"')
    if asked.path == "/api/version":
        return compact({"version": "4", "ray_version": "2.8.0", "ray_commit": 40 * "a"})
    found = re.fullmatch(r"/api/jobs/(\w+)", asked.path)
    if found:
        return plain(f"Job {found[1]} does not exist", 404)
    return shown("Ray Dashboard", "<div id='root'></div>") if asked.path == "/" else absent()


def ollama(asked: Asked, fixed: bool) -> Told:
    """0.5 in the open, and behind a proxy with a login."""
    if fixed:
        return shown("401 Authorization Required", "<h1>401</h1>", 401)
    if asked.path == "/api/version":
        return compact({"version": "0.5.4"})
    said = asked.document
    if asked.path == "/api/show" and isinstance(said, dict):
        return compact({"error": f"model '{said.get('model')}' not found"}, 404)
    return plain("Ollama is running") if asked.path == "/" else plain("404 page not found", 404)


TWINS: Mapping[str, Answer] = {
    "CVE-2023-48022": ray,
    "docker-api-open": docker,
    "etcd-open": etcd,
    "hadoop-yarn-open": yarn,
    "jupyter-open": jupyter,
    "kubelet-open": kubelet,
    "kubernetes-api-open": kubernetes,
    "ollama-open": ollama,
}
