import { type Decimal, isDecimal } from "@medvault/contracts";
import { z } from "zod";
import { toInstant } from "./date.ts";

// The few FHIR R4 data types that the mapping reads (https://hl7.org/fhir/R4/datatypes.html), open
// to more.

/** A date to be read by people, to the precision with which it was said. */
export const DateAsSaid = z.string().refine((value) => toInstant(value) !== null, "is not a FHIR date");
/** Primitives of a list: null holds the place of one that has extensions only, and says nothing. */
export const Strings = z
  .array(z.string().nullable())
  .default([])
  .transform((list) => list.filter((one) => one !== null));
/** A number by its digits, as they came. */
export const Digits = z
  .union([z.number(), z.custom<Decimal>(isDecimal)], "must be a number")
  .transform((value) => (isDecimal(value) ? value["#"] : String(value)));
/** A number to count with: a whole one may have been written as `1.0`. */
export const Count = Digits.transform(Number).pipe(z.int());
export const Coding = z.looseObject({
  system: z.string().optional(),
  code: z.string().optional(),
  display: z.string().optional(),
  userSelected: z.boolean().optional(),
});
export const Concept = z.looseObject({ coding: z.array(Coding).optional(), text: z.string().optional() });
export type Concept = z.infer<typeof Concept>;
export const Concepts = z.array(Concept).default([]);
export const Reference = z.looseObject({ reference: z.string().optional(), display: z.string().optional() });
export type Reference = z.infer<typeof Reference>;
export const Period = z.looseObject({ start: DateAsSaid.optional(), end: DateAsSaid.optional() });
export const Quantity = z.looseObject({
  value: Digits.optional(),
  comparator: z.string().optional(),
  unit: z.string().optional(),
  code: z.string().optional(),
});
export const Range = z.looseObject({ low: Quantity.optional(), high: Quantity.optional() });
export const Ratio = z.looseObject({ numerator: Quantity.optional(), denominator: Quantity.optional() });
export const Annotations = z.array(z.looseObject({ text: z.string().optional() })).default([]);
export const Identifier = z.looseObject({
  system: z.string().optional(),
  value: z.string().optional(),
  type: Concept.optional(),
});

/** The words of a concept: its text, else the first display, else the first code. */
export function wordsOf(concept: Concept | undefined): string | null {
  const codings = concept?.coding ?? [];
  return concept?.text || codings.find((c) => c.display)?.display || codeOf(concept);
}

/** The words of several concepts. */
export const listed = (concepts: readonly (Concept | undefined)[]): string =>
  concepts.map(wordsOf).filter(Boolean).join(", ");

/** The first code of a concept, without its system: the original keeps that. */
export function codeOf(concept: Concept | undefined): string | null {
  return concept?.coding?.find((c) => c.code)?.code ?? null;
}

/** `< 165.03 cm`, or null for a quantity that says nothing. */
export function quantityText(quantity: z.infer<typeof Quantity> | undefined): string | null {
  if (quantity?.value === undefined) return null;
  return [quantity.comparator, quantity.value, quantity.unit ?? quantity.code].filter(Boolean).join(" ");
}

/** `1 mg to 2 mg`, or null for a range that says nothing. */
export function rangeText(range: z.infer<typeof Range> | undefined): string | null {
  return fromTo(quantityText(range?.low), quantityText(range?.high), "up to");
}

/** `4 g per day`, `100 mL per 24 h`. */
export function perText(ratio: z.infer<typeof Ratio> | undefined): string | null {
  const { value, unit, code } = ratio?.denominator ?? {};
  const [above, below] = [quantityText(ratio?.numerator), quantityText(ratio?.denominator)];
  return above && below ? `${above} per ${Number(value) === 1 ? (unit ?? code ?? below) : below}` : above;
}

/** `1 to 2`; one end alone says that it is one. */
export function fromTo(from: string | null | undefined, to: string | null | undefined, ending: string) {
  if (from && to) return `${from} to ${to}`;
  return from ? `from ${from}` : to ? `${ending} ${to}` : null;
}

/** Lines `Label: value` of those that have a value. */
export function labelled(pairs: readonly (readonly [string, string | null | undefined])[]): string[] {
  return pairs.flatMap(([label, value]) => (value ? [`${label}: ${value}`] : []));
}

export function notesOf(notes: z.infer<typeof Annotations>): string[] {
  return notes.flatMap((note) => (note.text ? [note.text] : []));
}
