// What a page would take in the split, by the rule of thumb and the figures of this run.
document.addEventListener("DOMContentLoaded", () => {
  const summary = JSON.parse(document.getElementById("summary").textContent);
  const figure = (name) => summary.derived.find((derived) => derived.name === name).found;
  const form = document.getElementById("calculator");
  const h = figure(form.dataset.h);
  const atOnce = figure(form.dataset.atOnce);

  // Milliseconds that the boundary adds, with one end of the intervals.
  const added = (how, n, rtt, end) => ({
    "in-turn": n * (rtt + h[end]),
    "at-once": rtt + h[end] + (n - 1) * atOnce[end],
    "in-one": rtt + h[end],
  })[how];
  const digits = (ms) => (ms >= 100 ? 0 : ms >= 10 ? 1 : 2);

  const show = () => {
    const { calls, rtt, page, how } = form.elements;
    const [n, delay, home] = [calls, rtt, page].map((field) => field.valueAsNumber);
    const output = form.querySelector("output");
    if (!form.checkValidity() || [n, delay, home].some(Number.isNaN)) {
      output.textContent = "Each field needs a number: at least one call, no time below 0.";
      return;
    }
    const [value, low, high] = ["value", "low", "high"].map((end) => added(how.value, n, delay, end));
    const text = (ms) => ms.toFixed(digits(value));
    const share = home > 0 ? `, ${((value / home) * 100).toFixed(0)} % more than in the monolith` : "";
    const outside = n > Number(form.dataset.mostCalls) || delay > Number(form.dataset.mostRtt);
    output.textContent =
      `The boundary adds ${text(value)} ms [${text(low)}, ${text(high)}]: ` +
      `the page takes ${(home + value).toFixed(digits(home + value))} ms${share}.` +
      (outside ? " That is outside of what was measured." : "");
  };
  form.hidden = false;
  form.addEventListener("input", show);
  show();
});
