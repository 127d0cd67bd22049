import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext, type TlsOptions } from "node:tls";
import { ConfigError } from "./config.ts";
import type { Logger } from "./logger.ts";

/** How often the files are checked: certificates are replaced days before they expire. */
const LOOK_EVERY_MS = 10_000;
/** A client has this long to shake hands; after that the limits of HTTP hold. */
const HANDSHAKE_MS = 10_000;

/** TLS 1.3, and of 1.2 only what keeps secrets forward and is authenticated encryption. */
const SPOKEN = {
  minVersion: "TLSv1.2",
  ciphers:
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20",
} as const;

const SETTINGS = {
  cert: "MEDVAULT_TLS_CERT_FILE",
  key: "MEDVAULT_TLS_KEY_FILE",
  ca: "MEDVAULT_TLS_CA_FILE",
  clientCa: "MEDVAULT_TLS_CLIENT_CA_FILE",
} as const;
type Part = keyof typeof SETTINGS;
type Texts = Partial<Record<Part, string>>;

export type TlsSettings = { readonly [Name in (typeof SETTINGS)[Part]]?: string | undefined } & {
  readonly MEDVAULT_TLS_TERMINATED?: boolean | undefined;
};

export interface Tls {
  /** What the listener serves with now; null: plain. With a client CA it requires certificates. */
  readonly listener: TlsOptions | null;
  /** The same for the admin port, which requires no certificate for health and metrics. */
  readonly adminListener: TlsOptions | null;
  /** For `tls.connect`: CA and identity. The context is a getter: keep the object, not a copy. */
  readonly outgoing: { readonly rejectUnauthorized: true; readonly secureContext: SecureContext };
  /** When the certificate that it serves with ends; null: it has none. */
  readonly validTo: Date | null;
  /** Runs after each change of the files that was accepted. */
  onChange(listener: () => void): void;
  /** Stops checking the files. */
  close(): void;
}

/**
 * The certificates of this process, read again when their files change. A bad change (half written,
 * expired, another's key) is logged and the old one stays. Throws ConfigError if bad at start.
 */
export async function openTls(
  settings: TlsSettings,
  logger: Logger,
  lookEveryMs = LOOK_EVERY_MS,
): Promise<Tls> {
  let texts = await readTexts(settings);
  const faults = faultsOf(texts);
  if (faults.size > 0) throw new ConfigError(faults);
  let context = contextOf(texts);
  let refused = "";
  let looking = false;
  const listeners: (() => void)[] = [];

  async function look(): Promise<void> {
    const found = await readTexts(settings);
    const seen = JSON.stringify(found);
    if (seen === JSON.stringify(texts)) {
      refused = "";
      return;
    }
    if (seen === refused) return; // logged already
    const wrong = faultsOf(found);
    if (wrong.size > 0) {
      refused = seen;
      logger.error({ reason: new ConfigError(wrong).message }, "new TLS files do not fit, the old ones stay");
      return;
    }
    context = contextOf(found);
    texts = found;
    refused = "";
    for (const listener of listeners) listener();
    logger.info({ validTo: found.cert && certificatesOf(found.cert)[0]?.validTo }, "TLS files read again");
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((err: unknown) => logger.error({ err }, "TLS files could not be looked at"))
      .finally(() => {
        looking = false;
      });
  }, lookEveryMs);
  timer.unref();

  const served = (): TlsOptions | null =>
    texts.cert && texts.key
      ? { ...SPOKEN, cert: pemOf(texts.cert), key: texts.key, handshakeTimeout: HANDSHAKE_MS }
      : null;
  return {
    get listener() {
      const options = settings.MEDVAULT_TLS_TERMINATED ? null : served();
      if (!options || !texts.clientCa) return options;
      return { ...options, ca: pemOf(texts.clientCa), requestCert: true, rejectUnauthorized: true };
    },
    get adminListener() {
      return served();
    },
    outgoing: {
      rejectUnauthorized: true, // explicit: NODE_TLS_REJECT_UNAUTHORIZED changes only the default
      get secureContext() {
        return context;
      },
    },
    get validTo() {
      return (texts.cert && certificatesOf(texts.cert)[0]?.validToDate) || null;
    },
    onChange: (listener) => void listeners.push(listener),
    close: () => clearInterval(timer),
  };
}

/** What is wrong with the files that the settings name, by setting, before anything is opened. */
export async function tlsFaults(settings: TlsSettings): Promise<ReadonlyMap<string, string>> {
  return faultsOf(await readTexts(settings));
}

/** A file that cannot be read counts as empty, which is reported as a fault. */
async function readTexts(settings: TlsSettings): Promise<Texts> {
  const texts: Texts = {};
  for (const part of Object.keys(SETTINGS) as Part[]) {
    const file = settings[SETTINGS[part]];
    if (file) texts[part] = await readFile(file, "utf8").catch(() => "");
  }
  return texts;
}

function contextOf({ cert, key, ca }: Texts) {
  return createSecureContext({
    ...SPOKEN,
    ...(ca ? { ca: pemOf(ca) } : {}),
    ...(cert && key ? { cert: pemOf(cert), key } : {}),
  });
}

/** What is wrong with the files, by setting; nothing of their content. */
function faultsOf(texts: Texts): Map<string, string> {
  const faults = new Map<string, string>();
  const note = (part: Part, fault: string) => faults.set(SETTINGS[part], fault);
  for (const part of ["cert", "ca", "clientCa"] as const) {
    if (texts[part] === undefined) continue;
    const found = certificatesOf(texts[part]);
    // Of a chain the first is its own; of authorities one is enough.
    const isGood = part === "cert" ? isValidNow : () => found.some(isValidNow);
    if (!found[0]) note(part, "is not a readable file of PEM certificates");
    else if (!isGood(found[0])) note(part, "has expired, or is not valid yet: put a new one there");
  }
  if (texts.cert !== undefined && texts.key === undefined)
    note("key", "missing: the private key of the certificate in MEDVAULT_TLS_CERT_FILE");
  if (texts.cert === undefined && texts.key !== undefined)
    note("cert", "missing: the certificate of the key in MEDVAULT_TLS_KEY_FILE");
  if (texts.cert === undefined && texts.clientCa !== undefined)
    note("cert", "missing: who asks callers for certificates has to have one");
  const own = texts.cert === undefined ? undefined : certificatesOf(texts.cert)[0];
  if (texts.key === undefined) return faults;
  const key = privateKeyOf(texts.key);
  if (!key) note("key", "is not a readable file of a PEM private key without a passphrase");
  else if (own && !own.checkPrivateKey(key))
    note("key", "is not the key of the certificate in MEDVAULT_TLS_CERT_FILE");
  return faults;
}

function certificatesOf(pem: string): X509Certificate[] {
  try {
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

/** Rejoined: in joined files the line break between certificates may be missing (OpenSSL errs). */
function pemOf(pem: string): string {
  return certificatesOf(pem).join("");
}

function isValidNow(certificate: X509Certificate): boolean {
  const now = Date.now();
  return now >= certificate.validFromDate.getTime() && now <= certificate.validToDate.getTime();
}

function privateKeyOf(pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}
