import { newId } from "@medvault/contracts";
import { z } from "zod";
import type { Row } from "../src/resources/patient-owned.ts";
import type { Resource } from "../src/resources/resource.ts";

/** Text that the schema of a view takes as it is and others do not. */
const SPECIAL: Readonly<Record<string, string>> = { currency: "EUR", birthDate: "1971-02-03" };

type JsonSchema = { type?: string; format?: string; enum?: unknown[]; anyOf?: JsonSchema[] };

/**
 * A value of a resource with something in every field of its view, made from the schema: the nth of
 * what may stand there.
 */
export function sampleOf<T extends Row>(resource: Resource<T>, n: number, given: object = {}): T {
  const { properties = {} } = z.toJSONSchema(resource.schema, { io: "output", unrepresentable: "any" });
  const types = new Map(resource.columns.map(([field, { store }]) => [field, store]));
  const fields = Object.entries(properties).map(([field, schema]) => {
    const value = sampleValue(field, schema as JsonSchema, n);
    return [field, types.get(field) === "timestamptz" ? new Date(String(value)) : value];
  });
  return { ...Object.fromEntries(fields), rev: 1, hiddenAt: null, source: null, ...given } as unknown as T;
}

function sampleValue(field: string, schema: JsonSchema, n: number): unknown {
  const one = schema.anyOf?.find(({ type }) => type !== "null") ?? schema;
  if (field in SPECIAL) return SPECIAL[field];
  if (one.enum) return one.enum[n % one.enum.length];
  if (one.type === "integer") return 10 + n;
  if (one.format === "date") return `2026-01-1${n}`;
  if (one.format === "date-time") return `2026-01-1${n}T08:30:00.000Z`;
  return one.format === "uuid" || field === "id" || field.endsWith("Id") ? newId() : `${field} no ${n}`;
}
