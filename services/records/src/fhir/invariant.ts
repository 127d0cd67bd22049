import { toInstant } from "./date.ts";

type Fields = Readonly<Record<string, unknown>>;
interface Invariant {
  key: string;
  says: string;
  holds(fields: Fields): boolean;
}

const has = (fields: Fields, ...names: string[]): boolean =>
  names.some((name) => fields[name] !== undefined || fields[`_${name}`] !== undefined);
const hasChoice = (fields: Fields, element: string): boolean =>
  Object.keys(fields).some((name) => name.replace(/^_/, "").startsWith(element));
const listOf = (value: unknown): Fields[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === "object" && one !== null) : [];

function isCoded(concept: unknown, ...codes: string[]): boolean {
  return listOf((concept as Fields | undefined)?.coding).some(({ code }) => codes.includes(String(code)));
}

/** A period lasts to the end of the day, month or year that it names. */
function inOrder(start: string, end: string): boolean {
  if (start.length === end.length && start.slice(-6) === end.slice(-6) && start <= end) return true;
  const [first, last] = [toInstant(start), toInstant(end)];
  return first === null || last === null || first <= last || start.startsWith(end);
}

const needs = (key: string, name: string, needed: string, element = ""): Invariant => ({
  key,
  says: `${element || name} needs ${needed}`,
  holds: (fields) => !has(fields, name) || has(fields, needed),
});

/**
 * Rules of R4 that hold between elements, by type: those of the resources that we write and of the
 * data types in them. The definitions have more; the tests check what we write by all of them.
 */
const INVARIANTS: Readonly<Record<string, readonly Invariant[]>> = {
  AllergyIntolerance: [
    {
      key: "ait-1",
      says: "there must be a clinicalStatus, unless verificationStatus is entered-in-error",
      holds: (a) => has(a, "clinicalStatus") || isCoded(a.verificationStatus, "entered-in-error"),
    },
    {
      key: "ait-2",
      says: "there must be no clinicalStatus when verificationStatus is entered-in-error",
      holds: (a) => !(has(a, "clinicalStatus") && isCoded(a.verificationStatus, "entered-in-error")),
    },
  ],
  Attachment: [needs("att-1", "data", "contentType")],
  Condition: [
    {
      key: "con-4",
      says: "what has abated is inactive, resolved or in remission",
      holds: (c) =>
        !hasChoice(c, "abatement") || isCoded(c.clinicalStatus, "inactive", "resolved", "remission"),
    },
    {
      key: "con-5",
      says: "there must be no clinicalStatus when verificationStatus is entered-in-error",
      holds: (c) => !(has(c, "clinicalStatus") && isCoded(c.verificationStatus, "entered-in-error")),
    },
  ],
  ContactPoint: [needs("cpt-2", "value", "system")],
  Extension: [
    {
      key: "ext-1",
      says: "there must be either extensions or a value",
      holds: (e) => has(e, "extension") !== hasChoice(e, "value"),
    },
  ],
  Observation: [
    {
      key: "obs-6",
      says: "there must be no dataAbsentReason beside a value",
      holds: (o) => !(has(o, "dataAbsentReason") && hasChoice(o, "value")),
    },
  ],
  "Observation.referenceRange": [
    {
      key: "obs-3",
      says: "there must be a low, a high or a text",
      holds: (range) => has(range, "low", "high", "text"),
    },
  ],
  "Patient.contact": [
    {
      key: "pat-1",
      says: "there must be a name, telecom, address or organization",
      holds: (contact) => has(contact, "name", "telecom", "address", "organization"),
    },
  ],
  Period: [
    {
      key: "per-1",
      says: "start must not be after end",
      holds: ({ start, end }) => typeof start !== "string" || typeof end !== "string" || inOrder(start, end),
    },
  ],
  Quantity: [needs("qty-3", "code", "system")],
  Ratio: [
    {
      key: "rat-1",
      says: "there must be a numerator and a denominator, or neither and an extension",
      holds: (ratio) =>
        has(ratio, "numerator")
          ? has(ratio, "denominator")
          : !has(ratio, "denominator") && has(ratio, "extension"),
    },
  ],
  "Timing.repeat": [
    needs("tim-1", "duration", "durationUnit"),
    needs("tim-2", "period", "periodUnit"),
    needs("tim-6", "durationMax", "duration"),
    needs("tim-7", "countMax", "count"),
  ],
};

/** What an element of this type breaks, as `ait-1: there must be …`. */
export function brokenInvariants(type: string, fields: Fields): string[] {
  const rules = Object.hasOwn(INVARIANTS, type) ? (INVARIANTS[type] ?? []) : [];
  return rules.filter((rule) => !rule.holds(fields)).map(({ key, says }) => `${key}: ${says}`);
}
