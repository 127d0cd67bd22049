import { z } from "zod";

/** What a value must be, where its schema says so in a way that words can repeat; else null. */
export function expectedBy(schema: z.ZodType): string | null {
  return wordsOf(z.toJSONSchema(schema, { unrepresentable: "any" }));
}

function wordsOf(json: z.core.JSONSchema.BaseSchema): string | null {
  if (json.anyOf) {
    const words = json.anyOf.map((each) => wordsOf(each as z.core.JSONSchema.BaseSchema));
    return words.includes(null) ? null : words.reverse().join(", or ");
  }
  if (json.const !== undefined) return String(json.const);
  if (json.enum) return json.enum.join(" or ");
  if (json.type === "boolean") return "true or false";
  if (json.type !== "integer" && json.type !== "number") return null;
  const { minimum, maximum = Number.MAX_SAFE_INTEGER } = json;
  const kind = json.type === "integer" ? "a whole number" : "a number";
  if (minimum === undefined) return `${kind} up to ${maximum}`;
  return `${kind} from ${minimum} ${maximum === Number.MAX_SAFE_INTEGER ? "up" : `to ${maximum}`}`;
}
