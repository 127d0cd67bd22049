import { type RouteDoc, unscreened } from "@medvault/contracts";
import type { z } from "zod";

/** What of a body is screened: all of it, nothing, or each field as it says. */
export type FieldPlan = "screen" | "skip" | { fields: ReadonlyMap<string, FieldPlan>; items: FieldPlan };

type Schema = z.ZodType & { _zod: { def: Definition } };
type Definition = { type: string; shape?: Record<string, Schema>; options?: readonly Schema[] } & Partial<
  Record<"innerType" | "element" | "in" | "valueType", Schema>
>;

/** The plan of a route's body, from its schema. A body without a document is screened whole. */
export function fieldPlan(route: RouteDoc | null): FieldPlan {
  return route?.request ? planOf(route.request as Schema) : "screen";
}

/** The names of a route's query whose values are not screened: words to search for. */
export function unscreenedNames({ query }: RouteDoc): ReadonlySet<string> {
  const plan = query ? planOf(query as Schema) : "screen";
  const fields = typeof plan === "string" ? [] : [...plan.fields];
  return new Set(fields.filter(([, field]) => field === "skip").map(([name]) => name));
}

function planOf(schema: Schema): FieldPlan {
  if (unscreened.get(schema)?.why) return "skip";
  const { type, shape, innerType, element, in: input, options } = schema._zod.def;
  if (type === "object" && shape) {
    return {
      fields: new Map(Object.entries(shape).map(([name, field]) => [name, planOf(field)])),
      items: "screen",
    };
  }
  if (type === "array" && element) return { fields: new Map(), items: planOf(element) };
  // Of several forms: a text is screened in any case, so the one with fields decides.
  const inner = innerType ?? input ?? options?.find((option) => option._zod.def.shape);
  return inner ? planOf(inner) : "screen";
}

/** Each field of a plan as `path.to.field: verdict`, for the test that makes it a decision. */
export function listed(plan: FieldPlan, path = ""): string[] {
  if (typeof plan === "string") return [`${path}: ${plan}`];
  const items = plan.fields.size === 0 ? listed(plan.items, `${path}[]`) : [];
  return [
    ...[...plan.fields].flatMap(([name, field]) => listed(field, path ? `${path}.${name}` : name)),
    ...items,
  ];
}
