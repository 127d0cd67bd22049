import { UNTEXTUAL } from "./primitive.ts";
import type { FhirResource } from "./resource.ts";

/** In the place of an element that must be there (hl7.org/fhir/R4/extension-data-absent-reason). */
export const UNKNOWN = {
  extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "unknown" }],
};
const PICTURES = 0x2400;
const CODE = /^\S+( \S+)*$/;

/**
 * A resource that was made of our fields, with texts that R4 can hold: our text is kept to the
 * letter, and may have a form feed, or blanks alone. Such a character becomes the sign that stands
 * for it (U+2400 and on); a code with blanks that no code has becomes the words of its coding. R4
 * has no empty objects and lists. What is an original's own stays as it came.
 */
export function written<T extends FhirResource>(resource: T, original?: FhirResource): T {
  const elements = Object.entries(resource).map(([name, value]) => [
    name,
    value === original?.[name] ? value : valid(value),
  ]);
  return Object.fromEntries(elements.filter(([, value]) => value !== undefined)) as T;
}

function valid(value: unknown): unknown {
  if (typeof value === "string") return validText(value);
  if (Array.isArray(value)) {
    const items = value.map(valid).filter((item) => item !== undefined);
    return items.length > 0 ? items : undefined;
  }
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Record<string, unknown>;
  const { code, ...coding } = fields;
  const isCode = typeof code !== "string" || CODE.test(validText(code));
  const entries = Object.entries(isCode ? fields : { display: code, ...coding });
  const inside = entries
    .map(([name, inner]) => [name, valid(inner)])
    .filter(([, inner]) => inner !== undefined);
  return inside.length > 0 ? Object.fromEntries(inside) : undefined;
}

function validText(text: string): string {
  const signed = text.replaceAll(UNTEXTUAL, sign);
  return signed.trim() === ""
    ? signed.replace(/\s/g, (blank) => (blank < " " ? sign(blank) : sign(" ")))
    : signed;
}

const sign = (character: string): string => String.fromCodePoint(PICTURES + character.charCodeAt(0));
