import { expect, test } from "vitest";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";

const order = {
  resourceType: "MedicationRequest",
  status: "active",
  intent: "order",
  subject: ours,
  medicationCodeableConcept: { text: "Penicillin V" },
};
const condition = { resourceType: "Condition", id: "c", subject: ours, code: { text: "Asthma" } };
const allergy = { resourceType: "AllergyIntolerance", patient: ours, code: { text: "Latex" } };
const observation = { resourceType: "Observation", status: "final", subject: ours, code: { text: "Heart" } };
const modifierExtension = [{ url: "https://ehr.example/negated", valueBoolean: true }];

test.each([
  ["that must not be done", { ...order, doNotPerform: true }],
  ["that is only proposed", { ...order, intent: "proposal" }],
  ["that is only planned", { ...order, intent: "plan" }],
  ["that is one of several options", { ...order, intent: "option" }],
  ["with a modifier", { ...order, modifierExtension }],
  ["with a modifier inside", { ...order, dosageInstruction: [{ text: "1", modifierExtension }] }],
  ["under rules of its own", { ...order, implicitRules: "https://ehr.example/rules" }],
  ["refuted", { ...condition, verificationStatus: { coding: [{ code: "refuted" }] } }],
  [
    "refuted in a second coding",
    {
      ...condition,
      verificationStatus: { coding: [{ system: "urn:local", code: "R" }, { code: "refuted" }] },
    },
  ],
  ["refuted in words", { ...condition, verificationStatus: { text: "Refuted" } }],
  ["entered in error", { ...allergy, verificationStatus: { text: "Entered in Error" } }],
  ["focused on somebody else", { ...observation, focus: [{ reference: "RelatedPerson/child" }] }],
  [
    "focused on a kind of somebody else",
    {
      ...observation,
      extension: [
        {
          url: "http://hl7.org/fhir/StructureDefinition/observation-focusCode",
          valueCodeableConcept: { text: "Foetus" },
        },
      ],
    },
  ],
  ["focused on somebody unnamed", { ...observation, focus: [{ display: "Foetus" }] }],
])("what is %s is kept as it came, and is no fact of the patient's", async (_what, resource) => {
  const made = await plan(bundleOf(patient, resource));
  expect([made.records, made.prescriptions]).toEqual([[], []]);
  expect(made.kept.map((k) => k.original.resource)).toEqual([resource]);
});

test("what is ordered, thought likely, or focused on the patient becomes theirs", async () => {
  const likely = { ...condition, verificationStatus: { coding: [{ code: "provisional" }] } };
  const made = await plan(
    bundleOf(
      patient,
      { ...order, doNotPerform: false, intent: "filler-order", modifierExtension: [] },
      likely,
      { ...observation, focus: [ours] },
    ),
  );
  expect(made.prescriptions).toHaveLength(1);
  expect(made.records.map((r) => r.mapped.body)).toEqual(["Verification: provisional", "Heart"]);
});

test("a claim does not name what was refuted as its diagnosis", async () => {
  const claim = {
    resourceType: "Claim",
    status: "active",
    patient: ours,
    diagnosis: [{ diagnosisReference: { reference: "Condition/c" } }],
    total: { value: 1, currency: "USD" },
  };
  const refuted = { ...condition, verificationStatus: { coding: [{ code: "refuted" }] } };
  const of = async (about: object) => (await plan(bundleOf(patient, about, claim))).claims[0]?.mapped;
  expect(await of(condition)).toMatchObject({ diagnosis: "Asthma" });
  expect(await of(refuted)).toMatchObject({ diagnosis: null });
});
