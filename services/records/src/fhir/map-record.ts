import type { RecordType } from "@medvault/contracts";
import { z } from "zod";
import type { RecordContent } from "../medical-records/record.ts";
import { codedOf } from "./coding.ts";
import { toInstant, toSaid } from "./date.ts";
import { Timing, timingText } from "./dosage.ts";
import * as fhir from "./element.ts";
import { isFact } from "./fact.ts";
import { observedFields, observedLines, observedText } from "./observed.ts";
import { onset, onsetOf, type When } from "./onset.ts";
import type { FhirResource, References } from "./resource.ts";
import { wholeText } from "./whole-text.ts";

/** What FHIR says of a record: when it occurred, as it was said; and when it was recorded. */
export type MappedRecord = Omit<RecordContent, "occurredAt" | "said"> & {
  occurredAt: string | null;
  knownAt: Date | null;
};

/**
 * States in which a resource says that something is not so; it is kept as it came instead of
 * becoming a record.
 */
const VOID = new Set(["entered-in-error", "not-done", "cancelled"]);

const Event = z.looseObject({
  status: z.string().optional(),
  code: fhir.Concept.optional(),
  note: fhir.Annotations,
});

const Condition = Event.extend({
  clinicalStatus: fhir.Concept.optional(),
  verificationStatus: fhir.Concept.optional(),
  severity: fhir.Concept.optional(),
  ...onset,
  abatementString: z.string().optional(),
  abatementAge: fhir.Quantity.optional(),
  abatementDateTime: fhir.DateAsSaid.optional(),
  abatementPeriod: fhir.Period.optional(),
  abatementRange: fhir.Range.optional(),
  bodySite: fhir.Concepts,
});

function condition(resource: FhirResource): MappedRecord | null {
  const c = Condition.parse(resource);
  const abated =
    c.abatementDateTime ??
    c.abatementString ??
    fhir.quantityText(c.abatementAge) ??
    fhir.rangeText(c.abatementRange) ??
    fhir.fromTo(c.abatementPeriod?.start, c.abatementPeriod?.end, "until");
  const when = onsetOf(c);
  return record("diagnosis", c.code, when, [
    ...fhir.labelled([
      ["Clinical status", fhir.codeOf(c.clinicalStatus)],
      ["Verification", fhir.codeOf(c.verificationStatus)],
      ["Severity", fhir.wordsOf(c.severity)],
      ["Onset", when.inWords],
      ["Abated", abated],
      ["Body site", fhir.listed(c.bodySite)],
    ]),
    ...fhir.notesOf(c.note),
  ]);
}

const Observation = Event.extend({
  ...observedFields,
  effectiveDateTime: fhir.DateAsSaid.optional(),
  effectiveInstant: fhir.DateAsSaid.optional(),
  effectivePeriod: fhir.Period.optional(),
  effectiveTiming: Timing.optional(),
  issued: fhir.DateAsSaid.optional(),
  bodySite: fhir.Concept.optional(),
  method: fhir.Concept.optional(),
});

function observation(resource: FhirResource): MappedRecord | null {
  const o = Observation.parse(resource);
  const said = o.effectiveDateTime ?? o.effectiveInstant ?? o.effectivePeriod?.start;
  const timed = timingText(o.effectiveTiming);
  return record("lab", o.code, { said, inWords: timed, recorded: o.issued }, [
    ...fhir.labelled([["Status", o.status === "final" ? null : o.status]]),
    ...observedLines(o),
    ...fhir.labelled([
      ["When", timed],
      ["Ended", o.effectivePeriod?.end],
      ["Body site", fhir.wordsOf(o.bodySite)],
      ["Method", fhir.wordsOf(o.method)],
    ]),
    ...fhir.notesOf(o.note),
  ]);
}

const Procedure = Event.extend({
  performedDateTime: fhir.DateAsSaid.optional(),
  performedPeriod: fhir.Period.optional(),
  performedString: z.string().optional(),
  performedAge: fhir.Quantity.optional(),
  performedRange: fhir.Range.optional(),
  reasonCode: fhir.Concepts,
  bodySite: fhir.Concepts,
  outcome: fhir.Concept.optional(),
});

function procedure(resource: FhirResource): MappedRecord | null {
  const p = Procedure.parse(resource);
  const when = { said: p.performedDateTime ?? p.performedPeriod?.start };
  return record("procedure", p.code, when, [
    ...fhir.labelled([
      ["Status", p.status],
      [
        "Performed",
        p.performedString ?? fhir.quantityText(p.performedAge) ?? fhir.rangeText(p.performedRange),
      ],
      ["Ended", p.performedPeriod?.end],
      ["Reason", fhir.listed(p.reasonCode)],
      ["Body site", fhir.listed(p.bodySite)],
      ["Outcome", fhir.wordsOf(p.outcome)],
    ]),
    ...fhir.notesOf(p.note),
  ]);
}

const Immunization = Event.extend({
  vaccineCode: fhir.Concept,
  occurrenceDateTime: fhir.DateAsSaid.optional(),
  occurrenceString: z.string().optional(),
  recorded: fhir.DateAsSaid.optional(),
  lotNumber: z.string().optional(),
  isSubpotent: z.boolean().optional(),
  doseQuantity: fhir.Quantity.optional(),
});

function immunization(resource: FhirResource): MappedRecord | null {
  const i = Immunization.parse(resource);
  const when = { said: i.occurrenceDateTime, inWords: i.occurrenceString, recorded: i.recorded };
  return record("immunization", i.vaccineCode, when, [
    ...fhir.labelled([
      ["Status", i.status],
      ["Given", i.occurrenceString],
      ["Dose", fhir.quantityText(i.doseQuantity)],
      ["Lot", i.lotNumber],
      ["Subpotent", i.isSubpotent ? "yes" : null],
    ]),
    ...fhir.notesOf(i.note),
  ]);
}

const AllergyIntolerance = Event.extend({
  clinicalStatus: fhir.Concept.optional(),
  verificationStatus: fhir.Concept.optional(),
  category: fhir.Strings,
  criticality: z.string().optional(),
  ...onset,
  reaction: z
    .array(z.looseObject({ manifestation: fhir.Concepts, severity: z.string().optional() }))
    .default([]),
});

function allergy(resource: FhirResource): MappedRecord | null {
  const a = AllergyIntolerance.parse(resource);
  const when = onsetOf(a);
  return record("allergy", a.code, when, [
    ...fhir.labelled([
      ["Clinical status", fhir.codeOf(a.clinicalStatus)],
      ["Verification", fhir.codeOf(a.verificationStatus)],
      ["Category", a.category.join(", ")],
      ["Criticality", a.criticality],
      ["Onset", when.inWords],
      ...a.reaction.map(
        (r) => ["Reaction", [fhir.listed(r.manifestation), r.severity].filter(Boolean).join("; ")] as const,
      ),
    ]),
    ...fhir.notesOf(a.note),
  ]);
}

const DiagnosticReport = Event.extend({
  category: fhir.Concepts,
  effectiveDateTime: fhir.DateAsSaid.optional(),
  effectivePeriod: fhir.Period.optional(),
  issued: fhir.DateAsSaid.optional(),
  result: z.array(fhir.Reference).default([]),
  conclusion: z.string().optional(),
  conclusionCode: fhir.Concepts,
});

/** HL7 v2-0074 sections and the LOINC class of what is seen rather than measured. */
const IMAGING = new Set(
  "RAD RX CT CTH NMR MRI NMS RUS CUS VUS OUS IMG XRC EC ECG NRS LP29684-5 LP7796-8".split(" "),
);

function report(resource: FhirResource, references: References): MappedRecord | null {
  const d = DiagnosticReport.parse(resource);
  const imaging = d.category.some((c) => c.coding?.some((coding) => IMAGING.has(coding.code ?? "")));
  const results = d.result.map((reference) => {
    const found = references.resolve(reference.reference, resource);
    const o = found?.resourceType === "Observation" ? Observation.safeParse(found).data : undefined;
    const text = found && o && resultText(o, isFact(found));
    return [reference.display ?? fhir.wordsOf(o?.code) ?? "Result", text] as const;
  });
  return record(
    imaging ? "imaging" : "lab",
    d.code,
    { said: d.effectiveDateTime ?? d.effectivePeriod?.start, recorded: d.issued },
    [
      ...fhir.labelled([
        ["Status", d.status],
        ...results,
        ["Conclusion", d.conclusion],
        ["Coded conclusion", fhir.listed(d.conclusionCode)],
      ]),
      ...fhir.notesOf(d.note),
    ],
  );
}

/** What a result says, and how sure it is; of what is not so, only that. */
function resultText(o: z.infer<typeof Observation>, isSo: boolean): string {
  if (!isSo || VOID.has(o.status ?? "")) return `not shown (${o.status ?? "modified"})`;
  const text = observedText(o);
  return o.status === undefined || o.status === "final" ? text : `${text} (${o.status})`.trim();
}

const Encounter = z.looseObject({
  status: z.string().optional(),
  class: fhir.Coding.optional(),
  type: fhir.Concepts,
  period: fhir.Period.optional(),
  reasonCode: fhir.Concepts,
});

function encounter(resource: FhirResource): MappedRecord | null {
  const e = Encounter.parse(resource);
  return record("note", e.type[0] ?? { text: "Encounter" }, { said: e.period?.start }, [
    ...fhir.labelled([
      ["Status", e.status],
      ["Class", e.class?.display ?? e.class?.code],
      ["Ended", e.period?.end],
      ["Reason", fhir.listed(e.reasonCode)],
    ]),
  ]);
}

function record(
  type: RecordType,
  concept: fhir.Concept | undefined,
  when: When,
  lines: readonly string[],
): MappedRecord | null {
  const title = fhir.wordsOf(concept);
  if (!title) return null;
  const said = when.said ?? (when.inWords ? undefined : when.recorded);
  return {
    type,
    title,
    body: lines.length > 0 ? lines.join("\n") : title,
    ...codedOf(concept),
    occurredAt: toSaid(said ?? "") || null,
    knownAt: when.recorded === undefined ? null : new Date(toInstant(when.recorded) ?? 0),
  };
}

const MAPPERS: Record<string, (resource: FhirResource, references: References) => MappedRecord | null> = {
  Condition: condition,
  Observation: observation,
  Procedure: procedure,
  Immunization: immunization,
  AllergyIntolerance: allergy,
  DiagnosticReport: report,
  Encounter: encounter,
};

/**
 * A clinical resource as a medical record, or null when it has no room as one: an unknown type, one
 * that names nothing, or one that says that something is not so. Throws ZodError on a field of the
 * wrong shape.
 */
export function mapRecord(resource: FhirResource, references: References): MappedRecord | null {
  const mapper = Object.hasOwn(MAPPERS, resource.resourceType) ? MAPPERS[resource.resourceType] : undefined;
  if (!mapper || VOID.has(String(resource.status))) return null;
  const mapped = mapper(resource, references);
  return mapped && { ...mapped, body: wholeText(resource) ?? mapped.body };
}
