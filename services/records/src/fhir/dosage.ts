import { z } from "zod";
import * as fhir from "./element.ts";

// How FHIR R4 says how much, how and when (https://hl7.org/fhir/R4/dosage.html), in words.

const Digits = fhir.Digits.optional();
const Repeat = z.looseObject({
  boundsDuration: fhir.Quantity.optional(),
  boundsRange: fhir.Range.optional(),
  boundsPeriod: fhir.Period.optional(),
  count: Digits,
  countMax: Digits,
  duration: Digits,
  durationMax: Digits,
  durationUnit: z.string().optional(),
  frequency: Digits,
  frequencyMax: Digits,
  period: Digits,
  periodMax: Digits,
  periodUnit: z.string().optional(),
  dayOfWeek: fhir.Strings,
  timeOfDay: fhir.Strings,
  when: fhir.Strings,
  offset: Digits,
});
type Repeat = z.infer<typeof Repeat>;
export const Timing = z.looseObject({
  event: z.array(fhir.DateAsSaid.nullable()).default([]),
  repeat: Repeat.optional(),
  code: fhir.Concept.optional(),
});
type Timing = z.infer<typeof Timing>;

const DoseAndRate = z.looseObject({
  doseQuantity: fhir.Quantity.optional(),
  doseRange: fhir.Range.optional(),
  rateQuantity: fhir.Quantity.optional(),
  rateRange: fhir.Range.optional(),
  rateRatio: fhir.Ratio.optional(),
});
export const Dosage = z.looseObject({
  text: z.string().optional(),
  patientInstruction: z.string().optional(),
  additionalInstruction: fhir.Concepts,
  asNeededBoolean: z.boolean().optional(),
  asNeededCodeableConcept: fhir.Concept.optional(),
  timing: Timing.optional(),
  site: fhir.Concept.optional(),
  route: fhir.Concept.optional(),
  method: fhir.Concept.optional(),
  doseAndRate: z.array(DoseAndRate).default([]),
  maxDosePerPeriod: fhir.Ratio.optional(),
  maxDosePerAdministration: fhir.Quantity.optional(),
  maxDosePerLifetime: fhir.Quantity.optional(),
});
type Dosage = z.infer<typeof Dosage>;

/**
 * How much, and how: in the words that were said, and whatever bounds or adds to them that they do
 * not say. Its timing is another field.
 */
export function dosageText(dosage: Dosage): string {
  const spoken = spokenText(dosage);
  const said = flat(spoken ?? "");
  const besides = [
    neededText(dosage),
    ...dosage.additionalInstruction.map(fhir.wordsOf),
    dosage.patientInstruction,
    ...limits(dosage),
  ].filter((text) => text && !said.includes(flat(text)));
  const { method, route, site, doseAndRate } = dosage;
  const parts = spoken
    ? [spoken]
    : [...doseAndRate.flatMap(doseTexts), ...[method, route, site].map(fhir.wordsOf)];
  return [...parts, ...besides].filter(Boolean).join(", ");
}

/** What is said in words, without the timing that our own words end with. */
function spokenText({ text, timing }: Dosage): string | undefined {
  const ending = `; ${timingText(timing)}`;
  return text?.endsWith(ending) ? text.slice(0, -ending.length) : text;
}

function doseTexts(dose: z.infer<typeof DoseAndRate>): (string | null)[] {
  const { doseQuantity, doseRange, rateQuantity, rateRange, rateRatio } = dose;
  const rate = fhir.quantityText(rateQuantity) ?? fhir.rangeText(rateRange) ?? fhir.perText(rateRatio);
  return [fhir.quantityText(doseQuantity) ?? fhir.rangeText(doseRange), rate && `at ${rate}`];
}

function neededText({ asNeededBoolean, asNeededCodeableConcept, text }: Dosage): string | null {
  const reason = fhir.wordsOf(asNeededCodeableConcept);
  if (reason) return `as needed for ${reason}`;
  return asNeededBoolean && !NEEDED.test(text ?? "") ? "as needed" : null;
}
const NEEDED = /\b(as|if|when) (needed|required|necessary)\b|\bp\.?r\.?n\b/i;

function limits(dosage: Dosage): (string | null)[] {
  const { maxDosePerPeriod, maxDosePerAdministration, maxDosePerLifetime } = dosage;
  const most = (text: string | null, of: string) => text && `at most ${text}${of}`;
  return [
    most(fhir.perText(maxDosePerPeriod), ""),
    most(fhir.quantityText(maxDosePerAdministration), " at a time"),
    most(fhir.quantityText(maxDosePerLifetime), " in a lifetime"),
  ];
}

/** When: `1 to 2 every 4 to 6 h`; the words of its code where it does not say how often. */
export function timingText(timing: Timing | undefined): string | null {
  if (!timing) return null;
  const { event, repeat, code } = timing;
  const often = repeat ? oftenTexts(repeat) : [];
  const parts = [
    ...(often.length > 0 ? often : [fhir.wordsOf(code)]),
    ...event.filter((at) => at !== null).map((at) => `on ${at}`),
    ...(repeat ? boundTexts(repeat) : []),
  ];
  return parts.filter(Boolean).join(", ") || null;
}

function oftenTexts(repeat: Repeat): string[] {
  const { frequency, frequencyMax, period, periodMax, periodUnit, offset } = repeat;
  const times = between(frequency, frequencyMax);
  const every = period !== undefined && periodUnit && `every ${between(period, periodMax)} ${periodUnit}`;
  const when = repeat.when.map((code) => EVENTS[code] ?? code).join(" and ");
  return [
    [times && !every ? `${times} times` : times, every].filter(Boolean).join(" "),
    repeat.dayOfWeek.length > 0 ? `on ${repeat.dayOfWeek.join(", ")}` : "",
    repeat.timeOfDay.length > 0 ? `at ${repeat.timeOfDay.join(", ")}` : "",
    when && Number(offset) > 0 ? `${offset} min ${when}` : when,
  ].filter(Boolean);
}

function boundTexts(repeat: Repeat): (string | null)[] {
  const { boundsDuration, boundsRange, boundsPeriod, duration, durationMax, durationUnit } = repeat;
  const bounds = fhir.quantityText(boundsDuration) ?? fhir.rangeText(boundsRange);
  const lasts = between(duration, durationMax);
  const count = between(repeat.count, repeat.countMax);
  return [
    lasts && `over ${[lasts, durationUnit].filter(Boolean).join(" ")}`,
    count && `${count} in all`,
    bounds && `for ${bounds}`,
    fhir.fromTo(boundsPeriod?.start, boundsPeriod?.end, "until"),
  ];
}

/** `4 to 6`; one alone is that number. */
const between = (from: string | undefined, to: string | undefined): string | null =>
  from === undefined
    ? to === undefined
      ? null
      : `up to ${to}`
    : to === undefined
      ? `${from}`
      : `${from} to ${to}`;

const flat = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ");

/** https://hl7.org/fhir/R4/valueset-event-timing.html */
const EVENTS: Readonly<Record<string, string>> = {
  MORN: "in the morning",
  "MORN.early": "early in the morning",
  "MORN.late": "late in the morning",
  NOON: "at noon",
  AFT: "in the afternoon",
  "AFT.early": "early in the afternoon",
  "AFT.late": "late in the afternoon",
  EVE: "in the evening",
  "EVE.early": "early in the evening",
  "EVE.late": "late in the evening",
  NIGHT: "at night",
  PHS: "once asleep",
  HS: "before sleep",
  WAKE: "on waking",
  C: "with meals",
  CM: "with breakfast",
  CD: "with lunch",
  CV: "with dinner",
  AC: "before meals",
  ACM: "before breakfast",
  ACD: "before lunch",
  ACV: "before dinner",
  PC: "after meals",
  PCM: "after breakfast",
  PCD: "after lunch",
  PCV: "after dinner",
};
