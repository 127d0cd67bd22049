import type { ClaimStatus } from "@medvault/contracts";
import { z } from "zod";
import type { Claim } from "../claims/claim.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { codedOf, fhirCoding } from "./coding.ts";
import { toInstant } from "./date.ts";
import * as fhir from "./element.ts";
import { isFact } from "./fact.ts";
import { fractionDigits, toMinorUnits } from "./money.ts";
import type { FhirResource, Reference, References } from "./resource.ts";
import { UNKNOWN } from "./written.ts";

const FhirClaim = z.looseObject({
  status: z.string().optional(),
  use: z.string().optional(),
  created: fhir.DateAsSaid.optional(),
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
  total: z.looseObject({ value: fhir.Digits.optional(), currency: z.string().optional() }).optional(),
});

/** What FHIR says of a claim; `createdAt` only if the resource says in which moment. */
export type MappedClaim = Omit<Claim, keyof PatientOwned | "createdBy" | "updatedBy" | "reason"> & {
  createdAt: Date | null;
};

/**
 * An active claim has been handed in and awaits a decision; others than these have no place in the
 * workflow.
 */
const STATUS: Readonly<Record<string, ClaimStatus>> = { active: "submitted", draft: "draft" };

/**
 * A Claim as a claim, or null (it is kept as it came) when it is cancelled, a mere estimate, or
 * says no total with a currency that an integer of minor units holds. The diagnosis is looked up
 * inside the bundle. Throws ZodError.
 */
export function mapClaim(resource: FhirResource, references: References): MappedClaim | null {
  if (resource.resourceType !== "Claim") return null;
  const claim = FhirClaim.parse(resource);
  const status = Object.hasOwn(STATUS, claim.status ?? "") ? STATUS[claim.status ?? ""] : undefined;
  const { value, currency } = claim.total ?? {};
  if (!status || value === undefined || currency === undefined) return null;
  const amount = toMinorUnits(value, currency);
  if (amount === null) return null;
  if (claim.use !== undefined && claim.use !== "claim") return null;
  const concepts = claim.diagnosis.map((one) => {
    const found = references.resolve(one.diagnosisReference?.reference, resource);
    return (
      one.diagnosisCodeableConcept ??
      (found && isFact(found) ? fhir.Concept.safeParse(found.code).data : undefined)
    );
  });
  const codes = concepts.map(codedOf);
  const first = codes.find(({ code }) => code !== null);
  const joined = (texts: (string | null)[]) => texts.filter(Boolean).join("; ") || null;
  return {
    providerId: providerId(claim.provider?.reference),
    diagnosisCode: joined(codes.map(({ code }) => code)),
    diagnosisCoding: first?.code
      ? { system: first.codeSystem, code: first.code, display: first.codeDisplay }
      : null,
    diagnosis: joined(concepts.map(fhir.wordsOf)),
    treatment: joined(claim.item.map((item) => fhir.wordsOf(item.productOrService))),
    amount,
    currency,
    status,
    createdAt: momentOf(claim.created),
  };
}

/** A day is no moment: the original keeps it. */
function momentOf(created: string | undefined): Date | null {
  const instant = created?.includes("T") ? toInstant(created) : null;
  return instant === null ? null : new Date(instant);
}

const Uuid = z.uuid();

/**
 * The provider's own id where the reference holds a UUID; other references stay in the original
 * only.
 */
function providerId(reference: string | undefined): string | null {
  const id = reference?.split(/[:/]/).at(-1)?.toLowerCase();
  return id && Uuid.safeParse(id).success ? id : null;
}

const coded = (name: string, code: string) => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${name}`, code }],
});

/** A claim that was written here, as FHIR R4. Which insurance is to pay is known to its insurer. */
export function claimResource(claim: Claim, patient: Reference): FhirResource {
  const { diagnosis, diagnosisCode, diagnosisCoding: coding, treatment } = claim;
  const isIts = coding !== null && (diagnosisCode ?? coding.code) === coding.code;
  const its = {
    code: diagnosisCode ?? coding?.code ?? null,
    codeSystem: isIts ? coding.system : null,
    codeDisplay: isIts ? coding.display : null,
  };
  return {
    resourceType: "Claim",
    id: claim.id,
    status: claim.status === "draft" ? "draft" : "active",
    use: "claim",
    type: coded("claim-type", "professional"),
    patient,
    created: claim.createdAt.toISOString(),
    enterer: { reference: `urn:uuid:${claim.updatedBy ?? claim.createdBy}` },
    provider: claim.providerId === null ? UNKNOWN : { reference: `urn:uuid:${claim.providerId}` },
    priority: coded("processpriority", "normal"),
    insurance: [{ sequence: 1, focal: true, coverage: { ...UNKNOWN, display: "Not stated" } }],
    ...((diagnosis !== null || its.code !== null) && {
      diagnosis: [
        {
          sequence: 1,
          diagnosisCodeableConcept: {
            ...fhirCoding(its),
            ...(diagnosis !== null && { text: diagnosis }),
          },
        },
      ],
    }),
    ...(treatment !== null && { item: [{ sequence: 1, productOrService: { text: treatment } }] }),
    total: { value: claim.amount / 10 ** fractionDigits(claim.currency), currency: claim.currency },
  };
}
