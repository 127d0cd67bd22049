import type { MedicalRecord } from "../medical-records/record.ts";
import { asSaid } from "../resources/as-said.ts";
import { elements, type Fields, withElement } from "./fields.ts";
import { firstFitting, isEqual, layConcept } from "./lay.ts";
import { layBody, readRecord } from "./lay-body.ts";
import { isTold, retold } from "./narrative.ts";
import { recordResource } from "./record-resource.ts";
import type { FhirResource, Reference } from "./resource.ts";

/** Where each type says what it is about, where not in `code`. */
const CONCEPT_IN: Readonly<Record<string, string>> = { Immunization: "vaccineCode", Encounter: "type" };
/** Where each type says when, in the order in which it is read; a period by its start. */
const WHEN_IN: Readonly<Record<string, readonly string[]>> = {
  Condition: ["onsetDateTime", "onsetPeriod", "recordedDate"],
  Observation: ["effectiveDateTime", "effectiveInstant", "effectivePeriod", "issued"],
  Procedure: ["performedDateTime", "performedPeriod"],
  Immunization: ["occurrenceDateTime", "recorded"],
  AllergyIntolerance: ["onsetDateTime", "onsetPeriod", "recordedDate"],
  DiagnosticReport: ["effectiveDateTime", "effectivePeriod", "issued"],
  Encounter: ["period"],
};

/**
 * A record's new version laid into its original. A record of another type is another resource:
 * what it was stays in its former version.
 */
export function layRecord(original: FhirResource, former: MedicalRecord, next: MedicalRecord): FhirResource {
  const subject = (original.subject ?? original.patient) as Reference;
  const [was, is] = [recordResource(former, subject), recordResource(next, subject)];
  if (former.type !== next.type) return is;
  let laid = original;
  const [wasAbout, isAbout] = [conceptOf(was), conceptOf(is)];
  if (!isEqual(wasAbout, isAbout)) laid = layAbout(laid, wasAbout, isAbout);
  const [began, begins] = [former, next].map((one) => asSaid(one, "occurredAt") ?? undefined);
  if (began !== begins) laid = { ...layWhen(laid, begins), ...absent(is) };
  const body = former.body === next.body ? readRecord(original)?.body : next.body;
  if (body !== undefined) laid = layBody(laid, body);
  if (laid === original) return original;
  const gone = [
    ...(former.title === next.title ? [] : [former.title]),
    ...former.body.split("\n").filter((line) => !next.body.includes(line)),
  ].flatMap((line) => [line, line.slice(line.indexOf(": ") + 2)]);
  return isTold(laid, gone) ? retold(laid, [next.title, ...next.body.split("\n")]) : laid;
}

/** What a record written here is about. */
const conceptOf = ({ code, vaccineCode, type, description }: FhirResource): Fields =>
  (code ?? vaccineCode ?? { ...(type as Fields | undefined), text: description }) as Fields;
/** What must be there, and is not known: `_occurrenceDateTime`. */
const absent = (bare: FhirResource): Fields =>
  Object.fromEntries(Object.entries(bare).filter(([key]) => key.startsWith("_")));

function layAbout(resource: FhirResource, former: Fields, next: Fields): FhirResource {
  const key = CONCEPT_IN[resource.resourceType] ?? "code";
  if (key !== "type")
    return withElement(resource, key, layConcept(resource[key] as Fields | undefined, former, next));
  const [first, ...others] = elements(resource, key);
  return withElement(resource, key, [layConcept(first, former, next), ...others]);
}

function layWhen(resource: FhirResource, when: string | undefined): FhirResource {
  const keys = WHEN_IN[resource.resourceType] ?? [];
  const startOf = (key: string) => (resource[key] as { start?: unknown } | undefined)?.start;
  const shown = keys.find((key) => (key.endsWith("eriod") ? startOf(key) : resource[key]) !== undefined);
  const candidates = [shown, keys[0]].flatMap((key) =>
    key === undefined ? [] : [withWhen(resource, key, when)],
  );
  return firstFitting(
    // One kind of a choice at a time: what began at an age has no date beside it.
    [...candidates, ...candidates.slice(-1).map((one) => withoutOthers(one, keys[0] ?? ""))],
    (one) => JSON.stringify(readRecord(one)?.occurredAt) === JSON.stringify(when ?? null),
  );
}

function withWhen(resource: FhirResource, key: string, when: string | undefined): FhirResource {
  if (!key.endsWith("eriod")) {
    const isInstant = key === "issued" || key === "effectiveInstant";
    return isInstant && when !== undefined && !when.includes("T")
      ? resource
      : withElement(resource, key, when);
  }
  const period = withElement((resource[key] ?? {}) as Fields, "start", when);
  const isOver =
    when !== undefined && typeof period.end === "string" && period.end < when.slice(0, period.end.length);
  const laid = isOver ? withElement(period, "end", undefined) : period;
  return withElement(resource, key, Object.keys(laid).length > 0 ? laid : undefined);
}

function withoutOthers(resource: FhirResource, key: string): FhirResource {
  const choice = /^[a-z]+(?=DateTime$)/.exec(key)?.[0];
  const others = Object.keys(resource).filter((one) => choice && one.startsWith(choice) && one !== key);
  return others.reduce((all, one) => withElement(all, one, undefined), resource);
}
