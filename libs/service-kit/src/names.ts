import { namedBy } from "@medvault/contracts";
import type { z } from "zod";
import type { NameOf } from "./people.client.ts";

/** Where in an answer people are named. */
export interface NamePlan {
  readonly named: readonly { field: string; id: string; shows: "person" | "name" }[];
  readonly fields: ReadonlyMap<string, NamePlan>;
  readonly items: NamePlan | null;
}

type Schema = z.ZodType & { _zod: { def: Definition } };
type Definition = { shape?: Record<string, Schema>; options?: Schema[] } & Partial<
  Record<"innerType" | "element" | "in", Schema>
>;

/** The plan of an answer, from its schema; null where it names nobody. */
export function namePlan(schema: z.ZodType): NamePlan | null {
  const { shape, options, innerType, element, in: input } = (schema as Schema)._zod.def;
  const inner = innerType ?? input;
  if (inner) return namePlan(inner);
  if (options) return options.map(namePlan).reduce(merged, null);
  const named = Object.entries(shape ?? {}).flatMap(([field, one]) => {
    const by = namedBy.get(one);
    return by ? [{ field, ...by }] : [];
  });
  const fields = Object.entries(shape ?? {}).flatMap(([field, one]) => {
    const plan = namedBy.has(one) ? null : namePlan(one);
    return plan ? [[field, plan] as const] : [];
  });
  const items = element ? namePlan(element) : null;
  return named.length + fields.length > 0 || items ? { named, fields: new Map(fields), items } : null;
}

/** Of a union: what either of them names. */
function merged(one: NamePlan | null, other: NamePlan | null): NamePlan | null {
  if (!one || !other) return one ?? other;
  return {
    named: [...one.named, ...other.named],
    fields: new Map([...one.fields, ...other.fields]),
    items: merged(one.items, other.items),
  };
}

/** The ids of whom the plan names in an answer. */
export function idsNamed(plan: NamePlan, answer: unknown): Set<string> {
  const ids = new Set<string>();
  eachNamed(plan, answer, (row, { id }) => {
    const found = row[id];
    if (typeof found === "string") ids.add(found);
  });
  return ids;
}

/** Fills the names into an answer, which is changed. */
export function fillNames(plan: NamePlan, answer: unknown, nameOf: NameOf): void {
  eachNamed(plan, answer, (row, { field, id, shows }) => {
    const found = row[id];
    if (typeof found !== "string") return;
    row[field] = shows === "name" ? nameOf(found) : { id: found, name: nameOf(found) };
  });
}

type Visit = (row: Record<string, unknown>, named: NamePlan["named"][number]) => void;

function eachNamed(plan: NamePlan, value: unknown, visit: Visit): void {
  if (Array.isArray(value)) {
    if (plan.items) for (const item of value) eachNamed(plan.items, item, visit);
  } else if (typeof value === "object" && value !== null) {
    const row = value as Record<string, unknown>;
    for (const named of plan.named) visit(row, named);
    for (const [field, inner] of plan.fields) eachNamed(inner, row[field], visit);
  }
}
