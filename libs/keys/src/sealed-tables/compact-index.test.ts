import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sealedTable } from "./sealed-table.ts";

const declaration = {
  service: "records",
  table: "people",
  subject: "id",
  typed: [],
  sealed: ["number", "code"],
  exact: ["number", "code"],
} as const;
const before = sealedTable<object>(declaration);
const people = sealedTable<object>({ ...declaration, compact: ["number"] });
const keys = { number: randomBytes(32), code: randomBytes(32) };
const of = (number: string) => ({ id: "1", rev: 1, number, code: number });

test("a compact field has one token however a number is spelt, another field of each spelling its own", () => {
  const spellings = ["12-34 a.5", "1234A5", "１２‑３４ａ５"];
  const tokens = spellings.map((one) => people.indexTokens(keys, of(one)));
  expect(new Set(tokens.map(({ number }) => String(number?.toString("hex" as never)))).size).toBe(1);
  expect(new Set(tokens.map(({ code }) => String(code?.toString("hex" as never)))).size).toBeGreaterThan(1);
  expect(people.matches(of("12-34 a.5"), "number", "1234A5")).toBe(true);
  expect(people.matches(of("12-34 a.5"), "code", "1234A5")).toBe(false);
  expect(people.matches(of("12-34 a.5"), "number", "1234A6")).toBe(false);
});

test("a row of before a field was compact is found by the spelling that it was written in", () => {
  const { number } = before.indexTokens(keys, of("12-34 a"));
  const asked = (part: string) =>
    people.queryTokens(keys, "number", part)?.some((one) => one.equals(number as Buffer));
  expect(asked("12-34 A")).toBe(true);
  expect(asked("1234a")).toBe(false);
});
