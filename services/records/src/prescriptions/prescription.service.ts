import type { Actor, NewPrescription, PrescriptionView, ReplacePrescription } from "@medvault/contracts";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { codedFrom } from "../fhir/coding.ts";
import { create } from "../resources/creation.service.ts";
import type { PatientOwned } from "../resources/patient-owned.ts";
import { replace } from "../resources/resource.service.ts";
import { contentOf } from "../resources/resource.ts";
import { prescriptions } from "./prescription.table.ts";
import { isDated, lasting, type Prescription } from "./prescription.ts";

/** Prescribes for a patient. Throws NotFound. */
export function prescribe(
  context: Context,
  actor: Actor,
  input: NewPrescription,
  request: WriteRequest,
): Promise<Answer<PrescriptionView>> {
  const make = (made: PatientOwned) => ({
    ...made,
    ...contentFrom(input, made.createdAt.toISOString()),
    prescribedBy: actor.id,
    createdBy: actor.id,
    updatedBy: actor.id,
  });
  return create(context, actor, prescriptions, input.patientId, make, request);
}

/** Replaces what is prescribed. A code that is left out stays. Throws as replace does. */
export function represcribe(
  context: Context,
  actor: Actor,
  id: string,
  input: ReplacePrescription,
  expectedRev: number | null,
  request: WriteRequest,
): Promise<Answer<PrescriptionView>> {
  const content = (found: Prescription) => {
    // What had no start keeps its place in lists.
    const made = contentFrom(input, isDated(found) ? found.createdAt.toISOString() : found.startDate, found);
    // Who says nothing of codes, and names the same medication, takes none away.
    const isUnsaid = input.code === undefined && input.medication === found.medication;
    const { code, codeSystem, codeDisplay } = isUnsaid ? found : made;
    return { ...made, code, codeSystem, codeDisplay };
  };
  return replace(context, actor, prescriptions, id, input.patientId, content, expectedRev, request);
}

function contentFrom(
  { startDate, endDate, code, ...input }: ReplacePrescription,
  knownAt: string,
  found?: Prescription,
) {
  const content = contentOf(prescriptions, input);
  return { ...content, ...codedFrom(code, found), ...lasting(startDate, endDate, knownAt) };
}
