// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, bytes, count, day, duration, finePercent, fixed, hour, middle, millis, moment, parseTime, percent, phrase, plural, psi, scalar, signed, significant, span, words } from "../src/format.ts";

const kThin = "\u202f";

test("an absent number is a dash, never NaN", () => {
  for (const text of [fixed(null, 2), signed(undefined, 2), count(NaN), percent(null), finePercent(undefined), millis(null), bytes(null), duration(null), significant(null), psi(undefined)]) {
    assert.equal(text, "–");
  }
});

test("negative zero is zero, and minus is a minus sign", () => {
  assert.equal(fixed(-0.0004, 2), "0.00");
  assert.equal(signed(-0.0004, 2), "0.00");
  assert.equal(signed(0.0004, 2), "0.00");
  assert.equal(signed(-0.04, 3), "\u22120.040");
  assert.equal(signed(0.051, 3), "+0.051");
});

test("counts are grouped by thousands", () => {
  assert.equal(count(0), "0");
  assert.equal(count(999), "999");
  assert.equal(count(1234567), `1${kThin}234${kThin}567`);
});

test("small shares are not rounded into none, large ones not into all", () => {
  assert.equal(finePercent(0), `0${kThin}%`);
  assert.equal(finePercent(0.0004), `0.04${kThin}%`);
  assert.equal(finePercent(0.05), `5.0${kThin}%`);
  assert.equal(finePercent(0.25), `25${kThin}%`);
  assert.equal(finePercent(0.9996), `99.96${kThin}%`);
  assert.equal(finePercent(1), `100${kThin}%`);
});

test("times of answers keep their unit readable", () => {
  assert.equal(millis(0.026), "26 \u00b5s");
  assert.equal(millis(0.234), "0.23 ms");
  assert.equal(millis(3.42), "3.4 ms");
  assert.equal(millis(250.4), "250 ms");
  assert.equal(millis(1500), "1.50 s");
});

test("durations take two units at most and carry over", () => {
  assert.equal(duration(0.25), "250 ms");
  assert.equal(duration(3.21), "3.2 s");
  assert.equal(duration(59.4), "59 s");
  assert.equal(duration(92), "1 min 32 s");
  assert.equal(duration(3599.9), "60 min");
  assert.equal(duration(3725), "1 h 2 min");
  assert.equal(duration(86400 * 3), "3 d");
});

test("microseconds of the server are read", () => {
  assert.equal(parseTime("2013-07-30T14:05:09.123456Z"), Date.UTC(2013, 6, 30, 14, 5, 9, 123));
  assert.equal(parseTime(""), null);
  assert.equal(parseTime("yesterday"), null);
});

test("dates are UTC, whatever the browser's zone", () => {
  const time = "2013-07-30T23:59:59.999999Z";
  assert.equal(day(time, true), "30 Jul 2013");
  assert.equal(hour(time, true), "23:59:59");
  assert.equal(moment(time), "30 Jul 2013, 23:59 UTC");
  assert.equal(moment(null), "–");
});

test("a span names the year once, twice when it changes, and hours when it is short", () => {
  assert.equal(span("2013-07-30T00:00:00Z", "2013-08-13T00:00:00Z"), "30 Jul – 13 Aug 2013");
  assert.equal(span("2013-12-31T00:00:00Z", "2014-01-14T00:00:00Z"), "31 Dec 2013 – 14 Jan 2014");
  assert.equal(span("2013-07-30T08:00:00Z", "2013-07-30T09:00:00Z"), "30 Jul 08:00 – 09:00");
});

test("how long ago is told by the product's clock", () => {
  const now = Date.UTC(2013, 6, 30, 12);
  assert.equal(ago("2013-07-30T11:59:58Z", now), "just now");
  assert.equal(ago("2013-07-30T11:57:00Z", now), "3 min ago");
  assert.equal(ago("2013-07-28T12:00:00Z", now), "2 d ago");
  assert.equal(ago("2013-03-01T12:00:00Z", now), "1 Mar 2013");
  assert.equal(ago("2013-07-30T13:00:00Z", now), "30 Jul 2013, 13:00 UTC");
});

test("significant digits drop zeros that say nothing", () => {
  assert.equal(significant(0.03), "0.03");
  assert.equal(significant(0.14213), "0.142");
  assert.equal(significant(100), "100");
  assert.equal(significant(0), "0");
});

test("names become words, abbreviations stay abbreviations", () => {
  assert.equal(words("prediction_psi"), "Prediction PSI");
  assert.equal(words("auc_drop"), "AUC drop");
  assert.equal(phrase("prediction_psi"), "prediction PSI");
  assert.equal(phrase("auc_drop"), "AUC drop");
});

test("a long name keeps both ends", () => {
  assert.equal(middle("temp", 24), "temp");
  const short = middle("aggregated_feature_number_7_over_the_last_90_days", 24);
  assert.equal(short.length, 24);
  assert.ok(short.startsWith("aggregated") && short.endsWith("90_days"));
});

test("plurals and values of any kind", () => {
  assert.equal(plural(1, "version"), "1 version");
  assert.equal(plural(2, "match", "matches"), "2 matches");
  assert.equal(scalar(null), "–");
  assert.equal(scalar(48211), `48${kThin}211`);
  assert.equal(scalar({ a: 1 }), '{"a":1}');
});
