import { webcrypto } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestCertificate {
  /** PEM. */
  cert: string;
  /** PKCS #8, PEM. */
  key: string;
}

interface CertificateRequest {
  /** Host names and addresses that it is good for; default 127.0.0.1 and localhost. */
  names?: string[];
  /** Default: an hour from now. */
  notAfter?: Date;
  /** Default: both. */
  good?: "for servers" | "for clients";
}

/** A certificate authority of one test. */
export interface TestAuthority {
  /** Its own certificate, PEM. */
  ca: string;
  issue(request?: CertificateRequest): Promise<TestCertificate>;
}

const HOUR_MS = 3600_000;
const CURVE = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A new authority, trusted by nobody yet. Takes some milliseconds: its keys are on P-256. */
export async function createTestAuthority(name = "test authority"): Promise<TestAuthority> {
  await import("reflect-metadata"); // x509 needs it first; slow, so only where it is used
  const x509 = await import("@peculiar/x509");
  const newKeys = () => webcrypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const keys = await newKeys();
  const own = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - HOUR_MS),
      notAfter: new Date(Date.now() + HOUR_MS),
      signingAlgorithm: CURVE,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  );
  return {
    ca: own.toString("pem"),
    async issue({
      names = ["127.0.0.1", "localhost"],
      notAfter = new Date(Date.now() + HOUR_MS),
      good,
    } = {}) {
      const leaf = await newKeys();
      const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
      const cert = await x509.X509CertificateGenerator.create(
        {
          subject: "CN=test",
          issuer: own.subject,
          notBefore: new Date(notAfter.getTime() - 2 * HOUR_MS),
          notAfter,
          publicKey: leaf.publicKey,
          signingKey: keys.privateKey,
          signingAlgorithm: CURVE,
          extensions: [
            new x509.BasicConstraintsExtension(false, undefined, true),
            new x509.ExtendedKeyUsageExtension([
              ...(good === "for clients" ? [] : [serverAuth]),
              ...(good === "for servers" ? [] : [clientAuth]),
            ]),
            new x509.SubjectAlternativeNameExtension(
              names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }) as const),
            ),
          ],
        },
        webcrypto,
      );
      const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", leaf.privateKey));
      const lines = der.toString("base64").replace(/.{1,64}/g, "$&\n");
      return {
        cert: cert.toString("pem"),
        key: `-----BEGIN PRIVATE KEY-----\n${lines}-----END PRIVATE KEY-----\n`,
      };
    },
  };
}

/** Files of certificates in a folder of their own, as settings name them. */
export interface CertificateFiles {
  /** MEDVAULT_TLS_*_FILE of what was written so far. */
  settings: Record<string, string>;
  /** Each is replaced as a whole, one after the other. */
  write(parts: Partial<Record<"cert" | "key" | "ca" | "clientCa", string>>): void;
  remove(): void;
}

const SETTINGS = { cert: "CERT", key: "KEY", ca: "CA", clientCa: "CLIENT_CA" } as const;

/** An empty folder for certificates. */
export function certificateFiles(): CertificateFiles {
  const dir = mkdtempSync(join(tmpdir(), "medvault-tls-"));
  const settings: Record<string, string> = {};
  return {
    settings,
    write(parts) {
      for (const [part, text] of Object.entries(parts)) {
        const file = join(dir, `${part}.pem`);
        writeFileSync(`${file}.next`, text, { mode: 0o600 });
        renameSync(`${file}.next`, file);
        settings[`MEDVAULT_TLS_${SETTINGS[part as keyof typeof SETTINGS]}_FILE`] = file;
      }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
