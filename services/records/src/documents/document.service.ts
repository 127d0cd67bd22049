import { NotFound, newId, type PrescriptionPdfRequest, type SensitiveField } from "@medvault/contracts";
import { prescriptionDocument } from "@medvault/documents";
import { signingKey } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { reachableChart } from "../access/access.store.ts";
import type { Caller } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { chartView, unmaskAct } from "../patients/patient.service.ts";
import { patients } from "../patients/patient.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import { shownUnder } from "../resources/chart.ts";
import { done, readActOf, SOURCE } from "../resources/resource.events.ts";
import { find } from "../resources/resource.service.ts";
import { WeakDocumentPassword } from "./document.errors.ts";
import { insertDocument } from "./document.store.ts";
import { derivedFrom, newCode, newPassword, readCode } from "./document-code.ts";
import { documentPasswordFaults } from "./document-password.ts";
import { signDocument } from "./document-signature.ts";
import { momentAt, printedLines, signedContent } from "./printed-prescription.ts";
import { sealSignature } from "./sealed-signature.ts";

const SIGNING_KEY = "prescription-documents";

export interface MadePdf {
  readonly pdf: Buffer;
  /** The password that was made for it; null where the caller gave one. */
  readonly password: string | null;
}

/**
 * A prescription as an encrypted PDF, signed for its prescriber, with a code that leads to the
 * signature. Neither the PDF nor its password is kept. Throws NotFound, WeakDocumentPassword,
 * DocumentFailed, and as readPatient does for `unmask`.
 */
export async function makePdf(
  context: Context,
  caller: Caller,
  id: string,
  { password: given }: PrescriptionPdfRequest,
  unmask: readonly SensitiveField[] = [],
): Promise<MadePdf> {
  const found = await find(context, caller, prescriptions, id);
  const patient = await find(context, caller, patients, shownUnder(found, found.patientId));
  const [view, shown] = [prescriptions.view(found), chartView(patient, unmask)];
  const known = [patient.givenName, patient.familyName, patient.birthDate];
  const faults = given === undefined ? [] : documentPasswordFaults(given, known);
  if (faults.length > 0) throw new WeakDocumentPassword(faults);
  const acts = await unmaskAct(context, caller, patient.id, unmask);
  const nameOf = await context.people.namesOf(caller, [view.prescribedBy]);
  const prescriber = nameOf(view.prescribedBy);

  const now = new Date();
  const of = {
    id: newId(),
    patientId: found.patientId,
    prescriptionId: id,
    revision: found.rev,
    madeAt: now,
  };
  const key = await signingKey(context.pool, context.keyring, SIGNING_KEY);
  const signer = { prescribedBy: view.prescribedBy, signedBy: prescriber };
  const signed = signDocument(of, signedContent(shown, view), signer, key, now, context.digest);
  const code = newCode();
  const { lookup, key: sealingKey } = derivedFrom(readCode(code) ?? code);
  const exported = {
    ...readActOf(prescriptions, found),
    verb: "exported",
    details: { rev: found.rev, document: of.id, format: "pdf" },
  } as const;
  await inTransaction(context.pool, async (tx) => {
    if (!(await reachableChart(tx, caller, "prescription:read", found.patientId))) throw new NotFound();
    await insertDocument(tx, of, lookup, sealSignature(of, signed, sealingKey));
    for (const act of [exported, ...acts]) await emit(tx, SOURCE, done(caller, act));
  });

  const password = given ?? newPassword();
  const { letterhead, timeZone } = context.clinic;
  const pieces = prescriptionDocument({
    ...{ letterhead, password, code, madeAt: momentAt(now, timeZone) },
    codeWords: codeWords(letterhead.name),
    ...printedLines(shown, view, prescriber),
  });
  const made: Uint8Array[] = [];
  for await (const piece of pieces) made.push(piece);
  return { pdf: Buffer.concat(made), password: given === undefined ? password : null };
}

const codeWords = (clinic: string): string =>
  `By this code ${clinic || "the clinic"} says whether this page is real, who answers for it, and whether it still holds: ` +
  "ask there, or send it to POST /v1/prescriptions/verify of its MedVault.";
