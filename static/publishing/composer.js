// The composer: tabs for texts that differ, search among accounts, keys. Without it, all
// of that stands below each other on the page and works.
"use strict";

(() => {
  const form = document.getElementById("compose");
  if (!form) return;

  // ---- tabs

  const tabs = document.getElementById("text-tabs");
  const tabOf = (slug) => tabs.querySelector(`[data-tab="${slug}"]`);
  const panelOf = (slug) => form.querySelector(`[data-tab-panel="${slug}"]`);
  const shownTabs = () => [...tabs.querySelectorAll("[role=tab]")].filter((tab) => !tab.hidden);
  let chosen = "all";

  function differs(slug) {
    const panel = panelOf(slug);
    if (panel.querySelector("[data-own]").checked) return true;
    const options = [...panel.querySelectorAll("[data-usual]")];
    if (options.some((field) => !field.hidden && isChosen(field))) return true;
    return [...panel.querySelectorAll(".pub-part, [name^=comment_]")].some(
      (field) => field.matches(".pub-part") || field.value.trim(),
    );
  }

  // As publishing.js shows the sections: of networks that are ticked, or have a text.
  function readTabs() {
    for (const tab of tabs.querySelectorAll("[role=tab]")) {
      const slug = tab.dataset.tab;
      if (slug === "all") continue;
      tab.hidden = panelOf(slug).querySelector("[data-network-section]").hidden;
      tab.querySelector("[data-differs]").hidden = !differs(slug);
    }
    if (tabOf(chosen).hidden) chosen = "all";
    tabs.hidden = shownTabs().length < 2;
    for (const tab of tabs.querySelectorAll("[role=tab]")) {
      const is = tab.dataset.tab === chosen;
      tab.setAttribute("aria-selected", String(is));
      tab.tabIndex = is ? 0 : -1;
      const panel = panelOf(tab.dataset.tab);
      panel.hidden = !is;
      for (const details of panel.querySelectorAll(":scope > details")) details.open = true;
    }
  }

  function choose(slug, focus = false) {
    chosen = slug;
    readTabs();
    if (focus) tabOf(slug).focus();
  }

  function step(by) {
    const all = shownTabs();
    const at = all.findIndex((tab) => tab.dataset.tab === chosen);
    choose(all[(at + by + all.length) % all.length].dataset.tab, true);
  }

  function startTabs() {
    form.classList.add("pub-tabbed");
    for (const panel of form.querySelectorAll("[data-tab-panel]")) {
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", `tab-${panel.dataset.tabPanel}`);
    }
    tabs.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) choose(tab.dataset.tab);
    });
    tabs.addEventListener("keydown", (event) => {
      const keys = { ArrowRight: 1, ArrowLeft: -1 };
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (keys[event.key]) {
        event.preventDefault();
        step(keys[event.key]);
      } else if (event.key === "Home" || event.key === "End") {
        event.preventDefault();
        choose(shownTabs().at(event.key === "Home" ? 0 : -1).dataset.tab, true);
      }
    });
    readTabs();
  }

  // A cure of the checks, without a new page.
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-leave-out]");
    const keys = button ? button.dataset.leaveOut.split(" ") : [];
    const out = boxes().filter((box) => box.checked && keys.includes(box.value));
    if (!out.length) return;
    event.preventDefault();
    for (const box of out) box.click();
    out[0].focus();
  });

  // A reason leads to its field, on whichever tab that is, and into it.
  form.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    const panel = field.closest("[data-tab-panel]");
    if (panel && panel.hidden) choose(panel.dataset.tabPanel);
    for (let at = field.parentElement; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
    field.scrollIntoView({ block: "center" });
    if (!field.matches("input, textarea, select, button, [tabindex]")) field.tabIndex = -1;
    field.focus({ preventScroll: true });
  });

  // Splitting a text shows what has become of it.
  document.addEventListener("htmx:afterSettle", (event) => {
    const slug = /^network-(.+)$/.exec(event.target.id || "")?.[1];
    if (slug) choose(slug);
    else readTabs();
  });

  // ---- accounts

  const search = document.getElementById("account-search");
  const boxes = (root = form) => [...root.querySelectorAll('input[name="accounts"]')];

  function filterAccounts() {
    const words = search.value.trim().toLowerCase();
    for (const group of form.querySelectorAll("#accounts .pub-network")) {
      const network = group.querySelector("legend").textContent.toLowerCase();
      let here = 0;
      for (const box of boxes(group)) {
        const label = box.closest("label");
        label.hidden = !(network + label.textContent.toLowerCase()).includes(words);
        here += !label.hidden;
      }
      group.hidden = !here;
    }
    countAccounts();
  }

  // What the search hides is chosen still.
  function countAccounts() {
    const all = boxes();
    const chosen = all.filter((box) => box.checked).length;
    const shown = all.filter((box) => !box.closest("label").hidden).length;
    const said = document.getElementById("account-found");
    const fill = (words, n) => words.replace("{n}", n).replace("{all}", all.length);
    const parts = [
      chosen && fill(said.dataset.chosen, chosen),
      search.value.trim() && fill(said.dataset.shown, shown),
    ];
    said.textContent = parts.filter(Boolean).join(" · ");
  }

  // All of them, or none where all are ticked.
  function tickAll(some) {
    const open = some.filter((box) => !box.disabled);
    const to = !open.every((box) => box.checked);
    for (const box of open) {
      if (box.checked !== to) box.click();
    }
  }

  function startAccounts() {
    if (search) {
      document.getElementById("account-filter").hidden = false;
      search.addEventListener("input", (event) => {
        event.stopPropagation(); // it is nothing of the post
        filterAccounts();
      });
      search.addEventListener("keydown", (event) => {
        if (event.key === "Enter") event.preventDefault();
      });
      form.addEventListener("change", ({ target }) => {
        if (target.name === "accounts") countAccounts();
      });
      countAccounts();
    }
    const groups = document.getElementById("account-groups");
    if (groups) groups.hidden = false;
    for (const button of form.querySelectorAll("[data-tick-network]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        tickAll(boxes(button.closest(".pub-network")));
      });
    }
    for (const button of form.querySelectorAll("[data-tick]")) {
      const keys = new Set(button.dataset.tick.split(" "));
      button.addEventListener("click", () => {
        tickAll(boxes().filter((box) => keys.has(box.value)));
      });
    }
  }

  // ---- checks wait for a press: a button that comes anew, or moves, between down and up
  // hears no click

  const panel = document.getElementById("panel");
  const ANEW = "#panel, #compose-footer, #previews";
  let isPressed = false;
  let waits = false;

  function startPress(event) {
    isPressed = Boolean(event.target.closest?.(ANEW));
  }

  function endPress() {
    isPressed = false;
    if (!waits) return;
    waits = false;
    // After the click, which may leave the page.
    setTimeout(() => panel.dispatchEvent(new Event("let-go")));
  }

  document.addEventListener("pointerdown", startPress);
  for (const event of ["pointerup", "pointercancel"]) document.addEventListener(event, endPress);
  document.addEventListener("keydown", (event) => event.key === " " && startPress(event));
  document.addEventListener("keyup", (event) => event.key === " " && endPress());
  window.addEventListener("blur", endPress);
  // What somebody has unfolded there stays so.
  let unfolded = [];

  panel.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== panel) return;
    if (isPressed) {
      event.detail.shouldSwap = false;
      waits = true;
      return;
    }
    unfolded = [...document.querySelectorAll("#panel details[id][open], #previews details[id][open]")];
  });
  panel.addEventListener("htmx:afterSwap", () => {
    for (const { id } of unfolded) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
  });

  // ---- templates and hashtag sets: into the text that is shown, where the cursor stands

  function startInserting() {
    const choice = document.getElementById("id_snippet");
    if (!choice) return;
    const at = new WeakMap();
    for (const event of ["blur", "select", "keyup", "click"]) {
      form.addEventListener(event, ({ target }) => {
        if (target.matches?.("textarea")) at.set(target, [target.selectionStart, target.selectionEnd]);
      }, true);
    }
    document.getElementById("do-insert").addEventListener("click", (event) => {
      event.preventDefault();
      const { text, kind } = choice.selectedOptions[0].dataset;
      const field = panelOf(chosen).querySelector("textarea");
      const end = field.value.length;
      const [from, to] = kind === "hashtags" ? [end, end] : (at.get(field) ?? [end, end]);
      const before = field.value.slice(0, from);
      const gap = kind === "hashtags" && before.trim() ? (/\n$/.test(before) ? "" : "\n\n") : "";
      field.focus();
      field.setRangeText(gap + text, from, to, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  // ---- what the page behind the link says, to be written into its fields

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-take-title]");
    if (!button) return;
    const title = document.getElementById("id_link_title");
    const teaser = document.getElementById("id_link_description");
    title.closest("details").open = true;
    title.value = button.dataset.takeTitle;
    teaser.value = button.dataset.takeTeaser;
    for (const field of [title, teaser]) {
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    title.focus();
  });

  // ---- keys

  const dialog = document.getElementById("keys");
  const TO = {
    Digit1: () => search || boxes()[0],
    Digit2: () => panelOf(chosen).querySelector("textarea"),
    Digit3: () => document.getElementById("id_files"),
    Digit4: () => form.querySelector('input[name="when"]:checked'),
    Digit5: () => document.getElementById("panel"),
    Digit6: () => form.querySelector(".pub-compose__previews"),
  };

  function press(id) {
    const button = document.getElementById(id);
    if (!button) return false;
    if (button.disabled) document.querySelector("#why-not a")?.focus();
    else button.click();
    return true;
  }

  // There the Alt key writes characters, [ and ] among them, and steps over words.
  const isMac = /Mac|iPad|iPhone/.test(navigator.platform);
  document.getElementById("keys-mac").hidden = !isMac;

  document.addEventListener("keydown", (event) => {
    if (dialog.open) return;
    const typing = event.target.matches?.("input:not([type=checkbox], [type=radio]), textarea, select");
    const ctrl = event.ctrlKey || event.metaKey;
    const alt = event.altKey && !ctrl && !(isMac && typing);
    if (event.key === "?" && !typing && !ctrl && !event.altKey) {
      dialog.showModal();
    } else if (alt && TO[event.code]) {
      const field = TO[event.code]();
      if (!field) return;
      if (!field.matches("input, textarea, [tabindex]")) field.tabIndex = -1;
      field.focus();
      field.scrollIntoView({ block: "nearest" });
    } else if (alt && !tabs.hidden && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
      step(event.key === "ArrowRight" ? 1 : -1);
      panelOf(chosen).querySelector("textarea").focus();
    } else if (ctrl && !event.altKey && event.key.toLowerCase() === "s") {
      if (!press("do-draft")) press("do-schedule");
    } else if (ctrl && !event.altKey && event.key === "Enter") {
      press("do-schedule");
    } else return;
    event.preventDefault();
  });

  const show = document.getElementById("show-keys");
  show.hidden = false;
  show.addEventListener("click", () => dialog.showModal());

  // publishing.js has read the form by now, and reads it again with each change.
  startAccounts();
  startTabs();
  startInserting();
  form.addEventListener("change", readTabs);
  form.addEventListener("input", readTabs);
})();
