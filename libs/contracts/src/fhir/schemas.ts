import { z } from "zod";
import { Id } from "../ids.ts";

/** Counts by what became of a bundle's resources. `kept` counts, per type, what has no room yet. */
export const FhirImportView = z.object({
  patientId: Id.nullable(),
  patient: z.enum(["created", "matched", "none"]),
  /** Each Patient of the bundle, in its order; the two above are the first one's. */
  patients: z.array(z.object({ patientId: Id, patient: z.enum(["created", "matched"]) })),
  total: z.int(),
  stored: z.object({ patients: z.int(), records: z.int(), prescriptions: z.int(), claims: z.int() }),
  kept: z.record(z.string(), z.int()),
  existing: z.int(),
});
export type FhirImportView = z.infer<typeof FhirImportView>;

/** The outline of a Bundle; resources are looked at one by one by the records service. */
export const FhirBundle = z.looseObject({
  resourceType: z.literal("Bundle"),
  type: z.enum(["transaction", "batch", "searchset", "collection", "document"]),
  entry: z.array(z.looseObject({ fullUrl: z.string().optional(), resource: z.looseObject({}) })).optional(),
});
