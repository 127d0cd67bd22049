import { InvalidInput } from "@medvault/contracts";
import { expect, test } from "vitest";
import { z } from "zod";
import { parse } from "./validation.ts";

const Schema = z.strictObject({
  name: z.string().min(1).max(5),
  count: z.int().min(2),
  kind: z.enum(["a", "b"]),
  id: z.uuid(),
  at: z.iso.datetime(),
  tags: z.array(z.string()).max(1),
  own: z.string().refine((text) => text !== "x", "must not be x"),
});
const GOOD = {
  name: "n",
  count: 2,
  kind: "a",
  id: "018f4c1e-7a2b-7c3d-8e4f-0123456789ab",
  at: "2026-01-31T09:30:00Z",
  tags: [],
  own: "y",
};

function faultsOf(change: Record<string, unknown>): unknown {
  try {
    return parse(Schema, { ...GOOD, ...change });
  } catch (error) {
    return (error as InvalidInput).errors;
  }
}

test("a fault has a path, a code that stays, plain words, and what the field must keep to", () => {
  expect(faultsOf({})).toEqual(GOOD);
  for (const [change, fault] of [
    [{ name: undefined }, { path: "name", code: "required", message: "is needed" }],
    [{ kind: undefined }, { path: "kind", code: "required", message: "is needed" }],
    [
      { name: 7 },
      { path: "name", code: "invalid_type", message: "must be text", params: { expected: "string" } },
    ],
    [{ name: "" }, { path: "name", code: "too_small", message: "must not be empty", params: { minimum: 1 } }],
    [
      { name: "secret" },
      { path: "name", code: "too_big", message: "must have at most 5 characters", params: { maximum: 5 } },
    ],
    [
      { count: 1 },
      { path: "count", code: "too_small", message: "must be at least 2", params: { minimum: 2 } },
    ],
    [
      { kind: "c" },
      { path: "kind", code: "invalid_value", message: "must be one of a, b", params: { values: "a, b" } },
    ],
    [
      { id: "x" },
      { path: "id", code: "invalid_format", message: "must be an id (a UUID)", params: { format: "uuid" } },
    ],
    [
      { at: "now" },
      {
        path: "at",
        code: "invalid_format",
        message: "must be a time such as 2026-01-31T09:30:00Z",
        params: { format: "datetime" },
      },
    ],
    [
      { tags: ["a", "b"] },
      { path: "tags", code: "too_big", message: "must have at most 1 item", params: { maximum: 1 } },
    ],
    [{ own: "x" }, { path: "own", code: "invalid", message: "must not be x" }],
    [{ more: 1 }, { path: "more", code: "unknown_field", message: "is not a known field" }],
  ] as const)
    expect(faultsOf(change), JSON.stringify(change)).toEqual([fault]);
});

test("a date in another form is one fault, whatever else is checked of it, and its form is said", () => {
  const Dated = z.strictObject({
    on: z.iso
      .date()
      .refine((value) => value >= "1900", "must be in 1900 or later")
      .refine((value) => value <= "2100", "must not be in the future"),
  });
  const faults = (on: string) => {
    try {
      return parse(Dated, { on });
    } catch (error) {
      return (error as InvalidInput).errors;
    }
  };
  for (const on of ["31/01/1980", "01.31.1980", "", "9", "2026-02-30"])
    expect(faults(on), on).toEqual([
      {
        path: "on",
        code: "invalid_format",
        message: "must be a date such as 2026-01-31",
        params: { format: "date" },
      },
    ]);
  expect(faults("1899-12-31")).toMatchObject([{ message: "must be in 1900 or later" }]);
});

test("of a value with several forms, the faults are those of the form that was meant", () => {
  const Coded = z.strictObject({
    code: z.union([z.string().max(5), z.strictObject({ code: z.string(), system: z.string().max(2) })]),
  });
  const faults = (code: unknown) => {
    try {
      return parse(Coded, { code });
    } catch (error) {
      return (error as InvalidInput).errors?.map(({ path, code }) => [path, code]);
    }
  };
  expect(faults("too long")).toEqual([["code", "too_big"]]);
  expect(faults({ system: "abc" })).toEqual([
    ["code.code", "required"],
    ["code.system", "too_big"],
  ]);
  expect(faults({ code: "a", system: "b", more: 1 })).toEqual([["code.more", "unknown_field"]]);
  expect(faults(7)).toEqual([["code", "invalid"]]);
});

test("what is no object at all is said in words too, and no value is ever shown", () => {
  expect(() => parse(Schema, "patient's secret")).toThrow(InvalidInput);
  expect(JSON.stringify(faultsOf({ name: "hush", kind: "hush", id: "hush", at: "hush" }))).not.toContain(
    "hush",
  );
});
