import { AlgorithmRefused } from "./errors.ts";

/** The ciphers of row boxes and wrapped keys: 32-byte keys, 12-byte nonces, 16-byte tags. */
export const SUITES = ["aes-256-gcm", "chacha20-poly1305"] as const;
export type Suite = (typeof SUITES)[number];

/** The digests that a deployment may choose. */
export const DIGESTS = ["sha256", "sha512", "sha3-256", "sha3-512"] as const;
export type Digest = (typeof DIGESTS)[number];
/** What was written before a deployment could choose says no digest: it is this one. */
export const DEFAULT_DIGEST: Digest = "sha256";

const SUITE_BYTES: Record<Suite, number> = { "aes-256-gcm": 1, "chacha20-poly1305": 2 };

const REFUSED: Readonly<Record<string, string>> = {
  des: "its 56-bit key is found by trying all of them",
  "3des": "its 64-bit blocks repeat within 32 GiB (Sweet32)",
  arc4: "its key stream is biased (RFC 7465 forbids it)",
  rc4: "its key stream is biased (RFC 7465 forbids it)",
  blowfish: "its 64-bit blocks repeat within 32 GiB (Sweet32)",
  "cast-128": "its 64-bit blocks repeat within 32 GiB (Sweet32)",
  md5: "collisions are made in seconds",
  sha1: "collisions were shown in 2017 (SHAttered)",
};

/** The byte that stands for a suite in a header. */
export function suiteByte(suite: Suite): number {
  return SUITE_BYTES[suite];
}

/** The suite that a header byte stands for, or null. */
export function suiteOf(byte: number): Suite | null {
  return byte === 1 ? "aes-256-gcm" : byte === 2 ? "chacha20-poly1305" : null;
}

/** An operator's setting as a suite. Throws AlgorithmRefused with the reason. */
export function parseSuite(name: string): Suite {
  return oneOf(SUITES, name);
}

/** An operator's setting as a digest. Throws AlgorithmRefused with the reason. */
export function parseDigest(name: string): Digest {
  return oneOf(DIGESTS, name);
}

function oneOf<T extends string>(accepted: readonly T[], name: string): T {
  const lower = name.toLowerCase();
  const found = accepted.find((known) => known === lower);
  if (found) return found;
  throw new AlgorithmRefused(name, REFUSED[lower] ?? `it is none of ${accepted.join(", ")}`);
}
