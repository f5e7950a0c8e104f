// SPDX-License-Identifier: Apache-2.0
// Evaluated in the page: what a person with a keyboard, a screen reader or weak eyes would stumble over; a list of sentences.
(() => {
  const found = [];
  const say = (element, what) => found.push(`${what}: ${element.outerHTML.slice(0, 140)}`);
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;

  const nameOf = (element) => {
    const by = element.getAttribute("aria-labelledby");
    if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const label = element.labels?.[0]?.textContent ?? "";
    return element.getAttribute("aria-label") || label || element.getAttribute("alt") || element.textContent || element.getAttribute("title") || "";
  };
  for (const element of document.querySelectorAll("a, button, input, select, summary, [tabindex='0'], [role='img'], [role='grid'], section")) {
    if (!nameOf(element).trim()) say(element, "no name");
  }
  for (const image of document.querySelectorAll("img:not([alt])")) say(image, "no alternative text");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids.filter((one, i) => ids.indexOf(one) !== i)) found.push(`id twice: ${id}`);
  if (!document.documentElement.lang) found.push("no language");
  if (document.querySelectorAll("h1").length !== 1 || document.querySelectorAll("main").length !== 1) found.push("not one h1 and one main");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) say(heading, `heading skips from ${level}`);
    level = now;
  }
  for (const table of document.querySelectorAll("table")) if (!table.querySelector("th[scope]")) say(table, "no header cells");

  // Contrast of text with what is behind it: 4.5, or 3 where it is large (WCAG 2.2, 1.4.3).
  const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r / 255, g / 255, b / 255, a / 255];
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 0.98) return color;
    }
    return [1, 1, 1, 1];
  };
  const walker = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || !visible(element)) continue;
    const style = getComputedStyle(element);
    const text = light(rgba(element instanceof SVGElement ? style.fill : style.color));
    const ground = light(behind(element));
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say(element, `contrast ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
})();
