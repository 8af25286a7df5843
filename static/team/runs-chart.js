// Runs a day as bars: what succeeded below, what did not on top, told apart by a pattern too.
//
// The chart is a picture with a text alternative that says what it shows; the large one on the page
// has all its numbers in a table below it, and a small one belongs to a row of numbers.

import { el, setAttr } from "/static/shared/dom.js";
import { dayText, NUMBER } from "/static/team/words.js";

const SVG = "http://www.w3.org/2000/svg";
/** The picture is stretched to its place, so these are shares and not pixels. */
const WIDTH = 1000;
const HEIGHT = 100;
const GAP = 0.25;

function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

class RunsChart extends HTMLElement {
  /** @param {{date: string, runs: number, success: number}[]} series one entry a day */
  show(series) {
    // Drawn anew only if it changed: most news concern one person.
    const told = JSON.stringify(series.map((it) => [it.date, it.runs, it.success]));
    if (told === this.told) return;
    this.told = told;
    const picture = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", class: "bars",
    });
    setAttr(picture, "aria-label", alternative(series));
    const most = Math.max(1, ...series.map((it) => it.runs));
    const step = WIDTH / series.length;
    const width = step * (1 - GAP);
    series.forEach((day, at) => {
      if (day.runs === 0) return;
      const x = at * step + (step - width) / 2;
      // A single run among thousands is still seen.
      const all = Math.max((day.runs / most) * HEIGHT, 2);
      const good = all * (day.success / day.runs);
      const group = svg("g");
      const title = svg("title");
      title.textContent = `${dayText(day.date)}: ${NUMBER.format(day.runs)} runs, ${NUMBER.format(day.success)} successful`;
      group.append(title);
      if (all > good) group.append(svg("rect", { class: "bad", x, y: HEIGHT - all, width, height: all - good }));
      if (good > 0) group.append(svg("rect", { class: "good", x, y: HEIGHT - good, width, height: good }));
      picture.append(group);
    });
    if (this.hasAttribute("small")) return this.replaceChildren(picture);
    // The picture says all this in its words.
    const tick = (text) => el("span", {}, text);
    this.replaceChildren(
      el("p", { class: "ticks", "aria-hidden": "true" }, tick(NUMBER.format(most))),
      picture,
      el("p", { class: "ticks", "aria-hidden": "true" },
        tick(dayText(series[0]?.date)), tick(dayText(series.at(-1)?.date))));
  }
}

/** What the picture says, in words. */
function alternative(series) {
  const total = series.reduce((sum, it) => sum + it.runs, 0);
  if (total === 0) return `No runs in ${series.length} days.`;
  const best = series.reduce((most, it) => (it.runs > most.runs ? it : most));
  const good = series.reduce((sum, it) => sum + it.success, 0);
  return `${NUMBER.format(total)} runs in ${series.length} days, ${NUMBER.format(good)} of them successful. `
    + `Most on ${dayText(best.date)}: ${NUMBER.format(best.runs)}.`;
}

customElements.define("runs-chart", RunsChart);
