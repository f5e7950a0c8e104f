// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { largestBins } from "../src/charts/small.ts";
import { linePath } from "../src/charts/quality.ts";
import { aroundZero, heatClass, linear, monthTicks, niceStep, paddedDomain, thinned, ticks, timeTicks } from "../src/scale.ts";

test("a linear scale maps ends to ends, and a domain without width to the middle", () => {
  const scale = linear([0.5, 1], [100, 0]);
  assert.equal(scale(0.5), 100);
  assert.equal(scale(0.75), 50);
  assert.equal(scale(1), 0);
  assert.equal(linear([3, 3], [0, 10])(3), 5);
});

test("ticks are round and inside the domain", () => {
  assert.deepEqual(ticks([0.602, 0.782], 4), [0.65, 0.7, 0.75]);
  assert.deepEqual(ticks([0, 1], 2), [0, 0.5, 1]);
  assert.deepEqual(ticks([2, 2], 4), [2]);
  assert.equal(niceStep(0.034), 0.02);
  assert.equal(niceStep(80), 100);
});

test("a padded domain holds its values, is wide enough and keeps its limits", () => {
  const [low, high] = paddedDomain([0.7, 0.71], 0.06, [0, 1]);
  assert.ok(low < 0.7 && high > 0.71 && high - low >= 0.06);
  assert.deepEqual(paddedDomain([], 0.06, [0, 1]), [0, 1]);
  assert.equal(paddedDomain([0.99, 1], 0.1, [0, 1])[1], 1);
});

test("a domain around zero is symmetric and ignores what is absent", () => {
  const [low, high] = aroundZero([-0.2, null, 0.1]);
  assert.equal(low, -high);
  assert.ok(high > 0.2);
  assert.deepEqual(aroundZero([null, undefined]), [-1, 1]);
});

test("the colour changes its kind exactly above the threshold of 0.2", () => {
  assert.equal(heatClass(0), 0);
  assert.equal(heatClass(0.2), 2);
  assert.equal(heatClass(0.2001), 3);
  assert.equal(heatClass(8.2), 6);
});

test("labels that are too near are left out", () => {
  assert.deepEqual(thinned([0, 10, 30, 45, 61], 30), [true, false, true, false, true]);
});

test("month ticks are first days, and no more than asked for", () => {
  const [from, to] = [Date.UTC(2013, 1, 26), Date.UTC(2014, 0, 14)];
  const all = monthTicks(from, to, 20);
  assert.equal(all.length, 11);
  assert.ok(all.every((time) => new Date(time).getUTCDate() === 1 && time >= from && time <= to));
  assert.ok(monthTicks(from, to, 4).length <= 4);
});

test("an axis of minutes has ticks of minutes", () => {
  const from = Date.UTC(2013, 0, 1, 10, 1);
  const found = timeTicks(from, from + 20 * 60_000, 5);
  assert.deepEqual(found.map((time) => new Date(time).getUTCMinutes()), [5, 10, 15, 20]);
});

test("a path moves once and then draws", () => {
  assert.equal(linePath([[0, 1], [2.04, 3]]), "M0.0,1.0L2.0,3.0");
});

test("the largest bins are kept in their own order", () => {
  const bin = (label: string, baseline_share: number, current_share: number) => ({ label, baseline_share, current_share });
  const kept = largestBins([bin("a", 0, 0.1), bin("b", 0, 0), bin("c", 0.9, 0)], 2);
  assert.deepEqual(kept.map(({ label }) => label), ["a", "c"]);
});
