import type { Prescription } from "../prescriptions/prescription.ts";
import { elements, type Fields, listOf, withElement, withItem } from "./fields.ts";
import { firstFitting, isEqual, layConcept, realigned } from "./lay.ts";
import { besides, mapPrescription, prescriptionResource } from "./map-prescription.ts";
import { isTold, retold } from "./narrative.ts";
import type { FhirResource, Reference } from "./resource.ts";

/** What a dosage says besides its text, its timing and its way: another text contradicts it. */
const SAID_BY_TEXT = /^_?(additionalInstruction|patientInstruction|asNeeded.*|doseAndRate|maxDose.*)$/;
/** For how long, whatever how often. */
const BOUNDS = /^(bounds.*|count|countMax)$/;
const NAMED = { resourceType: "MedicationRequest", medicationCodeableConcept: { text: "as above" } };
const SUBSTANCE = ["medication", "dosage", "frequency"] as const;

/** A prescription's change laid into its original. */
export function layPrescription(
  original: FhirResource,
  former: Prescription,
  next: Prescription,
): FhirResource {
  const subject = original.subject as Reference;
  const [was, is] = [prescriptionResource(former, subject), prescriptionResource(next, subject)];
  const isChanged = (key: string) => !isEqual(was[key], is[key]);
  let laid = original;
  if (isChanged("medicationCodeableConcept")) laid = layMedication(laid, was, is);
  if (isChanged("dosageInstruction")) laid = layDosages(laid, next, is);
  if (isChanged("note")) laid = layNotes(laid, next.notes ?? "");
  if (isChanged("dispenseRequest")) laid = layDispensing(laid, was, is);
  if (isChanged("status"))
    laid = withElement(withElement(laid, "statusReason", undefined), "status", next.status);
  // Who rewrote it answers for it.
  if (isChanged("requester")) laid = withElement(laid, "requester", is.requester);
  const gone = SUBSTANCE.map((field) => (former[field] === next[field] ? null : former[field]));
  return isTold(laid, gone)
    ? retold(
        laid,
        SUBSTANCE.flatMap((field) => next[field] ?? []),
      )
    : laid;
}

function layMedication(resource: FhirResource, was: FhirResource, is: FhirResource): FhirResource {
  const [former, next] = [was, is].map((one) => one.medicationCodeableConcept as Fields) as [Fields, Fields];
  const concept = layConcept(resource.medicationCodeableConcept as Fields | undefined, former, next);
  return withElement(
    withElement(resource, "medicationReference", undefined),
    "medicationCodeableConcept",
    concept,
  );
}

/**
 * Notes stand below the lines of other elements: one whose line is there no more goes, since it is
 * no longer so. Who wrote a note, and when, is not said of what replaces it.
 */
function layNotes(resource: FhirResource, wanted: string): FhirResource {
  let [laid, rest] = [resource, wanted];
  for (const [element, line] of besides(resource)) {
    if (`${rest}\n`.startsWith(`${line}\n`)) rest = rest.slice(line.length + 1);
    else laid = withElement(laid, element, undefined);
  }
  const list = elements(resource, "note");
  const texts = list.map(({ text }) => (typeof text === "string" ? text : ""));
  const notes = realigned(texts, "\n", rest).map(({ at, text }) =>
    text === undefined ? list[at ?? -1] : { text },
  );
  return withElement(laid, "note", listOf(notes));
}

/** The one dosage that is another now says so; where it is not one alone, all are said again. */
function layDosages(resource: FhirResource, next: Prescription, is: FhirResource): FhirResource {
  const list = elements(resource, "dosageInstruction");
  const read = (items: readonly unknown[] = []) =>
    mapPrescription({ ...NAMED, dosageInstruction: items }, { resolve: () => null });
  const told = list.map((one) => read([one]));
  const changes = (["dosage", "frequency"] as const).map((field) => {
    const texts = told.map((one) => one?.[field] ?? "");
    const wanted = next[field] ?? "";
    if (list.length === 1) return { at: 0, text: wanted, former: texts[0] };
    const parts = realigned(texts, "; ", wanted);
    const said = parts.find(({ text }) => text !== undefined) ?? { at: null, text: undefined };
    return { ...said, at: parts.length === list.length ? said.at : null, former: texts[said.at ?? -1] };
  });
  const places = new Set(changes.flatMap(({ at, text, former }) => (text === former ? [] : [at])));
  const [at = null] = places;
  const [dosage, frequency] = changes.map((one) => (one.text === one.former ? undefined : one.text));
  const renewed =
    at === null || places.size > 1
      ? []
      : dosagesWith(list[at] ?? {}, dosage, frequency, told[at]?.dosage ?? "").map((one) =>
          withItem(list, at, one),
        );
  const whole = elements(is, "dosageInstruction");
  const untold = listOf(whole.map((one) => withElement(one, "text", undefined)));
  const laid = firstFitting([...renewed, listOf(whole), untold], (items) => {
    const all = read(items);
    return all?.dosage === next.dosage && all.frequency === next.frequency;
  });
  return withElement(resource, "dosageInstruction", laid);
}

/** A dosage that says another text or frequency; undefined is what it says already. */
function dosagesWith(
  entry: Fields,
  dosage: string | undefined,
  frequency: string | undefined,
  former: string,
): Fields[] {
  const entries = Object.entries(entry).filter(([key]) => !SAID_BY_TEXT.test(key));
  const spoken =
    dosage === undefined ? entry : withElement(Object.fromEntries(entries), "text", dosage || undefined);
  if (frequency === undefined) return [spoken];
  const { repeat } = (entry.timing ?? {}) as { repeat?: Fields };
  const bounds = Object.entries(repeat ?? {}).filter(([key]) => BOUNDS.test(key));
  const code = { text: frequency };
  const timings =
    frequency === ""
      ? [undefined]
      : [...(bounds.length > 0 ? [{ repeat: Object.fromEntries(bounds), code }] : []), { code }];
  const both = [dosage ?? former, frequency].filter((text) => text !== "").join("; ");
  return timings.flatMap((timing) => {
    const timed = withElement(spoken, "timing", timing);
    return [timed, { ...timed, text: both }];
  });
}

function layDispensing(resource: FhirResource, was: FhirResource, is: FhirResource): FhirResource {
  const [there, former, next] = [resource, was, is].map((one) => one.dispenseRequest ?? {}) as [
    Fields,
    Fields,
    Fields,
  ];
  const period = changed(there.validityPeriod, former.validityPeriod, next.validityPeriod, ["start", "end"]);
  const laid = changed(there, former, next, ["numberOfRepeatsAllowed"]);
  return withElement(
    resource,
    "dispenseRequest",
    unlessEmpty(withElement(laid, "validityPeriod", unlessEmpty(period))),
  );
}

/** The elements with those of `keys` that differ in `next`. */
function changed(there: unknown, former: unknown, next: unknown, keys: readonly string[]): Fields {
  const [at, was, is] = [there, former, next].map((one) => one ?? {}) as [Fields, Fields, Fields];
  return keys.filter((key) => was[key] !== is[key]).reduce((all, key) => withElement(all, key, is[key]), at);
}

const unlessEmpty = (fields: Fields): Fields | undefined =>
  Object.keys(fields).length > 0 ? fields : undefined;
