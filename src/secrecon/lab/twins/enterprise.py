"""Mail servers, file transfer, remote help, backup and other enterprise products."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from secrecon.lab.twins.evaluating import product_in
from secrecon.lab.twins.shapes import (
    PASSWD,
    WIN_INI,
    Answer,
    Asked,
    Told,
    absent,
    as_json,
    denied,
    moved,
    plain,
    shown,
)

_CALLBACK = re.compile(r"http://[^\"'<>\s]+")
UUID = "2fd2ba4e-2ca0-4e8b-9b8a-1c6bd0e5a3f1"
WSDL = (
    '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"><wsdl:portType name="{0}"><wsdl:operation/>'
    "</wsdl:portType></wsdl:definitions>"
)


def file_at(path: str) -> Told:
    """The file that a path leads to once it has climbed as far as it can."""
    end = path.replace("\\", "/").lower()
    if "../" not in end:
        return absent()
    if end.endswith("/etc/passwd"):
        return plain(PASSWD, kind="application/octet-stream")
    return plain(WIN_INI, kind="application/octet-stream") if end.endswith("/windows/win.ini") else absent()


def exchange_backend(asked: Asked, fixed: bool) -> Told:
    backend = re.search(r"X-AnonResource-Backend=([^;/~]+)", asked.header("cookie"))
    if backend is None or fixed or not asked.path.startswith("/owa/auth/"):
        return absent()
    return Told("", 500, headers={"X-CalculatedBETarget": backend.group(1), "X-FEServer": "MAIL01"})


def exchange_autodiscover(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/autodiscover/autodiscover.json":
        return shown("Unauthorized", status=401)
    if fixed or "/mapi/nspi/" not in asked.query:
        return denied(400)
    told = "<h2>Exchange MAPI/HTTP Connectivity Endpoint</h2><p>Vdir Path: /mapi/nspi/</p><p>User: NT AUTHORITY\\SYSTEM</p>"
    return shown("Exchange MAPI/HTTP Connectivity Endpoint", told)


def zimbra_schema(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/Autodiscover/Autodiscover.xml":
        return absent()
    schema = "" if fixed or 'SYSTEM "file:///etc/passwd"' not in asked.text else PASSWD.decode()
    return Told(f"<b>HTTP ERROR 503</b> Requested response schema not available {schema}", 503)


def zimbra_webex(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/zimlet/com_zimbra_webex/httpPost.jsp":
        return absent()
    wanted = asked.values.get("companyId", "")
    return Told("", 200, fetches=(wanted.rstrip("#"),) if wanted.startswith("http://") and not fixed else ())


def adselfservice(asked: Asked, fixed: bool) -> Told:
    if (
        asked.path != "/./RestAPI/LogonCustomization"
        or asked.form.get("methodToCall", "").strip() != "previewMobLogo"
        or fixed
    ):
        return absent()
    script = 'var d = new Date();window.parent.$("#mobLogo").attr("src","/temp/tempMobPreview.jpeg?"+d.getTime());'
    return plain(f"<script>{script}</script>", kind="text/html")


def serv_u(asked: Asked, fixed: bool) -> Told:
    folder, file = asked.values.get("InternalDir", ""), asked.values.get("InternalFile", "")
    return file_at(f"{folder}/{file}") if folder and not fixed else shown("Serv-U")


def moveit(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/moveitisapi/moveitisapi.dll":
        return moved("/human.aspx")
    return Told("", headers={"X-MOVEitISAPI-Version": "15.0.1.39" if fixed else "15.0.0.37"})


def goanywhere(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/goanywhere/images/..;/wizard/InitialAccountSetup.xhtml" or fixed:
        return moved("/goanywhere/auth/Login.xhtml")
    form = '<form id="j_id_u" action="/goanywhere/wizard/InitialAccountSetup.xhtml"><input name="j_id_u:username"></form>'
    return shown("GoAnywhere MFT", form)


def crushftp(asked: Asked, fixed: bool) -> Told:
    if asked.method == "GET":
        return Told("<title>CrushFTP WebInterface</title>", headers={"Set-Cookie": "currentAuth=aB3d; path=/"})
    given = {name: value.strip() for name, value in asked.form.items()}
    if given.get("c2f") != "aB3d" or "currentAuth=aB3d" not in asked.header("cookie"):
        return plain(
            "<commandResult><response>FAILURE:Access Denied. (c2f)</response></commandResult>", kind="text/xml"
        )
    path = (
        given.get("path", "") if fixed else given.get("path", "").replace("{working_dir}", "file:/opt/CrushFTP11/")
    )
    said = f"You need download, upload permissions to zip a file:{path}{given.get('names', '')}"
    return plain(f"<commandResult><response>{said}</response></commandResult>", kind="text/xml")


def screenconnect(asked: Asked, fixed: bool) -> Told:
    if not asked.path.startswith("/SetupWizard.aspx/") or fixed:
        return moved("/")
    return shown(
        "ScreenConnect", '<div class="ContentPanel SetupWizard"></div><script>SC.ui.p="SetupWizardPage";</script>'
    )


def splunk(asked: Asked, fixed: bool) -> Told:
    climbs = asked.path.startswith("/en-US/modules/messaging/C:../") and not fixed
    return file_at(asked.path) if climbs else absent()


def telerik(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/Startup/Register" and not fixed:
        return shown(
            "Telerik Report Server", '<form action="/Startup/Register"><input name="ConfirmPassword"></form>'
        )
    return (
        shown("Telerik Report Server", "<form></form>")
        if asked.path == "/Account/Login"
        else moved("/Account/Login")
    )


def coldfusion_locale(asked: Asked, fixed: bool) -> Told:
    file = asked.values.get("locale", "").partition("\0")[0]
    if asked.path != "/CFIDE/administrator/enter.cfm" or fixed or file_at(file).status != 200:
        return shown("ColdFusion Administrator Login")
    body = file_at(file).body
    return shown(body.decode() if isinstance(body, bytes) else body)


def coldfusion_slash(asked: Asked, fixed: bool) -> Told:
    if asked.path != "//CFIDE/wizards/common/utils.cfc" or fixed:
        return denied(404)
    digest = hashlib.sha1(asked.values.get("inPassword", "").encode()).hexdigest().upper()
    return plain(
        f"<wddxPacket version='1.0'><data><string>{digest},10,ABC</string></data></wddxPacket>", kind="text/xml"
    )


def coldfusion_logs(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/CFIDE/adminapi/_servermanager/servermanager.cfc" and not fixed:
        inner = f"<struct><var name='uuid'><string>{UUID}</string></var></struct>"
        return plain(f"<wddxPacket version='1.0'><header/><data>{inner}</data></wddxPacket>", kind="text/xml")
    if asked.path == "/pms" and asked.header("uuid") == UUID and not fixed:
        return plain("[" + ", ".join(PASSWD.decode().splitlines()) + "]")
    return denied()


def oracle_ebs(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/OA_HTML/configurator/UiServlet":
        return absent()
    wanted = _CALLBACK.search(unquote_plus(asked.form.get("getUiType", "")))
    return Told("", 302, headers={"Location": "/"}, fetches=(wanted.group(0),) if wanted and not fixed else ())


def papercut(asked: Asked, fixed: bool) -> Told:
    if asked.values.get("service") != "page/SetupCompleted" or fixed:
        return shown("PaperCut Login", "<form></form>")
    page = "<h1>Configuration Wizard</h1><script>analyticsTrackEvent('setup')</script><input name='sp' value='SetupCompleted'>"
    return shown("PaperCut MF : Configuration Wizard", page)


def sap_service(path: str, name: str) -> Answer:
    """A service that describes itself to strangers."""

    def answer(asked: Asked, fixed: bool) -> Told:
        if asked.path != path:
            return absent()
        return shown("Unauthorized", status=401) if fixed else plain(WSDL.format(name), kind="text/xml")

    return answer


def micollab(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/npm-pwg/..;/axis2-AWC/services/listServices" or fixed:
        return denied() if asked.path.startswith("/axis2") else absent()
    return shown(
        "List Services", "<h1>Available services</h1><p>Service EPR : http://mitel/axis2-AWC/services/Version</p>"
    )


def cleo(asked: Asked, fixed: bool) -> Told:
    header = asked.header("vlsync")
    if asked.path != "/Synchronization" or fixed or not header.startswith("Retrieve;"):
        return denied()
    return file_at(header.rpartition("path=")[2])


def centrestack(asked: Asked, fixed: bool) -> Told:
    return file_at(asked.values.get("s", "")) if asked.path == "/storage/t.dn" and not fixed else absent()


def hfs(asked: Asked, fixed: bool) -> Told:
    macro = re.search(r"\}\{\.mul\|(\d+)\|(\d+)\.\}", asked.values.get("search", ""))
    told = str(int(macro.group(1)) * int(macro.group(2))) if macro and not fixed else ""
    return shown("HFS /", f"<p>HttpFileServer 2.3m {told}</p>", Server="HFS 2.3m")


def sysaid(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/mdm/checkin":
        return absent()
    entity = re.search(r'<!ENTITY % \w+ SYSTEM "(http://[^"]+)">', asked.text)
    return Told("", 200, "text/xml", fetches=(entity.group(1),) if entity and not fixed else ())


def nakivo(asked: Asked, fixed: bool) -> Told:
    document = asked.document
    if asked.path != "/c/router" or not isinstance(document, dict):
        return absent()
    file = {"/etc/passwd": PASSWD, "C:/windows/win.ini": None}.get(str(document["data"][0]))
    data = json.dumps(None if fixed or file is None else list(file))
    body = f'{{"action":"STPreLoadManagement","method":"getImageByPath","tid":3980,"type":"rpc","data":{data}}}'
    return plain(body, kind="application/json")


def simplehelp(asked: Asked, fixed: bool) -> Told:
    return file_at(asked.path) if asked.path.startswith("/toolbox-resource/../") and not fixed else absent()


def servicenow(asked: Asked, fixed: bool) -> Told:
    title = asked.values.get("jvar_page_title", "")
    told = product_in(title) if "<g:evaluate>" in title and not fixed else ""
    return shown("Log in | ServiceNow", f'<div class="outputmsg_text">{told}</div>')


def vcenter_vsan(asked: Asked, fixed: bool) -> Told:
    if not asked.path.startswith("/ui/h5-vsan/rest/proxy/service/") or fixed:
        return denied(401)
    return as_json({"result": {"isDisconnected": False, "capabilities": {}}})


def vcenter_telemetry(asked: Asked, fixed: bool) -> Told:
    return plain('"OFF"') if asked.path == "/analytics/telemetry/ph/api/level" and not fixed else absent()


TWINS: Mapping[str, Answer] = {
    "CVE-2010-2861": coldfusion_locale,
    "CVE-2019-9670": zimbra_schema,
    "CVE-2020-6207": sap_service("/EemAdminService/EemAdmin", "EemAdmin"),
    "CVE-2020-6287": sap_service("/CTCWebService/CTCWebServiceBean", "CTCWebServiceSi"),
    "CVE-2020-7796": zimbra_webex,
    "CVE-2021-21985": vcenter_vsan,
    "CVE-2021-22005": vcenter_telemetry,
    "CVE-2021-26855": exchange_backend,
    "CVE-2021-34473": exchange_autodiscover,
    "CVE-2021-40539": adselfservice,
    "CVE-2023-27350": papercut,
    "CVE-2023-29298": coldfusion_slash,
    "CVE-2023-34362": moveit,
    "CVE-2024-0204": goanywhere,
    "CVE-2024-1709": screenconnect,
    "CVE-2024-20767": coldfusion_logs,
    "CVE-2024-23692": hfs,
    "CVE-2024-28995": serv_u,
    "CVE-2024-36991": splunk,
    "CVE-2024-4040": crushftp,
    "CVE-2024-41713": micollab,
    "CVE-2024-4358": telerik,
    "CVE-2024-48248": nakivo,
    "CVE-2024-4879": servicenow,
    "CVE-2024-50623": cleo,
    "CVE-2024-57727": simplehelp,
    "CVE-2025-11371": centrestack,
    "CVE-2025-2775": sysaid,
    "CVE-2025-61884": oracle_ebs,
}
