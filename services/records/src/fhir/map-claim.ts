import type { ClaimStatus } from "@medvault/contracts";
import { z } from "zod";
import type { Resource } from "./bundle.ts";
import * as fhir from "./elements.ts";
import { toMinorUnits } from "./money.ts";
import type { References } from "./references.ts";

const Claim = z.looseObject({
  status: z.string().optional(),
  use: z.string().optional(),
  created: fhir.FhirDate.optional(),
  provider: fhir.Reference.optional(),
  diagnosis: z
    .array(
      z.looseObject({
        diagnosisReference: fhir.Reference.optional(),
        diagnosisCodeableConcept: fhir.Concept.optional(),
      }),
    )
    .default([]),
  item: z.array(z.looseObject({ productOrService: fhir.Concept.optional() })).default([]),
  total: z.looseObject({ value: z.number(), currency: z.string() }).optional(),
});

export interface MappedClaim {
  providerId: string | null;
  diagnosisCode: string | null;
  diagnosis: string | null;
  treatment: string | null;
  amount: number;
  currency: string;
  status: ClaimStatus;
  /** When it was made, if the resource tells. */
  createdAt: string | null;
}

/** An active claim has been handed in and awaits a decision; others than these have no place in the workflow. */
const STATUS: Readonly<Record<string, ClaimStatus>> = { active: "submitted", draft: "draft" };

/**
 * A Claim as a claim, or null (it is kept as it came) when it is cancelled, a mere estimate, or says no total that
 * an integer of minor units holds. The diagnosis is looked up inside the bundle. Throws ZodError.
 */
export function mapClaim(resource: Resource, references: References): MappedClaim | null {
  const claim = Claim.parse(resource);
  const status = Object.hasOwn(STATUS, claim.status ?? "") ? STATUS[claim.status ?? ""] : undefined;
  const amount = claim.total && toMinorUnits(claim.total.value, claim.total.currency);
  if (!status || !claim.total || amount === null || amount === undefined) return null;
  if (claim.use !== undefined && claim.use !== "claim") return null;
  const concepts = claim.diagnosis.map((one) => {
    const found = references.resolve(one.diagnosisReference?.reference, resource);
    return one.diagnosisCodeableConcept ?? fhir.Concept.safeParse(found?.code).data;
  });
  const joined = (texts: (string | null)[]) => texts.filter(Boolean).join("; ") || null;
  return {
    providerId: providerId(claim.provider?.reference),
    diagnosisCode: joined(concepts.map(fhir.codeOf)),
    diagnosis: joined(concepts.map(fhir.wordsOf)),
    treatment: joined(claim.item.map((item) => fhir.wordsOf(item.productOrService))),
    amount,
    currency: claim.total.currency,
    status,
    createdAt: claim.created ?? null,
  };
}

/** The provider's own id where the reference holds a UUID; other references stay in the original only. */
function providerId(reference: string | undefined): string | null {
  const id = reference?.split(/[:/]/).at(-1)?.toLowerCase();
  return id && z.uuid().safeParse(id).success ? id : null;
}
