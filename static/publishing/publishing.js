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
    section.querySelector('[data-wording="own"]').hidden = !own.checked;
    section.querySelector('[data-wording="same"]').hidden = own.checked;
  }
  const now = form.querySelector('input[name="when"][value="now"]');
  for (const part of form.querySelectorAll('[data-when="at"]')) {
    part.hidden = now.checked;
  }
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
  const field = document.getElementById("id_files");
  if (field) field.hasChangeListener = true;
}
keepFileField();
document.addEventListener("htmx:afterSwap", keepFileField);

// One box that picks or unpicks the whole list of held posts.
function startPicking(form) {
  const all = form.querySelector("[data-pick-all]");
  const boxes = Array.from(form.querySelectorAll('input[name="pick"]'));
  const read = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    read();
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "pick") read();
  });
  read();
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("compose");
  if (form) startComposer(form);
  const held = document.getElementById("held");
  if (held) startPicking(held);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const area = document.getElementById(button.dataset.copy);
  area.select();
  try {
    await navigator.clipboard.writeText(area.value);
    button.textContent = button.dataset.done;
  } catch {
    // Without the right to the clipboard the text stays selected, ready to copy.
    area.focus();
  }
});
