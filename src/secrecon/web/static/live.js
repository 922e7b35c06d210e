// A running scan as it happens. Tries the WebSocket, then server-sent events, then polling; whatever breaks is tried
// again from the last event seen. Text from the server is only ever set as text.

const PHASES = ["resolve", "discover", "probe", "fingerprint", "crawl", "match", "verify", "oast", "synthesis"];
const KINDS = ["phase_started", "progress", "fact", "finding", "attempt", "interaction", "phase_done", "report_version", "done", "error"];
const POLL_MS = 2000;
const REFRESH_MS = 400;
const OPEN_MS = 4000;
const MOST_SHOWN = 200;

const root = document.querySelector("[data-scan]");
const scanId = root.dataset.scan;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const plain = (text) => String(text ?? "").replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
const part = (name) => root.querySelector(`[data-${name}]`);

const state = { seq: 0, ended: false, refresh: 0, found: 0, heard: 0, seen: new Set(), way: "" };

function show(name, value) {
  if (value === undefined) return;
  const place = part(name);
  const text = typeof value === "number" ? value.toLocaleString("en") : plain(value);
  if (place && place.textContent !== text) place.textContent = text;
}

function step(phase, missed) {
  const at = PHASES.indexOf(phase);
  for (const item of root.querySelectorAll("[data-phase]")) {
    const index = PHASES.indexOf(item.dataset.phase);
    let name = index < at ? "done" : index === at ? "now" : "later";
    if (state.ended) name = missed.includes(item.dataset.phase) ? "missed" : "done";
    item.dataset.state = name;
    if (name === "now") item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    item.querySelector("[data-words]").textContent = { done: ", done", now: ", now", missed: ", not run", later: "" }[name];
  }
}

function apply(status) {
  part("bar").value = status.current_progress;
  show("percent", `${status.current_progress} %`);
  show("message", status.current_message || "Waiting for a worker");
  show("vulnerabilities", status.vulnerabilities_found);
  show("services", status.services_found);
  show("assets", status.assets_found);
  show("callbacks", status.interactions);
  show("requests", status.requests);
  state.ended = status.status === "complete" || status.status === "error";
  step(status.phase, status.not_run || []);
  if (state.ended) finish(status);
}

function finish(status) {
  const words = status.status === "error" ? `The scan ended in an error: ${status.error}` : status.cancelled ? "The scan was cancelled. The report says what was not run." : "The scan is finished.";
  show("result", words);
  part("finished").hidden = false;
  const cancel = part("cancel");
  if (cancel) cancel.hidden = true;
}

async function refresh() {
  const reply = await fetch(`/api/scan/${scanId}/status`, { headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  apply(await reply.json());
}

function refreshSoon() {
  if (state.refresh) return;
  state.refresh = setTimeout(() => {
    state.refresh = 0;
    refresh().catch(() => show("connection", "The status could not be read. Trying again."));
  }, REFRESH_MS);
}

function addFinding(data) {
  const key = data.fingerprint || `${data.title} ${data.asset} ${data.location}`;
  if (state.seen.has(key)) return;
  state.seen.add(key);
  state.found += 1;
  part("none").hidden = true;
  if (state.found > MOST_SHOWN) {
    show("more", `${state.found - MOST_SHOWN} more: see the report.`);
    return;
  }
  const item = document.createElement("li");
  const severity = ["critical", "high", "medium", "low", "info"].includes(data.severity) ? data.severity : "info";
  const tag = document.createElement("span");
  tag.className = `tag sev sev-${severity}`;
  tag.textContent = severity;
  const title = document.createElement("strong");
  title.textContent = plain(data.title) || "Finding";
  const place = document.createElement("span");
  place.className = "mono soft";
  place.textContent = `${plain(data.asset)} ${plain(data.location)}`.trim();
  item.append(tag, title, place);
  part("findings").append(item);
}

function addHit(at, data) {
  state.heard += 1;
  part("heard").hidden = false;
  if (state.heard > MOST_SHOWN) {
    show("more-hits", `${state.heard - MOST_SHOWN} more: see the report.`);
    return;
  }
  const item = document.createElement("li");
  const when = document.createElement("time");
  when.dateTime = plain(at);
  when.textContent = plain(at).slice(11, 19);
  const what = document.createElement("strong");
  what.textContent = `${plain(data.protocol).toUpperCase()} from ${plain(data.remote_address)}`;
  const place = document.createElement("span");
  place.className = "mono soft";
  place.textContent = data.own ? "our own traffic, proves nothing" : `${plain(data.asset)} ${plain(data.location)}`.trim();
  item.append(when, what, place);
  part("hits").append(item);
}

function take(event) {
  if (event.seq <= state.seq) return;
  state.seq = event.seq;
  if (event.kind === "finding") addFinding(event.data.finding || event.data);
  if (event.kind === "interaction") addHit(event.at, event.data);
  refreshSoon();
}

function socket() {
  return new Promise((resolve) => {
    let opened = false;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const link = new WebSocket(`${scheme}//${location.host}/ws/scan/${scanId}?after=${state.seq}`);
    const late = setTimeout(() => link.close(), OPEN_MS);
    link.addEventListener("open", () => { opened = true; clearTimeout(late); show("connection", "Live."); });
    link.addEventListener("message", (message) => take(JSON.parse(message.data)));
    link.addEventListener("close", () => { clearTimeout(late); resolve(opened); });
  });
}

function stream() {
  return new Promise((resolve) => {
    let opened = false;
    const source = new EventSource(`/api/scan/${scanId}/events`);
    source.addEventListener("open", () => { opened = true; show("connection", "Live."); });
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        if (message.data) take(JSON.parse(message.data));
        if (kind === "done" || (kind === "error" && message.data)) { source.close(); resolve(true); }
      });
    }
    source.onerror = () => { if (source.readyState === EventSource.CLOSED || !opened) { source.close(); resolve(opened); } };
  });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function follow() {
  let ways = [socket, stream];
  for (;;) {
    try {
      await refresh();
    } catch {
      show("connection", "The server does not answer. Trying again.");
    }
    if (state.ended) return;
    const way = ways[0];
    if (way && !(await way().catch(() => false))) ways = ways.slice(1);
    if (!way) show("connection", "Updated every two seconds.");
    await pause(way ? 500 : POLL_MS);
  }
}

async function start() {
  await follow();
  // A scan that was over before this page opened still has its findings in the log.
  if (state.seq === 0) await stream().catch(() => false);
  await refresh().catch(() => false);
  show("connection", "Finished.");
}

start();
