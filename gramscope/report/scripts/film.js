// The same rows at a few steps beside each other: a click takes the page to one of them.

class Film {
  constructor(place, view, player) {
    Object.assign(this, { place, view, player });
    this.buttons = place.dataset.steps.split(" ").map((step) => this.button(Number(step)));
    place.querySelector(".thumbs").append(...this.buttons);
  }

  button(step) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.dataset.step = step;
    button.setAttribute("aria-label", `step ${step} of ${this.view.panel.name}`);
    button.append(document.createElement("canvas"), `step ${step}`);
    button.addEventListener("click", () => this.player.go(step));
    return button;
  }

  async show() {
    const now = this.buttons.findLast((button) => button.dataset.step <= this.player.step);
    for (const button of this.buttons) {
      if (button === now) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    }
    const looks = `${this.player.order.value} ${this.player.colours.value}`;
    if (looks === this.looks) return;
    this.looks = looks;
    await Promise.all(this.buttons.map((button) => this.paint(button)));
  }

  async paint(button) {
    const { pictures, palette, grey } = this.view;
    const matrix = await pictures.matrix(pictures.at(Number(button.dataset.step)));
    const canvas = button.querySelector("canvas");
    const adaptive = this.player.colours.value === "adaptive";
    if (matrix.slices) return paintSlice(canvas, 192, matrix.slices, 0, grey, adaptive, palette);
    const pixels = pixelsOf(matrix, matrix.order(this.player.order.value), spanOf(matrix, adaptive), palette);
    Object.assign(canvas, { width: matrix.n, height: matrix.n });
    canvas.getContext("2d").drawImage(pixels, 0, 0);
  }
}
