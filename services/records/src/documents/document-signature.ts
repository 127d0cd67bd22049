import {
  canonicalJson,
  contentHashOf,
  DEFAULT_DIGEST,
  type Digest,
  type Ed25519PublicJwk,
  publicKeyOf,
  verifyEd25519,
} from "@medvault/crypto";
import type { SigningKey } from "@medvault/keys";
import { z } from "zod";

/** What was printed, as RFC 8785 JSON has it under the hash. */
export interface Printed {
  readonly [field: string]: string | number | null | { readonly [field: string]: string | null };
}

/** What a document's row holds sealed: nothing of what was printed but its hash. */
export const DocumentSignature = z.strictObject({
  contentHash: z.string(),
  digest: z.string().optional(),
  /** How the prescriber is called, as printed. */
  signedBy: z.string().nullable(),
  prescribedBy: z.string(),
  signedAt: z.string(),
  signature: z.string(),
  publicKey: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() }),
});
export type DocumentSignature = z.infer<typeof DocumentSignature>;

interface Of {
  readonly prescriptionId: string;
  readonly revision: number;
}

/** Signs what is printed of this revision of a prescription, in its prescriber's name. */
export function signDocument(
  of: Of,
  printed: Printed,
  { prescribedBy, signedBy }: Pick<DocumentSignature, "prescribedBy" | "signedBy">,
  key: SigningKey,
  now: Date,
  digest: Digest,
): DocumentSignature {
  const unsigned = {
    contentHash: contentHashOf(printed, digest),
    ...(digest === DEFAULT_DIGEST ? {} : { digest }),
    ...{ signedBy, prescribedBy, signedAt: now.toISOString() },
  };
  const signature = key.sign(Buffer.from(documentStatement(of, unsigned), "utf8")).toString("base64");
  return { ...unsigned, signature, publicKey: key.publicJwk };
}

/** The text that is signed: RFC 8785 JSON, so that anyone can read what it says. */
export function documentStatement(
  { prescriptionId, revision }: Of,
  { contentHash, digest, prescribedBy, signedAt }: Omit<DocumentSignature, "signature" | "publicKey">,
): string {
  return canonicalJson({
    purpose: "medvault/prescription-document/v1",
    ...{ prescriptionId, revision, contentHash, digest, prescribedBy, signedAt },
  });
}

export function isSigned(of: Of, signed: DocumentSignature): boolean {
  const message = Buffer.from(documentStatement(of, signed), "utf8");
  const key = publicKeyOf(signed.publicKey satisfies Ed25519PublicJwk);
  return verifyEd25519(key, message, Buffer.from(signed.signature, "base64"));
}
