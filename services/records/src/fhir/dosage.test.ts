import { expect, test } from "vitest";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";

const order = {
  resourceType: "MedicationRequest",
  status: "active",
  intent: "order",
  subject: ours,
  medicationCodeableConcept: { text: "Paracetamol 500 MG" },
};
async function read(fields: object) {
  const made = await plan(bundleOf(patient, { ...order, ...fields }));
  const [prescription] = made.prescriptions;
  return prescription?.mapped;
}
const dosed = async (...dosageInstruction: object[]) => {
  const { dosage, frequency } = (await read({ dosageInstruction })) ?? {};
  return [dosage, frequency];
};

const tablets = (value: number) => ({ value, unit: "tablet" });
const doseAndRate = [{ doseRange: { low: tablets(1), high: tablets(2) } }];
const repeat = { frequency: 1, period: 4, periodMax: 6, periodUnit: "h" };
const maxDosePerPeriod = {
  numerator: { value: 4, unit: "g" },
  denominator: { value: 1, unit: "day", code: "d" },
};

test("fault: a dose without its bounds. 1-2 tablets every 4-6 h as needed, at most 4 g a day, read so, in codes or in words", async () => {
  const coded = { doseAndRate, timing: { repeat }, asNeededBoolean: true, maxDosePerPeriod };
  expect(await dosed(coded)).toEqual([
    "1 tablet to 2 tablet, as needed, at most 4 g per day",
    "1 every 4 to 6 h",
  ]);
  const text = "1–2 tablets every 4–6 h";
  expect(await dosed({ ...coded, text })).toEqual([
    `${text}, as needed, at most 4 g per day`,
    "1 every 4 to 6 h",
  ]);
  const all = "1-2 tablets every 4-6 h as needed, at most 4 g per day";
  expect(await dosed({ ...coded, text: all })).toEqual([all, "1 every 4 to 6 h"]);
});

test.each([
  [{ doseQuantity: { value: 5, unit: "mL" } }, "5 mL"],
  [{ doseRange: { high: tablets(2) } }, "up to 2 tablet"],
  [
    { rateRatio: { numerator: { value: 100, unit: "mL" }, denominator: { value: 24, unit: "h" } } },
    "at 100 mL per 24 h",
  ],
  [
    { rateRange: { low: { value: 1, unit: "L/min" }, high: { value: 2, unit: "L/min" } } },
    "at 1 L/min to 2 L/min",
  ],
  [{ doseQuantity: tablets(1), rateQuantity: { value: 3, unit: "mL/h" } }, "1 tablet, at 3 mL/h"],
])("the dose %j reads %s", async (dose, text) => {
  expect(await dosed({ doseAndRate: [dose] })).toEqual([text, null]);
});

test.each([
  [{ asNeededCodeableConcept: { text: "pain" } }, "as needed for pain"],
  [
    { route: { text: "oral" }, site: { text: "left arm" }, method: { text: "inject" } },
    "inject, oral, left arm",
  ],
  [{ maxDosePerAdministration: tablets(2) }, "at most 2 tablet at a time"],
  [{ maxDosePerLifetime: { value: 550, unit: "mg" } }, "at most 550 mg in a lifetime"],
  [
    { additionalInstruction: [{ text: "with food" }], patientInstruction: "Do not drive" },
    "with food, Do not drive",
  ],
  [{ text: "One, with food", additionalInstruction: [{ text: "With food" }] }, "One, with food"],
  [{ text: "One", additionalInstruction: [{ text: "with food" }] }, "One, with food"],
  [{ text: "Take as needed.", asNeededBoolean: true }, "Take as needed."],
])("a dosage of %j reads %s", async (dosage, text) => {
  expect(await dosed(dosage)).toEqual([text, null]);
});

test.each([
  [{ repeat: { frequency: 3, period: 1, periodUnit: "d" } }, "3 every 1 d"],
  [{ repeat: { frequency: 1, frequencyMax: 2, period: 8, periodUnit: "h" } }, "1 to 2 every 8 h"],
  [{ repeat: { frequency: 2 } }, "2 times"],
  [{ repeat: { period: 1, periodUnit: "wk", dayOfWeek: ["mon", "thu"] } }, "every 1 wk, on mon, thu"],
  [{ repeat: { timeOfDay: ["08:00:00", "20:00:00"] } }, "at 08:00:00, 20:00:00"],
  [{ repeat: { when: ["AC", "HS"] } }, "before meals and before sleep"],
  [{ repeat: { when: ["PCM"], offset: 30 } }, "30 min after breakfast"],
  [
    { repeat: { frequency: 1, period: 1, periodUnit: "d", boundsDuration: { value: 10, unit: "days" } } },
    "1 every 1 d, for 10 days",
  ],
  [
    { code: { text: "BID" }, repeat: { boundsPeriod: { start: "2024-05", end: "2024-06-02" } } },
    "BID, 2024-05 to 2024-06-02",
  ],
  [{ repeat: { count: 5, duration: 30, durationUnit: "min" } }, "over 30 min, 5 in all"],
  [{ event: ["2024-05-01", "2024-06"] }, "on 2024-05-01, on 2024-06"],
  [{ code: { coding: [{ code: "TID" }] } }, "TID"],
])("the timing %j reads %s", async (timing, text) => {
  expect(await dosed({ timing })).toEqual([null, text]);
});

test("reason and substitution stand above the notes", async () => {
  const note = [{ text: "By phone" }];
  const substitution = { allowedBoolean: false, reason: { text: "allergy" } };
  expect((await read({ note, substitution, reasonCode: [{ text: "Fever" }] }))?.notes).toBe(
    "Reason: Fever\nSubstitution: not allowed (allergy)\nBy phone",
  );
  expect((await read({}))?.notes).toBeNull();
});

test("threat: a drug of a Medication that was entered in error, or is modified, is not named by it", async () => {
  const medication = { resourceType: "Medication", id: "m", code: { text: "Warfarin" } };
  const by = { medicationCodeableConcept: undefined, medicationReference: { reference: "Medication/m" } };
  const namedBy = async (fields: object) => {
    const made = await plan(bundleOf(patient, { ...medication, ...fields }, { ...order, ...by }));
    return made.prescriptions[0]?.mapped.medication;
  };
  expect(await namedBy({})).toBe("Warfarin");
  expect(await namedBy({ status: "entered-in-error" })).toBeUndefined();
  expect(await namedBy({ modifierExtension: [{ url: "urn:not", valueBoolean: true }] })).toBeUndefined();
});

test("threat: a modifier inside of a dosage, a component or what is contained makes no active fact", async () => {
  const modifierExtension = [{ url: "https://ehr.example/not", valueBoolean: true }];
  const observation = {
    resourceType: "Observation",
    status: "final",
    subject: ours,
    code: { text: "Pressure" },
  };
  const inside = [
    { ...order, dosageInstruction: [{ text: "One", doseAndRate: [{ modifierExtension }] }] },
    { ...order, dosageInstruction: [{ timing: { modifierExtension } }] },
    { ...order, contained: [{ resourceType: "Medication", id: "c", modifierExtension }] },
    { ...observation, component: [{ code: { text: "Systolic" }, valueInteger: 120, modifierExtension }] },
  ];
  const made = await plan(bundleOf(patient, ...inside));
  expect([made.prescriptions, made.records]).toEqual([[], []]);
  expect(made.kept).toHaveLength(inside.length);
});
