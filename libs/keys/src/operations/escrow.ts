import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { combine, split } from "shamir-secret-sharing";
import { z } from "zod";
import { ShareInvalid, SharesOfAnotherSet, SharesTooFew } from "../errors.ts";
import { activeVersion } from "../providers/key-document.ts";
import { changeKeyFile } from "../providers/key-file.ts";

const FORMAT = "medvault-key-share/1";
const SALT_BYTES = 32;

/** One share, as its file holds it. Fewer than `threshold` of a set reveal nothing. */
const Share = z.strictObject({
  format: z.literal(FORMAT),
  /** The set: shares of different sets never meet. */
  set: z.uuid(),
  number: z.int().min(1).max(255),
  shares: z.int().min(2).max(255),
  threshold: z.int().min(2).max(255),
  createdAt: z.iso.datetime(),
  /** What is in it, by file name: for anyone who finds it. */
  holds: z.array(z.string().max(100)).max(100),
  /** SHA-256 of the shared bytes, which begin with 32 random ones: it says nothing of the rest. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  share: z.base64().min(1).max(4_000_000),
});
export type Share = z.infer<typeof Share>;

const Files = z.record(z.string().regex(/^[a-z]+\.json$/), z.string());

/**
 * Splits files (name: content) into shares of which any `threshold` give them back (Shamir 1979, by
 * the audited shamir-secret-sharing). RangeError unless 2 <= threshold <= shares <= 255.
 */
export async function splitFiles(
  files: Readonly<Record<string, string>>,
  shares: number,
  threshold: number,
): Promise<Share[]> {
  if (!(threshold >= 2 && threshold <= shares && shares <= 255)) {
    throw new RangeError("2 <= threshold <= shares <= 255");
  }
  const text = Buffer.from(JSON.stringify(files), "utf8");
  const secret = Buffer.concat([randomBytes(SALT_BYTES), text]);
  text.fill(0);
  const sha256 = createHash("sha256").update(secret).digest("hex");
  const about = {
    format: FORMAT,
    set: randomUUID(),
    shares,
    threshold,
    createdAt: new Date().toISOString(),
    holds: Object.keys(files).sort(),
    sha256,
  } as const;
  const parts = await split(new Uint8Array(secret), shares, threshold);
  secret.fill(0);
  return parts.map((part, at) => ({ ...about, number: at + 1, share: Buffer.from(part).toString("base64") }));
}

/**
 * Puts files together again from the contents of share files. Throws ShareInvalid (not a share, or
 * changed), SharesOfAnotherSet, or SharesTooFew; nothing comes out then.
 */
export async function combineShares(texts: readonly string[]): Promise<Record<string, string>> {
  const given = texts.map(readShare);
  const [first] = given;
  if (first === undefined) throw new SharesTooFew(0, 2);
  const isSameSet = ({ set, threshold, sha256 }: Share) =>
    set === first.set && threshold === first.threshold && sha256 === first.sha256;
  if (!given.every(isSameSet)) throw new SharesOfAnotherSet();
  const distinct = [...new Map(given.map((share) => [share.number, share])).values()];
  if (distinct.length < first.threshold) throw new SharesTooFew(distinct.length, first.threshold);
  const secret = await combined(distinct);
  try {
    const digest = createHash("sha256").update(secret).digest();
    if (!timingSafeEqual(digest, Buffer.from(first.sha256, "hex"))) throw new ShareInvalid();
    return Files.parse(JSON.parse(secret.subarray(SALT_BYTES).toString("utf8")));
  } finally {
    secret.fill(0);
  }
}

/**
 * Notes in a key file, before it is split into shares, that it was: a later reader sees whether the
 * shares are of before a rotation. Throws as changeKeyFile does.
 */
export async function noteEscrow(path: string, service: string): Promise<void> {
  await changeKeyFile(path, service, (document) => {
    const active = activeVersion(document);
    return document.escrowedVersion === active ? document : { ...document, escrowedVersion: active };
  });
}

function readShare(text: string): Share {
  try {
    return Share.parse(JSON.parse(text));
  } catch {
    throw new ShareInvalid(); // without what was read
  }
}

async function combined(shares: readonly Share[]): Promise<Buffer> {
  try {
    return Buffer.from(
      await combine(shares.map(({ share }) => new Uint8Array(Buffer.from(share, "base64")))),
    );
  } catch {
    throw new ShareInvalid(); // of different lengths, or the same twice
  }
}
