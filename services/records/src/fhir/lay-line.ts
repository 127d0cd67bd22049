import { decimalOf } from "@medvault/contracts";
import { type Fields, withElement, withItem } from "./fields.ts";
import type { FhirResource } from "./resource.ts";

/** Where an element stands: its name, and an item of it or a part. */
export type Place = readonly [key: string, part?: number | "end"];

const CLINICAL = ["active", "recurrence", "relapse", "inactive", "remission", "resolved"];
/** Elements that R4 binds to codes, and those that a line may name. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  "Observation.status": ["registered", "preliminary", "amended", "corrected", "unknown"],
  "DiagnosticReport.status": [
    "registered",
    "partial",
    "preliminary",
    "amended",
    "corrected",
    "appended",
    "unknown",
  ],
  "Procedure.status": ["preparation", "in-progress", "on-hold", "stopped", "completed", "unknown"],
  "Encounter.status": ["planned", "arrived", "triaged", "in-progress", "onleave", "finished", "unknown"],
  "Condition.clinicalStatus": CLINICAL,
  "Condition.verificationStatus": ["unconfirmed", "provisional", "differential", "confirmed"],
  "AllergyIntolerance.clinicalStatus": ["active", "inactive", "resolved"],
  "AllergyIntolerance.verificationStatus": ["unconfirmed", "confirmed"],
  "AllergyIntolerance.criticality": ["low", "high", "unable-to-assess"],
};
/** What R4 needs, or what makes the rest weaker: it stays where no line names another. */
const KEPT = new Set([
  "status",
  "clinicalStatus",
  "verificationStatus",
  "criticality",
  "class",
  "category",
  "isSubpotent",
]);
const FREE_TEXT = new Set([
  "valueString",
  "conclusion",
  "lotNumber",
  "onsetString",
  "abatementString",
  "performedString",
  "occurrenceString",
]);
/** `onsetAge` may be said as `onsetString`. */
const CHOICE = /^(value|onset|abatement|performed|occurrence)[A-Z]/;
const MEASURED = /^(?:(<=?|>=?) )?(-?(?:0|[1-9]\d*)(?:\.\d+)?)(.*)$/s;

export const isKept = ([key]: Place): boolean => KEPT.has(key);

/** The resource with the element at a place, or without it where that is undefined. */
export function withPlace(resource: FhirResource, [key, part]: Place, value: unknown): FhirResource {
  if (part === undefined) return withElement(resource, key, value);
  if (part === "end") return withElement(resource, key, withElement(resource[key] as Fields, part, value));
  return withElement(resource, key, withItem(resource[key] as unknown[], part, value));
}

/**
 * Ways to say in an element what its line says now, the most exact first. `former` and `text` are
 * what stood behind the line's label, and what is to stand there. None of them is known to be read
 * so: the caller looks.
 */
export function respelled(
  resource: FhirResource,
  place: Place,
  former: string,
  text: string,
): FhirResource[] {
  const [key, part] = place;
  if (part === undefined) return respelledElement(resource, key, former, text, resource.resourceType);
  if (part === "end") return [withPlace(resource, place, text)];
  const item = (resource[key] as unknown[])[part];
  return respelledItem(item, former, text).map((one) => withPlace(resource, place, one));
}

function respelledElement<T extends Fields>(
  holder: T,
  key: string,
  former: string,
  text: string,
  type: string,
): T[] {
  const value = holder[key];
  const said = (one: unknown): T => withElement(holder, key, one);
  const inWords = CHOICE.test(key)
    ? [withElement(withElement(holder, key, undefined), key.replace(/(?<=^[a-z]+)[A-Z].*/, "String"), text)]
    : [];
  const codes = CODES[`${type}.${key}`];
  if (Array.isArray(value)) {
    const items = value.length === 1 ? respelledItem(value[0], former, text).map((one) => [one]) : [];
    return [...items, ...(value.every(isConcept) ? [[{ text }]] : [])].map(said);
  }
  if (codes) {
    if (!codes.includes(text)) return [];
    const system = (value as { coding?: { system?: unknown }[] }).coding?.[0]?.system;
    return [
      said(
        typeof value === "string"
          ? text
          : { coding: [{ ...(system !== undefined && { system }), code: text }] },
      ),
    ];
  }
  if (KEPT.has(key)) return [];
  if (typeof value === "string") return FREE_TEXT.has(key) ? [said(text)] : inWords;
  if (typeof value === "boolean")
    return [...(/^(true|false)$/.test(text) ? [said(text === "true")] : []), ...inWords];
  if (isConcept(value)) return [said({ text }), ...inWords];
  return [...measured(value, former, text).map(said), ...inWords];
}

/** An item of a list: a component, a reaction, a range, words. */
function respelledItem(item: unknown, former: string, text: string): unknown[] {
  if (typeof item !== "object" || item === null) return [];
  const fields = item as Fields;
  const { id, extension, code, manifestation, severity } = fields;
  if (manifestation !== undefined) {
    const ending = `; ${severity}`;
    const words = text.endsWith(ending) ? text.slice(0, -ending.length) : text;
    const reaction = { ...fields, manifestation: [{ text: words }] };
    return [reaction, withElement(reaction, "severity", undefined)];
  }
  if (isConcept(item) || code === undefined) return [{ text }];
  const value = Object.keys(fields).find((key) => CHOICE.test(key));
  const there = Object.entries({ id, extension, code }).filter(([, one]) => one !== undefined);
  const bare = { ...Object.fromEntries(there), valueString: text };
  return [...(value === undefined ? [] : respelledElement(fields, value, former, text, "")), bare];
}

/** A number with what is left of it: its comparator and its digits may change, its unit not. */
function measured(value: unknown, former: string, text: string): unknown[] {
  const [was, is] = [MEASURED.exec(former), MEASURED.exec(text)];
  if (!was || !is || was[3] !== is[3]) return [];
  const [, comparator, digits = ""] = is;
  if (typeof value === "number") return comparator === undefined ? [decimalOf(digits)] : [];
  const quantity = value as Fields;
  if (quantity.value === undefined) return [];
  return [withElement(withElement(quantity, "value", decimalOf(digits)), "comparator", comparator)];
}

function isConcept(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const names = Object.keys(value).filter((name) => !/^_|^(id|extension)$/.test(name));
  return names.length > 0 && names.every((name) => name === "coding" || name === "text");
}
