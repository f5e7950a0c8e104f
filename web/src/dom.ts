// SPDX-License-Identifier: Apache-2.0
// A very small view layer: a view is a tree of plain values, `patch` makes the document equal to it and touches only what
// differs, so that focus, scroll positions and open disclosures survive a refresh.

export type Handler = (event: Event) => void;
export type Attribute = string | number | boolean | null | undefined | Handler;
export interface Node {
  tag: string;
  key: string | undefined;
  attributes: Record<string, Attribute>;
  children: (Node | string)[];
}
export type Child = Node | string | number | null | undefined | false | Child[];

const kSvg = "http://www.w3.org/2000/svg";
const kSvgTags = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "polyline", "polygon", "tspan"]);

/** Attribute `key` tells siblings apart; names that begin with "on" are handlers; false, null and undefined leave it out. */
export function h(tag: string, attributes: Record<string, Attribute> = {}, ...children: Child[]): Node {
  const { key, ...rest } = attributes;
  const flat: (Node | string)[] = [];
  collect(children, flat);
  return { tag, key: key === undefined || key === null ? undefined : String(key), attributes: rest, children: flat };
}

function collect(children: readonly Child[], into: (Node | string)[]): void {
  for (const child of children) {
    if (Array.isArray(child)) collect(child, into);
    else if (typeof child === "number") into.push(String(child));
    else if (child) into.push(child);
  }
}

interface Known {
  key: string | undefined;
  attributes: Record<string, Attribute>;
}
const known = new WeakMap<Element, Known>();

export function patch(parent: Element, children: (Node | string)[]): void {
  const keyed = new Map<string, Element>();
  for (const element of parent.children) {
    const key = known.get(element)?.key;
    if (key !== undefined) keyed.set(key, element);
  }
  const wanted = new Set(children.map((child) => (typeof child === "string" ? undefined : child.key)));
  let at: ChildNode | null = parent.firstChild;
  for (const child of children) {
    // What is gone leaves first: those that stay need not move, and keep the focus.
    while (at instanceof Element && isStale(at, wanted)) {
      const next: ChildNode | null = at.nextSibling;
      at.remove();
      at = next;
    }
    const node = place(parent, child, at, keyed);
    at = node.nextSibling;
  }
  while (at) {
    const next: ChildNode | null = at.nextSibling;
    at.remove();
    at = next;
  }
}

function isStale(element: Element, wanted: Set<string | undefined>): boolean {
  const key = known.get(element)?.key;
  return key !== undefined && !wanted.has(key);
}

function place(parent: Element, child: Node | string, at: ChildNode | null, keyed: Map<string, Element>): ChildNode {
  if (typeof child === "string") {
    if (at?.nodeType === 3) {
      if (at.nodeValue !== child) at.nodeValue = child;
      return at;
    }
    return parent.insertBefore(document.createTextNode(child), at);
  }
  const reusable = reuse(child, at, keyed);
  if (reusable) {
    if (reusable !== at) parent.insertBefore(reusable, at);
    update(reusable, child);
    return reusable;
  }
  const made = kSvgTags.has(child.tag) ? document.createElementNS(kSvg, child.tag) : document.createElement(child.tag);
  update(made, child);
  return parent.insertBefore(made, at);
}

function reuse(child: Node, at: ChildNode | null, keyed: Map<string, Element>): Element | null {
  const candidate = child.key === undefined ? at : (keyed.get(child.key) ?? null);
  if (!(candidate instanceof Element) || candidate.tagName.toLowerCase() !== child.tag.toLowerCase()) return null;
  return known.get(candidate)?.key === child.key ? candidate : null;
}

function update(element: Element, node: Node): void {
  const before = known.get(element)?.attributes ?? {};
  for (const name of Object.keys(before)) if (!(name in node.attributes)) set(element, name, null);
  for (const [name, value] of Object.entries(node.attributes)) {
    if (before[name] !== value && !isProperty(name)) set(element, name, value);
  }
  known.set(element, { key: node.key, attributes: node.attributes });
  patch(element, node.children);
  // A select takes its value from options that must be there by now; a person may have changed it since.
  for (const [name, value] of Object.entries(node.attributes)) if (isProperty(name)) set(element, name, value);
}

function isProperty(name: string): boolean {
  return name === "value" || name === "checked";
}

function set(element: Element, name: string, value: Attribute): void {
  if (name.startsWith("on")) {
    (element as unknown as Record<string, unknown>)[name] = value ?? null;
  } else if (isProperty(name) && name in element) {
    const target = element as HTMLInputElement;
    if (name === "checked") target.checked = value === true;
    else if (target.value !== String(value ?? "")) target.value = String(value ?? "");
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}
