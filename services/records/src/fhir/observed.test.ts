import { expect, test } from "vitest";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";

const observation = { resourceType: "Observation", status: "final", subject: ours, code: { text: "Test" } };
const bodiesOf = async (...resources: object[]) =>
  (await plan(bundleOf(patient, ...resources))).records.map((r) => r.mapped.body);

const samples = { origin: { value: 0, unit: "mV" }, period: 10, dimensions: 1, data: "1 2 E" };
test.each([
  [{ valueQuantity: { value: 0, unit: "g" } }, "0 g"],
  [{ valueQuantity: { value: 5, comparator: "<", code: "mg" } }, "< 5 mg"],
  [{ valueCodeableConcept: { coding: [{ system: "urn:a", code: "A1" }] } }, "A1"],
  [{ valueString: "Clear" }, "Clear"],
  [{ valueBoolean: false }, "false"],
  [{ valueInteger: 0 }, "0"],
  [{ valueRange: { low: { value: 1, unit: "mg" }, high: { value: 2, unit: "mg" } } }, "1 mg to 2 mg"],
  [{ valueRange: { low: { value: 1, unit: "mg" } } }, "from 1 mg"],
  [{ valueRange: { high: { value: 2, unit: "mg" } } }, "up to 2 mg"],
  [{ valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } }, "1:128"],
  [
    { valueRatio: { numerator: { value: 5, unit: "mg" }, denominator: { value: 10, unit: "mL" } } },
    "5 mg / 10 mL",
  ],
  [{ valueTime: "14:30:00" }, "14:30:00"],
  [{ valueDateTime: "2024-03" }, "2024-03"],
  [{ valuePeriod: { start: "2024-01-01", end: "2024-01-03" } }, "2024-01-01 to 2024-01-03"],
  [{ valuePeriod: { start: "2024-01" } }, "from 2024-01"],
  [{ valuePeriod: { end: "2024" } }, "until 2024"],
  [{ valueSampledData: samples }, "1 2 E (every 10 ms, zero at 0 mV)"],
])("the value %j reads as it was meant, alone, in a component and in a report", async (value, text) => {
  const code = { text: "Part" };
  const whole = { ...observation, id: "o", ...value };
  const report = {
    resourceType: "DiagnosticReport",
    subject: ours,
    code,
    result: [{ reference: "Observation/o" }],
  };
  expect(await bodiesOf(whole, { ...observation, component: [{ code, ...value }] }, report)).toEqual([
    `Value: ${text}`,
    `Part: ${text}`,
    `Test: ${text}`,
  ]);
});

test("a component has its own interpretation, reference range and reason why it has no value", async () => {
  const referenceRange = [
    { high: { value: 80 }, appliesTo: [{ text: "adults" }], age: { low: { value: 18, unit: "a" } } },
  ];
  const component = [
    { code: { text: "A" }, valueInteger: 90, interpretation: [{ text: "High" }], referenceRange },
    { code: { text: "B" }, dataAbsentReason: { text: "Not performed" } },
  ];
  expect(await bodiesOf({ ...observation, component })).toEqual([
    "A: 90 (High; reference range up to 80 (adults, aged from 18 a))\nB: no value: Not performed",
  ]);
});

test("what is preliminary says so, and what was withdrawn stands in no report", async () => {
  const preliminary = { ...observation, id: "o", status: "preliminary", valueInteger: 7 };
  const withdrawn = { ...observation, id: "w", status: "entered-in-error", valueInteger: 9 };
  const reported = ["o", "w"].map((id) => ({ reference: `Observation/${id}` }));
  const report = {
    resourceType: "DiagnosticReport",
    status: "partial",
    subject: ours,
    code: { text: "Panel" },
    result: reported,
  };
  expect(await bodiesOf(preliminary, withdrawn, report)).toEqual([
    "Status: preliminary\nValue: 7",
    "Status: partial\nTest: 7 (preliminary)\nTest: not shown (entered-in-error)",
  ]);
});

test("an age or words for when something began, ended or was done stand in the record", async () => {
  const age = (value: number) => ({ value, unit: "years" });
  const about = { subject: ours, code: { text: "Knee" } };
  expect(
    await bodiesOf(
      { resourceType: "Condition", ...about, onsetAge: age(40), abatementString: "in spring" },
      { resourceType: "Condition", ...about, onsetString: "childhood", abatementAge: age(50) },
      { resourceType: "Procedure", ...about, performedAge: age(12) },
      { resourceType: "Procedure", ...about, performedString: "at school" },
    ),
  ).toEqual([
    "Onset: 40 years\nAbated: in spring",
    "Onset: childhood\nAbated: 50 years",
    "Performed: 12 years",
    "Performed: at school",
  ]);
});

test("where, how and until when something was seen stand in the record, and so do ranges and coded conclusions", async () => {
  const about = { subject: ours, code: { text: "Knee" } };
  const years = { low: { value: 30, unit: "years" }, high: { value: 40, unit: "years" } };
  const seen = {
    ...observation,
    valueInteger: 3,
    effectivePeriod: { start: "2024-05", end: "2024-05-03" },
    bodySite: { text: "left" },
    method: { text: "by ruler" },
  };
  const timed = { ...observation, effectiveTiming: { repeat: { frequency: 1, period: 1, periodUnit: "d" } } };
  const { records } = await plan(
    bundleOf(
      patient,
      seen,
      { ...timed, issued: "2024-05-06T07:08:09Z" },
      { resourceType: "Condition", ...about, onsetRange: years, abatementPeriod: { end: "2020" } },
      { resourceType: "Procedure", status: "completed", ...about, performedRange: years },
      { resourceType: "DiagnosticReport", ...about, conclusionCode: [{ text: "Torn" }, { text: "Old" }] },
    ),
  );
  expect(records.map(({ mapped }) => [mapped.body, mapped.occurredAt])).toEqual([
    ["Value: 3\nEnded: 2024-05-03\nBody site: left\nMethod: by ruler", "2024-05"],
    ["When: 1 every 1 d", null],
    ["Onset: 30 years to 40 years\nAbated: until 2020", null],
    ["Status: completed\nPerformed: 30 years to 40 years", null],
    ["Coded conclusion: Torn, Old", null],
  ]);
});
