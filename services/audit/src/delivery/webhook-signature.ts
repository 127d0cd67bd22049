import { createHmac } from "node:crypto";

const PREFIX = "whsec_";
const SECRET_BYTES = { least: 24, most: 64 };
const SECRETS_MAX = 5;

/**
 * The secrets of a setting (`whsec_<base64>`, by commas or spaces), of 24 to 64 bytes each; null:
 * that is none. Standard Webhooks 1.0, "Signature scheme".
 */
export function secretsOf(text: string): Buffer[] | null {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  if (parts.length === 0 || parts.length > SECRETS_MAX) return null;
  const secrets: Buffer[] = [];
  for (const part of parts) {
    const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(part) ?? [];
    const secret = Buffer.from(encoded ?? "", "base64");
    if (secret.length < SECRET_BYTES.least || secret.length > SECRET_BYTES.most) return null;
    if (`${PREFIX}${secret.toString("base64")}` !== part) return null;
    secrets.push(secret);
  }
  return secrets;
}

/** The headers of one try: the body signed with its id and this moment, once by each secret. */
export function signedHeaders(
  secrets: readonly Buffer[],
  { id, at, body }: { id: string; at: Date; body: string },
): Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const digest = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64");
    return `v1,${digest}`;
  });
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** https anywhere, http to this machine alone; without a name and a password in it. */
export function isWebhookUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username + url.password !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}
