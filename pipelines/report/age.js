// Says how old the file is when it is opened. Nobody's data stands in this text, so the page's policy knows its hash.
(() => {
  const shown = document.getElementById("age");
  const hours = (Date.now() - Date.parse(shown.dataset.since)) / 3600000;
  const days = Math.floor(hours / 24);
  if (hours < -0.1) {
    shown.textContent = "By the clock of this device, this file is from the future: one of the two clocks is wrong.";
  } else if (days < 1) {
    shown.textContent = "This file is less than a day old.";
  } else {
    shown.textContent = `This file is ${days} ${days === 1 ? "day" : "days"} old.`;
  }
  if (hours < -0.1 || days > 1) {
    shown.className = "note stale";
  }
})();
