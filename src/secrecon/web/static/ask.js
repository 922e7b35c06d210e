// The ask box with an answer that comes as it is written. Without script the form is sent and a page answers.
// Text from the server is only ever set as text.

const HIDDEN = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const plain = (text) => String(text ?? "").replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
const MOST_TURNS = 10;
const MOST_LETTERS = 12000;

const box = document.querySelector("[data-ask]");
const form = box.querySelector("[data-form]");
const talk = box.querySelector("[data-talk]");
const input = form.elements.message;
const button = form.querySelector("button");
const history = [];

function line(kind, text) {
  const item = document.createElement("p");
  item.className = kind === "answer" ? "text" : kind === "question" ? "asked" : "soft small";
  item.textContent = plain(text);
  talk.append(item);
  return item;
}

function remember(question, answer) {
  history.push({ role: "user", text: question }, { role: "assistant", text: answer });
  while (history.length > MOST_TURNS || history.reduce((sum, turn) => sum + turn.text.length, 0) > MOST_LETTERS) history.splice(0, 2);
}

async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    let end;
    while ((end = held.indexOf("\n\n")) >= 0) {
      const frame = held.slice(0, end);
      held = held.slice(end + 2);
      const kind = /^event: (\w+)$/m.exec(frame);
      const data = /^data: (.*)$/m.exec(frame);
      if (kind && data) yield [kind[1], JSON.parse(data[1])];
    }
  }
}

async function ask(question) {
  const reply = await fetch("/api/agent/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ message: question, history, db_scan_id: Number(box.dataset.ask) }),
  });
  if (!reply.ok) {
    line("note", (await reply.json()).detail);
    return;
  }
  const note = line("note", "Looking things up.");
  let item = null;
  let text = "";
  for await (const [kind, data] of frames(reply.body)) {
    if (kind === "tool") note.textContent = `Looking things up: ${plain(data.name).replaceAll("_", " ")}.`;
    if (kind === "text") {
      item ??= line("answer", "");
      text += data.text;
      item.textContent = plain(text);
    }
    if (kind === "error") line("note", data.detail);
    if (kind === "done") {
      note.textContent = `By the language model ${plain(data.model)}, checked against your data.`;
      if (text.trim()) remember(question, text.slice(0, MOST_LETTERS / 2));
    }
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = input.value.trim();
  if (!question || button.disabled) return;
  button.disabled = true;
  line("question", question);
  input.value = "";
  try {
    await ask(question);
  } catch {
    line("note", "The connection broke. Ask again.");
  } finally {
    button.disabled = false;
    input.focus();
  }
});
