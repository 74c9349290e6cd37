"use strict";

// Buttons that copy a field: data-copy names it, data-done is said afterwards.
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
