import { type Actor, auditEvent, NotFound, type PrescriptionVerification } from "@medvault/contracts";
import { publicKeyOf } from "@medvault/crypto";
import type { Context } from "../context.ts";
import { type FoundDocument, findDocument } from "./document.store.ts";
import { derivedFrom, readCode } from "./document-code.ts";
import { documentStatement, isSigned } from "./document-signature.ts";
import { openSignature } from "./sealed-signature.ts";

/** Statuses by which a prescription is taken back. */
const WITHDRAWN = ["cancelled", "stopped", "entered-in-error"];

/**
 * What the code on a printed prescription leads to, for anyone who has it: the signature, and
 * whether the prescription is as it was printed; nothing of what it says. Throws NotFound for what
 * is no code of ours, whatever is wrong with it.
 */
export async function verifyDocument(
  context: Context,
  actor: Actor,
  typed: string,
): Promise<PrescriptionVerification> {
  const code = readCode(typed);
  const { lookup, key } = derivedFrom(code ?? typed);
  const found = await findDocument(context.pool, lookup);
  if (!found || code === null) throw new NotFound();
  const signed = openSignature(found, found.box, key);
  const valid = isSigned(found, signed);
  const status = statusOf(found);
  await context.appender.append(
    auditEvent(actor, {
      type: "medvault.records.prescription-document.verified.v1",
      subject: `prescription-document/${found.id}`,
      action: "prescription-document:verify",
      reason: "code",
      patientIds: [found.patientId],
      details: { valid, status },
    }),
  );
  const { contentHash, digest, signedBy, signedAt, signature, publicKey } = signed;
  return {
    ...{ valid, status, signedBy, signedAt, contentHash, signature },
    ...(digest !== undefined && { digest }),
    publicKey: publicKeyOf(publicKey).export({ type: "spki", format: "pem" }).toString(),
    statement: documentStatement(found, signed),
  };
}

function statusOf({ revision, revisionNow, statusNow }: FoundDocument): PrescriptionVerification["status"] {
  if (statusNow === null || WITHDRAWN.includes(statusNow)) return "withdrawn";
  return revision === revisionNow ? "current" : "replaced";
}
