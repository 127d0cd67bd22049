import { Concept, codeOf } from "../fhir/element.ts";
import { identifiersOf, type NamedIdentifier } from "../fhir/identifier.ts";
import type { FhirResource } from "../fhir/resource.ts";

/** What a resource is about, by type: the first that is there. */
const CODES = ["code", "vaccineCode", "medicationCodeableConcept", "type", "category", "class"] as const;
/** When it was so. When it was said (`issued`, `recordedDate`) changes with each correction. */
const DATES = [
  "effectiveDateTime",
  "effectiveInstant",
  "effectivePeriod",
  "onsetDateTime",
  "onsetPeriod",
  "performedDateTime",
  "performedPeriod",
  "occurrenceDateTime",
  "occurrencePeriod",
  "period",
  "billablePeriod",
  "authoredOn",
  "created",
] as const;
/** Of a result, in the order in which it comes to them. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ...["registered", "partial", "preliminary"].map((status) => [status, 0] as const),
  ["final", 1],
  ...["amended", "corrected", "appended"].map((status) => [status, 2] as const),
]);
const VOID = "entered-in-error";

/**
 * Whether two resources that share a name, which others may bear too, are one: of the same type and
 * code, at no other time, and with no other identifier of the same system. Two results under one
 * accession number are two; a `urn:uuid` that is used again for something else is something else.
 */
export function isSame(one: FhirResource, other: FhirResource): boolean {
  return (
    one.resourceType === other.resourceType &&
    CODES.every((element) => isSameCode(one[element], other[element])) &&
    DATES.every((element) => isSameTime(momentOf(one[element]), momentOf(other[element]))) &&
    isSameNumber(identifiersOf(one), identifiersOf(other))
  );
}

function isSameCode(one: unknown, other: unknown): boolean {
  if (one === undefined && other === undefined) return true;
  const [these, those] = [codesOf(one), codesOf(other)];
  return these.size === those.size && these.size === 0
    ? one === other
    : [...these].some((code) => those.has(code));
}

/** `system|code` of each coding, else the words; of a list, of all its members. */
function codesOf(value: unknown): Set<string> {
  const all = (Array.isArray(value) ? value : [value]).map((one) =>
    typeof one === "object" && one !== null && "code" in one && !("coding" in one) ? { coding: [one] } : one,
  );
  const codings = all.flatMap((one) => Concept.safeParse(one).data?.coding ?? []);
  const codes = codings.flatMap(({ system = "", code }) => (code ? [`${system}|${code}`] : []));
  const texts = all.flatMap((one) => Concept.safeParse(one).data?.text ?? []);
  return new Set(codes.length > 0 ? codes : texts.map((text) => text.trim().toLowerCase()));
}

/** A date as it was said; of a period, its start. */
function momentOf(value: unknown): string | null {
  const said = typeof value === "object" && value !== null ? (value as { start?: unknown }).start : value;
  return typeof said === "string" ? said : null;
}

/** What is said less exactly contradicts nothing within it: `2024-05` and `2024-05-06`. */
function isSameTime(one: string | null, other: string | null): boolean {
  if (one === null || other === null || one.startsWith(other) || other.startsWith(one)) return true;
  const [here, there] = [Date.parse(one), Date.parse(other)];
  return one.includes("T") && other.includes("T") && here === there;
}

function isSameNumber(these: NamedIdentifier[], those: NamedIdentifier[]): boolean {
  const bySystem = Map.groupBy(those, ({ system }) => system);
  return these.every(({ system, value }) => {
    const same = bySystem.get(system);
    return (
      system === "" ||
      same === undefined ||
      same.some((one) => one.value === value) ||
      these.some((one) => one.system === system && same.some((other) => other.value === one.value))
    );
  });
}

/**
 * Whether a resource says less than what is there already: by `meta.lastUpdated`, then by
 * `meta.versionId`, then by `issued`, each where those before are the same or missing; where none
 * says, by a status that goes back: nothing final becomes preliminary, nothing corrected final
 * again, and what was entered in error stays so.
 */
export function isOlder(incoming: FhirResource, present: FhirResource): boolean {
  return (orderOf(incoming, present) ?? statusOrder(incoming, present)) < 0;
}

/** Whether anything says which of the two is newer. */
export const isOrdered = (incoming: FhirResource, present: FhirResource): boolean =>
  orderOf(incoming, present) !== null;

/** Below zero: older; null where the two do not say. */
function orderOf(incoming: FhirResource, present: FhirResource): number | null {
  const [here, there] = [metaOf(incoming), metaOf(present)];
  const byTime = difference(Date.parse(here.lastUpdated), Date.parse(there.lastUpdated));
  const byVersion = difference(numberOf(here.versionId), numberOf(there.versionId));
  // What is taken back as an error keeps the time of some issue of it.
  const byIssue = statusOf(incoming) === VOID ? 0 : difference(issueOf(incoming), issueOf(present));
  return byTime || byVersion || byIssue || null;
}

const difference = (one: number, other: number): number =>
  Number.isNaN(one) || Number.isNaN(other) ? 0 : one - other;

const issueOf = ({ issued }: FhirResource): number => Date.parse(String(issued));

const numberOf = (versionId: string): number =>
  /^\d{1,15}$/.test(versionId) ? Number(versionId) : Number.NaN;

function statusOrder(incoming: FhirResource, present: FhirResource): number {
  const [next, former] = [statusOf(incoming), statusOf(present)];
  if (former === VOID && next !== VOID) return -1;
  const [here, there] = [STATUSES.get(next), STATUSES.get(former)];
  return here !== undefined && there !== undefined && here < there ? -1 : 0;
}

const statusOf = ({ status, verificationStatus }: FhirResource): string =>
  String(status ?? codeOf(Concept.safeParse(verificationStatus).data));

function metaOf({ meta }: FhirResource): { lastUpdated: string; versionId: string } {
  const { lastUpdated, versionId } = (typeof meta === "object" && meta !== null ? meta : {}) as Record<
    string,
    unknown
  >;
  return { lastUpdated: String(lastUpdated ?? ""), versionId: String(versionId ?? "") };
}
