import { type ClaimListQuery, ClaimView } from "@medvault/contracts";
import { isKnownSystem } from "../fhir/code-system.ts";
import { layClaim } from "../fhir/lay-claim.ts";
import { claimResource, mapClaim } from "../fhir/map-claim.ts";
import { fhirPair } from "../fhir/pair.ts";
import { updatedBy } from "../resources/patient-owned.ts";
import { AUTHORED, OWNED } from "../resources/patient-table.ts";
import { resource } from "../resources/resource.ts";
import { type Claim, renewed, withdrawn } from "./claim.ts";

export const claims = resource<Claim, ClaimView, ClaimListQuery>({
  noun: "claim",
  table: "claims",
  closable: { type: "claim" },
  columns: {
    ...OWNED,
    ...AUTHORED,
    createdBy: { store: "uuid", content: false },
    providerId: { store: "uuid", content: true, fhir: "provider.reference" },
    diagnosisCode: {
      store: "sealed",
      content: true,
      fhir: "diagnosis.diagnosisCodeableConcept.coding.code",
    },
    diagnosisCoding: {
      store: "sealed",

      content: true,
      fhir: "diagnosis.diagnosisCodeableConcept.coding",
    },
    diagnosis: { store: "sealed", content: true, fhir: "diagnosis.diagnosisCodeableConcept.text" },
    treatment: { store: "sealed", content: true, fhir: "item.productOrService.text" },
    amount: { store: "sealed", content: true, fhir: "total.value" },
    currency: { store: "sealed", content: true, fhir: "total.currency" },
    status: { store: "text", content: true, fhir: "status" },
    reason: {
      store: "sealed",
      content: true,
      fhir: { none: "a Claim does not hold what was decided on it" },
    },
  },
  permissions: { read: "claim:read", write: "claim:write" },
  view: ClaimView,
  author: updatedBy,
  renew: renewed,
  revoke: (former, _original, now) => withdrawn(former, now),
  order: "updatedAt",
  list: { filters: { status: { column: "status", is: "=" } } },
  derived: {
    diagnosisCoding: ({ diagnosisCoding: coding }) =>
      coding && { ...coding, known: isKnownSystem(coding.system) },
  },
  details: ({ status }) => ({ status }),
  fhir: fhirPair({
    read: mapClaim,
    make: (mapped, made, by) => ({
      ...made,
      ...mapped,
      createdAt: mapped.createdAt ?? made.createdAt,
      createdBy: by,
      updatedBy: by,
      reason: null,
    }),
    write: claimResource,
    lay: layClaim,
  }),
});
