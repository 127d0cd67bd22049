import fc from "fast-check";
import { resolved, type Schema } from "../support/openapi.ts";

/** Ids that exist, by the name of the field or path value that takes them. */
export type KnownIds = Readonly<Record<string, readonly string[]>>;

const TEXT = fc.oneof(
  fc.string({ minLength: 1, maxLength: 40 }),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.constantFrom("BP <120", "O'Brien", "SELECT", "Müller-Lüdenscheidt", "a\u0301", "مريض", "𝕏"),
);
const DATE = fc
  .date({ min: new Date("1900-01-01"), max: new Date("2030-01-01"), noInvalidDate: true })
  .map((date) => date.toISOString());

/** Values that a schema accepts, as far as JSON Schema says; most ids exist. */
export function valuesOf(given: Schema, ids: KnownIds, name = ""): fc.Arbitrary<unknown> {
  const schema = resolved<Schema>(given);
  const part = (each: Schema, as = name) => valuesOf(each, ids, as);
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...(schema.enum as unknown[]));
  const parts = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (parts) return fc.oneof(...parts.map((each) => part(each)));
  if (schema.allOf) {
    const all = (schema.allOf as Schema[]).map((each) => part(each));
    return fc.tuple(...all).map((values) => Object.assign({}, ...(values as object[])) as unknown);
  }
  switch (schema.type) {
    case "string":
      return textOf(schema, ids, name);
    case "integer":
    case "number":
      return fc.integer({
        min: Math.max(Number(schema.minimum ?? 0), -1e9),
        max: Math.min(Number(schema.maximum ?? 1000), 1e9),
      });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(part((schema.items ?? {}) as Schema), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Math.min(Number(schema.maxItems ?? 3), 3),
      });
    case "object":
      return objectOf(schema, part);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

/** Optional, and always wrong when invented. */
const NEVER_OWN = new Set(["cursor"]);

function objectOf(
  schema: Schema,
  part: (each: Schema, as?: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const own = Object.entries(properties).filter(([key]) => !NEVER_OWN.has(key));
  const model = Object.fromEntries(own.map(([key, each]) => [key, part(each, key)]));
  return fc.record(model, { requiredKeys: (schema.required ?? []) as string[] });
}

function textOf(schema: Schema, ids: KnownIds, name: string): fc.Arbitrary<string> {
  const [least, most] = [Number(schema.minLength ?? 0), Number(schema.maxLength ?? 200)];
  const known = ids[name];
  if (schema.format === "uuid") {
    return known?.length
      ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: fc.uuid() })
      : fc.uuid();
  }
  if (known?.length) return fc.constantFrom(...known);
  if (schema.format === "date") return DATE.map((date) => date.slice(0, 10));
  if (schema.format === "date-time") return DATE;
  if (schema.format === "idn-email") return fc.uuid().map((id) => `${id}@generated.example`);
  if (name === "currency") return fc.constantFrom("EUR", "JPY", "KWD", "ZZZ");
  if (typeof schema.pattern === "string")
    return fc.stringMatching(new RegExp(schema.pattern)).map((text) => text.slice(0, most));
  return TEXT.map((text) => text.padEnd(least, "x").slice(0, most));
}

const HUGE = "A".repeat(100_000);
/** What no schema expects. */
const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  2 ** 53,
  "",
  " ",
  "\0",
  "\ud800",
  "\u202e\ufeff",
  "💣".repeat(50),
  HUGE,
  "••••",
  "0000-00-00",
  "9999999999999-01-01T00:00:00Z",
  "$ne",
  [],
  [[]],
  {},
  { $gt: "" },
  ["a", null, 1],
  Array.from({ length: 2_000 }, () => 0),
];

/** A body that is wrong in one or two places: a field missing, odd, or one too many. */
export function spoiled(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const change = fc.record({
    kind: fc.constantFrom("drop", "odd", "extra", "nest", "whole"),
    at: fc.nat(),
    odd: fc.constantFrom(...ODD),
    extra: fc.constantFrom("__proto__", "constructor", "role", "id", "extra", "patientId ", "a".repeat(300)),
  });
  return fc.tuple(valid, fc.array(change, { minLength: 1, maxLength: 2 })).map(([value, changes]) => {
    let body: unknown = structuredClone(value);
    for (const { kind, at, odd, extra } of changes) {
      if (kind === "whole" || typeof body !== "object" || body === null) body = structuredClone(odd);
      else if (kind === "nest") body = { ...body, nested: deep(at % 200) };
      else if (kind === "extra")
        body = JSON.parse(
          `{${JSON.stringify(extra)}:1,${JSON.stringify({ ...body }).slice(1)}`.replace(/,}$/, "}"),
        );
      else {
        const keys = Object.keys(body);
        const key = keys[at % Math.max(keys.length, 1)];
        if (key === undefined) continue;
        if (kind === "drop") delete (body as Record<string, unknown>)[key];
        else (body as Record<string, unknown>)[key] = structuredClone(odd);
      }
    }
    return body;
  });
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}
