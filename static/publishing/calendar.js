// The calendar: FullCalendar draws, the server decides. All times are the reader's wall
// clock, which FullCalendar takes for UTC: so no zone of the browser comes between.
"use strict";

const UNDO_MS = 10_000;
const WIDE = window.matchMedia("(min-width: 900px)");
const VIEWS = { month: "dayGridMonth", week: "timeGridWeek", list: "listWeek" };

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null && child !== ""));
  return node;
}

const icon = (name) =>
  el("span", { class: "material-symbols-outlined sh-icon", "aria-hidden": "true" }, name);
const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_all, key) => values[key]);
// Before that hour a week shows nothing, unless something stands there.
const MORNING = 6;
const dayOf = (date) => date.toISOString().slice(0, 10);

class SignedOut extends Error {}

async function reach(url, options) {
  const answer = await fetch(url, options);
  if (answer.redirected || answer.status === 403) throw new SignedOut();
  return answer;
}

class Calendar {
  constructor(root) {
    this.root = root;
    this.data = root.dataset;
    this.words = JSON.parse(document.getElementById("cal-words").textContent);
    // "28 Nov", as everywhere on these pages.
    const lang = document.documentElement.lang || "en";
    this.lang = lang === "en" ? "en-GB" : lang;
    this.title = document.getElementById("cal-title");
    this.empty = document.getElementById("cal-empty");
    this.panel = document.getElementById("cal-day");
    this.dialog = document.getElementById("cal-move");
    this.toast = document.getElementById("cal-toast");
    this.view = this.data.view || (WIDE.matches ? "month" : "list");
    const behind = Date.parse(`${this.data.now}Z`) - Date.now();
    this.now = () => new Date(Date.now() + behind);
    this.calendar = new FullCalendar.Calendar(root, this.options());
    this.calendar.render();
    this.listen();
  }

  options() {
    return {
      timeZone: "UTC",
      locale: this.lang.toLowerCase(),
      headerToolbar: false,
      firstDay: 1,
      initialView: VIEWS[this.view],
      initialDate: this.data.date,
      now: () => this.now().toISOString().slice(0, 19),
      nowIndicator: true,
      // Each view has cards of its own: a month cuts its days, a week stacks its hours.
      lazyFetching: false,
      height: "auto",
      allDaySlot: false,
      slotDuration: "01:00",
      slotMinTime: `0${MORNING}:00:00`,
      snapDuration: "01:00",
      slotEventOverlap: false,
      forceEventDuration: true,
      // A post is a moment: what goes out at 23:30 is not also of the next day.
      defaultTimedEventDuration: "00:00:01",
      eventOrder: "order,start",
      eventOrderStrict: true,
      displayEventTime: false,
      editable: false,
      eventStartEditable: Boolean(this.data.move),
      eventDurationEditable: false,
      dayHeaderFormat: { weekday: "short" },
      slotLabelFormat: { hour: "2-digit", minute: "2-digit", hour12: false },
      views: {
        dayGridMonth: {
          dayCellContent: (cell) => ({ domNodes: this.dayHead(cell.date) }),
          // A cell is named by what is in it, not by its number alone.
          dayCellDidMount: (cell) => cell.el.removeAttribute("aria-labelledby"),
        },
        timeGridWeek: {
          dayHeaderContent: (day) => ({ domNodes: this.dayHead(day.date) }),
        },
        listWeek: {
          listDayFormat: { weekday: "long" },
          listDaySideFormat: false,
          dayHeaderContent: (day) => ({ domNodes: this.dayHead(day.date) }),
        },
      },
      noEventsContent: () => "",
      eventContent: (arg) => ({ domNodes: this.card(arg.event) }),
      eventDidMount: (arg) => this.mounted(arg),
      eventClick: (arg) => this.clicked(arg),
      eventDrop: (arg) => this.dropped(arg),
      dateClick: (arg) => this.write(arg),
      datesSet: (arg) => this.shown(arg),
      events: (period, done, failed) => {
        this.reading = this.load(period, done, failed);
      },
    };
  }

  // ---- what is drawn

  long(date) {
    const shape = { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" };
    return new Intl.DateTimeFormat(this.lang, shape).format(date);
  }

  dayHead(date) {
    const day = dayOf(date);
    const month = this.view === "month";
    const shape = month
      ? { day: "numeric", timeZone: "UTC" }
      : { weekday: this.view === "list" ? "long" : "short", day: "numeric", month: "short", timeZone: "UTC" };
    const said = new Intl.DateTimeFormat(this.lang, shape).format(date);
    const query = new URLSearchParams(this.data.filters);
    query.set("tab", "all");
    query.set("day", day);
    const link = el(
      "a",
      {
        class: "pub-dayname",
        href: `${this.data.list}?${query}`,
        "data-day": day,
      },
      said,
      el("span", { class: "sh-hidden" }, ` ${this.words.openDay}`),
    );
    const nodes = [link];
    if (this.data.compose && day >= dayOf(this.now())) {
      nodes.push(
        el(
          "a",
          {
            class: "pub-add",
            href: this.composeAt(day),
            "aria-label": fill(this.words.newOn, { day: this.long(date) }),
          },
          icon("add"),
        ),
      );
    }
    return nodes;
  }

  composeAt(day, time = "") {
    const joint = this.data.compose.includes("?") ? "&" : "?";
    const at = time ? `&time=${time}` : "";
    return `${this.data.compose}${joint}date=${day}${at}&zone=${encodeURIComponent(this.data.zone)}`;
  }

  card(event) {
    const { more, row, open, at } = event.extendedProps;
    if (open) {
      return [
        icon("add"),
        el("span", {}, `${at || event.startStr.slice(11, 16)} ${fill(this.words.open, { queue: open })}`),
        el("span", { class: "sh-hidden" }, ` ${this.long(event.start)}`),
      ];
    }
    if (more) {
      return [
        el("span", { class: "pub-more" }, fill(this.words.more, { n: more })),
        el("span", { class: "sh-hidden" }, ` ${fill(this.words.moreOn, { day: this.long(event.start) })}`),
      ];
    }
    // In the week a card is as narrow as its day.
    const most = this.view === "week" && row.p.length > 4 ? 3 : 4;
    const marks = row.p.slice(0, most).map((slug) => {
      const mark = document.querySelector(`#cal-marks [data-mark="${slug}"]`);
      return mark ? mark.firstElementChild.cloneNode(true) : slug;
    });
    if (row.p.length > most) marks.push(`+${row.p.length - most}`);
    const [tone, sign] = row.c;
    const [time, zone] = row.t.split(" ");
    const head = el(
      "span",
      { class: "pub-card__head" },
      el("span", { class: "sh-time" }, time, el("span", { class: "pub-card__zone" }, ` ${zone}`)),
      ...marks,
      row.r ? el("span", { class: "material-symbols-outlined sh-icon", role: "img", "aria-label": this.words.repeats }, "repeat") : "",
      el("span", { class: "pub-card__who" }, row.a),
    );
    const text = el(
      "span",
      { class: "pub-card__text" },
      row.m
        ? el("img", { class: "pub-card__picture", src: this.data.media.replace("0", row.m), alt: "", width: 32, height: 32, loading: "lazy" })
        : "",
      row.x,
    );
    const state = el("span", { class: `sh-chip sh-chip--${tone}` }, icon(sign), row.w);
    const why = row.y ? el("span", { class: "pub-card__why" }, row.y) : "";
    const parts = [head, text, el("span", { class: "pub-card__state" }, state, why)];
    // A list's row has no link of its own around our words.
    return this.view === "list" ? [el("a", { href: event.url }, ...parts)] : parts;
  }

  mounted({ event, el: node }) {
    const { more, row, open, share } = event.extendedProps;
    if (share > 1) node.classList.add(share > 2 ? "pub-event--line" : "pub-event--half");
    if (open) {
      node.classList.add("pub-event--open");
      return;
    }
    const focus = node.querySelector("a") || node;
    if (more) {
      node.classList.add("pub-event--more");
      return;
    }
    node.classList.add("pub-event", `pub-event--${row.c[0]}`);
    if (row.u) {
      node.classList.add("pub-event--native");
      focus.rel = "noopener noreferrer";
    }
    if (Date.parse(`${row.s}Z`) < this.now()) node.classList.add("pub-event--past");
    node.dataset.post = row.id;
    if (row.v && this.data.move) focus.setAttribute("aria-keyshortcuts", "M");
    const title = [row.t, row.a, row.x, row.w, row.y].filter(Boolean).join(" · ");
    node.title = row.v && this.data.move ? `${title} · ${this.words.moveKey}` : title;
  }

  // ---- what is read

  async load(period, done, failed) {
    this.root.setAttribute("aria-busy", "true");
    this.empty.textContent = this.words.loading;
    const { view } = this;
    const query = new URLSearchParams(this.data.filters);
    query.set("view", view);
    query.set("start", period.startStr.slice(0, 10));
    query.set("end", period.endStr.slice(0, 10));
    try {
      const answer = await reach(`${this.data.posts}?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      const events = [
        ...found.cards.map((row, place) => this.event(row, place)),
        ...found.more.map((row) => this.moreEvent(row)),
        ...(this.data.compose ? found.open || [] : []).map((row) => this.openEvent(row)),
      ];
      if (view === "week") this.beginDays(events);
      done(view === "week" ? this.stacked(events) : events);
      const none = this.data.filters ? this.words.nothingFiltered : this.words.nothing;
      this.empty.textContent = found.total ? "" : none;
    } catch (error) {
      failed(error);
      if (error instanceof SignedOut) {
        this.empty.replaceChildren(`${this.words.out} `, this.signIn());
        return;
      }
      const again = el("button", { type: "button", class: "sh-btn sh-btn--small" }, this.words.again);
      again.addEventListener("click", () => this.calendar.refetchEvents());
      this.empty.replaceChildren(`${this.words.failed} `, again);
    } finally {
      this.root.setAttribute("aria-busy", "false");
      this.focusAgain();
    }
  }

  event(row, place) {
    return {
      id: `${row.id}-${place}`,
      title: row.x,
      start: row.s,
      url: row.u || this.data.post.replace("0", row.id),
      startEditable: Boolean(row.v && this.data.move),
      order: 0,
      row,
    };
  }

  // The nights of a week are mostly empty, and would stand before all else.
  beginDays(events) {
    const hours = events.map((event) => Number(event.start.slice(11, 13)));
    const { currentStart, currentEnd } = this.calendar.view;
    const now = this.now();
    if (currentStart <= now && now < currentEnd) hours.push(now.getUTCHours());
    const first = String(Math.min(MORNING, ...hours)).padStart(2, "0");
    this.calendar.setOption("slotMinTime", `${first}:00:00`);
  }

  // In the week, what stands in one hour shares its height, over the whole width of the
  // day: beside each other, posts would be slivers. The time is written on each.
  stacked(events) {
    const hours = new Map();
    for (const event of events) {
      const hour = event.start.slice(0, 13);
      if (!hours.has(hour)) hours.set(hour, []);
      hours.get(hour).push(event);
    }
    for (const [hour, some] of hours) {
      some.sort((a, b) => a.order - b.order || (a.start < b.start ? -1 : 1));
      const first = Date.parse(`${hour}:00:00Z`);
      const share = 3_600_000 / some.length;
      some.forEach((event, place) => {
        event.at = event.start.slice(11, 16);
        event.start = new Date(first + place * share).toISOString().slice(0, 19);
        event.end = new Date(first + (place + 1) * share).toISOString().slice(0, 19);
        event.share = some.length;
      });
    }
    return events;
  }

  moreEvent([cell, more]) {
    const start = cell.includes("T") ? cell : `${cell}T23:59`;
    const query = new URLSearchParams(this.data.filters);
    query.set("tab", "all");
    query.set("day", cell.slice(0, 10));
    // To the end of that minute: an hour would reach into the next day.
    return { id: `more-${cell}`, title: "", start, end: `${start}:59`, url: `${this.data.list}?${query}`, startEditable: false, order: 1, more };
  }

  openEvent([start, open, url]) {
    return { id: `open-${start}-${open}`, title: "", start, url, startEditable: false, order: 2, open };
  }

  // They come with the page; what is moved may change them.
  async readNotes() {
    const spot = document.getElementById("cal-notes");
    try {
      const answer = await fetch(`${this.data.notes}?${this.data.filters}`);
      const { notes } = await answer.json();
      spot.replaceChildren(
        ...notes.map((note) => el("a", { class: "sh-chip sh-chip--warn", href: note.url }, icon(note.icon), note.said)),
      );
    } catch {
      // The calendar itself says when nobody answers.
    }
  }

  shown({ view }) {
    this.view = Object.keys(VIEWS).find((key) => VIEWS[key] === view.type);
    for (const key of Object.keys(VIEWS)) this.root.classList.toggle(`pub-fc--${key}`, key === this.view);
    this.title.textContent = `: ${view.title}`;
    const day = dayOf(this.calendar ? this.calendar.getDate() : view.currentStart);
    const query = new URLSearchParams(this.data.filters);
    query.set("view", this.view);
    query.set("date", day);
    if (this.calendar) history.replaceState(null, "", `?${query}`);
    for (const [name, value] of [["view", this.view], ["date", day]]) {
      for (const form of document.querySelectorAll("form[data-calendar]")) {
        let field = form.querySelector(`[name=${name}]`);
        if (!field) {
          field = el("input", { type: "hidden", name });
          form.append(field);
        }
        field.value = value;
      }
    }
    for (const button of document.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === this.view));
    }
  }

  // ---- what people do

  listen() {
    for (const button of document.querySelectorAll("[data-go]")) {
      button.addEventListener("click", () => this.calendar[button.dataset.go]());
    }
    for (const button of document.querySelectorAll("[data-show]")) {
      button.addEventListener("click", () => {
        this.view = button.dataset.show; // the days are named by it while they are drawn
        this.calendar.changeView(VIEWS[this.view]);
      });
    }
    this.root.addEventListener("click", (event) => {
      const day = event.target.closest("a[data-day]");
      if (!day || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.openDay(day.dataset.day);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    // The post whose card has the focus, or had it when the card was drawn anew.
    document.addEventListener("pointerdown", () => { this.held = null; });
    document.addEventListener("focusin", ({ target }) => { this.held = this.postAt(target); });
    for (const dialog of [this.panel, this.dialog]) {
      dialog.addEventListener("click", (event) => {
        if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
      });
    }
    this.panel.addEventListener("click", (event) => {
      const button = event.target.closest("[data-move-post]");
      if (!button) return;
      const { movePost, seen, at, text } = button.dataset;
      this.ask({ id: movePost, seen, at, text });
    });
    this.dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer();
    });
    // The card that was asked about may have been drawn anew behind the question: then
    // the focus is still in there, or nowhere.
    this.dialog.addEventListener("close", () => {
      const at = document.activeElement;
      if (at === document.body || this.dialog.contains(at)) this.cardOf(this.asked.id)?.focus();
    });
    // Held while somebody looks at it.
    for (const type of ["mouseenter", "focusin"]) {
      this.toast.addEventListener(type, () => clearTimeout(this.timer));
    }
    for (const type of ["mouseleave", "focusout"]) {
      this.toast.addEventListener(type, () => this.countDown());
    }
  }

  key(event) {
    const isUndo = event.key.toLowerCase() === "z" && !event.shiftKey;
    if (event.altKey || ((event.ctrlKey || event.metaKey) && !isUndo)) return;
    const at = document.activeElement;
    if (at && at.matches("input, textarea, select")) return;
    if (isUndo && this.undoKey) {
      event.preventDefault();
      this.undo();
    }
    if (event.key.toLowerCase() !== "m" || !this.data.move) return;
    const post = at === document.body ? this.held : this.postAt(at);
    if (!post) return;
    event.preventDefault();
    this.askFor(post);
  }

  postAt(node) {
    const card = node?.closest?.("[data-post]");
    return card && this.root.contains(card) ? card.dataset.post : null;
  }

  cardOf(post) {
    const card = this.root.querySelector(`[data-post="${post}"]`);
    return card?.querySelector("a") || card;
  }

  async askFor(post) {
    await this.reading; // or it would be asked about where the post stood before
    const events = this.calendar.getEvents().map(({ extendedProps }) => extendedProps);
    const row = events.find((event) => String(event.row?.id) === post)?.row;
    if (!row || document.querySelector("dialog[open]")) return;
    if (!row.v) return this.say(`${this.words.stays} ${row.y || ""}`, { bad: true });
    this.ask({ id: row.id, seen: row.v, at: row.s, text: row.x });
  }

  ask(what) {
    this.asked = what;
    this.dialog.querySelector("[data-what]").textContent = what.text;
    this.dialog.querySelector("[data-said]").textContent = "";
    this.dialog.querySelector("#cal-move-date").value = what.at.slice(0, 10);
    this.dialog.querySelector("#cal-move-time").value = what.at.slice(11, 16);
    this.dialog.showModal();
    this.dialog.querySelector("#cal-move-date").focus();
  }

  async answer() {
    const button = this.dialog.querySelector("[value=move]");
    const said = this.dialog.querySelector("[data-said]");
    button.disabled = true;
    const { id, seen } = this.asked;
    const date = this.dialog.querySelector("#cal-move-date").value;
    const time = this.dialog.querySelector("#cal-move-time").value;
    const found = await this.move(id, { date, time, seen });
    button.disabled = false;
    if (!found.undo) {
      said.replaceChildren(found.said, " ", this.wayOut(found));
      return;
    }
    this.dialog.close();
    if (this.panel.open) this.panel.close();
    this.moved(id, found);
  }

  // Months keep the time of day; in the week it is the hour that changes, and the
  // minutes stay, because events move by whole hours.
  async dropped({ event, delta, revert }) {
    const { row } = event.extendedProps;
    const by = delta.days * 86_400_000 + delta.milliseconds;
    const at = new Date(Date.parse(`${row.s}Z`) + by).toISOString();
    const time = this.view === "week" ? at.slice(11, 16) : "";
    const found = await this.move(row.id, { date: at.slice(0, 10), time, seen: row.v });
    if (!found.undo) {
      revert();
      return this.say(found.said, { bad: true, way: this.wayOut(found) });
    }
    this.moved(row.id, found);
  }

  async move(id, fields) {
    return this.post(this.data.move.replace("0", id), fields);
  }

  // After a new sign-in the page's own token is an old one.
  token() {
    const fresh = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
    return fresh || document.querySelector("[name=csrfmiddlewaretoken]").value;
  }

  async post(url, fields) {
    try {
      const answer = await reach(url, {
        method: "POST",
        headers: { "X-CSRFToken": this.token(), Accept: "application/json" },
        body: new URLSearchParams({ ...fields, zone: this.data.zone }),
      });
      return await answer.json();
    } catch (error) {
      if (error instanceof SignedOut) return { said: this.words.out, isOut: true };
      this.calendar.refetchEvents(); // it may have arrived
      return { said: this.words.noAnswer, isUnknown: true };
    }
  }

  // Back here afterwards: the address tells view and day.
  signIn() {
    return el("a", { class: "sh-btn sh-btn--small", href: window.location.href }, this.words.signIn);
  }

  wayOut({ edit, isOut }) {
    if (isOut) return this.signIn();
    return edit ? el("a", { class: "sh-btn sh-btn--small", href: edit }, this.words.edit) : "";
  }

  moved(id, found) {
    this.wanted = id;
    this.undoKey = found.undo;
    this.calendar.refetchEvents();
    this.readNotes();
    this.say(found.said, { undo: true });
  }

  async undo() {
    const key = this.undoKey;
    if (!key) return;
    this.undoKey = "";
    const found = await this.post(this.data.undo, { undo: key });
    if (found.isOut || found.isUnknown) {
      this.undoKey = key;
      return this.say(found.said, { undo: true, bad: true, way: this.wayOut(found) });
    }
    this.wanted = found.id;
    this.calendar.refetchEvents();
    this.readNotes();
    this.say(found.said, { bad: !found.id });
  }

  // The card that was moved has the focus again, wherever it stands now. The calendar may
  // draw it once more: what had the focus is gone then, and nothing has it.
  focusAgain() {
    if (!this.wanted) return;
    const wanted = this.wanted;
    this.wanted = null;
    this.held = String(wanted);
    const end = performance.now() + 2000;
    let shown = null;
    const look = () => {
      if (!shown?.isConnected) {
        const card = this.cardOf(wanted);
        const lost = document.activeElement === document.body;
        if (card && (!shown || lost)) {
          shown = card;
          shown.focus();
        }
      }
      if (performance.now() < end) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  say(words, { undo = false, bad = false, way = "" } = {}) {
    const box = this.toast;
    clearTimeout(this.timer);
    box.hidden = false;
    box.className = `pub-toast${bad ? " pub-toast--bad" : ""}`;
    box.setAttribute("role", bad ? "alert" : "status");
    box.replaceChildren(el("span", {}, words, undo ? el("span", { class: "sh-hidden" }, ` ${this.words.undoKey}`) : ""));
    box.append(way);
    if (undo) {
      const button = el("button", { type: "button", class: "sh-btn sh-btn--small" }, icon("undo"), this.words.undo);
      button.addEventListener("click", () => this.undo());
      box.append(button);
    }
    const close = el("button", { type: "button", class: "sh-btn sh-btn--small", "aria-label": this.words.close }, icon("close"));
    close.addEventListener("click", () => this.hush());
    box.append(close);
    this.stays = bad;
    this.countDown();
  }

  countDown() {
    clearTimeout(this.timer);
    if (!this.stays) this.timer = setTimeout(() => this.hush(), UNDO_MS);
  }

  hush() {
    this.toast.hidden = true;
    this.undoKey = "";
  }

  clicked(arg) {
    if (!arg.event.extendedProps.more) return;
    arg.jsEvent.preventDefault();
    this.openDay(dayOf(arg.event.start));
  }

  async openDay(day) {
    const query = new URLSearchParams(this.data.filters);
    query.set("day", day);
    let answer;
    try {
      answer = await reach(`${this.data.day}?${query}`);
      if (!answer.ok) throw new Error(String(answer.status));
    } catch (error) {
      const isOut = error instanceof SignedOut;
      return this.say(isOut ? this.words.out : this.words.failed, { bad: true, way: this.wayOut({ isOut }) });
    }
    this.panel.innerHTML = await answer.text();
    this.panel.showModal();
    this.panel.querySelector("h2").focus();
  }

  // A click on empty room: a new post then.
  write({ dateStr, jsEvent }) {
    if (!this.data.compose || jsEvent.target.closest("a, button")) return;
    const day = dateStr.slice(0, 10);
    const time = this.view === "week" ? dateStr.slice(11, 16) : "";
    const now = this.now().toISOString();
    if (time ? dateStr.slice(0, 16) < now.slice(0, 16) : day < now.slice(0, 10)) return;
    window.location.assign(this.composeAt(day, time));
  }
}

// Deferred: the page is read by now, and nothing of it may have been painted.
{
  const root = document.getElementById("cal");
  if (root) new Calendar(root);
}
