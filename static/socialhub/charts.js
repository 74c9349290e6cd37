// Draws the charts of a page with the Chart.js that the shell ships, in its colours.
(function () {
  "use strict";
  const DASHES = { ok: [], warn: [8, 4], bad: [2, 3], soft: [12, 4, 2, 4], info: [4, 4] };
  const charts = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function dataset(set, type) {
    const line = colour(`--sh-${set.tone}`);
    const made = { label: set.label, data: set.values, borderColor: line, borderWidth: 2 };
    if (type === "bar") {
      return Object.assign(made, { backgroundColor: colour(`--sh-${set.tone}-bg`) });
    }
    // Told apart by their strokes as well, not by colour alone.
    return Object.assign(made, {
      backgroundColor: "transparent",
      borderDash: DASHES[set.tone],
      pointRadius: 0,
      pointHitRadius: 12,
      tension: 0,
    });
  }

  function axis(more) {
    const soft = colour("--sh-soft");
    return Object.assign(
      { grid: { color: colour("--sh-line") }, ticks: { color: soft, precision: 0 } },
      more
    );
  }

  function draw(canvas) {
    const source = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    return new Chart(canvas, {
      type: source.type,
      data: {
        labels: source.labels,
        datasets: source.sets.map((set) => dataset(set, source.type)),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        plugins: {
          legend: {
            display: source.sets.length > 1,
            position: "bottom",
            labels: { color: colour("--sh-text"), usePointStyle: true, pointStyle: "line" },
          },
        },
        scales: {
          x: axis({ ticks: { color: colour("--sh-soft"), maxTicksLimit: 12 } }),
          y: axis({ beginAtZero: true }),
        },
      },
    });
  }

  function drawAll() {
    while (charts.length) {
      charts.pop().destroy();
    }
    document.querySelectorAll("canvas[data-chart]").forEach((canvas) => {
      charts.push(draw(canvas));
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    if (typeof Chart === "undefined") {
      return;
    }
    drawAll();
    // The colours are those of the theme, which the reader may change.
    new MutationObserver(drawAll).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["class"],
    });
  });
})();
