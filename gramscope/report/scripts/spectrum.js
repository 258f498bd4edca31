// The singular values of a step, the largest as 1.

class Spectrum {
  constructor(place) {
    this.place = place;
    this.values = [];
    new ResizeObserver(() => this.chart?.setSize(this.size())).observe(place);
  }

  size() {
    return { width: this.place.clientWidth, height: 110 };
  }

  show(values) {
    this.values = values;
    this.place.hidden = !values.length;
    if (!values.length) return;
    if (!this.chart) this.rebuild();
    this.chart.setData(this.data());
    this.place.setAttribute("aria-label", `Spectrum: ${this.said()}`);
  }

  data() {
    return [this.values.map((_, i) => i + 1), this.values.map((value) => value || null)];
  }

  said() {
    const tenth = this.values.filter((value) => value >= 0.1).length;
    return `${tenth} of ${this.values.length} singular values are at least a tenth of the largest`;
  }

  // Anew, in the colours of the page as it looks now.
  rebuild() {
    if (!this.values.length) return;
    this.chart?.destroy();
    this.chart = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false }, y: { distr: 3, range: (_, low) => [Math.min(low, 0.1), 1] } },
        axes: [axis({ values: (_, at) => at.map(String) }), axis({ size: 44, values: (_, at) => at.map((v) => v && +v.toPrecision(1)) })],
        series: [{}, { ...lineOf(0), width: 1.5, fill: `${themed("blue")}22`, points: { show: false } }],
      },
      this.data(),
      this.place,
    );
  }
}
