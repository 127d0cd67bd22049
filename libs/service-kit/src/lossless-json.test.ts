import { decimalOf, isDecimal, losslessJson } from "@medvault/contracts";
import { expect, test } from "vitest";
import { readLossless } from "./lossless-json.ts";

const NUMBERS = [
  ..."0 -0 0.0 1.00 7.10 -7.10 1e2 1E+2 1.5e-7 0.1000 0.0000001 1e999 -1e-999 9007199254740993".split(" "),
  ..."12345678901234567890 0.12345678901234567890123 100000000000000000000 1e21 123456789012345 0.5".split(
    " ",
  ),
];

test("every number comes back digit for digit, wherever it stands", async () => {
  for (const digits of NUMBERS) {
    for (const text of [
      `[${digits}]`,
      `{"a":${digits}}`,
      `{"a":[1,${digits},"${digits}",{"b":${digits}}]}`,
      `[[${digits}],2]`,
    ]) {
      expect(losslessJson(await readLossless(text))).toBe(text);
    }
  }
});

test("a number that JavaScript spells as it came is one; any other is a Decimal", async () => {
  const text = `[1, 0.5, -3, 123456789012345, 1e2, 1.0, -0, 12345678901234567]`;
  const read = (await readLossless(text)) as unknown[];
  expect(read.map((one) => (isDecimal(one) ? "decimal" : typeof one))).toEqual(
    "number number number number decimal decimal decimal decimal".split(" "),
  );
  expect([decimalOf("4.5"), decimalOf("4.50")]).toEqual([4.5, { "#": "4.50" }]);
});

test("text that looks like a number, a name or a Decimal stays text", async () => {
  const value = {
    a: 'He said "1.00", \\" and 2.50 \\',
    "1.00": ["-7.10", "\\", '"', '{"#":"1.00"}', ',"#":'],
    'q"1.0\\': "\u2028 é 😀 \ud800",
  };
  const text = JSON.stringify(value);
  expect(await readLossless(text)).toEqual(value);
  expect(losslessJson(value)).toBe(text);
  expect(await readLossless(JSON.stringify(value, null, 2))).toEqual(value);
});

test("all that JSON can say is read as JSON.parse reads it", async () => {
  const next = numbers(20_261_127);
  for (let round = 0; round < 2_000; round++) {
    const text = JSON.stringify(anything(next, 4), null, round % 3);
    expect(await readLossless(text)).toEqual(JSON.parse(text));
  }
});

test.each([
  ['{"a":1,"a":1}', "a"],
  ['{"entry":[{},{"resource":{"id":"x","active":true,"\\u0069d":"y"}}]}', "entry.1.resource.id"],
  [`{${Array.from({ length: 40 }, (_, at) => `"n${at}":0`).join()},"n3":1}`, "n3"],
])(
  "threat: a name comes twice, and readers differ in which counts: %s is refused with the path",
  async (text, path) => {
    await expect(readLossless(text)).rejects.toMatchObject({ errors: [{ path, message: "is there twice" }] });
  },
);

test("threat: a client writes what stands for a number: it is refused with the path", async () => {
  for (const text of ['{"a":[{"#":"1.00"}]}', '{"a":[{"\\u0023":"<script>"}]}']) {
    await expect(readLossless(text)).rejects.toMatchObject({ errors: [{ path: "a.0.#" }] });
  }
});

test("threat: nested without end, it is refused before anything is built", async () => {
  await expect(readLossless("[".repeat(1_000_000))).rejects.toMatchObject({ code: "invalid_input" });
  await expect(readLossless('{"a":'.repeat(1_000_000))).rejects.toMatchObject({ code: "invalid_input" });
});

test.each([
  "",
  "{",
  '{"a"',
  "01",
  "[1.]",
  "[.5]",
  "[+1]",
  "[1e]",
  "[--1]",
  '["a',
  "[1,]",
  "[1 2]",
  "{a:1}",
  "[NaN]",
  '["\\u00"]',
])("what is no JSON is refused: %j", async (text) => {
  await expect(readLossless(text)).rejects.toMatchObject({ code: "invalid_input" });
});

function anything(next: (below: number) => number, depth: number): unknown {
  const kind = next(depth === 0 ? 5 : 7);
  if (kind === 0) return null;
  if (kind === 1) return next(2) === 0;
  if (kind === 2) return next(1_000_000) - 500_000;
  if (kind < 5) return ['"', "\\", "a,b", "{", "]", "\n", "ü", ":"].slice(next(8)).join("");
  const items = Array.from({ length: next(5) }, () => anything(next, depth - 1));
  return kind === 5
    ? items
    : Object.fromEntries(items.map((one, at) => [`${'\\"'.slice(next(3))}${at}`, one]));
}

/** The same numbers on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    return (state >>> 8) % below;
  };
}
