// SPDX-License-Identifier: Apache-2.0
// Behaviour by attribute: data-tip (a hint on hover and focus), data-rove (arrow keys between cells), data-copy.

/** First line bold, the others under it. Escape hides it. */
export function followTips(): void {
  const tip = document.getElementById("tooltip");
  if (!tip) return;
  let owner: Element | null = null;
  const hide = () => {
    owner = null;
    tip.hidden = true;
  };
  const show = (event: Event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
    if (target === owner) return;
    if (!target) return hide();
    owner = target;
    const [first = "", ...rest] = (target.getAttribute("data-tip") ?? "").split("\n");
    tip.replaceChildren(line("strong", first), ...rest.map((text) => line("span", text)));
    tip.hidden = false;
    place(tip, target.getBoundingClientRect());
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

function line(tag: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function place(tip: HTMLElement, box: DOMRect): void {
  const gap = 8;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.max(gap, Math.min(window.innerWidth - width - gap, box.left + box.width / 2 - width / 2));
  const above = box.top - height - gap;
  const below = Math.min(box.bottom + gap, window.innerHeight - height - gap);
  tip.style.left = `${left}px`;
  tip.style.top = `${above >= gap ? above : Math.max(gap, below)}px`;
}

const kMoves: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** One cell of a [data-rove] is in the tab order; arrows, Home and End move between cells, Enter and Space click. */
export function followArrows(): void {
  document.addEventListener("keydown", (event) => {
    const cell = event.target instanceof Element ? event.target.closest("[data-rove] [data-col]") : null;
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") {
      cell.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      event.preventDefault();
      return;
    }
    const next = target(cell, event.key);
    if (!next) return;
    event.preventDefault();
    if (next instanceof HTMLElement || next instanceof SVGElement) next.focus();
  });
  document.addEventListener("focusin", (event) => {
    const cell = event.target instanceof Element ? event.target.closest("[data-rove] [data-col]") : null;
    if (!cell) return;
    for (const other of cell.closest("[data-rove]")?.querySelectorAll("[data-col][tabindex='0']") ?? []) other.setAttribute("tabindex", "-1");
    cell.setAttribute("tabindex", "0");
  });
}

function target(cell: Element, key: string): Element | null {
  const box = cell.closest("[data-rove]");
  const row = Number(cell.getAttribute("data-row"));
  const col = Number(cell.getAttribute("data-col"));
  const at = (r: number, c: number) => box?.querySelector(`[data-row="${r}"][data-col="${c}"]`) ?? null;
  if (key === "Home") return at(row, 0);
  if (key === "End") return [...(box?.querySelectorAll(`[data-row="${row}"]`) ?? [])].at(-1) ?? null;
  const move = kMoves[key];
  return move ? at(row + move[0], col + move[1]) : null;
}

export function followCopies(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!button) return;
    void navigator.clipboard?.writeText(button.getAttribute("data-copy") ?? "").then(() => {
      button.classList.add("copied");
      setTimeout(() => button.classList.remove("copied"), 1500);
    });
  });
}
