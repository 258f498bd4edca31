// Numbers over time: a small chart for each, with alarms as ground and the step of the pictures.

const axis = (more) => ({
  stroke: themed("muted"),
  grid: { stroke: themed("rule"), width: 1 },
  ticks: { show: false },
  font: "11px system-ui, sans-serif",
  size: 26,
  ...more,
});

class Chart {
  constructor(of, panels, player) {
    Object.assign(this, { of, panels, player });
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    const caption = document.createElement("figcaption");
    this.value = document.createElement("small");
    caption.append(of.name, " ", this.value);
    this.place = document.createElement("div");
    this.figure.append(caption, this.place);
    this.data = uPlot.join(of.lines.map((line) => [line[0], line[1]]));
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", `${of.name} over ${this.data[0].length} steps; values in the table below`);
    new ResizeObserver(() => this.chart?.setSize(this.size())).observe(this.place);
  }

  size() {
    return { width: this.place.clientWidth, height: 150 };
  }

  // Anew, in the colours of the page as it looks now.
  rebuild() {
    if (!this.place.clientWidth) return;
    this.chart?.destroy();
    this.chart = new uPlot(this.options(), this.data, this.place);
    this.place.querySelector(".u-over").addEventListener("click", () => {
      const at = this.chart.cursor.idx;
      if (at != null) this.player?.go(this.data[0][at]);
    });
  }

  options() {
    const few = this.data[0].length <= 40;
    return {
      ...this.size(),
      legend: { show: false },
      cursor: { y: false, sync: { key: "steps" }, drag: { x: true, y: false } },
      scales: { x: { time: false, range: (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high]) } },
      axes: [axis(), axis({ size: 46 })],
      series: [{}, ...this.of.lines.map((_, i) => ({ ...lineOf(i), width: 1.6, spanGaps: true, points: { show: few, size: 4 } }))],
      hooks: {
        drawClear: [(chart) => this.grounds(chart)],
        draw: [(chart) => this.now(chart)],
        setCursor: [(chart) => this.tell(chart.cursor.idx)],
      },
    };
  }

  // Where an alarm was on in anything that was watched.
  grounds(chart) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = `${themed("red")}26`;
    for (const [first, last] of alarms(this.panels)) {
      const left = chart.valToPos(first, "x", true);
      const right = chart.valToPos(last, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
    }
    ctx.restore();
  }

  now(chart) {
    if (!this.player) return;
    const { ctx, bbox } = chart;
    const at = chart.valToPos(this.player.step, "x", true);
    if (at < bbox.left || at > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = themed("text");
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  tell(index) {
    if (index == null) return this.value.replaceChildren();
    const said = this.of.lines.map((_, i) => this.data[i + 1][index]).filter((v) => v != null);
    this.value.textContent = `step ${this.data[0][index]}: ${said.map((v) => shown(v, this.of.decimals)).join(" · ")}`;
  }
}

const shown = (value, decimals) =>
  (decimals == null ? String(+value.toPrecision(4)) : value.toFixed(decimals)).replace("-", "−");

// Steps at which alarms began and ended, those of several panels joined.
function alarms(panels) {
  const all = panels.flatMap((panel) => panel.spells.filter((spell) => spell.alarm).map((spell) => [spell.first, spell.last]));
  const joined = [];
  for (const [first, last] of all.sort((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before && first <= before[1]) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}
