const API_KEY = "sra_your_key";
const BASE = "https://secrecon.dev";
const headers = { "X-API-Key": API_KEY, "Content-Type": "application/json" };

async function runScan(target) {
  // Start
  const start = await fetch(`${BASE}/api/v1/scan`, {
    method: "POST", headers, body: JSON.stringify({ target, scan_mode: "quick" })
  });
  const { scan_id, db_scan_id } = await start.json();

  // Poll
  let done = false;
  while (!done) {
    await new Promise(r => setTimeout(r, 15000));
    const s = await (await fetch(`${BASE}/api/scan/${scan_id}/status`, { headers })).json();
    console.log(`Phase: ${s.phase} — ${s.current_message}`);
    done = ["complete", "error"].includes(s.status);
  }

  // Results
  const res = await (await fetch(`${BASE}/api/scan/${db_scan_id}`, { headers })).json();
  const kev = res.findings?.filter(f => f.KEV_Status === "Active_Exploit") ?? [];
  console.log(`Risk: ${res.risk_score} | Findings: ${res.findings?.length} | CISA KEV: ${kev.length}`);
}

runScan("https://example.com");
