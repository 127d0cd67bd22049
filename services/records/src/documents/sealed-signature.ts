import { canonicalJson, openBox, sealBox } from "@medvault/crypto";
import type { PrintedDocument } from "./document.store.ts";
import { DocumentSignature } from "./document-signature.ts";

/** Of a key that is a code's own there is one generation. */
const KEY_VERSION = 1;

const contextOf = ({ id, patientId, prescriptionId, revision, madeAt }: PrintedDocument) => ({
  ...{ service: "records", table: "prescription_documents", rowId: id, subjectId: patientId, rev: 1 },
  typed: canonicalJson({ prescriptionId, revision, madeAt: madeAt.toISOString() }),
  open: "{}",
});

/** The signature of a document, sealed under its code's key: the code alone opens it. */
export const sealSignature = (of: PrintedDocument, signed: DocumentSignature, key: Buffer): Buffer =>
  sealBox({ key, version: KEY_VERSION }, contextOf(of), Buffer.from(JSON.stringify(signed), "utf8"));

/** Throws what libs/crypto throws for a box that was changed or moved. */
export const openSignature = (of: PrintedDocument, sealed: Buffer, key: Buffer): DocumentSignature =>
  DocumentSignature.parse(
    JSON.parse(openBox({ key, version: KEY_VERSION }, contextOf(of), sealed).toString("utf8")),
  );
