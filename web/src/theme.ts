// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system has it; remembered by the browser.
export type Theme = "system" | "light" | "dark";

const kKey = "slipway-theme";

export function readTheme(): Theme {
  try {
    const kept = localStorage.getItem(kKey);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system"; // storage is forbidden here
  }
}

export function nextTheme(theme: Theme): Theme {
  return theme === "system" ? "light" : theme === "light" ? "dark" : "system";
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(kKey, theme);
  } catch {
    // It holds until the page is left.
  }
}
