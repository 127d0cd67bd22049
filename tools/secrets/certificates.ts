// An authority for the parts of one installation, and the certificates that it issues.
import { createPrivateKey, type KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** PEM: a certificate, and its PKCS #8 key. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Servers are never taken for a service: their certificates are good for answering alone. */
export type Use = "server" | "service";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const CERTIFICATE_DAYS = 730;
/** Renewed so early that a start a year is enough. */
const RENEWED_DAYS_BEFORE = 365;
const CURVE = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function x509() {
  await import("reflect-metadata"); // it needs this first
  return import("@peculiar/x509");
}

const newKeys = () => webcrypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
const period = (days: number) => ({
  notBefore: new Date(Date.now() - DAY_MS), // clocks of machines differ
  notAfter: new Date(Date.now() + days * DAY_MS),
});

/** A new authority: its certificate is what every part trusts. */
export async function newAuthority(): Promise<Pair> {
  const x = await x509();
  const keys = await newKeys();
  const cert = await x.X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=MedVault",
      ...period(AUTHORITY_DAYS),
      signingAlgorithm: CURVE,
      keys,
      extensions: [
        new x.BasicConstraintsExtension(true, 0, true),
        new x.KeyUsagesExtension(x.KeyUsageFlags.keyCertSign, true),
        // By it an authority is told from the one before, of the same name (RFC 5280, 4.2.1.1).
        await x.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { cert: cert.toString("pem"), key: await pemOf(keys.privateKey) };
}

/** A certificate for these host names and addresses. */
export async function issue(authority: Pair, names: readonly string[], use: Use): Promise<Pair> {
  const x = await x509();
  const issuer = new x.X509Certificate(authority.cert);
  const pkcs8 = createPrivateKey(authority.key).export({ type: "pkcs8", format: "der" });
  const signingKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, CURVE, false, ["sign"]);
  const keys = await newKeys();
  const { serverAuth, clientAuth } = x.ExtendedKeyUsage;
  const cert = await x.X509CertificateGenerator.create(
    {
      subject: `CN=${names[0]}`,
      issuer: issuer.subject,
      ...period(CERTIFICATE_DAYS),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: CURVE,
      extensions: [
        new x.BasicConstraintsExtension(false, undefined, true),
        await x.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
        new x.ExtendedKeyUsageExtension(use === "server" ? [serverAuth] : [serverAuth, clientAuth]),
        new x.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }) as const),
        ),
      ],
    },
    webcrypto,
  );
  return { cert: cert.toString("pem"), key: await pemOf(keys.privateKey) };
}

/** Whether a certificate of this authority, for exactly these names, is good for long enough. */
export function isStillGood(pair: Pair, authority: Pair, names: readonly string[]): boolean {
  const read = readPair(pair);
  if (!read) return false;
  const { cert, key } = read;
  const listed = (cert.subjectAltName ?? "").split(", ").map((one) => one.replace(/^(DNS|IP Address):/, ""));
  const daysLeft = (Date.parse(cert.validTo) - Date.now()) / DAY_MS;
  return (
    daysLeft > RENEWED_DAYS_BEFORE &&
    cert.checkPrivateKey(key) &&
    cert.verify(new X509Certificate(authority.cert).publicKey) &&
    listed.toSorted().join() === names.toSorted().join()
  );
}

function readPair({ cert, key }: Pair): { cert: X509Certificate; key: KeyObject } | null {
  try {
    return { cert: new X509Certificate(cert), key: createPrivateKey(key) };
  } catch {
    return null; // not there yet, or damaged
  }
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{1,64}/g, "$&\n")}-----END PRIVATE KEY-----\n`;
}
