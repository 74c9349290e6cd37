// Small comforts of the publishing pages. Everything works without them.
"use strict";

function readComposer(form) {
  const chosen = new Set(
    Array.from(form.querySelectorAll("input[data-network]:checked"), (box) => box.dataset.network),
  );
  for (const section of form.querySelectorAll("[data-network-section]")) {
    const slug = section.dataset.networkSection;
    const own = form.querySelector(`[data-own="${slug}"]`);
    section.hidden = !chosen.has(slug) && !own.checked;
    const words = section.querySelector("[data-same]");
    words.placeholder = own.checked ? "" : words.dataset.same;
    section.querySelector('[data-wording="own"]').hidden = !own.checked;
    section.querySelector('[data-wording="same"]').hidden = own.checked;
  }
  for (const field of form.querySelectorAll("[data-account-option]")) {
    const box = form.querySelector(`input[name="accounts"][value="${field.dataset.accountOption}"]`);
    field.hidden = !box.checked;
  }
  readChoices(form);
  const now = form.querySelector('input[name="when"][value="now"]');
  for (const part of form.querySelectorAll('[data-when="at"]')) {
    part.hidden = now.checked;
  }
}

// What makes sense with other files than these is out of sight, unless something is chosen.
function readChoices(form) {
  const there = new Set(Array.from(form.querySelectorAll("[data-kind]"), (file) => file.dataset.kind));
  if (Array.from(form.querySelectorAll("[name^=poll_option_]")).some((answer) => answer.value.trim())) there.add("poll");
  for (const field of form.querySelectorAll("[data-goes-with]")) {
    const box = form.querySelector(`input[name="accounts"][value="${field.dataset.accountOption}"]`);
    const makesSense = field.dataset.goesWith.split(" ").some((kind) => there.has(kind));
    const isFocused = field.contains(document.activeElement);
    field.hidden = Boolean(box && !box.checked) || !(makesSense || isChosen(field) || isFocused);
  }
  for (const more of form.querySelectorAll("[data-more]")) {
    more.hidden = [...more.querySelectorAll("[data-usual]")].every((field) => field.hidden);
  }
}

// Another answer than the usual one stands in this field of a network.
function isChosen(field) {
  const control = field.querySelector("input, select, textarea");
  const value = control.matches("[type=checkbox]") ? (control.checked ? "True" : "") : control.value.trim();
  return value !== field.dataset.usual;
}

function startComposer(form) {
  const showAccounts = form.querySelector("#do-brand");
  if (showAccounts) showAccounts.hidden = true;
  form.addEventListener("change", (event) => {
    const slug = event.target.dataset.own;
    if (slug && event.target.checked) {
      const words = form.querySelector(`#id_text_${slug}`);
      if (!words.value.trim()) words.value = form.querySelector("#id_text").value;
      words.focus();
    }
    if (event.target.id === "id_brand") {
      showAccounts.click();
    }
    readComposer(form);
  });
  // Writing a text of its own means wanting it.
  form.addEventListener("input", (event) => {
    const match = /^id_text_(.+)$/.exec(event.target.id);
    if (!match) return;
    form.querySelector(`[data-own="${match[1]}"]`).checked = true;
    readComposer(form);
  });
  readComposer(form);
}

// unfold's admin script expects a text field beside each file field and stumbles over
// ours; this is its own mark for "already looked after".
function keepFileField() {
  for (const field of document.querySelectorAll("#id_files, .pub-part__files")) {
    field.hasChangeListener = true;
  }
}
keepFileField();
document.addEventListener("htmx:afterSwap", keepFileField);
document.addEventListener("htmx:afterSwap", () => {
  const form = document.getElementById("compose");
  if (form) readComposer(form);
});

// What asks for itself anew waits while a button of it is pressed, or the press is lost;
// it asks again soon.
document.addEventListener("htmx:beforeSwap", ({ target, detail }) => {
  const asks = target.getAttribute?.("hx-trigger")?.startsWith("every");
  if (asks && target.matches(":active")) detail.shouldSwap = false;
});

// ---- files, sent in parts. publishing/upload_views.py says how.

const PAUSES_MS = [1000, 2000, 4000, 8000, 15000];
const AGAIN_MS = 3000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class Stopped extends Error {}

// One request: status, offset and the server's sentence. Status 0: nobody answered.
function ask(method, url, { token, body, headers = {}, progress, signal }) {
  return new Promise((answer, stop) => {
    if (signal.aborted) return stop(new Stopped());
    const request = new XMLHttpRequest();
    const end = () => request.abort();
    request.open(method, url);
    request.setRequestHeader("X-CSRFToken", token);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (progress) request.upload.onprogress = (event) => progress(event.loaded);
    request.onloadend = () => {
      signal.removeEventListener("abort", end); // or each part of a large file stays
      if (signal.aborted) return stop(new Stopped());
      let data = {};
      try {
        data = JSON.parse(request.responseText);
      } catch {
        // A page in place of an answer: signed out, or a proxy's own.
      }
      const offset = request.getResponseHeader("Upload-Offset");
      const elsewhere = request.responseURL && !request.responseURL.endsWith(url);
      answer({ status: elsewhere ? 401 : request.status, offset: Number(offset ?? NaN), data });
    };
    signal.addEventListener("abort", end);
    request.send(body);
  });
}

class FileUpload {
  constructor(list, form, file, goOn) {
    this.list = list;
    this.form = form;
    this.file = file;
    this.stop = new AbortController();
    const row = document.getElementById("upload-row").content.cloneNode(true);
    this.row = row.querySelector("li");
    for (const name of this.row.querySelectorAll("[data-name]")) name.textContent = ` ${file.name}`;
    this.bar = this.row.querySelector("progress");
    this.bar.setAttribute("aria-label", file.name);
    this.said = this.row.querySelector("[data-said]");
    this.goOn = this.row.querySelector("[data-go-on]");
    this.goOn.addEventListener("click", goOn);
    this.row.querySelector("[data-cancel]").addEventListener("click", () => this.cancel());
    list.append(this.row);
  }

  send(method, url, options = {}) {
    const token = this.form.querySelector("[name=csrfmiddlewaretoken]").value;
    return ask(method, url, { token, signal: this.stop.signal, ...options });
  }

  show(bytes) {
    this.bar.value = this.file.size ? bytes / this.file.size : 1;
    this.bar.textContent = `${Math.floor(this.bar.value * 100)} %`;
  }

  // True when it is whole; else its line says why, and whether it can go on. Throws
  // Stopped when it was cancelled.
  async run() {
    this.goOn.hidden = true;
    this.said.textContent = "";
    const problem = await this.tryOnce();
    if (!problem) return true;
    this.said.textContent = problem.sentence;
    this.goOn.hidden = !problem.again;
    return false;
  }

  async tryOnce() {
    const { broke, signedOut, refused, looking } = this.list.dataset;
    const data = new FormData();
    data.set("brand", this.form.querySelector("[name=brand]").value);
    data.set("name", this.file.name);
    data.set("size", this.file.size);
    data.set("changed", this.file.lastModified);
    const begun = await this.send("POST", this.list.dataset.begin, { body: data });
    if (begun.status === 401) return { sentence: signedOut, again: true };
    if (!begun.status || begun.status >= 500) return { sentence: broke, again: true };
    if (begun.status !== 201) return { sentence: begun.data.problem || refused, again: false };
    this.id = begun.data.id;
    this.address = begun.data.address;
    let { offset } = begun;
    let failures = 0;
    while (offset < this.file.size) {
      this.show(offset);
      const end = Math.min(offset + Number(this.list.dataset.partBytes), this.file.size);
      const answer = await this.send("PUT", this.address, {
        body: this.file.slice(offset, end),
        headers: { "Upload-Offset": offset, "Content-Type": "application/octet-stream" },
        progress: (loaded) => this.show(offset + loaded),
      });
      if (answer.status === 204) failures = 0;
      else if (answer.status === 401) return { sentence: signedOut, again: true };
      else if (answer.status === 507) return { sentence: answer.data.problem, again: true };
      else if ([403, 404, 413].includes(answer.status)) return { sentence: refused, again: true };
      else if (answer.status !== 409) {
        if (failures === PAUSES_MS.length) return { sentence: broke, again: true };
        await pause(PAUSES_MS[failures]);
        failures += 1;
      }
      if (Number.isNaN(answer.offset)) {
        const there = await this.send("HEAD", this.address);
        if (!Number.isNaN(there.offset)) offset = there.offset;
      } else offset = answer.offset;
    }
    this.show(offset);
    this.said.textContent = looking;
    return null;
  }

  cancel() {
    this.stop.abort();
    this.row.remove();
    this.list.hidden = !this.list.children.length;
    if (!this.address) return;
    const token = this.form.querySelector("[name=csrfmiddlewaretoken]").value;
    fetch(this.address, { method: "DELETE", headers: { "X-CSRFToken": token } });
  }
}

function startUploads(form) {
  const list = document.getElementById("uploads");
  const wait = document.getElementById("uploads-wait");
  const media = document.getElementById("media");
  const waiting = []; // to be sent, in order
  const stuck = []; // wait for a person
  const arrived = []; // are whole; to be taken in
  let taken = []; // whose taking in has been asked for
  let busy = false;
  const take = () => document.getElementById("id_files").dispatchEvent(new CustomEvent("whole"));
  const isUnfinished = () => busy || arrived.length || stuck.some((one) => one.row.isConnected);

  // One answer at a time: it replaces the fields, and so would lose those of another.
  const takeArrived = () => {
    if (taken.length || !arrived.length) return;
    taken = arrived.splice(0);
    for (const upload of taken) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "upload", value: upload.id });
      media.append(field);
    }
    take();
  };

  // A file that is refused or broke off keeps none of the others from going on.
  const work = async () => {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      const upload = waiting.shift();
      try {
        if (await upload.run()) arrived.push(upload);
        else if (!upload.goOn.hidden) stuck.push(upload);
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
      takeArrived();
    }
    busy = false;
    list.hidden = !list.children.length;
    wait.hidden = true;
  };

  // What broke one off broke the others off as well.
  const goOn = () => {
    waiting.push(...stuck.splice(0));
    work();
  };

  form.addEventListener("change", (event) => {
    if (event.target.id !== "id_files") return;
    for (const file of event.target.files) waiting.push(new FileUpload(list, form, file, goOn));
    // They go on their own road; the form must not send them a second time.
    event.target.value = "";
    list.hidden = !list.children.length;
    work();
  });
  form.addEventListener("submit", (event) => {
    if (!isUnfinished()) return;
    event.preventDefault();
    wait.textContent = list.dataset.wait;
    wait.hidden = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (isUnfinished() || taken.length) event.preventDefault();
  });
  // A button that is gone after the swap takes the focus with it.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target !== media) return;
    for (const upload of taken) upload.row.remove();
    taken = [];
    list.hidden = !list.children.length;
    if (document.activeElement === document.body) media.focus();
    const listed = document.querySelector("#library-list [data-pick-all][hidden]");
    if (listed) startPicking(listed.form);
    if (arrived.length) takeArrived();
    // Another tab, or the page as it was before, is just having it looked into.
    else if (media.querySelector('input[name="upload"]')) setTimeout(take, AGAIN_MS);
  });
  // The files are whole and kept: a server that was away takes them in when it is back.
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful, xhr } = event.detail;
    if (elt.id !== "id_files" || successful) return;
    if (!xhr.status || xhr.status >= 500) setTimeout(take, AGAIN_MS);
  });
}

// One box that picks or unpicks the whole list of held posts.
function startPicking(form) {
  const all = form.querySelector("[data-pick-all]");
  const boxes = Array.from(form.elements).filter((field) => field.name === "pick");
  const read = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.hidden = false;
  const label = form.querySelector("[data-pick-label]");
  if (label) label.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    read();
  });
  document.addEventListener("change", (event) => {
    if (event.target.name === "pick") read();
  });
  read();
}

// Only the fields of what was chosen to be done with many posts.
function startBulk(form) {
  const action = form.querySelector("[name=action]");
  const read = () => {
    for (const part of form.querySelectorAll("[data-bulk]")) {
      part.hidden = part.dataset.bulk !== action.value;
    }
  };
  action.addEventListener("change", read);
  document.addEventListener("change", (event) => {
    if (event.target.name === "pick") document.getElementById("bulk-box").open = true;
  });
  read();
}

// The picture shows what cutting leaves, as the server would cut it.
function startCutting(form) {
  const picture = form.querySelector("#cut");
  if (!picture) return;
  const show = () => {
    if (!form.elements.x.validity.valid || !form.elements.y.validity.valid) return;
    const wanted = new URLSearchParams();
    for (const name of ["shape", "x", "y", "mime_type"]) {
      if (form.elements[name]) wanted.set(name, form.elements[name].value);
    }
    picture.src = `${form.dataset.cut}?${wanted}`;
  };
  form.addEventListener("change", show);
  startPlaying(form);
  // A click on the whole picture says what has to stay; a film's is the small one.
  const whole = document.querySelector("img.pub-file__picture:not(#cut)");
  if (!whole) return;
  whole.addEventListener("click", (event) => {
    event.preventDefault();
    const box = whole.getBoundingClientRect();
    form.elements.x.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    form.elements.y.value = Math.round((100 * (event.clientY - box.top)) / box.height);
    show();
  });
}

// Plays what would be left of a film when it is trimmed.
function startPlaying(form) {
  const button = form.querySelector("[data-play-part]");
  const film = document.querySelector("video.pub-file__picture");
  if (!button || !film) return;
  button.hidden = false;
  let end = Infinity;
  film.addEventListener("timeupdate", () => {
    if (film.currentTime < end) return;
    film.pause();
    end = Infinity;
  });
  button.addEventListener("click", () => {
    film.currentTime = Number(form.elements.start_s.value) || 0;
    end = Number(form.elements.end_s.value) || Infinity;
    film.scrollIntoView({ block: "nearest" });
    film.play();
  });
}

// Deferred: the page is read, and nothing of it may have been painted.
(() => {
  const form = document.getElementById("compose");
  if (form) {
    startComposer(form);
    startUploads(form);
  }
  const bulk = document.getElementById("bulk");
  if (bulk) {
    startPicking(bulk);
    startBulk(bulk);
  }
  const added = document.getElementById("library-add");
  if (added) startUploads(added);
  const make = document.getElementById("make");
  if (make) startCutting(make);
  for (const list of document.querySelectorAll("#held, [data-picking]")) startPicking(list);
})();

// A row of an import was mended: on to the row that has a problem still, else to what says
// how many can be imported. Swapped out, the button that was pressed has lost the focus.
document.addEventListener("htmx:afterSettle", () => {
  const row = document.querySelector("[data-fresh]");
  if (!row) return;
  row.removeAttribute("data-fresh");
  const bad = [...document.querySelectorAll('article[data-state="bad"]')];
  const after = (one) => row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
  const wanted = bad.find((one) => one === row) || bad.find(after) || bad[0];
  const place = wanted
    ? wanted.querySelector('[aria-invalid="true"]') || wanted
    : document.getElementById("write-note");
  if (place) place.focus();
});
