// Nothing that is typed gets lost: the composer saves by itself, keeps a copy in this
// browser until the server has it, and offers back what the server has never got.
"use strict";

(() => {
  const PREFIX = "sh-typed:";
  const KEEP_MS = 30 * 24 * 3600 * 1000;
  const WAIT_MS = 1500;
  const AGAIN_MS = [3000, 5000, 10000, 15000];
  const PATIENCE_MS = 20000; // for one answer: a line may be dead without saying so
  const NEVER = new Set(["csrfmiddlewaretoken", "version", "seen", "action", "queue", "library_q", "snippet"]);

  const read = (key) => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null; // not ours, or no storage at all
    }
  };
  const write = (key, entry) => {
    try {
      localStorage.setItem(key, JSON.stringify(entry));
      return true;
    } catch {
      return false; // full or forbidden: the server still gets it
    }
  };
  const drop = (key) => {
    try {
      localStorage.removeItem(key);
    } catch {
      // nothing was kept
    }
  };
  const keys = () => {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    } catch {
      return [];
    }
  };

  // The server names the form that it has just saved.
  const saved = /(?:^|; )saved_form=([^;]+)/.exec(document.cookie)?.[1];
  if (saved) {
    for (const key of keys()) if (key.endsWith(`:${saved}`)) drop(key);
    document.cookie = "saved_form=; Max-Age=0; path=/; SameSite=Lax";
  }

  const form = document.getElementById("compose");
  if (!form) return;
  const words = JSON.parse(document.getElementById("keep-words").textContent);
  const { keepUrl, person } = form.dataset;
  const state = document.getElementById("saved-state");
  const trouble = document.getElementById("saved-trouble");
  const compare = document.getElementById("compare-two");
  const value = (name) => form.elements[name]?.value ?? "";
  const mine = `${PREFIX}${person}:${value("token")}`;

  function typed() {
    const fields = [];
    for (const [name, content] of new FormData(form)) {
      if (typeof content === "string" && !NEVER.has(name)) fields.push([name, content]);
    }
    return fields;
  }
  // Another order of the same fields is no change, nor is the number of a new draft.
  const plain = (fields) => JSON.stringify(fields.filter(([name]) => name !== "post").sort());
  const same = (a, b) => plain(a) === plain(b);

  let stored = form.dataset.bound ? null : typed(); // as the server has it
  let sending = null;
  let unanswered = null; // sent, and nobody said whether it arrived
  let timer = 0;
  let failures = 0;

  const dirty = () => !stored || !same(stored, typed());
  function keepHere() {
    const fields = typed();
    const text = fields.filter(([name]) => /^(text|part_\w+_\d+$)/.test(name)).map(([, one]) => one);
    return write(mine, {
      at: Date.now(),
      post: value("post"),
      version: value("version"),
      text: text.find((one) => one.trim()) || "",
      fields,
    });
  }

  function say(sentence, problem = "", isConflict = false) {
    state.textContent = sentence;
    if (trouble.textContent !== problem) trouble.textContent = problem;
    trouble.hidden = !problem;
    compare.hidden = !isConflict;
  }

  function set(name, content) {
    let field = form.elements[name];
    if (!field) {
      field = document.createElement("input");
      Object.assign(field, { type: "hidden", name });
      form.append(field);
    }
    field.value = content;
  }

  // After a new sign-in the page's own token is an old one.
  function token() {
    const fresh = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
    return fresh || value("csrfmiddlewaretoken");
  }

  async function ask(options, read) {
    const stop = new AbortController();
    const end = setTimeout(() => stop.abort(), PATIENCE_MS);
    try {
      return await read(await fetch(keepUrl, { ...options, signal: stop.signal }));
    } finally {
      clearTimeout(end);
    }
  }

  // Resolves to what became of it: saved, nothing, kept, refused, conflict, again, away, out.
  async function sendOnce(fields) {
    const data = new FormData();
    for (const [name, content] of fields) data.append(name, content);
    data.set("version", value("version"));
    let answer;
    try {
      const headers = { "X-CSRFToken": token() };
      answer = await ask({ method: "POST", body: data, headers }, (response) => {
        if (response.redirected || response.status === 403) return null;
        if (!response.ok) throw new Error(String(response.status));
        return response.json();
      });
    } catch {
      unanswered = fields;
      say("", words.away);
      return "away";
    }
    if (!answer) {
      say("", words.out);
      return "out";
    }
    unanswered = null;
    if (answer.version) set("version", answer.version);
    if (answer.post && !value("post")) {
      set("post", answer.post);
      history.replaceState(history.state, "", answer.url);
    }
    if (answer.state === "saved" || answer.state === "nothing") {
      stored = fields;
      if (!dirty()) drop(mine);
      say(answer.words);
    } else {
      const isKept = answer.state === "kept";
      say(isKept ? answer.words : "", isKept ? "" : answer.words, answer.state === "conflict");
      if (isKept) stored = fields;
    }
    return answer.state;
  }

  async function send() {
    clearTimeout(timer);
    if (sending) return sending;
    // What may have arrived goes first, as it was: written on, it would be taken for
    // another window's.
    const fields = unanswered ?? typed();
    sending = sendOnce(fields);
    const what = await sending;
    sending = null;
    if (what === "away" || what === "out") {
      timer = setTimeout(send, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]);
      failures += 1;
    } else {
      failures = 0;
      // More was typed while it was on its way, or somebody else was just writing.
      if (what === "again" || !same(fields, typed())) later();
    }
    return what;
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(send, failures ? AGAIN_MS[0] : WAIT_MS);
  }

  function changed() {
    if (!dirty()) return;
    if (!keepHere()) say("", words.full);
    else if (!trouble.textContent) state.textContent = words.typing;
    later();
  }

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.closest?.("#media, #per-network")) changed();
  });
  window.addEventListener("online", () => send());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && dirty()) send();
  });

  // A button leads to the server only when the server is there, and after what is on its
  // way already: or the browser's error page would stand where the text has stood.
  let sure = false;
  let leaving = false;
  form.addEventListener("submit", async (event) => {
    if (event.defaultPrevented || sure) return;
    event.preventDefault();
    if (leaving) return; // pressed twice
    leaving = true;
    const button = event.submitter;
    clearTimeout(timer);
    if (sending) await sending;
    keepHere();
    if (unanswered) await send();
    const reached = !unanswered && (await reaches());
    leaving = false;
    if (!reached) return;
    clearTimeout(timer);
    set("csrfmiddlewaretoken", token());
    sure = true;
    form.requestSubmit(button && button.form !== form ? standIn(button) : button);
    sure = false;
  });

  // The checks may have put another button in its place meanwhile, even one that cannot be
  // pressed, by what stood in the form before: the press counts, and the server judges.
  function standIn({ name, value, formNoValidate }) {
    const button = document.createElement("button");
    Object.assign(button, { name, value, formNoValidate, hidden: true });
    form.append(button);
    return button;
  }

  // The answer to "is anybody there, and do they know me?"
  async function reaches() {
    try {
      const answer = await ask({ headers: { "X-Requested-With": "fetch" } }, (response) =>
        response.redirected ? "out" : response.ok && "there",
      );
      if (answer === "out") {
        say("", words.out);
        timer = setTimeout(send, AGAIN_MS[0]);
        return false;
      }
      if (answer) return true;
    } catch {
      // said below
    }
    say("", words.away);
    timer = setTimeout(send, AGAIN_MS[0]);
    return false;
  }

  // ---- offering back

  function offer() {
    const old = [];
    for (const key of keys()) {
      const entry = read(key);
      if (!entry || Date.now() - entry.at > KEEP_MS) {
        drop(key);
        continue;
      }
      if (!key.startsWith(`${PREFIX}${person}:`) || key === mine) continue;
      if ((entry.post || "") !== value("post")) continue;
      const there = typed().filter(([name]) => name !== "token");
      if (same(entry.fields.filter(([name]) => name !== "token"), there)) drop(key);
      else old.push({ key, entry });
    }
    old.sort((a, b) => b.entry.at - a.entry.at);
    const box = document.getElementById("kept-typing");
    for (const { key, entry } of old.slice(0, 3)) {
      const row = document.getElementById("kept-row").content.cloneNode(true).firstElementChild;
      const time = new Date(entry.at);
      row.querySelector("[data-at]").textContent = time.toLocaleString(
        document.documentElement.lang || [],
        { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
      );
      row.querySelector("[data-text]").textContent =
        entry.text.length > 120 ? `${entry.text.slice(0, 120)} …` : entry.text || "–";
      row.querySelector("[data-back]").addEventListener("click", () => putBack(entry));
      row.querySelector("[data-drop]").addEventListener("click", () => {
        drop(key);
        row.remove();
        box.hidden = !box.children.length;
      });
      box.append(row);
    }
    box.hidden = !box.children.length;
  }

  // The server builds the page from it: threads, files and all.
  function putBack(entry) {
    const back = document.createElement("form");
    Object.assign(back, { method: "post", action: location.pathname, hidden: true });
    const fields = [...entry.fields, ["version", entry.version], ["action", "check"]];
    for (const [name, content] of [...fields, ["csrfmiddlewaretoken", token()]]) {
      const field = document.createElement("textarea"); // keeps the ends of lines
      field.name = name;
      field.value = content;
      back.append(field);
    }
    document.body.append(back);
    back.submit();
  }

  offer();
  if (form.dataset.bound) changed();
})();
