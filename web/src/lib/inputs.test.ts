import assert from "node:assert/strict";
import { test } from "node:test";
import { classOf, dequantise, quantise, rangeOf } from "./codes";
import { blocks, counts, isDigits, type Stroke } from "./digit";
import { NoInput, read, write } from "./values";

const sum = (values: number[]) => values.reduce((all, one) => all + one, 0);

test("a drawing is as high as the data's digits and has as much ink, wherever and however large it is drawn", () => {
  const seven: Stroke[] = [[[30, 30], [60, 30], [40, 90]]];
  const large = seven.map((stroke) => stroke.map(([x, y]): [number, number] => [5 + 3 * x, 3 * y - 20]));
  assert.deepEqual(counts(large), counts(seven));
  const drawn = counts(seven);
  assert.ok(Math.abs(sum(drawn) - 310) < 30, String(sum(drawn)));
  assert.ok(sum(drawn.slice(0, 8)) > 0 && sum(drawn.slice(56)) > 0, "from the first row to the last");
  assert.ok(drawn.every((count) => Number.isInteger(count) && count >= 0 && count <= 16));
});

test("nothing, a dot and a flat line are drawings too", () => {
  assert.deepEqual(counts([]), Array(64).fill(0));
  assert.deepEqual(counts([[]]), Array(64).fill(0));
  const dot = counts([[[7, 7]]]);
  assert.ok(sum(dot) > 0 && dot[27] === dot[28] && dot[27] === dot[36]);
  const line = counts([[[0, 5], [100, 5]]]);
  assert.equal(sum(line.slice(0, 8)), 0);
  assert.ok(line[24]! > 0 || line[25]! > 0);
});

test("a count is of the set pixels of a block of 4 by 4", () => {
  const pixels = Array<boolean>(1024).fill(false);
  for (const i of [0, 3, 32 * 3 + 3, 4, 1023]) pixels[i] = true;
  const found = blocks(pixels);
  assert.deepEqual([found[0], found[1], found[63], sum(found)], [3, 1, 1, 5]);
});

test("digits are drawn for a model of 64 values and ten classes alone", () => {
  assert.ok(isDigits({ input_len: 64, classes: 10 }));
  assert.ok(!isDigits({ input_len: 64, classes: 2 }) && !isDigits({ input_len: 13, classes: 10 }));
});

test("codes are those of the importer: pairs for all values, for channels or for single values", () => {
  const x = [1, 2, 30, 40];
  assert.deepEqual(quantise({ scale: [10], offset: [0] }, x), [0, 0, 3, 4]);
  const channels = { scale: [1, 10], offset: [0, 20] };
  assert.deepEqual(quantise(channels, x), [1, 2, 1, 2]);
  assert.deepEqual(dequantise(channels, [1, 2, 1, 2]), x);
  assert.deepEqual(quantise({ scale: [1, 1, 10, 20], offset: [1, 0, 0, 40] }, x), [0, 2, 3, 0]);
  assert.deepEqual(quantise({ scale: [1], offset: [0] }, [1.5, -1.5, 900, -900]), [2, -1, 127, -128]);
  assert.deepEqual(rangeOf(channels, 3, 4), [-1260, 1290]);
});

test("the class is the first of the greatest, among the classes alone", () => {
  assert.equal(classOf([-3, 5, 5, 9], 3), 1);
});

test("inputs are read from JSON and from CSV, and what is none is named", () => {
  for (const text of ["[1, -2.5, 3e1]", "1;-2.5;30", "1,-2.5\n30\n", "[[1],[-2.5],[30]]", "1\t-2.5  30"]) {
    assert.deepEqual(read(text, 3), [1, -2.5, 30], text);
  }
  const refusal = (text: string) => {
    try {
      read(text, 3);
      return null;
    } catch (error) {
      return error instanceof NoInput ? [error.reason, error.found] : error;
    }
  };
  assert.deepEqual(refusal("1, two, 3"), ["number", "two"]);
  assert.deepEqual(refusal("1, Infinity, 3"), ["number", "Infinity"]);
  assert.deepEqual(refusal("1, 2"), ["length", "2"]);
  assert.deepEqual(refusal(""), ["length", "0"]);
  assert.deepEqual(read(write([0.123456789, 1e-9]), 2), [0.123457, 1e-9]);
});
