import { generateSecret, generateURI, verifySync } from "otplib";
import QRCode from "qrcode";
import { typedCode } from "./typed-code.ts";

const STEP_SECONDS = 30;
/** One step either way, for clocks that differ (I4). */
const TOLERANCE_SECONDS = STEP_SECONDS;

/** A new secret: 160 bits in base32, as RFC 4226 recommends. */
export function newTotpSecret(): string {
  return generateSecret({ length: 20 });
}

/** Whether this has the form of a TOTP code, however it is spaced. */
export const isTotp = (code: string): boolean => /^\d{6}$/.test(typedCode(code));

/**
 * The time step (Unix time / 30 s) whose code this is, if it is that of now or of a neighbour step;
 * else null. That it is a step later than the last one used is for the caller to make sure, in
 * Postgres.
 */
export function totpStep(secret: string, code: string, now: Date): number | null {
  if (!isTotp(code)) return null;
  const epoch = Math.floor(now.getTime() / 1000);
  const result = verifySync({ secret, token: typedCode(code), epoch, epochTolerance: TOLERANCE_SECONDS });
  return result.valid ? Math.floor(epoch / STEP_SECONDS) + result.delta : null;
}

/** The `otpauth://` URL of a secret, and its QR code (PNG data URL), for authenticator apps. */
export async function enrolmentOf(
  secret: string,
  label: string,
  issuer: string,
): Promise<{ otpauthUrl: string; qrCode: string }> {
  const otpauthUrl = generateURI({ issuer, label, secret });
  return { otpauthUrl, qrCode: await QRCode.toDataURL(otpauthUrl, { errorCorrectionLevel: "M" }) };
}
