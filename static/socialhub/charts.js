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

  // Chart.js breaks no line by itself: names of many words stand in several.
  function folded(label) {
    const lines = [""];
    for (const word of String(label).split(" ")) {
      const last = lines[lines.length - 1];
      if (last && last.length + word.length > 22) lines.push(word);
      else lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
    return lines;
  }

  // Where lines are told apart by their strokes, so are they in the legend.
  function legendItems(chart) {
    const items = Chart.defaults.plugins.legend.labels.generateLabels(chart);
    for (const item of items) {
      item.lineDash = chart.data.datasets[item.datasetIndex].borderDash || [];
    }
    return items;
  }

  function draw(canvas) {
    const source = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
    const named = axis({ ticks: { color: colour("--sh-soft"), maxTicksLimit: 12 } });
    const counted = axis({ beginAtZero: true });
    return new Chart(canvas, {
      type: source.type,
      data: {
        labels: source.across ? source.labels.map(folded) : source.labels,
        datasets: source.sets.map((set) => dataset(set, source.type)),
      },
      options: {
        animation: false,
        indexAxis: source.across ? "y" : "x",
        maintainAspectRatio: false,
        interaction: { mode: "index", axis: source.across ? "y" : "x", intersect: false },
        plugins: {
          legend: {
            display: source.sets.length > 1,
            position: "bottom",
            labels: {
              color: colour("--sh-text"),
              generateLabels: legendItems,
              usePointStyle: true,
              pointStyle: "line",
              pointStyleWidth: 26,
            },
          },
        },
        scales: source.across ? { x: counted, y: named } : { x: named, y: counted },
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
