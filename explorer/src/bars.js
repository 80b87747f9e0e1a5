// The months as stacked bars, by Chart.js. The table below holds the same figures for those who do not see them.
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from "chart.js";
import { html } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import { short } from "./words.js";

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, Tooltip);

const COLOURS = ["#3b7dc4", "#e0913a", "#4f9d69", "#b4557a", "#8a6bbf", "#3aa6a6", "#c2a834"];
const OTHERS = "#9aa5b1";

let drawn = null;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The labels with a colour of their own, by their greatest month, so that what has grown stands there by its name; and what
// the chart calls them, and all others together.
const leading = (points, labelOf) => {
  const most = new Map();
  for (const { label, amount } of points) {
    most.set(label, Math.max(most.get(label) ?? 0, Math.abs(amount ?? 0)));
  }
  const labels = [...most].sort(([, one], [, other]) => other - one).slice(0, COLOURS.length).map(([label]) => label);
  return {
    labels,
    names: labels.map((label) => short(labelOf(label), 40)),
    others: most.size > labels.length ? [`${most.size - labels.length} others`] : [],
  };
};

const draw = (canvas, points, { labels, names, others }, months, navigate) => {
  drawn?.destroy();
  const shown = [...new Set(points.map((point) => point.month))].sort();
  const sum = (month, matches) => points
    .filter((point) => point.month === month && matches(point.label))
    .reduce((all, point) => all + (point.amount ?? 0), 0);
  const sets = labels.map((label, at) => ({
    label: names[at], backgroundColor: COLOURS[at], data: shown.map((month) => sum(month, (it) => it === label)),
  }));
  for (const label of others) {
    sets.push({ label, backgroundColor: OTHERS, data: shown.map((month) => sum(month, (it) => !labels.includes(it))) });
  }
  const isFinal = (month) => months.some((one) => one.month.startsWith(month) && one.is_final === "true");
  const ink = colour("--muted");
  drawn = new Chart(canvas, {
    type: "bar",
    data: { labels: shown.map((month) => (isFinal(month) ? month : `${month} ⚠`)), datasets: sets },
    options: {
      animation: false, maintainAspectRatio: false, responsive: true,
      onClick: (_, found) => found.length && navigate({ from: shown[found[0].index], to: shown[found[0].index] }),
      plugins: {
        legend: { position: "bottom", labels: { color: ink, boxWidth: 12 } },
        tooltip: { callbacks: { label: (it) => `${it.dataset.label}: ${it.parsed.y.toLocaleString("en", { maximumFractionDigits: 0 })}` } },
      },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: ink } },
        y: { stacked: true, grid: { color: colour("--line") }, ticks: { color: ink } },
      },
    },
  });
};

export const bars = (points, labelOf, months, navigate) => {
  const series = leading(points, labelOf);
  return html`
  <figure>
    <div class="canvas"><canvas role="img" aria-label="Cost by month of ${[...series.names, ...series.others].join(", ")}; the table below says the same"
      ${ref((canvas) => canvas && queueMicrotask(() => draw(canvas, points, series, months, navigate)))}></canvas></div>
    <figcaption class="aside">By month; ⚠ is a month that AWS may still change. A click on a bar takes that month.</figcaption>
  </figure>`;
};
