import { z } from "zod";
import * as fhir from "./element.ts";

const SampledData = z.looseObject({
  origin: fhir.Quantity.optional(),
  period: fhir.Digits.optional(),
  factor: fhir.Digits.optional(),
  lowerLimit: fhir.Digits.optional(),
  upperLimit: fhir.Digits.optional(),
  dimensions: fhir.Count.optional(),
  data: z.string().optional(),
});

/** What an Observation or a component of one says: https://hl7.org/fhir/R4/observation.html. */
const fields = {
  code: fhir.Concept.optional(),
  valueQuantity: fhir.Quantity.optional(),
  valueCodeableConcept: fhir.Concept.optional(),
  valueString: z.string().optional(),
  valueBoolean: z.boolean().optional(),
  valueInteger: fhir.Digits.optional(),
  valueRange: fhir.Range.optional(),
  valueRatio: fhir.Ratio.optional(),
  valueSampledData: SampledData.optional(),
  valueTime: z.string().optional(),
  valueDateTime: fhir.DateAsSaid.optional(),
  valuePeriod: fhir.Period.optional(),
  dataAbsentReason: fhir.Concept.optional(),
  interpretation: fhir.Concepts,
  referenceRange: z
    .array(
      fhir.Range.extend({
        text: z.string().optional(),
        type: fhir.Concept.optional(),
        appliesTo: fhir.Concepts,
        age: fhir.Range.optional(),
      }),
    )
    .default([]),
};
const Observed = z.looseObject(fields);
type Observed = z.infer<typeof Observed>;
export const observedFields = { ...fields, component: z.array(Observed).default([]) };
type Observation = Observed & { component: Observed[] };

/** Lines of all that was measured. */
export function observedLines(o: Observation): string[] {
  return fhir.labelled([
    ["Value", valueText(o)],
    ...o.component.map((c) => [fhir.wordsOf(c.code) ?? "Component", componentText(c)] as const),
    ["Interpretation", interpretationText(o)],
    ["Reference range", referenceText(o)],
    ["No value", fhir.wordsOf(o.dataAbsentReason)],
  ]);
}

/** All that was measured in one line, as a report shows its results. */
export function observedText(o: Observation): string {
  const components = o.component.map((c) => {
    const [words, text] = [fhir.wordsOf(c.code) ?? "Component", componentText(c)];
    return text && `${words}: ${text}`;
  });
  return [componentText(o), ...components].filter(Boolean).join("; ");
}

function componentText(c: Observed): string {
  const [interpretation, reference] = [interpretationText(c), referenceText(c)];
  const absent = fhir.wordsOf(c.dataAbsentReason);
  const notes = [interpretation, reference && `reference range ${reference}`].filter(Boolean).join("; ");
  return [valueText(c) ?? (absent && `no value: ${absent}`), notes && `(${notes})`].filter(Boolean).join(" ");
}

/** A value of any kind, in words. */
function valueText(o: Observed): string | null {
  return (
    fhir.quantityText(o.valueQuantity) ??
    fhir.wordsOf(o.valueCodeableConcept) ??
    o.valueString ??
    (o.valueBoolean === undefined ? null : String(o.valueBoolean)) ??
    o.valueInteger ??
    o.valueDateTime ??
    o.valueTime ??
    fhir.rangeText(o.valueRange) ??
    ratioText(o.valueRatio) ??
    fhir.fromTo(o.valuePeriod?.start, o.valuePeriod?.end, "until") ??
    sampledText(o.valueSampledData)
  );
}

/** `1:128`, or `5 mg / 10 mL`. */
function ratioText(ratio: z.infer<typeof fhir.Ratio> | undefined): string | null {
  const [above, below] = [fhir.quantityText(ratio?.numerator), fhir.quantityText(ratio?.denominator)];
  if (!above && !below) return null;
  const plain = [above, below].every((text) => text === null || !text.includes(" "));
  return [above ?? "?", below ?? "?"].join(plain ? ":" : " / ");
}

function sampledText(sampled: z.infer<typeof SampledData> | undefined): string | null {
  if (!sampled?.data) return null;
  const { data, origin, period, factor, lowerLimit, upperLimit, dimensions = 1 } = sampled;
  const terms = [
    period !== undefined && `every ${period} ms`,
    origin?.value !== undefined && `zero at ${fhir.quantityText(origin)}`,
    factor !== undefined && `times ${factor}`,
    lowerLimit !== undefined && `L below ${lowerLimit}`,
    upperLimit !== undefined && `U above ${upperLimit}`,
    dimensions > 1 && `${dimensions} values at a time`,
  ].filter(Boolean);
  return terms.length > 0 ? `${data} (${terms.join(", ")})` : data;
}

function interpretationText({ interpretation }: Observed): string {
  return fhir.listed(interpretation);
}

function referenceText({ referenceRange }: Observed): string {
  return referenceRange
    .map((range) => {
      const text = range.text ?? fhir.rangeText(range);
      const age = fhir.rangeText(range.age);
      const whose = [fhir.listed([range.type, ...range.appliesTo]), age && `aged ${age}`]
        .filter(Boolean)
        .join(", ");
      return text && whose ? `${text} (${whose})` : text;
    })
    .filter(Boolean)
    .join("; ");
}
