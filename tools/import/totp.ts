import { generate } from "otplib";

const STEP_MS = 30_000;

/** The 6-digit code of a base32 secret at a time (RFC 6238, SHA-1, 30 s). Rejects for what is no base32. */
export function totpCode(secret: string, atMs: number): Promise<string> {
  return generate({ secret, epoch: Math.floor(atMs / 1000) });
}

/** How long until the next code, in milliseconds. */
export function untilNextCodeMs(atMs: number): number {
  return STEP_MS - (atMs % STEP_MS);
}
