import { z } from "zod";
import * as fhir from "./element.ts";

/** Words for when something began are no date, and the day of writing them down is another. */
export interface When {
  said: string | undefined;
  inWords?: string | null | undefined;
  recorded?: string | undefined;
}

/** When a condition or an allergy began, and when that was written down. */
export const onset = {
  onsetDateTime: fhir.DateAsSaid.optional(),
  onsetPeriod: fhir.Period.optional(),
  onsetString: z.string().optional(),
  onsetAge: fhir.Quantity.optional(),
  onsetRange: fhir.Range.optional(),
  recordedDate: fhir.DateAsSaid.optional(),
};

export function onsetOf(c: z.infer<z.ZodObject<typeof onset>>): When {
  const inWords = c.onsetString ?? fhir.quantityText(c.onsetAge) ?? fhir.rangeText(c.onsetRange);
  return { said: c.onsetDateTime ?? c.onsetPeriod?.start, inWords, recorded: c.recordedDate };
}
