import requests, time

API_KEY = "sra_your_key"
BASE = "https://secrecon.dev"
HEADERS = {"X-API-Key": API_KEY, "Content-Type": "application/json"}

# Start scan
resp = requests.post(f"{BASE}/api/v1/scan", json={"target": "https://example.com"}, headers=HEADERS)
resp.raise_for_status()
data = resp.json()
scan_id = data["scan_id"]
db_id = data["db_scan_id"]
print(f"Scan started: {scan_id}")

# Poll until done
while True:
    s = requests.get(f"{BASE}/api/scan/{scan_id}/status", headers=HEADERS).json()
    print(f"Phase: {s.get('phase')} — {s.get('current_message','')}")
    if s["status"] in ("complete", "error"):
        break
    time.sleep(15)

# Fetch results
results = requests.get(f"{BASE}/api/scan/{db_id}", headers=HEADERS).json()
findings = results.get("findings", [])
kev_findings = [f for f in findings if f.get("KEV_Status") == "Active_Exploit"]
print(f"Risk: {results.get('risk_score')} | Findings: {len(findings)} | KEV: {len(kev_findings)}")
