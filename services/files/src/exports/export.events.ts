import {
  type Actor,
  type ActVerb,
  type AuditEventInput,
  auditEvent,
  type NewEvent,
} from "@medvault/contracts";
import type { Export } from "./export.ts";

/** `failed`: it could not be made; `left`: a download broke off. */
type Verb = Extract<
  ActVerb,
  "requested" | "read" | "made" | "failed" | "downloaded" | "left" | "expired" | "cancelled"
>;

/** What became of an export. Null: by itself. */
export const exportEvent = (
  actor: Actor | null,
  verb: Verb,
  { id, patientId, purpose }: Pick<Export, "id" | "patientId" | "purpose">,
  rest: Pick<AuditEventInput, "reason" | "outcome" | "details"> = {},
): NewEvent =>
  auditEvent(actor, {
    type: `medvault.files.export.${verb}.v1`,
    subject: `export/${id}`,
    action: "fhir:export",
    patientIds: [patientId],
    purpose,
    ...rest,
  });
