import { type ErasureReceipt, NotFound } from "@medvault/contracts";
import { canonicalJson, erasureHash, erasureStatement } from "@medvault/crypto";
import { signingKey } from "@medvault/keys";
import type { Answer, Caller } from "@medvault/service-kit";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { about } from "../resources/refusal.service.ts";
import { done } from "../resources/resource.events.ts";
import { ErasureUnderWay } from "./erasure.errors.ts";
import { findErasure } from "./erasure.store.ts";
import { type Erasure, LEDGER_KEY, missingParts } from "./erasure.ts";

/**
 * What the patient takes away: who has confirmed and since when no key opens, the entry of the
 * ledger, and the proof that the audit log holds its event. Throws NotFound, ErasureUnderWay, and
 * what audit refuses (NotYetSigned).
 */
export async function readReceipt(
  context: Context,
  caller: Caller,
  patientId: string,
): Promise<Answer<ErasureReceipt>> {
  reachOf(caller, "erasure:read");
  const erasure = await findErasure(context.pool, patientId);
  if (!erasure) throw new NotFound();
  if (missingParts(erasure).length > 0) throw about(new ErasureUnderWay(), patientId);
  const proof = await context.proofs.proofOf(caller, erasure.eventId);
  const key = await signingKey(context.pool, context.keyring, LEDGER_KEY);
  const statement = receiptStatement(erasure, new Date());
  const signature = key.sign(Buffer.from(statement, "utf8")).toString("base64");
  const act = { noun: "erasure", verb: "attested", permission: "erasure:read" } as const;
  const whose = { subject: `erasure/${erasure.number}`, patientIds: erasure.patientIds };
  await context.appender.append(done(caller, { ...act, ...whose }));
  const body: ErasureReceipt = {
    format: "medvault-erasure-receipt/1",
    receipt: { statement, signature },
    entry: { statement: erasureStatement(erasure), signature: erasure.signature },
    publicKey: { ...erasure.publicKey },
    proof,
  };
  return { body };
}

/** RFC 8785, so that anyone can make it again. FORMATS.md, "Erasure receipt". */
function receiptStatement(erasure: Erasure, issuedAt: Date): string {
  const done = [...erasure.parts].map(([name, { doneAt }]) => [name, doneAt.toISOString()] as const);
  return canonicalJson({
    purpose: "medvault/erasure-receipt/v1",
    number: erasure.number,
    entrySha256: erasureHash(erasure),
    confirmedAt: Object.fromEntries(done),
    keysDestroyedAt: erasure.keysDestroyedAt?.toISOString() ?? null,
    issuedAt: issuedAt.toISOString(),
  });
}
