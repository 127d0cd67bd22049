import { sign } from "node:crypto";
import { promisify } from "node:util";
import {
  contentHashOf,
  DEFAULT_DIGEST,
  type Digest,
  type Ed25519PublicJwk,
  publicKeyOf,
  recordStatement,
  verifyEd25519,
} from "@medvault/crypto";
import type { SigningKey } from "@medvault/keys";
import type { Coded } from "../fhir/coding.ts";
import { asSaid, type Said } from "../resources/as-said.ts";

const SIGNATURES_AT_ONCE = 200;

/** Hash and signature of one version of a record, as they lie in its box. */
export interface Integrity {
  /** The digest, hex, of the content in RFC 8785 form. */
  contentHash: string;
  /** By which digest; nothing where it is SHA-256. */
  digest?: Digest;
  /** Ed25519 over the statement, base64. */
  signature: string;
  signedBy: string;
  signedAt: string;
  publicKey: Ed25519PublicJwk;
}

/** Of a version that is to be signed yet. */
export const UNSIGNED: Integrity = {
  contentHash: "",
  signature: "",
  signedBy: "",
  signedAt: "",
  publicKey: { kty: "OKP", crv: "Ed25519", x: "" },
};

/**
 * What is signed: the content by its hash, and that it is this version of this record of this
 * patient.
 */
interface Signed extends Coded {
  id: string;
  patientId: string;
  version: number;
  type: string;
  title: string;
  body: string;
  occurredAt: Date;
  said: Said | null;
}

/**
 * Signs a version in the name of `signedBy` with that clinician's key, over its hash by the
 * deployment's digest.
 */
export function signVersion(
  record: Signed,
  key: SigningKey,
  signedBy: string,
  now: Date,
  digest: Digest,
): Integrity {
  const unsigned = unsignedOf(record, signedBy, now, digest);
  const signature = key.sign(Buffer.from(statementOf(record, unsigned), "utf8")).toString("base64");
  return { ...unsigned, signature, publicKey: key.publicJwk };
}

const signInThread = promisify(sign) as (
  algorithm: null,
  message: Buffer,
  key: SigningKey["privateKey"],
) => Promise<Buffer>;

/**
 * As signVersion, for many: 20,000 signatures are a second of work, so libuv's threads make them.
 */
export async function signVersions<T extends Signed>(
  records: readonly T[],
  key: SigningKey,
  signedBy: string,
  now: Date,
  digest: Digest,
): Promise<(T & { integrity: Integrity })[]> {
  const signed: (T & { integrity: Integrity })[] = [];
  for (let at = 0; at < records.length; at += SIGNATURES_AT_ONCE) {
    const batch = records.slice(at, at + SIGNATURES_AT_ONCE).map(async (record) => {
      const unsigned = unsignedOf(record, signedBy, now, digest);
      const signature = await signInThread(
        null,
        Buffer.from(statementOf(record, unsigned), "utf8"),
        key.privateKey,
      );
      return {
        ...record,
        integrity: { ...unsigned, signature: signature.toString("base64"), publicKey: key.publicJwk },
      };
    });
    signed.push(...(await Promise.all(batch)));
  }
  return signed;
}

/**
 * Whether content, place and signature belong together, under the digest that the signature was
 * made with.
 */
export function isIntact(record: Signed, integrity: Integrity): boolean {
  if (integrity.contentHash !== contentHashOf(contentOf(record), digestOf(integrity))) return false;
  const message = Buffer.from(statementOf(record, integrity), "utf8");
  return verifyEd25519(publicKeyOf(integrity.publicKey), message, Buffer.from(integrity.signature, "base64"));
}

/**
 * The text that is signed: RFC 8785 JSON, so that anyone can make it again from the answer of the
 * API.
 */
export function statementOf(
  record: Pick<Signed, "id" | "patientId" | "version">,
  integrity: Pick<Integrity, "contentHash" | "digest" | "signedBy" | "signedAt">,
): string {
  const { id: recordId, patientId, version } = record;
  const { contentHash, signedBy, signedAt } = integrity;
  return recordStatement({
    recordId,
    patientId,
    version,
    contentHash,
    digest: digestOf(integrity),
    signedBy,
    signedAt,
  });
}

function unsignedOf(record: Signed, signedBy: string, now: Date, digest: Digest) {
  return {
    contentHash: contentHashOf(contentOf(record), digest),
    ...(digest === DEFAULT_DIGEST ? {} : { digest }),
    signedBy,
    signedAt: now.toISOString(),
  };
}

const digestOf = ({ digest = DEFAULT_DIGEST }: Pick<Integrity, "digest">): Digest => digest;

/** As the record shows it. */
function contentOf(record: Signed) {
  const { type, title, body, code, codeSystem: system, codeDisplay: display } = record;
  const isBare = system === null && display === null;
  return {
    type,
    title,
    body,
    code: isBare ? code : { system, code, display },
    occurredAt: asSaid(record, "occurredAt"),
  };
}
