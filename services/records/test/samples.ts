import { newId } from "@medvault/contracts";
import { z } from "zod";
import type { Row } from "../src/resources/patient-owned.ts";
import type { Resource } from "../src/resources/resource.ts";

/** What is no free text, though the view's schema does not say so. */
const SPECIAL: Readonly<Record<string, (n: number) => unknown>> = {
  currency: () => "EUR",
  endsAt: (n) => new Date(`2026-01-1${n}T09:00:00.000Z`),
  birthDate: () => "1971-02-03",
  diagnosisCoding: (n) => ({
    system: "http://snomed.info/sct",
    code: `diagnosisCode no ${n}`,
    display: "Diagnosis",
  }),
};

type JsonSchema = { type?: string; format?: string; enum?: unknown[]; anyOf?: JsonSchema[] };

/**
 * A value of a resource with something in every field of its view, made from the schema and the
 * declared columns: the nth of what may stand there.
 */
export function sampleOf<T extends Row>(resource: Resource<T>, n: number, given: object = {}): T {
  const { properties = {} } = z.toJSONSchema(resource.schema, { io: "output", unrepresentable: "any" });
  const stored = new Map(resource.columns.map(([field, { store }]) => [field, store]));
  const fields = Object.entries(properties).map(([field, schema]) => {
    const store = field === "id" ? "uuid" : stored.get(field);
    return [field, SPECIAL[field]?.(n) ?? sampleValue(field, store, schema as JsonSchema, n)];
  });
  const none = Object.fromEntries([...stored.keys()].map((field) => [field, null]));
  return {
    ...none,
    ...Object.fromEntries(fields),
    rev: 1,
    hiddenAt: null,
    source: null,
    ...given,
  } as unknown as T;
}

function sampleValue(field: string, store: string | undefined, schema: JsonSchema, n: number): unknown {
  const one = schema.anyOf?.find(({ type }) => type !== "null") ?? schema;
  if (one.enum) return one.enum[n % one.enum.length];
  if (one.type === "boolean") return n % 2 === 0;
  if (one.type === "integer") return 10 + n;
  if (store === "uuid" || one.format === "uuid") return newId();
  if (store === "date") return `2026-01-1${n}`;
  if (store === "timestamptz") return new Date(`2026-01-1${n}T08:30:00.000Z`);
  return `${field} no ${n}`;
}
