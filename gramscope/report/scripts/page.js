// Puts the page together.

async function start() {
  const { panels, charts, viridis } = JSON.parse(textOf(await unpacked(content("data"))));
  const frames = JSON.parse(content("data-pictures"));
  const images = JSON.parse(content("data-images"));
  const greys = await Promise.all(images.map(async (image) => image && new Grey(await unpacked(image))));
  const views = [...document.querySelectorAll(".panel")].map((figure) => {
    const at = Number(figure.dataset.panel);
    return new View(figure, panels[at], new Pictures(frames[at]), paletteOf(viridis), greys[at]);
  });
  let player;
  let films = [];
  const drawn = [];
  const draw = async () => {
    const viewer = document.getElementById("viewer");
    viewer.setAttribute("aria-busy", "true");
    for (const chart of drawn) chart.chart?.redraw(false);
    writeScale(player.colours.value === "adaptive");
    await Promise.all([...views.map((view) => view.show(player)), ...films.map((film) => film.show())]);
    viewer.setAttribute("aria-busy", "false");
  };
  if (views.length && frames.some((some) => some.length)) {
    player = new Player(frames.map((some) => ({ frames: some })), draw);
    films = [...document.querySelectorAll(".film")].map((place) => new Film(place, views[place.dataset.panel], player));
  }
  const add = (place, some) => {
    const made = some.map((of) => new Chart(of, panels, player));
    place.append(...made.map((chart) => chart.figure));
    made.forEach((chart) => chart.rebuild());
    drawn.push(...made);
  };
  const curves = charts.filter((of) => of.lines.some(([steps]) => steps.length > 1));
  document.getElementById("over-time").hidden = !curves.length;
  writeKey(panels);
  add(document.getElementById("headlines"), curves.filter((of) => of.headline));
  addWhenOpened(document.getElementById("more-charts"), curves.filter((of) => !of.headline), add);
  const rebuild = () => [...drawn, ...views.map((view) => view.spectrum)].forEach((chart) => chart.rebuild());
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", rebuild);
  await player?.changed();
  refresh(player);
  document.documentElement.dataset.ready = "true";
}

// One panel: a matrix, its slices if it is of patches, what stands around it, and its spectrum.
class View {
  constructor(figure, panel, pictures, palette, grey) {
    Object.assign(this, { figure, panel, pictures, palette, grey });
    this.heatmap = new Heatmap(figure, palette);
    this.slices = new SlicesView(figure, palette, grey);
    this.spectrum = new Spectrum(figure.querySelector(".spectrum"));
  }

  async show(player) {
    const frame = this.pictures.at(player.step);
    const matrix = frame && (await this.pictures.matrix(frame));
    if (frame !== this.pictures.at(player.step)) return; // the slider has gone on meanwhile
    this.heatmap.show(matrix, player.order.value, player.colours.value === "adaptive");
    this.slices.show(matrix?.slices, player.colours.value === "adaptive");
    this.spectrum.show(matrix?.spectrum ?? []);
    this.say(".at", frame ? this.at(frame, matrix, player.step) : "no picture yet");
    this.say(".numbers-at", frame?.captions.map((pair) => pair.join(" ")).join(" · "));
    this.say(".remark", frame?.remark);
    this.heatmap.canvas.setAttribute("aria-label", `Gram matrix of ${this.panel.name}, ${this.figure.querySelector(".at").textContent}. Arrow keys read entries.`);
  }

  at(frame, matrix, step) {
    const rows = matrix.n < matrix.of ? `${matrix.n} of ${matrix.of} rows` : `N = ${matrix.n}`;
    const state = this.panel.spells.findLast((spell) => spell.first <= frame.step)?.title;
    const when = frame.step === step ? "" : ", the last before";
    const range = matrix.n > 1 ? `${shown(matrix.low, 2)} to ${shown(matrix.high, 2)}` : "";
    return [`step ${frame.step}${when}`, rows, `world size ${frame.world}`, range, state].filter(Boolean).join(", ");
  }

  say(where, text) {
    this.figure.querySelector(where).textContent = text ?? "";
  }
}

function writeScale(adaptive) {
  const marks = adaptive ? ["its least", "its greatest"] : ["−1", "−0.5", "0", "0.5", "1"];
  const spans = marks.map((mark) => Object.assign(document.createElement("span"), { textContent: mark }));
  document.getElementById("scale").replaceChildren(...spans);
}

function writeKey(panels) {
  const marks = panels.map((panel, i) => {
    const span = document.createElement("span");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    line.setAttribute("viewBox", "0 0 28 8");
    line.innerHTML = '<path d="M0 4H28" fill="none" stroke-width="2"/>';
    line.firstChild.style.stroke = `var(--${HUES[i % HUES.length]})`;
    line.firstChild.style.strokeDasharray = lineOf(i).dash.join(" ");
    span.append(line, ` ${panel.name}`);
    return span;
  });
  document.getElementById("key").replaceChildren(...marks);
}

// Charts that nobody looks at cost nothing.
function addWhenOpened(details, charts, add) {
  details.hidden = !charts.length;
  details.addEventListener("toggle", () => details.open && add(details.querySelector(".charts"), charts), { once: true });
}

// Of a run that is still training: again and again, but not while somebody looks closely.
function refresh(player) {
  const seconds = Number(content("refresh"));
  if (!seconds) return;
  setInterval(() => player?.timer || document.querySelector(".panel canvas:hover") || location.reload(), 1000 * seconds);
}

start();
