// The step that is shown, the order of rows and the colours: by slider, keys, clicks, and address.

class Player {
  constructor(panels, draw) {
    this.steps = [...new Set(panels.flatMap((panel) => panel.frames.map((f) => f.step)))].sort((a, b) => a - b);
    this.draw = draw;
    this.slider = document.getElementById("slider");
    this.order = document.getElementById("order");
    this.colours = document.getElementById("colours");
    this.button = document.getElementById("play");
    const labelled = panels.some((panel) => panel.frames.some((frame) => frame.labelled));
    this.order.querySelector("[value=label]").disabled = !labelled;
    this.slider.max = this.steps.length - 1;
    this.slider.closest(".controls").hidden = this.steps.length < 2;
    this.recall();
    this.slider.addEventListener("input", () => this.changed());
    this.order.addEventListener("change", () => this.changed());
    this.colours.addEventListener("change", () => this.changed());
    this.button.addEventListener("click", () => this.play(!this.timer));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  get step() {
    return this.steps[this.slider.value];
  }

  // Where the page was when its address was copied, or it loaded itself again; else at the end.
  recall() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [select, first] of [[this.order, "rank"], [this.colours, "fixed"]]) {
      select.value = asked.get(select.id) ?? first;
      if (!select.value) select.value = first; // no such choice
    }
    this.select(asked.has("step") ? Number(asked.get("step")) : Infinity);
  }

  // The last at or before a step, or the first.
  select(step) {
    const behind = this.steps.findIndex((at) => at > step);
    this.slider.value = behind < 0 ? this.steps.length - 1 : Math.max(0, behind - 1);
  }

  go(step) {
    this.select(step);
    this.changed();
  }

  move(by) {
    this.slider.value = Number(this.slider.value) + by;
    this.changed();
  }

  changed() {
    const last = Number(this.slider.value) === this.steps.length - 1;
    const asked = new URLSearchParams();
    if (!last) asked.set("step", this.step);
    if (this.order.value !== "rank") asked.set("order", this.order.value);
    if (this.colours.value !== "fixed") asked.set("colours", this.colours.value);
    history.replaceState(null, "", String(asked) ? `#${asked}` : location.pathname);
    document.getElementById("step").value = this.step;
    this.slider.setAttribute("aria-valuetext", `step ${this.step}`);
    return this.draw();
  }

  play(on) {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.button.textContent = on ? "Pause" : "Play";
    this.button.setAttribute("aria-pressed", on);
    if (!on) return;
    if (Number(this.slider.value) === this.steps.length - 1) this.slider.value = -1;
    this.tick();
  }

  async tick() {
    const began = performance.now();
    this.slider.value = Number(this.slider.value) + 1;
    this.timer = 1; // on, while a picture is unpacked
    await this.changed();
    if (!this.timer) return;
    if (Number(this.slider.value) === this.steps.length - 1) return this.play(false);
    const pause = Math.max(40, Math.min(400, 12000 / this.steps.length));
    this.timer = setTimeout(() => this.tick(), Math.max(0, pause - (performance.now() - began)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|BUTTON|SUMMARY|A)$/.test(event.target.tagName)) return; // these have keys of their own
    const action = {
      " ": () => this.play(!this.timer),
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Home: () => this.go(-Infinity),
      End: () => this.go(Infinity),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
