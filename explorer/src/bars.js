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

// The labels with a colour of their own: by their greatest month, so that what has grown stands there by its name.
const leading = (points) => {
  const most = new Map();
  for (const { label, amount } of points) {
    most.set(label, Math.max(most.get(label) ?? 0, Math.abs(amount ?? 0)));
  }
  const labels = [...most].sort(([, one], [, other]) => other - one).map(([label]) => label);
  return { labels: labels.slice(0, COLOURS.length), others: Math.max(0, labels.length - COLOURS.length) };
};

const draw = (canvas, points, { labels, others }, labelOf, months, navigate) => {
  drawn?.destroy();
  const names = [...new Set(points.map((point) => point.month))].sort();
  const sum = (month, matches) => points
    .filter((point) => point.month === month && matches(point.label))
    .reduce((all, point) => all + (point.amount ?? 0), 0);
  const sets = labels.map((label, at) => ({
    label: short(labelOf(label), 40), backgroundColor: COLOURS[at], data: names.map((month) => sum(month, (it) => it === label)),
  }));
  if (others) {
    sets.push({
      label: `${others} others`, backgroundColor: OTHERS,
      data: names.map((month) => sum(month, (it) => !labels.includes(it))),
    });
  }
  const isFinal = (month) => months.some((one) => one.month.startsWith(month) && one.is_final === "true");
  const ink = colour("--muted");
  drawn = new Chart(canvas, {
    type: "bar",
    data: { labels: names.map((month) => (isFinal(month) ? month : `${month} ⚠`)), datasets: sets },
    options: {
      animation: false, maintainAspectRatio: false, responsive: true,
      onClick: (_, found) => found.length && navigate({ from: names[found[0].index], to: names[found[0].index] }),
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
  const shown = leading(points);
  const names = [...shown.labels.map((label) => short(labelOf(label), 40)), ...(shown.others ? [`${shown.others} others`] : [])];
  return html`
  <figure>
    <div class="canvas"><canvas role="img" aria-label="Cost by month of ${names.join(", ")}; the table below says the same"
      ${ref((canvas) => canvas && queueMicrotask(() => draw(canvas, points, shown, labelOf, months, navigate)))}></canvas></div>
    <figcaption class="aside">By month; ⚠ is a month that AWS may still change. A click on a bar takes that month.</figcaption>
  </figure>`;
};
